//! The group commit: many messages of many shops in one statement.

use std::collections::HashMap;

use balcao_domain::inbound::Content;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Appended, NewMessage};
use crate::{Store, StoreError};

/// How often a batch is tried again because another batch brought one of its messages at the same moment.
const MOST_TRIES: u32 = 3;

/// Stores messages of any tenants in one transaction (a definer function with the tenant inside each row).
/// A row the database refuses does not fail the others: the batch is retried by halves.
///
/// `NotFound` for a message whose conversation does not exist. An error of the whole call means that the database
/// is away; every message may be appended again, for what is there already counts as a duplicate.
pub async fn append(
    store: &Store,
    messages: &[NewMessage],
) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
    let mut lease = store.front_lease().await?;
    let mut results: Vec<Option<Result<Appended, StoreError>>> = messages.iter().map(|_| None).collect();
    // Ranges still to be stored, the first one on top.
    let mut open = vec![(0, messages.len(), 0)];
    while let Some((from, to, tries)) = open.pop() {
        if from == to {
            continue;
        }
        match append_batch(&mut lease, &messages[from..to]).await {
            Ok(appended) => {
                for (slot, result) in results[from..to].iter_mut().zip(appended) {
                    *slot = Some(result);
                }
            }
            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
            // The same message came by another batch at the same moment: now it can be seen.
            Err(StoreError::Conflict { .. }) if tries < MOST_TRIES => open.push((from, to, tries + 1)),
            Err(error) if to - from == 1 => results[from] = Some(Err(error)),
            Err(_) => {
                let middle = from + (to - from) / 2;
                open.push((middle, to, 0));
                open.push((from, middle, 0));
            }
        }
    }
    lease.done();
    let unanswered = || Err(StoreError::Corrupt("a message was neither stored nor refused".into()));
    Ok(results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect())
}

async fn append_batch(
    connection: &mut sqlx::PgConnection,
    messages: &[NewMessage],
) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
    let mut batch = Batch::default();
    // Where each message is in the batch; a second copy is where the first one is.
    let mut places = Vec::with_capacity(messages.len());
    let mut seen = HashMap::with_capacity(messages.len());
    for message in messages {
        let key = (message.tenant_id, message.channel_id, &message.message.provider_message_id);
        let next = batch.tenants.len();
        let place = *seen.entry(key).or_insert(next);
        if place == next {
            batch.add(message)?;
        }
        places.push((place, place == next));
    }
    let rows = sqlx::query!(
        r#"select seq, stored as "stored!"
           from inbox_append($1, $2, $3, $4, $5, $6, $7, $8::text[], $9::text[])"#,
        &batch.tenants,
        &batch.conversations,
        &batch.channels,
        &batch.provider_message_ids as &[&str],
        &batch.kinds,
        &batch.sent_at,
        &batch.payloads,
        &batch.mark_ids as &[Option<&str>],
        &batch.mark_values as &[Option<&str>],
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::around_commit)?;
    let appended = places.into_iter().map(|(place, first)| match rows.get(place) {
        Some(row) => match (row.seq, row.stored && first) {
            (Some(seq), true) => Ok(Appended::Stored { seq }),
            (Some(seq), false) => Ok(Appended::Duplicate { seq }),
            (None, _) => Err(StoreError::NotFound),
        },
        None => Err(StoreError::Corrupt("fewer rows than messages".into())),
    });
    Ok(appended.collect())
}

/// Messages as columns.
#[derive(Default)]
struct Batch<'a> {
    tenants: Vec<Uuid>,
    conversations: Vec<Uuid>,
    channels: Vec<Uuid>,
    provider_message_ids: Vec<&'a str>,
    kinds: Vec<String>,
    sent_at: Vec<DateTime<Utc>>,
    payloads: Vec<String>,
    mark_ids: Vec<Option<&'a str>>,
    mark_values: Vec<Option<&'a str>>,
}

impl<'a> Batch<'a> {
    fn add(&mut self, new: &'a NewMessage) -> Result<(), StoreError> {
        let (mark_id, mark_value) = mark(&new.message.content);
        self.tenants.push(new.tenant_id.as_uuid());
        self.conversations.push(new.conversation_id.as_uuid());
        self.channels.push(new.channel_id.as_uuid());
        self.provider_message_ids.push(&new.message.provider_message_id);
        self.kinds.push(kind(&new.message.content).to_owned());
        self.sent_at.push(new.message.sent_at);
        self.payloads.push(serde_json::to_string(&new.message)?);
        self.mark_ids.push(mark_id);
        self.mark_values.push(mark_value);
        Ok(())
    }
}

/// What a message says about an earlier one: its id, and the emoji or the new words.
fn mark(content: &Content) -> (Option<&str>, Option<&str>) {
    match content {
        // An empty emoji occurs in the wild and takes the reaction away too.
        Content::Reaction { message_id, emoji } => {
            (Some(message_id), emoji.as_deref().filter(|emoji| !emoji.is_empty()))
        }
        Content::Edit { message_id, text } => (Some(message_id), text.as_deref()),
        Content::Revoke { message_id } => (Some(message_id), None),
        _ => (None, None),
    }
}

/// The word for a content's kind, as its JSON has it.
fn kind(content: &Content) -> &'static str {
    match content {
        Content::Text { .. } => "text",
        Content::Media(_) => "media",
        Content::Location { .. } => "location",
        Content::Contacts { .. } => "contacts",
        Content::Choice { .. } => "choice",
        Content::Form { .. } => "form",
        Content::Cart { .. } => "cart",
        Content::Reaction { .. } => "reaction",
        Content::Edit { .. } => "edit",
        Content::Revoke { .. } => "revoke",
        Content::Welcome => "welcome",
        Content::Unsupported { .. } => "unsupported",
        Content::Unknown { .. } => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_kind_is_the_one_in_its_json() {
        let contents = [
            Content::Text { text: String::new() },
            Content::Welcome,
            Content::Revoke { message_id: String::new() },
            Content::Reaction { message_id: String::new(), emoji: None },
            Content::Unknown { type_name: String::new(), raw: serde_json::Value::Null },
            Content::Contacts { cards: Vec::new() },
        ];
        for content in contents {
            assert_eq!(serde_json::to_value(&content).unwrap()["kind"], kind(&content));
        }
    }
}
