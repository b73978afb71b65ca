//! Applying one fact: the new numbers, and what to book.

use super::{Change, Fact, FactKind, Payment, Refusal, State, state::Lifecycle};
use crate::{
    ledger::{
        Account::{Commission, CustomerCredit, DisputesHold, MerchantPayable, PspClearing},
        Entry,
    },
    money::{MoneyError, split},
};

impl Payment {
    /// The payment after one more fact. Repeats must have been sorted out before, by the fact's key ([`super::admit`]).
    ///
    /// # Errors
    /// When the fact contradicts what is known; nothing is changed then.
    pub fn apply(&self, fact: &Fact) -> Result<Change, Refusal> {
        let mut next = self.clone();
        let mut entries = match fact.kind {
            FactKind::Lifecycle { to, new_attempt } => {
                next.report(to, new_attempt);
                vec![]
            }
            FactKind::Receipt { minor, fee_minor } => next.receive(&fact.key, positive(minor)?, fee_minor)?,
            FactKind::RefundSettled { minor, of_excess: true } => {
                next.give_back(&fact.key, positive(minor)?)?
            }
            FactKind::RefundSettled { minor, of_excess: false } => {
                next.refund(&fact.key, positive(minor)?)?
            }
            FactKind::RefundFailed => vec![],
            FactKind::RefundReversed { minor } => next.unrefund(&fact.key, positive(minor)?)?,
            FactKind::DisputeOpened { minor } => next.dispute(&fact.key, positive(minor)?)?,
            FactKind::DisputeWon { minor } => next.win(&fact.key, positive(minor)?)?,
            FactKind::DisputeLost { minor } => next.lose(&fact.key, positive(minor)?)?,
            FactKind::DisputeReinstated { minor } => next.reinstate(&fact.key, positive(minor)?)?,
        };
        entries.extend(next.take_back_commission(&fact.key));
        let (from, to) = (self.state(), next.state());
        if !from.may_become(to) {
            return Err(Refusal::IllegalTransition { from, to });
        }
        Ok(Change { moved: next != *self, payment: next, entries })
    }

    /// Reports count only while no money has moved.
    fn report(&mut self, to: Lifecycle, new_attempt: bool) {
        if self.captured == 0 && self.excess == 0 {
            self.lifecycle = self.lifecycle.after(to, new_attempt);
        }
    }

    fn receive(&mut self, key: &str, minor: i64, fee_minor: i64) -> Result<Vec<Entry>, Refusal> {
        let missing = self.missing().minor();
        let of_sale = minor.min(missing);
        let excess = minor - of_sale;
        if self.captured == 0 && matches!(self.state(), State::Expired | State::Canceled) {
            self.late = true;
        }
        self.captured = add(self.captured, minor)?;
        self.excess = add(self.excess, excess)?;
        self.overpaid |= excess > 0;
        let receipt = [(PspClearing, minor), (MerchantPayable, -of_sale), (CustomerCredit, -excess)];
        let mut entries: Vec<Entry> = Entry::of(key, receipt).into_iter().collect();
        entries.extend(Entry::transfer(format!("{key}:fee"), MerchantPayable, PspClearing, fee_minor.max(0)));
        if self.captured >= self.expected.minor() && self.commission.is_none() {
            entries.extend(self.book_commission(key)?);
        }
        Ok(entries)
    }

    /// Once, when the whole price is here for the first time.
    fn book_commission(&mut self, key: &str) -> Result<Option<Entry>, Refusal> {
        let parts = self.terms.parts(self.expected)?;
        let owed = parts.iter().sum();
        let lines = self.terms.beneficiaries.iter().zip(&parts);
        let lines = lines.map(|((name, _), minor)| (Commission(name.clone()), -minor));
        let entry =
            Entry::of(format!("{key}:commission"), std::iter::once((MerchantPayable, owed)).chain(lines));
        self.reversed = vec![0; parts.len()];
        self.commission = Some(parts);
        Ok(entry)
    }

