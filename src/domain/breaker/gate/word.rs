//! The one word every call reads: mode (3 bits), asleep (1), free trial places (12), generation (48).

use crate::breaker::State;

/// What a gate does with callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Closed = 0,
    Open = 1,
    HalfOpen = 2,
    ForcedOpen = 3,
    ForcedClosed = 4,
    MetricsOnly = 5,
}

impl Mode {
    pub(super) const fn of(state: State) -> Self {
        match state {
            State::Closed => Self::Closed,
            State::Open => Self::Open,
            State::HalfOpen => Self::HalfOpen,
            State::ForcedOpen => Self::ForcedOpen,
            State::ForcedClosed => Self::ForcedClosed,
            State::MetricsOnly => Self::MetricsOnly,
        }
    }

    const fn state(self) -> State {
        match self {
            Self::Closed => State::Closed,
            Self::Open => State::Open,
            Self::HalfOpen => State::HalfOpen,
            Self::ForcedOpen => State::ForcedOpen,
            Self::ForcedClosed => State::ForcedClosed,
            Self::MetricsOnly => State::MetricsOnly,
        }
    }
}

/// What the machine last ruled, as read from a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// The state.
    pub state: State,
    /// Its generation.
    pub generation: u64,
    /// Free places for trials.
    pub free_trials: u32,
}

#[derive(Clone, Copy)]
pub(super) struct Word(u64);

impl Word {
    pub(super) const ASLEEP: u64 = 1 << 3;
    const MODE: u64 = 0b111;
    const FREE_SHIFT: u32 = 4;
    const FREE: u64 = 0xFFF;
    const GENERATION_SHIFT: u32 = 16;

    pub(super) const fn new(mode: Mode, generation: u64, free: u32) -> Self {
        Self(generation << Self::GENERATION_SHIFT | Self::free_bits(free) | mode as u64)
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn asleep(self) -> Self {
        Self(self.0 | Self::ASLEEP)
    }

    pub(super) const fn is_asleep(self) -> bool {
        self.0 & Self::ASLEEP != 0
    }

    /// The common case, in one comparison: mode 0 and awake.
    #[inline]
    pub(super) const fn is_closed_and_awake(self) -> bool {
        self.0 & (Self::MODE | Self::ASLEEP) == 0
    }

    #[inline]
    pub(super) const fn generation(self) -> u64 {
        self.0 >> Self::GENERATION_SHIFT
    }

    pub(super) const fn free(self) -> u32 {
        (self.0 >> Self::FREE_SHIFT & Self::FREE) as u32
    }

    pub(super) const fn free_bits(free: u32) -> u64 {
        (free as u64 & Self::FREE) << Self::FREE_SHIFT
    }

    pub(super) const fn with_free(self, free: u32) -> Self {
        Self(self.0 & !(Self::FREE << Self::FREE_SHIFT) | Self::free_bits(free))
    }

    pub(super) const fn mode(self) -> Mode {
        match self.0 & Self::MODE {
            1 => Mode::Open,
            2 => Mode::HalfOpen,
            3 => Mode::ForcedOpen,
            4 => Mode::ForcedClosed,
            5 => Mode::MetricsOnly,
            _ => Mode::Closed,
        }
    }

    pub(super) const fn ruling(self) -> Ruling {
        Ruling { state: self.mode().state(), generation: self.generation(), free_trials: self.free() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_word_do_not_touch_each_other() {
        for mode in [Mode::Closed, Mode::Open, Mode::HalfOpen, Mode::ForcedOpen, Mode::MetricsOnly] {
            for (generation, free) in [(1, 0), (2, 1), ((1 << 48) - 1, 4_095)] {
                let word = Word::new(mode, generation, free).asleep();
                assert_eq!((word.mode(), word.generation(), word.free()), (mode, generation, free));
                assert!(word.is_asleep());
                let fewer = word.with_free(7);
                assert_eq!((fewer.mode(), fewer.generation(), fewer.free()), (mode, generation, 7));
            }
        }
    }
}
