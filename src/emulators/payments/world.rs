//! What there is: charges, what was received for them, what went back.

use std::collections::HashMap;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;

use super::{
    brcode,
    dialects::{Dialect, Repeated, dialect},
};

/// A charge at one provider.
#[derive(Debug, Clone, Serialize)]
pub struct Charge {
    /// Whose.
    pub provider: &'static str,
    /// The provider's id of it.
    pub id: String,
    /// And of what stands around it, where there is such a thing (an order).
    pub around: String,
    /// The caller's.
    pub reference: String,
    /// How much is asked for.
    pub minor: i64,
    /// What the payer reads.
    pub title: String,
    /// What it is paid with.
    pub br_code: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it may be paid.
    pub expires_at: DateTime<Utc>,
    /// Money that came in.
    pub receipts: Vec<Receipt>,
    /// Money that went back.
    pub refunds: Vec<Refund>,
}

/// Money that came in.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// The bank's id.
    pub end_to_end_id: String,
    /// How much.
    pub minor: i64,
    /// When.
    pub at: DateTime<Utc>,
}

/// Money that went back.
#[derive(Debug, Clone, Serialize)]
pub struct Refund {
    /// The caller's id.
    pub id: String,
    /// Of which receipt.
    pub end_to_end_id: String,
    /// How much.
    pub minor: i64,
    /// When.
    pub at: DateTime<Utc>,
}

impl Charge {
    /// All that came in.
    pub fn paid(&self) -> i64 {
        self.receipts.iter().map(|receipt| receipt.minor).sum()
    }

    /// All that went back.
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.minor).sum()
    }

    /// The last receipt.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.receipts.last()
    }

    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        self.expires_at <= Utc::now()
    }
}

/// `2026-01-15T13:00:04.000Z`.
pub fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `137.80`.
pub fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// A charge to make.
pub struct NewCharge {
    /// The caller's name of it.
    pub reference: String,
    /// What makes a repeat the same.
    pub key: Option<String>,
    pub minor: i64,
    pub title: String,
    pub expires_in: i64,
}

/// What is worth a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The receipt of this number came in.
    Paid(usize),
    /// The refund of this number was carried out.
    Refunded(usize),
}

/// Where a provider reports to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub url: String,
    pub secret: String,
}

/// See the module.
pub struct World {
    charges: Vec<Charge>,
    keys: HashMap<(&'static str, String), usize>,
    pub hooks: HashMap<String, Hook>,
    rng: StdRng,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed ^ 0x9e37);
        Self { charges: Vec::new(), keys: HashMap::new(), hooks: HashMap::new(), rng }
    }

    fn word(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(LETTERS[self.rng.random_range(0..LETTERS.len())])).collect()
    }

    /// Makes a charge, or finds the one that the same key made. Returns whether it is new.
    pub(super) fn create(
        &mut self,
        dialect: &'static dyn Dialect,
        new: NewCharge,
    ) -> Result<(&Charge, bool), String> {
        let provider = dialect.name();
        if new.minor < 1 || new.expires_in < 1 || new.reference.is_empty() {
            return Err("a charge needs a reference, an amount above zero and some time".into());
        }
        let key = new.key.map(|key| (provider, key));
        if let Some(at) = key.as_ref().and_then(|key| self.keys.get(key)).copied() {
            let known = &self.charges[at];
            if known.minor != new.minor {
                return Err("the same key was used for another amount".into());
            }
            return Ok((known, false));
        }
        let word = self.word(24);
        let (id, around) = dialect.ids(&new.reference, &word, 1_316_000_000 + self.charges.len() as u64);
        let now = Utc::now();
        let charge = Charge {
            provider,
            br_code: brcode::dynamic(&format!("pix.emulated.example/{provider}/{word}")),
            id,
            around,
            reference: new.reference,
            minor: new.minor,
            title: new.title,
            created_at: now,
            expires_at: now + Duration::seconds(new.expires_in),
            receipts: Vec::new(),
            refunds: Vec::new(),
        };
        if let Some(key) = key {
            self.keys.insert(key, self.charges.len());
        }
        self.charges.push(charge);
        let charge = self.charges.last().ok_or("there is no charge")?;
        Ok((charge, true))
    }

    /// The charges of a provider.
    pub(super) fn of<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a Charge> {
        self.charges.iter().filter(move |charge| charge.provider == provider)
    }

    /// All charges.
    pub(super) fn all(&self) -> &[Charge] {
        &self.charges
    }

    /// By any of its names; of a receipt, by the bank's id.
    pub(super) fn find(&self, provider: &str, name: &str) -> Option<&Charge> {
        self.charges.iter().find(|charge| charge.provider == provider && is(charge, name))
    }

    /// The payer pays; by any name, or by the code. Nothing is too late or too much here: such things happen.
    pub(super) fn pay(
        &mut self,
        name: &str,
        minor: Option<i64>,
        seconds_ago: i64,
    ) -> Option<(Charge, usize)> {
        let word = self.word(11);
        let now = Utc::now() - Duration::seconds(seconds_ago);
        let charge = self.charges.iter_mut().find(|charge| is(charge, name) || charge.br_code == name)?;
        charge.receipts.push(Receipt {
            end_to_end_id: format!("E99999999{}{word}", now.format("%Y%m%d%H%M")),
            minor: minor.unwrap_or(charge.minor),
            at: now,
        });
        Some((charge.clone(), charge.receipts.len() - 1))
    }

    /// Gives money back, once for each id. `Ok(None)`: there is no such charge.
    pub(super) fn refund(
        &mut self,
        provider: &str,
        name: &str,
        id: &str,
        minor: i64,
    ) -> Result<Option<(Charge, usize, bool)>, String> {
        let found = self.charges.iter_mut().find(|charge| charge.provider == provider && is(charge, name));
        let Some(charge) = found else { return Ok(None) };
        if let Some(at) = charge.refunds.iter().position(|refund| refund.id == id) {
            match dialect(provider).map(Dialect::repeated_refund) {
                Some(Repeated::Refused) => return Err("this id was used before".into()),
                Some(Repeated::Another) => {}
                Some(Repeated::Same) | None => return Ok(Some((charge.clone(), at, false))),
            }
        }
        let receipt =
            charge.receipts.iter().find(|receipt| receipt.end_to_end_id == name).or(charge.receipts.last());
        let receipt = receipt.ok_or("nothing was received")?;
        if minor < 1 || charge.refunded() + minor > charge.paid() {
            return Err("more cannot be given back than was received".into());
        }
        let end_to_end_id = receipt.end_to_end_id.clone();
        charge.refunds.push(Refund { id: id.to_owned(), end_to_end_id, minor, at: Utc::now() });
        Ok(Some((charge.clone(), charge.refunds.len() - 1, true)))
    }
}

fn is(charge: &Charge, name: &str) -> bool {
    charge.id == name
        || charge.around == name
        || charge.reference == name
        || charge.receipts.iter().any(|receipt| receipt.end_to_end_id == name)
}
