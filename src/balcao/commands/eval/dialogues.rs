//! `balcao eval dialogues`: scripted customers, played over the emulated WhatsApp against the whole server.
//!
//! Webhook, inbox, actors, engine, outbox and phone are the ones that serve customers. State is read as an operator reads it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use async_trait::async_trait;
use balcao_domain::{ConversationId, TenantCtx, tenant::Tenant};
use balcao_emulators::whatsapp::{self, Client, NewNumber};
use balcao_evals::{
    dialogues::{
        Attached, Dialogue, Heard, Played, Shop, State, case,
        play::{self, score},
    },
    runs::RunRecord,
};
use balcao_retrieval::language;
use balcao_store::{Store, conversations, customers, tenants};
use futures::{StreamExt, stream};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::net::TcpListener;

use super::{
    golden::{self, Ground},
    runs,
};
use crate::{
    boot::{self, DemoShop, Extras, Running},
    cli::{EvalDialogues, Global},
};

/// Dialogues played at once.
const ABREAST: usize = 8;
/// The longest a reply is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long silence is listened to.
const SILENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(60);
/// Nothing more comes when nothing has for so long: a burst is one turn, and its replies are written together.
const STILL: Duration = Duration::from_millis(400);

/// Plays every dialogue and keeps the run.
pub async fn run(global: &Global, args: EvalDialogues) -> anyhow::Result<()> {
    let ground = Ground::open(global).await?;
    let done = measure(&ground, &args).await;
    let shelf = ground.shelf();
    ground.opened.close().await;
    let run = done?;
    let path = shelf.keep(&run)?;
    runs::print(global, &run, &path)
}

async fn measure(ground: &Ground, args: &EvalDialogues) -> anyhow::Result<RunRecord> {
    let folder = args.golden.join("dialogues");
    let mut dialogues = case::read(&folder)?;
    let data = golden::hash_of(&golden::files(&folder, "toml")?)?;
    dialogues.retain(|dialogue| {
        args.tenant.as_ref().is_none_or(|tenant| dialogue.tenant == *tenant)
            && args.split.as_ref().is_none_or(|split| dialogue.split == *split)
            && args.case.as_ref().is_none_or(|case| dialogue.id == *case)
    });
    anyhow::ensure!(!dialogues.is_empty(), "no dialogue is of that shop, half and name");
    let model = ground.model(&args.model)?;
    let name = model.as_ref().map(|model| model.name().to_owned());
    let mut made_with = ground.made_with(&args.model, name.as_deref(), data)?;
    let emulator = whatsapp::serve_locally(whatsapp::Options::default()).await?;
    let mut config = ground.config.clone();
    config.whatsapp.base_url = emulator.url();
    // One address asks for everybody here.
    config.server.rate_per_minute = 1_000_000;
    let extras = Extras {
        listener: TcpListener::bind("127.0.0.1:0").await?,
        demo: Vec::new(),
        model,
        agent: None,
        embedder: Some(ground.embedder.clone()),
        metrics: metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle(),
    };
    let running = boot::start(&config, &ground.opened.store, extras).await?;
    let began = Instant::now();
    let played = async {
        connect(ground, &running, &emulator).await?;
        play_all(ground, &emulator, &dialogues, args.trials).await
    }
    .await;
    running.stop().await;
    emulator.stop().await;
    made_with.seconds = began.elapsed().as_secs_f64();
    let cases = dialogues.iter().zip(played?).map(|(dialogue, trials)| score(dialogue, &trials)).collect();
    Ok(RunRecord { id: golden::run_id("dialogues"), suite: "dialogues".into(), made_with, cases })
}

