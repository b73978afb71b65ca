//! The chat page in a real browser: headless Chromium, driven over WebDriver. Skipped, saying so, where there is none.

use std::{net::Ipv4Addr, path::PathBuf, process::Stdio, time::Duration};

use balcao_emulators::openai::Step;
use balcao_tests::counter::{Counter, Setup};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// How long a browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(40);

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let all = std::env::split_paths(&path).flat_map(|dir| names.iter().map(move |name| dir.join(name)));
    all.into_iter().find(|file| file.is_file())
}

/// One browser window.
struct Browser {
    http: reqwest::Client,
    session: String,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens one, or says why there is none.
    async fn open(width: u32, height: u32) -> Result<Self, String> {
        let driver = find(&["chromedriver"]).ok_or("no `chromedriver` on the PATH")?;
        let browser =
            find(&["chromium", "chromium-browser", "google-chrome"]).ok_or("no Chromium on the PATH")?;
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.local_addr())
            .map_err(|error| error.to_string())?
            .port();
        let driver = Command::new(driver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.to_string())?;
        let profile = tempfile::tempdir().map_err(|error| error.to_string())?;
        let base = format!("http://127.0.0.1:{port}");
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": {
            "binary": browser,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     format!("--window-size={width},{height}"),
                     format!("--user-data-dir={}", profile.path().display())],
        } } } });
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let Ok(answer) = http.post(format!("{base}/session")).json(&wanted).send().await else {
                continue;
            };
            let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
            let Some(id) = answer["value"]["sessionId"].as_str() else {
                return Err(format!("the browser does not start: {}", answer["value"]["message"]));
            };
            return Ok(Self { session: format!("{base}/session/{id}"), http, driver, _profile: profile });
        }
        Err("`chromedriver` does not answer".into())
    }

    async fn post(&self, what: &str, body: &Value) -> Value {
        let answer = self.http.post(format!("{}/{what}", self.session)).json(body).send().await;
        let answer: Value = answer.expect("the driver answers").json().await.expect("JSON");
        assert!(answer["value"]["error"].is_null(), "{what}: {answer}");
        answer["value"].clone()
    }

    async fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url })).await;
    }

    /// Runs a script in the page and gives what it returns.
    async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Waits until a script returns something true, and gives it.
    async fn until(&self, script: &str) -> Value {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let value = self.run(script).await;
            if !matches!(&value, Value::Null | Value::Bool(false)) {
                return value;
            }
            assert!(tokio::time::Instant::now() < end, "never came true: {script}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types into the page's box and sends it, as a visitor does.
    async fn say(&self, text: &str) {
        let found = self.post("element", &json!({ "using": "css selector", "value": "#text" })).await;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        let id = id.expect("there is a box to type in");
        self.post(&format!("element/{id}/value"), &json!({ "text": format!("{text}\u{E007}") })).await;
    }

    async fn close(mut self) {
        let _ = self.http.delete(&self.session).send().await;
        let _ = self.driver.kill().await;
    }
}

macro_rules! browser_or_skip {
    ($width:expr, $height:expr) => {
        match Browser::open($width, $height).await {
            Ok(browser) => browser,
            Err(why) => {
                println!("skipped: {why}");
                return;
            }
        }
    };
}

#[tokio::test]
async fn a_visitor_sees_the_answer_being_written_its_sources_and_who_answered() {
    let browser = browser_or_skip!(1280, 800);
    let counter = Counter::with(Setup { model: true, demo: true, ..Setup::default() }).await;
    let slowly = Step { token_ms: 60, ..Step::default() };
    counter.model.as_ref().expect("asked for").control().set_script(vec![slowly]);

    browser.go(&counter.url).await;
    browser.until("return document.querySelectorAll('.shop').length === 2").await;
    assert_eq!(browser.run("return document.documentElement.lang").await, "pt-BR");
    assert_eq!(browser.run("return document.getElementById('shop-name').textContent").await, "Loja Aurora");

    // What the visitor sees of the bubble while it is written.
    browser
        .run(
            "window.seen = new Set(); new MutationObserver(() => { \
             const b = document.querySelector('.line.agent.writing .bubble'); \
             if (b) window.seen.add(b.textContent); }) \
             .observe(document.getElementById('lines'), { childList: true, subtree: true, characterData: true });",
        )
        .await;
    browser.say("qual o prazo para troca?").await;
    let badge = browser.until("return document.querySelector('.line.agent .badge')?.dataset.path").await;
    assert_eq!(badge, "model");
    let steps = browser.run("return window.seen.size").await;
    assert!(steps.as_u64().is_some_and(|steps| steps >= 3), "the words came one after the other: {steps}");
    let answer =
        browser.run("return [...document.querySelectorAll('.line.agent .bubble')].at(-1).textContent").await;
    assert!(answer.as_str().is_some_and(|answer| answer.contains("troca")), "{answer}");

    browser.run("document.querySelector('.cites').click()").await;
    let source = browser.until("return document.querySelector('.source:not([hidden])')?.innerText").await;
    assert!(source.as_str().is_some_and(|source| source.contains("politicas/trocas.md")), "{source}");
    counter.close().await;
    browser.close().await;
}

#[tokio::test]
async fn the_page_speaks_the_shops_language_and_keeps_each_conversation() {
    let browser = browser_or_skip!(1280, 800);
    let counter = Counter::with(Setup { demo: true, ..Setup::default() }).await;
    browser.go(&counter.url).await;
    browser.until("return document.querySelectorAll('.shop').length === 2").await;
    browser.say("qual o prazo para troca?").await;
    let badge = browser.until("return document.querySelector('.line.agent .badge')?.dataset.path").await;
    assert_eq!(badge, "rules", "without a model the rules answer, and the page says so");

    browser.run("document.querySelectorAll('.shop')[1].click()").await;
    browser.until("return document.documentElement.lang === 'en'").await;
    assert_eq!(browser.run("return document.getElementById('shop-name').textContent").await, "Harbour Goods");
    browser.say("how long do I have to return an item?").await;
    let answer = browser
        .until(
            "return document.querySelector('.line.agent .badge') && \
        [...document.querySelectorAll('.line.agent .bubble')].at(-1).textContent",
        )
        .await;
    assert!(answer.as_str().is_some_and(|answer| answer.contains("45 days")), "{answer}");

    // A reload finds the conversation again.
    browser.go(&counter.url).await;
    let lines =
        browser.until("const n = document.querySelectorAll('.line').length; return n >= 3 && n").await;
    assert_eq!(lines, 3, "the greeting, the question, the answer");
    counter.close().await;
    browser.close().await;
}

#[tokio::test]
async fn what_a_customer_types_is_never_taken_for_html() {
    let browser = browser_or_skip!(390, 800);
    let counter = Counter::with(Setup { demo: true, ..Setup::default() }).await;
    browser.go(&counter.url).await;
    browser.until("return document.querySelectorAll('.shop').length === 2").await;
    let hostile = "<img src=x onerror='window.broken=1'> <b>oi</b>";
    browser.say(hostile).await;
    browser.until("return document.querySelector('.line.agent .badge') !== null").await;
    assert_eq!(
        browser.run("return document.querySelector('.line.customer .bubble').textContent").await,
        hostile
    );
    assert_eq!(browser.run("return window.broken === undefined").await, true);
    assert_eq!(browser.run("return document.querySelectorAll('#lines img').length").await, 0);
    let wide = browser.run("return document.documentElement.scrollWidth <= window.innerWidth").await;
    assert_eq!(wide, true, "a phone's page does not scroll sideways");
    counter.close().await;
    browser.close().await;
}

#[tokio::test]
async fn outside_the_demo_the_page_asks_for_a_key() {
    let browser = browser_or_skip!(1280, 800);
    let counter = Counter::open().await;
    browser.go(&counter.url).await;
    browser.until("return document.getElementById('ask-key').open").await;
    let submit = |key: &str| {
        format!("document.getElementById('key').value = '{key}'; document.querySelector('.primary').click()")
    };
    browser.run(&submit("bk_wrong")).await;
    browser.until("return !document.getElementById('key-wrong').hidden").await;
    browser.run(&submit(&counter.aurora.chat)).await;
    browser.until("return !document.getElementById('ask-key').open").await;
    assert_eq!(browser.until("return document.getElementById('shop-name').textContent").await, "Aurora");
    browser.say("oi").await;
    browser.until("return document.querySelector('.line.agent .badge') !== null").await;
    counter.close().await;
    browser.close().await;
}

#[tokio::test]
async fn the_page_to_read_the_api_by_shows_every_route() {
    let browser = browser_or_skip!(1280, 800);
    let counter = Counter::open().await;
    browser.go(&format!("{}/docs", counter.url)).await;
    let shown = browser.until("return document.querySelectorAll('article').length").await;
    let (_, description) = counter.get("/openapi.json", "").await;
    let all: usize = description["paths"]
        .as_object()
        .map(|paths| paths.values().filter_map(Value::as_object).map(|item| item.len()).sum())
        .expect("paths");
    assert_eq!(shown, all);
    counter.close().await;
    browser.close().await;
}
