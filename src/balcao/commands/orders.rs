//! `balcao orders`: what was ordered, and the word of a person that it was paid.

use anyhow::{Context, bail};
use balcao_agent::desk::notices::{self, Notice};
use balcao_domain::{
    OrderId, ReturnId, TenantCtx,
    order::Status,
    payment::{Fact, FactKind, State},
    tenant::Tenant,
};
use balcao_store::{
    StoreError, TenantTx,
    sales::{
        after::{self, Decision},
        orders::{self, Order},
        payments::{self, Applied, Charge},
        refunds,
    },
};
use serde_json::json;

use crate::{
    boot::{self, Opened},
    cli::{Global, Orders, ReturnStep},
    output,
};

/// Carries out one of the sub-commands.
pub async fn run(global: &Global, command: Orders) -> anyhow::Result<()> {
    let opened = boot::open(&super::settings(global, &[])?).await?;
    let done = carry_out(global, command, &opened).await;
    opened.close().await;
    done
}

async fn carry_out(global: &Global, command: Orders, opened: &Opened) -> anyhow::Result<()> {
    let slug = match &command {
        Orders::List { tenant, .. }
        | Orders::Show { tenant, .. }
        | Orders::Paid { tenant, .. }
        | Orders::Ship { tenant, .. }
        | Orders::Deliver { tenant, .. }
        | Orders::Returns { tenant, .. }
        | Orders::Return { tenant, .. }
        | Orders::Refund { tenant, .. } => tenant,
    };
    let shop = opened.tenant(slug).await?;
    let mut tx = opened.store.tenant_tx(&TenantCtx::system(shop.tenant_id)).await?;
    match command {
        Orders::List { status, limit, .. } => {
            let status = status.as_deref().map(status_of).transpose()?;
            let all = orders::list(&mut tx, status, limit).await.context("failed to list the orders")?;
            output::print(global.json, &all, |all| {
                output::table(
                    ["order", "when", "status", "total", "what", "attention"],
                    all.iter().map(|order| row(order, &shop)),
                );
            })
        }
        Orders::Show { order, .. } => {
            let order = find(&mut tx, &order).await?;
            let charges =
                payments::of_order(&mut tx, order.order_id).await.context("failed to read its charges")?;
            let mut given_back = Vec::new();
            for charge in &charges {
                given_back.extend(refunds::of_payment(&mut tx, charge.payment_id).await?);
            }
            let all = json!({ "order": order, "charges": charges, "refunds": given_back });
            println!("{}", serde_json::to_string_pretty(&all)?);
            Ok(())
        }
        Orders::Paid { order, minor, end_to_end_id, .. } => {
            let order = find(&mut tx, &order).await?;
            let charge = charge_of(&mut tx, &order).await?;
            let minor = minor.unwrap_or(order.total_minor);
            let state = book(&mut tx, &charge, minor, end_to_end_id.as_deref()).await?;
            if state == State::Paid && charge.state != State::Paid {
                notices::tell(&mut tx, charge.order_id, Notice::Paid)
                    .await
                    .context("failed to tell the customer")?;
            }
            let order = orders::get(&mut tx, order.order_id).await?;
            tx.commit().await?;
            output::print(global.json, &order, |order| {
                let came = output::money(minor, &order.currency, shop.language);
                println!("{came} booked: order {} is {}", order.code, order.status.as_str());
                if let Some(attention) = &order.attention {
                    println!("look at it: {attention}");
                }
            })
        }
        Orders::Ship { order, tracking, .. } => {
            let id = find(&mut tx, &order).await?.order_id;
            after::ship(&mut tx, id, tracking.as_deref()).await.context("failed to write it down")??;
            notices::tell(&mut tx, id, Notice::Shipped(tracking))
                .await
                .context("failed to tell the customer")?;
            moved(global, tx, id).await
        }
        Orders::Deliver { order, .. } => {
            let id = find(&mut tx, &order).await?.order_id;
            after::deliver(&mut tx, id).await.context("failed to write it down")??;
            notices::tell(&mut tx, id, Notice::Delivered).await.context("failed to tell the customer")?;
            moved(global, tx, id).await
        }
        Orders::Returns { all, limit, .. } => {
            let found = after::returns(&mut tx, !all, limit).await.context("failed to list the returns")?;
            output::print(global.json, &found, |found| {
                output::table(
                    ["id", "when", "order", "kind", "state", "reason"],
                    found.iter().map(|one| {
                        [
                            one.return_id.to_string(),
                            one.created_at.format("%Y-%m-%d %H:%M").to_string(),
                            one.order_id.to_string(),
                            one.kind.clone(),
                            one.state.clone(),
                            one.reason.clone(),
                        ]
                    }),
                );
            })
        }
        Orders::Return { id, step, why, refund, minor, keep_off_shelf, .. } => {
            let id: ReturnId =
                id.parse().context("a return is called ret_… (see `balcao orders returns`)")?;
            let known = after::get_return(&mut tx, id).await.context("there is no such return")?;
            let order = orders::get(&mut tx, known.order_id).await?;
            let decision = match step {
                ReturnStep::Approve => Decision::Approve,
                ReturnStep::Refuse => Decision::Refuse { why: why.unwrap_or_default() },
                ReturnStep::Receive => Decision::Receive {
                    goods: if keep_off_shelf { Vec::new() } else { after::all_goods(&order) },
                    refund_minor: minor.or(refund.then_some(order.items_minor - order.discount_minor)),
                },
            };
            let decided = after::decide(&mut tx, id, &decision).await?;
            let exchange = decided.kind == "exchange";
            let notice = match decision {
                Decision::Approve => Notice::ReturnDecided { exchange, refused: None },
                Decision::Refuse { why } => Notice::ReturnDecided { exchange, refused: Some(why) },
                Decision::Receive { .. } => Notice::Returned,
            };
            notices::tell(&mut tx, decided.order_id, notice).await.context("failed to tell the customer")?;
            tx.commit().await?;
            output::print(global.json, &after_shown(id, &decided), |_| {
                println!("written down, and the customer is told");
                if let Some(minor) = decided.refunding_minor {
                    let amount = output::money(minor, &order.currency, shop.language);
                    println!("{amount} goes back; a running server asks the provider for it");
                }
            })
        }
        Orders::Refund { order, minor, reason, .. } => {
            let order = find(&mut tx, &order).await?;
            let charge = charge_of(&mut tx, &order).await?;
            let asked = refunds::request(&mut tx, charge.payment_id, minor, &reason).await?;
            if asked.is_none() {
                bail!("nothing was received for order {}: there is nothing to give back", order.code);
            }
            let all = refunds::of_payment(&mut tx, charge.payment_id).await?;
            tx.commit().await?;
            output::print(global.json, &all.first(), |_| {
                let minor = all.first().map(|refund| refund.minor).unwrap_or_default();
                let amount = output::money(minor, &order.currency, shop.language);
                println!(
                    "{amount} of order {} will go back; a running server asks the provider for it",
                    order.code
                );
                println!("`balcao orders show {} --tenant {}` shows how it stands", order.code, shop.slug);
            })
        }
    }
}

