//! The verifier Postgres stores of a password (RFC 5802 and 7677, as in `pg_authid`): made here, so that the password
//! itself is in no statement and no log of the server.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngCore;
use sha2::{Digest, Sha256};

/// Postgres' own default.
const ITERATIONS: u32 = 4096;

/// The verifier of an ASCII password, with a salt of its own.
pub(crate) fn verifier(password: &str) -> String {
    let mut salt = [0; 16];
    rand::rng().fill_bytes(&mut salt);
    with_salt(password, &salt, ITERATIONS)
}

fn with_salt(password: &str, salt: &[u8], iterations: u32) -> String {
    let salted = pbkdf2(password.as_bytes(), salt, iterations);
    let stored_key = Sha256::digest(hmac(&salted, &[b"Client Key"]));
    let server_key = hmac(&salted, &[b"Server Key"]);
    format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    )
}

/// PBKDF2-HMAC-SHA-256 (RFC 8018), one block: all that SCRAM needs.
fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut round = hmac(password, &[salt, &1_u32.to_be_bytes()]);
    let mut result = round;
    for _ in 1..iterations {
        round = hmac(password, &[&round]);
        for (byte, other) in result.iter_mut().zip(round) {
            *byte ^= other;
        }
    }
    result
}

fn hmac(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pbkdf2_agrees_with_the_vectors_of_rfc_7914() {
        // RFC 7914 §11, PBKDF2-HMAC-SHA-256, first 32 of 64 bytes.
        assert_eq!(
            hex::encode(pbkdf2(b"passwd", b"salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
        assert_eq!(
            hex::encode(pbkdf2(b"Password", b"NaCl", 80_000)),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
        );
    }

    #[test]
    fn the_keys_are_those_of_the_exchange_in_rfc_7677() {
        // RFC 7677 §3: user `user`, password `pencil`. Its client proof and server signature follow from these keys.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = with_salt("pencil", &salt, 4096);
        let server_key = STANDARD.decode(verifier.rsplit(':').next().unwrap()).unwrap();
        let auth_message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac(&server_key, &[auth_message.as_bytes()]);
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
