//! What no fixture shows: doubled and missing headers, clocks, broken bodies, rotation, and arbitrary bytes.

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::Sha256;

use super::{Kind, PROVIDERS, Reception, Rejected, Request, Secrets, Unsigned, provider, receive};

const NOW: i64 = 1_768_482_010;
const BODY: &[u8] = br#"{"id":"evt_1","type":"payment_intent.processing","data":{"object":{}}}"#;

fn hex_hmac(key: &str, text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text);
    hex::encode(mac.finalize().into_bytes())
}

fn stripe_header(key: &str, at: i64, body: &[u8]) -> String {
    let text = [at.to_string().as_bytes(), b".", body].concat();
    format!("t={at},v1={}", hex_hmac(key, &text))
}

fn stripe(header: &str, body: &[u8]) -> Result<(), Rejected> {
    let request = Request::new("loja", "", body).with_header("STRIPE-SIGNATURE", header);
    provider("stripe").unwrap().verify(&request, &Secrets::none().with_key("k"), NOW)
}

#[test]
fn providers_are_found_by_their_own_names_only() {
    for one in PROVIDERS {
        assert_eq!(provider(one.name()).unwrap().name(), one.name());
    }
    assert!(provider("paypal").is_none());
}

#[test]
fn a_shop_without_keys_refuses_every_sender() {
    for one in PROVIDERS {
        let request = Request::new("loja", "hmac=", BODY)
            .with_header("x-signature", "ts=1768482010,v1=00")
            .with_header("x-authenticity-token", "00")
            .with_header("x-wc-webhook-signature", "AA==");
        for secrets in [Secrets::none(), Secrets::none().with_key("").with_legacy_key("")] {
            assert_eq!(one.verify(&request, &secrets, NOW), Err(Rejected::NoKey), "{}", one.name());
        }
    }
}

#[test]
fn a_call_without_signature_is_never_trusted() {
    let secrets = Secrets::none().with_key("aw==").with_legacy_key("k");
    for one in PROVIDERS {
        let request = Request::new("loja", "", BODY);
        assert_eq!(one.verify(&request, &secrets, NOW), Err(Rejected::Absent), "{}", one.name());
        let reception = receive(one, &request, &secrets, NOW);
        assert!(!matches!(reception, Reception::Trusted(_)), "{}", one.name());
        if one.unsigned(&request) == Unsigned::Refused {
            assert_eq!(reception.status(), one.refusal_status(), "{}", one.name());
        }
    }
}

#[test]
fn a_doubled_signature_header_is_refused_even_if_one_is_right() {
    let good = stripe_header("k", NOW, BODY);
    let request = Request::new("loja", "", BODY)
        .with_header("Stripe-Signature", good.clone())
        .with_header("stripe-signature", good);
    let verified = provider("stripe").unwrap().verify(&request, &Secrets::none().with_key("k"), NOW);
    assert_eq!(verified, Err(Rejected::Doubled("stripe-signature")));
}

#[test]
fn a_doubled_url_secret_is_refused_even_if_one_is_right() {
    let request = Request::new("loja", "hmac=certo&hmac=errado", b"{}");
    let secrets = Secrets::none().with_key("certo");
    let verified = provider("efi-bcb-pix").unwrap().verify(&request, &secrets, NOW);
    assert_eq!(verified, Err(Rejected::Doubled("hmac")));
}

#[test]
fn the_time_of_signing_may_be_five_minutes_away_in_both_directions_and_no_more() {
    for at in [NOW - 300, NOW, NOW + 300] {
        assert_eq!(stripe(&stripe_header("k", at, BODY), BODY), Ok(()));
    }
    assert_eq!(stripe(&stripe_header("k", NOW - 301, BODY), BODY), Err(Rejected::Stale(301)));
    assert_eq!(stripe(&stripe_header("k", NOW + 301, BODY), BODY), Err(Rejected::Stale(-301)));
}

#[test]
fn two_times_of_signing_are_refused() {
    let header = format!("t=1,{}", stripe_header("k", NOW, BODY));
    assert_eq!(stripe(&header, BODY), Err(Rejected::Doubled("stripe-signature")));
}

#[test]
fn a_signature_of_another_length_does_not_match() {
    let good = stripe_header("k", NOW, BODY);
    assert_eq!(stripe(&good[..good.len() - 2], BODY), Err(Rejected::Mismatch));
    assert_eq!(stripe(&format!("{good}00"), BODY), Err(Rejected::Mismatch));
    assert_eq!(stripe(&format!("t={NOW},v1="), BODY), Err(Rejected::Mismatch));
    assert_eq!(stripe(&format!("t={NOW}"), BODY), Err(Rejected::Mismatch));
}

#[test]
fn a_downgraded_version_is_not_looked_at() {
    let good = stripe_header("k", NOW, BODY).replace("v1=", "v0=");
    assert_eq!(stripe(&good, BODY), Err(Rejected::Mismatch));
}

#[test]
fn the_old_and_the_new_key_are_good_while_keys_rotate() {
    let secrets = Secrets::none().with_key("novo").with_key("velho");
    let sender = provider("nuvemshop").unwrap();
    for (key, verified) in [("novo", Ok(())), ("velho", Ok(())), ("outro", Err(Rejected::Mismatch))] {
        let request =
            Request::new("loja", "", BODY).with_header("X-Linkedstore-Hmac-Sha256", hex_hmac(key, BODY));
        assert_eq!(sender.verify(&request, &secrets, NOW), verified, "{key}");
    }
}

