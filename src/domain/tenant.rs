//! A shop, and who acts for it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, TenantId};

/// The languages Balcão answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// Portuguese, as spoken in Brazil.
    #[serde(rename = "pt")]
    Portuguese,
    /// English.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// The ISO 639-1 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Portuguese => "pt",
            Self::English => "en",
        }
    }

    /// Reads `pt`, `pt-BR`, `pt_br`, `en`, `en-US` …
    pub fn from_code(code: &str) -> Option<Self> {
        match code.get(..2)?.to_ascii_lowercase().as_str() {
            "pt" => Some(Self::Portuguese),
            "en" => Some(Self::English),
            _ => None,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What an API key may do. `Admin` includes the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Talk as a customer, search, read conversations it started.
    Chat,
    /// Write documents.
    Ingest,
    /// Everything of one tenant.
    Admin,
}

impl Scope {
    /// The word used in the database, in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }

    /// The inverse of [`Scope::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Chat, Self::Ingest, Self::Admin].into_iter().find(|s| s.as_str() == word)
    }
}

/// Who is acting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The server itself: an actor, a sweep, a webhook whose signature held.
    System,
    /// A caller of the API.
    Key {
        /// Which key.
        id: KeyId,
        /// What it may do.
        scopes: Vec<Scope>,
    },
    /// A person at the command line of the server's machine.
    Operator,
}

/// The moment after which nobody waits for the result any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub std::time::Instant);

impl Deadline {
    /// A deadline `duration` after `now`.
    pub fn after(now: std::time::Instant, duration: std::time::Duration) -> Self {
        Self(now + duration)
    }

    /// What is left at `now`; zero when it has passed.
    pub fn remaining(&self, now: std::time::Instant) -> std::time::Duration {
        self.0.saturating_duration_since(now)
    }
}

/// Who is acting, and for which tenant. The first argument of everything that touches a tenant's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantCtx {
    /// Whose data.
    pub tenant_id: TenantId,
    /// Who acts.
    pub principal: Principal,
}

impl TenantCtx {
    /// The server acting for a tenant.
    pub const fn system(tenant_id: TenantId) -> Self {
        Self { tenant_id, principal: Principal::System }
    }
}

/// A shop as the engine needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub tenant_id: TenantId,
    /// Its short name in commands and file names: lower case, digits, hyphens.
    pub slug: String,
    /// Its name as customers know it.
    pub name: String,
    /// Its main language; replies follow the customer's where that is clear.
    pub language: Language,
    /// What may be tuned per tenant.
    pub settings: Settings,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// What may be tuned per tenant. Stored as JSON; an absent field has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long to wait for the customer's next message before answering, in milliseconds.
    pub quiet_ms: u64,
    /// The longest a burst may hold back its answer, in milliseconds.
    pub quiet_cap_ms: u64,
    /// The longest a customer waits for an answer once the turn has begun, in milliseconds.
    pub turn_budget_ms: u64,
    /// IANA name of the shop's time zone, for opening hours.
    pub time_zone: String,
    /// Retrieval confidence (0 to 1) from which the rule path answers with an extract.
    pub extract_confidence: f32,
    /// Approved template to use outside WhatsApp's 24-hour window, if any.
    pub reopen_template: Option<Template>,
    /// Turns a day that may call the model; past it the rule path answers. `None` is no limit.
    pub model_turns_per_day: Option<u32>,
    /// The PIX key that orders are paid to. Without it the shop arranges payment itself.
    pub pix: Option<PixReceiver>,
    /// Who earns how much of every sale.
    pub commission: crate::payment::CommissionTerms,
    /// How orders reach the customer, in the order they are offered. Without any the shop arranges it itself.
    pub delivery: Vec<DeliveryOption>,
    /// How long an order holds its stock while nobody has paid, in minutes.
    pub hold_minutes: u32,
    /// How many days messages, answers and their evidence are kept; never fewer than [`SHORTEST_MEMORY_DAYS`]. `None`
    /// keeps them for ever.
    pub keep_messages_days: Option<u32>,
    /// How many days events are kept. `None` keeps them for ever.
    pub keep_events_days: Option<u32>,
    /// How many days dead letters are kept once they are dealt with. `None` keeps them for ever.
    pub keep_dead_letters_days: Option<u32>,
}

