//! API Pix of Banco Central, as every PSP of Pix has it (Efí's address by default): `PUT /v2/cob/{txid}` with our own
//! txid, which makes it idempotent. Source: `bacen/pix-api` 2.9.0.

use balcao_domain::payment::Lifecycle;
use chrono::SecondsFormat;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{Access, Call, Created, Names, NewCharge, NewRefund, PaymentProvider, Window, decimal, segment};
use crate::webhook::{
    Event, Kind, Malformed, Reference,
    efi_bcb_pix::{self as webhook, Pix},
    read,
};

/// See the module.
pub(super) struct EfiBcbPix;

/// Receipts of one page; the most the standard allows.
const PAGE: u32 = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cob {
    txid: Option<String>,
    status: Option<String>,
    pix_copia_e_cola: Option<String>,
    #[serde(default)]
    pix: Vec<Pix>,
}

#[derive(Deserialize)]
struct Received {
    parametros: Parametros,
    #[serde(default)]
    pix: Vec<Pix>,
}

#[derive(Deserialize)]
struct Parametros {
    paginacao: Paginacao,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paginacao {
    pagina_atual: u32,
    quantidade_de_paginas: u32,
}

impl PaymentProvider for EfiBcbPix {
    fn name(&self) -> &'static str {
        "efi-bcb-pix"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://pix.api.efipay.com.br")
    }

    fn needs(&self) -> &'static [&'static str] {
        &["client_id", "client_secret", "pix_key"]
    }

    fn sign_in(&self, _access: &Access) -> Option<Call> {
        Some(Call::json(Method::POST, "/oauth/token", &json!({ "grant_type": "client_credentials" })))
    }

    fn credentials(&self, _access: &Access, token: Option<&SecretString>) -> Vec<(&'static str, String)> {
        let bearer = token.map(|token| ("authorization", format!("Bearer {}", token.expose_secret())));
        bearer.into_iter().collect()
    }

    fn create(&self, access: &Access, charge: &NewCharge<'_>) -> Option<Call> {
        let body = json!({
            "calendario": { "expiracao": charge.expires_in.as_secs() },
            "valor": { "original": decimal(charge.amount) },
            "chave": access.pix_key,
            "solicitacaoPagador": charge.title,
        });
        Some(Call::json(Method::PUT, format!("/v2/cob/{}", segment(charge.reference)), &body))
    }

    fn created(&self, answer: &[u8]) -> Result<Option<Created>, Malformed> {
        let cob: Cob = read::json(answer)?;
        Ok(Some(Created { provider_id: cob.txid, br_code: cob.pix_copia_e_cola }))
    }

    fn look_up(&self, _access: &Access, names: &Names) -> Option<Call> {
        let txid = names.reference.as_ref().or(names.provider_id.as_ref())?;
        Some(Call::get(format!("/v2/cob/{}", segment(txid))))
    }

    fn found(&self, answer: &[u8]) -> Result<Vec<Event>, Malformed> {
        let cob: Cob = read::json(answer)?;
        let mut events = Vec::new();
        for mut receipt in cob.pix {
            // Within its charge a receipt need not name it again.
            receipt.txid = receipt.txid.or_else(|| cob.txid.clone());
            webhook::push(receipt, &mut events)?;
        }
        // "ATIVA" says nothing new, not even after its time: an expired charge stays "ATIVA" for ever.
        if let (Some(txid), Some(status)) =
            (cob.txid, cob.status.filter(|status| status.starts_with("REMOVID")))
        {
            let mut event = Event::new(Kind::Charge(Lifecycle::Canceled), status);
            event.dedupe_key = Some(format!("cob:{txid}:removed"));
            event.reference = Reference { txid: Some(txid), ..Reference::default() };
            events.push(event);
        }
        Ok(events)
    }

    fn received(&self, _access: &Access, window: &Window, page: u32) -> Option<Call> {
        let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        Some(Call::get(format!(
            "/v2/pix?inicio={}&fim={}&paginacao.paginaAtual={page}&paginacao.itensPorPagina={PAGE}",
            segment(&time(window.from)),
            segment(&time(window.to)),
        )))
    }

    fn page(&self, answer: &[u8]) -> Result<(Vec<Event>, bool), Malformed> {
        let received: Received = read::json(answer)?;
        let mut events = Vec::new();
        for receipt in received.pix {
            webhook::push(receipt, &mut events)?;
        }
        let page = received.parametros.paginacao;
        Ok((events, page.pagina_atual + 1 < page.quantidade_de_paginas))
    }

    fn knows_repeated_refunds(&self) -> bool {
        // An id that was used for a receipt is an error.
        false
    }

    fn refund(&self, _access: &Access, refund: &NewRefund<'_>) -> Option<Call> {
        let receipt = refund.end_to_end_id?;
        let path = format!("/v2/pix/{}/devolucao/{}", segment(receipt), segment(refund.reference));
        Some(Call::json(Method::PUT, path, &json!({ "valor": decimal(refund.amount) })))
    }
}
