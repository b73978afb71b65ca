//! Money that goes back: asked for once (the provider knows a repeat by our id), then asked about until it has moved.

use std::time::Duration;

use balcao_domain::{RefundId, TenantCtx, TenantId, money::Money};
use balcao_payments::provider::{Failure, Names, NewRefund};
use balcao_store::{
    StoreError,
    sales::refunds::{self, ToRefund},
};
use futures::{StreamExt, stream};

use super::{ABREAST, CLAIM, Cashier, LIMIT, Line, Trouble, keep, pause};

/// How long after it was asked for a refund is asked about, and again after every such time.
const SOON: Duration = Duration::from_secs(2);

impl Cashier {
    /// Carries out the refunds that are due. Returns whether something new was told, and whether there may be more.
    pub(crate) async fn refund_due(&self) -> Result<(bool, bool), StoreError> {
        let due = refunds::due(&self.store, LIMIT).await?;
        let more = due.len() >= LIMIT as usize;
        let news = stream::iter(due)
            .map(|(tenant_id, id)| async move {
                self.give_back(tenant_id, id).await.unwrap_or_else(|error| {
                    tracing::warn!(tenant.id = %tenant_id, refund.id = %id, %error, "a refund could not be carried out");
                    false
                })
            })
            .buffer_unordered(ABREAST)
            .any(|news| async move { news })
            .await;
        Ok((news, more))
    }

    async fn give_back(&self, tenant_id: TenantId, id: RefundId) -> Result<bool, StoreError> {
        let ctx = TenantCtx::system(tenant_id);
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let Some(refund) = refunds::take(&mut tx, id, CLAIM).await? else { return Ok(false) };
        let (receipt, reported) = refunds::receipt(&mut tx, refund.payment_id, refund.minor).await?;
        let line = self.line_of(&mut tx, refund.account_id).await;
        tx.commit().await?;

        let names = Names {
            reference: Some(refund.payment_reference.clone()),
            provider_id: reported.or(refund.provider_id.clone()),
        };
        let repeats = line.as_ref().is_ok_and(|(_, line)| line.client.knows_repeated_refunds());
        let done = match line {
            Ok((_, line)) => carry_out(&line, &refund, &names, receipt.as_deref()).await,
            Err(trouble) => Err(trouble),
        };
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let mut news = false;
        match done {
            Ok(()) => {
                let unheard = refund.sent && !refund.taken && !repeats;
                let note =
                    unheard.then_some("sent once, and never answered: looked up until its money has moved");
                refunds::progress(&mut tx, id, true, note, Some(SOON)).await?;
                tx.commit().await?;
                let heard = self.ask(tenant_id, &refund).await;
                tx = self.store.tenant_tx(&ctx).await?;
                news = matches!(heard, Ok(true));
                if let Err(trouble) = heard {
                    // It was asked for; what became of it is asked again, for as long as refunds take.
                    let again = pause(refund.attempts);
                    refunds::progress(&mut tx, id, true, Some(&trouble.to_string()), again).await?;
                } else if let Some(again) = pause(refund.attempts) {
                    refunds::progress(&mut tx, id, true, None, Some(again)).await?;
                } else if !news {
                    let why = "it was asked for, and its money has not moved";
                    refunds::progress(&mut tx, id, true, Some(why), None).await?;
                }
            }
            Err(trouble) => {
                let again = if trouble.may_pass() { pause(refund.attempts) } else { None };
                let sent = refund.sent || may_have_been_done(&trouble);
                refunds::progress(&mut tx, id, sent, Some(&trouble.to_string()), again).await?;
            }
        }
        tx.commit().await?;
        Ok(news)
    }

    /// What became of the charge that the refund is of.
    async fn ask(&self, tenant_id: TenantId, refund: &ToRefund) -> Result<bool, Trouble> {
        let ctx = TenantCtx::system(tenant_id);
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let (_, line) = self.line_of(&mut tx, refund.account_id).await?;
        tx.commit().await?;
        let names = Names {
            reference: Some(refund.payment_reference.clone()),
            provider_id: refund.provider_id.clone(),
        };
        let events = line.call(line.client.look_up(&names)).await?;
        let mut tx = self.store.tenant_tx(&ctx).await?;
        let news = keep(&mut tx, refund.account_id, &events).await?;
        tx.commit().await?;
        Ok(news)
    }
}

/// Whether the provider may have carried out what it did not answer.
fn may_have_been_done(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Provider(Failure::Away { sent: true, .. } | Failure::Unreadable(_)))
}

/// Asks for it, unless that was done: a provider that does not know a repeat would pay twice, or refuse what it has done, so
/// it is never asked twice; what became of it is looked up instead.
async fn carry_out(
    line: &Line,
    refund: &ToRefund,
    names: &Names,
    receipt: Option<&str>,
) -> Result<(), Trouble> {
    if refund.taken || (refund.sent && !line.client.knows_repeated_refunds()) {
        return Ok(());
    }
    let currency = refund.currency.parse();
    let currency =
        currency.map_err(|_| Failure::Impossible(format!("the currency `{}`", refund.currency)))?;
    let new = NewRefund {
        reference: &refund.reference,
        names,
        end_to_end_id: receipt,
        amount: Money::new(refund.minor, currency),
    };
    line.call(line.client.refund(&new)).await
}
