//! Is this really Meta? The webhook's signature, and the handshake that sets a webhook up.
//!
//! Meta signs the bytes it sends (HMAC-SHA256, keyed with the app secret) and puts the digest into
//! `X-Hub-Signature-256: sha256=<64 hex digits>`. It must be checked over the body as received: any re-encoding
//! changes the escapes of accented letters. Everything here fails closed, compares in constant time and never shows a
//! digest that it computed: whoever learns one can forge that body.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";

/// Why a body is not accepted. All of them are answered alike; the difference is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No header.
    #[error("the request carries no signature")]
    Missing,
    /// A header that is not `sha256=` and 64 hex digits.
    #[error("the signature is not `sha256=` and 64 hex digits")]
    Malformed,
    /// A well-formed signature of something else, or by someone else.
    #[error("the signature does not fit the body")]
    Mismatch,
    /// The account has no app secret: nothing can be checked, so nothing is accepted.
    #[error("the account has no app secret to check signatures with")]
    NoSecret,
}

/// Checks the value of [`SIGNATURE_HEADER`] against the raw bytes of the body.
pub fn verify(
    app_secret: &SecretString,
    header: Option<impl AsRef<[u8]>>,
    body: &[u8],
) -> Result<(), SignatureError> {
    // An empty key would make the signature something anyone can compute.
    if app_secret.expose_secret().is_empty() {
        return Err(SignatureError::NoSecret);
    }
    let header = header.ok_or(SignatureError::Missing)?;
    let digits = header.as_ref().strip_prefix(b"sha256=").ok_or(SignatureError::Malformed)?;
    let mut digest = [0u8; 32];
    hex::decode_to_slice(digits, &mut digest).map_err(|_| SignatureError::Malformed)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.expose_secret().as_bytes())
        .map_err(|_| SignatureError::NoSecret)?;
    mac.update(body);
    mac.verify_slice(&digest).map_err(|_| SignatureError::Mismatch)
}

/// The query of the `GET` with which Meta asks whether a webhook address is ours.
#[derive(Clone, Default, Deserialize)]
pub struct Handshake {
    /// `subscribe`.
    #[serde(rename = "hub.mode", default)]
    pub mode: String,
    /// What to answer.
    #[serde(rename = "hub.challenge", default)]
    pub challenge: String,
    /// The token typed into Meta's form.
    #[serde(rename = "hub.verify_token", default)]
    pub verify_token: String,
}

/// Why a handshake is refused (403).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Not `hub.mode=subscribe` with a challenge.
    #[error("not a subscription handshake")]
    NotASubscription,
    /// Another token than ours, or we have none.
    #[error("the verify token is not ours")]
    WrongToken,
}

