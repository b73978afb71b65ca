//! What one types. The help texts here are the manual.

mod evaluating;
mod selling;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use evaluating::{
    Eval, EvalAnswers, EvalCompare, EvalDialogues, EvalGate, EvalModel, EvalOutage, EvalReport, EvalScope,
    Llm,
};
pub use selling::{Catalog, CatalogImport, Ledger, Orders, Payments, ReturnStep, Webhooks};

/// The counter where shops serve their customers: over WhatsApp, web chat and an API.
#[derive(Debug, Parser)]
#[command(name = "balcao", version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Start here:\n  balcao serve --demo            two demo shops on http://127.0.0.1:8080\n  balcao chat --tenant loja-aurora   talk to one of them in this terminal\n  balcao doctor                  what is missing, and what to do about it"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Settings file [default: balcao.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Override one setting, for example --set llm.model=gpt-4o-mini (see `balcao config show`)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub values: Vec<(String, String)>,
    /// Where the embedded Postgres and generated keys live [default: .balcao]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not of the form key=value"))
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Serve),
    /// Talk to a shop in this terminal, as its customer
    Chat(Chat),
    /// Read documents into a shop's knowledge
    Ingest(Ingest),
    /// Take in and search what a shop sells
    #[command(subcommand)]
    Catalog(Catalog),
    /// See a shop's orders, and say that one was paid
    #[command(subcommand)]
    Orders(Orders),
    /// Connect payment providers, and see what they reported
    #[command(subcommand)]
    Payments(Payments),
    /// Tell a shop's own systems what happens (Standard Webhooks)
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Verify a shop's books, and see what is in them
    #[command(subcommand)]
    Ledger(Ledger),
    /// Check what must always hold of stock, orders, payments and books, of one shop or of all
    #[command(
        after_help = "Ends with an error where something does not hold, and names the first row of it.\n\n  balcao invariants --json | jq '.[0]'"
    )]
    Invariants {
        /// Only this shop
        #[arg(long, short, value_name = "SLUG")]
        tenant: Option<String>,
    },
    /// Create and list shops, connect their WhatsApp numbers
    #[command(subcommand)]
    Tenant(Tenant),
    /// Issue, list and revoke API keys
    #[command(subcommand)]
    Key(Key),
    /// Run stand-ins of the WhatsApp Cloud API, of payment providers and of an OpenAI-compatible endpoint
    Emulator(Emulator),
    /// Check assets, database, migrations, models and credentials, and say what to do
    Doctor,
    /// Show the effective settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Bring the database's schema up to date
    Migrate {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Measure: the figures of the README come from here (a breaker's: cargo bench -p balcao-domain)
    #[command(subcommand)]
    Bench(Bench),
    /// Play shops, customers and a bank under random trouble, and check after each seed that all still holds
    Simulate(Simulate),
    /// What was set aside for a person to look at
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Find a shop's customer, give them all their data, or erase it
    #[command(subcommand)]
    Customer(Customer),
    /// Score the engine offline: retrieval on BEIR sets, commerce on τ-retail, pass^k of any trials
    #[command(subcommand)]
    Eval(Eval),
}

#[derive(Debug, Args)]
#[command(
    after_help = "The set is embedded once, into a database of its own under the data folder; later runs only search.\n\n  balcao eval retrieval --beir datasets/scifact --json\n  balcao eval retrieval --beir datasets/scifact --config-name default --run scifact.trec"
)]
pub struct EvalRetrieval {
    /// Folder with corpus.jsonl, queries.jsonl and qrels/*.tsv
    #[arg(long, value_name = "DIR")]
    pub beir: PathBuf,
    /// Write the TREC run of `default` (or of the one --config-name) there
    #[arg(long, value_name = "FILE")]
    pub run: Option<PathBuf>,
    /// Only this configuration: lexical, vector, even, hybrid or default
    #[arg(long, value_name = "NAME")]
    pub config_name: Option<String>,
    /// Only the queries of one half, split by a hash of their ids: dev (to tune on) or test (to report)
    #[arg(long, value_name = "HALF", value_parser = ["dev", "test"])]
    pub half: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A database of its own and two server processes on it, which are killed and started again meanwhile; the database\ncrashes too. A violation is shown with its seed.\n\n  balcao simulate --seeds 50\n  balcao simulate --seed 17"
)]
pub struct Simulate {
    /// How many seeds
    #[arg(long, default_value_t = 10)]
    pub seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    pub first: u64,
    /// Only this one
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first"])]
    pub seed: Option<u64>,
    /// Customers of each seed, all of them at once
    #[arg(long, default_value_t = 8)]
    pub customers: usize,
    /// Kill nothing
    #[arg(long)]
    pub calm: bool,
    /// Instead: 64 customers want the last 5 pieces at the same moment, so many times
    #[arg(long, value_name = "ROUNDS")]
    pub fight: Option<usize>,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Create two demo shops with documents, keys and an emulated WhatsApp
    #[arg(long)]
    pub demo: bool,
    /// Address and port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Address of the demo's WhatsApp emulator
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub emulator_listen: SocketAddr,
}