/// Tells the emulator of the shops' numbers, and the shops to answer soon: nobody types here.
async fn connect(ground: &Ground, running: &Running, emulator: &whatsapp::Running) -> anyhow::Result<()> {
    for shop in &ground.demo.shops {
        let mut tx = ground.opened.store.tenant_tx(&TenantCtx::system(shop.tenant.tenant_id)).await?;
        let mut settings = shop.tenant.settings.clone();
        settings.quiet_ms = 150;
        settings.quiet_cap_ms = 1_000;
        tenants::update_settings(&mut tx, &settings).await?;
        tx.commit().await?;
        running.system.tenant_changed(shop.tenant.tenant_id);
        let number = NewNumber {
            phone_number_id: shop.number.phone_number_id.into(),
            waba_id: shop.number.waba_id.into(),
            display_phone_number: shop.number.display.into(),
            access_token: shop.credentials.access_token.expose_secret().to_owned(),
            app_secret: shop.credentials.app_secret.expose_secret().to_owned(),
            verify_token: shop.credentials.verify_token.expose_secret().to_owned(),
            webhook_url: format!("{}{}", running.url(), shop.webhook_path()),
            allowed: None,
        };
        emulator.client().register(&number).await.context("the emulator does not take a number")?;
    }
    Ok(())
}

async fn play_all(
    ground: &Ground,
    emulator: &whatsapp::Running,
    dialogues: &[Dialogue],
    trials: usize,
) -> anyhow::Result<Vec<Vec<Played>>> {
    let bar = super::bar(dialogues.len() * trials, "dialogues");
    // Another run's customers are other people: what they left behind is theirs.
    let run = u64::from(rand::random::<u32>() % 90_000 + 10_000);
    let all: Vec<anyhow::Result<Vec<Played>>> = stream::iter(dialogues.iter().enumerate())
        .map(|(number, dialogue)| {
            let bar = &bar;
            async move {
                let demo = ground.demo.shops.iter().find(|shop| shop.tenant.slug == dialogue.tenant);
                let demo = demo.with_context(|| format!("{}: there is no such demo shop", dialogue.id))?;
                let shop = ground.shops.get(&dialogue.tenant).context("there is no such shop")?;
                let mut played = Vec::new();
                for trial in 0..trials {
                    let phone = format!("55119{run}{:03}{}", number % 1_000, trial % 10);
                    let mut visit = Visit::new(ground, emulator, shop, demo, dialogue, phone);
                    let done = play::play(dialogue, trial, &mut visit).await;
                    played.push(done.map_err(|why| anyhow::anyhow!("{}: {why}", dialogue.id))?);
                    bar.inc(1);
                }
                Ok(played)
            }
        })
        .buffered(ABREAST)
        .collect()
        .await;
    bar.finish_and_clear();
    all.into_iter().collect()
}

/// One customer at one shop.
struct Visit {
    store: Store,
    ctx: TenantCtx,
    client: Client,
    phone_number_id: &'static str,
    phone: String,
    name: String,
    conversation: Option<ConversationId>,
    /// Lines of the shop's that were heard.
    heard: usize,
}

impl Visit {
    fn new(
        ground: &Ground,
        emulator: &whatsapp::Running,
        shop: &Arc<Tenant>,
        demo: &DemoShop,
        dialogue: &Dialogue,
        phone: String,
    ) -> Self {
        Self {
            store: ground.opened.store.clone(),
            ctx: TenantCtx::system(shop.tenant_id),
            client: emulator.client(),
            phone_number_id: demo.number.phone_number_id,
            phone,
            name: dialogue.customer.name.clone(),
            conversation: None,
            heard: 0,
        }
    }

    /// The conversation, once the first message has made it.
    async fn conversation(&mut self) -> anyhow::Result<Option<ConversationId>> {
        if self.conversation.is_some() {
            return Ok(self.conversation);
        }
        let mut tx = self.store.tenant_tx(&self.ctx).await?;
        if let Some(customer) = customers::find(&mut tx, &self.phone).await?.pop() {
            self.conversation = conversations::of_customer(&mut tx, customer.customer_id).await?;
        }
        tx.commit().await?;
        Ok(self.conversation)
    }

