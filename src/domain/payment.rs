//! What one payment has come to: a function of the facts known about it.
//!
//! Providers report twice, late, out of order, or never. So a payment's state is not moved by messages; it is computed
//! from facts (money received, refunded, disputed) that have unique keys and whose order does not matter, and from
//! what providers say about the charge while no money has moved. The table of legal transitions ([`State::may_become`]) is
//! then an assertion: a change outside it is a bug or a fraud, and is set aside for a person.
//!
//! [`Payment::apply`] gives the new state and the ledger entries of one fact. Booking them together is the store's work.

mod book;
mod fact;
mod state;

pub use fact::{Admission, Fact, FactKind, admit};
pub use state::{Lifecycle, State};

use crate::money::{Money, MoneyError, percentage, split};

/// Who earns how much of a sale.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CommissionTerms {
    /// Share of the order's total, in basis points.
    pub bps: i64,
    /// And this much for every sale, in minor units.
    pub fixed_minor: i64,
    /// Who divides it, by weight.
    pub beneficiaries: Vec<(String, i64)>,
}

impl CommissionTerms {
    /// Nobody earns anything.
    pub const fn none() -> Self {
        Self { bps: 0, fixed_minor: 0, beneficiaries: Vec::new() }
    }

    /// Each beneficiary's part of a sale of `total`, in their order: rounded half up once, split by largest remainder,
    /// never more than the sale.
    ///
    /// # Errors
    /// When amounts do not fit.
    pub fn parts(&self, total: Money) -> Result<Vec<i64>, MoneyError> {
        let fixed = Money::new(self.fixed_minor, total.currency());
        let whole =
            percentage::of(total, self.bps)?.checked_add(fixed)?.minor().clamp(0, total.minor().max(0));
        let weights: Vec<i64> = self.beneficiaries.iter().map(|(_, weight)| *weight).collect();
        Ok(split::largest_remainder(whole, &weights))
    }
}

/// A payment as its facts make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    expected: Money,
    terms: CommissionTerms,
    lifecycle: Lifecycle,
    /// Received, less what was paid too much and given back.
    captured: i64,
    refunded: i64,
    disputed_open: i64,
    lost: i64,
    /// Received beyond what was expected and not given back yet.
    excess: i64,
    late: bool,
    overpaid: bool,
    /// Each beneficiary's part, once the payment was complete for the first time.
    commission: Option<Vec<i64>>,
    /// How much of it has been taken back.
    reversed: Vec<i64>,
}

/// What a fact changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The payment after it.
    pub payment: Payment,
    /// Whether anything moved; a fact that moves nothing is kept all the same.
    pub moved: bool,
    /// What to book.
    pub entries: Vec<crate::ledger::Entry>,
}

/// Why a fact cannot be applied. The money may be real: it is set aside with its evidence, never dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The state it leads to cannot follow.
    #[error("a payment that is {from} cannot become {to}")]
    IllegalTransition { from: State, to: State },
    /// It takes back more than there is.
    #[error("{what} of {minor} is more than the {available} there is")]
    ExceedsFacts {
        /// `a refund`, `a dispute` …
        what: &'static str,
        /// Minor units asked for.
        minor: i64,
        /// Minor units there are.
        available: i64,
    },
    /// The amount is not above zero.
    #[error("an amount of {0} moves nothing")]
    NotPositive(i64),
    /// Another currency than the order's, or an amount too large.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl Payment {
    /// A charge of which nothing is known yet.
    pub const fn expecting(expected: Money, terms: CommissionTerms) -> Self {
        Self {
            expected,
            terms,
            lifecycle: Lifecycle::Created,
            captured: 0,
            refunded: 0,
            disputed_open: 0,
            lost: 0,
            excess: 0,
            late: false,
            overpaid: false,
            commission: None,
            reversed: Vec::new(),
        }
    }

    /// Everything known so far, in the order it was stored.
    ///
    /// # Errors
    /// When the facts contradict each other.
    pub fn replay<'f>(
        expected: Money,
        terms: CommissionTerms,
        facts: impl IntoIterator<Item = &'f Fact>,
    ) -> Result<Self, Refusal> {
        let start = Self::expecting(expected, terms);
        facts.into_iter().try_fold(start, |payment, fact| Ok(payment.apply(fact)?.payment))
    }

    /// Its state.
    pub fn state(&self) -> State {
        if self.lost > 0 && self.lost + self.refunded >= self.captured {
            State::ChargedBack
        } else if self.disputed_open > 0 {
            State::Disputed
        } else if self.captured == 0 {
            State::from(self.lifecycle)
        } else if self.refunded >= self.captured {
            State::Refunded
        } else if self.refunded > 0 {
            State::PartiallyRefunded
        } else if self.captured < self.expected.minor() {
            State::PartiallyPaid
        } else {
            State::Paid
        }
    }

    /// What the order asks for.
    pub const fn expected(&self) -> Money {
        self.expected
    }

    /// Received, less what was paid too much and given back.
    pub const fn captured(&self) -> Money {
        Money::new(self.captured, self.expected.currency())
    }

    /// Given back.
    pub const fn refunded(&self) -> Money {
        Money::new(self.refunded, self.expected.currency())
    }

    /// Under dispute now.
    pub const fn disputed_open(&self) -> Money {
        Money::new(self.disputed_open, self.expected.currency())
    }

    /// Lost to disputes.
    pub const fn lost(&self) -> Money {
        Money::new(self.lost, self.expected.currency())
    }

    /// Paid too much and not given back yet.
    pub const fn excess(&self) -> Money {
        Money::new(self.excess, self.expected.currency())
    }

    /// What is still missing.
    pub fn missing(&self) -> Money {
        Money::new((self.expected.minor() - self.captured).max(0), self.expected.currency())
    }

    /// The money came after the charge had expired or was cancelled.
    pub const fn is_late(&self) -> bool {
        self.late
    }

    /// More than was asked for came in at some time.
    pub const fn is_overpaid(&self) -> bool {
        self.overpaid
    }
}

#[cfg(test)]
mod tests;
