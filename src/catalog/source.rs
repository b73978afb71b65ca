//! Who describes the products.

use std::{fmt, str::FromStr};

macro_rules! sources {
    ($($variant:ident = $id:literal, $files:literal;)*) => {
        /// Where product data comes from. One adapter each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Source { $(#[doc = $files] $variant),* }

        impl Source {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in commands and in the database.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),* }
            }

            /// Which files are read.
            pub const fn files(self) -> &'static str {
                match self { $(Self::$variant => $files),* }
            }
        }
    };
}

sources! {
    MercadoLivre = "mercadolivre",
        "Answers of `/items?ids=…` (User Products: one item a variant), and `/items/{id}/description` by item id.";
    MercadoLivreLegacy = "mercadolivre_legacy",
        "Items that hold their `variations`, and `/items/{id}/description` by item id.";
    ShopifyRest = "shopify_rest", "Answers of `/products.json`, or the bodies of `products/*` webhooks.";
    ShopifyGraphql = "shopify_graphql", "Answers of the Admin API's `products` query.";
    Woocommerce = "woocommerce",
        "Answers of `/wc/v3/products` and `…/{id}/variations`, and the shop's settings by their ids.";
    Vtex = "vtex", "Answers of `/api/catalog_system/pub/products/search`.";
    Nuvemshop = "nuvemshop", "Answers of `/products` (Nuvemshop, Tiendanube).";
    Amazon = "amazon", "Answers of SP-API Listings Items 2021-08-01 with all included data.";
    Shopee = "shopee",
        "Answers of `get_item_base_info`, and of `get_model_list` in files whose names end with the item's id.";
    Magalu = "magalu", "Answers of `/portfolios/skus`, and of the prices and the stocks by SKU.";
    Google = "google", "A Merchant Center feed: RSS, Atom, TSV or CSV.";
    Meta = "meta", "A Meta (WhatsApp, Instagram) catalogue feed: CSV, TSV, RSS or Atom.";
    SchemaOrg = "schemaorg", "JSON-LD, or web pages that hold it.";
    Planilha = "planilha", "A shop's own table as CSV, headings in Portuguese or English.";
}

/// A name that is no source's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no source `{0}`")]
pub struct UnknownSource(pub String);

impl FromStr for Source {
    type Err = UnknownSource;
    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        Self::ALL
            .iter()
            .find(|source| source.id() == text)
            .copied()
            .ok_or_else(|| UnknownSource(text.to_owned()))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