#[derive(Debug, Args)]
pub struct Chat {
    /// The shop
    #[arg(long, short, value_name = "SLUG")]
    pub tenant: String,
    /// Server to talk to [default: the demo's]
    #[arg(long, env = "BALCAO_URL")]
    pub url: Option<String>,
    /// API key with the scope `chat` [default: the demo's]
    #[arg(long, env = "BALCAO_API_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// File with the API key, so that it stands in no command line
    #[arg(long, env = "BALCAO_API_KEY_FILE", value_name = "FILE", conflicts_with = "key")]
    pub key_file: Option<PathBuf>,
    /// Conversation to go on with [default: a new one]
    #[arg(long, value_name = "ID")]
    pub conversation: Option<String>,
    /// Say this, print the answer, and leave
    pub message: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Ingest {
    /// File or folder: Markdown, text, HTML, PDF, Word (.docx), spreadsheets (.xlsx, .ods), CSV, JSON, JSON Lines,
    /// and ZIP archives of these
    pub path: PathBuf,
    /// The shop
    #[arg(long, short, value_name = "SLUG")]
    pub tenant: String,
    /// Collection the documents belong to
    #[arg(long, default_value = "default")]
    pub collection: String,
}

#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Create a shop
    Create {
        /// Short name: lower case, digits, hyphens
        slug: String,
        /// Name as customers know it
        #[arg(long)]
        name: String,
        /// pt or en
        #[arg(long, default_value = "pt")]
        language: String,
    },
    /// List the shops
    List,
    /// Show one shop with its channels
    Show { slug: String },
    /// Change a shop's settings, for example quiet_ms=2000
    Set {
        slug: String,
        #[arg(id = "setting", value_name = "KEY=VALUE", value_parser = key_value, required = true)]
        settings: Vec<(String, String)>,
    },
    /// Connect a WhatsApp number
    ConnectWhatsapp {
        slug: String,
        #[arg(long)]
        phone_number_id: String,
        /// WhatsApp Business Account id
        #[arg(long)]
        waba_id: Option<String>,
        /// Number as people write it
        #[arg(long, default_value = "")]
        display: String,
        /// File with the Meta app's secret
        #[arg(long, value_name = "FILE")]
        app_secret_file: PathBuf,
        /// File with the verify token you chose
        #[arg(long, value_name = "FILE")]
        verify_token_file: PathBuf,
        /// File with the access token
        #[arg(long, value_name = "FILE")]
        access_token_file: PathBuf,
        /// The number is connected already: replace its credentials, and let it send again
        #[arg(long)]
        replace: bool,
    },
    /// Let a number send again that was paused (a refused token, a payment that failed), once that is settled
    ResumeWhatsapp {
        slug: String,
        #[arg(long)]
        phone_number_id: String,
    },
    /// Remove a shop and everything it owns
    Delete {
        slug: String,
        /// Yes, really
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeWord {
    Chat,
    Ingest,
    Admin,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Issue a key; its secret is shown once
    Issue {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long = "scope", value_enum, required = true)]
        scopes: Vec<ScopeWord>,
    },
    /// List a shop's keys
    List {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
    },
    /// Revoke a key at once
    Revoke {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        id: String,
    },
}

