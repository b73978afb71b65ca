//! A language model and an embedder behind their breakers.

use super::*;

/// A model that answers what the test last said, after as long as it said.
struct Scripted {
    answer: Mutex<Result<ChatResponse, LlmError>>,
    takes: Mutex<Duration>,
    calls: AtomicU32,
}

impl Scripted {
    fn new() -> Arc<Self> {
        let response = ChatResponse { text: "Olá!".into(), ..ChatResponse::default() };
        Arc::new(Self {
            answer: Mutex::new(Ok(response)),
            takes: Mutex::new(Duration::ZERO),
            calls: AtomicU32::new(0),
        })
    }

    fn fails(&self, error: LlmError) {
        *self.answer.lock() = Err(error);
    }

    fn answers(&self) {
        *self.answer.lock() = Ok(ChatResponse { text: "Olá!".into(), ..ChatResponse::default() });
    }

    fn calls(&self) -> u32 {
        self.calls.load(SeqCst)
    }
}

#[async_trait]
impl LanguageModel for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn chat(
        &self,
        _: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        self.calls.fetch_add(1, SeqCst);
        let takes = *self.takes.lock();
        sleep(takes).await;
        let answer = self.answer.lock().clone();
        if let Ok(response) = &answer {
            on_text(&response.text);
        }
        answer
    }
}

fn request(tenant_id: Option<TenantId>) -> ChatRequest {
    ChatRequest {
        tenant_id,
        messages: Vec::new(),
        tools: Vec::new(),
        response_schema: None,
        temperature: 0.0,
        max_output_tokens: 100,
        seed: None,
        timeout: Duration::from_secs(8),
    }
}

async fn ask(model: &Arc<dyn LanguageModel>, tenant_id: Option<TenantId>) -> Result<ChatResponse, LlmError> {
    model.chat(&request(tenant_id), &mut |_| {}).await
}

fn down() -> LlmError {
    LlmError::Transient("502".into())
}

const ENDPOINT: &str = "llm:scripted";
const CREDENTIAL: &str = "llm:scripted/credential";

#[tokio::test(start_paused = true)]
async fn a_failing_model_is_left_alone_and_used_again_when_it_is_well() {
    let (breakers, scripted) = (breakers().await, Scripted::new());
    let model = breakers.guard_model(scripted.clone()).await;
    let shop = Some(TenantId::generate());
    scripted.fails(down());
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(ask(&model, shop).await.expect_err("it fails"));
    }
    assert_eq!(scripted.calls(), 5);
    assert_eq!(answers.iter().filter(|e| **e == LlmError::BreakerOpen).count(), 5);
    assert_eq!(state(&breakers, ENDPOINT), "open");

    scripted.answers();
    sleep(Duration::from_secs(3)).await;
    for _ in 0..4 {
        assert_eq!(ask(&model, shop).await.expect("it is well").text, "Olá!");
    }
    assert_eq!(state(&breakers, ENDPOINT), "closed");
}

