use balcao_emulators::whatsapp::validate;
use proptest::prelude::*;

use super::*;

fn option(id: &str, title: &str) -> ReplyOption {
    ReplyOption { id: id.into(), title: title.into(), description: None }
}

fn reply(text: &str, options: Vec<ReplyOption>) -> Reply {
    Reply { text: text.into(), options, ..Reply::default() }
}

fn rendered(reply: &Reply) -> Vec<Outgoing> {
    render(reply, Language::Portuguese)
}

/// The emulator's opinion of a rendered message, as it would be sent.
fn checked(message: &Outgoing) -> validate::Message {
    let mut body = message.body.clone();
    body["messaging_product"] = json!("whatsapp");
    body["to"] = json!("+5511900000001");
    validate::message(&body).unwrap_or_else(|e| panic!("{e:?}: {body}"))
}

fn kinds(messages: &[Outgoing]) -> Vec<&str> {
    messages.iter().map(|m| m.body["interactive"]["type"].as_str().unwrap_or(&m.kind)).collect()
}

#[test]
fn an_answer_is_one_message_where_it_fits() {
    let text = format!("{} fim.", "Uma frase de tamanho comum. ".repeat(140));
    assert!(length(&text) < MAX_TEXT);
    assert_eq!(rendered(&Reply::text(text)).len(), 1);
}

#[test]
fn a_longer_answer_is_cut_at_the_end_of_a_sentence() {
    let text = "Uma frase de tamanho comum. ".repeat(200);
    let messages = rendered(&Reply::text(text.clone()));
    assert_eq!(messages.len(), 2);
    assert!(messages[0].text.ends_with("comum.") && messages[1].text.starts_with("Uma frase"));
    let words = |s: &str| s.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&format!("{} {}", messages[0].text, messages[1].text)), words(&text));
}

#[test]
fn an_empty_reply_sends_nothing() {
    for text in ["", "  \n", "---", "\u{0}"] {
        assert!(rendered(&Reply::text(text)).is_empty(), "{text:?}");
    }
}

#[test]
fn a_few_short_options_are_buttons_more_are_a_list_many_are_numbers() {
    let options = |n: usize| (0..n).map(|i| option(&format!("o{i}"), &format!("Opção {i}"))).collect();
    assert_eq!(kinds(&rendered(&reply("Escolha", options(1)))), ["button"]);
    assert_eq!(kinds(&rendered(&reply("Escolha", options(3)))), ["button"]);
    assert_eq!(kinds(&rendered(&reply("Escolha", options(4)))), ["list"]);
    assert_eq!(kinds(&rendered(&reply("Escolha", options(10)))), ["list"]);
    let many = rendered(&reply("Escolha", options(11)));
    assert_eq!(kinds(&many), ["text"]);
    assert!(many[0].text.starts_with("Escolha\n\n1. Opção 0\n") && many[0].text.ends_with("\n11. Opção 10"));
}

#[test]
fn what_a_button_cannot_show_makes_a_list() {
    let long = vec![option("a", "Quero falar com uma pessoa da loja"), option("b", "Não")];
    let messages = rendered(&reply("E agora?", long));
    assert_eq!(kinds(&messages), ["list"]);
    let row = &messages[0].body["interactive"]["action"]["sections"][0]["rows"][0];
    assert_eq!(row["title"], "Quero falar com uma pes…");
    assert_eq!(row["description"], "Quero falar com uma pessoa da loja");
    let described = ReplyOption { description: Some("1 dia útil".into()), ..option("a", "Sedex") };
    assert_eq!(kinds(&rendered(&reply("Frete?", vec![described]))), ["list"]);
}

#[test]
fn a_long_text_with_options_is_still_one_message_as_a_list() {
    let text = "Uma frase de tamanho comum. ".repeat(60);
    let messages = rendered(&reply(&text, vec![option("sim", "Sim"), option("nao", "Não")]));
    assert_eq!(kinds(&messages), ["list"]);
    // With ids only buttons can carry, the beginning goes before them.
    let long_ids = vec![option(&"s".repeat(250), "Sim"), option("nao", "Não")];
    let messages = rendered(&reply(&text, long_ids));
    assert_eq!(kinds(&messages), ["text", "button"]);
    assert!(messages[0].text.ends_with("comum."));
    messages.iter().for_each(|m| drop(checked(m)));
}

