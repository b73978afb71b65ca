//! Comparisons that take as long for a wrong signature as for a right one.
//!
//! Digests stay in this file: callers learn whether something matches, never what would have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey};
use openssl::sign::Verifier;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::Rejected;

/// No sender rotates through more keys than this; more signatures only cost us time.
const MOST_SIGNATURES: usize = 16;

/// Whether any of the signatures is the HMAC-SHA256 of the concatenated parts under any of the keys.
pub(super) fn hmac_sha256<K: AsRef<[u8]>>(
    keys: &[K],
    parts: &[&[u8]],
    signatures: &[Vec<u8>],
) -> Result<(), Rejected> {
    let digests = keys.iter().filter_map(|key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).ok()?;
        parts.iter().for_each(|part| mac.update(part));
        Some(mac.finalize().into_bytes().to_vec())
    });
    any_equal(digests, signatures)
}

/// The same with SHA-1, for Woovi's old recipe.
pub(super) fn hmac_sha1(keys: &[&str], body: &[u8], signature: Vec<u8>) -> Result<(), Rejected> {
    let digests = keys.iter().filter_map(|key| {
        let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).ok()?;
        mac.update(body);
        Some(mac.finalize().into_bytes().to_vec())
    });
    any_equal(digests, &[signature])
}

/// Whether the signature is the plain SHA-256 of `key-body` (PagBank).
pub(super) fn keyed_sha256(keys: &[&str], body: &[u8], signature: Vec<u8>) -> Result<(), Rejected> {
    let digests = keys.iter().map(|key| {
        Sha256::new().chain_update(key.as_bytes()).chain_update(b"-").chain_update(body).finalize().to_vec()
    });
    any_equal(digests, &[signature])
}

/// Whether a shared token is one of the keys. Both are hashed first, so that not even lengths show.
pub(super) fn token(keys: &[&str], shown: &[u8]) -> Result<(), Rejected> {
    let digests = keys.iter().map(|key| Sha256::digest(key.as_bytes()).to_vec());
    any_equal(digests, &[Sha256::digest(shown).to_vec()])
}

/// Whether the signature over the body is by one of the RSA keys (PKCS#1 v1.5, SHA-256).
pub(super) fn rsa_sha256(public_keys_pem: &[String], body: &[u8], signature: &[u8]) -> Result<(), Rejected> {
    let keys: Vec<_> = public_keys_pem
        .iter()
        .filter_map(|pem| PKey::public_key_from_pem(pem.as_bytes()).ok())
        .filter(|key| key.id() == Id::RSA && key.bits() >= 2048)
        .collect();
    if keys.is_empty() {
        return Err(Rejected::NoKey);
    }
    let genuine = keys.iter().any(|key| {
        Verifier::new(MessageDigest::sha256(), key)
            .and_then(|mut verifier| verifier.verify_oneshot(signature, body))
            .unwrap_or(false)
    });
    if genuine { Ok(()) } else { Err(Rejected::Mismatch) }
}

/// Whether the time of signing is near enough, in both directions.
pub(super) fn fresh(signed_at: i64, now: i64, tolerance_seconds: i64) -> Result<(), Rejected> {
    let away = now.saturating_sub(signed_at);
    if away.unsigned_abs() <= tolerance_seconds.max(0).unsigned_abs() {
        Ok(())
    } else {
        Err(Rejected::Stale(away))
    }
}

/// A signature written in hex.
pub(super) fn from_hex(text: &str, name: &'static str) -> Result<Vec<u8>, Rejected> {
    hex::decode(text.trim()).map_err(|_| Rejected::Unreadable(name))
}

/// A signature written in base64.
pub(super) fn from_base64(text: &str, name: &'static str) -> Result<Vec<u8>, Rejected> {
    STANDARD.decode(text.trim()).map_err(|_| Rejected::Unreadable(name))
}

/// Seconds since 1970 as digits: no sign, no spaces.
pub(super) fn seconds(text: &str, name: &'static str) -> Result<i64, Rejected> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Rejected::Unreadable(name));
    }
    text.parse().map_err(|_| Rejected::Unreadable(name))
}

/// Compares every digest with every signature, without stopping at the first match.
fn any_equal(digests: impl Iterator<Item = Vec<u8>>, signatures: &[Vec<u8>]) -> Result<(), Rejected> {
    if signatures.len() > MOST_SIGNATURES {
        return Err(Rejected::Mismatch);
    }
    let mut found = Choice::from(0);
    for digest in digests {
        for signature in signatures {
            found |= digest.as_slice().ct_eq(signature.as_slice());
        }
    }
    if bool::from(found) { Ok(()) } else { Err(Rejected::Mismatch) }
}
