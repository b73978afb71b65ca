//! Leaving, falling and closing, with stand-ins for conversations, on paused time.

use parking_lot::Mutex;

use super::*;
use crate::conversation::Msg as Said;

/// What the stand-ins were told, in order, over all their lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.lock().push(what);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock())
    }
}

/// Asks to leave when its timer 1 comes; panics at timer 2, returns an error at 3, hangs at 4; takes 50 ms to end.
struct StandIn(Log);

#[async_trait]
impl Actor for StandIn {
    type Msg = Said;
    type State = (ActorRef<Msg>, ConversationId, u32);
    type Arguments = (ActorRef<Msg>, ConversationId);

    async fn pre_start(
        &self,
        _: ActorRef<Said>,
        (tenant, id): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        self.0.note("started");
        Ok((tenant, id, 0))
    }

    async fn handle(
        &self,
        myself: ActorRef<Said>,
        msg: Said,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (tenant, conversation_id, heard) = state;
        match msg {
            Said::Rang { arrived } => {
                *heard += 1;
                self.0.note(if arrived { "arrived" } else { "rang" });
            }
            Said::Timer(1) => {
                let (conversation_id, actor, heard) = (*conversation_id, myself.get_id(), *heard);
                let _ = tenant.cast(Msg::Idle { conversation_id, actor, heard });
            }
            Said::Timer(2) => panic!("a conversation's panic"),
            Said::Timer(3) => return Err("a conversation's error".into()),
            Said::Timer(4) => std::future::pending().await,
            Said::Close | Said::CutOff => myself.stop(None),
            _ => {}
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Said>, _: &mut Self::State) -> Result<(), ActorProcessingErr> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.0.note("left");
        Ok(())
    }
}

struct Scene {
    tenant: ActorRef<Msg>,
    log: Log,
    last: Arc<Mutex<Option<ActorRef<Said>>>>,
}

async fn a_scene() -> Scene {
    let (log, last) = (Log::default(), Arc::new(Mutex::new(None)));
    let spawn: Spawn = Box::new({
        let (log, last) = (log.clone(), last.clone());
        move |tenant: ActorRef<Msg>, id| {
            let parent = tenant.get_cell();
            let (actor, _) =
                ActorRuntime::spawn_linked_instant(None, StandIn(log.clone()), (tenant, id), parent)?;
            *last.lock() = Some(actor.clone());
            Ok(actor)
        }
    });
    let (tenant, _) = Tenant::spawn(None, Tenant, (TenantId::generate(), spawn)).await.expect("it starts");
    Scene { tenant, log, last }
}

impl Scene {
    fn ring(&self, conversation_id: ConversationId, arrived: bool) {
        self.tenant.cast(Msg::Rang { conversation_id, arrived }).expect("the tenant lives");
    }

    /// Says something to the youngest stand-in.
    fn say(&self, message: Said) {
        let _ = self.last.lock().as_ref().expect("one was started").cast(message);
    }

    async fn after_ms(&self, ms: u64) -> Vec<&'static str> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.log.take()
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_conversation_leaves_and_the_next_ring_starts_a_new_one() {
    let scene = a_scene().await;
    let id = ConversationId::generate();
    scene.ring(id, true);
    assert_eq!(scene.after_ms(10).await, ["started", "arrived"]);
    scene.say(Said::Timer(1));
    assert_eq!(scene.after_ms(100).await, ["left"]);
    scene.ring(id, true);
    assert_eq!(scene.after_ms(10).await, ["started", "arrived"]);
}

#[tokio::test(start_paused = true)]
async fn a_ring_while_leaving_is_not_lost() {
    let scene = a_scene().await;
    let id = ConversationId::generate();
    scene.ring(id, false);
    scene.after_ms(10).await;
    scene.say(Said::Timer(1));
    assert_eq!(scene.after_ms(20).await, [""; 0], "it is on its way out");
    scene.ring(id, true);
    scene.ring(id, false);
    assert_eq!(scene.after_ms(100).await, ["left", "started", "arrived"]);
}

#[tokio::test(start_paused = true)]
async fn a_ring_that_crosses_the_wish_to_leave_keeps_the_conversation() {
    let scene = a_scene().await;
    let id = ConversationId::generate();
    scene.ring(id, true);
    scene.after_ms(10).await;
    // The wish was made before the second ring was heard, and comes after it was sent.
    let actor = scene.last.lock().as_ref().expect("one was started").get_id();
    scene.ring(id, true);
    scene.tenant.cast(Msg::Idle { conversation_id: id, actor, heard: 1 }).expect("the tenant lives");
    assert_eq!(scene.after_ms(500).await, ["arrived"]);
}

#[tokio::test(start_paused = true)]
async fn the_wish_of_a_predecessor_does_not_move_its_successor() {
    let scene = a_scene().await;
    let id = ConversationId::generate();
    scene.ring(id, true);
    scene.after_ms(10).await;
    let first = scene.last.lock().as_ref().expect("one was started").get_id();
    scene.say(Said::Timer(1));
    scene.after_ms(100).await;
    scene.ring(id, true);
    scene.after_ms(10).await;
    scene.tenant.cast(Msg::Idle { conversation_id: id, actor: first, heard: 1 }).expect("the tenant lives");
    assert_eq!(scene.after_ms(500).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_falls_rests_comes_back_and_looks_again() {
    let scene = a_scene().await;
    let (id, other) = (ConversationId::generate(), ConversationId::generate());
    scene.ring(id, true);
    scene.after_ms(10).await;
    for end in [2, 3] {
        scene.say(Said::Timer(end));
        assert_eq!(scene.after_ms(100).await, [""; 0], "it rests");
        scene.ring(id, true);
        assert_eq!(scene.after_ms(100).await, [""; 0], "a ring does not shorten the rest");
        assert_eq!(scene.after_ms(3_000).await, ["started", "rang"]);
    }
    scene.ring(other, true);
    assert_eq!(scene.after_ms(10).await, ["started", "arrived"], "others notice nothing");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_hangs_holds_up_neither_the_others_nor_the_tenant() {
    let scene = a_scene().await;
    scene.ring(ConversationId::generate(), true);
    scene.after_ms(10).await;
    scene.say(Said::Timer(4));
    scene.ring(ConversationId::generate(), true);
    assert_eq!(scene.after_ms(10).await, ["started", "arrived"]);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_all_conversations_and_starts_none() {
    let scene = a_scene().await;
    for _ in 0..3 {
        scene.ring(ConversationId::generate(), true);
    }
    scene.after_ms(10).await;
    scene.tenant.cast(Msg::Close).expect("the tenant lives");
    scene.ring(ConversationId::generate(), true);
    scene.tenant.wait(Some(Duration::from_secs(1))).await.expect("it ends");
    assert_eq!(scene.log.take(), ["left"; 3]);
}
