//! Every case in `tests/fixtures/payments`, with the meaning that folder's README gives it.

use std::fs;
use std::path::Path;

use balcao_domain::money::Money;
use balcao_domain::payment::{Admission, CommissionTerms, Fact, FactKind, Lifecycle, Payment, admit};
use serde_json::Value;

use super::{Event, Kind, Reception, Rejected, Request, Secrets, Truth, provider, receive};

/// What the case's order asks for: R$ 137,80.
const EXPECTED_MINOR: i64 = 13_780;
const CASES: usize = 93;
/// 2026-01-15, 13:00:00 UTC.
const PAID_AT: i64 = 1_768_482_000;

struct Case {
    name: String,
    value: Value,
}

impl Case {
    fn text<'c>(&'c self, pointer: &str) -> Option<&'c str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    fn request(&self) -> Request<'_> {
        let shop = self.text("/request/path").unwrap().rsplit('/').next().unwrap();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.value["request"]["query"].as_object().unwrap() {
            query.append_pair(name, value.as_str().unwrap());
        }
        let body = self.text("/request/body_raw").unwrap().as_bytes();
        self.value["request"]["headers"]
            .as_object()
            .unwrap()
            .iter()
            .fold(Request::new(shop, &query.finish(), body), |request, (name, value)| {
                request.with_header(name, value.as_str().unwrap())
            })
    }

    fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::none();
        for key in ["/test_secret", "/test_url_hmac"] {
            if let Some(key) = self.text(key) {
                secrets = secrets.with_key(key);
            }
        }
        if let Some(user) = self.text("/test_basic_user") {
            secrets = secrets.with_key(format!("{user}:{}", self.text("/test_basic_password").unwrap()));
        }
        if let Some(pem) = self.text("/test_public_key_pem") {
            secrets = secrets.with_public_key_pem(pem);
        }
        secrets.require_client_certificate = self.value["require_mtls"].as_bool().unwrap_or(false);
        if let Some(seconds) = self.value["tolerance_seconds"].as_i64() {
            secrets.tolerance_seconds = seconds;
        }
        secrets
    }

    fn now(&self) -> i64 {
        self.value["now_unix"].as_i64().unwrap()
    }

    fn keys(&self) -> Vec<&str> {
        match &self.value["expect"]["dedupe_key"] {
            Value::Array(keys) => keys.iter().map(|key| key.as_str().unwrap()).collect(),
            Value::String(key) => vec![key],
            _ => Vec::new(),
        }
    }

    fn receive(&self) -> Reception {
        let provider = provider(self.text("/provider").unwrap()).unwrap();
        receive(provider, &self.request(), &self.secrets(), self.now())
    }
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/payments");
    let mut cases = Vec::new();
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let value: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            // The providers' API answers lie beside the calls.
            if value.pointer("/request/body_raw").is_some() {
                let name = format!("{}/{}", folder.file_name().unwrap().display(), value["case"]);
                cases.push(Case { name, value });
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

#[test]
fn every_case_is_believed_refused_or_taken_as_a_hint_as_its_folder_says() {
    let cases = cases();
    assert_eq!(cases.len(), CASES);
    for case in &cases {
        let (name, reception) = (&case.name, case.receive());
        let status = case.value["expect"]["http_status"].as_u64().unwrap();
        assert_eq!(u64::from(reception.status()), status, "{name}");
        let action = case.text("/expect/action").unwrap();
        match (case.text("/expect/signature").unwrap(), &reception) {
            ("valid", Reception::Acknowledged) => assert_eq!(action, "ack_only", "{name}"),
            ("valid", Reception::Trusted(_)) => assert!(!matches!(action, "ack_only" | "reject"), "{name}"),
            ("invalid", Reception::Refused { why, .. }) => {
                assert!(matches!(why, Rejected::Mismatch | Rejected::NoClientCertificate), "{name}: {why}");
            }
            ("stale", Reception::Refused { why, .. }) => {
                assert!(matches!(why, Rejected::Stale(_)), "{name}: {why}");
            }
            ("absent", Reception::Hint(_)) => assert_eq!(action, "hint_fetch_only", "{name}"),
            ("absent", Reception::Acknowledged) => assert_eq!(action, "ack_only", "{name}"),
            (signature, other) => panic!("{name}: {signature}, but {other:?}"),
        }
        let events = events_of(reception);
        let keys: Vec<&str> = events.iter().filter_map(|event| event.dedupe_key.as_deref()).collect();
        assert_eq!(keys, case.keys(), "{name}");
        assert_eq!(action_of(case, &events), action, "{name}");
    }
}

#[test]
fn amounts_and_states_come_out_as_each_case_says() {
    let (mut amounts, mut states) = (0, 0);
    for case in cases() {
        let events = events_of(case.receive());
        let expect = &case.value["expect"];
        // Thin calls carry no amount: theirs stands in the provider's answer.
        let carried = events.iter().all(|event| event.truth == Truth::Carried);
        if let (Some(minor), true) = (expect["amount_minor"].as_i64(), carried) {
            let amount = events.last().and_then(|event| event.amount);
            assert_eq!(amount, Some(Money::brl(minor)), "{}", case.name);
            amounts += 1;
        }
        if let (Some(state), true) = (case.text("/expect/payment_state_after"), carried) {
            let (payment, _) = apply(&case, &events);
            assert_eq!(payment.state().as_str(), state, "{}", case.name);
            states += 1;
        }
    }
    assert!(amounts > 30 && states > 40, "{amounts} amounts, {states} states");
}

#[test]
fn the_first_payment_of_every_sender_names_the_order_the_money_and_the_time() {
    const ORDER: Option<&str> = Some("PED-2026-000123");
    const MONEY: Option<&str> = Some("E99999999202601151300a1b2c3d4e5f");
    // Sender, our order, the provider's id or txid, the money's id, seconds after 13:00:00 UTC.
    let table = [
        ("asaas", ORDER, "pay_080225913252", None, Some(5)),
        ("efi-bcb-pix", None, "PED2026000123CASAJABUTICABA01", MONEY, Some(4)),
        ("mercadopago", None, "1316643679", None, Some(4)),
        ("nuvemshop", None, "871254203", None, None),
        ("pagarme", ORDER, "ch_d22356Jf4WuGr8no", MONEY, Some(4)),
        ("pagbank", ORDER, "CHAR_F1F10115-09F4-4560-85F5-A828D9F96300", MONEY, Some(4)),
        ("shopify", ORDER, "5812345678901", None, Some(5)),
        ("standard-webhooks", ORDER, "pay_123", MONEY, Some(4)),
        ("stripe", ORDER, "pi_3CJ000000000000000000123", None, Some(4)),
        ("woocommerce", ORDER, "123", MONEY, Some(5)),
        ("woovi", ORDER, "ea83401ed4834b3ea6f1f283b389af29", MONEY, Some(4)),
    ];
    let cases = cases();
    for (sender, order, id, money, after) in table {
        let case = cases.iter().find(|case| case.name.starts_with(&format!("{sender}/\"01"))).unwrap();
        let events = events_of(case.receive());
        let [event] = events.as_slice() else { panic!("{sender}: {events:?}") };
        assert_eq!(event.reference.order.as_deref(), order, "{sender}");
        let ids = [&event.reference.provider_id, &event.reference.txid];
        assert!(ids.into_iter().flatten().any(|own| own == id), "{sender}: {:?}", event.reference);
        assert_eq!(event.end_to_end_id.as_deref(), money, "{sender}");
        let at = event.occurred_at.map(|at| at.timestamp());
        assert_eq!(at, after.map(|seconds| PAID_AT + seconds), "{sender}");
    }
    let asaas = cases.iter().find(|case| case.name.starts_with("asaas/\"01")).unwrap();
    assert_eq!(events_of(asaas.receive())[0].fee, Some(Money::brl(99)));
}

#[test]
fn one_changed_byte_of_a_signed_body_refuses_the_call() {
    const BODY_IS_SIGNED: [&str; 7] =
        ["nuvemshop", "pagbank", "shopify", "standard-webhooks", "stripe", "woocommerce", "woovi"];
    let mut refused = 0;
    for case in cases() {
        let name = case.text("/provider").unwrap();
        if !BODY_IS_SIGNED.contains(&name) || case.text("/expect/signature") != Some("valid") {
            continue;
        }
        let mut request = case.request();
        let mut changed = request.body.to_vec();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        request.body = &changed;
        let verified = provider(name).unwrap().verify(&request, &case.secrets(), case.now());
        assert_eq!(verified, Err(Rejected::Mismatch), "{}", case.name);
        refused += 1;
    }
    assert!(refused > 35, "{refused}");
}

#[test]
fn woovis_old_signatures_count_while_there_is_no_public_key() {
    for case in cases().into_iter().filter(|case| case.text("/provider") == Some("woovi")) {
        let secrets = Secrets::none().with_legacy_key(case.text("/test_secret_hmac_sha1").unwrap());
        let verified = provider("woovi").unwrap().verify(&case.request(), &secrets, case.now());
        assert_eq!(verified.is_ok(), case.text("/expect/signature") == Some("valid"), "{}", case.name);
    }
}

fn events_of(reception: Reception) -> Vec<Event> {
    match reception {
        Reception::Trusted(events) | Reception::Hint(events) => events,
        _ => Vec::new(),
    }
}

/// The payment before the call: nothing known, or what the case's precondition says.
fn before(case: &Case) -> Vec<Fact> {
    let lifecycle =
        |to| Fact { key: "before".to_owned(), kind: FactKind::Lifecycle { to, new_attempt: false } };
    let seen = case.value.pointer("/precondition/seen").and_then(Value::as_array);
    let key = seen.and_then(|keys| keys.first()?.as_str()).map_or_else(|| paid_key(case), str::to_owned);
    let known_before =
        || Fact { key, kind: FactKind::Receipt { minor: EXPECTED_MINOR, fee_minor: paid_fee(case) } };
    match case.text("/precondition/payment_state") {
        Some("PAID") => vec![lifecycle(Lifecycle::Pending), known_before()],
        Some("EXPIRED") => vec![lifecycle(Lifecycle::Expired)],
        _ if seen.is_some_and(|keys| !keys.is_empty()) => vec![lifecycle(Lifecycle::Pending), known_before()],
        _ => vec![lifecycle(Lifecycle::Pending)],
    }
}

/// What the folder's first case reported: its payment is the one all others are about.
fn paid(case: &Case) -> Option<Fact> {
    let first = cases().into_iter().find(|other| {
        other.text("/provider") == case.text("/provider")
            && other.value["case"].as_str().unwrap().starts_with("01")
    })?;
    events_of(first.receive()).first()?.fact(0)
}

fn paid_key(case: &Case) -> String {
    paid(case).map_or_else(|| "before:paid".to_owned(), |fact| fact.key)
}

fn paid_fee(case: &Case) -> i64 {
    match paid(case).map(|fact| fact.kind) {
        Some(FactKind::Receipt { fee_minor, .. }) => fee_minor,
        _ => 0,
    }
}

/// Applies a call's facts, and tells whether any was news that moved something.
fn apply(case: &Case, events: &[Event]) -> (Payment, bool) {
    let mut facts = before(case);
    let expected = match case.text("/expect/notes") {
        // This one call is about another order, of R$ 50,00.
        Some("other order: PED-2026-000124") => Money::brl(5000),
        _ => Money::brl(EXPECTED_MINOR),
    };
    let mut payment = Payment::replay(expected, CommissionTerms::none(), &facts).unwrap();
    let mut moved = false;
    for event in events {
        let Some(fact) = event.fact(payment.refunded().minor()) else { continue };
        let known = facts.iter().find(|known| known.key == fact.key);
        match admit(known, &fact) {
            Admission::New => {
                let change = payment.apply(&fact).unwrap();
                // A refund that failed moves no money, but ends a refund that was asked for.
                moved |= change.moved || fact.kind == FactKind::RefundFailed;
                payment = change.payment;
                facts.push(fact);
            }
            Admission::Duplicate => {}
            Admission::Conflict => panic!("{}: {fact:?} against {known:?}", case.name),
        }
    }
    (payment, moved)
}

/// What is done about a call, from its events and from what is known.
fn action_of(case: &Case, events: &[Event]) -> &'static str {
    let reception = case.receive();
    match &reception {
        Reception::Refused { .. } => return "reject",
        Reception::Acknowledged => return "ack_only",
        Reception::Hint(_) => return "hint_fetch_only",
        Reception::SetAside(_) => return "set aside",
        Reception::Trusted(_) => {}
    }
    // The README's "stored before" is the case's word for a second delivery of the same bytes.
    let redelivered = case.value["case"].as_str().unwrap().starts_with("03-")
        && case.text("/expect/action") == Some("duplicate_ack");
    if redelivered {
        let first: Vec<_> = cases()
            .into_iter()
            .filter(|other| other.text("/provider") == case.text("/provider") && other.name != case.name)
            .flat_map(|other| events_of(other.receive()))
            .filter_map(|event| event.dedupe_key)
            .collect();
        let known =
            events.iter().all(|event| event.dedupe_key.as_ref().is_some_and(|key| first.contains(key)));
        return if known { "duplicate_ack" } else { "a key that another delivery does not have" };
    }
    if events.iter().all(|event| event.kind == Kind::Other) {
        return "stored_ignored";
    }
    if events.iter().any(|event| event.truth == Truth::Fetch) {
        // Whether the truth changes anything depends on what is known already.
        return match case.text("/precondition/payment_state") {
            Some("PAID") => "fetch_then_noop",
            _ => "fetch_then_process",
        };
    }
    if case.text("/provider") == Some("efi-bcb-pix") {
        let ours =
            |event: &Event| event.reference.txid.as_deref().is_some_and(|txid| txid.starts_with("PED2026"));
        if !events.iter().all(ours) {
            return "park_unmatched";
        }
        let mut payments: Vec<_> = events.iter().map(|event| &event.reference.txid).collect();
        payments.dedup();
        if payments.len() > 1 {
            return "mixed";
        }
    }
    if apply(case, events).1 { "process" } else { "stored_no_transition" }
}
