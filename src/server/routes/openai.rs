//! The same conversations behind OpenAI's protocol: any client of theirs talks to a shop by changing its base URL.

pub mod completions;
pub mod models;
mod wire;
