//! Tables: what happens at which millisecond, and what follows.

use std::sync::LazyLock;

use super::{Effect::*, *};

static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);
const IDLE: Duration = Duration::from_secs(60);
const RANG: Event = Event::Rang { arrived: true };
const SWEPT: Event = Event::Rang { arrived: false };
const COMMITTED: Event = Event::TurnEnded(TurnEnd::Committed);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn pending(messages: usize) -> Pending {
    Pending {
        messages,
        more: false,
        asks: true,
        stale: false,
        handed_off: false,
        failures: 0,
        quiet: ms(1_500),
        quiet_cap: ms(6_000),
    }
}

fn ours(pending: Pending) -> Event {
    Event::Looked(Looked::Ours(pending))
}

fn timer(generation: u32) -> Event {
    Event::Timer { generation }
}

fn after(generation: u32, wait: u64) -> Effect {
    Timer { generation, after: ms(wait) }
}

/// Plays a script of (millisecond, event, effects) and fails at the first line that differs.
fn check(script: &[(u64, Event, &[Effect])]) -> State {
    let mut state = State::new(IDLE);
    for (line, (at, event, expected)) in script.iter().enumerate() {
        let effects = step(&mut state, *event, *BASE + ms(*at));
        assert_eq!(&effects, expected, "line {line}: {event:?} at {at} ms");
    }
    state
}

#[test]
fn one_message_is_answered_after_the_quiet_time() {
    check(&[
        (0, RANG, &[Look]),
        (5, ours(pending(1)), &[after(1, 1_495)]),
        (1_500, timer(1), &[Turn(Mode::Agent)]),
        (2_000, COMMITTED, &[after(2, 60_000)]),
        (62_000, timer(2), &[Leave]),
    ]);
}

#[test]
fn three_messages_in_a_row_are_one_turn() {
    check(&[
        (0, RANG, &[Look]),
        (5, ours(pending(1)), &[after(1, 1_495)]),
        (800, RANG, &[]),
        (1_500, timer(1), &[after(2, 800)]),
        (2_000, RANG, &[]),
        (2_300, timer(2), &[after(3, 1_200)]),
        (3_500, timer(3), &[Look]),
        (3_505, ours(pending(3)), &[Turn(Mode::Agent)]),
        (4_000, COMMITTED, &[after(4, 60_000)]),
    ]);
}

#[test]
fn a_burst_that_never_ends_is_answered_at_the_cap() {
    let mut state = State::new(IDLE);
    step(&mut state, RANG, *BASE);
    let mut effects = step(&mut state, ours(pending(1)), *BASE + ms(1));
    let mut answered_at = None;
    for at in 2..10_000 {
        let now = *BASE + ms(at);
        if at % 500 == 0 {
            assert_eq!(step(&mut state, RANG, now), []);
        }
        if let [Timer { generation, after }] = effects[..] {
            if after <= ms(1) {
                effects = step(&mut state, timer(generation), now);
                continue;
            }
            effects = vec![Timer { generation, after: after - ms(1) }];
        } else if effects == [Look] {
            answered_at = Some(at);
            break;
        }
    }
    let at = answered_at.expect("the cap ends the waiting");
    assert!((5_990..=6_010).contains(&at), "answered at {at} ms");
}

#[test]
fn the_api_channel_does_not_wait() {
    let at_once = Pending { quiet: Duration::ZERO, ..pending(1) };
    check(&[(0, RANG, &[Look]), (3, ours(at_once), &[Turn(Mode::Agent)])]);
}

#[test]
fn a_ring_that_crossed_the_look_is_looked_for_before_the_turn() {
    let at_once = Pending { quiet: Duration::ZERO, ..pending(1) };
    check(&[
        (0, RANG, &[Look]),
        (1, RANG, &[]),
        (3, ours(at_once), &[Look]),
        (4, ours(at_once), &[Turn(Mode::Agent)]),
        (9, COMMITTED, &[after(1, 60_000)]),
    ]);
}

