//! Adapters chosen by the settings: the language model, and the sending side of channel accounts.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use balcao_actors::ChannelFactory;
use balcao_channels::{
    Channel,
    api::ApiChannel,
    whatsapp::{HttpClient, WhatsappChannel, WhatsappSettings},
};
use balcao_domain::channel::Kind;
use balcao_llm::{
    LanguageModel,
    openai::{self, OpenAi, Structured},
};
use balcao_store::channels::ChannelAccount;

use crate::config::{Config, Whatsapp};

/// Makes the sending side of accounts.
pub struct Accounts {
    whatsapp: Whatsapp,
    http: HttpClient,
}

impl Accounts {
    /// With the Cloud API of the settings.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let http =
            HttpClient::with_defaults().context("failed to prepare the HTTP client of the channels")?;
        Ok(Self { whatsapp: config.whatsapp.clone(), http })
    }
}

impl ChannelFactory for Accounts {
    fn channel(&self, account: &ChannelAccount) -> Arc<dyn Channel> {
        match (account.kind, &account.credentials) {
            (Kind::Whatsapp, Some(credentials)) => Arc::new(WhatsappChannel::new(
                WhatsappSettings {
                    base_url: self.whatsapp.base_url.clone(),
                    api_version: self.whatsapp.api_version.clone(),
                    phone_number_id: account.external_id.clone(),
                    access_token: credentials.access_token.clone(),
                },
                self.http.clone(),
            )),
            _ => Arc::new(ApiChannel),
        }
    }
}

/// The language model of the settings, if there is one.
pub fn model(config: &Config) -> anyhow::Result<Option<Arc<dyn LanguageModel>>> {
    Ok(match openai(config)? {
        Some(model) => Some(Arc::new(model)),
        None => None,
    })
}

/// Asks the endpoint whether it is there and knows the model.
pub async fn probe_model(config: &Config, patience: Duration) -> anyhow::Result<String> {
    let model = openai(config)?.context("no model is configured")?;
    let known = model.probe(patience).await?;
    let name = config.llm.model.as_deref().unwrap_or_default();
    if known.iter().any(|id| id == name) {
        Ok(format!("`{name}` is there"))
    } else {
        Ok(format!("the endpoint answers, but does not list `{name}` (some endpoints list only a part)"))
    }
}

fn openai(config: &Config) -> anyhow::Result<Option<OpenAi>> {
    let llm = &config.llm;
    let (true, Some(name)) = (llm.is_configured(), &llm.model) else { return Ok(None) };
    let base_url = llm.base_url.clone().unwrap_or_else(|| "https://api.openai.com/v1".to_owned());
    let settings = openai::Settings {
        api_key: llm.api_key.clone(),
        input_price: llm.input_price,
        output_price: llm.output_price,
        structured: Structured::parse(&llm.structured).context("`llm.structured` is not a known word")?,
        timeout: llm.timeout,
        first_token_timeout: llm.first_token_timeout,
        ..openai::Settings::new(base_url, name)
    };
    Ok(Some(OpenAi::new(settings).context("the language model's settings cannot be used")?))
}
