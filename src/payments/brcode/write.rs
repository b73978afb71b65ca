//! Building a static code.

use balcao_domain::money::{Currency, Money};
use unicode_normalization::UnicodeNormalization;

use super::{ARRANGEMENT, CURRENCY, NO_TXID, STATIC_TXID, checksum, tlv};

/// The longest name and city.
const NAME: usize = 25;
const CITY: usize = 15;
/// The longest key.
const KEY: usize = 77;
/// The longest amount, `9999999999.99`.
const AMOUNT: usize = 13;

/// What a static code says. Accents are folded and names cut to their limits; everything else that does not fit is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticCode<'a> {
    /// The receiver's PIX key.
    pub key: &'a str,
    /// Words for the payer.
    pub info: Option<&'a str>,
    /// In reais; without it the payer chooses.
    pub amount: Option<Money>,
    /// The receiver's name.
    pub merchant_name: &'a str,
    /// The receiver's city.
    pub merchant_city: &'a str,
    /// Letters and digits, at most 25. Banks may drop it: match such payments by hand.
    pub txid: Option<&'a str>,
}

/// Why a code cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Empty, longer than 77, or with characters a key cannot have.
    #[error("the PIX key is empty, longer than {KEY} characters or has characters a key cannot have")]
    Key,
    /// Together with the key longer than 99 characters.
    #[error("the words for the payer are too long for this key")]
    Info,
    /// Not reais, not above zero, or above 9 999 999 999.99.
    #[error("the amount must be in reais and between 0.01 and 9999999999.99")]
    Amount,
    /// Nothing left of the name after folding.
    #[error("the receiver's name and city must not be empty")]
    Name,
    /// Not 1 to 25 letters and digits.
    #[error("a transaction id of a static code is 1 to {STATIC_TXID} letters and digits")]
    Txid,
}

impl StaticCode<'_> {
    /// The code, with its checksum.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(&self) -> Result<String, WriteError> {
        let mut code = field("00", "01", WriteError::Key)?;
        code += &self.account()?;
        code += &field("52", "0000", WriteError::Key)?;
        code += &field("53", CURRENCY, WriteError::Key)?;
        if let Some(amount) = self.amount {
            code += &field("54", &decimal(amount)?, WriteError::Amount)?;
        }
        code += &field("58", "BR", WriteError::Key)?;
        code += &field("59", &plain(self.merchant_name, NAME)?, WriteError::Name)?;
        code += &field("60", &plain(self.merchant_city, CITY)?, WriteError::Name)?;
        code += &field("62", &field("05", self.txid()?, WriteError::Txid)?, WriteError::Txid)?;
        code += "6304";
        let crc = checksum(&code);
        Ok(format!("{code}{crc:04X}"))
    }

    fn account(&self) -> Result<String, WriteError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.@_".contains(&b);
        if self.key.is_empty() || self.key.len() > KEY || !self.key.bytes().all(allowed) {
            return Err(WriteError::Key);
        }
        let mut account = field("00", ARRANGEMENT, WriteError::Key)?;
        account += &field("01", self.key, WriteError::Key)?;
        if let Some(info) = self.info {
            account += &field("02", &folded(info), WriteError::Info)?;
        }
        field("26", &account, WriteError::Info)
    }

    fn txid(&self) -> Result<&str, WriteError> {
        match self.txid {
            None => Ok(NO_TXID),
            Some(txid)
                if (1..=STATIC_TXID).contains(&txid.len())
                    && txid.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                Ok(txid)
            }
            Some(_) => Err(WriteError::Txid),
        }
    }
}

fn field(id: &str, value: &str, error: WriteError) -> Result<String, WriteError> {
    tlv::field(id, value).ok_or(error)
}

fn decimal(amount: Money) -> Result<String, WriteError> {
    let text = amount.decimal();
    let fits = amount.currency() == Currency::BRL && amount.minor() > 0 && text.len() <= AMOUNT;
    if fits { Ok(text) } else { Err(WriteError::Amount) }
}

/// At most so many characters of a name.
fn plain(text: &str, limit: usize) -> Result<String, WriteError> {
    let cut: String = folded(text).chars().take(limit).collect();
    let cut = cut.trim();
    if cut.is_empty() { Err(WriteError::Name) } else { Ok(cut.to_owned()) }
}

/// Letters without their accents, digits and single spaces: then bytes are characters, and nobody disagrees about lengths.
fn folded(text: &str) -> String {
    let plain: String =
        text.nfd().filter(char::is_ascii).map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
