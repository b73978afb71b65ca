//! A span for each call of a model, with the attributes of OpenTelemetry's GenAI semantic conventions.

use std::sync::Arc;

use async_trait::async_trait;
use balcao_llm::{ChatRequest, ChatResponse, LanguageModel, LlmError};
use tracing::{Instrument, Span, field::Empty};

struct Traced(Arc<dyn LanguageModel>);

/// The same model, each call of it in a span.
pub fn traced(model: Arc<dyn LanguageModel>) -> Arc<dyn LanguageModel> {
    Arc::new(Traced(model))
}

#[async_trait]
impl LanguageModel for Traced {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        let span = span(self.name(), request);
        let answer = self.0.chat(request, on_text).instrument(span.clone()).await;
        note(&span, &answer);
        answer
    }
}

fn span(model: &str, request: &ChatRequest) -> Span {
    let span = tracing::info_span!(
        "model",
        otel.name = format!("chat {model}"),
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = model,
        gen_ai.request.temperature = f64::from(request.temperature),
        gen_ai.request.max_tokens = i64::from(request.max_output_tokens),
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        error.r#type = Empty,
        tenant.id = Empty,
    );
    if let Some(tenant) = request.tenant_id {
        span.record("tenant.id", tracing::field::display(tenant));
    }
    span
}

fn note(span: &Span, answer: &Result<ChatResponse, LlmError>) {
    match answer {
        Ok(answer) => {
            span.record("gen_ai.response.model", answer.model.as_str());
            span.record("gen_ai.usage.input_tokens", i64::from(answer.usage.input_tokens));
            span.record("gen_ai.usage.output_tokens", i64::from(answer.usage.output_tokens));
        }
        Err(error) => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", word(error));
        }
    }
}

fn word(error: &LlmError) -> &'static str {
    match error {
        LlmError::Transient(_) => "transient",
        LlmError::TimedOut(_) => "timeout",
        LlmError::RateLimited { .. } => "rate_limited",
        LlmError::QuotaExhausted(_) => "quota_exhausted",
        LlmError::Unauthorized(_) => "unauthorized",
        LlmError::ContextTooLong => "context_too_long",
        LlmError::Refused => "refused",
        LlmError::Permanent(_) => "permanent",
        LlmError::BreakerOpen => "breaker_open",
    }
}
