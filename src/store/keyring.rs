//! The keys that encrypt the channels' credentials at rest.
//!
//! A sealed value is `version (1) | key id (8) | nonce (24) | ciphertext and tag`, XChaCha20-Poly1305
//! (draft-irtf-cfrg-xchacha), whose nonces are long enough to be drawn at random. Tenant and channel are authenticated
//! with it, so that a row copied to another shop does not open. Several keys may be held: the first one seals, all of
//! them open, which is how a key is replaced.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::RngCore;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 8;
const NONCE_LEN: usize = 24;

/// Why a value was not opened, or a keyring not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not 64 hexadecimal digits.
    #[error("an encryption key is 64 hexadecimal digits (32 bytes); several are separated by commas")]
    BadKey,
    /// Sealed with a key we do not have.
    #[error("the credentials were encrypted with another key: give the server that key as well")]
    UnknownKey,
    /// Cut, changed, or another row's.
    #[error("the encrypted credentials are damaged")]
    Damaged,
}

/// One or more keys; the first one seals.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<Key>,
}

struct Key {
    id: [u8; KEY_ID_LEN],
    secret: SecretBox<[u8; 32]>,
}

impl Clone for Key {
    fn clone(&self) -> Self {
        Self::new(*self.secret.expose_secret())
    }
}

impl Key {
    fn new(secret: [u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"balcao key id\0").chain_update(secret).finalize();
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&digest[..KEY_ID_LEN]);
        Self { id, secret: SecretBox::new(Box::new(secret)) }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.secret.expose_secret().into())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.keys.iter().map(|key| hex::encode(key.id)).collect();
        f.debug_struct("Keyring").field("key_ids", &ids).finish()
    }
}

impl Keyring {
    /// Reads keys as settings hold them: 64 hexadecimal digits each, separated by commas, the sealing one first.
    pub fn parse(keys: &str) -> Result<Self, KeyringError> {
        let keys = keys
            .split(',')
            .map(|key| {
                let mut secret = [0; 32];
                hex::decode_to_slice(key.trim(), &mut secret).map_err(|_| KeyringError::BadKey)?;
                Ok(Key::new(secret))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { keys })
    }

    /// A new key in the form [`Keyring::parse`] reads: for a first start, to be kept by whoever asked.
    pub fn generate() -> SecretString {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        SecretString::from(hex::encode(secret))
    }

    /// Encrypts; `context` says whose row it belongs to.
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let key = self.keys.first().ok_or(KeyringError::UnknownKey)?;
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        let sealed = key
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: context })
            .map_err(|_| KeyringError::Damaged)?;
        Ok([&[VERSION][..], &key.id, &nonce, &sealed].concat())
    }

    /// Decrypts what [`Keyring::seal`] made for the same `context`.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let (&version, rest) = sealed.split_first().ok_or(KeyringError::Damaged)?;
        let (id, rest) = rest.split_at_checked(KEY_ID_LEN).ok_or(KeyringError::Damaged)?;
        let (nonce, cipher) = rest.split_at_checked(NONCE_LEN).ok_or(KeyringError::Damaged)?;
        if version != VERSION {
            return Err(KeyringError::Damaged);
        }
        let key = self.keys.iter().find(|key| key.id == id).ok_or(KeyringError::UnknownKey)?;
        key.cipher()
            .decrypt(XNonce::from_slice(nonce), Payload { msg: cipher, aad: context })
            .map_err(|_| KeyringError::Damaged)
    }

    /// A secret derived from the sealing key for another purpose: the same on every node that has the key.
    pub(crate) fn derive(&self, purpose: &str) -> SecretString {
        let mut hash = Sha256::new().chain_update(b"balcao derived secret\0").chain_update(purpose);
        if let Some(key) = self.keys.first() {
            hash.update(key.secret.expose_secret());
        }
        SecretString::from(hex::encode(hash.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::parse(Keyring::generate().expose_secret()).expect("a generated key is well formed")
    }

    #[test]
    fn what_is_sealed_opens_again_for_the_same_row_only() {
        let keyring = keyring();
        let sealed = keyring.seal(b"token", b"shop a").unwrap();
        assert_eq!(keyring.open(&sealed, b"shop a").unwrap(), b"token");
        assert_eq!(keyring.open(&sealed, b"shop b"), Err(KeyringError::Damaged));
        assert!(!sealed.windows(5).any(|window| window == b"token"));
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let keyring = keyring();
        assert_ne!(keyring.seal(b"token", b"").unwrap(), keyring.seal(b"token", b"").unwrap());
    }

    #[test]
    fn a_replaced_key_still_opens_while_it_is_kept() {
        let (old, new) = (Keyring::generate(), Keyring::generate());
        let sealed = Keyring::parse(old.expose_secret()).unwrap().seal(b"token", b"").unwrap();
        let both = format!("{}, {}", new.expose_secret(), old.expose_secret());
        assert_eq!(Keyring::parse(&both).unwrap().open(&sealed, b"").unwrap(), b"token");
        let new_only = Keyring::parse(new.expose_secret()).unwrap();
        assert_eq!(new_only.open(&sealed, b""), Err(KeyringError::UnknownKey));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let keyring = keyring();
        let sealed = keyring.seal(b"token", b"").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keyring.open(&changed, b"").is_err(), "byte {at}");
            assert!(keyring.open(&sealed[..at], b"").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_key_of_the_wrong_form_is_refused_and_never_printed() {
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(66)] {
            assert_eq!(Keyring::parse(bad).err(), Some(KeyringError::BadKey), "{bad}");
        }
        let key = Keyring::generate();
        let shown = format!("{:?}", Keyring::parse(key.expose_secret()).unwrap());
        assert!(!shown.contains(key.expose_secret()));
    }
}
