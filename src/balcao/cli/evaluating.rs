//! What one types to score the engine.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::EvalRetrieval;

#[derive(Debug, Subcommand)]
pub enum Eval {
    /// Search on a data set in BEIR layout, by each configuration; `default` is what customers get
    Retrieval(EvalRetrieval),
    /// The golden questions of the demo shops: facts, citations, inventions, refusals
    Answers(EvalAnswers),
    /// The golden dialogues of the demo shops, played over the emulated WhatsApp against the whole server
    Dialogues(EvalDialogues),
    /// Is a message the shop's business? Out-of-scope recall at a fixed in-scope rate
    Scope(EvalScope),
    /// What it costs when the model fails: the answers at 0 %, 30 % and 100 % failing calls
    Outage(EvalOutage),
    /// The runs that were kept, newest first
    List,
    /// One run: an id or the beginning of one, `latest`, `latest:answers`, or a file
    Show {
        run: String,
        /// dev or test
        #[arg(long, value_name = "HALF", value_parser = ["dev", "test"])]
        split: Option<String>,
    },
    /// Two runs side by side: what differs by more than noise
    Compare(EvalCompare),
    /// Fail where a run is worse than the committed baseline by more than noise, and say which cases changed
    Gate(EvalGate),
    /// A run as one page of HTML
    Report(EvalReport),
    /// pass^k of trials: the chance that k trials of a task all succeed
    PassK {
        /// JSONL with a task, a trial and a reward in each line
        #[arg(long, value_name = "FILE")]
        trials: PathBuf,
    },
    /// Replay the reference actions of τ-retail through our commerce operations
    TauRetail {
        /// Folder with db.json and tasks.json
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Write each task's final state there, one file a task
        #[arg(long, value_name = "OUT")]
        dump: Option<PathBuf>,
    },
}

/// How the model is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Llm {
    /// None: the rules answer
    Off,
    /// The one of the settings
    Live,
    /// The one of the settings, and its answers are written to the recording
    Record,
    /// From the recording; what is not in it fails the call and names the request
    Replay,
}

impl Llm {
    /// The word of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Live => "live",
            Self::Record => "record",
            Self::Replay => "replay",
        }
    }

    /// Whether the order of calls must be the same every time.
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::Record | Self::Replay)
    }
}

#[derive(Debug, Clone, Args)]
pub struct EvalModel {
    /// How the model is had
    #[arg(long, value_enum, default_value = "off")]
    pub llm: Llm,
    /// The recording of `--llm record` and `replay`
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// The share of the model's calls that fail, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub model_failure: f64,
    /// Where chances start
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The demo shops' documents are read into a database of their own under the data folder, once.\n\n  balcao eval answers\n  balcao eval answers --llm record --recording answers.rec     # with the model of the settings\n  balcao eval answers --llm replay --recording answers.rec     # the same again without it"
)]
pub struct EvalAnswers {
    /// Folder of the golden sets
    #[arg(long, value_name = "DIR", default_value = "evals/golden")]
    pub golden: PathBuf,
    /// Only this shop
    #[arg(long, short, value_name = "SLUG")]
    pub tenant: Option<String>,
    /// Only one half: dev (to work with) or test (to report)
    #[arg(long, value_name = "HALF", value_parser = ["dev", "test"])]
    pub split: Option<String>,
    #[command(flatten)]
    pub model: EvalModel,
}

#[derive(Debug, Args)]
pub struct EvalDialogues {
    /// Folder of the golden sets
    #[arg(long, value_name = "DIR", default_value = "evals/golden")]
    pub golden: PathBuf,
    /// Only this shop
    #[arg(long, short, value_name = "SLUG")]
    pub tenant: Option<String>,
    /// Only one half: dev or test
    #[arg(long, value_name = "HALF", value_parser = ["dev", "test"])]
    pub split: Option<String>,
    /// Only this dialogue
    #[arg(long, value_name = "ID")]
    pub case: Option<String>,
    /// Trials of each, with other words
    #[arg(long, default_value_t = 1)]
    pub trials: usize,
    #[command(flatten)]
    pub model: EvalModel,
}

#[derive(Debug, Args)]
pub struct EvalScope {
    /// Folder of the golden sets
    #[arg(long, value_name = "DIR", default_value = "evals/golden")]
    pub golden: PathBuf,
    /// The share of the shop's business that must pass
    #[arg(long, default_value_t = 0.95)]
    pub rate: f64,
}

#[derive(Debug, Args)]
pub struct EvalOutage {
    /// Folder of the golden sets
    #[arg(long, value_name = "DIR", default_value = "evals/golden")]
    pub golden: PathBuf,
    /// Only this shop
    #[arg(long, short, value_name = "SLUG")]
    pub tenant: Option<String>,
    #[command(flatten)]
    pub model: EvalModel,
}

#[derive(Debug, Args)]
pub struct EvalCompare {
    /// The older run
    pub before: String,
    /// The newer run
    pub after: String,
    /// Only one half
    #[arg(long, value_name = "HALF", value_parser = ["dev", "test"])]
    pub split: Option<String>,
}

#[derive(Debug, Args)]
pub struct EvalGate {
    /// An id or the beginning of one, `latest`, `latest:answers`, or a file
    pub run: String,
    /// The baseline [default: evals/baseline/SUITE.json]
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Metrics that must hold [default: what a customer would notice]
    #[arg(long, value_name = "NAME")]
    pub metric: Vec<String>,
    /// Only one half
    #[arg(long, value_name = "HALF", value_parser = ["dev", "test"])]
    pub split: Option<String>,
    /// Make this run the baseline instead
    #[arg(long)]
    pub accept: bool,
}

#[derive(Debug, Args)]
pub struct EvalReport {
    /// An id or the beginning of one, `latest`, `latest:answers`, or a file
    pub run: String,
    /// Show how it differs from this one
    #[arg(long, value_name = "RUN")]
    pub against: Option<String>,
    /// Where to
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
}