    /// What the shop has said so far, and whether something waits for an answer.
    async fn lines(&mut self) -> anyhow::Result<(Vec<Heard>, bool)> {
        let Some(id) = self.conversation().await? else { return Ok((Vec::new(), true)) };
        let mut tx = self.store.tenant_tx(&self.ctx).await?;
        let waiting = conversations::get(&mut tx, id).await?.pending > 0;
        let page = conversations::history(&mut tx, id, None, 200).await?;
        tx.commit().await?;
        let said = page.items.into_iter().filter(|line| line.author == "agent").map(|line| Heard {
            sources: line.sources.iter().map(|source| source.uri.clone()).collect(),
            language: language::guess(&line.text).map(|language| language.code().to_owned()),
            text: line.text,
        });
        Ok((said.collect(), waiting))
    }

    async fn send_all(&mut self, texts: &[String], attached: &[Attached]) -> anyhow::Result<()> {
        for text in texts {
            self.inbound(json!({ "text": text })).await?;
        }
        for one in attached {
            let message = self.attachment(one).await?;
            self.inbound(json!({ "message": message })).await?;
        }
        Ok(())
    }

    async fn inbound(&self, mut what: serde_json::Value) -> anyhow::Result<()> {
        what["phone_number_id"] = json!(self.phone_number_id);
        what["from"] = json!(self.phone);
        what["name"] = json!(self.name);
        self.client.inbound(&what).await?;
        Ok(())
    }

    async fn attachment(&self, one: &Attached) -> anyhow::Result<serde_json::Value> {
        let media = |mime: &str| json!({ "id": "1234567890", "mime_type": mime, "sha256": "x" });
        let kind = one.kind.as_str();
        let mut content = match kind {
            "audio" => media("audio/ogg; codecs=opus"),
            "image" => media("image/jpeg"),
            "video" => media("video/mp4"),
            "sticker" => media("image/webp"),
            "document" => media("application/pdf"),
            "location" => json!({ "latitude": -25.43, "longitude": -49.27 }),
            "reaction" => {
                let last = self.client.messages(self.phone_number_id, &self.phone).await?.pop();
                let id = last.and_then(|message| message["id"].as_str().map(str::to_owned));
                json!({ "message_id": id.unwrap_or_default(), "emoji": one.text })
            }
            other => anyhow::bail!("nothing is known of attachments of the kind `{other}`"),
        };
        match kind {
            "audio" => content["voice"] = json!(true),
            "image" | "video" if !one.text.is_empty() => content["caption"] = json!(one.text),
            "document" => content["filename"] = json!(one.text),
            _ => {}
        }
        Ok(json!({ "type": kind, kind: content }))
    }

    async fn hear_all(&mut self, silence: bool) -> anyhow::Result<Vec<Heard>> {
        let began = Instant::now();
        let patience = if silence { SILENCE } else { PATIENCE };
        let mut still_since = Instant::now();
        let mut seen = self.heard;
        loop {
            let (all, waiting) = self.lines().await?;
            if all.len() > seen || waiting {
                seen = all.len();
                still_since = Instant::now();
            }
            let over = if silence { began.elapsed() >= patience } else { still_since.elapsed() >= STILL };
            if over || began.elapsed() >= patience {
                let new = all.into_iter().skip(self.heard).collect();
                self.heard = seen;
                return Ok(new);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}

#[async_trait]
impl Shop for Visit {
    async fn send(&mut self, texts: &[String], attached: &[Attached]) -> Result<(), String> {
        self.send_all(texts, attached).await.map_err(|error| format!("{error:#}"))
    }

    async fn hear(&mut self, silence: bool) -> Result<Vec<Heard>, String> {
        self.hear_all(silence).await.map_err(|error| format!("{error:#}"))
    }

    async fn state(&mut self) -> Result<State, String> {
        let read = async {
            let Some(id) = self.conversation().await? else { return Ok(State::default()) };
            let mut tx = self.store.tenant_tx(&self.ctx).await?;
            let conversation = conversations::get(&mut tx, id).await?;
            let customer = customers::get(&mut tx, conversation.customer_id).await?;
            tx.commit().await?;
            anyhow::Ok(State {
                handed_off: conversation.handed_off_at.is_some(),
                handoff_reason: conversation.handoff_reason,
                opted_out: customer.opted_out_at.is_some(),
            })
        };
        read.await.map_err(|error| format!("{error:#}"))
    }
}
