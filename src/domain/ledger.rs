//! Double entry: every movement of money is an entry whose lines sum to zero.
//!
//! Entries are only ever added; a correction is an entry of its own. An entry's reference is unique within a shop, so
//! booking the same fact twice finds it booked. Debits are positive, credits negative.

use std::{fmt, str::FromStr};

/// Where money stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// What the payment provider holds for the shop (asset).
    PspClearing,
    /// What is held back while a dispute runs (asset).
    DisputesHold,
    /// What the shop is owed (liability).
    MerchantPayable,
    /// What somebody is owed of the shop's sales (liability).
    Commission(String),
    /// What a customer paid too much (liability).
    CustomerCredit,
    /// Money that belongs to no known order yet (liability).
    Suspense,
}

/// Why a word names no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an account of the ledger")]
pub struct UnknownAccount(pub String);

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PspClearing => f.write_str("psp_clearing"),
            Self::DisputesHold => f.write_str("disputes_hold"),
            Self::MerchantPayable => f.write_str("merchant_payable"),
            Self::Commission(beneficiary) => write!(f, "commission:{beneficiary}"),
            Self::CustomerCredit => f.write_str("customer_credit"),
            Self::Suspense => f.write_str("suspense"),
        }
    }
}

impl FromStr for Account {
    type Err = UnknownAccount;
    fn from_str(word: &str) -> Result<Self, UnknownAccount> {
        match word {
            "psp_clearing" => Ok(Self::PspClearing),
            "disputes_hold" => Ok(Self::DisputesHold),
            "merchant_payable" => Ok(Self::MerchantPayable),
            "customer_credit" => Ok(Self::CustomerCredit),
            "suspense" => Ok(Self::Suspense),
            _ => match word.strip_prefix("commission:") {
                Some(beneficiary) if !beneficiary.is_empty() => Ok(Self::Commission(beneficiary.to_owned())),
                _ => Err(UnknownAccount(word.to_owned())),
            },
        }
    }
}

/// One line of an entry, in minor units: debit positive, credit negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which account.
    pub account: Account,
    /// How much.
    pub minor: i64,
}

/// A movement of money. Its lines sum to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The fact it books and which side of it, unique within a shop: `pix:E123:fee`.
    pub reference: String,
    /// At least two, none of them zero.
    pub lines: Vec<Line>,
}

impl Entry {
    /// An entry of these lines, without those that move nothing; `None` when nothing is left.
    pub fn of(reference: impl Into<String>, lines: impl IntoIterator<Item = (Account, i64)>) -> Option<Self> {
        let lines: Vec<Line> = lines
            .into_iter()
            .filter(|(_, minor)| *minor != 0)
            .map(|(account, minor)| Line { account, minor })
            .collect();
        (!lines.is_empty()).then(|| Self { reference: reference.into(), lines })
    }

    /// From one account to another.
    pub fn transfer(reference: impl Into<String>, to: Account, from: Account, minor: i64) -> Option<Self> {
        Self::of(reference, [(to, minor), (from, -minor)])
    }

    /// Whether its lines sum to zero.
    pub fn balances(&self) -> bool {
        self.lines.iter().map(|line| i128::from(line.minor)).sum::<i128>() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_back_from_its_name() {
        for account in [
            Account::PspClearing,
            Account::DisputesHold,
            Account::MerchantPayable,
            Account::Commission("agent".into()),
            Account::CustomerCredit,
            Account::Suspense,
        ] {
            assert_eq!(account.to_string().parse(), Ok(account));
        }
        assert!("commission:".parse::<Account>().is_err());
    }

    #[test]
    fn an_entry_that_moves_nothing_is_none() {
        assert_eq!(Entry::transfer("x", Account::PspClearing, Account::Suspense, 0), None);
    }
}
