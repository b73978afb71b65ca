//! `balcao chat`: a customer's side of the chat API, in a terminal.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use futures::StreamExt;
use serde_json::Value;

use crate::{
    cli::{Chat, Global},
    demo::DemoFile,
};

/// Talks until the input ends, or says one thing and leaves.
pub async fn run(global: &Global, args: Chat) -> anyhow::Result<()> {
    let session = Session::open(global, &args)?;
    if !args.message.is_empty() {
        return session.say(&args.message.join(" "), global.json).await;
    }
    if !std::io::stdin().is_terminal() {
        for line in std::io::stdin().lock().lines() {
            session.say(&line?, global.json).await?;
        }
        return Ok(());
    }
    println!(
        "You are a customer of `{}` (conversation {}). Ctrl-D leaves.",
        args.tenant, session.conversation
    );
    loop {
        print!("\nyou   ");
        std::io::stdout().flush()?;
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|read| (read > 0).then_some(line))
        });
        match line.await?? {
            None => return Ok(()),
            Some(line) if line.trim().is_empty() => {}
            Some(line) => {
                print!("shop  ");
                std::io::stdout().flush()?;
                if let Err(error) = session.say(line.trim(), global.json).await {
                    println!("\n(no answer: {error:#})");
                }
            }
        }
    }
}

struct Session {
    http: reqwest::Client,
    url: String,
    key: String,
    conversation: String,
}

impl Session {
    fn open(global: &Global, args: &Chat) -> anyhow::Result<Self> {
        let config = super::settings(global, &[])?;
        let demo = DemoFile::read(&config.data_dir)?;
        let tenant = demo.as_ref().and_then(|demo| demo.tenant(&args.tenant));
        let key = match &args.key_file {
            Some(path) => {
                let text = std::fs::read_to_string(path);
                Some(text.with_context(|| format!("failed to read `{}`", path.display()))?.trim().to_owned())
            }
            None => args.key.clone(),
        };
        let key = key.or_else(|| tenant.map(|tenant| tenant.keys.chat.clone()));
        let url = args.url.clone().or_else(|| demo.as_ref().map(|demo| demo.base_url.clone()));
        let (Some(key), Some(url)) = (key, url) else {
            bail!(
                "no server and key known for `{}`: start `balcao serve --demo` first, or give --url and --key \
                 (`balcao key issue --tenant {} --name terminal --scope chat`)",
                args.tenant,
                args.tenant
            );
        };
        let conversation =
            args.conversation.clone().unwrap_or_else(|| format!("terminal-{:08x}", rand::random::<u32>()));
        Ok(Self { http: reqwest::Client::new(), url, key, conversation })
    }

    async fn say(&self, text: &str, json: bool) -> anyhow::Result<()> {
        let url = format!("{}/v1/conversations/{}/messages", self.url, self.conversation);
        let response = self
            .http
            .post(&url)
            .bearer_auth(&self.key)
            .header("accept", if json { "application/json" } else { "text/event-stream" })
            .json(&serde_json::json!({ "text": text }))
            .send()
            .await
            .with_context(|| format!("failed to reach `{}`: is `balcao serve` running?", self.url))?;
        if !response.status().is_success() {
            let status = response.status();
            let problem: Value = response.json().await.unwrap_or_default();
            bail!("{status}: {}", problem["detail"].as_str().unwrap_or("no details given"));
        }
        if json {
            println!("{}", response.text().await?);
            return Ok(());
        }
        let mut events = EventReader::default();
        let mut printed = Printed::default();
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            for (event, data) in events.feed(&chunk?) {
                printed.show(&event, &data)?;
            }
        }
        Ok(())
    }
}

/// What of the reply is on the screen already.
#[derive(Default)]
struct Printed {
    tokens: bool,
}

impl Printed {
    fn show(&mut self, event: &str, data: &Value) -> anyhow::Result<()> {
        match event {
            "token" => {
                self.tokens = true;
                print!("{}", data["text"].as_str().unwrap_or_default());
            }
            "restart" if self.tokens => {
                self.tokens = false;
                print!(
                    "\n      (starting over: {})\nshop  ",
                    data["reason"].as_str().unwrap_or("another path")
                );
            }
            "reply" => {
                if !self.tokens {
                    print!("{}", data["reply"].as_str().unwrap_or("(a person will answer)"));
                }
                println!();
                if let Some(code) = data["copyable"].as_str() {
                    println!("\n{code}\n");
                }
                for option in data["options"].as_array().into_iter().flatten() {
                    println!("      [{}]", option["title"].as_str().unwrap_or_default());
                }
                for source in data["sources"].as_array().into_iter().flatten() {
                    println!("      source: {}", source["title"].as_str().unwrap_or_default());
                }
                let word = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
                println!("      ({} · {})", word("path"), word("reason"));
            }
            "error" => println!("\n(no answer: {})", data["detail"].as_str().unwrap_or("unknown")),
            _ => {}
        }
        std::io::stdout().flush()?;
        Ok(())
    }
}

/// Cuts a byte stream into server-sent events (the fields `event` and `data` of the HTML standard).
#[derive(Default)]
struct EventReader {
    buffer: Vec<u8>,
}

impl EventReader {
    fn feed(&mut self, bytes: &[u8]) -> Vec<(String, Value)> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let (mut name, mut data) = (String::from("message"), String::new());
            for line in String::from_utf8_lossy(&block).lines() {
                if let Some(value) = line.strip_prefix("event:") {
                    name = value.trim().to_owned();
                } else if let Some(value) = line.strip_prefix("data:") {
                    data.push_str(value.strip_prefix(' ').unwrap_or(value));
                }
            }
            if let Ok(data) = serde_json::from_str(&data) {
                events.push((name, data));
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whatever_the_chunks() {
        let wire = "event: token\ndata: {\"text\":\"olá\"}\n\n: keep-alive\n\nevent: reply\ndata: {\"reply\":\"olá\"}\n\n";
        for size in 1..wire.len() {
            let mut reader = EventReader::default();
            let events: Vec<_> = wire.as_bytes().chunks(size).flat_map(|chunk| reader.feed(chunk)).collect();
            let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["token", "reply"], "chunks of {size}");
            assert_eq!(events[0].1["text"], "olá");
        }
    }
}
