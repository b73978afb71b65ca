//! From a cart to an order: delivery, address, the summary, the yes, and what becomes of it afterwards.

use std::time::Duration;

use balcao_domain::{
    VariantId,
    bill::Bill,
    money::{Money, MoneyError},
    order::Status,
    reply::ReplyOption,
    sale::{Ask, Stage},
    tenant::DeliveryOption,
    turn::Action,
};

use super::{
    Desk, Said, Trouble, human,
    port::{Confirmed, HowPaid, Known, ToPlace},
    words::Changed,
};

/// How long an order holds its stock where the shop arranges the payment itself: people are slower than PIX.
const HOLD_FOR_A_PERSON: Duration = Duration::from_secs(3 * 24 * 60 * 60);

impl<'a> Desk<'a> {
    pub(super) fn ways(&self) -> &'a [DeliveryOption] {
        &self.turn.request.tenant.settings.delivery
    }

    /// Asks for what is missing, or shows the summary.
    pub(super) async fn checkout(&mut self) -> Result<Said, Trouble> {
        let Some(sum) = self.sum()? else { return self.show_cart(String::new()) };
        let ways = self.ways();
        self.sale.delivery = match ways.len() {
            0 => None,
            1 => Some(0),
            count => self.sale.delivery.filter(|at| *at < count),
        };
        let way = self.sale.delivery.map(|at| &ways[at]);
        if way.is_none() && !ways.is_empty() {
            self.sale.stage = Stage::Delivery;
            let bills = ways.iter().map(|way| self.bill(sum, Some(way))).collect::<Result<Vec<_>, _>>()?;
            let price = |at: usize| bills[at].delivery;
            let row = |(at, way): (usize, &DeliveryOption)| ReplyOption {
                id: format!("sale:delivery:{at}"),
                title: way.name.clone(),
                description: Some(self.say.fee(price(at))),
            };
            let options = ways.iter().enumerate().map(row).collect();
            return Ok(Said::new("sale.delivery", self.say.deliveries(ways, price), options));
        }
        match way {
            Some(way) if way.needs_address && self.sale.address.is_none() => {
                self.sale.stage = Stage::Address;
                Ok(Said::new("sale.address", self.say.where_to(), Vec::new()))
            }
            _ => self.summary(String::new()).await,
        }
    }

    /// Shows what would be placed, at the prices and in the numbers of this moment.
    pub(super) async fn summary(&mut self, before: String) -> Result<Said, Trouble> {
        let changes = self.refresh().await?;
        let mut before = if before.is_empty() { before } else { before + "\n\n" };
        if !changes.is_empty() {
            before += &(self.say.changed(&changes) + "\n\n");
        }
        let Some(sum) = self.sum()? else { return self.show_cart(before.trim_end().to_owned()) };
        let way = self.sale.delivery.and_then(|at| self.ways().get(at));
        let bill = self.bill(sum, way)?;
        let address = self.sale.address.as_deref().filter(|_| way.is_some_and(|way| way.needs_address));
        let text = before + &self.say.summary(&self.sale.cart, way, address, &bill);
        self.sale.revision += 1;
        self.sale.due_minor = Some(bill.total.minor());
        self.sale.stage = Stage::Confirming;
        let options = vec![self.say.yes(self.sale.revision), self.say.more(), self.say.no()];
        Ok(Said::new("sale.summary", text, options))
    }

    /// Brings the cart up to date with the shop's books.
    pub(super) async fn refresh(&mut self) -> Result<Vec<Changed>, Trouble> {
        let variants: Vec<VariantId> = self.sale.cart.iter().map(|item| item.what.variant_id).collect();
        let offers = self.sales.now(&self.ctx, &variants).await?;
        let mut changes = Vec::new();
        self.sale.cart.retain_mut(|item| {
            let offer = offers.iter().find(|offer| offer.shown.variant_id == item.what.variant_id);
            let Some(offer) = offer.filter(|offer| offer.can_be_had(1)) else {
                changes.push(Changed::Gone(item.what.title.clone()));
                return false;
            };
            if offer.shown.unit != item.what.unit {
                changes.push(Changed::Price(offer.shown.title.clone(), offer.shown.unit));
            }
            item.what = offer.shown.clone();
            if let Some(left) = offer.available.filter(|left| *left < item.quantity) {
                changes.push(Changed::Fewer(item.what.title.clone(), left));
                item.quantity = left;
            }
            true
        });
        Ok(changes)
    }

    pub(super) async fn confirm(&mut self, revision: Option<u32>) -> Result<Said, Trouble> {
        let present = revision == Some(self.sale.revision);
        match &self.sale.stage {
            Stage::Confirming if present => self.place().await,
            Stage::Confirming => self.summary(self.say.older()).await,
            // The same button once more.
            Stage::Placed { order_id } if present => {
                let order_id = *order_id;
                let orders = self.sales.orders(&self.ctx, self.turn.request.conversation_id).await?;
                match orders.into_iter().find(|order| order.order_id == order_id) {
                    Some(order) => Ok(self.tell(order)),
                    None => self.show_cart(String::new()),
                }
            }
            Stage::Asking { what, order_id, words } if present => {
                let (what, order_id, words) = (*what, *order_id, words.clone());
                self.carry_out(what, order_id, words).await
            }
            _ if self.sale.cart.is_empty() => self.show_cart(String::new()),
            _ => self.summary(self.say.older()).await,
        }
    }

    pub(super) fn bill(&self, items: Money, way: Option<&DeliveryOption>) -> Result<Bill, MoneyError> {
        Bill::of(items, &self.turn.request.tenant.settings, way)
    }

    pub(super) async fn place(&mut self) -> Result<Said, Trouble> {
        let request = self.turn.request;
        let settings = &request.tenant.settings;
        let way = self.sale.delivery.and_then(|at| self.ways().get(at));
        let address = self.sale.address.clone().filter(|_| way.is_some_and(|way| way.needs_address));
        let Some(sum) = self.sum()? else { return self.show_cart(String::new()) };
        let bill = self.bill(sum, way)?;
        // The shop has changed what delivery costs or what PIX takes off: that was not what they said yes to.
        if self.sale.due_minor.is_some_and(|due| due != bill.total.minor()) {
            return self.summary(self.say.older()).await;
        }
        let hold = match settings.pix {
            Some(_) => Duration::from_secs(u64::from(settings.hold_minutes) * 60),
            None => HOLD_FOR_A_PERSON,
        };
        let new = ToPlace {
            intent: self.sale.intent(request.conversation_id),
            wanted: self.wanted(),
            delivery_minor: bill.delivery.minor(),
            discount_minor: bill.discount.minor(),
            delivery: serde_json::json!({ "way": way.map(|way| &way.name), "address": address }),
            hold,
        };
        match self.sales.place(&request.tenant, request.conversation_id, new).await? {
            Confirmed::Changed => self.summary(String::new()).await,
            Confirmed::Order(order) => {
                self.sale.cart.clear();
                self.sale.delivery = None;
                self.sale.stage = Stage::Placed { order_id: order.order_id };
                Ok(self.tell(order))
            }
        }
    }

    /// An order that was placed: with what it is paid, or with a person who arranges it.
    pub(super) fn tell(&self, order: Known) -> Said {
        if order.status != Status::AwaitingPayment {
            return Said::new("sale.orders", self.say.orders(std::slice::from_ref(&order)), Vec::new());
        }
        let mut said = Said::new("sale.placed", self.say.placed(&order), Vec::new());
        if order.how_paid == HowPaid::Arranged {
            said.action = Action::HandOff { reason: format!("order {}: arrange the payment", order.code) };
        }
        said.reply.copyable = order.br_code().map(str::to_owned);
        said
    }

    /// Where the customer's orders stand; `paid`: they say that they have paid.
    pub(super) async fn orders(&mut self, paid: bool) -> Result<Option<Said>, Trouble> {
        let orders = self.sales.orders(&self.ctx, self.turn.request.conversation_id).await?;
        let Some(newest) = orders.first() else { return Ok(None) };
        let mut text = self.say.orders(&orders);
        if paid && newest.status == Status::AwaitingPayment {
            text = format!("{text}\n\n{}", self.say.not_yet());
        }
        let mut said = Said::new("sale.orders", text, Vec::new());
        said.reply.copyable = newest.br_code().map(str::to_owned);
        if !paid {
            said.reply.options = human(self.turn);
        }
        Ok(Some(said))
    }

    /// Forgets the cart, or calls the order off that was just placed.
    pub(super) async fn clear(&mut self) -> Result<Said, Trouble> {
        let placed = match &self.sale.stage {
            Stage::Placed { order_id } if self.sale.cart.is_empty() => Some(*order_id),
            _ => None,
        };
        self.sale.cart.clear();
        self.sale.delivery = None;
        self.sale.stage = Stage::Open;
        match placed {
            // A yes to what will be done comes first, also here.
            Some(_) => match self.wants(Ask::Cancel, None, String::new()).await? {
                Some(said) => Ok(said),
                None => Ok(Said::new("sale.clear", self.say.cleared(), Vec::new())),
            },
            None => Ok(Said::new("sale.clear", self.say.cleared(), Vec::new())),
        }
    }
}