#[tokio::test(start_paused = true)]
async fn one_shops_failures_close_the_door_for_that_shop_only() {
    let (breakers, scripted) = (breakers().await, Scripted::new());
    let model = breakers.guard_model(scripted.clone()).await;
    let (poisoned, healthy) = (TenantId::generate(), TenantId::generate());
    for _ in 0..30 {
        scripted.answers();
        let _ = ask(&model, Some(healthy)).await;
        scripted.fails(down());
        let _ = ask(&model, Some(poisoned)).await;
    }
    assert_eq!(state(&breakers, ENDPOINT), "closed");
    assert_eq!(state(&breakers, &format!("{ENDPOINT}/tenant:{poisoned}")), "open");
    scripted.answers();
    assert_eq!(ask(&model, Some(poisoned)).await, Err(LlmError::BreakerOpen));
    assert!(ask(&model, Some(healthy)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_and_an_empty_account_open_the_credential_and_not_the_endpoint() {
    for error in [LlmError::Unauthorized("401".into()), LlmError::QuotaExhausted("no credit".into())] {
        let (breakers, scripted) = (breakers().await, Scripted::new());
        let model = breakers.guard_model(scripted.clone()).await;
        scripted.fails(error.clone());
        assert_eq!(ask(&model, None).await, Err(error.clone()));
        assert_eq!(ask(&model, None).await, Err(LlmError::BreakerOpen));
        assert_eq!((scripted.calls(), state(&breakers, ENDPOINT).as_str()), (1, "closed"));
        assert_eq!(state(&breakers, CREDENTIAL), "open");

        scripted.answers();
        sleep(Duration::from_secs(3_600)).await;
        let tried = ask(&model, None).await.is_ok();
        assert_eq!(tried, matches!(error, LlmError::Unauthorized(_)), "an empty account waits for a person");
        assert!(breakers.order(CREDENTIAL, Order::Automatic, "ana", None).await);
        assert!(ask(&model, None).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_makes_the_credential_wait_and_opens_nothing() {
    let (breakers, scripted) = (breakers().await, Scripted::new());
    let model = breakers.guard_model(scripted.clone()).await;
    let limit = LlmError::RateLimited { retry_after: Some(Duration::from_secs(20)) };
    scripted.fails(limit.clone());
    assert_eq!(ask(&model, None).await, Err(limit.clone()));
    scripted.answers();
    advance(Duration::from_secs(5)).await;
    let rest = LlmError::RateLimited { retry_after: Some(Duration::from_secs(15)) };
    assert_eq!(ask(&model, None).await, Err(rest));
    assert_eq!(
        (state(&breakers, ENDPOINT), state(&breakers, CREDENTIAL)),
        ("closed".into(), "closed".into())
    );
    assert_eq!(view(&breakers, CREDENTIAL).limited_for_ms, Some(15_000));
    advance(Duration::from_secs(15)).await;
    assert!(ask(&model, None).await.is_ok());
    assert_eq!(scripted.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_is_given_up_on_in_time_and_counted_though_the_caller_has_the_same_deadline() {
    let (breakers, scripted) = (breakers().await, Scripted::new());
    let model = breakers.guard_model(scripted.clone()).await;
    *scripted.takes.lock() = Duration::from_secs(1_000);
    for _ in 0..5 {
        let limit = request(None).timeout;
        let _ = tokio::time::timeout(limit, ask(&model, None)).await;
    }
    sleep(Duration::from_millis(1)).await;
    let endpoint = view(&breakers, ENDPOINT);
    assert_eq!((endpoint.state.as_str(), endpoint.failures, endpoint.cancelled), ("open", 5, 0));
}

#[tokio::test(start_paused = true)]
async fn our_own_mistakes_open_nothing() {
    let (breakers, scripted) = (breakers().await, Scripted::new());
    let model = breakers.guard_model(scripted.clone()).await;
    for error in [LlmError::ContextTooLong, LlmError::Refused, LlmError::Permanent("400".into())] {
        scripted.fails(error.clone());
        for _ in 0..20 {
            assert_eq!(ask(&model, Some(TenantId::generate())).await, Err(error.clone()));
        }
    }
    assert_eq!((scripted.calls(), state(&breakers, ENDPOINT).as_str()), (60, "closed"));
}

#[tokio::test(start_paused = true)]
async fn slow_answers_count_by_their_length() {
    let (breakers, scripted) = (breakers().await, Scripted::new());
    let model = breakers.guard_model(scripted.clone()).await;
    *scripted.takes.lock() = Duration::from_secs(2);
    let long = Usage { output_tokens: 400, ..Usage::default() };
    *scripted.answer.lock() = Ok(ChatResponse { usage: long, ..ChatResponse::default() });
    ask(&model, None).await.expect("it answers");
    assert_eq!(view(&breakers, ENDPOINT).slow, 0);
    // The whole text comes at the end here, so its first token comes after six seconds, too.
    *scripted.takes.lock() = Duration::from_secs(6);
    ask(&model, None).await.expect("it answers");
    assert_eq!(view(&breakers, ENDPOINT).slow, 1);
}

#[tokio::test(start_paused = true)]
async fn a_shops_breaker_goes_when_the_shop_is_quiet_and_its_counts_stay() {
    let (breakers, scripted) = (breakers().await, Scripted::new());
    let model = breakers.guard_model(scripted.clone()).await;
    let shop = TenantId::generate();
    ask(&model, Some(shop)).await.expect("it answers");
    let key = format!("{ENDPOINT}/tenant:{shop}");
    assert_eq!(view(&breakers, &key).calls, 1);
    sleep(Duration::from_secs(30)).await;
    assert!(breakers.views().iter().all(|view| view.key != key), "one breaker a shop, only while it calls");
    let family = breakers.families().pop().expect("there is one");
    assert_eq!(family.retired().succeeded, 1);
}

/// An embedder that fails when told.
struct ScriptedEmbedder(Mutex<bool>);

#[async_trait]
impl Embedder for ScriptedEmbedder {
    fn model_id(&self) -> &str {
        "remote"
    }
    fn dimensions(&self) -> usize {
        1
    }
    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }
    async fn embed_query(&self, _: &str) -> Result<Vec<f32>, EmbedError> {
        if *self.0.lock() { Err(EmbedError::Transient("503".into())) } else { Ok(vec![1.0]) }
    }
    async fn embed_passages(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(vec![vec![1.0]; texts.len()])
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_embedder_has_a_breaker_of_its_own() {
    let (breakers, scripted) = (breakers().await, Arc::new(ScriptedEmbedder(Mutex::new(true))));
    let embedder = breakers.guard_embedder(scripted.clone()).await;
    for _ in 0..5 {
        assert_eq!(embedder.embed_query("frete").await, Err(EmbedError::Transient("503".into())));
    }
    assert_eq!(embedder.embed_query("frete").await, Err(EmbedError::BreakerOpen));
    assert_eq!(embedder.embed_passages(&["frete".into()]).await, Err(EmbedError::BreakerOpen));
    *scripted.0.lock() = false;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(embedder.embed_query("frete").await, Ok(vec![1.0]));
}
