//! The rules of the state machine, one by one.

use super::*;

#[test]
fn two_failures_of_three_do_not_open_and_eight_of_eight_do() {
    let config = Config { consecutive_failures: u32::MAX, ..Config::default() };
    let mut bench = Bench::new(config);
    for class in [FAILURE, Class::Success, FAILURE] {
        bench.call(class).expect("closed");
    }
    assert_eq!(bench.state(), State::Closed);
    let mut bench = Bench::new(bench.gate().config().clone());
    for _ in 0..7 {
        bench.call(FAILURE).expect("closed");
    }
    assert_eq!(bench.state(), State::Closed, "seven calls are too few to judge");
    bench.call(FAILURE).expect("closed");
    assert_eq!(bench.state(), State::Open);
    assert_eq!(bench.breaker.machine().reason(), &Reason::FailureRate { failures: 8, calls: 8 });
}

#[test]
fn five_failures_in_a_row_open_at_once_and_a_success_between_starts_again() {
    let mut bench = Bench::new(Config::default());
    for class in [FAILURE, FAILURE, Class::Success] {
        bench.call(class).expect("closed");
    }
    assert_eq!(bench.state(), State::Closed);
    bench.open();
    assert_eq!(bench.breaker.machine().reason(), &Reason::FailuresInARow { failures: 5 });
    assert!(matches!(bench.call(Class::Success), Err(Rejected::Open { .. })));
}

#[test]
fn an_unknown_outcome_counts_against_the_dependency() {
    let mut bench = Bench::new(Config::default());
    for _ in 0..5 {
        bench.call(Class::Unknown).expect("closed");
    }
    assert_eq!(bench.state(), State::Open);
    assert_eq!(bench.gate().totals().unknown, 5);
}

#[test]
fn client_bugs_cancellations_and_local_rejects_never_count() {
    let mut bench = Bench::new(Config::default());
    for class in [Class::ClientBug, Class::Cancelled, Class::LocalReject] {
        for _ in 0..50 {
            bench.call(class).expect("closed");
        }
    }
    assert_eq!(bench.state(), State::Closed);
    assert_eq!(bench.breaker.machine().window().sum().calls, 0);
}

#[test]
fn slow_answers_open_the_circuit_even_if_they_are_right() {
    let mut bench = Bench::new(Config::default());
    for _ in 0..8 {
        bench.call(Class::Slow).expect("closed");
    }
    assert_eq!(bench.state(), State::Open);
    assert_eq!(bench.breaker.machine().reason(), &Reason::SlowRate { slow: 8, calls: 8 });
}

#[test]
fn every_transition_raises_the_generation() {
    let mut bench = Bench::new(Config::default());
    let mut seen = vec![bench.breaker.machine().generation()];
    bench.half_open();
    seen.push(bench.breaker.machine().generation());
    for _ in 0..3 {
        bench.call(Class::Success).expect("a trial");
    }
    seen.push(bench.breaker.machine().generation());
    assert_eq!((bench.state(), seen), (State::Closed, vec![1, 3, 4]));
}

#[test]
fn the_open_time_grows_with_jitter_between_floor_and_cap() {
    for (random, expected) in [(0.0, [1, 1, 1, 1, 1, 1, 1]), (0.5, [1, 2, 4, 8, 16, 30, 30])] {
        let mut bench = Bench::new(Config::default());
        bench.random = random;
        bench.open();
        let mut open_times = Vec::new();
        for _ in expected {
            open_times.push(bench.breaker.machine().until().since(bench.now).as_secs());
            bench.half_open();
            bench.call(FAILURE).expect("a trial");
        }
        assert_eq!(open_times, expected, "random {random}");
    }
}

#[test]
fn a_healthy_period_forgives_one_level_of_backoff() {
    let mut bench = Bench::new(Config::default());
    for _ in 0..3 {
        bench.half_open();
        bench.call(FAILURE).expect("a trial");
    }
    bench.half_open();
    for _ in 0..3 {
        bench.call(Class::Success).expect("a trial");
    }
    assert_eq!((bench.state(), bench.breaker.machine().backoff_level()), (State::Closed, 4));
    bench.pass(secs(59));
    assert_eq!(bench.breaker.machine().backoff_level(), 4);
    bench.pass(secs(1));
    assert_eq!(bench.breaker.machine().backoff_level(), 3);
    bench.pass(secs(600));
    assert_eq!(bench.breaker.machine().backoff_level(), 0);
}