#[derive(Debug, Args)]
pub struct Emulator {
    /// Address of the WhatsApp Cloud API stand-in
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Also run stand-ins of payment providers at this address
    #[arg(long, value_name = "ADDR")]
    pub payments: Option<SocketAddr>,
    /// Also run an OpenAI-compatible stand-in at this address
    #[arg(long, value_name = "ADDR")]
    pub openai: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every setting, its value (secrets masked) and where it comes from
    Show,
}

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Durable webhook acceptance, beside pgbench on the same server
    Webhooks(BenchTime),
    /// Ordered processing: claim, stub turn, fenced completion
    Ordered(BenchTime),
    /// Many open conversations on the rule path
    Conversations(BenchConversations),
    /// A turn outside the model, by stage
    Turn(BenchTime),
    /// Catalogues: reading each source, taking in a large feed, searching among its products
    Catalogue(BenchCatalogue),
    /// Orders with their charge, beside pgbench with the same writes on the same server
    Orders(BenchTime),
    /// The local embedding model
    Embedding,
    /// All of them, one after the other
    All(BenchTime),
}

#[derive(Debug, Clone, Args)]
pub struct BenchTime {
    /// Seconds per measurement
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
}

#[derive(Debug, Clone, Args)]
pub struct BenchCatalogue {
    /// Products of the feed that is taken in
    #[arg(long, default_value_t = 100_000)]
    pub products: u64,
    /// Folder with an expected.json and the files of each source, to measure the adapters with
    #[arg(long, value_name = "DIR")]
    pub fixtures: Option<PathBuf>,
    /// Seconds of each adapter and of searching
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
}

#[derive(Debug, Clone, Args)]
pub struct BenchConversations {
    /// Open conversations
    #[arg(long, default_value_t = 10_000)]
    pub conversations: usize,
    /// Messages a second
    #[arg(long, default_value_t = 200)]
    pub rate: u64,
    /// Seconds of load
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
}

#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// List what was set aside
    List {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Also what was dealt with
        #[arg(long)]
        all: bool,
    },
    /// Show one with its evidence
    Show {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        id: String,
    },
    /// Try again
    #[command(alias = "replay")]
    Retry {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        id: String,
    },
    /// Mark as dealt with
    Resolve {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        id: String,
    },
}

/// `WHO` is a phone number in any written form, a WhatsApp user id (`BR.…`), the caller's own id on the chat API, or
/// `cus_…`.
#[derive(Debug, Subcommand)]
pub enum Customer {
    /// Who is known by this id?
    Find {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// A phone number, a user id, or cus_…
        who: String,
    },
    /// Write everything that is stored about one customer as JSON
    Export {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// A phone number, a user id, or cus_…
        who: String,
        /// File to write, readable by you alone [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Delete a customer with every conversation; cannot be undone
    Erase {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// A phone number, a user id, or cus_…
        who: String,
        /// Yes, really
        #[arg(long)]
        yes: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn a_dead_letter_is_retried_by_its_old_name_too() {
        use clap::Parser;
        for word in ["retry", "replay"] {
            let cli =
                super::Cli::try_parse_from(["balcao", "dead-letters", word, "--tenant", "loja", "dl_1"]);
            let command = cli.expect("parses").command;
            assert!(
                matches!(command, super::Command::DeadLetters(super::DeadLetters::Retry { .. })),
                "{word}"
            );
        }
    }

    #[test]
    fn settings_of_a_shop_are_not_taken_for_settings_of_the_program() {
        use clap::Parser;
        let cli = super::Cli::try_parse_from([
            "balcao",
            "tenant",
            "set",
            "loja",
            "quiet_ms=5",
            "--set",
            "llm.model=m",
        ]);
        let cli = cli.expect("parses");
        assert_eq!(cli.global.values, [("llm.model".to_owned(), "m".to_owned())]);
        let super::Command::Tenant(super::Tenant::Set { settings, .. }) = cli.command else {
            panic!("another command")
        };
        assert_eq!(settings, [("quiet_ms".to_owned(), "5".to_owned())]);
    }
}
