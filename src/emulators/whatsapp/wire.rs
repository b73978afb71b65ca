//! Bytes as Meta writes them, and their signature.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// JSON on one line, everything beyond ASCII as `\uXXXX` in lower case, and `/` escaped.
pub fn encode(value: &Value) -> String {
    let mut wire = String::new();
    for c in value.to_string().chars() {
        match c {
            '/' => wire.push_str("\\/"),
            c if c.is_ascii() => wire.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    wire.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    wire
}

/// The value of `X-Hub-Signature-256`.
pub fn sign(app_secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("HMAC takes keys of any length");
    format!("sha256={}", hex::encode(mac.chain_update(body).finalize().into_bytes()))
}

/// A new message id: opaque, with a phone number inside like the real ones, and never used before.
pub fn message_id(about: &str) -> String {
    let inside = format!("\u{1d}\u{18}{about}\u{15}{}", uuid::Uuid::new_v4().simple());
    format!("wamid.{}", base64::engine::general_purpose::STANDARD.encode(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_one_line_of_ascii_that_means_the_same() {
        let value = serde_json::json!({ "t": "ação 😡\n\"a/b\"\\" });
        let wire = encode(&value);
        assert_eq!(wire, r#"{"t":"a\u00e7\u00e3o \ud83d\ude21\n\"a\/b\"\\"}"#);
        assert_eq!(serde_json::from_str::<Value>(&wire).unwrap(), value);
    }

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        // Test case 2 of RFC 4231.
        assert_eq!(
            sign("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
