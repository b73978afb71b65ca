//! A load of signed webhooks over plain sockets: as little work on this side as HTTP allows.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::ground::{APP_SECRET, NUMBER};

/// What a load run saw.
pub struct Seen {
    /// Acknowledged messages.
    pub acknowledged: u64,
    /// How long it ran.
    pub elapsed: Duration,
    /// Time to acknowledgement, sorted, in microseconds.
    pub micros: Vec<u32>,
}

impl Seen {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.acknowledged as f64 / self.elapsed.as_secs_f64()
    }

    /// A percentile (0 to 100), in milliseconds.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        percentile(&self.micros, percent) / 1_000.0
    }
}

/// A percentile of sorted numbers: the nearest rank.
pub fn percentile(sorted: &[u32], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().map_or(f64::NAN, f64::from)
}

/// Builds signed webhook requests.
pub struct Webhooks {
    path: String,
    key: Hmac<Sha256>,
    next: AtomicU64,
    run: u64,
    started: i64,
}

impl Webhooks {
    /// For the webhook path of a channel. Message ids are unique to this value.
    pub fn new(path: String) -> anyhow::Result<Self> {
        let key = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes()).context("any key length will do")?;
        let started = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp();
        Ok(Self { path, key, next: AtomicU64::new(0), run: rand::random(), started })
    }

    /// One request: a text of a sender, shaped as the Cloud API sends it.
    pub fn request(&self, sender: u64, text: &str) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let text = serde_json::Value::from(text);
        let body = format!(
            r#"{{"object":"whatsapp_business_account","entry":[{{"id":"200000000000001","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"551130000000","phone_number_id":"{NUMBER}"}},"contacts":[{{"profile":{{"name":"Cliente {sender}"}},"wa_id":"55119{sender:08}","user_id":"BR.9{sender:012}"}}],"messages":[{{"from":"55119{sender:08}","from_user_id":"BR.9{sender:012}","id":"wamid.{:x}.{number}","timestamp":"{}","type":"text","text":{{"body":{text}}}}}]}}}}]}}]}}"#,
            self.run, self.started
        );
        let mut mac = self.key.clone();
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        format!(
            "POST {} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-hub-signature-256: sha256={signature}\r\ncontent-length: {}\r\n\r\n{body}",
            self.path,
            body.len()
        )
        .into_bytes()
    }
}

/// One kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("failed to connect to the server")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(2_048) })
    }

    /// Sends one request and reads its answer; anything but 200 is an error.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
                while self.buffer.len() < end + 4 + length {
                    ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the answer was cut off");
                }
                if !head.starts_with("http/1.1 200") {
                    bail!("the server answered `{}`", head.lines().next().unwrap_or_default());
                }
                return Ok(());
            }
        }
    }
}

/// As fast as so many connections go, for so long, from so many senders.
pub async fn closed_loop(
    address: SocketAddr,
    webhooks: &Arc<Webhooks>,
    connections: u64,
    senders: u64,
    length: Duration,
) -> anyhow::Result<Seen> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for place in 0..connections {
        let webhooks = Arc::clone(webhooks);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut micros = Vec::new();
            let mut round = place;
            while started.elapsed() < length {
                let request = webhooks.request(round % senders, "tem no tamanho 38?");
                round = round.wrapping_add(connections).wrapping_add(7);
                let sent = Instant::now();
                connection.send(&request).await?;
                micros.push(sent.elapsed().as_micros().min(u128::from(u32::MAX)) as u32);
            }
            anyhow::Ok(micros)
        });
    }
    gather(tasks, started).await
}

/// One message of each of so many new customers.
pub async fn everybody_once(
    address: SocketAddr,
    webhooks: &Arc<Webhooks>,
    connections: u64,
    senders: u64,
) -> anyhow::Result<Seen> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for place in 0..connections {
        let webhooks = Arc::clone(webhooks);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut micros = Vec::new();
            for sender in (place..senders).step_by(connections as usize) {
                let sent = Instant::now();
                connection.send(&webhooks.request(sender, "oi")).await?;
                micros.push(sent.elapsed().as_micros().min(u128::from(u32::MAX)) as u32);
            }
            anyhow::Ok(micros)
        });
    }
    gather(tasks, started).await
}

async fn gather(mut tasks: JoinSet<anyhow::Result<Vec<u32>>>, started: Instant) -> anyhow::Result<Seen> {
    let mut micros = Vec::new();
    while let Some(done) = tasks.join_next().await {
        micros.extend(done??);
    }
    let elapsed = started.elapsed();
    micros.sort_unstable();
    Ok(Seen { acknowledged: micros.len() as u64, elapsed, micros })
}

/// At a fixed rate, whatever the answers take (an open loop: a slow server is not spared).
pub async fn open_loop(
    address: SocketAddr,
    webhooks: &Arc<Webhooks>,
    rate: u64,
    length: Duration,
    message: impl Fn(u64) -> (u64, String),
) -> anyhow::Result<Seen> {
    const CONNECTIONS: u64 = 32;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let receiver = Arc::clone(&receiver);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut micros = Vec::new();
            loop {
                let next = receiver.lock().await.recv().await;
                let Some((due, request)) = next else { return anyhow::Ok(micros) };
                connection.send(&request).await?;
                micros.push(due.elapsed().as_micros().min(u128::from(u32::MAX)) as u32);
            }
        });
    }
    let started = Instant::now();
    let total = rate * length.as_secs();
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / rate as f64));
    for number in 0..total {
        tick.tick().await;
        let (who, text) = message(number);
        sender.send((Instant::now(), webhooks.request(who, &text))).context("all connections failed")?;
    }
    drop(sender);
    gather(tasks, started).await
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let numbers: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&numbers, 50.0), 50.0);
        assert_eq!(percentile(&numbers, 99.0), 99.0);
        assert_eq!(percentile(&[7], 99.0), 7.0);
        assert!(percentile(&[], 50.0).is_nan());
    }
}
