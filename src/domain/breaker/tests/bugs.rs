//! Faults that known breakers have or had, replayed.

use super::*;

// Half-open never ends.

#[test]
fn a_trial_that_hangs_does_not_keep_the_circuit_half_open() {
    let mut bench = Bench::new(Config::default());
    bench.half_open();
    let gate = bench.gate();
    let hung = gate.try_acquire(bench.now).expect("a trial");
    bench.judge();
    assert_eq!(bench.breaker.machine().next_check(), Some(bench.now.plus(secs(30))));
    bench.pass(secs(29));
    assert_eq!(bench.state(), State::HalfOpen);
    let opened = bench.pass(secs(1)).expect("the deadline of the trials");
    assert_eq!((opened.to, opened.reason), (State::Open, Reason::TrialsHung { running: 1 }));
    bench.half_open();
    bench.call(Class::Success).expect("a fresh trial does not wait for the hung one");
    hung.record(FAILURE, bench.now);
    bench.judge();
    assert_eq!(bench.state(), State::HalfOpen, "and the hung one has no say any more");
}

#[test]
fn an_ignored_error_gives_its_trial_back() {
    let mut bench = Bench::new(Config::default());
    bench.half_open();
    for class in [Class::ClientBug, Class::LocalReject, Class::Cancelled, Class::ClientBug] {
        bench.call(class).expect("the place is free again");
    }
    assert_eq!(bench.state(), State::HalfOpen);
}

#[test]
fn a_rate_limited_trial_gives_its_place_back_and_is_neither_success_nor_failure() {
    let mut bench = Bench::new(Config::default());
    bench.half_open();
    bench.call(Class::RateLimited { retry_after: Some(secs(2)) }).expect("a trial");
    assert_eq!(bench.state(), State::HalfOpen);
    assert!(matches!(bench.call(Class::Success), Err(Rejected::RateLimited { .. })));
    bench.pass(secs(2));
    bench.call(Class::Success).expect("a trial");
}

#[test]
fn a_cancelled_trial_gives_its_place_back_and_is_neither_success_nor_failure() {
    let mut bench = Bench::new(Config::default());
    bench.half_open();
    let gate = bench.gate();
    for _ in 0..10 {
        drop(gate.try_acquire(bench.now).expect("a trial"));
        bench.judge();
    }
    assert_eq!(bench.state(), State::HalfOpen);
    assert_eq!(gate.totals().cancelled, 10);
}

// The rate is taken over requests that were started.

#[test]
fn calls_that_hang_are_seen_before_they_end() {
    let mut bench = Bench::new(Config::default());
    let gate = bench.gate();
    let hanging: Vec<_> = (0..30).map_while(|_| gate.try_acquire(bench.now).ok()).collect();
    assert_eq!(hanging.len(), 30);
    bench.pass(secs(4));
    assert_eq!(bench.state(), State::Closed);
    // 8 s are slow; a quarter of it is the resolution at which ages are known.
    let opened = bench.pass(secs(7)).expect("thirty calls hang");
    assert_eq!(opened.reason, Reason::SlowRate { slow: 30, calls: 30 });
}

#[test]
fn calls_in_flight_do_not_dilute_the_failure_rate() {
    let mut bench = Bench::new(Config { consecutive_failures: u32::MAX, ..Config::default() });
    let gate = bench.gate();
    let running: Vec<_> = (0..100).map_while(|_| gate.try_acquire(bench.now).ok()).collect();
    for _ in 0..8 {
        bench.call(FAILURE).expect("closed");
    }
    assert_eq!((running.len(), bench.state()), (100, State::Open));
}

// One time-out aborts every call.

#[test]
fn the_end_of_one_call_does_not_touch_the_others() {
    let bench = Bench::new(Config::default());
    let gate = bench.gate();
    let (first, second) =
        (gate.try_acquire(bench.now).expect("closed"), gate.try_acquire(bench.now).expect("closed"));
    first.record(Class::Unknown, bench.now);
    assert_eq!(gate.in_flight(), 1);
    second.record(Class::Success, bench.now);
    let totals = gate.totals();
    assert_eq!((totals.unknown, totals.succeeded, gate.in_flight()), (1, 1, 0));
}

// A cool-down keeps the first, shorter deadline.

#[test]
fn a_later_longer_retry_after_extends_the_deadline_and_a_shorter_one_never_shortens_it() {
    let mut bench = Bench::new(Config::default());
    let gate = bench.gate();
    let ask = |wait| Class::Failure { retry_after: Some(secs(wait)) };
    let late: Vec<_> = (0..2).map_while(|_| gate.try_acquire(bench.now).ok()).collect();
    for _ in 0..5 {
        bench.call(ask(10)).expect("closed");
    }
    let start = bench.now;
    assert_eq!(bench.breaker.machine().until(), start.plus(secs(10)));
    for (permit, (wait, expected)) in late.into_iter().zip([(60, 60), (5, 60)]) {
        permit.record(ask(wait), bench.now);
        bench.judge();
        assert_eq!(
            bench.breaker.machine().until(),
            start.plus(secs(expected)),
            "after {wait} s were asked for"
        );
    }
    bench.pass(secs(59));
    assert_eq!(bench.state(), State::Open);
    bench.pass(secs(1));
    assert_eq!(bench.state(), State::HalfOpen);
}

