//! A customer with a phone, and what the shop's books say of them.

use std::time::Duration;

use balcao_domain::{ConversationId, TurnId};
use balcao_emulators::whatsapp::Client;
use balcao_tests::counter::{Counter, Shop};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

/// The longest wait for anything: much longer than it takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A customer of a shop on WhatsApp.
pub struct Customer<'a> {
    pub counter: &'a Counter,
    pub shop: &'a Shop,
    pub phone: String,
    emulator: Client,
}

impl<'a> Customer<'a> {
    /// Someone with this phone.
    pub fn new(counter: &'a Counter, shop: &'a Shop, phone: &str) -> Self {
        Self { counter, shop, phone: phone.to_owned(), emulator: counter.whatsapp.client() }
    }

    /// Writes; the webhook has been answered by then. Gives the message's id.
    pub async fn writes(&self, text: &str) -> String {
        let sent = self.emulator.write(self.shop.phone_number_id, &self.phone, text).await;
        sent.expect("the emulator takes it")
    }

    /// Sends anything the emulator can play; gives its answer.
    pub async fn sends(&self, mut what: Value) -> Value {
        what["phone_number_id"] = json!(self.shop.phone_number_id);
        what["from"] = json!(self.phone);
        self.emulator.inbound(&what).await.expect("the emulator takes it")
    }

    /// What came to the phone, in order, once it is at least so many messages.
    pub async fn hears(&self, at_least: usize) -> Vec<Value> {
        let number = self.shop.phone_number_id;
        let heard = self.emulator.wait_for_messages(number, &self.phone, at_least, PATIENCE).await;
        let heard = heard.expect("the emulator answers");
        assert!(
            heard.len() >= at_least,
            "{} of {at_least} messages came to the phone: {heard:?}",
            heard.len()
        );
        heard
    }

    /// The words of the last of so many messages on the phone; there are no more.
    pub async fn hears_last(&self, count: usize) -> String {
        let heard = self.hears(count).await;
        assert_eq!(heard.len(), count, "{heard:?}");
        words(&heard[count - 1])
    }

    /// Waits until nothing of this customer waits for an answer, and then until all that is said has been sent.
    pub async fn settles(&self) {
        settled(self.counter).await;
    }

    /// The conversation's id, as the API writes it.
    pub async fn conversation(&self) -> String {
        let sql = format!(
            "select v.conversation_id from conversation v join customer c using (tenant_id, customer_id)
             where c.tenant_id = '{}' and c.phone = '{}' and v.merged_into is null",
            self.shop.ctx.tenant_id.as_uuid(),
            self.phone
        );
        let id = value(self.counter, &sql).await;
        let id = Uuid::parse_str(&id).expect("this customer has a conversation");
        ConversationId::from_uuid(id).to_string()
    }

    /// What was said, by whom, oldest first.
    pub async fn history(&self) -> Vec<(String, String)> {
        let path = format!("/v1/conversations/{}/messages?limit=100", self.conversation().await);
        let (status, page) = self.counter.get(&path, &self.shop.admin).await;
        assert_eq!(status, 200, "{page}");
        let line = |line: &Value| (word(&line["author"]), word(&line["text"]));
        page["items"].as_array().expect("a page has items").iter().map(line).collect()
    }

    /// The turns of the conversation, in order, as an admin's key reads them.
    pub async fn turns(&self) -> Vec<Value> {
        let id: ConversationId = self.conversation().await.parse().expect("it is one of ours");
        let sql = format!(
            "select string_agg(turn_id::text, ',' order by first_seq) from turn where conversation_id = '{}'",
            id.as_uuid()
        );
        let mut turns = Vec::new();
        for id in value(self.counter, &sql).await.split(',').filter(|id| !id.is_empty()) {
            let id = TurnId::from_uuid(Uuid::parse_str(id).expect("turns have uuids"));
            let (status, turn) = self.counter.get(&format!("/v1/turns/{id}"), &self.shop.admin).await;
            assert_eq!(status, 200, "{turn}");
            turns.push(turn);
        }
        turns
    }

    /// Path and reason of the last turn.
    pub async fn last_path(&self) -> (String, String) {
        let turn = self.turns().await.pop().expect("there was a turn");
        (word(&turn["outcome"]["path"]), word(&turn["outcome"]["reason"]))
    }
}

/// A word of a JSON value.
pub fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The words of a message on the phone.
pub fn words(message: &Value) -> String {
    word(&message["text"])
}

/// One value of the database, for all shops; empty where there is none.
pub async fn value(counter: &Counter, sql: &str) -> String {
    let mut admin = counter.db.admin().await;
    let value = admin.value(sql).await.expect("the query is right").unwrap_or_default();
    admin.close().await;
    value
}

/// Waits until a query gives what is expected.
pub async fn until(counter: &Counter, sql: &str, expected: &str) {
    let mut admin = counter.db.admin().await;
    let began = Instant::now();
    loop {
        let value = admin.value(sql).await.expect("the query is right").unwrap_or_default();
        if value == expected {
            return admin.close().await;
        }
        assert!(began.elapsed() < PATIENCE, "`{sql}` is still `{value}`, not `{expected}`");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until every message is done with and every reply is out.
pub async fn settled(counter: &Counter) {
    until(counter, "select count(*) from conversation_cursor where head_seq > acked_seq", "0").await;
    until(counter, "select count(*) from outbox where state in ('queued', 'sending')", "0").await;
}
