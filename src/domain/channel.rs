//! Where a conversation takes place.

use serde::{Deserialize, Serialize};

/// The kinds of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A WhatsApp number, over the Cloud API.
    Whatsapp,
    /// The chat API, the chat page and the terminal: replies are streamed to whoever asked.
    Api,
}

impl Kind {
    /// The word used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Api => "api",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Whatsapp, Self::Api].into_iter().find(|k| k.as_str() == word)
    }
}
