//! Turns without a model.

use balcao_domain::{
    Language,
    inbound::{CartLine, Content, MediaKind},
    turn::{Action, Path, Reason},
};

use super::fakes::*;
use crate::Author;

#[tokio::test]
async fn without_a_model_a_question_is_answered_in_the_shops_own_words_with_their_source() {
    let outcome = counter(None, 0.9).hears("oi, quanto custa o frete?").await;
    assert_eq!((outcome.path, outcome.reason), (Path::Rules, Reason::NoModel));
    let reply = outcome.reply.as_ref().expect("a reply");
    assert!(reply.text.contains("O frete para capitais custa R$ 19,90."), "{}", reply.text);
    assert!(reply.text.contains("Fonte: Entrega"), "{}", reply.text);
    assert_eq!(reply.sources[0].uri, "Entrega.md");
    assert!(documents()[0].text.contains(
        reply.sources[0].quote.lines().next().expect("a line").split(". ").next().expect("a sentence")
    ));
    assert_eq!(outcome.evidence.passages.len(), 2);
    assert_eq!(outcome.evidence.confidence, Some(0.9));
}

#[tokio::test]
async fn each_question_gets_the_sentence_that_answers_it() {
    let counter = counter(None, 0.9);
    for (question, answer) in [
        ("qual o prazo de entrega?", "A entrega leva de 3 a 5 dias úteis."),
        ("posso trocar um produto?", "Você pode trocar qualquer produto em até 30 dias após o recebimento."),
        ("qto é o frete", "O frete para capitais custa R$ 19,90."),
    ] {
        let outcome = counter.hears(question).await;
        assert!(words(&outcome).starts_with(answer), "{question}: {}", words(&outcome));
    }
}

#[tokio::test]
async fn when_retrieval_is_not_sure_the_shop_says_so_and_offers_a_person() {
    let counter = counter(None, 0.2);
    let outcome = counter.hears("vocês vendem pneus?").await;
    assert_eq!(outcome.evidence.intent.as_deref(), Some("unsure"));
    assert_eq!(buttons(&outcome), ["human:yes", "menu"]);
    assert!(words(&outcome).contains("Loja Teste"));
    let english = counter.hears("do you sell tyres?").await;
    assert!(words(&english).contains("someone from Loja Teste"), "{}", words(&english));
}

#[tokio::test]
async fn yes_to_the_offer_of_a_person_calls_one_and_yes_to_anything_else_does_not() {
    let counter = counter(None, 0.2);
    let offer = words(&counter.hears("vocês vendem pneus?").await).to_owned();
    for (last, text, called) in [
        (offer.as_str(), "sim", true),
        (offer.as_str(), "pode ser", true),
        (offer.as_str(), "não", false),
        ("Temos em azul e verde.", "sim", false),
    ] {
        let mut turn = counter.turn(vec![say(text)]);
        turn.history = vec![said(Author::Customer, "vocês vendem pneus?"), said(Author::Agent, last)];
        let (outcome, _) = counter.play(turn).await;
        assert_eq!(matches!(outcome.action, Action::HandOff { .. }), called, "{text} after {last}");
    }
}

#[tokio::test]
async fn small_talk_is_answered_by_time_and_name_without_a_search() {
    let counter = counter(None, 0.9);
    let mut turn = counter.turn(vec![say("oi")]);
    turn.customer_name = Some("MARIA da Silva".into());
    let (outcome, _) = counter.play(turn).await;
    assert_eq!(words(&outcome), "Bom dia, Maria! Aqui é da Loja Teste. Como posso ajudar?");
    assert_eq!(outcome.evidence.intent.as_deref(), Some("greeting"));
    assert!(counter.search.requests().is_empty());
    let bye = counter.hears("tchau!").await;
    assert_eq!(bye.action, Action::End);
}

