//! One seed: a shop with few pieces, customers who all want them, a bank that repeats, delays, forges and errs.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use balcao_domain::{
    Language, Scope, TenantCtx,
    tenant::{PixReceiver, Settings, Tenant},
};
use balcao_emulators::payments::Faults;
use balcao_payments::{provider::Access, webhook::Secrets};
use balcao_store::{
    StoreError, api_keys,
    sales::{
        books, orders, payments,
        products::{self, NewProduct, NewVariant},
        reports,
    },
    tenants,
};
use futures::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    PATIENCE,
    world::{SERVERS, World},
};

/// The provider that is played.
const PROVIDER: &str = "efi-bcb-pix";

/// A charge that is not made within this is not made any more.
const UNMADE: Duration = Duration::from_secs(12);

/// What the bank signs with.
const SECRET: &str = "a-secret-of-the-bank-alone";

/// What is sold: a word that names it and nothing else, its price, and how many there are at most.
const GOODS: [(&str, i64); 3] = [("Caneca", 4_990), ("Vestido", 15_900), ("Luminária", 22_000)];

/// How much of everything there was.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Count {
    pub messages: u64,
    pub orders: u64,
    pub reports: u64,
    pub forged: u64,
}

/// A shop of this seed.
struct Shop {
    tenant: Tenant,
    ctx: TenantCtx,
    key: String,
    hook: String,
    /// A provider makes its charges and reports them; else its own PIX key does, and the bank.
    has_provider: bool,
}

/// What a customer and the bank did, to be held against the books.
#[derive(Default)]
struct Told {
    /// Messages that the server has acknowledged.
    said: u64,
    /// Receipts that were acknowledged with 200: the bank's id and the amount.
    receipts: Vec<(String, i64)>,
    /// Ids that only a forger used.
    forged: Vec<String>,
    reports: u64,
    /// Orders that were seen, by their txid.
    placed: HashSet<String>,
}

/// Plays a seed; what did not hold afterwards.
pub async fn play(
    world: &World,
    seed: u64,
    customers: usize,
    count: &mut Count,
) -> anyhow::Result<Vec<String>> {
    world.ready().await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let shop = open(world, seed, &mut rng).await?;
    let stories: Vec<_> = (0..customers)
        .map(|n| {
            let rng = StdRng::seed_from_u64(rng.random());
            customer(world, &shop, n, rng)
        })
        .collect();
    let trouble = StdRng::seed_from_u64(rng.random());
    let told = tokio::select! {
        told = join_all(stories) => told,
        stopped = world.trouble(trouble) => {
            stopped?;
            bail!("the trouble ended by itself")
        }
    };
    let told: Vec<Told> = told.into_iter().collect::<anyhow::Result<_>>()?;
    world.ready().await?;
    if shop.has_provider {
        // What it lost stays lost; from now on it answers.
        control(world, "PUT", "faults", &json!(Faults::default())).await?;
        ask_again(world, &shop, &told).await?;
    }
    settle(world, &shop).await?;
    for told in &told {
        count.messages += told.said;
        count.reports += told.reports;
        count.forged += told.forged.len() as u64;
        count.orders += told.placed.len() as u64;
    }
    check(world, &shop, &told).await
}

