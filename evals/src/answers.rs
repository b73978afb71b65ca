//! The answer suite: one question at a time, with what a good answer says, cites and must not say.
//!
//! Reading order: [`case`] (what is asked), [`score`] (what an answer is worth), [`squad`] (exact match and F1 as everybody
//! computes them). How an answer comes about is not known here: whoever runs the suite brings a [`Given`] for each case.

pub mod case;
pub mod score;
pub mod squad;

pub use case::{Case, Support};
pub use score::{Citation, Given, score};
