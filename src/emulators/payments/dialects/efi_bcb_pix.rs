//! API Pix of Banco Central. The address one registers holds a secret; `/pix` is appended to it as it stands.

use serde_json::{Value, json};

use super::{Charge, Dialect, Heard, Hook, NewCharge, News, Repeated, Report, Wish, plain};
use crate::payments::world::{decimal, time};

/// See the module.
pub(super) struct EfiBcbPix;

fn receipt(charge: &Charge, at: usize) -> Value {
    let receipt = &charge.receipts[at];
    let refunds: Vec<Value> = (0..charge.refunds.len())
        .filter(|number| charge.refunds[*number].end_to_end_id == receipt.end_to_end_id)
        .map(|number| EfiBcbPix.refund(charge, number))
        .collect();
    let mut written = json!({
        "endToEndId": receipt.end_to_end_id,
        "txid": charge.id,
        "valor": decimal(receipt.minor),
        "horario": time(receipt.at),
    });
    if !refunds.is_empty() {
        written["devolucoes"] = refunds.into();
    }
    written
}

impl Dialect for EfiBcbPix {
    fn name(&self) -> &'static str {
        "efi-bcb-pix"
    }

    fn ids(&self, reference: &str, _word: &str, _number: u64) -> (String, String) {
        (reference.to_owned(), String::new())
    }

    fn wish(&self, heard: &Heard) -> Option<Wish> {
        Some(match (heard.method.as_str(), heard.parts().as_slice()) {
            ("POST", ["oauth", "token"]) => Wish::Token,
            ("PUT", ["v2", "cob", txid]) if (26..=35).contains(&txid.len()) => Wish::Create(NewCharge {
                reference: (*txid).to_owned(),
                key: Some((*txid).to_owned()),
                minor: heard.decimal("/valor/original")?,
                title: heard.text("/solicitacaoPagador").unwrap_or_default(),
                expires_in: heard.whole("/calendario/expiracao").unwrap_or(86_400),
            }),
            ("GET", ["v2", "cob", txid]) => Wish::Find((*txid).to_owned()),
            ("GET", ["v2", "pix"]) => Wish::Received,
            ("PUT", ["v2", "pix", receipt, "devolucao", id]) => Wish::Refund {
                of: (*receipt).to_owned(),
                id: (*id).to_owned(),
                minor: heard.decimal("/valor")?,
            },
            _ => return None,
        })
    }

    fn charge(&self, charge: &Charge) -> Value {
        let receipts: Vec<Value> = (0..charge.receipts.len()).map(|at| receipt(charge, at)).collect();
        let mut written = json!({
            "calendario": {
                "criacao": time(charge.created_at),
                "expiracao": (charge.expires_at - charge.created_at).num_seconds(),
            },
            "txid": charge.id,
            "revisao": 0,
            // An expired charge stays active for ever.
            "status": if receipts.is_empty() { "ATIVA" } else { "CONCLUIDA" },
            "valor": { "original": decimal(charge.minor) },
            "solicitacaoPagador": charge.title,
            "pixCopiaECola": charge.br_code,
        });
        if !receipts.is_empty() {
            written["pix"] = receipts.into();
        }
        written
    }

    fn list(&self, charges: &[&Charge]) -> Value {
        let receipts: Vec<Value> = charges
            .iter()
            .flat_map(|charge| (0..charge.receipts.len()).map(|at| receipt(charge, at)))
            .collect();
        json!({
            "parametros": { "paginacao": {
                "paginaAtual": 0, "itensPorPagina": 1000, "quantidadeDePaginas": 1,
                "quantidadeTotalDeItens": receipts.len(),
            } },
            "pix": receipts,
        })
    }

    fn refund(&self, charge: &Charge, at: usize) -> Value {
        let refund = &charge.refunds[at];
        json!({
            "id": refund.id,
            "rtrId": format!("D{}", &refund.end_to_end_id[1..]),
            "valor": decimal(refund.minor),
            "natureza": "ORIGINAL",
            "horario": { "solicitacao": time(refund.at), "liquidacao": time(refund.at) },
            "status": "DEVOLVIDO",
        })
    }

    fn repeated_refund(&self) -> Repeated {
        Repeated::Refused
    }

    fn report(&self, charge: &Charge, news: News, hook: &Hook) -> Report {
        let at = match news {
            News::Paid(at) => at,
            News::Refunded(refund) => {
                let of = &charge.refunds[refund].end_to_end_id;
                charge.receipts.iter().position(|receipt| receipt.end_to_end_id == *of).unwrap_or_default()
            }
        };
        let mut report = plain(&json!({ "pix": [receipt(charge, at)] }));
        report.suffix = format!("?hmac={}&ignorar=/pix", hook.secret);
        report
    }
}
