//! The dialogue suite: scripted customers, played through the shop's own channel, with what must and must not be said and
//! what must hold in the end.
//!
//! Reading order: [`case`] (the files), [`play`] (the runner, on a [`play::Shop`] that whoever runs it brings), [`judge`]
//! (what held). k trials of a case are k plays with other words and another phone; `pass^k` of them is
//! [`crate::pass_k`]'s.

pub mod case;
pub mod judge;
pub mod play;

pub use case::Dialogue;
pub use play::{Attached, Heard, Played, Shop, State, play};
