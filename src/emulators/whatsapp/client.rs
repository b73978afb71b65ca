//! A client of the emulator's controls, for tests and tools.

use std::time::Duration;

use serde_json::{Value, json};

use super::faults::Faults;
use super::world::NewNumber;

/// Controls one emulator. Errors are of the transport, or a control used wrongly.
#[derive(Debug, Clone)]
pub struct Client {
    base_url: String,
    http: reqwest::Client,
}

/// Someone else's answer to a control.
type Answer = anyhow::Result<Value>;

impl Client {
    /// A client of the emulator at this address.
    pub fn new(base_url: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
        Self { base_url: base_url.trim_end_matches('/').to_owned(), http }
    }

    /// Registers a number; says what came of the handshake.
    pub async fn register(&self, number: &NewNumber) -> Answer {
        self.post("numbers", &json!(number)).await
    }

    /// Writes as a customer; returns the message's id. The webhook's first delivery has ended by then.
    pub async fn write(&self, phone_number_id: &str, from: &str, text: &str) -> anyhow::Result<String> {
        let body = json!({ "phone_number_id": phone_number_id, "from": from, "text": text });
        let answer = self.inbound(&body).await?;
        Ok(answer["message_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Plays the customer in any way `/_control/inbound` knows.
    pub async fn inbound(&self, body: &Value) -> Answer {
        self.post("inbound", body).await
    }

    /// Any control by its name.
    pub async fn post(&self, control: &str, body: &Value) -> Answer {
        let answer =
            self.http.post(format!("{}/_control/{control}", self.base_url)).json(body).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Replaces all faults.
    pub async fn faults(&self, faults: &Faults) -> anyhow::Result<()> {
        self.post("faults", &json!(faults)).await.map(drop)
    }

    /// What came to a phone (or a user id) from a number, in order.
    pub async fn messages(&self, phone_number_id: &str, to: &str) -> anyhow::Result<Vec<Value>> {
        self.list("messages", "messages", &[("phone_number_id", phone_number_id), ("to", to)]).await
    }

    /// Waits until at least `count` messages came to a phone; what came until then, when `patience` ends.
    pub async fn wait_for_messages(
        &self,
        phone_number_id: &str,
        to: &str,
        count: usize,
        patience: Duration,
    ) -> anyhow::Result<Vec<Value>> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let messages = self.messages(phone_number_id, to).await?;
            if messages.len() >= count || tokio::time::Instant::now() >= until {
                return Ok(messages);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every call of the send endpoint.
    pub async fn calls(&self) -> anyhow::Result<Vec<Value>> {
        self.list("calls", "calls", &[]).await
    }

    /// Every attempt to deliver a webhook.
    pub async fn webhooks(&self) -> anyhow::Result<Vec<Value>> {
        self.list("webhooks", "attempts", &[]).await
    }

    /// What customers wrote, and whether it was read.
    pub async fn inbound_messages(&self, phone_number_id: &str) -> anyhow::Result<Vec<Value>> {
        self.list("inbound_messages", "messages", &[("phone_number_id", phone_number_id)]).await
    }

    /// Forgets messages, people and faults.
    pub async fn reset(&self) -> anyhow::Result<()> {
        self.http.delete(format!("{}/_control/reset", self.base_url)).send().await?.error_for_status()?;
        Ok(())
    }

    async fn list(&self, control: &str, key: &str, query: &[(&str, &str)]) -> anyhow::Result<Vec<Value>> {
        let asked = self.http.get(format!("{}/_control/{control}", self.base_url)).query(query);
        let mut answer: Value = asked.send().await?.error_for_status()?.json().await?;
        match answer[key].take() {
            Value::Array(list) => Ok(list),
            _ => Ok(Vec::new()),
        }
    }
}
