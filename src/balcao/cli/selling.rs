//! What one types to sell: catalogues, orders, payments, books, and who is told of them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Read products from a marketplace's answers, a feed or a spreadsheet
    Import(CatalogImport),
    /// Read an address again and again: what changes there changes here
    #[command(
        after_help = "A running server reads it. While it is away, what was read last stays on the shelf (balcao catalog feeds shows its age).\n\n  balcao catalog follow https://loja.example/feed.xml --from google --tenant minha-loja --every 15m --complete\n  balcao catalog follow https://loja.example/products.json --from woocommerce --tenant minha-loja --headers-file token.json"
    )]
    Follow {
        /// https://…
        url: String,
        /// Who describes the products (see `balcao catalog sources`)
        #[arg(long, value_name = "SOURCE")]
        from: String,
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// How often: a minute to a week (15m, 1h, 1d)
        #[arg(long, value_name = "TIME", default_value = "1h")]
        every: String,
        /// What prices without a currency are in
        #[arg(long, value_name = "CODE", default_value = "BRL")]
        currency: String,
        /// It is all this source has: what it no longer names leaves the shelf
        #[arg(long)]
        complete: bool,
        /// JSON object of headers to ask with, such as a token
        #[arg(long, value_name = "FILE")]
        headers_file: Option<PathBuf>,
    },
    /// The addresses that are followed, and how old what was read from them is
    Feeds {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
    },
    /// Follow an address no more; what was read from it stays on the shelf
    Unfollow {
        /// fed_…
        id: String,
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
    },
    /// Every source, and which files it is read from
    Sources,
    /// What a customer would find
    Search {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// As a customer would write them
        #[arg(required = true)]
        words: Vec<String>,
        /// Products to list
        #[arg(long, default_value_t = 10)]
        limit: i64,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "The same files again change nothing. A product that cannot be read is listed with its reason, and the rest goes on.\n\n  balcao catalog import --from planilha produtos.csv --tenant loja-aurora --complete\n  balcao catalog import --from google https://loja.example/feed.xml --tenant loja-aurora\n  balcao catalog import --from woocommerce products.json variations-*.json settings.json --tenant loja-aurora\n  balcao catalog sources"
)]
pub struct CatalogImport {
    /// Files, or addresses of files
    #[arg(required = true, value_name = "FILE|URL")]
    pub files: Vec<String>,
    /// Who describes the products (see `balcao catalog sources`)
    #[arg(long, value_name = "SOURCE")]
    pub from: String,
    /// The shop
    #[arg(long, short, value_name = "SLUG")]
    pub tenant: String,
    /// What prices without a currency are in
    #[arg(long, value_name = "CODE", default_value = "BRL")]
    pub currency: String,
    /// The files are all this source has: what it had before and they do not name leaves the shelf
    #[arg(long)]
    pub complete: bool,
}

