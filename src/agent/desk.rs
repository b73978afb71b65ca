//! The counter's own conversation about buying: find, choose, how many, cart, delivery, summary, yes, pay.
//!
//! It needs no model: a customer can buy with buttons, numbers and short words while the model is down, and with it up
//! the same steps come before it, because a price, a total and an order are never a model's to say. Every amount is
//! read from the shop's books in the turn that says it; what is confirmed is one numbered summary, and the order's
//! identity is that number, so a turn that is tried again places nothing twice.

mod after;
mod checkout;
pub(crate) mod counter;
pub mod notices;
pub mod port;
pub mod till;
mod words;

use balcao_domain::{
    TenantCtx, VariantId,
    money::{Money, MoneyError},
    order::Wanted,
    reply::{Reply, ReplyOption},
    sale::{self, Fact, Heard, MAX_QUANTITY, Sale, Shown, Stage, heard, is_shopping},
    turn::{Action, Evidence},
};

use crate::{engine::Turn, rule_path::Decided};
use port::{OnOffer, Sales};
use words::{Changed, Words};

/// What is listed of what was found.
const SHOWN: usize = 8;

/// Products that are looked up; each may have several variants.
const FOUND: usize = 4;

/// Characters of an address that are kept.
const ADDRESS_CHARS: usize = 300;

/// Buttons of the counter begin with this.
const BUTTON: &str = "sale:";

/// One turn at the counter.
struct Desk<'a> {
    sales: &'a dyn Sales,
    turn: &'a Turn<'a>,
    ctx: TenantCtx,
    say: Words,
    sale: Sale,
    /// Nothing was said since the counter's last question.
    fresh: bool,
    /// What of a list can be had, as it was listed.
    listed: Vec<Fact>,
}

/// What the counter has to say.
struct Said {
    reply: Reply,
    action: Action,
    intent: &'static str,
}

impl Said {
    fn new(intent: &'static str, text: String, options: Vec<ReplyOption>) -> Self {
        Self { reply: Reply { text, options, ..Reply::default() }, action: Action::Continue, intent }
    }
}

/// Why the counter could not go on.
struct Trouble(String);

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<MoneyError> for Trouble {
    fn from(error: MoneyError) -> Self {
        Self(error.to_string())
    }
}

/// Answers what belongs to buying and is no question: buttons, numbers, a yes to a summary, a cart that was sent. `None`
/// leaves the turn to the others.
pub async fn before_the_model(
    turn: &Turn<'_>,
    sales: &dyn Sales,
    evidence: &mut Evidence,
) -> Option<Decided> {
    let mut desk = Desk::new(turn, sales);
    let said = desk.answer().await;
    desk.close(said, evidence)
}

/// Offers what the words name, where they name something that is sold. Where the shop's documents are sure of an answer
/// (`documents_know`) only what all of the words name is offered: "how much is hemming trousers" is not about trousers.
pub async fn browse(
    turn: &Turn<'_>,
    sales: &dyn Sales,
    documents_know: bool,
    evidence: &mut Evidence,
) -> Option<Decided> {
    let question = turn.question();
    if !is_shopping(&question) {
        return None;
    }
    let mut desk = Desk::new(turn, sales);
    let said = desk.browse(&question, documents_know).await;
    if let Err(Trouble(why)) = &said {
        // The documents may still know an answer.
        evidence.errors.push(why.clone());
        return None;
    }
    desk.close(said, evidence)
}

impl<'a> Desk<'a> {
    fn new(turn: &'a Turn<'a>, sales: &'a dyn Sales) -> Self {
        let request = turn.request;
        Self {
            sales,
            turn,
            ctx: TenantCtx::system(request.tenant.tenant_id),
            say: Words(turn.language),
            sale: request.sale.clone().unwrap_or_default(),
            fresh: request.sale_is_fresh,
            listed: Vec::new(),
        }
    }

    fn close(self, said: Result<Option<Said>, Trouble>, evidence: &mut Evidence) -> Option<Decided> {
        let said = match said {
            Ok(said) => said?,
            Err(Trouble(why)) => {
                evidence.errors.push(why);
                let human = human(self.turn);
                Said::new("sale.trouble", self.say.trouble(), human)
            }
        };
        evidence.intent = Some(said.intent.to_owned());
        evidence.facts = self.facts();
        evidence.sale = Some(self.sale);
        Some(Decided { reply: said.reply, action: said.action })
    }