async fn open(world: &World, seed: u64, rng: &mut StdRng) -> anyhow::Result<Shop> {
    let settings = Settings {
        quiet_ms: 20,
        quiet_cap_ms: 200,
        pix: Some(PixReceiver {
            key: "pix@sim.example".into(),
            name: "Loja".into(),
            city: "Recife".into(),
            discount_bps: *[0, 500].get(rng.random_range(0..2)).unwrap_or(&0),
        }),
        ..Settings::default()
    };
    let store = &world.opened.store;
    // The database may still be on its feet again only.
    let slug = format!("sim-{seed}-{}", rng.random_range(0..u32::MAX));
    let tenant = again(|| tenants::create(store, &slug, "Simulada", Language::Portuguese, &settings)).await?;
    let ctx = TenantCtx::system(tenant.tenant_id);
    let goods: Vec<NewProduct> =
        GOODS.iter().map(|(title, price)| good(title, *price, rng.random_range(1..=6))).collect();
    let mut tx = store.tenant_tx(&ctx).await?;
    products::put(&mut tx, &goods).await?;
    let (_, key) = api_keys::issue(&mut tx, "simulate", &[Scope::Chat]).await?;
    let has_provider = rng.random_bool(0.5);
    let mut secrets = Secrets::none().with_key(SECRET);
    if has_provider {
        secrets = secrets.with_access(Access {
            base_url: Some(world.provider.base_url(PROVIDER)),
            client_id: Some("client".into()),
            client_secret: Some("secret".into()),
            pix_key: Some("pix@sim.example".into()),
            ..Access::default()
        });
    }
    let account = reports::connect(&mut tx, PROVIDER, &secrets.to_json(), has_provider).await?;
    tx.commit().await?;
    let hook = format!("/webhooks/payments/{}", account.account_id);
    if has_provider {
        let url = format!("{}{hook}", world.url(rng.random_range(0..SERVERS)));
        control(world, "PUT", &format!("hooks/{PROVIDER}"), &json!({ "url": url, "secret": SECRET })).await?;
        let faults = Faults {
            fail: 0.1,
            lose_answer: 0.1,
            lose: 0.3,
            duplicate: 0.3,
            reorder: 0.3,
            forge: 0.2,
            delay_ms: 150,
            ..Faults::default()
        };
        control(world, "PUT", "faults", &json!(faults)).await?;
    }
    Ok(Shop { tenant, ctx, key: key.expose_secret().to_owned(), hook, has_provider })
}

async fn control(world: &World, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let url = format!("{}/_control/{path}", world.provider.url());
    let answer = world.http.request(method.parse()?, url).json(body).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}

fn good(title: &str, price: i64, pieces: i64) -> NewProduct {
    NewProduct {
        source: "planilha".into(),
        external_id: title.into(),
        title: title.into(),
        brand: None,
        description: String::new(),
        category: Vec::new(),
        attributes: Map::new(),
        media: Vec::new(),
        url: None,
        language: Language::Portuguese,
        listed: true,
        variants: vec![NewVariant {
            external_id: "1".into(),
            sku: None,
            gtin: None,
            title: String::new(),
            options: Map::new(),
            price_minor: Some(price),
            currency: "BRL".into(),
            sellable: true,
            on_hand: Some(pieces),
            promise: None,
            available_on: None,
            lead_days: None,
        }],
    }
}

/// One customer, from the first word to the bank.
async fn customer(world: &World, shop: &Shop, n: usize, mut rng: StdRng) -> anyhow::Result<Told> {
    let mut told = Told::default();
    let talk = format!("cliente-{n}");
    for round in 0..rng.random_range(1..=2) {
        let good = GOODS[rng.random_range(0..GOODS.len())].0.to_lowercase();
        let quantity = rng.random_range(1..=3).to_string();
        let mut said = vec![format!("tem {good}?"), "quero".into(), quantity, "fechar".into(), "sim".into()];
        if rng.random_bool(0.3) {
            // Impatience: the same word once more.
            said.push("sim".into());
        }
        for (at, text) in said.iter().enumerate() {
            say(world, shop, &talk, &format!("{n}-{round}-{at}"), text, &mut rng).await?;
            told.said += 1;
        }
        let Some((txid, total)) = newest_charge(world, shop, &talk).await? else { continue };
        told.placed.insert(txid.clone());
        if rng.random_bool(0.1) {
            for (at, text) in ["cancelar", "sim"].into_iter().enumerate() {
                say(world, shop, &talk, &format!("{n}-{round}-x{at}"), text, &mut rng).await?;
                told.said += 1;
            }
        }
        bank(world, shop, &txid, total, &mut rng, &mut told).await?;
    }
    Ok(told)
}

