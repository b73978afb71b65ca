//! Scenes at the counter: whole turns with a scripted model and a search of a few passages.

mod attack;
pub(crate) mod fakes;
mod model;
mod prompt;
mod rules;
mod selling;