#[test]
fn equal_titles_are_told_apart_and_equal_ids_are_not_tapped() {
    let messages = rendered(&reply("?", vec![option("a", "Ver"), option("b", "Ver")]));
    let titles = &messages[0].body["interactive"]["action"]["buttons"];
    assert_eq!(
        (&titles[0]["reply"]["title"], &titles[1]["reply"]["title"]),
        (&json!("Ver"), &json!("Ver (2)"))
    );
    let messages = rendered(&reply("?", vec![option("a", "Sim"), option("a", "Não")]));
    assert_eq!(kinds(&messages), ["text"]);
}

#[test]
fn options_without_words_still_have_a_body() {
    let messages = rendered(&reply("", vec![option("a", "Sim")]));
    assert_eq!(kinds(&messages), ["button"]);
    assert_eq!(checked(&messages[0]).text, "👇\n[Sim]");
    // What cannot be shown or acted on is left out.
    assert!(rendered(&reply("", vec![option("a", " "), option("", "x")])).is_empty());
}

#[test]
fn the_history_reads_as_the_customer_saw_it() {
    let messages = rendered(&reply("**Confirma**?", vec![option("s", "Sim"), option("n", "Não")]));
    assert_eq!(messages[0].text, "*Confirma*?\n[Sim] [Não]");
}

#[test]
fn sources_are_named_once_and_only_where_the_answer_does_not() {
    let source = |title: &str| Source {
        title: title.into(),
        uri: "docs/x.md".into(),
        headings: vec![],
        quote: "…".into(),
    };
    let mut answer = Reply::text("São 30 dias.");
    answer.sources = vec![source("Política de trocas"), source("Política de trocas"), source("Fretes")];
    assert_eq!(rendered(&answer)[0].text, "São 30 dias.\n\n📄 _Política de trocas · Fretes_");
    answer.text = "Segundo a politica de trocas, são 30 dias (fretes à parte).".into();
    assert_eq!(rendered(&answer)[0].text, answer.text);
    answer.text = "a".repeat(MAX_TEXT);
    assert_eq!(rendered(&answer).len(), 1, "a source is not worth a second message");
}

#[test]
fn the_list_label_is_in_the_shops_language() {
    let options: Vec<ReplyOption> = (0..5).map(|i| option(&i.to_string(), &format!("{i}."))).collect();
    let english = render(&reply("Pick", options), Language::English);
    assert_eq!(english[0].body["interactive"]["action"]["button"], "See options");
}

/// Text with everything that has ever broken a renderer.
fn any_text(max: usize) -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        "\\PC{0,30}",
        Just("**b** _i_ [l](https://x.example) `c`\n".to_owned()),
        Just("👨‍👩‍👧‍👦🇧🇷é\u{301}".to_owned()),
        Just("# T\n\n- a\n  - b\n\n| a | b |\n|---|---|\n| 1 | 2 |\n".to_owned()),
        Just("Uma frase inteira, com ponto. ".repeat(20)),
        Just("\u{0}\u{7}\r\n\t ".to_owned()),
        Just("sempalavras".repeat(60)),
    ];
    prop::collection::vec(pieces, 0..max).prop_map(|pieces| pieces.concat())
}

fn any_option() -> impl Strategy<Value = ReplyOption> {
    let id = prop_oneof!["[a-z:]{1,12}", "[a-z]{190,260}", "\\PC{0,8}"];
    let title = prop_oneof!["\\PC{0,60}", "[A-Za-z ]{1,30}", Just("👨‍👩‍👧‍👦".repeat(4)), Just("Sim".to_owned())];
    let description = prop::option::of("\\PC{0,120}");
    (id, title, description).prop_map(|(id, title, description)| ReplyOption { id, title, description })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_said_whatsapp_accepts_it(
        text in any_text(14),
        options in prop::collection::vec(any_option(), 0..13),
    ) {
        for message in rendered(&reply(&text, options)) {
            let seen = checked(&message);
            prop_assert_eq!(seen.kind, message.kind);
            prop_assert!(!message.text.trim().is_empty());
        }
    }
}

#[test]
fn a_code_to_be_copied_stands_alone_in_the_last_message_untouched() {
    let code = "00020126*_~5204";
    let reply = Reply { copyable: Some(code.into()), ..Reply::text("Copie o código abaixo.") };
    let messages = rendered(&reply);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].body["text"]["body"], code);
}