/// Says something until a server has taken it; sometimes to both, as a client does that heard no answer.
async fn say(
    world: &World,
    shop: &Shop,
    talk: &str,
    message_id: &str,
    text: &str,
    rng: &mut StdRng,
) -> anyhow::Result<()> {
    let body = json!({ "text": text, "message_id": format!("{talk}-{message_id}") });
    let mut at = rng.random_range(0..SERVERS);
    let repeats = 1 + usize::from(rng.random_bool(0.15));
    let (began, mut taken) = (Instant::now(), 0);
    while taken < repeats {
        let asked = world
            .http
            .post(format!("{}/v1/conversations/{talk}/messages", world.url(at)))
            .bearer_auth(&shop.key)
            .json(&body)
            .send()
            .await;
        at += 1;
        match asked.map(|answer| answer.status().as_u16()) {
            // 504: it is stored, and its answer comes later.
            Ok(200..=299 | 409 | 504) => taken += 1,
            Ok(429 | 500..=503) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            Ok(status) => bail!("`{text}` was answered {status}"),
        }
        if began.elapsed() > PATIENCE {
            bail!("`{text}` was not taken within {} s", PATIENCE.as_secs());
        }
    }
    Ok(())
}

/// The newest charge of a conversation: its txid and what it comes to.
async fn newest_charge(world: &World, shop: &Shop, talk: &str) -> anyhow::Result<Option<(String, i64)>> {
    let tenant = shop.tenant.tenant_id.as_uuid();
    let query = format!(
        "select p.reference || ' ' || p.expected_minor
         from payment p
         join sales_order o on o.tenant_id = p.tenant_id and o.order_id = p.order_id
         join conversation c on c.tenant_id = o.tenant_id and c.conversation_id = o.conversation_id
         join customer_identity i on i.tenant_id = c.tenant_id and i.customer_id = c.customer_id
         where p.tenant_id = '{tenant}' and i.value like '%{talk}'
         order by p.created_at desc limit 1"
    );
    let found = again_any(|| world.sql(&query)).await?;
    let charge = found.split_once(' ').map(|(txid, total)| Ok((txid.to_owned(), total.parse()?)));
    charge.transpose()
}

/// What the bank reports of a charge, how often and in which order; and what a forger does.
async fn bank(
    world: &World,
    shop: &Shop,
    txid: &str,
    total: i64,
    rng: &mut StdRng,
    told: &mut Told,
) -> anyhow::Result<()> {
    let mut amounts = match rng.random_range(0..10) {
        0..=4 => vec![total],
        // Paid twice, short, in two parts, over, not at all.
        5 => vec![total, total],
        6 => vec![(total / 2).max(1)],
        7 => vec![total / 2, total - total / 2],
        8 => vec![total + 500],
        _ => Vec::new(),
    };
    amounts.retain(|amount| *amount > 0);
    if rng.random_bool(0.2) {
        // Too late: its time is over before the money comes.
        let tenant = shop.tenant.tenant_id.as_uuid();
        let late = format!(
            "update sales_order o set expires_at = now() - interval '1 second' from payment p
             where p.tenant_id = o.tenant_id and p.order_id = o.order_id and p.tenant_id = '{tenant}' and p.reference = '{txid}'"
        );
        again_any(|| world.sql(&late)).await?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await;
    }
    if shop.has_provider {
        return at_the_provider(world, txid, &amounts, told).await;
    }
    let receipts: Vec<(String, i64)> =
        amounts.iter().map(|amount| (format!("E{:031}", rng.random::<u64>()), *amount)).collect();
    let mut calls: Vec<(String, i64, bool)> = Vec::new();
    for (id, amount) in &receipts {
        let repeats = rng.random_range(1..=3);
        calls.extend(std::iter::repeat_n((id.clone(), *amount, true), repeats));
    }
    if rng.random_bool(0.3) {
        let forged = format!("F{:031}", rng.random::<u64>());
        calls.push((forged.clone(), total, false));
        told.forged.push(forged);
    }
    calls.shuffle(rng);
    for (id, amount, signed) in calls {
        told.reports += 1;
        report(world, shop, txid, &id, amount, signed, rng).await?;
    }
    told.receipts.extend(receipts);
    Ok(())
}