    /// What was said of prices and stock, by where the customer stands now.
    fn facts(&self) -> Vec<Fact> {
        match &self.sale.stage {
            Stage::Choosing { .. } => self.listed.clone(),
            Stage::Quantity { of } => vec![Fact::of(of, true)],
            Stage::Cart | Stage::Delivery | Stage::Confirming => {
                self.sale.cart.iter().map(|item| Fact::of(&item.what, true)).collect()
            }
            Stage::Open
            | Stage::Address
            | Stage::NewAddress { .. }
            | Stage::Asking { .. }
            | Stage::Placed { .. } => Vec::new(),
        }
    }

    async fn answer(&mut self) -> Result<Option<Said>, Trouble> {
        if let Some(button) = self.turn.reading.choice.as_deref().and_then(|id| id.strip_prefix(BUTTON)) {
            return self.button(button).await.map(Some);
        }
        if !self.turn.reading.cart.is_empty() {
            return self.take_over_cart().await.map(Some);
        }
        let words = self.turn.reading.words();
        if words.trim().is_empty() {
            return Ok(None);
        }
        if let Some(said) = self.yes_or_no().await? {
            return Ok(Some(said));
        }
        if let Some(said) = self.after(&words).await? {
            return Ok(Some(said));
        }
        if self.asks_for_orders() {
            return self.orders(false).await;
        }
        match heard(&words) {
            Some(Heard::Number(number)) => self.number(number).await,
            Some(Heard::Take) => match self.only_offer() {
                Some(variant) => self.choose(variant).await.map(Some),
                None => Ok(None),
            },
            Some(Heard::Paid) => self.orders(true).await,
            Some(Heard::Cart) if !self.sale.cart.is_empty() => self.show_cart(String::new()).map(Some),
            Some(Heard::Checkout) if !self.sale.cart.is_empty() => self.checkout().await.map(Some),
            Some(Heard::Clear) if self.sale.stage != Stage::Open || !self.sale.cart.is_empty() => {
                self.clear().await.map(Some)
            }
            Some(_) => Ok(None),
            None if self.sale.stage == Stage::Address && is_address(&words, self.fresh) => {
                self.sale.address = Some(balcao_domain::text::clean(words.trim(), ADDRESS_CHARS));
                self.checkout().await.map(Some)
            }
            None => Ok(None),
        }
    }

    fn asks_for_orders(&self) -> bool {
        self.turn.understanding.questions.is_empty()
            && self.turn.understanding.main().is_some_and(|found| found.intent == "order_status")
    }

    async fn button(&mut self, button: &str) -> Result<Said, Trouble> {
        let (name, argument) = button.split_once(':').unwrap_or((button, ""));
        match name {
            "pick" => match argument.parse() {
                Ok(variant) => self.choose(variant).await,
                Err(_) => self.show_cart(String::new()),
            },
            "qty" => match (argument.parse(), &self.sale.stage) {
                (Ok(quantity), Stage::Quantity { of }) => {
                    let of = of.clone();
                    self.put(of, quantity).await
                }
                _ => self.show_cart(String::new()),
            },
            "checkout" => self.checkout().await,
            "more" => {
                self.sale.stage = Stage::Open;
                Ok(Said::new("sale.more", self.say.what_else(), Vec::new()))
            }
            "clear" => self.clear().await,
            "delivery" => {
                let at = argument.parse().ok().filter(|at| *at < self.ways().len());
                if at.is_some() {
                    self.sale.delivery = at;
                }
                self.checkout().await
            }
            "yes" => self.confirm(argument.parse().ok()).await,
            "no" => match self.sale.stage {
                Stage::Asking { .. } => Ok(self.left_alone()),
                _ => {
                    self.sale.stage = Stage::Cart;
                    self.show_cart(self.say.kept())
                }
            },
            _ => self.show_cart(String::new()),
        }
    }

