//! One model of a product, whoever describes it.

use balcao_domain::money::Money;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use crate::rules::availability;

/// Something a shop sells, in its variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Product {
    /// The shop's own code of it: the source's, or what its variants' codes have in common. For people; the same
    /// product is found again by [`Product::external_id`].
    pub key: String,
    /// Its id at the source; the same id again is the same product.
    pub external_id: String,
    /// Plain text, one line.
    pub title: String,
    /// Plain text without markup. A shop's words as they are: data, whatever they ask a reader to do.
    pub description_text: Option<String>,
    pub brand: Option<String>,
    /// Outermost first; a leaf only, where that is all there is; `None` where the source does not say.
    pub category_path: Option<Vec<String>>,
    /// `None` where the source does not say.
    pub condition: Option<Condition>,
    pub status: Status,
    /// What its variants differ in; empty where there is one.
    pub option_names: Vec<String>,
    /// Further names and values.
    pub attributes: Vec<Attribute>,
    /// Addresses of pictures, the main one first.
    pub media: Vec<String>,
    /// Where customers see it.
    pub url: Option<String>,
    /// When the source last changed it.
    pub updated_at: Option<DateTime<Utc>>,
    /// At least one, in the order of the source.
    pub variants: Vec<Variant>,
}

/// What is sold: one size of one colour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// Its id at the source, unique within the product.
    pub external_id: String,
    pub sku: Option<String>,
    /// Global trade item number, check digit verified; 14 digits with a leading zero are given as 13.
    pub gtin: Option<String>,
    /// One for each of the product's [`Product::option_names`], in their order.
    pub option_values: Vec<Choice>,
    /// `None` where it is on request or not known; never zero.
    pub price: Option<Money>,
    /// What it cost before; only where that is more.
    pub compare_at_price: Option<Money>,
    pub availability: Availability,
    pub weight_g: Option<u32>,
    pub dimensions_mm: Option<Dimensions>,
}

/// A value of an option: `Cor`, `Azul`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    pub name: String,
    pub value: String,
}

/// A further fact: `Material`, `Cerâmica`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attribute {
    pub label: String,
    pub value: String,
}

/// Whether it can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Availability {
    pub state: Stock,
    /// Pieces; `None` where nobody counts or only a magnitude is known.
    pub quantity: Option<u32>,
    /// From when on it is sent.
    pub available_on: Option<NaiveDate>,
    /// Days until it is sent.
    pub lead_time_days: Option<u16>,
}

/// The states of stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    InStock,
    OutOfStock,
    /// Sold before it is there.
    Preorder,
    /// Sold though there is none.
    Backorder,
    /// The shop wants to be asked.
    OnRequest,
    /// The source says something we do not know.
    Unknown,
}

/// New or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    New,
    Used,
    Refurbished,
}

/// Whether the shop offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Active,
    /// The shop took it off for now.
    Paused,
    Draft,
    Archived,
    /// The marketplace took it off, or says something we do not know.
    Blocked,
    UnderReview,
}

/// A package's sides, in whole millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dimensions {
    pub length: u32,
    pub width: u32,
    pub height: u32,
}

impl Product {
    /// A product of which nothing more is known, without variants.
    pub(crate) fn new(external_id: impl Into<String>, title: impl Into<String>) -> Self {
        let external_id = external_id.into();
        Self {
            key: external_id.clone(),
            external_id,
            title: title.into(),
            description_text: None,
            brand: None,
            category_path: None,
            condition: None,
            status: Status::Active,
            option_names: Vec::new(),
            attributes: Vec::new(),
            media: Vec::new(),
            url: None,
            updated_at: None,
            variants: Vec::new(),
        }
    }
}

impl Variant {
    /// A variant of which nothing more is known.
    pub(crate) fn new(external_id: impl Into<String>) -> Self {
        Self {
            external_id: external_id.into(),
            sku: None,
            gtin: None,
            option_values: Vec::new(),
            price: None,
            compare_at_price: None,
            availability: availability::stated(Stock::Unknown),
            weight_g: None,
            dimensions_mm: None,
        }
    }

    /// Whether the source's word lets it be sold now: it is offered, has a price and can be had.
    pub fn is_sellable(&self, product: Status) -> bool {
        product == Status::Active
            && self.price.is_some()
            && matches!(self.availability.state, Stock::InStock | Stock::Preorder | Stock::Backorder)
    }

    /// What tells it from its sisters: `Azul / M`; empty where it has none.
    pub fn title(&self) -> String {
        let values = self.option_values.iter().map(|choice| choice.value.as_str());
        values.filter(|value| !value.is_empty()).collect::<Vec<_>>().join(" / ")
    }
}
