//! The counter as the model's tools reach it: the model says which and how many, the counter says the rest.
//!
//! What is found is numbered over the turn, so that a call can only name what the shop's books gave. A tool that moves
//! the purchase on leaves what the customer reads: the counter's own words, amounts from the books. No sentence of a
//! model about a price has to be believed.

use balcao_domain::{
    money::Money,
    sale::{self, Ask, Fact},
    turn::Evidence,
};

use super::{Desk, OnOffer, Said, Sales, Shown, Trouble, port::Details};
use crate::{engine::Turn, rule_path::Decided};

/// Products that a search gives the model, each with its variants.
const FOUND: usize = 8;

/// Products of one list.
const LISTED: usize = 8;

/// One turn's counter.
pub(crate) struct Counter<'a> {
    desk: Desk<'a>,
    offers: Vec<OnOffer>,
    /// What the books said about single products.
    known: Vec<String>,
    said: Option<Said>,
}

/// An offer as the model reads it.
pub(crate) struct Numbered {
    pub number: usize,
    pub title: String,
    /// With whether it can be had, and when: `R$ 79,00 (esgotado)`.
    pub price: String,
}

impl<'a> Counter<'a> {
    pub(crate) fn new(turn: &'a Turn<'a>, sales: &'a dyn Sales) -> Self {
        Self { desk: Desk::new(turn, sales), offers: Vec::new(), known: Vec::new(), said: None }
    }

    /// What the words name, up to a price in whole units of its currency; numbered.
    pub(crate) async fn find(&mut self, words: &str, most: Option<u32>) -> Result<Vec<Numbered>, String> {
        let found = self.desk.sales.find(&self.desk.ctx, words, FOUND).await?;
        let affordable = |unit: Money| {
            let scale = 10_i64.saturating_pow(unit.currency().decimals());
            most.is_none_or(|most| unit.minor() <= i64::from(most).saturating_mul(scale))
        };
        let mut numbered = Vec::new();
        for offer in found.offers.into_iter().filter(|offer| affordable(offer.shown.unit)) {
            let known = self.offers.iter().position(|known| known.shown.variant_id == offer.shown.variant_id);
            let at = known.unwrap_or_else(|| {
                self.offers.push(offer);
                self.offers.len() - 1
            });
            numbered.push(self.numbered(at));
        }
        Ok(numbered)
    }

    fn numbered(&self, at: usize) -> Numbered {
        let offer = &self.offers[at];
        Numbered { number: at + 1, title: offer.shown.title.clone(), price: self.desk.say.row(offer) }
    }

    /// What was found, in words: what a reply may rely on.
    pub(crate) fn facts(&self) -> Vec<String> {
        let numbered = (0..self.offers.len()).map(|at| self.numbered(at));
        let found = numbered.map(|offer| format!("{} — {}", offer.title, offer.price));
        found.chain(self.known.iter().cloned()).collect()
    }

    fn numbers(&self, numbers: &[usize]) -> Result<Vec<&OnOffer>, String> {
        let offer = |number: &usize| {
            number.checked_sub(1).and_then(|at| self.offers.get(at)).ok_or_else(|| {
                format!("there is no product {number}: the numbers are those that search_products gave in this turn")
            })
        };
        numbers.iter().map(offer).collect()
    }

    /// Lists some of what was found for the customer to choose from.
    pub(crate) fn show(&mut self, numbers: &[usize]) -> Result<(), String> {
        if numbers.is_empty() || numbers.len() > LISTED {
            return Err(format!("show 1 to {LISTED} products"));
        }
        let offers = self.numbers(numbers)?.into_iter().cloned().collect();
        self.said = Some(self.desk.offer(offers));
        Ok(())
    }

    /// Puts so many of one into the cart, as far as the stock goes.
    pub(crate) async fn add(&mut self, number: usize, quantity: u32) -> Result<(), String> {
        let what: Shown = match self.numbers(&[number])?.first() {
            Some(offer) => offer.shown.clone(),
            None => return Err("which product?".into()),
        };
        let said = self.desk.put(what, i64::from(quantity)).await;
        self.leave(said)
    }

    /// Shows the cart.
    pub(crate) fn cart(&mut self) -> Result<(), String> {
        let said = self.desk.show_cart(String::new());
        self.leave(said)
    }

    /// Goes on to what is missing for an order: delivery, address, summary.
    pub(crate) async fn checkout(&mut self) -> Result<(), String> {
        let said = self.desk.checkout().await;
        self.leave(said)
    }

    /// Says where the customer's orders stand; whether there are any.
    pub(crate) async fn orders(&mut self) -> Result<bool, String> {
        match self.desk.orders(false).await {
            Ok(Some(said)) => self.leave(Ok(said)).map(|()| true),
            Ok(None) => Ok(false),
            Err(Trouble(why)) => Err(why),
        }
    }

    /// Asks whether something is to be done with an order; whether there is any.
    pub(crate) async fn wants(
        &mut self,
        ask: Ask,
        order: Option<&str>,
        reason: &str,
    ) -> Result<bool, String> {
        let code = order.map(|order| sale::code(order).unwrap_or_else(|| order.to_owned()));
        match self.desk.wants(ask, code.as_deref(), reason.to_owned()).await {
            Ok(Some(said)) => self.leave(Ok(said)).map(|()| true),
            Ok(None) => Ok(false),
            Err(Trouble(why)) => Err(why),
        }
    }

    /// What the books say about one of what was found, and what a reply may rely on of it.
    pub(crate) async fn details(&mut self, number: usize) -> Result<Details, String> {
        let variant = match self.numbers(&[number])?.first() {
            Some(offer) => offer.shown.variant_id,
            None => return Err("which product?".into()),
        };
        let details = self.desk.sales.details(&self.desk.ctx, variant).await?;
        let mut details = details.ok_or("it has left the catalogue")?;
        let row = |offer: &OnOffer| format!("{} — {}", offer.shown.title, self.desk.say.row(offer));
        details.variants = details.offers.iter().map(row).collect();
        self.known.extend(details.facts());
        Ok(details)
    }

    /// What a reply of the model's own says of the prices that were found.
    pub(crate) fn said_in(&self, reply: &str) -> Vec<Fact> {
        let said = |offer: &&OnOffer| reply.contains(&self.desk.say.amount(offer.shown.unit));
        self.offers.iter().filter(said).map(|offer| Fact::of(&offer.shown, false)).collect()
    }

    fn leave(&mut self, said: Result<Said, Trouble>) -> Result<(), String> {
        match said {
            Ok(said) => {
                self.said = Some(said);
                Ok(())
            }
            Err(Trouble(why)) => Err(why),
        }
    }

    /// What the customer reads, once a tool has moved the purchase on.
    pub(crate) fn take(&mut self, evidence: &mut Evidence) -> Option<Decided> {
        let said = self.said.take()?;
        evidence.intent = Some(said.intent.to_owned());
        evidence.facts = self.desk.facts();
        evidence.sale = Some(self.desk.sale.clone());
        Some(Decided { reply: said.reply, action: said.action })
    }
}
