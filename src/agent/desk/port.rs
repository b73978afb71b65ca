//! What the counter needs of the shop's books.

use std::time::Duration;

use async_trait::async_trait;
use balcao_domain::{
    ConversationId, OrderId, PaymentId, TenantCtx, VariantId,
    money::Money,
    order::{Status, Wanted},
    sale::Shown,
    tenant::Tenant,
};
use chrono::NaiveDate;

/// Something that can be sold, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnOffer {
    /// Which, what it is called, and what it costs.
    pub shown: Shown,
    /// How many may still be had; `None` where nobody counts.
    pub available: Option<i64>,
    /// Whether it is sold at all now.
    pub sellable: bool,
    /// Sold though it is not there; `None`: from stock.
    pub later: Option<Later>,
}

/// When something is sent that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// It is not out yet; else it is made or fetched when it is ordered.
    pub preorder: bool,
    /// The first day it can be.
    pub on: Option<NaiveDate>,
    /// How many days it takes.
    pub days: Option<i32>,
}

impl OnOffer {
    /// Whether so many can be had.
    pub fn can_be_had(&self, quantity: i64) -> bool {
        self.sellable && self.available.is_none_or(|left| left >= quantity)
    }
}

/// What a question found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The question, with misspelt words as they were meant.
    pub question: String,
    /// Best first; what cannot be had comes last. Of a product whose size or colour was named only those variants, as
    /// long as one of them can be had.
    pub offers: Vec<OnOffer>,
    /// Titles of what has no price: the shop wants to be asked.
    pub on_request: Vec<String>,
}

/// All that the books say about a product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// What it is called.
    pub title: String,
    /// Who makes it.
    pub brand: Option<String>,
    /// In the shop's words, shortened.
    pub description: String,
    /// Names and values.
    pub attributes: Vec<String>,
    /// Its variants as they can be had.
    pub offers: Vec<OnOffer>,
    /// The same in words, with prices.
    pub variants: Vec<String>,
}

impl Details {
    /// Line by line: what a reply may rely on.
    pub fn facts(&self) -> Vec<String> {
        let brand = self.brand.iter().cloned();
        let description = (!self.description.is_empty()).then(|| self.description.clone());
        let all = brand.chain(description).chain(self.attributes.iter().cloned());
        all.map(|fact| format!("{}: {fact}", self.title)).chain(self.variants.iter().cloned()).collect()
    }
}

/// What is to be placed.
#[derive(Debug, Clone)]
pub struct ToPlace {
    /// The conversation's summary that was confirmed.
    pub intent: String,
    /// The lines, at the prices that were confirmed.
    pub wanted: Vec<Wanted>,
    /// What delivery costs, in minor units.
    pub delivery_minor: i64,
    /// What is taken off, in minor units.
    pub discount_minor: i64,
    /// How and where to.
    pub delivery: serde_json::Value,
    /// How long its stock is held.
    pub hold: Duration,
}

/// An order as a customer is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its id.
    pub order_id: OrderId,
    /// What a person calls it.
    pub code: String,
    /// Where it stands.
    pub status: Status,
    /// What it comes to.
    pub total: Money,
    /// How it is paid, as long as there is something to pay.
    pub how_paid: HowPaid,
}

impl Known {
    /// The PIX code to pay it, while there is something to pay.
    pub fn br_code(&self) -> Option<&str> {
        match &self.how_paid {
            HowPaid::Code(code) => Some(code),
            _ => None,
        }
    }
}

/// How an order is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HowPaid {
    /// With this PIX code.
    Code(String),
    /// With one that the shop's provider has yet to make; the customer is told when it is there.
    CodeIsComing,
    /// A person arranges it, or nothing is to be paid.
    Arranged,
}

/// Who has the shop's provider make a charge.
#[async_trait]
pub trait Charges: Send + Sync {
    /// Makes it now, if the provider is there. What cannot be made now is made later, by itself; the customer is told
    /// then, and not now.
    async fn make(&self, ctx: &TenantCtx, payment: PaymentId);
}

/// What became of a confirmation.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirmed {
    /// It is an order.
    Order(Known),
    /// It cannot be had as it was shown.
    Changed,
}

/// What is to be done with an order that is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToDo {
    /// Call it off.
    Cancel,
    /// Send it there.
    Address(String),
    /// Call it off, and have its lines again.
    Reopen,
    /// Note that the customer wants to bring it back.
    Return {
        /// For something else, not for the money.
        exchange: bool,
        /// In the customer's words.
        reason: String,
    },
}

/// What it came to. The same again comes to the same.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// It is called off, and nothing was paid.
    Canceled,
    /// It is called off, and so much goes back by itself.
    Refunding(Money),
    /// It is called off, and a person must give the money back.
    ByPerson,
    /// It goes to the new address.
    Address,
    /// It is called off; these were its lines, as they are sold now.
    Reopened(Vec<(Shown, i64)>),
    /// The wish is noted.
    Asked,
    /// It cannot be done; nothing has changed.
    Refused(Why),
}

/// Why something cannot be done with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Where it stands does not allow it.
    Status(Status),
    /// It is called off already.
    CalledOff,
    /// It is not delivered to an address.
    NoAddress,
}

/// The shop's catalogue and order book. Errors are words for the record.
#[async_trait]
pub trait Sales: Send + Sync {
    /// Whether the shop sells anything here.
    async fn sells(&self, ctx: &TenantCtx) -> Result<bool, String>;

    /// What the words of a question name.
    async fn find(&self, ctx: &TenantCtx, question: &str, limit: usize) -> Result<Found, String>;

    /// All that is known about the product of this variant.
    async fn details(&self, ctx: &TenantCtx, variant: VariantId) -> Result<Option<Details>, String>;

    /// These, as they are now; those that are gone are missing.
    async fn now(&self, ctx: &TenantCtx, variants: &[VariantId]) -> Result<Vec<OnOffer>, String>;

    /// What a channel's cart calls by the shop's own ids, in its order; `None` where it names nothing.
    async fn by_retailer_id(&self, ctx: &TenantCtx, ids: &[String]) -> Result<Vec<Option<OnOffer>>, String>;

    /// Places an order and its charge. The same intent again gives the same order.
    async fn place(
        &self,
        tenant: &Tenant,
        conversation: ConversationId,
        new: ToPlace,
    ) -> Result<Confirmed, String>;

    /// The orders of a conversation, newest first.
    async fn orders(&self, ctx: &TenantCtx, conversation: ConversationId) -> Result<Vec<Known>, String>;

    /// Does something with an order that is placed, or says why it cannot be done.
    async fn after(&self, ctx: &TenantCtx, order: OrderId, to_do: &ToDo) -> Result<Done, String>;
}