#[test]
fn trials_go_one_at_a_time_then_two_then_four() {
    let config = Config { trial_successes: 8, ..Config::default() };
    let mut bench = Bench::new(config);
    bench.half_open();
    let gate = bench.gate();
    for (expected, successes) in [(1, 1), (2, 2), (4, 4)] {
        let permits: Vec<_> = (0..10).map_while(|_| gate.try_acquire(bench.now).ok()).collect();
        assert_eq!(permits.len(), expected);
        assert_eq!(gate.try_acquire(bench.now).err(), Some(Rejected::TrialsBusy));
        for (n, permit) in permits.into_iter().enumerate() {
            assert!(n < successes);
            permit.record(Class::Success, bench.now);
        }
        bench.judge();
    }
    assert_eq!(bench.state(), State::HalfOpen);
    bench.call(Class::Success).expect("a trial");
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn the_first_failed_trial_opens_again_and_one_failure_among_successes_does_not() {
    let mut bench = Bench::new(Config::default());
    bench.half_open();
    bench.call(FAILURE).expect("a trial");
    assert_eq!(bench.state(), State::Open);
    bench.half_open();
    for class in [Class::Success, Class::Success, FAILURE, Class::Success] {
        assert_eq!(bench.state(), State::HalfOpen);
        bench.call(class).expect("a trial");
    }
    assert_eq!(bench.state(), State::Closed, "three of four is three quarters");
    let mut bench = Bench::new(Config::default());
    bench.half_open();
    for class in [Class::Success, FAILURE, FAILURE] {
        bench.call(class).expect("a trial");
    }
    assert_eq!(bench.state(), State::Open, "two failures cannot be made up for");
}

#[test]
fn a_failed_trial_keeps_its_place_until_it_has_been_judged() {
    let mut bench = Bench::new(Config::default());
    bench.half_open();
    let gate = bench.gate();
    gate.try_acquire(bench.now).expect("a trial").record(FAILURE, bench.now);
    assert_eq!(gate.try_acquire(bench.now).err(), Some(Rejected::TrialsBusy));
    bench.judge();
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn a_quiet_half_open_circuit_stays_half_open() {
    let mut bench = Bench::new(Config::default());
    bench.half_open();
    bench.call(Class::Success).expect("a trial");
    assert_eq!(bench.pass(secs(3_600)), None, "nobody called for an hour");
    bench.call(Class::Success).expect("a trial");
    bench.pass(secs(3_600));
    bench.call(Class::Success).expect("a trial");
    assert_eq!(bench.state(), State::Closed);
}

#[test]
fn an_exhausted_quota_stays_open_until_a_person_acts() {
    let mut bench = Bench::new(Config::credential());
    bench.call(Class::QuotaExhausted { reset_after: None }).expect("closed");
    assert_eq!((bench.state(), bench.breaker.machine().until()), (State::Open, Nanos::NEVER));
    bench.pass(secs(30 * 24 * 3_600));
    assert_eq!(bench.state(), State::Open);
    bench.breaker.order(Order::Automatic, None, bench.now);
    bench.call(Class::Success).expect("a trial");
    assert_eq!(bench.state(), State::HalfOpen);
}

#[test]
fn an_exhausted_quota_with_a_reset_time_is_tried_then() {
    let mut bench = Bench::new(Config::credential());
    bench.call(Class::QuotaExhausted { reset_after: Some(secs(7_200)) }).expect("closed");
    bench.pass(secs(7_199));
    assert_eq!(bench.state(), State::Open);
    bench.pass(secs(1));
    assert_eq!(bench.state(), State::HalfOpen);
}

#[test]
fn a_refused_credential_opens_at_once_and_is_tried_again_after_minutes() {
    let mut bench = Bench::new(Config::credential());
    bench.call(Class::Unauthorized).expect("closed");
    assert_eq!(bench.breaker.machine().reason(), &Reason::Unauthorized);
    bench.pass(secs(299));
    assert_eq!(bench.state(), State::Open);
    bench.pass(secs(1));
    assert_eq!(bench.state(), State::HalfOpen);
}

#[test]
fn one_tenants_failures_do_not_open_a_circuit_others_use_well() {
    let (bad, good) = (TenantMark::of(1), TenantMark::of(2));
    assert_ne!(bad, good);
    let mut bench = Bench::new(Config { distinct_tenants: 2, ..Config::default() });
    bench.call_for(good, Class::Success).expect("closed");
    for _ in 0..40 {
        bench.call_for(bad, FAILURE).expect("closed");
    }
    assert_eq!(bench.state(), State::Closed);
    bench.call_for(good, FAILURE).expect("closed");
    assert_eq!(bench.state(), State::Open, "now two tenants fail");
}

#[test]
fn a_tenant_that_calls_alone_can_open_the_circuit() {
    let mut bench = Bench::new(Config { distinct_tenants: 2, ..Config::default() });
    let only = TenantMark::of(7);
    for _ in 0..5 {
        bench.call_for(only, FAILURE).expect("closed");
    }
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn a_tenant_that_left_long_ago_no_longer_counts_as_calling() {
    let mut bench = Bench::new(Config { distinct_tenants: 2, ..Config::default() });
    bench.call_for(TenantMark::of(2), Class::Success).expect("closed");
    for _ in 0..4 {
        bench.pass(secs(5));
    }
    for _ in 0..5 {
        bench.call_for(TenantMark::of(1), FAILURE).expect("closed");
    }
    assert_eq!(bench.state(), State::Open);
}

#[test]
fn orders_hold_until_they_end_and_lead_back_carefully() {
    let mut bench = Bench::new(Config::default());
    bench.breaker.order(Order::ForceOpen, Some(secs(60)), bench.now);
    assert!(matches!(bench.call(Class::Success), Err(Rejected::Open { .. })));
    bench.pass(secs(59));
    assert_eq!(bench.state(), State::ForcedOpen);
    let back = bench.pass(secs(1)).expect("the order has ended");
    assert_eq!((back.to, back.reason), (State::HalfOpen, Reason::OrderExpired));

    bench.breaker.order(Order::ForceClose, None, bench.now);
    for _ in 0..50 {
        bench.call(FAILURE).expect("forced closed admits whatever happens");
    }
    bench.pass(secs(86_400));
    assert_eq!(bench.state(), State::ForcedClosed);
    bench.breaker.order(Order::Automatic, None, bench.now);
    assert_eq!(bench.state(), State::Closed);

    bench.breaker.order(Order::MetricsOnly, None, bench.now);
    for _ in 0..50 {
        bench.call(FAILURE).expect("metrics only admits whatever happens");
    }
    assert_eq!(bench.state(), State::MetricsOnly);
    assert!(bench.breaker.machine().failure_rate() > 0.99, "but it counts");
}

#[test]
fn a_bulkhead_admits_no_more_than_its_places() {
    let mut bench = Bench::new(Config { max_in_flight: 3, ..Config::default() });
    let gate = bench.gate();
    let permits: Vec<_> = (0..5).map_while(|_| gate.try_acquire(bench.now).ok()).collect();
    assert_eq!(permits.len(), 3);
    assert_eq!(gate.try_acquire(bench.now).err(), Some(Rejected::Full));
    drop(permits);
    assert_eq!(gate.in_flight(), 0);
    bench.call(Class::Success).expect("there is room again");
}

#[test]
fn a_full_bulkhead_gives_the_place_of_a_trial_back() {
    let mut bench = Bench::new(Config { max_in_flight: 1, ..Config::default() });
    let gate = bench.gate();
    let old = gate.try_acquire(bench.now).expect("closed");
    bench.breaker.order(Order::ForceOpen, Some(secs(1)), bench.now);
    bench.pass(secs(1));
    assert_eq!(bench.state(), State::HalfOpen);
    assert_eq!(gate.try_acquire(bench.now).err(), Some(Rejected::Full));
    drop(old);
    assert!(gate.try_acquire(bench.now).is_ok(), "the trial's place was not lost");
}

#[test]
fn a_restarted_owner_takes_over_state_and_generation() {
    let mut bench = Bench::new(Config::default());
    bench.open();
    let gate = bench.gate();
    let mut again = Breaker::new(Arc::clone(&gate), bench.now);
    assert_eq!((again.machine().state(), again.machine().generation()), (State::Open, 2));
    assert!(gate.try_acquire(bench.now).is_err());
    again.judge(bench.now.plus(secs(2)), 0.5);
    assert_eq!(again.machine().state(), State::HalfOpen);
}

#[test]
fn a_sleeping_gate_wakes_its_owner_once_for_the_first_call() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    struct Counter(Arc<AtomicU32>);
    impl Bell for Counter {
        fn ring(&self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let mut bench = Bench::new(Config::default());
    let rings = Arc::new(AtomicU32::new(0));
    let gate = bench.gate();
    assert!(gate.hang_bell(Box::new(Counter(Arc::clone(&rings)))));
    for _ in 0..100 {
        gate.try_acquire(bench.now).expect("closed").record(Class::Success, bench.now);
    }
    assert_eq!(rings.load(SeqCst), 1, "the first call woke it, successes do not ring");
    gate.try_acquire(bench.now).expect("closed").record(FAILURE, bench.now);
    gate.try_acquire(bench.now).expect("closed").record(FAILURE, bench.now);
    assert_eq!(rings.load(SeqCst), 1, "it rings already");
    bench.judge();
    gate.try_acquire(bench.now).expect("closed").record(FAILURE, bench.now);
    assert_eq!(rings.load(SeqCst), 2);
    assert!(gate.fall_asleep());
}
