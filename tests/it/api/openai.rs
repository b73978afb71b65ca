//! OpenAI's protocol: with plain HTTP, and with the official client for Python.

use std::{path::PathBuf, process::Stdio};

use balcao_tests::counter::{Counter, Setup};
use serde_json::{Value, json};
use tokio::process::Command;

const COMPLETIONS: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_completion_is_one_turn_of_the_named_conversation() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    let request = json!({
        "model": "gpt-4o", "temperature": 0.3, "tools": [], "seed": 1, "brand_new_parameter": {},
        "metadata": { "conversation_id": "c-1" },
        "messages": [
            { "role": "system", "content": "You are a pirate." },
            { "role": "user", "content": [{ "type": "text", "text": "qual o prazo para troca?" }] },
        ],
    });
    let (status, body) = counter.post(COMPLETIONS, &shop.chat, &request).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert!(body["choices"][0]["message"]["content"].as_str().unwrap().contains("30 dias"), "{body}");
    assert_eq!(body["balcao"]["sources"][0]["uri"], "politicas/trocas.md", "{body}");
    assert_eq!(body["balcao"]["path"], "rules");
    let usage = &body["usage"];
    assert_eq!(usage["total_tokens"].as_u64().unwrap(), 0, "no model, no tokens: {usage}");
    let (_, history) = counter.get("/v1/conversations/c-1/messages", &shop.chat).await;
    assert_eq!(history["items"].as_array().unwrap().len(), 2, "{history}");
    counter.close().await;
}

#[tokio::test]
async fn errors_have_openais_shape() {
    let counter = Counter::open().await;
    let shop = &counter.aurora;
    for (key, body, status, code) in [
        ("bk_wrong", json!({ "messages": [{ "role": "user", "content": "oi" }] }), 401, "invalid_api_key"),
        (shop.chat.as_str(), json!({ "messages": [] }), 400, "malformed"),
        (shop.chat.as_str(), json!({ "messages": [{ "role": "system", "content": "x" }] }), 400, "malformed"),
        (shop.chat.as_str(), json!({ "messages": "oi" }), 400, "malformed"),
        (
            shop.chat.as_str(),
            json!({ "n": 2, "messages": [{ "role": "user", "content": "oi" }] }),
            400,
            "malformed",
        ),
    ] {
        let (got, answer) = counter.post(COMPLETIONS, key, &body).await;
        assert_eq!((got, answer["error"]["code"].as_str()), (status, Some(code)), "{answer}");
        assert_eq!(answer["error"]["type"], "invalid_request_error");
        assert!(answer["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    counter.close().await;
}

/// A Python that has the official client, or why there is none. It is installed into a folder of its own, once.
async fn python() -> Result<PathBuf, String> {
    let venv = std::env::temp_dir().join("balcao-test-openai-client");
    let python = venv.join("bin").join("python");
    let run = async |program: PathBuf, args: &[&str]| {
        let output = Command::new(program).args(args).stdin(Stdio::null()).output().await;
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it failed").to_owned())
    };
    if run(python.clone(), &["-c", "import openai"]).await.is_ok() {
        return Ok(python);
    }
    let folder = venv.to_string_lossy().into_owned();
    run("python3".into(), &["-m", "venv", &folder]).await?;
    run(python.clone(), &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "openai>=1,<4"])
        .await?;
    Ok(python)
}

#[tokio::test]
async fn the_official_client_for_python_talks_to_a_shop() {
    let python = match python().await {
        Ok(python) => python,
        Err(why) => {
            println!("skipped: the `openai` package for Python cannot be installed here: {why}");
            return;
        }
    };
    let counter = Counter::with(Setup { model: true, ..Setup::default() }).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/openai_client.py");
    let output = Command::new(python)
        .arg(script)
        .env("OPENAI_BASE_URL", format!("{}/v1", counter.url))
        .env("OPENAI_API_KEY", &counter.aurora.chat)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .await
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_str(&said).expect("the script prints JSON");
    assert_eq!(seen["models"], json!(["balcao"]));
    assert!(seen["whole"].as_str().unwrap().contains("troca"), "{seen}");
    assert_eq!(seen["source"], "politicas/trocas.md");
    assert!(seen["pieces"].as_u64().unwrap() > 2, "the stream came in pieces: {seen}");
    assert_eq!(seen["streamed"], seen["whole"], "the same words, in pieces");
    assert_eq!(seen["finish_reason"], "stop");
    assert!(seen["stream_tokens"].as_u64().unwrap() > 0, "{seen}");
    assert_eq!(seen["streamed_source"], "politicas/trocas.md");
    assert_eq!(seen["wrong_key"], "AuthenticationError");
    assert_eq!(seen["bad_request"], "BadRequestError");
    let (_, history) = counter.get("/v1/conversations/python-1/messages", &counter.aurora.chat).await;
    assert_eq!(history["items"].as_array().unwrap().len(), 4, "both turns in one conversation: {history}");
    counter.close().await;
}
