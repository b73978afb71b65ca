//! Orders, each with its charge, committed durably; beside a hand-written transaction with the same writes by pgbench on
//! the same server in the same run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use balcao_domain::{
    TenantCtx, VariantId, money::Money, order::Wanted, payment::CommissionTerms, tenant::Settings,
};
use balcao_store::{
    Store,
    sales::{
        books,
        orders::{self, NewOrder, Placed},
        payments::{self, NewPayment},
    },
};
use rand::Rng;
use uuid::Uuid;

use super::{Figure, figure, ground::Ground, load::percentile, pgbench};
use crate::config::Config;

/// Variants on the shelf; each order takes one of them.
const VARIANTS: u64 = 1_000;

/// What one costs, in minor units.
const PRICE: i64 = 4_990;

/// Measures at 1, 8 and 32 clients.
pub async fn measure(config: &Config, length: Duration) -> anyhow::Result<Vec<Figure>> {
    let ground = Ground::prepare(config, Settings::default()).await?;
    let ctx = TenantCtx::system(ground.tenant.tenant_id);
    fill(&ground)?;
    let mut figures = Vec::new();
    for clients in [1, 8, 32] {
        let yardstick = by_hand(&ground, clients, length)?;
        let (rate, mut micros) = place(&ground.opened.store, &ctx, clients, length).await?;
        micros.sort_unstable();
        let name = |what: &str| format!("{what}, {clients} clients");
        figures.push(figure(name("orders with their charge"), rate, "orders/s"));
        figures.push(figure(name("an order, p50"), percentile(&micros, 50.0) / 1_000.0, "ms"));
        figures.push(figure(name("an order, p99"), percentile(&micros, 99.0) / 1_000.0, "ms"));
        figures.push(figure(name("the same writes by hand, pgbench"), yardstick, "orders/s"));
        figures.push(figure(name("orders / pgbench"), rate / yardstick, "×"));
    }
    let mut tx = ground.opened.store.tenant_tx(&ctx).await?;
    let breaches = books::verify(&mut tx).await?;
    tx.commit().await?;
    // What pgbench wrote is held to the same rules.
    if let Some(first) = breaches.first() {
        bail!("{} rows do not add up, the first: {first:?}", breaches.len());
    }
    ground.clear().await;
    Ok(figures)
}

fn variant(number: u64) -> Uuid {
    Uuid::from_u128(0x7000_8000_0000_0000_0000 + u128::from(number))
}

fn fill(ground: &Ground) -> anyhow::Result<()> {
    let tenant = ground.tenant.tenant_id.as_uuid();
    ground.sql(&format!(
        "insert into product (tenant_id, product_id, source, external_id, title, content_hash, words)
         values ('{tenant}', '{}', 'bench', '1', 'Caneca', '', '')",
        variant(0)
    ))?;
    ground.sql(&format!(
        "insert into variant (tenant_id, variant_id, product_id, external_id, title, price_minor, currency, sellable, on_hand)
         select '{tenant}', ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{}', n::text, n::text,
                {PRICE}, 'BRL', true, 1000000000
         from generate_series(1, {VARIANTS}) n",
        variant(0)
    ))?;
    ground.sql(&format!(
        "insert into stock_movement (tenant_id, movement_id, variant_id, kind, on_hand_change, reserved_change)
         select tenant_id, new_id(), variant_id, 'count', on_hand, 0 from variant where tenant_id = '{tenant}'"
    ))?;
    Ok(())
}

/// Orders as fast as so many clients go.
async fn place(
    store: &Store,
    ctx: &TenantCtx,
    clients: u64,
    length: Duration,
) -> anyhow::Result<(f64, Vec<u32>)> {
    let over = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicU64::new(0));
    let run: u64 = rand::rng().random();
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (store, ctx, over, next) = (store.clone(), ctx.clone(), over.clone(), next.clone());
            tokio::spawn(async move {
                let mut micros = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let intent = format!("{run}/{}", next.fetch_add(1, Ordering::Relaxed));
                    let asked = Instant::now();
                    place_one(&store, &ctx, intent).await?;
                    micros.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
                anyhow::Ok(micros)
            })
        })
        .collect();
    tokio::time::sleep(length).await;
    over.store(true, Ordering::Relaxed);
    let mut micros = Vec::new();
    for task in tasks {
        micros.extend(task.await??);
    }
    Ok((micros.len() as f64 / began.elapsed().as_secs_f64(), micros))
}

