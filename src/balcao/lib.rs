//! The program as a library, so that tests can boot the whole of it.
//!
//! [`cli`] is what one types, [`config`] what one sets, [`boot`] how the parts are put together, and `commands` has
//! one file a command.

pub mod boot;
pub mod cli;
mod commands;
pub mod config;
pub mod demo;
mod output;

pub use commands::run;