/// The payer pays a charge of the provider's, which reports it, or does not.
async fn at_the_provider(
    world: &World,
    reference: &str,
    amounts: &[i64],
    told: &mut Told,
) -> anyhow::Result<()> {
    for minor in amounts {
        // It may not be made yet; it never is where its order was over before the provider could be reached.
        let began = Instant::now();
        loop {
            match control(world, "POST", "pay", &json!({ "charge": reference, "minor": minor })).await {
                Ok(paid) => {
                    let id = paid["end_to_end_id"].as_str().context("a receipt has an id")?;
                    told.receipts.push((id.to_owned(), *minor));
                    told.reports += 1;
                    break;
                }
                Err(_) if began.elapsed() < UNMADE => tokio::time::sleep(Duration::from_millis(200)).await,
                Err(_) => return Ok(()),
            }
        }
    }
    Ok(())
}

async fn report(
    world: &World,
    shop: &Shop,
    txid: &str,
    id: &str,
    minor: i64,
    signed: bool,
    rng: &mut StdRng,
) -> anyhow::Result<()> {
    let valor = format!("{}.{:02}", minor / 100, minor % 100);
    let body = json!({ "pix": [{ "endToEndId": id, "txid": txid, "valor": valor, "horario": "2026-11-27T10:00:00.000Z" }] });
    let hmac = if signed { SECRET } else { "guessed" };
    let mut at = rng.random_range(0..SERVERS);
    let began = Instant::now();
    loop {
        let url = format!("{}{}?hmac={hmac}", world.url(at), shop.hook);
        at += 1;
        match world.http.post(url).json(&body).send().await.map(|answer| answer.status().as_u16()) {
            Ok(200) if signed => return Ok(()),
            Ok(200) => bail!("a forged report was acknowledged"),
            Ok(401 | 403) if !signed => return Ok(()),
            Ok(429 | 500..=504) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            Ok(status) => bail!("a report of the bank was answered {status}"),
        }
        if began.elapsed() > PATIENCE {
            bail!("a report of the bank was not taken within {} s", PATIENCE.as_secs());
        }
    }
}

/// What was never reported is found by asking: everything that is to be asked later is asked now, until the books know of
/// every receipt or nothing more comes of it.
async fn ask_again(world: &World, shop: &Shop, told: &[Told]) -> anyhow::Result<()> {
    let tenant = shop.tenant.tenant_id.as_uuid();
    let keys: Vec<String> =
        told.iter().flat_map(|told| &told.receipts).map(|(id, _)| format!("'pix:{id}'")).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let hurry = format!(
        "update payment set check_due_at = now() where tenant_id = '{tenant}' and check_due_at is not null;
         update payment_account set reconcile_due_at = now() where tenant_id = '{tenant}' and calls"
    );
    let known = format!(
        "select count(*) from payment_fact where tenant_id = '{tenant}' and key in ({})",
        keys.join(", ")
    );
    let began = Instant::now();
    while began.elapsed() < PATIENCE / 3 {
        again_any(|| world.sql(&hurry)).await?;
        tokio::time::sleep(Duration::from_millis(700)).await;
        if again_any(|| world.sql(&known)).await? == keys.len().to_string() {
            break;
        }
    }
    Ok(())
}