#[tokio::test]
async fn opening_hours_are_true_now() {
    let mut counter = counter(None, 0.1);
    counter.tenant.slug = "loja-aurora".into();
    let outcome = counter.hears("vcs tão abertos agora?").await;
    assert!(words(&outcome).starts_with("Estamos abertos agora, até às 18h."), "{}", words(&outcome));
    let mut turn = counter.turn(vec![say("are you open now?")]);
    turn.now += chrono::Duration::hours(12);
    let (outcome, _) = counter.play(turn).await;
    assert!(words(&outcome).starts_with("We are closed now."), "{}", words(&outcome));
}

#[tokio::test]
async fn a_shop_without_hours_in_its_pack_answers_them_from_its_documents() {
    let search = FakeSearch {
        hits: vec![hit(3, "Horários", "Abrimos de segunda a sexta, das 9h às 18h.")],
        confidence: 0.8,
        ..FakeSearch::default()
    };
    let outcome = counter_with(None, search).hears("qual o horário de funcionamento?").await;
    assert!(words(&outcome).starts_with("Abrimos de segunda a sexta"), "{}", words(&outcome));
}

#[tokio::test]
async fn our_own_buttons_act_by_their_id_whatever_is_written_on_them() {
    let counter = counter(None, 0.9);
    for (id, intent, hand_off) in [
        ("human:yes", "human", true),
        ("menu", "menu", false),
        ("intent:order_status", "order_status", false),
    ] {
        let (outcome, _) = counter.play(counter.turn(vec![tap(id, "não importa")])).await;
        assert_eq!(outcome.evidence.intent.as_deref(), Some(intent));
        assert_eq!(outcome.reason, Reason::RuleFirst);
        assert_eq!(matches!(outcome.action, Action::HandOff { .. }), hand_off);
    }
    let (foreign, _) = counter.play(counter.turn(vec![tap("intent:nothing", "Quanto custa o frete?")])).await;
    assert!(words(&foreign).contains("R$ 19,90"), "the words on an unknown button count");
}

#[tokio::test]
async fn who_opted_out_hears_nothing_until_they_come_back_or_want_a_person() {
    let counter = counter(None, 0.9);
    assert_eq!(counter.hears("parar").await.action, Action::OptOut);
    for (text, path, reason, action) in [
        ("quanto custa o frete?", Path::Silent, Reason::OptedOut, Action::Continue),
        ("parar", Path::Silent, Reason::OptedOut, Action::Continue),
        ("voltar", Path::Rules, Reason::RuleFirst, Action::OptIn),
    ] {
        let mut turn = counter.turn(vec![say(text)]);
        turn.opted_out = true;
        let (outcome, _) = counter.play(turn).await;
        assert_eq!((outcome.path, outcome.reason, outcome.action), (path, reason, action), "{text}");
        assert_eq!(outcome.reply.is_none(), path == Path::Silent, "{text}");
    }
    let mut turn = counter.turn(vec![say("quero falar com um atendente")]);
    turn.opted_out = true;
    assert!(matches!(counter.play(turn).await.0.action, Action::HandOff { .. }));
    // Who never left is not welcomed back.
    let start = counter.hears("start").await;
    assert_eq!((start.evidence.intent.as_deref(), start.action), (Some("menu"), Action::Continue));
}