#[test]
fn messages_that_arrive_during_a_turn_start_the_next_one_and_merge_too() {
    check(&[
        (0, RANG, &[Look]),
        (5, ours(pending(1)), &[after(1, 1_495)]),
        (1_500, timer(1), &[Turn(Mode::Agent)]),
        (2_000, RANG, &[]),
        (2_500, RANG, &[]),
        (3_000, COMMITTED, &[Look]),
        (3_005, ours(pending(2)), &[after(2, 995)]),
        (4_000, timer(2), &[Turn(Mode::Agent)]),
    ]);
}

#[test]
fn there_is_never_a_second_turn_while_one_is_on_its_way() {
    let mut state =
        check(&[(0, RANG, &[Look]), (1, ours(Pending { quiet: ms(0), ..pending(1) }), &[Turn(Mode::Agent)])]);
    for event in [RANG, SWEPT, timer(1), ours(pending(4)), Event::Looked(Looked::Elsewhere)] {
        assert_eq!(step(&mut state, event, *BASE + ms(9)), [], "{event:?}");
    }
}

#[test]
fn a_sweep_does_not_prolong_the_quiet_time() {
    check(&[
        (0, RANG, &[Look]),
        (5, ours(pending(1)), &[after(1, 1_495)]),
        (1_000, SWEPT, &[]),
        (1_500, timer(1), &[Look]),
        (1_505, ours(pending(1)), &[Turn(Mode::Agent)]),
    ]);
}

#[test]
fn a_backlog_is_worked_off_without_waiting_between_turns() {
    let backlog = Pending { more: true, ..pending(32) };
    check(&[
        (0, SWEPT, &[Look]),
        (5, ours(backlog), &[after(1, 1_495)]),
        (1_500, timer(1), &[Turn(Mode::Agent)]),
        (1_600, COMMITTED, &[Look]),
        (1_605, ours(backlog), &[Turn(Mode::Agent)]),
        (1_700, COMMITTED, &[Look]),
        (1_705, ours(pending(2)), &[Turn(Mode::Agent)]),
        (1_800, COMMITTED, &[after(2, 60_000)]),
    ]);
}

#[test]
fn a_failed_turn_is_tried_again_later_and_the_third_failure_gives_up() {
    let failed = |failures| Event::TurnEnded(TurnEnd::Failed { failures });
    let tried = |failures| ours(Pending { failures, quiet: ms(0), ..pending(1) });
    check(&[
        (0, RANG, &[Look]),
        (1, tried(0), &[Turn(Mode::Agent)]),
        (2, failed(1), &[Abandon, after(1, 1_000)]),
        (1_002, timer(1), &[Look]),
        (1_003, tried(1), &[Turn(Mode::Agent)]),
        (1_004, failed(2), &[Abandon, after(2, 4_000)]),
        (5_004, timer(2), &[Look]),
        (5_005, tried(2), &[Turn(Mode::Agent)]),
        (5_006, failed(3), &[Look]),
        (5_007, tried(3), &[Turn(Mode::GiveUp)]),
        (5_010, COMMITTED, &[after(3, 60_000)]),
    ]);
}

#[test]
fn an_apology_that_fails_is_tried_again_slowly() {
    let poisoned = ours(Pending { failures: 4, ..pending(1) });
    check(&[
        (0, SWEPT, &[Look]),
        (1, poisoned, &[Turn(Mode::GiveUp)]),
        (2, Event::TurnEnded(TurnEnd::Failed { failures: 5 }), &[Abandon, after(1, 30_000)]),
        (30_002, timer(1), &[Look]),
        (30_003, poisoned, &[Turn(Mode::GiveUp)]),
    ]);
}

#[test]
fn what_failed_three_times_before_a_restart_is_given_up_on_at_once() {
    let poisoned = Pending { failures: 3, ..pending(1) };
    check(&[(0, SWEPT, &[Look]), (1, ours(poisoned), &[Turn(Mode::GiveUp)])]);
}

#[test]
fn an_outcome_nobody_knows_is_looked_up() {
    check(&[
        (0, RANG, &[Look]),
        (1, ours(Pending { quiet: ms(0), ..pending(1) }), &[Turn(Mode::Agent)]),
        (2, Event::TurnEnded(TurnEnd::Unsure), &[Abandon, after(1, 1_000)]),
        (1_002, timer(1), &[Look]),
        (1_003, ours(pending(0)), &[after(2, 60_000)]),
    ]);
}

