//! What is done with an order that is placed, on the database.

use balcao_domain::{OrderId, TenantCtx, VariantId, money::Money, sale::Shown};
use balcao_store::{
    Store, StoreError,
    sales::{
        after::{self, CalledOff, Refused},
        orders, products,
    },
};

use super::on_offer;
use crate::desk::port::{Done, ToDo, Why};

/// Does it in one transaction, or says why not.
pub(super) async fn carry_out(
    store: &Store,
    ctx: &TenantCtx,
    id: OrderId,
    to_do: &ToDo,
) -> Result<Done, StoreError> {
    let mut tx = store.tenant_tx(ctx).await?;
    let done = match to_do {
        ToDo::Cancel => match after::call_off(&mut tx, id).await? {
            Ok(CalledOff::Unpaid) => Done::Canceled,
            Ok(CalledOff::Refunding(minor)) => {
                let currency = orders::get(&mut tx, id).await?.total()?.currency();
                Done::Refunding(Money::new(minor, currency))
            }
            Ok(CalledOff::ByPerson) => Done::ByPerson,
            Err(why) => Done::Refused(refused(why)),
        },
        ToDo::Address(address) => match after::set_address(&mut tx, id, address).await? {
            Ok(()) => Done::Address,
            Err(why) => Done::Refused(refused(why)),
        },
        ToDo::Reopen => match after::call_off(&mut tx, id).await? {
            Ok(CalledOff::Unpaid) => {
                let lines = orders::get(&mut tx, id).await?.lines;
                let variants: Vec<VariantId> =
                    lines.iter().map(|line| VariantId::from_uuid(line.variant_id)).collect();
                let offers = products::offers(&mut tx, &variants).await?;
                let shown: Vec<Shown> =
                    offers.into_iter().filter_map(on_offer).map(|offer| offer.shown).collect();
                let line = |line: &orders::Line| {
                    let of = |shown: &&Shown| shown.variant_id.as_uuid() == line.variant_id;
                    Some((shown.iter().find(of)?.clone(), line.quantity))
                };
                Done::Reopened(lines.iter().filter_map(line).collect())
            }
            // Its money came in between: what was paid stays as it was confirmed.
            Ok(_) => return Ok(Done::Refused(Why::Status(balcao_domain::order::Status::Paid))),
            Err(why) => Done::Refused(refused(why)),
        },
        ToDo::Return { exchange, reason } => match after::ask_return(&mut tx, id, *exchange, reason).await? {
            Ok(_) => Done::Asked,
            Err(why) => Done::Refused(refused(why)),
        },
    };
    tx.commit().await?;
    Ok(done)
}

fn refused(why: Refused) -> Why {
    match why {
        Refused::Status(status) => Why::Status(status),
        Refused::NoAddress => Why::NoAddress,
        Refused::CalledOff | Refused::TooMany => Why::CalledOff,
    }
}
