//! API Pix of Banco Central as Efí and other PSPs call it: nothing is signed.
//!
//! The caller proves itself by its client certificate (our proxy tells in `X-SSL-Client-Verify`, and strips that header
//! from what clients send) and by a secret in the URL. The standard appends `/pix` to the URL; where that lands in the
//! secret's parameter it is taken off. Sources: `bacen/pix-api` 2.9.0, dev.efipay.com.br "Webhooks".

use balcao_domain::money::Currency;
use serde::Deserialize;

use super::read::{self, OneOrMany, Scalar};
use super::{Event, Kind, Malformed, Reference, Rejected, Request, Secrets, WebhookProvider, signature};

/// See the module.
pub(super) struct EfiBcbPix;

#[derive(Deserialize)]
struct Body {
    pix: Option<Vec<Pix>>,
    evento: Option<String>,
}

/// A receipt, as the standard writes it everywhere.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pix {
    end_to_end_id: String,
    pub(crate) txid: Option<String>,
    valor: Scalar,
    horario: Option<String>,
    // The standard's own example writes one object where its schema has a list.
    #[serde(default)]
    devolucoes: OneOrMany<Devolucao>,
}

#[derive(Deserialize)]
struct Devolucao {
    id: String,
    valor: Scalar,
    status: String,
    natureza: Option<String>,
    horario: Option<Horario>,
}

#[derive(Deserialize)]
struct Horario {
    solicitacao: Option<String>,
    liquidacao: Option<String>,
}

impl WebhookProvider for EfiBcbPix {
    fn name(&self) -> &'static str {
        "efi-bcb-pix"
    }

    fn verify(&self, request: &Request<'_>, secrets: &Secrets, _now: i64) -> Result<(), Rejected> {
        if secrets.require_client_certificate {
            match request.header("x-ssl-client-verify")? {
                Some("SUCCESS") => {}
                _ => return Err(Rejected::NoClientCertificate),
            }
        }
        match secrets.keys() {
            // The certificate alone is proof enough, if it was asked for.
            Err(Rejected::NoKey) if secrets.require_client_certificate => Ok(()),
            Err(why) => Err(why),
            Ok(keys) => {
                let shown = request.parameter("hmac")?.ok_or(Rejected::Absent)?;
                signature::token(&keys, shown.strip_suffix("/pix").unwrap_or(shown).as_bytes())
            }
        }
    }

    fn events(&self, request: &Request<'_>) -> Result<Vec<Event>, Malformed> {
        let body: Body = read::json(request.body)?;
        let Some(receipts) = body.pix else {
            let kind = if body.evento.as_deref() == Some("teste_webhook") { Kind::Test } else { Kind::Other };
            return Ok(vec![Event::new(kind, body.evento.unwrap_or_default())]);
        };
        let mut events = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            push(receipt, &mut events)?;
        }
        Ok(events)
    }
}

/// A receipt, then its refunds that came to an end. Those under way moved nothing yet.
pub(crate) fn push(pix: Pix, events: &mut Vec<Event>) -> Result<(), Malformed> {
    let id = &pix.end_to_end_id;
    if !(1..=35).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Malformed::Field("endToEndId"));
    }
    let received = format!("pix:{id}");
    let of_payment = |kind, word: &str, key: String, amount: &Scalar, at: Option<&str>| {
        let mut event = Event::new(kind, word);
        event.dedupe_key = Some(key.clone());
        event.fact_key = Some(key);
        event.amount = Some(read::decimal(amount, Currency::BRL, "valor")?);
        event.end_to_end_id = Some(id.clone());
        event.reference = Reference { txid: pix.txid.clone(), ..Reference::default() };
        event.occurred_at = read::time(at);
        Ok(event)
    };
    events.push(of_payment(Kind::Paid, "pix", received.clone(), &pix.valor, pix.horario.as_deref())?);
    for refund in &pix.devolucoes.0 {
        // Money the banks take back (MED) is a dispute, not a refund of ours.
        let forced = refund.natureza.as_deref().is_some_and(|natureza| natureza.starts_with("MED_"));
        let kind = match refund.status.as_str() {
            "DEVOLVIDO" if forced => Kind::DisputeOpened,
            "DEVOLVIDO" => Kind::Refunded,
            "NAO_REALIZADO" => Kind::RefundFailed,
            _ => continue,
        };
        let key = format!("{received}:dev:{}:{}", refund.id, refund.status);
        let at = refund.horario.as_ref().and_then(|h| h.liquidacao.as_deref().or(h.solicitacao.as_deref()));
        events.push(of_payment(kind, "devolucao", key, &refund.valor, at)?);
    }
    Ok(())
}
