//! Who a customer is: a person in one channel of one shop, known by ids that come and go.
//!
//! WhatsApp's business-scoped user id (BSUID) comes first; the phone number is an attribute that may be
//! missing, may change, and in Brazil may or may not carry the ninth digit.

use serde::{Deserialize, Serialize};

/// How a channel names the sender of a message. At least one id is present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sender {
    /// The channel's own stable user id: WhatsApp's BSUID, or the API caller's conversation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Digits with country code, verbatim as the channel gave them (WhatsApp's `wa_id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The name the user chose: untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user name, without `@`. Changes; only for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// A change of the ids of a known person, announced by the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityChange {
    /// Ids known before; any may be missing.
    pub before: Sender,
    /// Ids from now on; any may be missing.
    pub after: Sender,
}

/// Whether `value` has the form of a WhatsApp business-scoped user id: `BR.…` or `BR.ENT.…`.
pub fn is_bsuid(value: &str) -> bool {
    let Some((country, rest)) = value.split_once('.') else { return false };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && (1..=128).contains(&rest.len())
        && rest.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The digits of a phone number; `None` when it is a BSUID or has no plausible length.
pub fn phone_digits(value: &str) -> Option<String> {
    if is_bsuid(value) {
        return None;
    }
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let plausible = (8..=15).contains(&digits.len());
    let clean = value.chars().all(|c| c.is_ascii_digit() || "+-() .".contains(c));
    (plausible && clean).then_some(digits)
}

/// Every written form under which the same person may be stored: the number itself first.
///
/// Brazil: mobiles with and without the ninth digit. Argentina: `54 9` and `54`. Mexico: `52 1` and `52`.
/// A stored id is never rewritten; this only widens the look-up.
pub fn phone_candidates(digits: &str) -> Vec<String> {
    let mut all = vec![digits.to_owned()];
    let other = if let Some(national) = digits.strip_prefix("55") {
        brazil(national)
    } else if let Some(rest) = digits.strip_prefix("549") {
        (rest.len() == 10).then(|| format!("54{rest}"))
    } else if let Some(rest) = digits.strip_prefix("54") {
        (rest.len() == 10).then(|| format!("549{rest}"))
    } else if let Some(rest) = digits.strip_prefix("521") {
        (rest.len() == 10).then(|| format!("52{rest}"))
    } else if let Some(rest) = digits.strip_prefix("52") {
        (rest.len() == 10).then(|| format!("521{rest}"))
    } else {
        None
    };
    all.extend(other);
    all
}

/// The other form of a Brazilian mobile number (area code + local part), if it is one.
fn brazil(national: &str) -> Option<String> {
    let (area, local) = national.split_at_checked(2)?;
    let mobile = |eight: &str| matches!(eight.as_bytes().first(), Some(b'6'..=b'9'));
    match local.len() {
        8 if mobile(local) => Some(format!("55{area}9{local}")),
        9 if local.starts_with('9') && mobile(&local[1..]) => Some(format!("55{area}{}", &local[1..])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brazilian_mobile_is_looked_up_with_and_without_the_ninth_digit() {
        assert_eq!(phone_candidates("554190000002"), ["554190000002", "5541990000002"]);
        assert_eq!(phone_candidates("5541990000002"), ["5541990000002", "554190000002"]);
    }

    #[test]
    fn a_brazilian_landline_has_one_form() {
        assert_eq!(phone_candidates("554132209002"), ["554132209002"]);
    }

    #[test]
    fn argentine_and_mexican_mobiles_are_looked_up_in_both_forms() {
        assert_eq!(phone_candidates("5491123456789"), ["5491123456789", "541123456789"]);
        assert_eq!(phone_candidates("525512345678"), ["525512345678", "5215512345678"]);
    }

    #[test]
    fn a_bsuid_is_never_taken_for_a_phone() {
        assert!(is_bsuid("BR.900000000000000004"));
        assert!(is_bsuid("BR.ENT.900000000000000001"));
        assert!(!is_bsuid("5511900000001"));
        assert!(!is_bsuid("br.9"));
        assert_eq!(phone_digits("BR.900000000000000004"), None);
        assert_eq!(phone_digits("+55 (41) 99000-0002").as_deref(), Some("5541990000002"));
    }
}