#[test]
fn a_longer_rate_limit_extends_the_wait_and_a_shorter_one_never_shortens_it() {
    let bench = Bench::new(Config::default());
    let gate = bench.gate();
    let permits: Vec<_> = (0..3).map_while(|_| gate.try_acquire(bench.now).ok()).collect();
    for (permit, (wait, expected)) in permits.into_iter().zip([(10, 10), (30, 30), (1, 30)]) {
        permit.record(Class::RateLimited { retry_after: Some(secs(wait)) }, bench.now);
        assert_eq!(gate.limited_until(), bench.now.plus(secs(expected)));
    }
}

// A cool-down is enforced only when a cache is next refreshed.

#[test]
fn an_open_circuit_refuses_the_very_next_call_and_every_one_until_its_time() {
    let mut bench = Bench::new(Config::default());
    bench.open();
    let until = bench.breaker.machine().until();
    while bench.now.plus(ms(10)) < until {
        assert!(bench.call(Class::Success).is_err());
        bench.now = bench.now.plus(ms(10));
    }
}

#[test]
fn a_rate_limit_holds_from_the_very_next_call() {
    let bench = Bench::new(Config::default());
    let gate = bench.gate();
    let limited = Class::RateLimited { retry_after: Some(secs(10)) };
    gate.try_acquire(bench.now).expect("closed").record(limited, bench.now);
    // Nobody has judged yet: the gate alone must hold it.
    let until = bench.now.plus(secs(10));
    assert_eq!(gate.try_acquire(bench.now).err(), Some(Rejected::RateLimited { until }));
    assert_eq!(gate.try_acquire(until).err(), None);
}

// Twenty-five 500s in a row leave a deployment in rotation.

#[test]
fn twenty_five_server_errors_in_a_row_cannot_all_get_through() {
    let mut bench = Bench::new(Config::default());
    let sent = (0..25).filter(|_| bench.call(classify(&Described::new(Kind::Status(500)))).is_ok()).count();
    assert_eq!((sent, bench.state()), (5, State::Open));
}

// Everything cools down and the caller gets an error, or a herd gets through.

#[test]
fn when_everything_is_open_exactly_one_probe_passes_at_a_time() {
    let mut targets = [Bench::new(Config::default()), Bench::new(Config::default())];
    for target in &mut targets {
        target.half_open();
        let gate = target.gate();
        let passed: Vec<_> = (0..1_000).filter_map(|_| gate.try_acquire(target.now).ok()).collect();
        assert_eq!(passed.len(), 1);
    }
}

// Retry-After is not respected.

#[test]
fn retry_after_is_respected_up_to_a_cap() {
    for (asked, expected) in [(45, 45), (100_000_000, 15 * 60)] {
        let mut bench = Bench::new(Config::default());
        while bench.state() == State::Closed {
            bench.call(Class::Failure { retry_after: Some(secs(asked)) }).expect("closed");
        }
        assert_eq!(bench.breaker.machine().until().since(bench.now), secs(expected));
    }
}

// The error type, not the status, decides.

#[test]
fn a_rate_limit_does_not_open_and_an_empty_account_with_the_same_status_does() {
    let limit = classify(&Described::new(Kind::Status(429)).code("rate_limit_exceeded"));
    let empty = classify(&Described::new(Kind::Status(429)).code("insufficient_quota"));
    let mut bench = Bench::new(Config::default());
    for _ in 0..25 {
        bench.call(limit).expect("closed");
        bench.pass(secs(1));
    }
    assert_eq!(bench.state(), State::Closed);
    bench.call(empty).expect("closed");
    assert_eq!(bench.breaker.machine().reason(), &Reason::QuotaExhausted);
}

// A late result changes a state it does not belong to.

#[test]
fn results_of_an_earlier_generation_are_counted_and_change_nothing() {
    let mut bench = Bench::new(Config::default());
    let gate = bench.gate();
    let mut old: Vec<_> = (0..20).map_while(|_| gate.try_acquire(bench.now).ok()).collect();
    bench.half_open();
    for permit in old.drain(..10) {
        permit.record(Class::Success, bench.now);
    }
    bench.judge();
    assert_eq!(bench.state(), State::HalfOpen, "old successes close nothing");
    for permit in old.drain(..5) {
        permit.record(FAILURE, bench.now);
    }
    bench.judge();
    assert_eq!(bench.state(), State::HalfOpen, "old failures open nothing");
    for _ in 0..3 {
        bench.call(Class::Success).expect("a trial");
    }
    for permit in old {
        permit.record(FAILURE, bench.now);
    }
    bench.judge();
    assert_eq!((bench.state(), gate.totals().late), (State::Closed, 20));
}
