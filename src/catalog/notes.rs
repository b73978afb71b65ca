//! What is handed out while reading.

use serde::Serialize;

use crate::{Product, ReadError};

/// One thing that was read.
#[derive(Debug)]
pub enum Item {
    /// A product.
    Product(Box<Product>),
    /// Left out, and why.
    Rejected(Note),
    /// Taken, but something about it is in doubt.
    Warning(Note),
}

/// What is to be said about an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The item's id at the source, or its place in the file.
    pub item: String,
    /// Which field, by the source's name.
    pub field: String,
    /// What is wrong with it, and what was done.
    pub reason: String,
}

/// Hands things out and counts them.
pub(crate) struct Taker<'a> {
    take: &'a mut dyn FnMut(Item) -> bool,
    seen: u64,
}

impl<'a> Taker<'a> {
    pub(crate) fn new(take: &'a mut dyn FnMut(Item) -> bool) -> Self {
        Self { take, seen: 0 }
    }

    /// Products handed out or rejected.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    pub(crate) fn product(&mut self, product: Product) -> Result<(), ReadError> {
        self.seen += 1;
        self.hand(Item::Product(Box::new(product)))
    }

    pub(crate) fn rejected(
        &mut self,
        item: impl Into<String>,
        field: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<(), ReadError> {
        self.seen += 1;
        self.hand(Item::Rejected(note(item, field, reason)))
    }

    pub(crate) fn warnings(&mut self, doubts: Doubts) -> Result<(), ReadError> {
        doubts.0.into_iter().try_for_each(|note| self.hand(Item::Warning(note)))
    }

    fn hand(&mut self, item: Item) -> Result<(), ReadError> {
        if (self.take)(item) { Ok(()) } else { Err(ReadError::Stopped) }
    }
}

/// Doubts about one item, gathered while it is read.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Vec<Note>);

impl Doubts {
    pub(crate) fn add(&mut self, item: &str, field: impl Into<String>, reason: impl Into<String>) {
        self.0.push(note(item, field, reason));
    }
}

fn note(item: impl Into<String>, field: impl Into<String>, reason: impl Into<String>) -> Note {
    Note { item: item.into(), field: field.into(), reason: reason.into() }
}
