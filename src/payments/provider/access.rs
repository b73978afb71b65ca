//! How a shop calls its provider.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Address and credentials of a shop at a provider. Which are needed depends on the provider
/// ([`needs`](super::PaymentProvider::needs)).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Where the API is; the provider's usual address without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(
        serialize_with = "exposed",
        deserialize_with = "hidden",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_secret: Option<SecretString>,
    /// Access token or secret key.
    #[serde(
        serialize_with = "exposed",
        deserialize_with = "hidden",
        skip_serializing_if = "Option::is_none"
    )]
    pub token: Option<SecretString>,
    /// The PIX key that charges are paid to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pix_key: Option<String>,
    /// The provider's id of the customer that charges are made out to, where it wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The mail address that charges are made out to, where the provider wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer_email: Option<String>,
    /// The name that charges are made out to, where the provider wants one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer_name: Option<String>,
    /// The CPF or CNPJ that charges are made out to, digits (and, of a CNPJ, letters) only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer_document: Option<String>,
    /// The client certificate of mutual TLS, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_pem: Option<String>,
    /// Its key, as PEM (PKCS#8).
    #[serde(
        serialize_with = "exposed",
        deserialize_with = "hidden",
        skip_serializing_if = "Option::is_none"
    )]
    pub private_key_pem: Option<SecretString>,
}

impl Access {
    /// Which of these fields are not there.
    pub fn missing(&self, needs: &[&'static str]) -> Vec<&'static str> {
        let there = serde_json::to_value(self).unwrap_or_default();
        let empty = |name: &&str| there.get(*name).and_then(|value| value.as_str()).is_none_or(str::is_empty);
        needs.iter().copied().filter(|name| empty(name)).collect()
    }

    pub(super) fn bearer(&self) -> Vec<(&'static str, String)> {
        let token = self.token.as_ref().map(|token| format!("Bearer {}", token.expose_secret()));
        token.map(|value| ("authorization", value)).into_iter().collect()
    }
}

// Only ever into the sealed form: see `Secrets::to_json`.
fn exposed<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|secret| secret.expose_secret()).serialize(serializer)
}

fn hidden<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}
