//! Against the emulated endpoint, over real HTTP.

use balcao_emulators::openai::{Act, Call, Faults, OpenAiEmulator, Step};
use serde_json::json;

use super::*;
use crate::model::{ChatMessage, Role, ToolSpec};

async fn emulator() -> OpenAiEmulator {
    OpenAiEmulator::start_local().await.expect("a free port")
}

fn settings(emulator: &OpenAiEmulator) -> Settings {
    Settings {
        input_price: 2.0,
        output_price: 10.0,
        first_token_timeout: Duration::from_secs(2),
        ..Settings::new(emulator.base_url(), "test-model")
    }
}

fn model(emulator: &OpenAiEmulator) -> OpenAi {
    OpenAi::new(settings(emulator)).expect("good settings")
}

fn request(text: &str) -> ChatRequest {
    ChatRequest {
        tenant_id: None,
        messages: vec![ChatMessage::new(Role::System, "Be brief."), ChatMessage::new(Role::User, text)],
        tools: Vec::new(),
        response_schema: None,
        temperature: 0.0,
        max_output_tokens: 200,
        seed: Some(7),
        timeout: Duration::from_secs(10),
    }
}

async fn ask(model: &OpenAi, request: &ChatRequest) -> Result<ChatResponse, LlmError> {
    model.chat(request, &mut |_| {}).await
}

/// What the model makes of one behaviour of the endpoint.
async fn failure(act: Act) -> LlmError {
    let emulator = emulator().await;
    emulator.push(act.clone());
    let result = ask(&model(&emulator), &request("oi")).await;
    assert_eq!(emulator.requests().len(), 1, "{act:?} must not be tried again here");
    result.expect_err("the call fails")
}

#[tokio::test]
async fn words_arrive_one_by_one_and_usage_has_its_price() {
    let emulator = emulator().await;
    emulator.push(Act::Answer { text: "Sim, abrimos às nove.".into() });
    let mut heard = Vec::new();
    let mut on_text = |text: &str| heard.push(text.to_owned());
    let response = model(&emulator).chat(&request("abrem?"), &mut on_text).await.expect("answers");
    assert_eq!(response.text, "Sim, abrimos às nove.");
    assert!(heard.len() > 3 && heard.concat() == response.text, "{heard:?}");
    assert_eq!(response.model, "test-model");
    let usage = response.usage;
    assert!(usage.input_tokens > 0 && usage.output_tokens > 0);
    assert_eq!(usage.cost_micros, u64::from(usage.input_tokens) * 2 + u64::from(usage.output_tokens) * 10);
    let sent = &emulator.requests()[0];
    assert!(!sent.authorized, "no key was given, so none is sent");
    assert_eq!(
        (&sent.body["stream"], &sent.body["seed"], &sent.body["max_tokens"]),
        (&json!(true), &json!(7), &json!(200))
    );
}

