//! A shop's documents: taken in, found, changed, removed, and never seen by another shop.

mod formats;
mod ingestion;
mod jobs;
mod search;
mod words;
mod world;
