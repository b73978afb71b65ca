//! Carries a provider's calls over HTTP.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Access, Body, Call, Created, Failure, Names, NewCharge, NewRefund, PaymentProvider};
use crate::webhook::{Event, read};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(6);
/// The longest answer that is read.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// Pages of one list that are read at most: a hundred thousand receipts.
const MAX_PAGES: u32 = 100;
/// What of a refusal's words is kept.
const WORDS: usize = 300;
/// A token is renewed so long before it ends.
const MARGIN: Duration = Duration::from_secs(60);

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Included.
    pub from: DateTime<Utc>,
    /// Included.
    pub to: DateTime<Utc>,
}

/// One shop's line to its provider. Tokens are kept until they end.
pub struct Client {
    provider: &'static dyn PaymentProvider,
    access: Access,
    base_url: String,
    http: reqwest::Client,
    token: Mutex<Option<(SecretString, Instant)>>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: Option<u64>,
}

impl Client {
    /// A line with these credentials.
    ///
    /// # Errors
    /// [`Failure::Impossible`] when something is missing or cannot be used.
    pub fn new(provider: &'static dyn PaymentProvider, access: Access) -> Result<Self, Failure> {
        let missing = access.missing(provider.needs());
        if !missing.is_empty() {
            return Err(Failure::Impossible(format!(
                "to call {}, the account needs {}",
                provider.name(),
                missing.join(", ")
            )));
        }
        let base_url = access.base_url.as_deref().or(provider.base_url()).unwrap_or_default();
        let base_url = base_url.trim_end_matches('/').to_owned();
        if base_url.is_empty() {
            return Err(Failure::Impossible(format!(
                "to call {}, the account needs base_url",
                provider.name()
            )));
        }
        let mut http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("balcao");
        if let (Some(certificate), Some(key)) = (&access.certificate_pem, &access.private_key_pem) {
            let identity =
                reqwest::Identity::from_pkcs8_pem(certificate.as_bytes(), key.expose_secret().as_bytes());
            let identity = identity.map_err(|_| {
                Failure::Impossible("the client certificate or its key cannot be read".into())
            })?;
            http = http.identity(identity);
        }
        let http = http.build().map_err(|error| Failure::Impossible(error.to_string()))?;
        Ok(Self { provider, access, base_url, http, token: Mutex::default() })
    }