/// WhatsApp delivers a webhook again for up to seven days; the stored message is what tells a repeat.
pub const SHORTEST_MEMORY_DAYS: u32 = 8;

impl Settings {
    /// What is wrong with them, in words for the shop; `Ok` when they can be used.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.extract_confidence) {
            return Err("`extract_confidence` must be between 0 and 1".into());
        }
        if self.delivery.iter().any(|way| way.price_minor < 0 || way.name.trim().is_empty()) {
            return Err("each way of `delivery` needs a name and a price of at least 0".into());
        }
        if !(0..=10_000).contains(&self.commission.bps) || self.commission.fixed_minor < 0 {
            return Err(
                "`commission` must have 0 to 10000 basis points and a fixed part of at least 0".into()
            );
        }
        if self.pix.as_ref().is_some_and(|pix| !pix.is_sound()) {
            return Err("`pix` needs a key of at most 77 characters without spaces, a name, a city, and a discount below 10000 basis points".into());
        }
        if self.hold_minutes == 0 {
            return Err("`hold_minutes` must be at least 1".into());
        }
        if self.commission.beneficiaries.iter().any(|(name, weight)| name.is_empty() || *weight < 1) {
            return Err("each beneficiary of `commission` needs a name and a weight of at least 1".into());
        }
        if self.quiet_cap_ms < self.quiet_ms {
            return Err("`quiet_cap_ms` must be at least `quiet_ms`".into());
        }
        if self.keep_messages_days.is_some_and(|days| days < SHORTEST_MEMORY_DAYS) {
            return Err(format!(
                "`keep_messages_days` must be at least {SHORTEST_MEMORY_DAYS}: webhooks are delivered again for a week"
            ));
        }
        Ok(())
    }
}

/// Who receives PIX payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixReceiver {
    /// The key: e-mail, phone, CPF, CNPJ or random.
    pub key: String,
    /// The receiver's name, as the payer sees it.
    pub name: String,
    /// The receiver's city.
    pub city: String,
    /// What paying by PIX takes off the items, in basis points: 500 is 5 %.
    #[serde(default)]
    pub discount_bps: u16,
}

impl PixReceiver {
    fn is_sound(&self) -> bool {
        let plain = |c: char| c.is_ascii_graphic();
        let said = |text: &str| text.chars().any(char::is_alphanumeric);
        (1..=77).contains(&self.key.len())
            && self.key.chars().all(plain)
            && said(&self.name)
            && said(&self.city)
            && self.discount_bps < 10_000
    }
}

/// A way an order reaches the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryOption {
    /// What customers call it: "Retirada na loja".
    pub name: String,
    /// What it costs, in minor units of the order's currency.
    pub price_minor: i64,
    /// Whether it needs to know where to.
    #[serde(default)]
    pub needs_address: bool,
    /// Items from this amount on are delivered free, in minor units.
    #[serde(default)]
    pub free_from_minor: Option<i64>,
}

impl DeliveryOption {
    /// What it costs for items of so much, in minor units.
    pub fn price_for(&self, items_minor: i64) -> i64 {
        if self.free_from_minor.is_some_and(|from| items_minor >= from) { 0 } else { self.price_minor }
    }
}

/// The name of an approved WhatsApp message template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Its language code as WhatsApp writes it, for example `pt_BR`.
    pub language: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            quiet_ms: 1_500,
            quiet_cap_ms: 6_000,
            turn_budget_ms: 8_000,
            time_zone: "America/Sao_Paulo".into(),
            extract_confidence: 0.5,
            reopen_template: None,
            model_turns_per_day: None,
            pix: None,
            commission: crate::payment::CommissionTerms::none(),
            delivery: Vec::new(),
            hold_minutes: 30,
            keep_messages_days: Some(365),
            keep_events_days: Some(90),
            keep_dead_letters_days: Some(90),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_would_forget_too_soon_or_never_answer_are_refused() {
        let usual = Settings::default;
        assert_eq!(usual().check(), Ok(()));
        assert_eq!(Settings { keep_messages_days: None, ..usual() }.check(), Ok(()));
        for wrong in [
            Settings { keep_messages_days: Some(7), ..usual() },
            Settings { extract_confidence: 1.5, ..usual() },
            Settings { quiet_ms: 7_000, quiet_cap_ms: 6_000, ..usual() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
