//! What the customer's messages of one turn are: words, a tapped button, things that are not words.

use balcao_domain::inbound::{CartLine, Content, Inbound, MediaKind};

/// The messages of one turn, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The words, one entry a message: typed, under a picture, or on a button.
    pub texts: Vec<String>,
    /// The id of the last button that was tapped.
    pub choice: Option<String>,
    /// What arrived besides words: the name of the note that answers it.
    pub received: Option<&'static str>,
    /// Lines of the last cart that was sent.
    pub cart: Vec<CartLine>,
    /// Something asks for an answer.
    pub asks: bool,
}

impl Reading {
    /// Reads the messages of a turn.
    pub fn of(messages: &[Inbound]) -> Self {
        let mut reading = Self::default();
        for message in messages.iter().filter(|message| message.content.starts_turn()) {
            reading.asks = true;
            reading.add(&message.content);
        }
        reading
    }

    /// All words, one message a line.
    pub fn words(&self) -> String {
        self.texts.join("\n")
    }

    fn add(&mut self, content: &Content) {
        if let Some(words) = content.words().map(str::trim).filter(|words| !words.is_empty()) {
            self.texts.push(words.to_owned());
        }
        match content {
            Content::Choice { id, .. } => self.choice = Some(id.clone()),
            Content::Cart { lines, .. } => self.cart.clone_from(lines),
            _ => {}
        }
        // The last thing that arrived is the one that is acknowledged.
        self.received = note(content).or(self.received);
    }
}

/// The note that acknowledges what is not words.
fn note(content: &Content) -> Option<&'static str> {
    Some(match content {
        Content::Text { .. } | Content::Choice { .. } => return None,
        Content::Media(media) => match media.media {
            MediaKind::Image => "image",
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::Document => "document",
            MediaKind::Sticker => return None,
        },
        Content::Location { .. } => "location",
        Content::Contacts { .. } => "contacts",
        Content::Form { .. } => "form",
        Content::Cart { .. } => "cart",
        Content::Welcome => "welcome",
        Content::Unsupported { .. } | Content::Unknown { .. } => "unsupported",
        Content::Reaction { .. } | Content::Edit { .. } | Content::Revoke { .. } => return None,
    })
}