    /// Commission follows what was refunded or lost, cumulatively and rounded down.
    fn take_back_commission(&mut self, key: &str) -> Option<Entry> {
        let parts = self.commission.as_ref()?;
        let target = split::reversed(parts, self.refunded.saturating_add(self.lost), self.expected.minor());
        let lines: Vec<_> = self
            .terms
            .beneficiaries
            .iter()
            .zip(target.iter().zip(&self.reversed))
            .map(|((name, _), (target, booked))| (Commission(name.clone()), target - booked))
            .collect();
        let owed: i64 = lines.iter().map(|(_, minor)| minor).sum();
        self.reversed = target;
        Entry::of(
            format!("{key}:commission_reversal"),
            lines.into_iter().chain(std::iter::once((MerchantPayable, -owed))),
        )
    }

    fn give_back(&mut self, key: &str, minor: i64) -> Result<Vec<Entry>, Refusal> {
        within("a refund of what was paid too much", minor, self.excess)?;
        self.excess -= minor;
        self.captured -= minor;
        Ok(Entry::transfer(key, CustomerCredit, PspClearing, minor).into_iter().collect())
    }

    /// What of the sale is neither refunded, lost nor held.
    const fn kept(&self) -> i64 {
        self.captured - self.excess - self.refunded - self.lost - self.disputed_open
    }

    fn refund(&mut self, key: &str, minor: i64) -> Result<Vec<Entry>, Refusal> {
        within("a refund", minor, self.kept())?;
        self.refunded += minor;
        Ok(Entry::transfer(key, MerchantPayable, PspClearing, minor).into_iter().collect())
    }

    fn unrefund(&mut self, key: &str, minor: i64) -> Result<Vec<Entry>, Refusal> {
        within("a refund that came back", minor, self.refunded)?;
        self.refunded -= minor;
        Ok(Entry::transfer(key, PspClearing, MerchantPayable, minor).into_iter().collect())
    }

    fn dispute(&mut self, key: &str, minor: i64) -> Result<Vec<Entry>, Refusal> {
        // A bank may question money that was refunded already: what counts is what came in.
        within("a dispute", minor, self.captured - self.excess - self.lost - self.disputed_open)?;
        self.disputed_open += minor;
        Ok(Entry::transfer(key, DisputesHold, PspClearing, minor).into_iter().collect())
    }

    fn win(&mut self, key: &str, minor: i64) -> Result<Vec<Entry>, Refusal> {
        within("a dispute that was won", minor, self.disputed_open)?;
        self.disputed_open -= minor;
        Ok(Entry::transfer(key, PspClearing, DisputesHold, minor).into_iter().collect())
    }

    fn lose(&mut self, key: &str, minor: i64) -> Result<Vec<Entry>, Refusal> {
        within("a dispute that was lost", minor, self.disputed_open)?;
        self.disputed_open -= minor;
        self.lost += minor;
        Ok(Entry::transfer(key, MerchantPayable, DisputesHold, minor).into_iter().collect())
    }

    fn reinstate(&mut self, key: &str, minor: i64) -> Result<Vec<Entry>, Refusal> {
        within("a dispute that was reinstated", minor, self.lost)?;
        self.lost -= minor;
        Ok(Entry::transfer(key, PspClearing, MerchantPayable, minor).into_iter().collect())
    }
}

fn positive(minor: i64) -> Result<i64, Refusal> {
    if minor > 0 { Ok(minor) } else { Err(Refusal::NotPositive(minor)) }
}

fn within(what: &'static str, minor: i64, available: i64) -> Result<(), Refusal> {
    if minor <= available { Ok(()) } else { Err(Refusal::ExceedsFacts { what, minor, available }) }
}

fn add(left: i64, right: i64) -> Result<i64, Refusal> {
    left.checked_add(right).ok_or(Refusal::Money(MoneyError::TooLarge))
}
