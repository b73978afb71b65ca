//! Opening, recovering, orders, restarts, the bulkhead.

use super::*;

const KEY: &str = "payments:acme";

#[tokio::test(start_paused = true)]
async fn it_opens_on_the_fifth_failure_and_closes_after_three_good_trials() {
    let breakers = breakers().await;
    let guard = breakers.gate(KEY, Config::default()).await;
    open(&guard).await;
    let opened = view(&breakers, KEY);
    assert_eq!((opened.state.as_str(), opened.generation), ("open", 2));
    assert_eq!(opened.reason, "5 failures in a row");
    assert_eq!((opened.calls, opened.failures, opened.rejected), (5, 5, 1));
    let retry_in = opened.retry_in_ms.expect("it will be tried");
    assert!((1_000..=2_000).contains(&retry_in), "{retry_in} ms lie between floor and first ceiling");

    sleep(Duration::from_millis(retry_in) + Duration::from_millis(20)).await;
    assert_eq!(state(&breakers, KEY), "half_open", "by its own timer, without a call");
    for _ in 0..3 {
        call(&guard, Class::Success).await.expect("a trial");
    }
    sleep(Duration::from_millis(1)).await;
    let closed = view(&breakers, KEY);
    assert_eq!((closed.state.as_str(), closed.generation), ("closed", 4));
    assert_eq!(closed.reason, "3 of 3 trials succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_during_a_trial_gives_the_place_back() {
    let breakers = breakers().await;
    let guard = breakers.gate(KEY, Config::default()).await;
    open(&guard).await;
    sleep(Duration::from_secs(3)).await;
    for _ in 0..5 {
        let hanging = guard.call(|_: &Result<(), ()>| Class::Success, std::future::pending());
        let ended = tokio::time::timeout(Duration::from_secs(1), hanging).await;
        assert!(ended.is_err(), "the trial was admitted, and dropped");
    }
    call(&guard, Class::Success).await.expect("the place is free");
    assert_eq!(view(&breakers, KEY).cancelled, 5);
    assert_eq!(state(&breakers, KEY), "half_open");
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_hangs_opens_it_again() {
    let breakers = breakers().await;
    let guard = breakers.gate(KEY, Config::default()).await;
    open(&guard).await;
    sleep(Duration::from_secs(3)).await;
    let hanging = tokio::spawn({
        let guard = guard.clone();
        async move { guard.call(|_: &Result<(), ()>| Class::Success, std::future::pending()).await }
    });
    // The deadline of the trials and the second open time: it has opened and is half-open again.
    sleep(Duration::from_secs(35)).await;
    let now = view(&breakers, KEY);
    assert_eq!((now.state.as_str(), now.generation, now.backoff_level), ("half_open", 5, 2));
    call(&guard, Class::Success).await.expect("a new trial does not wait for the hung one");
    hanging.abort();
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_open_it_before_any_of_them_ends() {
    let breakers = breakers().await;
    let guard = breakers.gate(KEY, Config::default()).await;
    let hanging: Vec<_> = (0..20)
        .map(|_| {
            let guard = guard.clone();
            tokio::spawn(async move {
                guard.call(|_: &Result<(), ()>| Class::Success, std::future::pending()).await
            })
        })
        .collect();
    // Slow are 8 s; ages are known to a quarter of that.
    let mut opened = view(&breakers, KEY);
    for _ in 0..48 {
        if opened.state == "closed" {
            sleep(Duration::from_millis(250)).await;
            opened = view(&breakers, KEY);
        }
    }
    assert_eq!(opened.state, "open", "{opened:?}");
    assert_eq!(opened.reason, "20 of 20 recent calls were slow or hang");
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn an_operators_order_holds_until_it_ends() {
    let breakers = breakers().await;
    let guard = breakers.gate(KEY, Config::default()).await;
    assert!(!breakers.order("nobody", Order::ForceOpen, "ana", None).await);
    assert!(breakers.order(KEY, Order::ForceOpen, "ana", Some(Duration::from_secs(60))).await);
    let ordered = view(&breakers, KEY);
    assert_eq!((ordered.state.as_str(), ordered.reason.as_str()), ("forced_open", "ordered open"));
    assert_eq!(ordered.retry_in_ms, Some(60_000));
    assert!(call(&guard, Class::Success).await.is_err());

    sleep(Duration::from_secs(61)).await;
    assert_eq!(state(&breakers, KEY), "half_open", "the order ended by itself");
    assert!(breakers.order(KEY, Order::ForceClose, "ana", None).await);
    for _ in 0..30 {
        assert_eq!(call(&guard, FAILED).await, Err(CallError::Failed(())), "forced closed admits");
    }
    assert_eq!(view(&breakers, KEY).retry_in_ms, None, "only a person ends it");
    assert!(breakers.order(KEY, Order::Automatic, "ana", None).await);
    assert_eq!(state(&breakers, KEY), "closed");
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_falls_comes_back_and_goes_on_where_it_was() {
    let breakers = breakers().await;
    let guard = breakers.gate(KEY, Config::default()).await;
    open(&guard).await;
    let keeper = guard.family.keeper().expect("it sits");
    keeper.cast(keeper::Msg::Fall).expect("it hears");
    sleep(Duration::from_millis(10)).await;
    assert!(call(&guard, Class::Success).await.is_err(), "without a keeper the gate stays as it was");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(state(&breakers, KEY), "half_open", "the new keeper knew that it was open");
    for _ in 0..3 {
        call(&guard, Class::Success).await.expect("a trial");
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(state(&breakers, KEY), "closed");
    assert_eq!(view(&breakers, KEY).generation, 4);
}

#[tokio::test(start_paused = true)]
async fn the_bulkhead_lets_some_wait_and_turns_the_rest_away() {
    let breakers = breakers().await;
    let config =
        Config { max_in_flight: 2, max_waiting: 1, max_wait: Duration::from_secs(5), ..Config::default() };
    let guard = breakers.gate(KEY, config).await;
    let call_of = |seconds| {
        let guard = guard.clone();
        tokio::spawn(async move {
            let work = async move {
                sleep(Duration::from_secs(seconds)).await;
                Ok::<_, ()>(())
            };
            guard.call(|_| Class::Success, work).await
        })
    };
    let (first, second) = (call_of(3), call_of(100));
    sleep(Duration::from_millis(1)).await;
    let waiting = call_of(1);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(call(&guard, Class::Success).await, Err(CallError::Rejected(Rejected::Full)), "one may wait");
    assert_eq!(first.await.expect("no panic"), Ok(()));
    assert_eq!(waiting.await.expect("no panic"), Ok(()), "it had its turn");
    let (third, patient) = (call_of(100), call_of(1));
    sleep(Duration::from_secs(6)).await;
    let turned_away = patient.await.expect("no panic");
    assert_eq!(
        turned_away,
        Err(CallError::Rejected(Rejected::Full)),
        "nobody waits longer than five seconds"
    );
    assert_eq!(view(&breakers, KEY).rejected, 2);
    second.abort();
    third.abort();
}

#[tokio::test(start_paused = true)]
async fn retries_share_a_budget() {
    let breakers = breakers().await;
    let guard = breakers.gate(KEY, Config::default()).await;
    let same = breakers.gate(KEY, Config::default()).await;
    let minute = Duration::from_secs(60);
    let tickets: Vec<_> = (0..5).map_while(|_| guard.try_retry(minute)).collect();
    assert_eq!(tickets.len(), 3);
    assert!(same.try_retry(minute).is_none(), "another handle of the same key has the same budget");
    drop(tickets);
    assert!(same.try_retry(minute).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_idle_breaker_sleeps_and_the_next_failures_still_open_it() {
    let breakers = breakers().await;
    let guard = breakers.gate(KEY, Config::default()).await;
    call(&guard, Class::Success).await.expect("closed");
    sleep(Duration::from_secs(60)).await;
    open(&guard).await;
    assert_eq!(state(&breakers, KEY), "open");
}

#[tokio::test]
async fn on_the_kernels_clock_it_opens_as_well() {
    let breakers = Breakers::start().await.expect("the supervisor starts");
    let guard = breakers.gate(KEY, Config::default()).await;
    open(&guard).await;
    assert_eq!(state(&breakers, KEY), "open");
    breakers.shutdown().await;
    assert!(call(&guard, Class::Success).await.is_err(), "gates stay as last ruled");
}
