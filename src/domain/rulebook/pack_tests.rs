//! What a shop owner is told about a mistake, and how packs build on each other.

use chrono::{DateTime, TimeZone, Utc};

use super::utterances::base;
use super::*;

/// A shop's pack: two lines of heading, then what the test is about.
fn shop(rest: &str) -> Result<RulePack, PackError> {
    RulePack::parse_with(
        &format!("language = \"pt\"\nextends = [\"default.en\", \"default.pt\"]\n{rest}"),
        &base,
    )
}

fn scene(seed: u64) -> Scene<'static> {
    Scene { shop: "Aurora", now: noon(), seed, ..Scene::default() }
}

fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 25, 15, 0, 0).single().expect("a real time")
}

#[test]
fn every_mistake_is_told_with_its_line_and_a_way_out() {
    for (rest, told) in [
        (
            "[intent.greting]",
            "line 3: unknown intent `greting` (did you mean `greeting`? An intent of your own is `[custom.greting]`)",
        ),
        (
            "[custom.greeting]\nanswers = [\"a\"]",
            "line 3: `greeting` is an intent of Balcão (write `[intent.greeting]`)",
        ),
        (
            "[custom.wifi]\nphrases = [\"wifi\"]",
            "line 3: `[custom.wifi]` has no answer (add `answers = [\"…\"]`, or extend a default pack)",
        ),
        ("[note.unsur]\nanswers = [\"a\"]", "line 3: unknown note `unsur` (did you mean `unsure`?)"),
        ("[inten.x]", "line 3: unknown section `inten` (did you mean `intent`?)"),
        ("[intent.thanks]\nanswer = [\"a\"]", "line 4: unknown setting `answer` (did you mean `answers`?)"),
        (
            "[intent.thanks]\nanswers = [\"de nada, {nme}\"]",
            "line 4: unknown slot `{nme}` (did you mean `{name}`?)",
        ),
        (
            "[intent.thanks]\nanswers = [\n  \"ok\",\n  \"de nada {\",\n]",
            "line 6: the answer cannot be read: `{` is never closed by `}`",
        ),
        ("[intent.thanks]\nanswers = 5", "line 4: `answers` must be a list of texts"),
        (
            "[intent.thanks]\nanswers = []",
            "line 3: `[intent.thanks]` has no answer in `pt` (add `answers = [\"…\"]`, or extend a default pack)",
        ),
        ("[intent.menu]\nfirst = \"yes\"", "line 4: `first` must be `true` or `false`"),
        (
            "[intent.thanks]\nphrases = [\"gracias (a\"]",
            "line 4: the phrase `gracias (a` cannot be read: `(` is never closed by `)`",
        ),
        (
            "[intent.goodbye]\nphrases = [\"inté\"]\n[intent.greeting]\nphrases = [\"inte\"]",
            "line 6: `inte` already belongs to `goodbye` (it is also on line 4; keep it in one of them)",
        ),
        (
            "[intent.thanks]\nphrases = [\"gracias\", \"Grácias\"]",
            "line 4: `Grácias` is written twice, first on line 4",
        ),
        (
            "[intent.thanks]\noptions = [\"humam\"]",
            "line 4: the option `humam` is no intent of this pack (did you mean `human`?)",
        ),
        (
            "[intent.thanks]\noptions = [\"greeting\"]",
            "line 4: the option `greeting` has no button text (add `button = \"…\"` to `greeting`)",
        ),
        (
            "[intent.menu]\nbutton = \"um botão comprido demais\"",
            "line 4: the button `um botão comprido demais` has a wrong length (1 to 20 characters, or WhatsApp refuses it)",
        ),
        ("[intent.thanks.answers]\nfr = [\"merci\"]", "line 4: unknown language `fr` (pt, en)"),
        ("[facts]\nshop = \"x\"", "line 4: `shop` is filled in by Balcão; call the fact otherwise"),
        (
            "[hours]\nmon-sun = \"09:00-18:00\"",
            "line 3: the opening hours do not say their time zone (for example `time_zone = \"America/Sao_Paulo\"`)",
        ),
        (
            "[hours]\ntime_zone = \"America/Sao_Palo\"\nmon-sun = \"closed\"",
            "line 4: unknown time zone `America/Sao_Palo` (did you mean `America/Sao_Paulo`?)",
        ),
        (
            "[hours]\ntime_zone = \"UTC\"\nmon-sun = \"9-18\"",
            "line 5: `9-18` is no opening time (write `09:00-18:00`, or `closed`)",
        ),
        (
            "[hours]\ntime_zone = \"UTC\"\nmon-sat = \"closed\"",
            "line 3: `sun` has no hours (write `sun = \"closed\"` if the shop is closed then)",
        ),
        (
            "[hours]\ntime_zone = \"UTC\"\nmon-sun = \"closed\"\ntue = \"09:00-10:00\"",
            "line 6: `tue` has hours already",
        ),
        (
            "[hours]\ntime_zone = \"UTC\"\nmon-sun = \"closed\"\nmonday = \"closed\"",
            "line 6: unknown day `monday` (did you mean `mon`?)",
        ),
        (
            "[hours]\ntime_zone = \"UTC\"\nmon-sun = [\"09:00-13:00\", \"12:00-18:00\"]",
            "line 5: opening times overlap",
        ),
        (
            "[hours]\ntime_zone = \"UTC\"\nmon-sun = \"closed\"\n[[hours.holiday]]\ndate = \"25/12\"",
            "line 7: `25/12` is no date (write `date = \"12-25\"` for every year or `date = \"2026-02-17\"` for one)",
        ),
        ("[intent.thanks]\n[intent.thanks]", "line 4: duplicate key"),
        ("oi oi", "line 3: key with no value, expected `=`"),
    ] {
        let error = shop(rest).expect_err(rest).to_string();
        assert_eq!(error, told, "{rest}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_those_of_a_base_say_which() {
    let error = shop("[intent.x]\n[intent.y]\n").expect_err("two mistakes");
    assert_eq!(error.problems.len(), 2);
    let broken = |_: &str| Some("language = \"pt\"\n[intent.zzzzzz]\n".to_owned());
    let error =
        RulePack::parse_with("language = \"pt\"\nextends = \"mine\"", &broken).expect_err("a broken base");
    assert!(error.problems[0].to_string().starts_with("mine, line 2: unknown intent `zzzzzz`"), "{error}");
    let looped = RulePack::parse_with("language = \"pt\"\nextends = \"a\"", &|_| {
        Some("language = \"pt\"\nextends = \"a\"".into())
    });
    assert!(looped.expect_err("a loop").to_string().contains("too deeply"));
    let missing =
        RulePack::parse("language = \"pt\"\nextends = \"default.fr\"").expect_err("no base").to_string();
    assert!(missing.starts_with("line 2: there is no rule pack `default.fr` to extend"), "{missing}");
    assert!(RulePack::parse("").expect_err("no language").to_string().contains("does not say its language"));
}

#[test]
fn a_shop_adds_phrases_replaces_answers_and_has_intents_and_facts_of_its_own() {
    let pack = shop(
        "[facts]\naddress = { pt = \"Rua das Flores, 12\", en = \"12 Flower St\" }\n\
         [intent.thanks]\nphrases = [\"gracias\"]\nanswers = [\"Imagina!\"]\n\
         [custom.address]\nphrases = [\"endereço\"]\ncontains = [\"onde (fica|ficam) [a loja]\"]\nanswers = { pt = [\"Ficamos na {address}.\"], en = [\"We are at {address}.\"] }\nbutton = \"Endereço\"\n\
         [intent.menu]\noptions = [\"address\", \"human\"]\n",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let main = |message: &str| {
        pack.understand(message, Language::Portuguese).main().map(|found| found.intent.clone())
    };
    assert_eq!(main("gracias!").as_deref(), Some("thanks"));
    assert_eq!(main("valeu").as_deref(), Some("thanks"), "what was inherited stays");
    assert_eq!(main("onde fica a loja de vocês?").as_deref(), Some("address"));
    let text = |intent: &str, language| pack.answer(intent, language, &scene(1)).map(|answer| answer.text);
    assert_eq!(text("thanks", Language::Portuguese).as_deref(), Some("Imagina!"));
    assert!(
        text("thanks", Language::English).is_some_and(|text| text != "Imagina!"),
        "the other language keeps its own"
    );
    assert_eq!(text("address", Language::English).as_deref(), Some("We are at 12 Flower St."));
    let menu = pack.answer("menu", Language::Portuguese, &scene(1)).expect("an answer");
    let offered: Vec<_> =
        menu.options.iter().map(|option| (option.id.as_str(), option.title.as_str())).collect();
    assert_eq!(offered, [("intent:address", "Endereço"), ("human:yes", "Falar com pessoa")]);
    assert_eq!(button_intent("intent:address"), Some("address"));
}

#[test]
fn variants_take_turns_and_the_same_turn_says_the_same() {
    let pack = shop("").unwrap_or_else(|error| panic!("{error}"));
    let said = |seed| pack.answer("thanks", Language::Portuguese, &scene(seed)).expect("an answer").text;
    let all: BTreeSet<String> = (0..20).map(said).collect();
    assert_eq!(all.len(), 2, "both variants without a name");
    assert_eq!(said(3), said(3));
    assert!(all.iter().all(|text| !text.contains('{')));
    let named = Scene { customer: Some("ana"), ..scene(0) };
    assert_eq!(
        pack.answer("thanks", Language::Portuguese, &named).expect("an answer").text,
        "Por nada, Ana! Qualquer coisa, é só chamar."
    );
}

#[test]
fn without_opening_hours_there_is_no_answer_about_them() {
    let pack = shop("").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(pack.answer("opening_hours", Language::Portuguese, &scene(0)), None);
    let hours = "[hours]\ntime_zone = \"America/Sao_Paulo\"\nmon-fri = \"09:00-18:00\"\nsat-sun = \"closed\"";
    let pack = shop(hours).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        pack.answer("opening_hours", Language::Portuguese, &scene(0)).expect("an answer").text,
        "Estamos abertos agora, até às 18h. Nosso horário: segunda a sexta, das 9h às 18h; sábado e domingo, fechado."
    );
}

#[test]
fn the_version_changes_with_the_pack_and_with_its_base() {
    let version = |rest: &str| shop(rest).unwrap_or_else(|error| panic!("{error}")).version().to_owned();
    assert_eq!(version(""), version(""));
    assert_ne!(version(""), version("# a remark\n"));
    assert_eq!(version("").len(), 12);
    let other_base = |name: &str| base(name).map(|text| format!("{text}\n# changed"));
    let changed =
        RulePack::parse_with("language = \"pt\"\nextends = [\"default.en\", \"default.pt\"]\n", &other_base);
    assert_ne!(changed.unwrap_or_else(|error| panic!("{error}")).version(), version(""));
}

#[test]
fn an_offer_of_a_person_is_known_again() {
    let pack = shop("").unwrap_or_else(|error| panic!("{error}"));
    let unsure = pack.note("unsure", Language::Portuguese, &scene(0)).expect("a note").text;
    assert!(pack.offers_human(&unsure, &scene(9)));
    assert!(pack.offers_human(
        &pack.answer("order_status", Language::English, &scene(0)).expect("an answer").text,
        &scene(0)
    ));
    assert!(!pack.offers_human("Temos em azul e verde.", &scene(0)));
    assert!(!pack.offers_human(
        &pack.answer("greeting", Language::Portuguese, &scene(0)).expect("an answer").text,
        &scene(0)
    ));
}