#[tokio::test]
async fn what_is_not_words_is_answered_civilly_and_says_what_arrived() {
    let counter = counter(None, 0.9);
    let cart = Content::Cart {
        catalog_id: "c".into(),
        note: None,
        lines: vec![CartLine {
            retailer_id: "x".into(),
            quantity: 2,
            claimed_price: "0.01".into(),
            currency: "BRL".into(),
        }],
    };
    for (content, intent, part) in [
        (media(MediaKind::Audio, None), "audio", "áudio"),
        (media(MediaKind::Image, None), "image", "imagem"),
        (media(MediaKind::Document, None), "document", "arquivo"),
        (
            Content::Location { latitude: 0.0, longitude: 0.0, name: None, address: None },
            "location",
            "localização",
        ),
        (Content::Unsupported { inner: None, code: None }, "unsupported", "não consigo abrir"),
        (
            Content::Unknown { type_name: "x".into(), raw: serde_json::json!({}) },
            "unsupported",
            "não consigo abrir",
        ),
        (Content::Welcome, "welcome", "Bem-vindo"),
        (cart, "cart", "carrinho com 1 item"),
    ] {
        let (outcome, _) = counter.play(counter.turn(vec![content])).await;
        assert_eq!(outcome.evidence.intent.as_deref(), Some(intent));
        assert!(words(&outcome).contains(part), "{intent}: {}", words(&outcome));
        assert!(!words(&outcome).contains("0.01"), "a claimed price is not repeated");
    }
    let mut english = counter.turn(vec![media(MediaKind::Audio, None)]);
    english.language = Some(Language::English);
    assert!(words(&counter.play(english).await.0).contains("voice message"));
}

#[tokio::test]
async fn a_question_under_a_picture_is_answered_and_the_picture_acknowledged() {
    let counter = counter(None, 0.9);
    let turn = counter.turn(vec![media(MediaKind::Image, Some("posso trocar este produto?"))]);
    let (outcome, _) = counter.play(turn).await;
    assert!(words(&outcome).contains("30 dias") && words(&outcome).contains("imagem"), "{}", words(&outcome));
}

#[tokio::test]
async fn reactions_and_stickers_are_met_with_silence() {
    let counter = counter(None, 0.9);
    let reaction = Content::Reaction { message_id: "m".into(), emoji: Some("👍".into()) };
    let (outcome, _) = counter.play(counter.turn(vec![reaction, media(MediaKind::Sticker, None)])).await;
    assert_eq!((outcome.path, outcome.reason, outcome.reply), (Path::Silent, Reason::NothingAsked, None));
}

#[tokio::test]
async fn a_burst_is_one_question_with_its_history() {
    let counter = counter(None, 0.9);
    let mut turn = counter.turn(vec![say("oi"), say("tudo bem?"), say("e o prazo de entrega?")]);
    turn.history = vec![
        said(Author::Customer, "vocês têm velas?"),
        said(Author::Agent, "Temos!"),
        said(Author::Customer, "de lavanda?"),
        said(Author::Agent, "Sim."),
        said(Author::Customer, "a grande"),
    ];
    let (outcome, _) = counter.play(turn).await;
    let (ctx, request) = counter.search.requests().remove(0);
    assert_eq!(ctx.tenant_id, counter.tenant.tenant_id);
    assert_eq!(request.query, "e o prazo de entrega?");
    assert_eq!(request.previous, ["de lavanda?", "a grande"]);
    assert!(words(&outcome).contains("3 a 5 dias úteis"));
}

#[tokio::test]
async fn thanks_before_a_question_do_not_hide_it() {
    let outcome = counter(None, 0.9).hears("Obrigado! E quanto custa o frete?").await;
    assert!(words(&outcome).contains("R$ 19,90"), "{}", words(&outcome));
}

#[tokio::test(start_paused = true)]
async fn a_search_that_hangs_costs_a_moment_and_not_the_answer() {
    let counter = counter_with(None, FakeSearch { hangs: true, ..FakeSearch::default() });
    let began = tokio::time::Instant::now();
    let outcome = counter.hears("quanto custa o frete?").await;
    assert!(began.elapsed() <= std::time::Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(outcome.evidence.intent.as_deref(), Some("unsure"));
    assert_eq!(outcome.evidence.errors.len(), 1);
}

#[tokio::test]
async fn the_stages_and_the_pack_are_on_record() {
    let outcome = counter(None, 0.9).hears("quanto custa o frete?").await;
    let stages: Vec<&str> = outcome.evidence.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(stages, ["gather", "retrieve", "rules"]);
    assert!(outcome.evidence.rule_pack.as_deref().is_some_and(|pack| pack.starts_with("default.pt@")));
    assert_eq!(outcome.evidence.query.as_deref(), Some("quanto custa o frete?"));
}
