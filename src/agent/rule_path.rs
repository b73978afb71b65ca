//! The answer without a model: intents of the rule pack, then the shop's own words, then honesty.

use balcao_domain::{
    Language,
    reply::Reply,
    rulebook::{Answer, Scene},
    turn::{Action, Evidence},
};

use crate::{engine::Turn, extract, sources::cite, tools::REASON_CHARS};

/// What the rule path decided.
pub struct Decided {
    pub reply: Reply,
    pub action: Action,
}

/// Answers whatever the customer sent. Never fails.
pub fn answer(turn: &Turn<'_>, evidence: &mut Evidence) -> Decided {
    if let Some(decided) = by_intent(turn, evidence) {
        return decided;
    }
    if turn.reading.texts.is_empty() {
        return acknowledge(turn, evidence);
    }
    let mut decided = extracted(turn, evidence).unwrap_or_else(|| unsure(turn, evidence));
    // A picture that came with the question is not passed over.
    if let Some(note) =
        received(turn).filter(|_| turn.reading.received.is_some_and(|n| n != "cart" && n != "welcome"))
    {
        decided.reply.text = format!("{}\n\n{}", decided.reply.text, note.text);
    }
    decided
}

/// The answer to an intent by name, as a button or a rule asks for it.
pub fn intent(turn: &Turn<'_>, name: &str, evidence: &mut Evidence) -> Option<Decided> {
    // Who was never away is not welcomed back; "start" opens the menu.
    let name = if name == "opt_in" && !turn.request.opted_out { "menu" } else { name };
    let action = match name {
        "human" => {
            Action::HandOff { reason: balcao_domain::text::clean(&turn.reading.words(), REASON_CHARS) }
        }
        "opt_out" => Action::OptOut,
        "opt_in" => Action::OptIn,
        "goodbye" => Action::End,
        _ => Action::Continue,
    };
    let answer = turn.pack.answer(name, turn.language, &turn.scene())?;
    evidence.intent = Some(name.to_owned());
    Some(Decided { reply: reply(answer), action })
}

fn by_intent(turn: &Turn<'_>, evidence: &mut Evidence) -> Option<Decided> {
    let name = turn.understanding.main()?.intent.clone();
    // "Obrigado! E o frete?" is a question; so is an intent with more to it, when the documents know more.
    let open = !turn.understanding.questions.is_empty();
    let decided = intent(turn, &name, evidence)?;
    if open
        && decided.action == Action::Continue
        && let Some(mut more) = extracted(turn, evidence)
    {
        more.reply.text = format!("{}\n\n{}", decided.reply.text, more.reply.text);
        more.reply.options = decided.reply.options;
        return Some(more);
    }
    Some(decided)
}

/// The shop's own words, when retrieval is sure enough.
fn extracted(turn: &Turn<'_>, evidence: &mut Evidence) -> Option<Decided> {
    let search = turn.search.as_ref()?;
    if search.confidence < turn.request.tenant.settings.extract_confidence {
        return None;
    }
    let extract = extract::best(&turn.question(), &search.hits, &turn.meaning)?;
    let mut scene = turn.scene();
    scene.slots.insert("quote", extract.quote.clone());
    scene.slots.insert("source", extract.hit.title.clone());
    let answer = turn.pack.note("extract", turn.language, &scene)?;
    evidence.intent.get_or_insert_with(|| "extract".into());
    let mut reply = reply(answer);
    reply.sources = vec![cite(extract.hit, &extract.quote)];
    Some(Decided { reply, action: Action::Continue })
}

fn unsure(turn: &Turn<'_>, evidence: &mut Evidence) -> Decided {
    evidence.intent = Some("unsure".into());
    note(turn, "unsure", &turn.scene())
}

fn acknowledge(turn: &Turn<'_>, evidence: &mut Evidence) -> Decided {
    let name = turn.reading.received.unwrap_or("unsupported");
    evidence.intent = Some(name.to_owned());
    note(turn, name, &scene_of_things(turn))
}

fn received(turn: &Turn<'_>) -> Option<Answer> {
    turn.pack.note(turn.reading.received?, turn.language, &scene_of_things(turn))
}

fn scene_of_things<'a>(turn: &'a Turn<'_>) -> Scene<'a> {
    let mut scene = turn.scene();
    if turn.reading.received == Some("cart") {
        scene.slots.insert("count", count(turn.reading.cart.len(), turn.language));
    }
    scene
}

fn count(lines: usize, language: Language) -> String {
    match (lines, language) {
        (1, Language::Portuguese) => "1 item".into(),
        (n, Language::Portuguese) => format!("{n} itens"),
        (1, Language::English) => "1 item".into(),
        (n, Language::English) => format!("{n} items"),
    }
}

/// A note of the pack. Every pack has every note; should one lack a slot, a plain sentence stands in.
fn note(turn: &Turn<'_>, name: &str, scene: &Scene<'_>) -> Decided {
    let answer = turn.pack.note(name, turn.language, scene).unwrap_or_else(|| Answer {
        text: match turn.language {
            Language::Portuguese => "Recebi a sua mensagem. Posso chamar uma pessoa da loja?".into(),
            Language::English => "I got your message. Shall I call someone from the shop?".into(),
        },
        options: Vec::new(),
    });
    Decided { reply: reply(answer), action: Action::Continue }
}

fn reply(answer: Answer) -> Reply {
    Reply { text: answer.text, options: answer.options, ..Reply::default() }
}
