//! Children that panic, return errors, end and hang, on paused time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ractor::{call_t, rpc::CallResult};

use super::*;

struct Fragile {
    starts: Arc<AtomicUsize>,
}

enum Do {
    Panic,
    Fail,
    End,
    Hang,
    Answer(RpcReplyPort<u32>),
}

#[async_trait]
impl Actor for Fragile {
    type Msg = Do;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Do>, _: ()) -> Result<(), ActorProcessingErr> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn handle(&self, myself: ActorRef<Do>, msg: Do, _: &mut ()) -> Result<(), ActorProcessingErr> {
        match msg {
            Do::Panic => panic!("a child's panic"),
            Do::Fail => return Err("a child's error".into()),
            Do::End => myself.stop(None),
            Do::Hang => std::future::pending().await,
            Do::Answer(reply) => {
                let _ = reply.send(42);
            }
        }
        Ok(())
    }
}

struct Family {
    root: ActorRef<Msg>,
    seats: [Seat<Do>; 2],
    starts: [Arc<AtomicUsize>; 2],
}

async fn a_family() -> Family {
    let seats = [Seat::empty(), Seat::empty()];
    let starts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let child = |name, i: usize| {
        let starts = starts[i].clone();
        permanent(name, &seats[i], move || (Fragile { starts: starts.clone() }, ()))
    };
    let plan = vec![child("first", 0), child("second", 1)];
    let (root, _) = Supervisor::spawn(None, Supervisor, plan).await.expect("a supervisor starts");
    call_t!(root, Msg::View, 1_000).expect("it is there");
    Family { root, seats, starts }
}

impl Family {
    fn starts(&self) -> [usize; 2] {
        [self.starts[0].load(Ordering::SeqCst), self.starts[1].load(Ordering::SeqCst)]
    }

    async fn view(&self) -> Vec<(&'static str, bool)> {
        call_t!(self.root, Msg::View, 1_000).expect("the supervisor answers")
    }
}

async fn pass(secs: f64) {
    tokio::time::sleep(Duration::from_secs_f64(secs)).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_panics_fails_or_ends_comes_back_and_its_sibling_notices_nothing() {
    let family = a_family().await;
    for (falls, end) in [Do::Panic, Do::Fail, Do::End].into_iter().enumerate() {
        family.seats[0].cast(end);
        pass(0.1).await;
        assert_eq!(family.view().await, [("first", false), ("second", true)]);
        pass(6.0).await;
        assert_eq!(family.starts(), [falls + 2, 1]);
        let child = family.seats[0].occupant().expect("the seat is taken");
        assert_eq!(call_t!(child, Do::Answer, 1_000).ok(), Some(42));
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_hangs_holds_up_neither_its_parent_nor_an_orderly_end() {
    let family = a_family().await;
    family.seats[0].cast(Do::Hang);
    let child = family.seats[0].occupant().expect("the seat is taken");
    let answer = child.call(Do::Answer, Some(Duration::from_secs(1))).await.expect("it can be asked");
    assert!(matches!(answer, CallResult::Timeout));
    assert_eq!(family.view().await, [("first", true), ("second", true)]);
    call_t!(family.root, Msg::Close, 1_000).expect("it hears");
    family.root.stop(None);
    family.root.wait(Some(Duration::from_secs(5))).await.expect("it ends although a child hangs");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_keeps_failing_ends_its_parent() {
    let family = a_family().await;
    for _ in 0..200 {
        family.seats[0].cast(Do::Panic);
        pass(0.25).await;
    }
    family.root.wait(Some(Duration::from_secs(1))).await.expect("the parent has ended");
    assert_eq!(family.starts(), [6, 1]);
}

#[tokio::test(start_paused = true)]
async fn nobody_comes_back_while_the_house_closes() {
    let family = a_family().await;
    call_t!(family.root, Msg::Close, 1_000).expect("it hears");
    family.seats[0].cast(Do::End);
    pass(120.0).await;
    assert_eq!(family.starts(), [1, 1]);
}

#[test]
fn failures_wait_one_two_four_seconds_and_the_sixth_in_a_minute_is_the_last() {
    let base = Instant::now();
    let at = |s| base + Duration::from_secs(s);
    let mut restarts = Restarts::default();
    let secs = |s| Verdict::After(Duration::from_secs(s));
    let verdicts: Vec<_> = [0, 1, 3, 7, 15].into_iter().map(|s| restarts.failed(at(s), 0.5)).collect();
    assert_eq!(verdicts, [secs(1), secs(2), secs(4), secs(8), secs(16)]);
    assert_eq!(restarts.failed(at(31), 0.5), Verdict::GiveUp);
}

#[test]
fn slow_failures_wait_a_minute_at_most_and_a_healthy_time_is_forgiven() {
    let base = Instant::now();
    let mut restarts = Restarts::default();
    let mut last = Verdict::GiveUp;
    for i in 0..10 {
        last = restarts.failed(base + Duration::from_secs(i * 100), 0.5);
    }
    assert_eq!(last, Verdict::After(Duration::from_secs(60)));
    assert_eq!(
        restarts.failed(base + Duration::from_secs(5_000), 0.5),
        Verdict::After(Duration::from_secs(1))
    );
    let spread = [0.0, 1.0].map(|jitter| Restarts::default().failed(base, jitter));
    assert_eq!(spread, [750, 1_250].map(|ms| Verdict::After(Duration::from_millis(ms))));
}
