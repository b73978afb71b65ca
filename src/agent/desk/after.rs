//! What a customer still wants of an order they have placed: call it off, send it elsewhere, have other things in it,
//! bring it back. Nothing is done before a yes to what will be done, said with the order's own numbers; whether it may be
//! done is decided by the shop's books at that moment.

use balcao_domain::{
    OrderId,
    order::Status,
    reply::ReplyOption,
    sale::{self, Ask, Item, Stage},
    text,
    turn::Action,
};

use super::{
    ADDRESS_CHARS, Desk, Said, Trouble, human, is_address,
    port::{Done, Known, ToDo, Why},
};

/// Characters of a reason that are kept.
const REASON_CHARS: usize = 300;

impl Desk<'_> {
    /// Reads what is wanted of an order from the customer's words; `None` where nothing is, or there is no order.
    pub(super) async fn after(&mut self, words: &str) -> Result<Option<Said>, Trouble> {
        if let Stage::NewAddress { order_id } = self.sale.stage
            && is_address(words, self.fresh)
        {
            let address = text::clean(words.trim(), ADDRESS_CHARS);
            return self.ask_about(Ask::Address, order_id, address).await.map(Some);
        }
        let Some(ask) = sale::asks(words) else { return Ok(None) };
        let reason = text::clean(words.trim(), REASON_CHARS);
        self.wants(ask, sale::code(words).as_deref(), reason).await
    }

    /// Somebody wants something done with the order of that code, or with the newest that it can be done with.
    pub(super) async fn wants(
        &mut self,
        ask: Ask,
        code: Option<&str>,
        reason: String,
    ) -> Result<Option<Said>, Trouble> {
        let orders = self.sales.orders(&self.ctx, self.turn.request.conversation_id).await?;
        if orders.is_empty() {
            return Ok(None);
        }
        let meant = match code {
            Some(code) => orders.iter().find(|order| order.code == code),
            None => orders.iter().find(|order| ask.is_allowed(order.status)).or(orders.first()),
        };
        let Some(order) = meant else {
            let text = self.say.unknown_order(code.unwrap_or_default(), &orders);
            return Ok(Some(Said::new("order.unknown", text, human(self.turn))));
        };
        // Of what has come, other things are had by bringing it back.
        let ask = if ask == Ask::Items && order.status == Status::Delivered { Ask::Exchange } else { ask };
        if !ask.is_allowed(order.status) {
            let text = self.say.not_possible(ask, order, &Why::Status(order.status));
            return Ok(Some(Said::new("order.refused", text, human(self.turn))));
        }
        if ask == Ask::Address {
            self.sale.stage = Stage::NewAddress { order_id: order.order_id };
            let text = self.say.new_address(&order.code);
            return Ok(Some(Said::new("order.address", text, Vec::new())));
        }
        self.ask_about(ask, order.order_id, reason).await.map(Some)
    }

    /// Says what would be done, and asks whether it is to be.
    async fn ask_about(&mut self, what: Ask, order_id: OrderId, words: String) -> Result<Said, Trouble> {
        let Some(order) = self.order(order_id).await? else {
            return Err(Trouble("the order is gone".into()));
        };
        let text = self.say.asking(what, &order, &words);
        self.sale.revision += 1;
        self.sale.stage = Stage::Asking { what, order_id, words };
        let revision = self.sale.revision;
        let yes = ReplyOption { title: self.say.yes_do_it(what).into(), ..self.say.yes(revision) };
        let no = ReplyOption { title: self.say.leave_it().into(), ..self.say.no() };
        Ok(Said::new("order.asking", text, vec![yes, no]))
    }

    /// The yes came.
    pub(super) async fn carry_out(
        &mut self,
        what: Ask,
        order_id: OrderId,
        words: String,
    ) -> Result<Said, Trouble> {
        let to_do = match what {
            Ask::Cancel => ToDo::Cancel,
            Ask::Address => ToDo::Address(words),
            Ask::Items => ToDo::Reopen,
            Ask::Return => ToDo::Return { exchange: false, reason: words },
            Ask::Exchange => ToDo::Return { exchange: true, reason: words },
        };
        let done = self.sales.after(&self.ctx, order_id, &to_do).await?;
        self.sale.stage = Stage::Open;
        let Some(order) = self.order(order_id).await? else {
            return Err(Trouble("the order is gone".into()));
        };
        Ok(match done {
            Done::Refused(why) => {
                Said::new("order.refused", self.say.not_possible(what, &order, &why), human(self.turn))
            }
            Done::Canceled => Said::new("sale.cancel", self.say.canceled(&order.code), Vec::new()),
            Done::Refunding(amount) => {
                Said::new("order.called_off", self.say.refund_is_coming(&order.code, amount), Vec::new())
            }
            Done::ByPerson => {
                self.to_a_person("order.called_off", self.say.person_refunds(&order.code), &order, what)
            }
            Done::Address => Said::new("order.address", self.say.address_changed(&order.code), Vec::new()),
            Done::Reopened(lines) => {
                self.sale.cart = lines.into_iter().map(|(what, quantity)| Item { what, quantity }).collect();
                self.sale.stage = Stage::Cart;
                self.show_cart(self.say.reopened(&order.code))?
            }
            Done::Asked => {
                self.to_a_person("order.return", self.say.return_asked(what, &order.code), &order, what)
            }
        })
    }

    /// A person of the shop goes on from here.
    fn to_a_person(&self, intent: &'static str, text: String, order: &Known, what: Ask) -> Said {
        let mut said = Said::new(intent, text, Vec::new());
        said.action = Action::HandOff { reason: format!("order {}: {}", order.code, what.as_str()) };
        said
    }

    async fn order(&self, id: OrderId) -> Result<Option<Known>, Trouble> {
        let orders = self.sales.orders(&self.ctx, self.turn.request.conversation_id).await?;
        Ok(orders.into_iter().find(|order| order.order_id == id))
    }
}
