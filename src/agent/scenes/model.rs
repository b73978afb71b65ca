//! Turns with a model: when it works, when it does not, and when it is not to be believed.

use std::time::Duration;

use balcao_domain::turn::{Action, Path, Progress, Reason};
use balcao_llm::{LlmError, Role};
use tokio::time::Instant;

use super::fakes::*;
use crate::Author;

#[tokio::test]
async fn the_models_answer_is_streamed_cited_and_recorded() {
    let model = ScriptedModel::new([says(
        "O frete para capitais custa R$ 19,90. Quer que eu explique a troca?",
        &[1],
    )]);
    let counter = counter(Some(model), 0.9);
    let (outcome, told) = counter.play(counter.turn(vec![say("quanto custa o frete?")])).await;
    assert_eq!((outcome.path, outcome.reason), (Path::Model, Reason::Answered));
    assert_eq!(shown(&told), words(&outcome));
    assert!(told.iter().filter(|p| matches!(p, Progress::Token { .. })).count() > 1, "it came in pieces");
    assert_eq!(outcome.reply.as_ref().expect("a reply").sources[0].title, "Entrega");
    let evidence = &outcome.evidence;
    assert_eq!(evidence.model.as_deref(), Some("scripted-1"));
    assert_eq!((evidence.usage.input_tokens, evidence.usage.cost_micros), (100, 3));
    assert!(evidence.prompt.as_deref().is_some_and(|prompt| prompt.starts_with("answer@")));
    assert!(evidence.stages.iter().any(|stage| stage.name == "model"));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_is_left_in_time_and_the_rules_answer() {
    let counter = counter(Some(ScriptedModel::new([Step::Stalls(String::new())])), 0.9);
    let turn = counter.turn(vec![say("quanto custa o frete?")]);
    let began = Instant::now();
    let (outcome, _) = counter.play(turn).await;
    assert!(began.elapsed() <= Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!((outcome.path, outcome.reason), (Path::Rules, Reason::TimedOut));
    assert!(words(&outcome).contains("R$ 19,90"));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_stops_in_the_middle_takes_its_words_back() {
    let half = r#"{"reply": "Claro que sim, vou explicar tudo com calma para voce "#;
    let counter = counter(Some(ScriptedModel::new([Step::Stalls(half.into())])), 0.9);
    let began = Instant::now();
    let (outcome, told) = counter.play(counter.turn(vec![say("quanto custa o frete?")])).await;
    assert!(began.elapsed() <= Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!((outcome.path, outcome.reason), (Path::Rules, Reason::TimedOut));
    assert!(ever_shown(&told).starts_with("Claro que sim"));
    assert!(told.contains(&Progress::Restart { reason: Reason::TimedOut }));
    assert_eq!(shown(&told), "");
}

#[tokio::test]
async fn each_failure_of_the_model_has_its_reason_and_an_answer() {
    for (error, reason) in [
        (LlmError::BreakerOpen, Reason::BreakerOpen),
        (LlmError::TimedOut(Duration::from_secs(1)), Reason::TimedOut),
        (LlmError::Transient("502".into()), Reason::ModelFailed),
        (LlmError::RateLimited { retry_after: None }, Reason::ModelFailed),
        (LlmError::QuotaExhausted("x".into()), Reason::ModelFailed),
        (LlmError::Unauthorized("x".into()), Reason::ModelFailed),
        (LlmError::ContextTooLong, Reason::ModelFailed),
        (LlmError::Refused, Reason::ModelFailed),
    ] {
        let counter = counter(Some(ScriptedModel::new([Step::Fails(error.clone())])), 0.9);
        let outcome = counter.hears("quanto custa o frete?").await;
        assert_eq!((outcome.path, outcome.reason), (Path::Rules, reason), "{error}");
        assert!(words(&outcome).contains("R$ 19,90"));
        assert!(!outcome.evidence.errors.is_empty());
    }
}

#[tokio::test]
async fn a_broken_output_is_repaired_once() {
    let model =
        ScriptedModel::new([Step::Says("Custa R$ 19,90".into(), 5), says("O frete custa R$ 19,90.", &[1])]);
    let counter = counter(Some(model.clone()), 0.9);
    let outcome = counter.hears("quanto custa o frete?").await;
    assert_eq!((outcome.path, words(&outcome)), (Path::Model, "O frete custa R$ 19,90."));
    let repair = model.requests()[1].messages.last().expect("a message").content.clone();
    assert!(repair.contains("cannot be used: it is not the JSON object"), "{repair}");
}

#[tokio::test]
async fn an_output_broken_twice_ends_on_the_rule_path() {
    for broken in [
        "no json",
        r#"{"reply":"x"}"#,
        r#"{"reply":"","action":"continue","sources_used":[],"in_scope":true}"#,
        r#"{"reply":"x","action":"refund","sources_used":[],"in_scope":true}"#,
        r#"{"reply":"x","action":"continue","sources_used":[],"in_scope":true,"price":1}"#,
    ] {
        let model = ScriptedModel::new([Step::Says(broken.into(), 3)]);
        let counter = counter(Some(model.clone()), 0.9);
        let outcome = counter.hears("quanto custa o frete?").await;
        assert_eq!((outcome.path, outcome.reason), (Path::Rules, Reason::SchemaBroken), "{broken}");
        assert_eq!(model.requests().len(), 2, "{broken}");
        assert!(words(&outcome).contains("R$ 19,90"));
    }
}

#[tokio::test]
async fn an_invented_price_is_never_shown_and_never_said() {
    let lie = says(
        "Que bom que você perguntou! O frete para capitais custa R$ 9,90 e chega em 2 dias úteis na sua casa.",
        &[1],
    );
    let counter = counter(Some(ScriptedModel::new([lie])), 0.9);
    let (outcome, told) = counter.play(counter.turn(vec![say("quanto custa o frete?")])).await;
    assert_eq!((outcome.path, outcome.reason), (Path::Rules, Reason::SchemaBroken));
    assert!(!ever_shown(&told).contains('9'), "{}", ever_shown(&told));
    assert!(words(&outcome).contains("R$ 19,90"));
    assert!(
        outcome.evidence.errors.iter().any(|error| error.contains("r$ 9,90")),
        "{:?}",
        outcome.evidence.errors
    );
}

#[tokio::test]
async fn tools_are_called_recorded_and_their_sources_cited() {
    let search = ("search_knowledge".to_owned(), r#"{"query":"prazo de troca"}"#.to_owned());
    let model = ScriptedModel::new([Step::Wants(vec![search]), says("Você tem 30 dias para trocar.", &[2])]);
    let counter = counter(Some(model.clone()), 0.9);
    let outcome = counter.hears("e se eu não gostar?").await;
    assert_eq!(outcome.path, Path::Model);
    let call = &outcome.evidence.tool_calls[0];
    assert_eq!(
        (call.name.as_str(), call.arguments["query"].as_str()),
        ("search_knowledge", Some("prazo de troca"))
    );
    assert!(call.result.is_ok());
    assert_eq!(outcome.reply.as_ref().expect("a reply").sources[0].title, "Trocas");
    assert!(counter.search.requests().iter().all(|(ctx, _)| ctx.tenant_id == counter.tenant.tenant_id));
    let roles: Vec<Role> = model.requests()[1].messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool]);
}

#[tokio::test]
async fn the_model_may_call_a_person_by_tool_or_by_action() {
    let by_tool = Step::Wants(vec![("request_human".into(), r#"{"reason":"quer reembolso"}"#.into())]);
    let model = ScriptedModel::new([by_tool, says("Já chamei uma pessoa da loja.", &[])]);
    let outcome = counter(Some(model), 0.9).hears("quero meu dinheiro de volta").await;
    assert_eq!(outcome.action, Action::HandOff { reason: "quer reembolso".into() });
    let by_action = Step::Says(output("Vou chamar alguém.", "hand_off", &[]), 9);
    let outcome =
        counter(Some(ScriptedModel::new([by_action])), 0.9).hears("quero meu dinheiro de volta").await;
    assert!(matches!(outcome.action, Action::HandOff { .. }));
    let end = Step::Wants(vec![("end_conversation".into(), String::new())]);
    let outcome = counter(Some(ScriptedModel::new([end, says("Até logo!", &[])])), 0.9)
        .hears("era isso mesmo, pode encerrar")
        .await;
    assert_eq!(outcome.action, Action::End);
}

#[tokio::test]
async fn a_spent_budget_and_a_first_rule_keep_the_model_out() {
    let model = ScriptedModel::new([says("x", &[])]);
    let mut counter = counter(Some(model.clone()), 0.9);
    counter.tenant.settings.model_turns_per_day = Some(5);
    let mut turn = counter.turn(vec![say("quanto custa o frete?")]);
    turn.model_turns_today = 5;
    let (outcome, _) = counter.play(turn).await;
    assert_eq!((outcome.path, outcome.reason), (Path::Rules, Reason::BudgetSpent));
    let outcome = counter.hears("quero falar com um atendente").await;
    assert_eq!((outcome.path, outcome.reason), (Path::Rules, Reason::RuleFirst));
    assert!(matches!(outcome.action, Action::HandOff { .. }));
    assert!(model.requests().is_empty());
}

#[tokio::test]
async fn a_third_party_never_sees_private_data_and_the_customer_sees_it_again() {
    let reply = says("Anotei: vamos responder para [EMAIL_1], tudo bem com esse endereço para você?", &[]);
    let model = ScriptedModel::new([reply]);
    let counter = counter(Some(model.clone()), 0.9);
    let mut turn = counter.turn(vec![say("meu cpf é 529.982.247-25 e meu email ana@example.com")]);
    turn.history = vec![
        said(Author::Customer, "meu fone é (11) 98765-4321"),
        said(Author::Agent, "Anotei (11) 98765-4321."),
    ];
    let (outcome, told) = counter.play(turn).await;
    let sent = serde_json::to_string(&model.requests()).expect("JSON");
    for private in ["529.982", "ana@example", "98765"] {
        assert!(!sent.contains(private), "{private} was sent");
    }
    assert!(sent.contains("[CPF_1]") && sent.contains("[PHONE_1]"));
    assert!(words(&outcome).contains("ana@example.com"), "{}", words(&outcome));
    assert_eq!(shown(&told), words(&outcome));
}

#[tokio::test]
async fn a_long_history_is_cut_to_its_budget_and_dropped_when_the_context_is_smaller_still() {
    let model = ScriptedModel::new([Step::Fails(LlmError::ContextTooLong), says("Claro!", &[])]);
    let counter = counter(Some(model.clone()), 0.9);
    let mut turn = counter.turn(vec![say("quanto custa o frete?")]);
    turn.history = (0..200)
        .map(|n| said(Author::Customer, &format!("mensagem {n} {}", "palavra ".repeat(20))))
        .collect();
    let (outcome, _) = counter.play(turn).await;
    assert_eq!(outcome.path, Path::Model);
    let requests = model.requests();
    let chars: usize = requests[0].messages[1..].iter().map(|message| message.content.chars().count()).sum();
    assert!(chars < 6_500, "{chars}");
    assert!(requests[0].messages.iter().any(|message| message.content.contains("mensagem 199")));
    assert_eq!(requests[1].messages.len(), 2, "rules and this turn");
}
