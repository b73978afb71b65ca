//! What the shop says: one model, rendered by each channel as it can.

use serde::{Deserialize, Serialize};

/// One reply. A channel renders options as buttons or a list, or as numbered lines where it has neither.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The words, in the small Markdown every channel can render: `**bold**`, `*italic*`, lists, links.
    pub text: String,
    /// What the customer may tap instead of typing. Act on `id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<ReplyOption>,
    /// Where the words come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// A code to be copied as it is, such as a PIX code. Channels send it alone, after the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copyable: Option<String>,
}

/// Something to tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyOption {
    /// What comes back when it is tapped.
    pub id: String,
    /// What is written on it.
    pub title: String,
    /// A second line, where the channel has room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A passage an answer stands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The title of its document.
    pub title: String,
    /// Where the document came from: a path or a URL.
    pub uri: String,
    /// The headings above the passage, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    /// The words relied on.
    pub quote: String,
}

impl Reply {
    /// A reply of words alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}