#[tokio::test]
async fn tool_calls_are_collected_and_their_results_sent_back() {
    let emulator = emulator().await;
    let calls = vec![
        Call { name: "search_knowledge".into(), arguments: json!({ "query": "prazo" }) },
        Call { name: "request_human".into(), arguments: json!("not { json") },
    ];
    emulator.push(Act::Tools { calls });
    let mut request = request("qual o prazo?");
    let parameters = json!({ "type": "object", "properties": { "query": { "type": "string" } } });
    request.tools =
        vec![ToolSpec { name: "search_knowledge".into(), description: "Searches.".into(), parameters }];
    let model = model(&emulator);
    let response = ask(&model, &request).await.expect("answers");
    assert_eq!(response.text, "");
    assert_eq!(response.tool_requests[0].arguments, r#"{"query":"prazo"}"#);
    assert_eq!(response.tool_requests[1].arguments, "not { json", "arguments are passed on unread");
    request
        .messages
        .push(ChatMessage { tool_requests: response.tool_requests, ..ChatMessage::new(Role::Assistant, "") });
    let result =
        ChatMessage { tool_call_id: Some("call_0".into()), ..ChatMessage::new(Role::Tool, "cinco dias") };
    request.messages.push(result);
    emulator.push(Act::Answer { text: "Cinco dias.".into() });
    assert_eq!(ask(&model, &request).await.expect("answers").text, "Cinco dias.");
    let messages = emulator.requests()[1].body["messages"].clone();
    assert_eq!(messages[2]["tool_calls"][0]["function"]["name"], "search_knowledge");
    assert_eq!((&messages[2]["content"], &messages[3]["tool_call_id"]), (&Value::Null, &json!("call_0")));
}

#[tokio::test]
async fn a_schema_is_sent_as_the_endpoint_can_take_it() {
    let emulator = emulator().await;
    let mut request = request("oi");
    let schema = json!({ "type": "object", "properties": { "reply": { "type": "string" } } });
    request.response_schema = Some(("answer".into(), schema.clone()));
    for structured in [Structured::JsonSchema, Structured::JsonObject, Structured::Prompt] {
        emulator.push(Act::Answer { text: "```json\n{\"reply\": \"Oi!\"}\n```".into() });
        let model = OpenAi::new(Settings { structured, ..settings(&emulator) }).expect("good settings");
        assert_eq!(ask(&model, &request).await.expect("answers").text, "{\"reply\": \"Oi!\"}");
    }
    let sent: Vec<Value> = emulator.requests().into_iter().map(|received| received.body).collect();
    assert_eq!(sent[0]["response_format"]["json_schema"]["schema"], schema);
    assert_eq!(sent[1]["response_format"], json!({ "type": "json_object" }));
    assert_eq!(sent[2]["response_format"], Value::Null);
    let last =
        |body: &Value| body["messages"].as_array().and_then(|all| all.last()).expect("a message").to_string();
    assert!(!last(&sent[0]).contains("JSON Schema") && last(&sent[1]).contains("JSON Schema"));
    assert!(last(&sent[2]).contains("JSON Schema"));
}

#[tokio::test]
async fn a_sparse_server_is_understood_and_its_usage_estimated() {
    let emulator = emulator().await;
    let calls = vec![
        Call { name: "f".into(), arguments: json!({}) },
        Call { name: "g".into(), arguments: json!({}) },
    ];
    let act = Act::Tools { calls };
    emulator.push(Step { act, sparse: true, times: Some(1), ..Step::default() });
    emulator.push(Step {
        act: Act::Answer { text: "Olá, tudo bem?".into() },
        sparse: true,
        ..Step::default()
    });
    let model = model(&emulator);
    let ids: Vec<String> =
        ask(&model, &request("oi")).await.expect("calls").tool_requests.into_iter().map(|t| t.id).collect();
    assert_eq!(ids, ["call_0", "call_1"]);
    let usage = ask(&model, &request("oi")).await.expect("answers").usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (3, 4));
}

#[tokio::test]
async fn a_parameter_the_endpoint_rejects_is_left_out_from_then_on() {
    let emulator = emulator().await;
    emulator.control().set_responder(|request| {
        let rejected = request["max_tokens"].is_number();
        let message = "Unsupported parameter: use 'max_completion_tokens' instead.".to_owned();
        let act =
            Act::Status { status: 400, error_type: "invalid_request_error".into(), code: None, message };
        rejected.then(|| act.into())
    });
    let model = model(&emulator);
    ask(&model, &request("oi")).await.expect("answers in the end");
    ask(&model, &request("oi")).await.expect("answers at once");
    let limits: Vec<bool> =
        emulator.requests().iter().map(|r| r.body["max_completion_tokens"].is_number()).collect();
    assert_eq!(limits, [false, true, true]);
}