/// Waits until nothing is left to do: every message has its turn, every report its end.
async fn settle(world: &World, shop: &Shop) -> anyhow::Result<()> {
    let tenant = shop.tenant.tenant_id.as_uuid();
    let open = format!(
        "select (select count(*) from payment_event where tenant_id = '{tenant}' and state = 'waiting')
              + (select count(*) from inbox i where i.tenant_id = '{tenant}' and not exists (
                   select from turn t where t.tenant_id = i.tenant_id and t.conversation_id = i.conversation_id
                     and i.seq between t.first_seq and t.last_seq))"
    );
    let began = Instant::now();
    loop {
        let left = again_any(|| world.sql(&open)).await?;
        if left == "0" {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            // Shown by the checks, each with its own words.
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What must hold whatever happened.
async fn check(world: &World, shop: &Shop, told: &[Told]) -> anyhow::Result<Vec<String>> {
    let tenant = shop.tenant.tenant_id.as_uuid();
    let mut broken = Vec::new();
    let mut tx = world.opened.store.tenant_tx(&shop.ctx).await?;
    for breach in books::verify(&mut tx).await? {
        broken.push(format!("{}: {} ({})", breach.invariant, breach.subject, breach.detail));
    }
    let all = orders::list(&mut tx, None, 10_000).await?;
    for order in &all {
        let charges = payments::of_order(&mut tx, order.order_id).await?;
        if charges.len() != 1 {
            broken.push(format!("order {} has {} charges", order.code, charges.len()));
        }
    }
    tx.commit().await?;
    let placed: usize = told.iter().map(|told| told.placed.len()).sum();
    if all.len() < placed {
        broken.push(format!("{placed} orders were seen, {} are there", all.len()));
    }

    let said: u64 = told.iter().map(|told| told.said).sum();
    let stored = world.sql(&format!("select count(*) from inbox where tenant_id = '{tenant}'")).await?;
    if stored != said.to_string() {
        broken.push(format!("{said} messages were acknowledged, {stored} are stored"));
    }
    let unanswered = world
        .sql(&format!(
            "select count(*) from inbox i where i.tenant_id = '{tenant}' and 1 <> (
               select count(*) from turn t where t.tenant_id = i.tenant_id and t.conversation_id = i.conversation_id
                 and i.seq between t.first_seq and t.last_seq)"
        ))
        .await?;
    if unanswered != "0" {
        broken.push(format!("{unanswered} messages have not exactly one turn"));
    }

    let facts = world
        .sql(&format!(
            "select coalesce(jsonb_object_agg(key, kind), '{{}}') from payment_fact where tenant_id = '{tenant}'"
        ))
        .await?;
    let facts: Map<String, Value> = serde_json::from_str(&facts).context("the facts are JSON")?;
    let aside = world
        .sql(&format!("select coalesce(string_agg(event::text, ' '), '') from payment_event where tenant_id = '{tenant}' and state = 'dead'"))
        .await?;
    for (id, amount) in told.iter().flat_map(|told| &told.receipts) {
        let booked = facts.get(&format!("pix:{id}")).map(|kind| kind["receipt"]["minor"].as_i64());
        match booked {
            Some(Some(minor)) if minor == *amount => {}
            None if aside.contains(id.as_str()) => {}
            other => broken.push(format!("receipt {id} of {amount} is booked as {other:?}")),
        }
    }
    for id in told.iter().flat_map(|told| &told.forged) {
        if facts.keys().any(|key| key.contains(id.as_str())) {
            broken.push(format!("the forged receipt {id} is booked"));
        }
    }
    Ok(broken)
}

/// Does it until the database is back.
async fn again<T, F: Future<Output = Result<T, StoreError>>>(what: impl Fn() -> F) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        match what().await {
            Err(StoreError::Unavailable { .. }) if began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => return Ok(other?),
        }
    }
}

/// Asks until the database is back: questions change nothing, and what changes something here may be done twice.
async fn again_any<T, F: Future<Output = anyhow::Result<T>>>(what: impl Fn() -> F) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        match what().await {
            Err(_) if began.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(100)).await,
            other => return other,
        }
    }
}