#[derive(Debug, Subcommand)]
pub enum Orders {
    /// The last orders, newest first
    List {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Only these: awaiting_payment, paid, shipped, delivered, canceled, expired or refunded
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// One order with its lines and charges
    Show {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Its code (K7Q2-M9XD) or ord_…
        order: String,
    },
    /// The money of an order is in your account: book it, and tell the customer
    #[command(
        after_help = "For a PIX that no provider reports, because it was paid to the shop's own key.\n\n  balcao orders paid K7Q2-M9XD --tenant loja-aurora --end-to-end-id E00416968202611281200abcdefghijk"
    )]
    Paid {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Its code (K7Q2-M9XD) or ord_…
        order: String,
        /// How much came in, in minor units [default: what the order comes to]
        #[arg(long, value_name = "CENTS")]
        minor: Option<i64>,
        /// The bank's id of the transfer, from the statement: the same transfer is never booked twice
        #[arg(long, value_name = "E…")]
        end_to_end_id: Option<String>,
    },
    /// It is on its way: the customer is told
    Ship {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Its code (K7Q2-M9XD) or ord_…
        order: String,
        /// The carrier's number, as the customer is told it
        #[arg(long, value_name = "CODE")]
        tracking: Option<String>,
    },
    /// It was handed over, or fetched: the customer is told
    Deliver {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Its code (K7Q2-M9XD) or ord_…
        order: String,
    },
    /// What customers want to bring back, newest first
    Returns {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Also those that are decided
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// Decide about something that is to come back: the customer is told
    #[command(
        after_help = "  balcao orders return ret_… approve --tenant loja-aurora\n  balcao orders return ret_… refuse --why \"it was worn\" --tenant loja-aurora\n  balcao orders return ret_… receive --refund --tenant loja-aurora     # on the shelf again, and the money goes back\n  balcao orders return ret_… receive --keep-off-shelf --minor 1500 --tenant loja-aurora"
    )]
    Return {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// ret_…
        id: String,
        #[arg(value_enum)]
        step: ReturnStep,
        /// Why not, for the customer
        #[arg(long, required_if_eq("step", "refuse"))]
        why: Option<String>,
        /// Give back what its items cost
        #[arg(long)]
        refund: bool,
        /// Give back this much, in minor units
        #[arg(long, value_name = "CENTS", conflicts_with = "refund")]
        minor: Option<i64>,
        /// What came back cannot be sold again
        #[arg(long)]
        keep_off_shelf: bool,
    },
    /// Give money back through the provider it came from
    #[command(
        after_help = "A running server asks the provider, once however often it is tried, and tells the customer when the money has moved.\n\n  balcao orders refund K7Q2-M9XD --tenant loja-aurora --reason \"arrived broken\"\n  balcao orders refund K7Q2-M9XD --tenant loja-aurora --minor 1000 --reason \"late\""
    )]
    Refund {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Its code (K7Q2-M9XD) or ord_…
        order: String,
        /// How much, in minor units [default: all that is left]
        #[arg(long, value_name = "CENTS")]
        minor: Option<i64>,
        /// Why, for whoever asks later
        #[arg(long, default_value = "asked for by an operator")]
        reason: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReturnStep {
    /// It may come back
    Approve,
    /// It may not
    Refuse,
    /// It is here
    Receive,
}

#[derive(Debug, Subcommand)]
pub enum Payments {
    /// Let a provider report payments, and make charges at it; prints the address to give it
    #[command(
        after_help = "The secret file holds the provider's webhook secret, or JSON with `keys`, `public_keys_pem`, `require_client_certificate` and `tolerance_seconds`.\n\nWith an access file the provider is called: it makes the charges of orders, gives money back, and its books are compared with ours. It is JSON with what the provider needs: `token`, or `client_id` and `client_secret`; `pix_key` (efi-bcb-pix), `customer` (asaas), `payer_email` (mercadopago), `payer_name`, `payer_email` and `payer_document` (pagarme, pagbank); `certificate_pem` and `private_key_pem` where it wants a client certificate; `base_url` for another address, such as a sandbox. Of several such providers the one connected last makes the charges.\n\n  balcao payments connect asaas --tenant loja-aurora --secret-file asaas-token.txt --access-file asaas.json\n  balcao payments connect efi-bcb-pix --tenant loja-aurora --secret-file url-secret.txt --access-file efi.json"
    )]
    Connect {
        /// asaas, efi-bcb-pix, mercadopago, nuvemshop, pagarme, pagbank, shopify, standard-webhooks, stripe, woocommerce, woovi
        provider: String,
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// File with what the provider signs with
        #[arg(long, value_name = "FILE")]
        secret_file: PathBuf,
        /// File with what is needed to call the provider
        #[arg(long, value_name = "FILE")]
        access_file: Option<PathBuf>,
    },
    /// Have the providers' books compared with ours as soon as a server runs
    Reconcile {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
    },
    /// The last comparisons: what was told, and what had never been reported
    Reconciliations {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// The providers of a shop, with their addresses
    List {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
    },
    /// What providers reported last, and what became of it
    Reports {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
}

#[derive(Debug, Subcommand)]
pub enum Webhooks {
    /// Tell an address from now on; its secret is shown once
    #[command(
        after_help = "Every call is signed (headers webhook-id, webhook-timestamp, webhook-signature; see standardwebhooks.com).\nWhat is not answered with 2xx is sent again for three days, then set aside (balcao dead-letters).\n\n  balcao webhooks add https://erp.minha-loja.example/balcao --tenant minha-loja --kind order.created --kind payment.moved"
    )]
    Add {
        /// https://…
        url: String,
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// Only these kinds of events, for example order.created, payment.moved, conversation.handed_off [default: all]
        #[arg(long = "kind", value_name = "KIND")]
        kinds: Vec<String>,
    },
    /// The addresses that are told
    List {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
    },
    /// Sign with a new secret, shown once; for a day the one before signs beside it
    Rotate {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// whe_…
        id: String,
    },
    /// Tell it no more
    Remove {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        /// whe_…
        id: String,
    },
    /// The last attempts, newest first
    Attempts {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
}

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Check all of a shop's books; ends with an error at the first row that does not add up
    Verify {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
    },
    /// Every account with what is on it
    Balances {
        #[arg(long, short, value_name = "SLUG")]
        tenant: String,
    },
}
