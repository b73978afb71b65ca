//! What was said before, as much of it as the budget allows.

use balcao_llm::{ChatMessage, Role};

use crate::{
    config::Limits,
    redact::Vault,
    sources::as_data,
    turn::{Author, HistoryItem},
};

/// The longest earlier message the model sees, in characters.
const ITEM_CHARS: usize = 800;

/// About how many tokens a text has. Three characters a token errs on the safe side for both languages.
pub fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(3) + 4
}

/// The latest part of the history that fits, oldest first, private data behind placeholders.
pub fn messages(history: &[HistoryItem], limits: &Limits, vault: &mut Vault) -> Vec<ChatMessage> {
    let mut left = limits.history_tokens;
    let mut kept: Vec<ChatMessage> = Vec::new();
    for item in history.iter().rev() {
        let role = match item.author {
            Author::Customer => Role::User,
            Author::Agent | Author::Human => Role::Assistant,
        };
        let text = vault.redact(&as_data(&item.text, ITEM_CHARS));
        let cost = tokens(&text);
        if cost > left {
            break;
        }
        left -= cost;
        kept.push(ChatMessage::new(role, text));
    }
    kept.reverse();
    kept
}
