//! The atomics under many threads: nothing is lost, no place is given twice.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    thread,
};

use super::*;

const THREADS: usize = 8;

#[test]
fn no_result_is_lost_and_everybody_leaves() {
    const CALLS: u64 = 20_000;
    let config = Config { consecutive_failures: u32::MAX, min_calls: u32::MAX, ..Config::default() };
    let gate = Gate::new(config);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for n in 0..CALLS {
                    let permit = gate.try_acquire(Nanos(n)).expect("closed");
                    match n % 4 {
                        0 => permit.record(FAILURE, Nanos(n + 1)),
                        1 => drop(permit),
                        2 => permit.record(Class::Slow, Nanos(n + 1)),
                        _ => permit.record(Class::Success, Nanos(n + 1)),
                    }
                }
            });
        }
    });
    let (totals, quarter) = (gate.totals(), THREADS as u64 * CALLS / 4);
    assert_eq!((totals.failed, totals.cancelled), (quarter, quarter));
    assert_eq!((totals.succeeded, totals.slow), (2 * quarter, quarter));
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn a_half_open_gate_never_has_more_trials_than_places() {
    let mut bench = Bench::new(Config { trial_successes: u32::MAX, ..Config::default() });
    bench.half_open();
    let gate = bench.gate();
    let (inside, most, passed) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    if let Ok(permit) = gate.try_acquire(bench.now) {
                        most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                        passed.fetch_add(1, SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, SeqCst);
                        drop(permit);
                    }
                }
            });
        }
    });
    assert_eq!(most.load(SeqCst), 1);
    assert!(passed.load(SeqCst) > 0);
    assert_eq!(gate.ruling().free_trials, 1, "the place is back");
}

#[test]
fn a_bulkhead_holds_under_contention() {
    let gate = Gate::new(Config { max_in_flight: 3, ..Config::default() });
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    if let Ok(permit) = gate.try_acquire(Nanos(1)) {
                        most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, SeqCst);
                        permit.record(Class::Success, Nanos(2));
                    }
                }
            });
        }
    });
    assert!(most.load(SeqCst) <= 3, "{most:?}");
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn callers_and_an_owner_that_judges_agree_in_the_end() {
    let config = Config { open_floor: Duration::from_micros(50), ..Config::default() };
    let mut bench = Bench::new(Config { backoff_base: Duration::from_micros(50), ..config });
    let gate = bench.gate();
    let clock = AtomicU64::new(bench.now.0);
    let running = AtomicU32::new(THREADS as u32);
    thread::scope(|scope| {
        for seed in 0..THREADS as u64 {
            let (gate, clock, running) = (&gate, &clock, &running);
            scope.spawn(move || {
                for n in 0..5_000u64 {
                    let now = Nanos(clock.fetch_add(1_000, SeqCst));
                    if let Ok(permit) = gate.try_acquire(now) {
                        let dice = (n ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61;
                        permit.record(if dice < 4 { FAILURE } else { Class::Success }, now);
                    }
                }
                running.fetch_sub(1, SeqCst);
            });
        }
        let mut last = bench.breaker.machine().generation();
        while running.load(SeqCst) > 0 {
            bench.now = Nanos(clock.load(SeqCst));
            if let Some(transition) = bench.judge() {
                assert_eq!(transition.generation, last + 1, "generations rise by one");
                last = transition.generation;
            }
        }
    });
    assert_eq!(gate.in_flight(), 0);
    // Whatever happened, it recovers: the dependency is well again, and callers keep calling.
    for _ in 0..100 {
        bench.now = bench.now.plus(secs(1));
        bench.judge();
        let _ = bench.call(Class::Success);
    }
    assert_eq!(bench.state(), State::Closed);
}