async fn place_one(store: &Store, ctx: &TenantCtx, intent: String) -> anyhow::Result<()> {
    let (number, code) = (rand::rng().random_range(1..=VARIANTS), rand::rng().random());
    let unit = Money::brl(PRICE);
    let new = NewOrder {
        intent,
        customer_id: None,
        conversation_id: None,
        wanted: vec![Wanted { variant_id: VariantId::from_uuid(variant(number)), quantity: 1, unit }],
        delivery_minor: 0,
        discount_minor: 0,
        delivery: serde_json::json!({}),
        hold: Duration::from_secs(1_800),
        commission: CommissionTerms::none(),
        code,
    };
    let mut tx = store.tenant_tx(ctx).await?;
    let placed = orders::place(&mut tx, &new).await?;
    let Placed::Now(order_id) = placed else { bail!("not placed: {placed:?}") };
    let order = orders::get(&mut tx, order_id).await?;
    let charge = NewPayment {
        order_id,
        provider: "pix".into(),
        method: "pix".into(),
        reference: order.code,
        account_id: None,
        terms: CommissionTerms::none(),
        instructions: serde_json::json!({ "br_code": "000201" }),
        expires_at: order.expires_at,
    };
    payments::create(&mut tx, &charge).await?;
    tx.commit().await?;
    Ok(())
}

/// The same by a client that knows what it writes: no function, no row security, no check but the constraints.
fn by_hand(ground: &Ground, clients: u64, length: Duration) -> anyhow::Result<f64> {
    let tenant = ground.tenant.tenant_id.as_uuid();
    let script = format!(
        "\\set r random(1, 250000000000000)\n\\set v random(1, {VARIANTS})\n\
         begin;\n\
         select pg_advisory_xact_lock(lock_key('{tenant}', 'variant:' || :v::text));\n\
         select price_minor, on_hand - reserved from variant where tenant_id = '{tenant}'\n\
           and variant_id = ('00000000-0000-7000-8000-' || lpad(to_hex(:v::bigint), 12, '0'))::uuid;\n\
         insert into sales_order (tenant_id, order_id, code, intent, status, currency, items_minor, delivery_minor,\n\
           discount_minor, total_minor, delivery, expires_at)\n\
         values ('{tenant}', ('00000000-0000-7000-8000-' || lpad(to_hex(:r::bigint), 12, '0'))::uuid, to_hex(:r::bigint), 'hand/' || to_hex(:r::bigint),\n\
           'awaiting_payment', 'BRL', {PRICE}, 0, 0, {PRICE}, '{{}}', now() + interval '30 minutes');\n\
         insert into order_line (tenant_id, order_id, line_no, variant_id, title, quantity, unit_minor, total_minor)\n\
         values ('{tenant}', ('00000000-0000-7000-8000-' || lpad(to_hex(:r::bigint), 12, '0'))::uuid, 1,\n\
           ('00000000-0000-7000-8000-' || lpad(to_hex(:v::bigint), 12, '0'))::uuid, 'Caneca', 1, {PRICE}, {PRICE});\n\
         update variant set reserved = reserved + 1, updated_at = now() where tenant_id = '{tenant}'\n\
           and variant_id = ('00000000-0000-7000-8000-' || lpad(to_hex(:v::bigint), 12, '0'))::uuid;\n\
         insert into stock_movement (tenant_id, movement_id, variant_id, order_id, kind, on_hand_change, reserved_change)\n\
         values ('{tenant}', new_id(), ('00000000-0000-7000-8000-' || lpad(to_hex(:v::bigint), 12, '0'))::uuid,\n\
           ('00000000-0000-7000-8000-' || lpad(to_hex(:r::bigint), 12, '0'))::uuid, 'reserve', 0, 1);\n\
         insert into event (tenant_id, event_id, kind, data) values ('{tenant}', new_id(), 'order.created', '{{}}');\n\
         insert into payment (tenant_id, payment_id, order_id, provider, method, reference, currency, expected_minor, terms,\n\
           instructions, state, expires_at)\n\
         values ('{tenant}', new_id(), ('00000000-0000-7000-8000-' || lpad(to_hex(:r::bigint), 12, '0'))::uuid, 'pix', 'pix', to_hex(:r::bigint),\n\
           'BRL', {PRICE}, '{{}}', '{{\"br_code\": \"000201\"}}', 'created', now() + interval '30 minutes');\n\
         commit;\n"
    );
    let folder = ground.folder().join(format!("orders-{clients}"));
    pgbench::run(ground, &folder, &script, clients, length, false)
}
