//! Shops, keys, accounts, repeated requests, events, dead letters.

use balcao_domain::{Language, Scope, TenantCtx, tenant::Settings};
use balcao_store::{
    StoreError, api_keys, channels, dead_letters, events,
    idempotency::{self, Begin},
    tenants,
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::world::{whatsapp, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_slug_is_taken_once_and_a_shop_goes_with_everything_it_owns() {
    let world = world().await;
    let settings = Settings { quiet_ms: 7, ..Settings::default() };
    let taken = tenants::create(&world.store, "aurora", "Outra", Language::English, &settings).await;
    assert!(
        matches!(&taken, Err(StoreError::Conflict { constraint }) if constraint == "tenant_slug_unique"),
        "{taken:?}"
    );
    let bad = tenants::create(&world.store, "Não Pode", "Outra", Language::English, &settings).await;
    assert!(matches!(bad, Err(StoreError::Conflict { .. })), "{bad:?}");

    let mut tx = world.tx().await;
    tenants::update_settings(&mut tx, &settings).await.unwrap();
    assert_eq!(tenants::get(&mut tx).await.unwrap().settings, settings);
    tx.commit().await.unwrap();
    let slugs: Vec<String> = tenants::list(&world.store).await.unwrap().into_iter().map(|t| t.slug).collect();
    assert_eq!(slugs, ["aurora", "trigo"]);

    world.queue(&["oi"]).await;
    tenants::delete(&world.store, world.ctx.tenant_id).await.unwrap();
    assert!(matches!(tenants::delete(&world.store, world.ctx.tenant_id).await, Err(StoreError::NotFound)));
    let left = world.db.admin().await.value("select (select count(*) from inbox) + (select count(*) from outbox) + (select count(*) from channel)").await;
    assert_eq!(left.unwrap().as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_its_own_shop_until_it_is_revoked() {
    let world = world().await;
    let mut tx = world.tx().await;
    let (key, secret) = api_keys::issue(&mut tx, "loja", &[Scope::Chat, Scope::Ingest]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(secret.expose_secret().starts_with(&key.hint) && key.hint.len() < 12);

    let found = api_keys::authenticate(&world.store, secret.expose_secret()).await.unwrap().unwrap();
    assert_eq!((found.tenant_id, found.key_id), (world.ctx.tenant_id, key.key_id));
    assert_eq!(found.scopes, [Scope::Chat, Scope::Ingest]);
    for wrong in
        ["", "bk_", "bk_00", &secret.expose_secret().to_uppercase(), &format!("{} ", secret.expose_secret())]
    {
        assert_eq!(api_keys::authenticate(&world.store, wrong).await.unwrap(), None, "{wrong}");
    }
    // The database has the hash and the hint, not the secret.
    let stored =
        world.db.admin().await.value("select row_to_json(k)::text from api_key k").await.unwrap().unwrap();
    assert!(!stored.contains(&secret.expose_secret()[key.hint.len()..]));

    let mut tx = world.tx().await;
    assert!(api_keys::list(&mut tx).await.unwrap()[0].last_used_at.is_some());
    api_keys::revoke(&mut tx, key.key_id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(api_keys::authenticate(&world.store, secret.expose_secret()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_number_belongs_to_one_shop_and_its_credentials_are_sealed() {
    let world = world().await;
    let other = tenants::by_slug(&world.store, "trigo").await.unwrap().unwrap();
    let mut tx = world.store.tenant_tx(&TenantCtx::system(other.tenant_id)).await.unwrap();
    let taken = channels::connect_whatsapp(&mut tx, &whatsapp("309900000000001")).await;
    assert!(matches!(taken, Err(StoreError::Conflict { .. })), "{taken:?}");
    drop(tx);
    assert!(matches!(
        channels::get(
            &mut world.store.tenant_tx(&TenantCtx::system(other.tenant_id)).await.unwrap(),
            world.channel
        )
        .await,
        Err(StoreError::NotFound)
    ));

    let by_number = channels::by_phone_number_id(&world.store, "309900000000001").await.unwrap().unwrap();
    assert_eq!((by_number.tenant_id, by_number.channel_id), (world.ctx.tenant_id, world.channel));
    assert_eq!(by_number.credentials.unwrap().access_token.expose_secret(), "acesso");
    assert!(channels::by_phone_number_id(&world.store, "0").await.unwrap().is_none());
    assert_eq!(
        channels::by_id(&world.store, world.channel).await.unwrap().unwrap().channel_id,
        world.channel
    );
    assert_eq!(channels::by_waba(&world.store, "209900000000001").await.unwrap().len(), 1);
    assert_eq!(channels::all(&world.store).await.unwrap().len(), 1);

    let mut admin = world.db.admin().await;
    let sealed = admin.value("select encode(credentials, 'escape') from channel").await.unwrap().unwrap();
    assert!(!sealed.contains("acesso") && !sealed.contains("segredo"));
    // Copied to another row, the credentials do not open.
    admin.execute("update channel set channel_id = gen_random_uuid() where channel_id not in (select channel_id from customer); set session_replication_role = replica; update channel set channel_id = gen_random_uuid()").await.unwrap();
    assert!(matches!(
        channels::by_phone_number_id(&world.store, "309900000000001").await,
        Err(StoreError::Corrupt(_))
    ));
    assert!(
        channels::all(&world.store).await.unwrap().is_empty(),
        "one broken account does not stop the others"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_same_answer_once() {
    let world = world().await;
    let begin = async |key: &str, hash: &[u8]| {
        let mut tx = world.tx().await;
        let begun = idempotency::begin(&mut tx, key, hash).await.unwrap();
        tx.commit().await.unwrap();
        begun
    };
    assert_eq!(begin("k", b"request").await, Begin::Fresh);
    assert_eq!(begin("k", b"request").await, Begin::InProgress);
    assert_eq!(begin("k", b"another").await, Begin::Mismatch);
    let mut tx = world.tx().await;
    idempotency::finish(&mut tx, "k", 201, &json!({"id": 1})).await.unwrap();
    assert!(matches!(idempotency::finish(&mut tx, "none", 200, &json!({})).await, Err(StoreError::NotFound)));
    tx.commit().await.unwrap();
    assert_eq!(begin("k", b"request").await, Begin::Replay { status: 201, body: json!({"id": 1}) });
    assert_eq!(begin("k", b"another").await, Begin::Mismatch);

    let mut admin = world.db.admin().await;
    admin.execute("update idempotency_key set reserved_at = now() - interval '25 hours'").await.unwrap();
    assert_eq!(begin("k", b"another").await, Begin::Fresh, "answers lapse after a day");
    admin.execute("update idempotency_key set reserved_at = now() - interval '61 seconds'").await.unwrap();
    assert_eq!(begin("k", b"another").await, Begin::Fresh, "reservations lapse after a minute");

    // Webhooks are delivered again for a week: what one noted is remembered longer.
    let webhook = "webhook/account/1";
    assert_eq!(begin(webhook, b"news").await, Begin::Fresh);
    let mut tx = world.tx().await;
    idempotency::finish(&mut tx, webhook, 200, &json!(null)).await.unwrap();
    tx.commit().await.unwrap();
    admin.execute("update idempotency_key set reserved_at = now() - interval '7 days'").await.unwrap();
    assert!(matches!(begin(webhook, b"news").await, Begin::Replay { .. }), "the seventh day");
    admin
        .execute("update idempotency_key set reserved_at = now() - interval '8 days 1 second'")
        .await
        .unwrap();
    assert_eq!(begin(webhook, b"news").await, Begin::Fresh);

    // Dropped with its transaction: as if it had never been.
    let mut tx = world.tx().await;
    assert_eq!(idempotency::begin(&mut tx, "k2", b"r").await.unwrap(), Begin::Fresh);
    drop(tx);
    assert_eq!(begin("k2", b"r").await, Begin::Fresh);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_events_misses_none_that_commits_late() {
    let world = world().await;
    let mut late = world.tx().await;
    events::push(&mut late, "late", None, &json!({})).await.unwrap();
    let mut early = world.tx().await;
    events::push(&mut early, "early", None, &json!({})).await.unwrap();
    early.commit().await.unwrap();

    let mut heard = Vec::new();
    let mut cursor = None;
    let read = async |cursor: &mut Option<String>, heard: &mut Vec<String>| {
        let mut tx = world.tx().await;
        let page = events::list(&mut tx, cursor.as_deref(), 1).await.unwrap();
        heard.extend(page.items.into_iter().map(|event| event.kind));
        if page.next_cursor.is_some() {
            *cursor = page.next_cursor;
        }
    };
    read(&mut cursor, &mut heard).await;
    assert_eq!(heard, Vec::<String>::new(), "an older transaction still runs");
    late.commit().await.unwrap();
    for _ in 0..500 {
        read(&mut cursor, &mut heard).await;
        if heard.len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(heard, ["late", "early"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_turns_messages_come_again_at_the_end_of_the_conversation() {
    let world = world().await;
    world.append(&["a", "b"]).await;
    let claim = world.claim("node").await.unwrap();
    world.answer(&claim, &["desculpe"]).await;
    world.append(&["c"]).await;
    let claim = world.claim("node").await.unwrap();
    world.answer(&claim, &["sim"]).await;

    let mut tx = world.tx().await;
    let evidence = json!({"first_seq": 1, "last_seq": 2});
    let id =
        dead_letters::push(&mut tx, "turn", Some(world.conversation), "poisoned", &evidence).await.unwrap();
    let other = dead_letters::push(&mut tx, "webhook", None, "no metadata", &json!({})).await.unwrap();
    dead_letters::replay(&mut tx, id).await.unwrap();
    assert!(matches!(dead_letters::replay(&mut tx, other).await, Err(StoreError::Conflict { .. })));
    dead_letters::resolve(&mut tx, other).await.unwrap();
    assert_eq!(dead_letters::list(&mut tx, false, None, 10).await.unwrap().items.len(), 0);
    let first = dead_letters::list(&mut tx, true, None, 1).await.unwrap();
    let rest = dead_letters::list(&mut tx, true, first.next_cursor.as_deref(), 5).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next_cursor), (1, 1, None));
    tx.commit().await.unwrap();

    let claim = world.claim("node").await.unwrap();
    let again: Vec<_> = claim.messages.iter().map(|m| (m.seq, m.message.content.words().unwrap())).collect();
    assert_eq!(again, [(4, "a"), (5, "b")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_gets_new_credentials_and_sends_again() {
    let world = world().await;
    let mut tx = world.tx().await;
    channels::set_paused(&mut tx, world.channel, Some("the token was refused")).await.unwrap();
    let mut new = whatsapp("309900000000001");
    new.credentials.access_token = "novo".to_owned().into();
    (new.waba_id, new.display) = (None, String::new());
    let account = channels::reconnect_whatsapp(&mut tx, &new).await.unwrap();
    assert_eq!(account.channel_id, world.channel, "the webhook's path stays");
    assert_eq!(account.paused_reason, None);
    assert_eq!(account.credentials.unwrap().access_token.expose_secret(), "novo");
    assert_eq!(
        (account.waba_id.as_deref(), account.display.as_str()),
        (Some("209900000000001"), "551140009001")
    );
    tx.commit().await.unwrap();

    let other = tenants::by_slug(&world.store, "trigo").await.unwrap().unwrap();
    let mut tx = world.store.tenant_tx(&TenantCtx::system(other.tenant_id)).await.unwrap();
    let foreign = channels::reconnect_whatsapp(&mut tx, &new).await;
    assert!(matches!(foreign, Err(StoreError::NotFound)), "{foreign:?}");
}
