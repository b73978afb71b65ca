//! Product data of marketplaces, shop systems, feeds and spreadsheets, read into one model.
//!
//! [`read`] takes the files of one [`Source`] and hands out [`Item`]s: products as [`model::Product`], what was left
//! out and why, and what was taken with a doubt. Each source is one file of `sources`; what all of them must agree on
//! (amounts, codes, stock, sizes, grouping) is a file of `rules`. Nothing of it knows a database or a network, and no
//! input makes it panic: one bad product never stops a page, one bad field never stops a product. [`import`] alone stores
//! what was read.
//!
//! Amounts go from the text they were written in to minor units; no number is ever a float ([`json`]).
//!
//! Feeds and spreadsheets are streamed: their files are read twice, once to know how many rows each product has, once
//! to hand it out as soon as they are all there.

mod feed;
mod group;
pub mod import;
mod input;
pub mod json;
pub mod model;
mod notes;
mod rules;
mod source;
mod sources;

use balcao_domain::{Language, money::Currency};
use chrono::{DateTime, Utc};

pub use input::File;
pub use model::Product;
pub use notes::{Item, Note};
pub use source::{Source, UnknownSource};

/// What the source does not say of itself.
#[derive(Debug, Clone)]
pub struct Options {
    /// What prices without a currency are in.
    pub currency: Currency,
    /// What the shop writes in: the locale of spreadsheets, the first choice among translations, the names of options
    /// that sources know by a code (`color`).
    pub language: Language,
    /// When it is: some prices count only for a while.
    pub now: DateTime<Utc>,
}

impl Options {
    /// A shop's own.
    pub fn new(currency: Currency, language: Language, now: DateTime<Utc>) -> Self {
        Self { currency, language, now }
    }
}

/// Why a file was not read to its end. What was handed out before stands.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system says no.
    #[error("`{file}` cannot be read: {error}")]
    Io {
        /// Which.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what its source sends.
    #[error("`{file}` is not {expected}: {reason}")]
    Malformed {
        /// Which.
        file: String,
        /// What was expected.
        expected: &'static str,
        /// What is wrong, with the place.
        reason: String,
    },
    /// More than one answer of an API holds.
    #[error("`{file}` has more than {most} bytes; split it into pages, as the source does")]
    TooLarge {
        /// Which.
        file: String,
        /// What it may have.
        most: u64,
    },
    /// There is no product in any of the files.
    #[error(
        "none of the files has products of {0}; `balcao catalog sources` says what each source's files are"
    )]
    Nothing(&'static str),
    /// The caller had enough.
    #[error("stopped")]
    Stopped,
}

/// Reads the files of a source, in the order given, and hands out what they hold. `take` returns whether to go on.
///
/// Work for a core, and it reads files: call it off the runtime's threads.
///
/// # Errors
/// [`ReadError`], where a file as a whole cannot be read; a product that cannot be is an [`Item::Rejected`].
pub fn read(
    source: Source,
    files: &[File],
    options: &Options,
    take: &mut dyn FnMut(Item) -> bool,
) -> Result<(), ReadError> {
    let mut notes = notes::Taker::new(take);
    sources::read(source, files, options, &mut notes)?;
    if notes.seen() == 0 {
        return Err(ReadError::Nothing(source.id()));
    }
    Ok(())
}

/// All that [`read`] hands out, for files that fit into memory.
#[derive(Debug, Default)]
pub struct Reading {
    /// In the order of the source.
    pub products: Vec<Product>,
    /// Left out.
    pub rejected: Vec<Note>,
    /// Taken with a doubt.
    pub warnings: Vec<Note>,
}

impl Reading {
    /// Reads the files of a source.
    ///
    /// # Errors
    /// As [`read`].
    pub fn of(source: Source, files: &[File], options: &Options) -> Result<Self, ReadError> {
        let mut reading = Self::default();
        read(source, files, options, &mut |item| {
            match item {
                Item::Product(product) => reading.products.push(*product),
                Item::Rejected(note) => reading.rejected.push(note),
                Item::Warning(note) => reading.warnings.push(note),
            }
            true
        })?;
        Ok(reading)
    }
}

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod hostile_tests;