#[test]
fn woocommerce_signs_with_the_decoded_secret() {
    use base64::Engine;
    let digest = hex::decode(hex_hmac("a&b", BODY)).unwrap();
    let shown = base64::engine::general_purpose::STANDARD.encode(digest);
    let request = Request::new("loja", "", BODY).with_header("X-WC-Webhook-Signature", shown);
    let secrets = Secrets::none().with_key("a&amp;b");
    assert_eq!(provider("woocommerce").unwrap().verify(&request, &secrets, NOW), Ok(()));
}

#[test]
fn woovi_does_not_fall_back_to_the_old_recipe_where_there_is_a_public_key() {
    let secrets = Secrets::none().with_legacy_key("k").with_public_key_pem("not a key");
    let request = Request::new("loja", "", BODY).with_header("X-OpenPix-Signature", "AAAA");
    assert_eq!(provider("woovi").unwrap().verify(&request, &secrets, NOW), Err(Rejected::Absent));
}

#[test]
fn the_published_vector_of_standard_webhooks_verifies() {
    let request = Request::new("loja", "", br#"{"test": 2432232314}"#)
        .with_header("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
        .with_header("webhook-timestamp", "1614265330")
        .with_header("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let secrets = Secrets::none().with_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let sender = provider("standard-webhooks").unwrap();
    assert_eq!(sender.verify(&request, &secrets, 1_614_265_330), Ok(()));
}

#[test]
fn a_genuine_body_that_is_cut_off_or_no_utf8_is_set_aside_with_200() {
    for body in [&BODY[..BODY.len() - 3], b"{\"id\":\"\xff\"}", b"", b"null", b"[]", b"{}{}"] {
        let request =
            Request::new("loja", "", body).with_header("Stripe-Signature", stripe_header("k", NOW, body));
        let reception = receive(provider("stripe").unwrap(), &request, &Secrets::none().with_key("k"), NOW);
        assert!(matches!(reception, Reception::SetAside(_)), "{reception:?}");
        assert_eq!(reception.status(), 200);
    }
}

#[test]
fn an_unsigned_body_that_cannot_be_read_is_refused() {
    let request = Request::new("loja", "", b"{");
    let secrets = Secrets::none().with_key("k");
    assert_eq!(receive(provider("pagbank").unwrap(), &request, &secrets, NOW).status(), 401);
}

#[test]
fn a_refusal_says_nothing_of_keys_or_digests() {
    let header = format!("t={NOW},v1={}", "00".repeat(32));
    let why = stripe(&header, BODY).unwrap_err();
    assert_eq!(why.to_string(), "the signature does not match");
    assert!(!format!("{:?}", Secrets::none().with_key("segredo")).contains("segredo"));
}

#[test]
fn mercadopago_does_not_follow_a_body_that_names_another_payment_than_the_signed_query() {
    let body = br#"{"id":1,"type":"payment","data":{"id":"2"}}"#;
    let sender = provider("mercadopago").unwrap();
    assert!(sender.events(&Request::new("loja", "data.id=1&type=payment", body)).is_err());
    let events = sender.events(&Request::new("loja", "data.id=2&type=payment", body)).unwrap();
    assert_eq!(events[0].kind, Kind::Changed);
}

const HEADERS: [&str; 17] = [
    "stripe-signature",
    "x-signature",
    "x-request-id",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "svix-signature",
    "asaas-access-token",
    "x-authenticity-token",
    "authorization",
    "x-ssl-client-verify",
    "x-shopify-hmac-sha256",
    "x-shopify-topic",
    "x-wc-webhook-signature",
    "x-wc-webhook-topic",
    "x-linkedstore-hmac-sha256",
    "x-webhook-signature",
];

proptest! {
    // No file of failures: it would be written among the workspace's members.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_sender_panics_or_trusts_whatever_comes(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            r#"\{"(id|event|type|pix|charges|data)":("[a-z_/.]{0,12}"|[0-9.e-]{1,20}|null|\[\]|\{\})\}"#
                .prop_map(String::into_bytes),
        ],
        query in "[a-z.=&%0-9/]{0,40}",
        headers in proptest::collection::vec(
            (proptest::sample::select(&HEADERS[..]), "(t=[0-9]{0,22},|ts=[0-9]{0,22},|)(v1[=,]|Basic |)\\PC{0,40}"),
            0..6,
        ),
        now in any::<i64>(),
    ) {
        let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
        let request = headers.iter().fold(Request::new("loja", &query, &body), |request, (name, value)| {
            request.with_header(*name, value.as_str())
        });
        let long = "c2VncmVkby1sb25nby1kZS1wcm92YQ==";
        for one in PROVIDERS {
            for secrets in [Secrets::none().with_key(long), Secrets::none().with_public_key_pem(pem)] {
                prop_assert!(one.verify(&request, &secrets, now).is_err());
                let _ = one.events(&request);
                prop_assert!(!matches!(receive(one, &request, &secrets, now), Reception::Trusted(_)));
            }
        }
    }
}