/// The challenge to answer, as plain text and nothing else (not JSON: quotes make Meta refuse it).
pub fn handshake(query: &Handshake, verify_token: &SecretString) -> Result<String, HandshakeError> {
    if query.mode != "subscribe" || query.challenge.is_empty() {
        return Err(HandshakeError::NotASubscription);
    }
    let ours = verify_token.expose_secret();
    // Digests have one length, so the comparison does not tell how long our token is.
    let same = Sha256::digest(ours).ct_eq(&Sha256::digest(&query.verify_token));
    if ours.is_empty() || !bool::from(same) {
        return Err(HandshakeError::WrongToken);
    }
    Ok(query.challenge.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = include_bytes!("../../../tests/fixtures/whatsapp/text.json");
    const ESCAPED: &[u8] = include_bytes!("../../../tests/fixtures/whatsapp/text_wire_escaped.json");
    const TRUNCATED: &[u8] = include_bytes!("../../../tests/fixtures/whatsapp/malformed_truncated.json");
    const TEXT_SIGNATURE: &str = "sha256=e0e15bf238cb0ada997b912a716b0a6e82ff073d426e341b42968d82d0131cb1";

    fn secret() -> SecretString {
        "segredo-de-teste-nao-usar".into()
    }

    #[test]
    fn the_published_vectors_hold_over_the_exact_bytes() {
        let vectors: [(&[u8], &str); 3] = [
            (TEXT, TEXT_SIGNATURE),
            (ESCAPED, "sha256=abd8026f22c3fe45639d3d40ed257b48b978a3e7a2e763dbae4139a3e483bf35"),
            (TRUNCATED, "sha256=e4d6bedb26379e86a279585ca1a2f4e40aec4fb03fcc4a60298506b100a8d3dc"),
        ];
        for (body, header) in vectors {
            assert_eq!(verify(&secret(), Some(header), body), Ok(()));
        }
    }

    #[test]
    fn one_changed_byte_of_the_body_is_noticed_wherever_it_is() {
        for at in [0, TEXT.len() / 2, TEXT.len() - 1] {
            let mut body = TEXT.to_vec();
            body[at] ^= 1;
            assert_eq!(verify(&secret(), Some(TEXT_SIGNATURE), &body), Err(SignatureError::Mismatch));
        }
        assert_eq!(verify(&secret(), Some(TEXT_SIGNATURE), b""), Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_body_that_was_parsed_and_written_again_no_longer_fits() {
        let again =
            serde_json::to_vec(&serde_json::from_slice::<serde_json::Value>(ESCAPED).unwrap()).unwrap();
        let header = "sha256=abd8026f22c3fe45639d3d40ed257b48b978a3e7a2e763dbae4139a3e483bf35";
        assert_eq!(verify(&secret(), Some(header), &again), Err(SignatureError::Mismatch));
    }

    #[test]
    fn everything_but_the_right_header_is_refused() {
        let digits = &TEXT_SIGNATURE[7..];
        let cases: [(Option<String>, SignatureError); 11] = [
            (None, SignatureError::Missing),
            (Some(String::new()), SignatureError::Malformed),
            (Some(digits.into()), SignatureError::Malformed),
            (Some(format!("sha1={digits}")), SignatureError::Malformed),
            (Some(format!("SHA256={digits}")), SignatureError::Malformed),
            (Some(format!(" sha256={digits}")), SignatureError::Malformed),
            (Some("sha256=".into()), SignatureError::Malformed),
            (Some(format!("sha256={}", &digits[..62])), SignatureError::Malformed),
            (Some(format!("sha256={digits}00")), SignatureError::Malformed),
            (Some(format!("sha256=zz{}", &digits[2..])), SignatureError::Malformed),
            (Some(format!("sha256={}", "0".repeat(64))), SignatureError::Mismatch),
        ];
        for (header, expected) in cases {
            assert_eq!(verify(&secret(), header.as_deref(), TEXT), Err(expected), "{header:?}");
        }
        assert_eq!(verify(&secret(), Some([0xffu8, 0xfe]), TEXT), Err(SignatureError::Malformed));
    }

    #[test]
    fn another_secret_or_none_fails_closed() {
        assert_eq!(verify(&"outro".into(), Some(TEXT_SIGNATURE), TEXT), Err(SignatureError::Mismatch));
        // The signature under the empty key, which anyone can compute.
        let mac = Hmac::<Sha256>::new_from_slice(b"").unwrap().chain_update(TEXT).finalize().into_bytes();
        let forged = format!("sha256={}", hex::encode(mac));
        assert_eq!(verify(&"".into(), Some(forged), TEXT), Err(SignatureError::NoSecret));
    }

    #[test]
    fn no_error_shows_a_digest() {
        let error = verify(&secret(), Some(format!("sha256={}", "0".repeat(64))), TEXT).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("e0e15bf2"), "{shown}");
    }

    fn query(mode: &str, challenge: &str, token: &str) -> Handshake {
        Handshake { mode: mode.into(), challenge: challenge.into(), verify_token: token.into() }
    }

    #[test]
    fn the_handshake_answers_the_challenge_and_nothing_else() {
        assert_eq!(handshake(&query("subscribe", "1158201444", "abc"), &"abc".into()).unwrap(), "1158201444");
    }

    #[test]
    fn a_handshake_with_a_wrong_or_empty_token_is_refused() {
        use HandshakeError::*;
        let cases = [
            (query("subscribe", "1", "abd"), "abc", WrongToken),
            (query("subscribe", "1", ""), "abc", WrongToken),
            (query("subscribe", "1", ""), "", WrongToken),
            (query("subscribe", "1", "abcd"), "abc", WrongToken),
            (query("unsubscribe", "1", "abc"), "abc", NotASubscription),
            (query("subscribe", "", "abc"), "abc", NotASubscription),
        ];
        for (query, ours, expected) in cases {
            assert_eq!(handshake(&query, &ours.into()), Err(expected));
        }
    }

    #[test]
    fn the_dots_in_the_names_of_the_query_are_literal() {
        let query: Handshake = serde_json::from_value(serde_json::json!({
            "hub.mode": "subscribe", "hub.challenge": "7", "hub.verify_token": "t"
        }))
        .unwrap();
        assert_eq!(query.challenge, "7");
    }
}
