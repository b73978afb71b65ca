//! The emulator seen over HTTP.

use reqwest::Client;

use super::{echo::Echo, *};

fn ask(question: &str) -> Value {
    json!({ "model": "m", "messages": [
        { "role": "system", "content": "Answer from the sources.\n\n# Sources\n[1] Horários\nAbrimos de segunda a sexta, das 9h às 18h.\n[2] Entrega\nEntregamos em todo o Brasil. O prazo é de 5 dias úteis.\n\n# Rules\nBe brief." },
        { "role": "user", "content": question },
    ]})
}

async fn post_json(emulator: &OpenAiEmulator, path: &str, body: &Value) -> reqwest::Response {
    let url = format!("http://{}{path}", emulator.address());
    Client::new().post(url).json(body).send().await.expect("the emulator answers")
}

async fn chat(emulator: &OpenAiEmulator, body: &Value) -> Value {
    let response = post_json(emulator, "/v1/chat/completions", body).await;
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn unscripted_it_answers_with_the_sentence_that_fits_the_question() {
    let emulator = OpenAiEmulator::start_local().await.expect("starts");
    let answer = chat(&emulator, &ask("qual o prazo de entrega?")).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "O prazo é de 5 dias úteis.");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert!(answer["usage"]["prompt_tokens"].as_u64() > Some(10));
    assert_eq!(emulator.requests().len(), 1);
}

#[test]
fn a_schema_is_filled_with_the_sentence_its_source_and_first_values() {
    let mut request = ask("abrem na segunda?");
    let schema = json!({
        "type": "object",
        "properties": {
            "reply": { "type": "string" },
            "citations": { "type": "array", "items": { "type": "integer" } },
            "action": { "$ref": "#/$defs/Action" },
            "reason": { "type": ["string", "null"] },
            "sure": { "type": "boolean" },
        },
        "$defs": { "Action": { "enum": ["continue", "hand_off"] } },
    });
    request["response_format"] =
        json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": schema } });
    let Echo::Text(text) = echo::answer(&request) else { panic!("no call expected") };
    let expected = json!({
        "reply": "Abrimos de segunda a sexta, das 9h às 18h.",
        "citations": [1],
        "action": "continue",
        "reason": null,
        "sure": true,
    });
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), expected);
}

#[test]
fn without_sources_it_asks_for_the_tool_that_searches_and_answers_from_its_result() {
    let tool = json!({ "type": "function", "function": { "name": "find", "parameters": {
        "type": "object", "properties": { "query": { "type": "string" } } } } });
    let mut request =
        json!({ "model": "m", "messages": [{ "role": "user", "content": "trocas?" }], "tools": [tool] });
    let call = Call { name: "find".into(), arguments: json!({ "query": "trocas?" }) };
    assert_eq!(echo::answer(&request), Echo::Call(call));
    let result = json!([{ "text": "Trocas são aceitas em até 30 dias depois da entrega." }]).to_string();
    let messages = request["messages"].as_array_mut().expect("a list");
    messages.push(json!({ "role": "tool", "tool_call_id": "call_0", "content": result }));
    let expected = "Trocas são aceitas em até 30 dias depois da entrega.";
    assert_eq!(echo::answer(&request), Echo::Text(expected.into()));
}

#[test]
fn sources_written_as_elements_are_found_wherever_they_stand() {
    let content = "<source number=\"4\" title=\"Envio\">\nO frete é grátis acima de R$ 200.\n</source>\n<message>frete?</message>";
    let request = json!({ "model": "m", "messages": [{ "role": "user", "content": content }] });
    assert_eq!(echo::answer(&request), Echo::Text("O frete é grátis acima de R$ 200.".into()));
    assert_eq!(echo::question(&request), "frete?");
}

#[tokio::test]
async fn the_script_is_followed_in_order_by_match_and_by_count() {
    let emulator = OpenAiEmulator::start_local().await.expect("starts");
    let script = json!([
        { "act": "answer", "text": "só uma vez", "when": "ENTREGA", "times": 1 },
        { "act": "rate_limited", "retry_after": "7", "when": "limite" },
    ]);
    let status = post_json(&emulator, "/_control/script", &script).await.status();
    assert_eq!(status, StatusCode::NO_CONTENT);
    let first = chat(&emulator, &ask("entrega?")).await;
    assert_eq!(first["choices"][0]["message"]["content"], "só uma vez");
    let second = chat(&emulator, &ask("entrega?")).await;
    assert_ne!(second["choices"][0]["message"]["content"], "só uma vez");
    let limited = post_json(&emulator, "/v1/chat/completions", &ask("limite")).await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers()["retry-after"], "7");
}

#[tokio::test]
async fn faults_befall_every_nth_request_until_they_are_used_up() {
    let emulator = OpenAiEmulator::start_local().await.expect("starts");
    let faults =
        json!({ "failure": { "act": "status", "status": 503, "message": "down" }, "every": 2, "times": 1 });
    post_json(&emulator, "/_control/faults", &faults).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(post_json(&emulator, "/v1/chat/completions", &ask("oi")).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 503, 200, 200]);
}

#[tokio::test]
async fn a_stream_ends_with_usage_and_done_and_a_reset_breaks_it() {
    let emulator = OpenAiEmulator::start_local().await.expect("starts");
    let mut request = ask("prazo de entrega?");
    request["stream"] = json!(true);
    request["stream_options"] = json!({ "include_usage": true });
    let text = post_json(&emulator, "/v1/chat/completions", &request).await.text().await.expect("whole");
    assert!(text.contains("\"usage\"") && text.ends_with("data: [DONE]\n\n"), "{text}");
    emulator.push(Act::Reset { after_tokens: 2 });
    let broken = post_json(&emulator, "/v1/chat/completions", &request).await.text().await;
    assert!(broken.is_err(), "{broken:?}");
}

#[tokio::test]
async fn a_required_key_is_required_and_never_recorded() {
    let emulator = OpenAiEmulator::start_local().await.expect("starts");
    emulator.control().require_key("sk-secret");
    assert_eq!(post_json(&emulator, "/v1/chat/completions", &ask("oi")).await.status(), 401);
    let models = format!("{}/models", emulator.base_url());
    let listed = Client::new().get(models).bearer_auth("sk-secret").send().await.expect("answers");
    assert_eq!(listed.status(), 200);
    let seen = serde_json::to_string(&emulator.requests()).expect("JSON");
    assert!(!seen.contains("sk-secret"), "{seen}");
}
