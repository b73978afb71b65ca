//! What a shop shares with a sender.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::Rejected;
use crate::provider::Access;

/// A shop's keys for one sender. Lists are for rotation: the old key and the new one are both good for a while.
#[derive(Debug, Clone)]
pub struct Secrets {
    keys: Vec<SecretString>,
    /// Woovi's old HMAC-SHA1 keys; used only while there is no public key.
    legacy_keys: Vec<SecretString>,
    public_keys_pem: Vec<String>,
    /// Refuse calls whose client certificate our proxy did not verify (API Pix).
    pub require_client_certificate: bool,
    /// How far the time of signing may be from now, in seconds, in both directions.
    pub tolerance_seconds: i64,
    /// How the sender is called, where it is: its charges are made, looked up and given back there.
    pub access: Option<Access>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            legacy_keys: Vec::new(),
            public_keys_pem: Vec::new(),
            require_client_certificate: false,
            tolerance_seconds: 300,
            access: None,
        }
    }
}

/// The form in which a shop's keys are kept, encrypted, by whoever calls this crate.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Kept {
    keys: Vec<String>,
    legacy_keys: Vec<String>,
    public_keys_pem: Vec<String>,
    require_client_certificate: bool,
    tolerance_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Access>,
}

impl Secrets {
    /// Reads the kept form ([`Secrets::to_json`]).
    ///
    /// # Errors
    /// When it is no JSON of that form; the text shows none of it.
    pub fn from_json(text: &SecretString) -> Result<Self, serde_json::Error> {
        let kept: Kept = serde_json::from_str(text.expose_secret())?;
        let secret = |keys: Vec<String>| keys.into_iter().map(SecretString::from).collect();
        Ok(Self {
            keys: secret(kept.keys),
            legacy_keys: secret(kept.legacy_keys),
            public_keys_pem: kept.public_keys_pem,
            require_client_certificate: kept.require_client_certificate,
            tolerance_seconds: kept.tolerance_seconds.unwrap_or(Self::default().tolerance_seconds),
            access: kept.access,
        })
    }

    /// The form to keep, encrypted.
    pub fn to_json(&self) -> SecretString {
        let plain = |keys: &[SecretString]| keys.iter().map(|key| key.expose_secret().to_owned()).collect();
        let kept = Kept {
            keys: plain(&self.keys),
            legacy_keys: plain(&self.legacy_keys),
            public_keys_pem: self.public_keys_pem.clone(),
            require_client_certificate: self.require_client_certificate,
            tolerance_seconds: Some(self.tolerance_seconds),
            access: self.access.clone(),
        };
        serde_json::to_string(&kept).unwrap_or_default().into()
    }

    /// Nothing shared: every call is refused.
    pub fn none() -> Self {
        Self::default()
    }

    /// And this key or token, as the sender shows it. For Basic credentials: `user:password`.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(SecretString::from(key.into()));
        self
    }

    /// And this key of a deprecated recipe.
    #[must_use]
    pub fn with_legacy_key(mut self, key: impl Into<String>) -> Self {
        self.legacy_keys.push(SecretString::from(key.into()));
        self
    }

    /// And the sender's public key, as PEM.
    #[must_use]
    pub fn with_public_key_pem(mut self, pem: impl Into<String>) -> Self {
        self.public_keys_pem.push(pem.into());
        self
    }

    /// And this way to call it.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }

    /// The keys that are not empty: an empty one is a mistake that would let anybody sign.
    pub(super) fn keys(&self) -> Result<Vec<&str>, Rejected> {
        usable(&self.keys)
    }

    pub(super) fn legacy_keys(&self) -> Result<Vec<&str>, Rejected> {
        usable(&self.legacy_keys)
    }

    pub(super) fn public_keys_pem(&self) -> &[String] {
        &self.public_keys_pem
    }
}

fn usable(keys: &[SecretString]) -> Result<Vec<&str>, Rejected> {
    let keys: Vec<&str> = keys.iter().map(|key| key.expose_secret()).filter(|key| !key.is_empty()).collect();
    if keys.is_empty() { Err(Rejected::NoKey) } else { Ok(keys) }
}