#[test]
fn what_asks_for_nothing_is_acknowledged_in_silence_and_at_once() {
    let cases = [
        (Pending { handed_off: true, ..pending(1) }, Reason::HandedOff),
        (Pending { asks: false, ..pending(1) }, Reason::NothingAsked),
        (Pending { stale: true, ..pending(1) }, Reason::Stale),
        (Pending { stale: true, asks: false, handed_off: true, ..pending(1) }, Reason::HandedOff),
    ];
    for (found, reason) in cases {
        check(&[(0, RANG, &[Look]), (1, ours(found), &[Turn(Mode::Silent(reason))])]);
    }
}

#[test]
fn a_lost_lease_drops_everything() {
    let thinking: &[(u64, Event, &[Effect])] =
        &[(0, RANG, &[Look]), (1, ours(Pending { quiet: ms(0), ..pending(1) }), &[Turn(Mode::Agent)])];
    for event in [Event::LeaseLost, Event::TurnEnded(TurnEnd::Fenced)] {
        let mut state = check(thinking);
        assert_eq!(step(&mut state, event, *BASE + ms(2)), [Abandon, after(1, 60_000)]);
        assert!(state.is_idle() && !state.needs_lease());
    }
    check(&[
        (0, RANG, &[Look]),
        (1, ours(pending(1)), &[after(1, 1_499)]),
        (2, Event::LeaseLost, &[Abandon, after(2, 60_000)]),
        (1_500, timer(1), &[]),
    ]);
}

#[test]
fn a_conversation_in_another_nodes_hands_is_left_alone() {
    check(&[(0, RANG, &[Look]), (1, Event::Looked(Looked::Elsewhere), &[after(1, 60_000)])]);
}

#[test]
fn a_database_that_is_away_is_asked_again_ever_more_slowly() {
    let away = Event::Looked(Looked::Failed);
    check(&[
        (0, RANG, &[Look]),
        (1, away, &[Abandon, after(1, 1_000)]),
        (1_001, timer(1), &[Look]),
        (1_002, away, &[Abandon, after(2, 2_000)]),
        (3_002, timer(2), &[Look]),
        (3_003, away, &[Abandon, after(3, 4_000)]),
        (7_003, timer(3), &[Look]),
        (7_004, ours(pending(1)), &[Turn(Mode::Agent)]),
    ]);
}

#[test]
fn an_old_timer_changes_nothing() {
    check(&[
        (0, RANG, &[Look]),
        (1, ours(pending(0)), &[after(1, 60_000)]),
        (50_000, RANG, &[Look]),
        (50_001, ours(pending(0)), &[after(2, 60_000)]),
        (60_001, timer(1), &[]),
        (110_001, timer(2), &[Leave]),
        (110_001, RANG, &[Look]),
    ]);
}

#[test]
fn closing_finishes_what_is_begun_and_begins_nothing() {
    check(&[(0, Event::Close, &[End]), (1, RANG, &[])]);
    check(&[(0, RANG, &[Look]), (1, Event::Close, &[]), (2, ours(pending(1)), &[End])]);
    check(&[
        (0, RANG, &[Look]),
        (1, ours(pending(1)), &[after(1, 1_499)]),
        (2, Event::Close, &[Abandon, End]),
    ]);
    let at_once = Pending { quiet: ms(0), ..pending(1) };
    check(&[
        (0, RANG, &[Look]),
        (1, ours(at_once), &[Turn(Mode::Agent)]),
        (2, Event::Close, &[]),
        (3, RANG, &[]),
        (4, COMMITTED, &[End]),
    ]);
}

#[test]
fn a_cut_off_stops_even_a_running_turn() {
    check(&[
        (0, RANG, &[Look]),
        (1, ours(Pending { quiet: ms(0), ..pending(1) }), &[Turn(Mode::Agent)]),
        (2, Event::Close, &[]),
        (3, Event::CutOff, &[Abandon, End]),
        (4, COMMITTED, &[]),
        (5, Event::CutOff, &[]),
    ]);
}
