//! Language models and embedders: two ports, and what stands behind them.
//!
//! Knows nothing of tenants' data, of SQL or of actors. Reading order: [`model`] and [`embedder`] (the ports),
//! then the adapters: [`openai`] (any OpenAI-compatible endpoint), [`e5`] (the local embedding model); and
//! [`replay`] (recorded calls, played back). The prompts' texts and templates belong to the agent.

pub mod e5;
pub mod embedder;
pub mod model;
pub mod openai;
pub mod replay;

pub use e5::E5;
pub use embedder::{EmbedError, Embedder};
pub use model::{
    ChatMessage, ChatRequest, ChatResponse, LanguageModel, LlmError, Role, ToolRequest, ToolSpec,
};
pub use openai::OpenAi;