    /// Makes a charge. `again`: it was tried before, and how that ended is not known.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn create(&self, charge: &NewCharge<'_>, again: bool) -> Result<Created, Failure> {
        if again && let Some(call) = self.provider.created_before(&self.access, charge.reference) {
            let known = match self.send(call).await {
                Ok(answer) => self.provider.created(&answer)?,
                Err(Failure::Unknown) => None,
                Err(why) => return Err(why),
            };
            if let Some(known) = known {
                return self.with_code(known).await;
            }
        }
        let call = self.provider.create(&self.access, charge);
        let call =
            call.ok_or_else(|| Failure::Impossible(format!("{} makes no charges", self.provider.name())))?;
        let answer = self.send(call).await?;
        let created = self.provider.created(&answer)?.ok_or(Failure::Unknown)?;
        self.with_code(created).await
    }

    async fn with_code(&self, mut created: Created) -> Result<Created, Failure> {
        if created.br_code.is_none()
            && let Some(id) = &created.provider_id
            && let Some(call) = self.provider.code(&self.access, id)
        {
            let answer = self.send(call).await?;
            created.br_code = self.provider.created(&answer)?.and_then(|read| read.br_code);
        }
        Ok(created)
    }

    /// What became of a charge.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn look_up(&self, names: &Names) -> Result<Vec<Event>, Failure> {
        let call = self.provider.look_up(&self.access, names);
        let call =
            call.ok_or_else(|| Failure::Impossible("the charge has no name the provider knows".into()))?;
        let answer = self.send(call).await?;
        Ok(self.provider.found(&answer)?)
    }

    /// Everything received in a window; `None` where the provider has no such list.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn received(&self, window: &Window) -> Result<Option<Vec<Event>>, Failure> {
        let mut events = Vec::new();
        for page in 0..MAX_PAGES {
            let Some(call) = self.provider.received(&self.access, window, page) else { return Ok(None) };
            let answer = self.send(call).await?;
            let (mut of_page, more) = self.provider.page(&answer)?;
            events.append(&mut of_page);
            if !more {
                break;
            }
        }
        Ok(Some(events))
    }

    /// Whether a refund may be asked for again when its answer was lost.
    pub fn knows_repeated_refunds(&self) -> bool {
        self.provider.knows_repeated_refunds()
    }

    /// Gives money back. What it came to is looked up afterwards: an answer means that it was asked for.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn refund(&self, refund: &NewRefund<'_>) -> Result<(), Failure> {
        let call = self.provider.refund(&self.access, refund);
        let call = call.ok_or_else(|| {
            Failure::Impossible(
                "no receipt is known that this could be given back of: do it at the provider".into(),
            )
        })?;
        self.send(call).await.map(drop)
    }

    async fn send(&self, call: Call) -> Result<Vec<u8>, Failure> {
        let token = self.token().await?;
        let headers = self.provider.credentials(&self.access, token.as_ref());
        let sent = self.carry(call, headers).await;
        if matches!(sent, Err(Failure::Unauthorized(401))) {
            // It may have been withdrawn before its time: the next call gets a new one.
            *self.token.lock() = None;
        }
        sent
    }

    async fn token(&self) -> Result<Option<SecretString>, Failure> {
        let Some(call) = self.provider.sign_in(&self.access) else { return Ok(None) };
        let kept = self.token.lock().clone();
        if let Some((token, until)) = kept
            && Instant::now() < until
        {
            return Ok(Some(token));
        }
        let (Some(id), Some(secret)) = (&self.access.client_id, &self.access.client_secret) else {
            return Err(Failure::Impossible("the account needs client_id and client_secret".into()));
        };
        let basic = BASE64_STANDARD.encode(format!("{id}:{}", secret.expose_secret()));
        let answer = self.carry(call, vec![("authorization", format!("Basic {basic}"))]).await?;
        let Token { access_token, expires_in } = read::json(&answer)?;
        let lasts = Duration::from_secs(expires_in.unwrap_or(300)).saturating_sub(MARGIN);
        let token = SecretString::from(access_token);
        *self.token.lock() = Some((token.clone(), Instant::now() + lasts));
        Ok(Some(token))
    }

    async fn carry(&self, call: Call, credentials: Vec<(&'static str, String)>) -> Result<Vec<u8>, Failure> {
        let mut request = self.http.request(call.method, format!("{}{}", self.base_url, call.path));
        for (name, value) in credentials.into_iter().chain(call.headers) {
            request = request.header(name, value);
        }
        request = match call.body {
            Body::Empty => request,
            Body::Json(body) => request.header("content-type", "application/json").body(body),
            Body::Form(fields) => request.form(&fields),
        };
        let away = |error: reqwest::Error| Failure::Away {
            sent: !error.is_connect() && !error.is_builder(),
            // The address may hold what is nobody's business.
            why: error.without_url().to_string(),
        };
        let mut answer = request.send().await.map_err(away)?;
        let status = answer.status().as_u16();
        let retry_after =
            answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::Away { why: "the answer does not end".into(), sent: true });
            }
            body.extend_from_slice(&chunk);
        }
        match status {
            200..=299 => Ok(body),
            401 | 403 => Err(Failure::Unauthorized(status)),
            404 | 410 => Err(Failure::Unknown),
            429 => Err(Failure::Limited { retry_after: retry_after.map(Duration::from_secs) }),
            // The request may have been taken before whatever went wrong.
            408 | 500..=599 => Err(Failure::Away { why: format!("status {status}"), sent: true }),
            _ => Err(Failure::Refused { status, why: words(&body) }),
        }
    }
}

/// The first words of a refusal, for the record.
fn words(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(WORDS).collect()
}
