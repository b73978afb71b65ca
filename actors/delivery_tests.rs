//! What becomes of a message, for every answer of the channel.

use std::collections::HashMap;

use balcao_domain::{
    ChannelId, ConversationId, Language, OutboxId, TenantId,
    tenant::{Settings, Template, Tenant},
};

use super::*;

fn shop(reopen_template: Option<Template>) -> Shop {
    let settings = Settings { reopen_template, ..Settings::default() };
    let tenant = Tenant {
        tenant_id: TenantId::generate(),
        slug: "aurora".into(),
        name: "Loja Aurora".into(),
        language: Language::Portuguese,
        settings,
        created_at: Utc::now(),
    };
    Shop { tenant: Arc::new(tenant), accounts: HashMap::new() }
}

fn a_template() -> Option<Template> {
    Some(Template { name: "voltar".into(), language: "pt_BR".into() })
}

fn due() -> Due {
    Due {
        tenant_id: TenantId::generate(),
        outbox_id: OutboxId::generate(),
        conversation_id: ConversationId::generate(),
        channel_id: ChannelId::generate(),
        kind: "text".into(),
        text: "oi".into(),
        body: serde_json::json!({}),
        phone: Some("5511900000001".into()),
        user_id: None,
        attempt: 1,
        last_inbound_at: Some(Utc::now()),
        opted_out: false,
        after_unknown: false,
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn fate(error: SendError, due: &Due, age: u64) -> Fate {
    judge(error, due, &shop(None), secs(age), 1.0)
}

#[test]
fn a_temporary_refusal_waits_as_long_again_and_gives_up_after_hours() {
    let busy = || SendError::Retry { code: Some(1), detail: "busy".into(), after: None };
    let waits = [(0, 2), (2, 2), (60, 60), (3_600, 600)];
    for (age, wait) in waits {
        let expected = Fate::Retry { after: secs(wait), code: Some(1), detail: "busy".into() };
        assert_eq!(fate(busy(), &due(), age), expected, "after {age} s");
    }
    assert_eq!(fate(busy(), &due(), 7 * 3_600), Fate::Dead { code: Some(1), detail: "busy".into() });
}

#[test]
fn the_channels_own_word_on_when_to_retry_is_kept() {
    let later = SendError::Retry { code: None, detail: "later".into(), after: Some(secs(90)) };
    assert_eq!(fate(later, &due(), 0), Fate::Retry { after: secs(90), code: None, detail: "later".into() });
}

#[test]
fn an_open_breaker_never_kills_a_message_and_pauses_the_sender() {
    let waiting = fate(SendError::BreakerOpen, &Due { attempt: 1_000, ..due() }, 5 * 3_600);
    assert!(waiting.is_breaker());
    assert!(matches!(waiting, Fate::Retry { after, .. } if after <= secs(6)));
}

#[test]
fn a_limited_pair_backs_off_four_sixteen_sixty_four_seconds() {
    let limited = || SendError::PairLimited { code: Some(131_056), detail: "pair".into() };
    let waits: Vec<_> = (1..=3)
        .map(|attempt| match judge(limited(), &Due { attempt, ..due() }, &shop(None), secs(0), 0.0) {
            Fate::Retry { after, .. } => after.as_secs(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(waits, [4, 16, 64]);
}

#[test]
fn an_unknown_outcome_may_be_resent_once() {
    let lost = || SendError::Unknown("lost".into());
    assert_eq!(fate(lost(), &due(), 0), Fate::Unknown("lost".into()));
    let again = Due { after_unknown: true, ..due() };
    assert_eq!(fate(lost(), &again, 0), Fate::Dead { code: None, detail: "lost".into() });
}

#[test]
fn outside_the_window_a_template_goes_and_nothing_else() {
    let old = Due { last_inbound_at: Some(Utc::now() - TimeDelta::hours(25)), ..due() };
    let silent = Due { last_inbound_at: None, ..due() };
    for late in [&old, &silent] {
        assert!(
            matches!(forbidden(late, &shop(a_template())), Some(Fate::Template(m)) if m.kind == "template")
        );
        assert!(matches!(forbidden(late, &shop(None)), Some(Fate::Dead { .. })));
        let template = Due { kind: "template".into(), ..late.clone() };
        assert_eq!(forbidden(&template, &shop(None)), None);
    }
    assert_eq!(forbidden(&due(), &shop(None)), None);
}

#[test]
fn a_window_the_channel_found_closed_is_treated_the_same_and_never_turns_in_circles() {
    let closed = || SendError::WindowClosed { code: Some(131_047), detail: "closed".into() };
    let reopened = judge(closed(), &due(), &shop(a_template()), secs(0), 0.5);
    assert!(matches!(reopened, Fate::Template(_)));
    let template = Due { kind: "template".into(), ..due() };
    let refused = judge(closed(), &template, &shop(a_template()), secs(0), 0.5);
    assert!(matches!(refused, Fate::Dead { code: Some(131_047), .. }));
}

#[test]
fn who_wants_no_messages_gets_no_template() {
    let late = Due { opted_out: true, last_inbound_at: None, ..due() };
    assert!(matches!(forbidden(&late, &shop(a_template())), Some(Fate::Dead { .. })));
    let template = Due { opted_out: true, kind: "template".into(), ..due() };
    assert!(matches!(forbidden(&template, &shop(a_template())), Some(Fate::Dead { .. })));
    // The answer to the very word that stopped it still goes.
    assert_eq!(forbidden(&Due { opted_out: true, ..due() }, &shop(None)), None);
}

#[test]
fn an_id_the_channel_tells_us_is_kept() {
    let receipt = |user_id: Option<&str>, phone: Option<&str>| SendReceipt {
        provider_message_id: "wamid.1".into(),
        resolved_phone: phone.map(str::to_owned),
        resolved_user_id: user_id.map(str::to_owned),
    };
    assert_eq!(news(&due(), &receipt(None, Some("5511900000001"))), None);
    let change = news(&due(), &receipt(Some("BR.1"), None)).expect("this is news");
    assert_eq!(change.before.phone.as_deref(), Some("5511900000001"));
    assert_eq!(
        (change.after.user_id.as_deref(), change.after.phone.as_deref()),
        (Some("BR.1"), Some("5511900000001"))
    );
}

#[test]
fn a_messages_age_is_read_from_its_id() {
    assert!(age(&due()) < secs(60));
}
