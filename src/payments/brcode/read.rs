//! Reading a code: checksum, structure, meaning, in this order.

use balcao_domain::money::{Currency, Locale, Money};

use super::{
    ARRANGEMENT, CURRENCY, NO_TXID, STATIC_TXID, checksum,
    tlv::{self, Field, Unit},
};

/// A code, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrCode {
    /// Static or dynamic.
    pub kind: Kind,
    /// The amount; of a dynamic code only a hint, its URL decides.
    pub amount: Option<Money>,
    /// The receiver's name; the bank shows the registered one.
    pub merchant_name: String,
    /// The receiver's city.
    pub merchant_city: String,
    /// The transaction id of a static code.
    pub txid: Option<String>,
}

/// Where the money goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// To a key, payable any number of times.
    Static {
        /// CPF, CNPJ, phone, e-mail or random key.
        key: String,
        /// Words for the payer.
        info: Option<String>,
    },
    /// To a charge behind a URL (host and path, without a scheme).
    Dynamic {
        /// Where the payer's bank reads the charge.
        url: String,
    },
}

/// Why a text is no PIX code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrCodeError {
    /// It does not end with a checksum field.
    #[error("the code has no checksum at its end; was it cut off?")]
    MissingCrc,
    /// It was changed or copied wrongly.
    #[error("the code's checksum does not match; copy it again")]
    CrcMismatch,
    /// A length does not match its value.
    #[error("a field of the code is longer or shorter than it says")]
    TlvLength,
    /// No account of the PIX arrangement, or several.
    #[error("the code names no PIX account")]
    NotPix,
    /// A key and a URL at once.
    #[error("the code has both a key and a URL")]
    BothKeyAndUrl,
    /// Another currency than reais.
    #[error("the code's currency is not the real")]
    Currency,
    /// Another country than Brazil.
    #[error("the code's country is not Brazil")]
    Country,
    /// `https://` in front of the URL.
    #[error("the code's URL must not have a scheme")]
    UrlScheme,
    /// Longer than 25 characters in a static code.
    #[error("the code's transaction id is too long")]
    TxidLength,
    /// Not an amount of reais.
    #[error("the code's amount is not an amount of reais")]
    Amount,
}

/// Reads a code as a customer pasted it; spaces and line breaks around it do not matter.
///
/// # Errors
/// The first rule it breaks.
pub fn read(text: &str) -> Result<BrCode, BrCodeError> {
    let text = text.trim();
    verify(text)?;
    let (fields, account) = [Unit::Characters, Unit::Bytes]
        .into_iter()
        .find_map(|unit| structure(text, unit))
        .ok_or(BrCodeError::TlvLength)?;
    if tlv::find(&fields, "53") != Some(CURRENCY) {
        return Err(BrCodeError::Currency);
    }
    if tlv::find(&fields, "58") != Some("BR") {
        return Err(BrCodeError::Country);
    }
    let kind = kind(&account.ok_or(BrCodeError::NotPix)?)?;
    let amount = tlv::find(&fields, "54")
        .map(|amount| Money::parse(amount, Currency::BRL, Locale::En).map_err(|_| BrCodeError::Amount))
        .transpose()?;
    let txid = txid(&fields, &kind)?;
    let text_of = |id| tlv::find(&fields, id).unwrap_or_default().to_owned();
    Ok(BrCode { kind, amount, merchant_name: text_of("59"), merchant_city: text_of("60"), txid })
}

/// The last field is `63`, of four hexadecimal digits, over everything before them.
fn verify(text: &str) -> Result<(), BrCodeError> {
    let end = text.len().checked_sub(4).ok_or(BrCodeError::MissingCrc)?;
    let (signed, digits) = text.split_at_checked(end).ok_or(BrCodeError::MissingCrc)?;
    if !signed.ends_with("6304") || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(BrCodeError::MissingCrc);
    }
    // Structure is judged first where both are wrong: a length says more than a checksum.
    let sound = [Unit::Characters, Unit::Bytes].into_iter().any(|unit| tlv::fields(text, unit).is_some());
    if !sound {
        return Err(BrCodeError::TlvLength);
    }
    let expected = format!("{:04X}", checksum(signed));
    if digits.eq_ignore_ascii_case(&expected) { Ok(()) } else { Err(BrCodeError::CrcMismatch) }
}

/// The fields, and those of the PIX account if there is exactly one.
type Structure = (Vec<Field>, Option<Vec<Field>>);

fn structure(text: &str, unit: Unit) -> Option<Structure> {
    let fields = tlv::fields(text, unit)?;
    // `62` is made of fields too, and must be sound.
    if let Some(additional) = tlv::find(&fields, "62") {
        tlv::fields(additional, unit)?;
    }
    let accounts: Vec<Vec<Field>> = fields
        .iter()
        .filter(|field| (26..=51).contains(&field.id.parse().unwrap_or(0)))
        .map(|field| tlv::fields(&field.value, unit))
        .collect::<Option<_>>()?;
    let is_pix = |inner: &Vec<Field>| {
        tlv::find(inner, "00").is_some_and(|name| name.eq_ignore_ascii_case(ARRANGEMENT))
    };
    let mut ours = accounts.into_iter().filter(is_pix);
    let account = ours.next();
    let account = if ours.next().is_none() { account } else { None };
    Some((fields, account))
}

fn kind(account: &[Field]) -> Result<Kind, BrCodeError> {
    match (tlv::find(account, "01"), tlv::find(account, "25")) {
        (Some(_), Some(_)) => Err(BrCodeError::BothKeyAndUrl),
        (None, None) => Err(BrCodeError::NotPix),
        (None, Some(url)) if url.to_ascii_lowercase().starts_with("http") && url.contains("://") => {
            Err(BrCodeError::UrlScheme)
        }
        (None, Some(url)) => Ok(Kind::Dynamic { url: url.to_owned() }),
        (Some(key), None) => {
            let info = tlv::find(account, "02").map(str::to_owned);
            Ok(Kind::Static { key: mended(key), info })
        }
    }
}

/// Alphanumeric QR codes have no `@`: printers write a space in e-mail keys.
fn mended(key: &str) -> String {
    let looks_like_mail = key.matches(' ').count() == 1 && key.contains('.') && !key.contains('@');
    if looks_like_mail { key.replace(' ', "@").to_lowercase() } else { key.to_owned() }
}

fn txid(fields: &[Field], kind: &Kind) -> Result<Option<String>, BrCodeError> {
    // A dynamic code's transaction id lies behind its URL; what stands here may be cut.
    if matches!(kind, Kind::Dynamic { .. }) {
        return Ok(None);
    }
    let additional = tlv::find(fields, "62").and_then(|value| tlv::fields(value, Unit::Characters));
    let txid = additional.as_deref().and_then(|fields| tlv::find(fields, "05").map(str::to_owned));
    match txid {
        Some(txid) if txid.len() > STATIC_TXID => Err(BrCodeError::TxidLength),
        Some(txid) if txid != NO_TXID => Ok(Some(txid)),
        _ => Ok(None),
    }
}
