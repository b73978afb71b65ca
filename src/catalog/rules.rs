//! What all sources agree on, one file a rule.

pub(crate) mod amount;
pub(crate) mod availability;
pub(crate) mod condition;
pub(crate) mod gtin;
pub(crate) mod measure;
pub(crate) mod media;
pub(crate) mod text;
pub(crate) mod time;
