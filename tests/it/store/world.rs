//! A shop with a WhatsApp number and a customer, and short words for what the tests do with them.

use std::time::Duration;

use balcao_domain::{
    ChannelId, ConversationId, OutboxId, TenantCtx, TurnId,
    customer::Sender,
    inbound::{Content, Inbound},
    turn::{Action, Evidence, Outcome, Path, Reason},
};
use balcao_store::{
    Store, TenantTx,
    channels::{self, NewWhatsapp, WhatsappCredentials},
    customers,
    inbox::{self, Appended, Claim, NewMessage},
    turns::{self, Committed, NewOutgoing, NewTurn},
};
use balcao_tests::database::{TestDb, a_tenant};
use chrono::{DateTime, TimeZone, Utc};

pub const LEASE: Duration = Duration::from_secs(30);

pub struct World {
    pub db: TestDb,
    pub store: Store,
    pub ctx: TenantCtx,
    pub channel: ChannelId,
    pub conversation: ConversationId,
}

/// Two shops (the second one empty), a number, a customer.
pub async fn world() -> World {
    let db = TestDb::new().await;
    let store = db.store().await;
    let ctx = a_tenant(&store, "aurora").await;
    a_tenant(&store, "trigo").await;
    let mut tx = store.tenant_tx(&ctx).await.unwrap();
    let channel = channels::connect_whatsapp(&mut tx, &whatsapp("309900000000001")).await.unwrap().channel_id;
    let conversation =
        customers::resolve(&mut tx, channel, &phone("5511900000001")).await.unwrap().conversation_id;
    tx.commit().await.unwrap();
    World { db, store, ctx, channel, conversation }
}

pub fn whatsapp(phone_number_id: &str) -> NewWhatsapp {
    NewWhatsapp {
        phone_number_id: phone_number_id.into(),
        waba_id: Some("209900000000001".into()),
        display: "551140009001".into(),
        credentials: WhatsappCredentials {
            app_secret: "segredo".to_owned().into(),
            verify_token: "verifica".to_owned().into(),
            access_token: "acesso".to_owned().into(),
        },
    }
}

pub fn phone(digits: &str) -> Sender {
    Sender { phone: Some(digits.into()), ..Sender::default() }
}

pub fn at(second: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 6, 14, 0, second).unwrap()
}

pub fn says(words: &str) -> Content {
    Content::Text { text: words.into() }
}

/// What an agent answers.
pub fn outcome(action: Action) -> Outcome {
    Outcome { reply: None, action, path: Path::Rules, reason: Reason::NoModel, evidence: Evidence::default() }
}

impl World {
    pub async fn tx(&self) -> TenantTx {
        self.store.tenant_tx(&self.ctx).await.unwrap()
    }

    pub async fn talker(&self, digits: &str) -> ConversationId {
        let mut tx = self.tx().await;
        let resolved = customers::resolve(&mut tx, self.channel, &phone(digits)).await.unwrap();
        tx.commit().await.unwrap();
        resolved.conversation_id
    }

    pub fn message(&self, id: &str, content: Content) -> NewMessage {
        self.message_in(self.conversation, id, content)
    }

    pub fn message_in(&self, conversation_id: ConversationId, id: &str, content: Content) -> NewMessage {
        NewMessage {
            tenant_id: self.ctx.tenant_id,
            channel_id: self.channel,
            conversation_id,
            message: Inbound {
                provider_message_id: id.into(),
                sender: phone("5511900000001"),
                sent_at: at(0),
                content,
                reply_to: None,
                product: None,
                referral: None,
            },
        }
    }

    /// Appends texts with these ids; the numbers they got, negative for duplicates.
    pub async fn append(&self, ids: &[&str]) -> Vec<i64> {
        let messages: Vec<NewMessage> = ids.iter().map(|id| self.message(id, says(id))).collect();
        numbers(inbox::append(&self.store, &messages).await.unwrap())
    }

    pub async fn claim(&self, node: &str) -> Option<Claim> {
        inbox::claim(&self.store, &self.ctx, self.conversation, node, LEASE, 100).await.unwrap()
    }

    /// Ends a turn over everything that was claimed.
    pub async fn answer(&self, claim: &Claim, replies: &[&str]) -> (Committed, Vec<OutboxId>) {
        let (turn, ids) = turn(claim, replies, Action::Continue);
        (turns::commit(&self.store, &self.ctx, claim, &turn).await.unwrap(), ids)
    }

    /// Queues replies by the whole way: a message, a claim, a turn.
    pub async fn queue(&self, replies: &[&str]) -> Vec<OutboxId> {
        self.append(&[&format!("wamid.{}", OutboxId::generate())]).await;
        let claim = self.claim("node").await.unwrap();
        let (committed, ids) = self.answer(&claim, replies).await;
        assert_eq!(committed, Committed::Yes);
        ids
    }

    /// Lets time pass for the database: leases, grace and backoff are over.
    pub async fn time_passes(&self) {
        self.db
            .admin()
            .await
            .execute(
                "update outbox set due_at = due_at - interval '1 hour';
                 update conversation_cursor set lease_until = lease_until - interval '1 hour', due_at = due_at - interval '1 hour'",
            )
            .await
            .unwrap();
    }
}

pub fn turn(claim: &Claim, replies: &[&str], action: Action) -> (NewTurn, Vec<OutboxId>) {
    let outgoing: Vec<NewOutgoing> = replies
        .iter()
        .map(|words| NewOutgoing {
            outbox_id: OutboxId::generate(),
            kind: "text".into(),
            text: (*words).into(),
            body: serde_json::json!({ "text": { "body": words } }),
        })
        .collect();
    let ids = outgoing.iter().map(|out| out.outbox_id).collect();
    let turn = NewTurn {
        turn_id: TurnId::generate(),
        first_seq: claim.acked_seq + 1,
        last_seq: claim.messages.last().map_or(claim.acked_seq, |message| message.seq),
        outcome: outcome(action),
        outgoing,
        started_at: Utc::now(),
    };
    (turn, ids)
}

/// Numbers of stored messages; duplicates are negative.
pub fn numbers(appended: Vec<Result<Appended, balcao_store::StoreError>>) -> Vec<i64> {
    appended
        .into_iter()
        .map(|result| match result.unwrap() {
            Appended::Stored { seq } => seq,
            Appended::Duplicate { seq } => -seq,
        })
        .collect()
}
