//! What a customer sends, in a form no channel owns.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::customer::Sender;

/// One message of a customer, as its channel understood it. Stored as the payload of its inbox row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The channel's own id of the message: the key that makes a redelivery harmless.
    pub provider_message_id: String,
    /// Who sent it.
    pub sender: Sender,
    /// When the customer sent it, by the provider's clock.
    pub sent_at: DateTime<Utc>,
    /// What it says.
    pub content: Content,
    /// The message it answers, if it quotes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The product a product page's "message business" button was tapped on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductRef>,
    /// The advertisement that brought the customer here, as the channel described it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<serde_json::Value>,
}

/// A product of a channel's catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductRef {
    /// The catalogue.
    pub catalog_id: String,
    /// The shop's own id of the product.
    pub retailer_id: String,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Words.
    Text { text: String },
    /// A picture, a voice note, a film, a file, a sticker.
    Media(Media),
    /// A place.
    Location { latitude: f64, longitude: f64, name: Option<String>, address: Option<String> },
    /// Contact cards.
    Contacts { cards: Vec<ContactCard> },
    /// A tapped button or chosen row. Act on `id`, never on `title`.
    Choice { id: String, title: String, source: ChoiceSource },
    /// A filled-in form (a WhatsApp Flow).
    Form { name: Option<String>, token: Option<String>, fields: serde_json::Value },
    /// A cart from the channel's catalogue. Its prices are a claim, not a fact.
    Cart { catalog_id: String, note: Option<String>, lines: Vec<CartLine> },
    /// An emoji on an earlier message; `None` takes it away.
    Reaction { message_id: String, emoji: Option<String> },
    /// An earlier message, rewritten.
    Edit { message_id: String, text: Option<String> },
    /// An earlier message, taken back.
    Revoke { message_id: String },
    /// The customer opened the chat for the first time.
    Welcome,
    /// Something the channel could not show us.
    Unsupported { inner: Option<String>, code: Option<i64> },
    /// A type that did not exist when this was written, kept as it came.
    Unknown { type_name: String, raw: serde_json::Value },
}

/// A file in the channel's keeping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What it is.
    pub media: MediaKind,
    /// The channel's id of it.
    pub media_id: String,
    /// Its MIME type, without parameters.
    pub mime_type: Option<String>,
    /// Base64 of its SHA-256.
    pub sha256: Option<String>,
    /// The words under it.
    pub caption: Option<String>,
    /// The sender's file name: untrusted.
    pub filename: Option<String>,
    /// Recorded in the app (audio only).
    pub voice: bool,
}

/// The kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    Document,
    Sticker,
}

/// One contact card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// The name on it.
    pub name: Option<String>,
    /// Its phone numbers, as digits with country code where the channel resolved them.
    pub phones: Vec<String>,
    /// It is the sender's own, given on our request.
    pub is_sender: bool,
}

/// Where a choice was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceSource {
    Button,
    List,
    TemplateButton,
}

/// One line of a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    /// The shop's own id of the product.
    pub retailer_id: String,
    /// How many.
    pub quantity: u32,
    /// The price the channel claims, as written (a decimal).
    pub claimed_price: String,
    /// Its currency.
    pub currency: String,
}

impl Content {
    /// Whether this asks for an answer. Reactions, edits, retractions and stickers do not.
    pub fn starts_turn(&self) -> bool {
        match self {
            Self::Reaction { .. } | Self::Edit { .. } | Self::Revoke { .. } => false,
            Self::Media(media) => media.media != MediaKind::Sticker,
            _ => true,
        }
    }

    /// The words the customer typed or chose, if any.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            Self::Choice { title, .. } => Some(title),
            Self::Media(media) => media.caption.as_deref(),
            Self::Edit { text, .. } => text.as_deref(),
            Self::Cart { note, .. } => note.as_deref(),
            _ => None,
        }
    }
}
