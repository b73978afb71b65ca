//! What a breaker costs per call: closed (alone, contended), open, and with a clock.
//!
//! `cargo bench -p balcao-domain --bench breaker`

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use balcao_domain::breaker::{Breaker, Class, Config, Gate, Nanos, Order};
use rustix::time::{ClockId, clock_gettime};

const CALLS: u32 = 5_000_000;
const ROUNDS: usize = 7;

fn main() {
    for (name, config) in [
        ("without bulkhead", Config { max_in_flight: 0, ..Config::default() }),
        ("with bulkhead", Config { max_in_flight: 64, ..Config::default() }),
    ] {
        println!("{name}");
        let gate = Gate::new(config.clone());
        let still = Nanos(1);
        report("closed, alone", alone(|| call(&gate, || still)));
        report("closed, alone, coarse clock read twice", alone(|| call(&gate, coarse)));
        let zero = Instant::now();
        let precise = || Nanos(zero.elapsed().as_nanos() as u64);
        report("closed, alone, std::time::Instant read twice", alone(|| call(&gate, precise)));
        report("closed, 2 threads", contended(2, || call(&gate, || still)));
        report("closed, 2 threads, coarse clock read twice", contended(2, || call(&gate, coarse)));
        let mut breaker = Breaker::new(Gate::new(config).into(), still);
        breaker.order(Order::ForceOpen, None, still);
        let open = breaker.gate();
        report("open, refused", alone(|| drop(black_box(open.try_acquire(black_box(still))))));
    }
}

fn call(gate: &Gate, clock: impl Fn() -> Nanos) {
    if let Ok(permit) = black_box(gate).try_acquire(black_box(clock())) {
        permit.record(black_box(Class::Success), clock());
    }
}

/// As production reads it: a few nanoseconds, at the resolution of the kernel's tick.
fn coarse() -> Nanos {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    Nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// Nanoseconds per call in each round.
fn alone(call: impl Fn()) -> Vec<f64> {
    (0..ROUNDS).map(|_| per_call(time(&call))).collect()
}

/// Nanoseconds from call to call of one thread while the others do the same.
fn contended(threads: usize, call: impl Fn() + Sync) -> Vec<f64> {
    let round = || {
        let start = Barrier::new(threads);
        thread::scope(|scope| {
            let all: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        time(&call)
                    })
                })
                .collect();
            let times = all.into_iter().map(|t| t.join().expect("the loop does not panic"));
            times.max().expect("there are threads")
        })
    };
    (0..ROUNDS).map(|_| per_call(round())).collect()
}

fn time(call: &impl Fn()) -> Duration {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed()
}

fn per_call(elapsed: Duration) -> f64 {
    elapsed.as_nanos() as f64 / f64::from(CALLS)
}

fn report(name: &str, mut rounds: Vec<f64>) {
    rounds.sort_by(f64::total_cmp);
    let (least, median) = (rounds[0], rounds[ROUNDS / 2]);
    println!("  {name:<46} {median:>7.1} ns median, {least:>7.1} ns least");
}
