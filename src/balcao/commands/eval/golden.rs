//! What the suites over the golden sets share: the demo shops in a database of their own, the model as it was asked for,
//! and what a run was made with.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use async_trait::async_trait;
use balcao_agent::{RulePacks, prompts::Prompts};
use balcao_domain::tenant::Tenant;
use balcao_evals::runs::{MadeWith, Shelf};
use balcao_llm::{
    ChatRequest, ChatResponse, Embedder, LanguageModel, LlmError,
    replay::{Recorder, Replayer, Speed},
};
use balcao_retrieval::Ingestor;
use balcao_store::tenants;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

use crate::{
    boot::{self, DemoShops, Opened},
    cli::{EvalModel, Global, Llm},
    config::Config,
};

/// The demo shops, read in, and what they are asked with.
pub struct Ground {
    pub config: Config,
    pub opened: Opened,
    pub embedder: Arc<dyn Embedder>,
    pub shops: HashMap<String, Arc<Tenant>>,
    pub demo: DemoShops,
}

impl Ground {
    /// Opens the evaluations' own database and brings the demo shops' documents up to date; quick when nothing changed.
    pub async fn open(global: &Global) -> anyhow::Result<Self> {
        let mut config = super::super::settings(global, &[])?;
        config.data_dir = config.data_dir.join("evals");
        config.database.url = None;
        let assets = config.assets_dir.clone();
        let embedder: Arc<dyn Embedder> =
            Arc::new(tokio::task::spawn_blocking(move || boot::embedder(&assets)).await??);
        let opened = boot::open(&config).await?;
        match Self::prepare(&opened, &embedder).await {
            Ok((demo, shops)) => Ok(Self { config, opened, embedder, shops, demo }),
            Err(error) => {
                opened.close().await;
                Err(error)
            }
        }
    }

    async fn prepare(
        opened: &Opened,
        embedder: &Arc<dyn Embedder>,
    ) -> anyhow::Result<(DemoShops, HashMap<String, Arc<Tenant>>)> {
        let demo = DemoShops::prepare(&opened.store, None).await?;
        demo.ingest(&Ingestor::new(opened.store.clone(), embedder.clone())).await?;
        let mut shops = HashMap::new();
        for shop in tenants::list(&opened.store).await? {
            shops.insert(shop.slug.clone(), Arc::new(shop));
        }
        Ok((demo, shops))
    }

    /// The rule packs and prompts of the settings.
    pub fn words(&self) -> anyhow::Result<(Arc<RulePacks>, Arc<Prompts>)> {
        let prompts_dir = self.config.prompts_dir.as_deref();
        let rules = RulePacks::load(prompts_dir.map(|dir| dir.join("rules")).as_deref());
        Ok((
            Arc::new(rules.context("a rule pack cannot be used")?),
            Arc::new(Prompts::load(prompts_dir).context("a prompt cannot be used")?),
        ))
    }

    /// Where runs are kept.
    pub fn shelf(&self) -> Shelf {
        shelf(&self.config)
    }

    /// The model as it was asked for; `None`: the rules answer.
    pub fn model(&self, args: &EvalModel) -> anyhow::Result<Option<Arc<dyn LanguageModel>>> {
        let recording =
            || args.recording.as_deref().context("`--llm record` and `replay` need `--recording FILE`");
        let live = || {
            boot::model(&self.config)?.context(
                "no model is configured: set OPENAI_BASE_URL, OPENAI_API_KEY and llm.model, or use --llm off",
            )
        };
        let model: Option<Arc<dyn LanguageModel>> = match args.llm {
            Llm::Off => None,
            Llm::Live => Some(live()?),
            Llm::Record => {
                let path = recording()?;
                let recorder = Recorder::new(live()?, path);
                Some(Arc::new(recorder.with_context(|| format!("failed to record to `{}`", path.display()))?))
            }
            Llm::Replay => {
                let path = recording()?;
                let name = self.config.llm.model.clone().unwrap_or_else(|| "recorded".into());
                let replayer = Replayer::open(path, name, Speed::AtOnce);
                Some(Arc::new(replayer.with_context(|| format!("failed to replay `{}`", path.display()))?))
            }
        };
        Ok(match model {
            Some(model) if args.model_failure > 0.0 => Some(Arc::new(Failing {
                model,
                share: args.model_failure,
                rng: Mutex::new(StdRng::seed_from_u64(args.seed)),
            })),
            model => model,
        })
    }

    /// What a run is made with.
    pub fn made_with(&self, args: &EvalModel, model: Option<&str>, data: String) -> anyhow::Result<MadeWith> {
        let (rules, prompts) = self.words()?;
        let mut versions: BTreeMap<String, String> = BTreeMap::new();
        for (name, version) in prompts.versions() {
            versions.insert(format!("prompt {name}"), version.to_owned());
        }
        for shop in self.shops.values() {
            for language in [balcao_domain::Language::Portuguese, balcao_domain::Language::English] {
                versions.insert(
                    format!("rules {} {language}", shop.slug),
                    rules.of(&shop.slug, language).1.version().to_owned(),
                );
            }
        }
        Ok(MadeWith {
            git: revision(),
            seed: args.seed,
            llm: args.llm.as_str().into(),
            model: model.map(str::to_owned),
            versions,
            data,
            model_failure: args.model_failure,
            seconds: 0.0,
        })
    }
}

/// Where runs are kept with these settings.
pub fn shelf(config: &Config) -> Shelf {
    let folder: &Path = &config.data_dir;
    let folder = if folder.ends_with("evals") { folder.to_owned() } else { folder.join("evals") };
    Shelf::new(folder.join("runs"))
}

/// A run's name: its time, so that names sort by it, and its suite.
pub fn run_id(suite: &str) -> String {
    format!("{}-{suite}", chrono::Utc::now().format("%Y%m%dT%H%M%S%3f"))
}

/// SHA-256 over files, by name.
pub fn hash_of(paths: &[PathBuf]) -> anyhow::Result<String> {
    let mut hasher = Sha256::new();
    for path in paths {
        let bytes = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update(u64::try_from(bytes.len()).unwrap_or_default().to_le_bytes());
        hasher.update(bytes);
    }
    Ok(hex::encode(hasher.finalize()))
}

/// The files of a folder with this ending, by name.
pub fn files(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!("there is no folder `{}`: --golden names the folder of the golden sets", folder.display())
    })?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|known| known == ending))
        .collect();
    paths.sort();
    if paths.is_empty() {
        bail!("there is no .{ending} file in `{}`", folder.display());
    }
    Ok(paths)
}

/// The source's revision where this runs in its tree; `+`: with changes.
fn revision() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(revision) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    if changed { format!("{revision}+") } else { revision }
}

/// A model of which a share of the calls fails.
struct Failing {
    model: Arc<dyn LanguageModel>,
    share: f64,
    rng: Mutex<StdRng>,
}

#[async_trait]
impl LanguageModel for Failing {
    fn name(&self) -> &str {
        self.model.name()
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_text: &mut (dyn for<'t> FnMut(&'t str) + Send),
    ) -> Result<ChatResponse, LlmError> {
        if self.rng.lock().random_bool(self.share.clamp(0.0, 1.0)) {
            return Err(LlmError::Transient("made to fail for the evaluation".into()));
        }
        self.model.chat(request, on_text).await
    }
}