    /// A yes or a no in words, to what was asked last.
    async fn yes_or_no(&mut self) -> Result<Option<Said>, Trouble> {
        if !self.fresh || !self.turn.understanding.questions.is_empty() {
            return Ok(None);
        }
        let intent = self.turn.understanding.main().map(|found| found.intent.as_str());
        let yes = match intent {
            Some("affirm") => true,
            Some("deny") => false,
            _ => return Ok(None),
        };
        match (&self.sale.stage, yes) {
            (Stage::Confirming | Stage::Asking { .. }, true) => {
                self.confirm(Some(self.sale.revision)).await.map(Some)
            }
            (Stage::Asking { .. }, false) => Ok(Some(self.left_alone())),
            (Stage::Confirming, false) => {
                self.sale.stage = Stage::Cart;
                self.show_cart(self.say.kept()).map(Some)
            }
            (_, true) => match self.only_offer() {
                Some(variant) => self.choose(variant).await.map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn left_alone(&mut self) -> Said {
        self.sale.stage = Stage::Open;
        Said::new("order.left", self.say.left(), Vec::new())
    }

    /// The one thing that was just offered.
    fn only_offer(&self) -> Option<VariantId> {
        match &self.sale.stage {
            Stage::Choosing { shown } if self.fresh && shown.len() == 1 => Some(shown[0].variant_id),
            _ => None,
        }
    }

    async fn number(&mut self, number: i64) -> Result<Option<Said>, Trouble> {
        if !self.fresh {
            return Ok(None);
        }
        let at = |count: usize| usize::try_from(number - 1).ok().filter(|at| *at < count);
        match &self.sale.stage {
            Stage::Choosing { shown } => match at(shown.len()) {
                Some(at) => {
                    let variant = shown[at].variant_id;
                    self.choose(variant).await.map(Some)
                }
                None => {
                    let text = self.say.not_on_the_list(shown.len());
                    Ok(Some(Said::new("sale.choose", text, Vec::new())))
                }
            },
            Stage::Quantity { of } => {
                let of = of.clone();
                self.put(of, number).await.map(Some)
            }
            Stage::Delivery => match at(self.ways().len()) {
                Some(at) => {
                    self.sale.delivery = Some(at);
                    self.checkout().await.map(Some)
                }
                None => {
                    let text = self.say.not_on_the_list(self.ways().len());
                    Ok(Some(Said::new("sale.delivery", text, Vec::new())))
                }
            },
            _ => Ok(None),
        }
    }

    async fn browse(&mut self, question: &str, exactly: bool) -> Result<Option<Said>, Trouble> {
        let found = self.sales.find(&self.ctx, question, FOUND).await?;
        let about = if exactly { sale::covers } else { sale::names };
        let named = found.offers.into_iter().filter(|offer| about(&found.question, &offer.shown.title));
        let offers: Vec<OnOffer> = named.take(SHOWN).collect();
        if offers.is_empty()
            && let Some(title) = found.on_request.iter().find(|title| about(&found.question, title))
        {
            return Ok(Some(Said::new("sale.on_request", self.say.on_request(title), human(self.turn))));
        }
        Ok((!offers.is_empty()).then(|| self.offer(offers)))
    }

    /// One thing to take, or a list to choose from.
    fn offer(&mut self, offers: Vec<OnOffer>) -> Said {
        let said = match offers.as_slice() {
            [one] => {
                let id = format!("sale:pick:{}", one.shown.variant_id);
                let options = if one.can_be_had(1) { vec![self.say.take(id)] } else { human(self.turn) };
                Said::new("sale.browse", self.say.offer(one), options)
            }
            many => {
                let row = |offer: &OnOffer| ReplyOption {
                    id: format!("sale:pick:{}", offer.shown.variant_id),
                    title: offer.shown.title.clone(),
                    description: Some(self.say.row(offer)),
                };
                Said::new("sale.browse", self.say.offers(many), many.iter().map(row).collect())
            }
        };
        self.listed = offers.iter().map(|offer| Fact::of(&offer.shown, offer.can_be_had(1))).collect();
        self.sale.stage = Stage::Choosing { shown: offers.into_iter().map(|offer| offer.shown).collect() };
        said
    }

    async fn now(&self, variant: VariantId) -> Result<Option<OnOffer>, Trouble> {
        Ok(self.sales.now(&self.ctx, &[variant]).await?.pop())
    }

    async fn choose(&mut self, variant: VariantId) -> Result<Said, Trouble> {
        let Some(offer) = self.now(variant).await?.filter(|offer| offer.can_be_had(1)) else {
            let title = self.title_of(variant);
            self.sale.stage = Stage::Open;
            return Ok(Said::new("sale.gone", self.say.only_so_many(&title, 0), Vec::new()));
        };
        let text = self.say.how_many(&offer.shown.title, offer.shown.unit);
        let most = offer.available.unwrap_or(3).clamp(1, 3);
        self.sale.stage = Stage::Quantity { of: offer.shown };
        Ok(Said::new("sale.quantity", text, quantities(most)))
    }

    /// What something was called when it was shown; it may be gone.
    fn title_of(&self, variant: VariantId) -> String {
        let listed = match &self.sale.stage {
            Stage::Choosing { shown } => shown.as_slice(),
            Stage::Quantity { of } => std::slice::from_ref(of),
            _ => &[],
        };
        let carted = self.sale.cart.iter().map(|item| &item.what);
        let known = listed.iter().chain(carted).find(|shown| shown.variant_id == variant);
        known.map_or_else(|| "—".into(), |shown| shown.title.clone())
    }

    async fn put(&mut self, of: Shown, quantity: i64) -> Result<Said, Trouble> {
        if quantity < 1 {
            return Ok(Said::new("sale.quantity", self.say.at_least_one(), Vec::new()));
        }
        let Some(offer) = self.now(of.variant_id).await?.filter(|offer| offer.can_be_had(1)) else {
            self.sale.stage = Stage::Open;
            return Ok(Said::new("sale.gone", self.say.only_so_many(&of.title, 0), Vec::new()));
        };
        let in_cart = self.sale.cart.iter().find(|item| item.what.variant_id == of.variant_id);
        let already = in_cart.map_or(0, |item| item.quantity);
        let room = offer.available.unwrap_or(MAX_QUANTITY).min(MAX_QUANTITY).saturating_sub(already);
        if quantity > room {
            self.sale.stage = if room > 0 { Stage::Quantity { of } } else { Stage::Cart };
            let text = self.say.only_so_many(&offer.shown.title, offer.available.unwrap_or(MAX_QUANTITY));
            return if room > 0 {
                Ok(Said::new("sale.quantity", text, quantities(room.min(3))))
            } else {
                self.show_cart(text)
            };
        }
        let notes = if self.sale.add(offer.shown, quantity) { String::new() } else { self.say.full_cart() };
        self.show_cart(notes)
    }

    /// The cart that a channel has put together.
    async fn take_over_cart(&mut self) -> Result<Said, Trouble> {
        let lines = &self.turn.reading.cart;
        let ids: Vec<String> = lines.iter().map(|line| line.retailer_id.clone()).collect();
        let offers = self.sales.by_retailer_id(&self.ctx, &ids).await?;
        let mut lost = Vec::new();
        self.sale.cart.clear();
        for (line, offer) in lines.iter().zip(offers) {
            let wanted = i64::from(line.quantity).clamp(1, MAX_QUANTITY);
            let Some(offer) = offer else { continue };
            match offer.available.unwrap_or(MAX_QUANTITY).min(wanted) {
                left if left < 1 || !offer.sellable => lost.push(Changed::Gone(offer.shown.title)),
                left => {
                    if left < wanted {
                        lost.push(Changed::Fewer(offer.shown.title.clone(), left));
                    }
                    self.sale.add(offer.shown, left);
                }
            }
        }
        if self.sale.cart.is_empty() && lost.is_empty() {
            self.sale.stage = Stage::Open;
            return Ok(Said::new("sale.cart", self.say.unknown_cart(), human(self.turn)));
        }
        self.show_cart(if lost.is_empty() { String::new() } else { self.say.changed(&lost) })
    }

    fn sum(&self) -> Result<Option<Money>, Trouble> {
        Ok(balcao_domain::order::items_total(&self.wanted())?)
    }

    fn wanted(&self) -> Vec<Wanted> {
        let wanted = |item: &sale::Item| Wanted {
            variant_id: item.what.variant_id,
            quantity: item.quantity,
            unit: item.what.unit,
        };
        self.sale.cart.iter().map(wanted).collect()
    }

    fn show_cart(&mut self, before: String) -> Result<Said, Trouble> {
        let before = if before.is_empty() { before } else { before + "\n\n" };
        let Some(sum) = self.sum()? else {
            self.sale.stage = Stage::Open;
            return Ok(Said::new("sale.cart", before + &self.say.empty_cart(), Vec::new()));
        };
        self.sale.stage = Stage::Cart;
        let text = before + &self.say.cart(&self.sale.cart, sum);
        Ok(Said::new("sale.cart", text, vec![self.say.checkout(), self.say.more(), self.say.clear()]))
    }
}

/// One, two, three.
fn quantities(most: i64) -> Vec<ReplyOption> {
    let option =
        |n: i64| ReplyOption { id: format!("sale:qty:{n}"), title: n.to_string(), description: None };
    (1..=most).map(option).collect()
}

/// The button that calls a person.
fn human(turn: &Turn<'_>) -> Vec<ReplyOption> {
    turn.pack.button("human", turn.language).into_iter().collect()
}

/// Whether words can be where something is delivered to. Right after the question a line without a number will do too
/// ("no sítio do Zé, depois da ponte"); a question never is one.
fn is_address(words: &str, fresh: bool) -> bool {
    let count = words.split_whitespace().count();
    let numbered = words.chars().any(|c| c.is_ascii_digit());
    !words.contains('?') && count >= 3 && (numbered || (fresh && count >= 4))
}