async fn moved(global: &Global, mut tx: TenantTx, id: OrderId) -> anyhow::Result<()> {
    let order = orders::get(&mut tx, id).await?;
    tx.commit().await?;
    output::print(global.json, &order, |order| {
        println!("order {} is {}; the customer is told", order.code, order.status.as_str());
    })
}

fn after_shown(id: ReturnId, decided: &after::Decided) -> serde_json::Value {
    json!({ "return_id": id, "order_id": decided.order_id, "kind": decided.kind, "refunding_minor": decided.refunding_minor })
}

fn status_of(word: &str) -> anyhow::Result<Status> {
    Status::parse(word).with_context(|| {
        let known: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        format!("there is no status `{word}`; one of: {}", known.join(", "))
    })
}

fn row(order: &Order, shop: &Tenant) -> [String; 6] {
    let lines: Vec<String> =
        order.lines.iter().map(|line| format!("{} × {}", line.quantity, line.title)).collect();
    [
        order.code.clone(),
        order.placed_at.format("%Y-%m-%d %H:%M").to_string(),
        order.status.as_str().to_owned(),
        output::money(order.total_minor, &order.currency, shop.language),
        lines.join(", "),
        order.attention.clone().unwrap_or_default(),
    ]
}

async fn find(tx: &mut TenantTx, order: &str) -> anyhow::Result<Order> {
    let found = match order.parse::<OrderId>() {
        Ok(id) => orders::get(tx, id).await,
        Err(_) => orders::by_code(tx, order).await,
    };
    match found {
        Err(StoreError::NotFound) => {
            bail!("there is no order `{order}` in this shop (see `balcao orders list`)")
        }
        other => other.with_context(|| format!("failed to read the order `{order}`")),
    }
}

/// The charge that a payment is booked to: the newest that is not over.
async fn charge_of(tx: &mut TenantTx, order: &Order) -> anyhow::Result<Charge> {
    let charges = payments::of_order(tx, order.order_id).await.context("failed to read its charges")?;
    charges.into_iter().next().with_context(|| {
        format!("order {} has no charge: it was placed while the shop had no PIX key", order.code)
    })
}

async fn book(
    tx: &mut TenantTx,
    charge: &Charge,
    minor: i64,
    end_to_end_id: Option<&str>,
) -> anyhow::Result<State> {
    // Without the bank's id a person may say it once; with it, every transfer is its own.
    let key = match end_to_end_id {
        Some(id) => format!("pix:{}", id.trim()),
        None => format!("hand:{}", charge.payment_id),
    };
    let fact = Fact { key, kind: FactKind::Receipt { minor, fee_minor: 0 } };
    let evidence = json!({ "recorded_by": "balcao orders paid" });
    match payments::apply(tx, charge.payment_id, &fact, &evidence).await.context("failed to book it")? {
        Applied::Now(state) => Ok(state),
        Applied::Known => bail!("this is booked already (see `balcao orders show`)"),
        Applied::Conflict => {
            bail!("the same transfer was booked with another amount (see `balcao orders show`)")
        }
        Applied::Refused(why) => bail!("it cannot be booked: {why}"),
    }
}