#[tokio::test]
async fn every_refusal_becomes_the_error_that_says_what_to_do() {
    let limited = |seconds| LlmError::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
    assert_eq!(failure(Act::RateLimited { retry_after: Some("12".into()) }).await, limited(12));
    assert_eq!(
        failure(Act::RateLimited { retry_after: None }).await,
        LlmError::RateLimited { retry_after: None }
    );
    assert!(matches!(failure(Act::InsufficientQuota).await, LlmError::QuotaExhausted(_)));
    assert!(matches!(failure(Act::Unauthorized).await, LlmError::Unauthorized(_)));
    assert_eq!(failure(Act::ContextTooLong).await, LlmError::ContextTooLong);
    assert_eq!(failure(Act::ContentFilter).await, LlmError::Refused);
    for status in [500, 502, 503, 529] {
        let act = Act::Status { status, error_type: String::new(), code: None, message: "down".into() };
        assert_eq!(failure(act).await, LlmError::Transient("down".into()), "{status}");
    }
    let act = Act::Status { status: 422, error_type: String::new(), code: None, message: "odd".into() };
    assert_eq!(failure(act).await, LlmError::Permanent("odd".into()));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_transient_however_it_does() {
    let acts = [
        Act::Reset { after_tokens: 3 },
        Act::CutOff { after_tokens: 3 },
        Act::TruncatedJson,
        Act::ErrorInStream { message: "worker died".into() },
    ];
    for act in acts {
        let error = failure(act.clone()).await;
        assert!(matches!(error, LlmError::Transient(_)), "{act:?}: {error:?}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_short() {
    let emulator = emulator().await;
    emulator.push(Act::Huge { bytes: 1 << 20 });
    let model =
        OpenAi::new(Settings { max_response_bytes: 64 << 10, ..settings(&emulator) }).expect("good settings");
    let mut heard = 0;
    let mut on_text = |text: &str| heard += text.len();
    let error = model.chat(&request("oi"), &mut on_text).await.expect_err("too long");
    assert!(matches!(error, LlmError::Transient(_)), "{error:?}");
    assert!((1..=64 << 10).contains(&heard), "{heard} bytes were read");
}

#[tokio::test]
async fn silence_is_a_time_out_before_the_first_word_and_after_it() {
    let emulator = emulator().await;
    let first = Duration::from_millis(150);
    let model =
        OpenAi::new(Settings { first_token_timeout: first, ..settings(&emulator) }).expect("good settings");
    for act in [Act::Hang, Act::HangAfter { after_tokens: 0 }] {
        emulator.push(act);
        assert_eq!(ask(&model, &request("oi")).await, Err(LlmError::TimedOut(first)));
    }
    emulator.push(Act::HangAfter { after_tokens: 2 });
    let total = Duration::from_millis(400);
    let hurried = ChatRequest { timeout: total, ..request("oi") };
    assert_eq!(ask(&model, &hurried).await, Err(LlmError::TimedOut(total)));
}

#[tokio::test]
async fn nobody_listening_is_transient_and_names_no_address() {
    let emulator = emulator().await;
    let model = model(&emulator);
    let address = emulator.address().to_string();
    emulator.stop().await;
    let error = ask(&model, &request("oi")).await.expect_err("nobody there");
    assert!(matches!(&error, LlmError::Transient(reason) if !reason.contains(&address)), "{error:?}");
}

#[tokio::test]
async fn the_probe_lists_models_and_notices_a_wrong_key() {
    let emulator = emulator().await;
    let second = Duration::from_secs(1);
    emulator.control().require_key("sk-right");
    let with_key = |key: &str| {
        let api_key = Some(SecretString::from(key));
        OpenAi::new(Settings { api_key, ..settings(&emulator) }).expect("good settings")
    };
    assert_eq!(with_key("sk-right\n").probe(second).await, Ok(vec!["emulated-model".to_owned()]));
    assert!(matches!(with_key("sk-wrong").probe(second).await, Err(LlmError::Unauthorized(_))));
    emulator.control().set_faults(Faults { failure: Some(Act::Hang), ..Faults::default() });
    let moment = Duration::from_millis(100);
    assert_eq!(with_key("sk-right").probe(moment).await, Err(LlmError::TimedOut(moment)));
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let refused = |settings: Settings| OpenAi::new(settings).err().expect("refused");
    assert!(matches!(refused(Settings::new("not a url", "m")), LlmError::Permanent(_)));
    assert!(matches!(refused(Settings::new("ftp://example.com", "m")), LlmError::Permanent(_)));
    let api_key = Some(SecretString::from("line\nbreak"));
    let odd_key = Settings { api_key, ..Settings::new("http://127.0.0.1:1", "m") };
    assert!(matches!(refused(odd_key), LlmError::Unauthorized(_)));
}
