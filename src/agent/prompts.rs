//! The model's prompts: Markdown templates in the binary, overridden by a folder.

use std::{fs, path::Path};

use include_dir::{Dir, include_dir};
use minijinja::Environment;
use serde::Serialize;

/// Everything under `prompts/`: what the binary falls back to.
pub static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../prompts");

/// The prompts there must be.
const NAMES: &[&str] = &[
    "answer",
    "repair",
    "tools/search_knowledge",
    "tools/search_products",
    "tools/show_products",
    "tools/add_to_cart",
    "tools/view_cart",
    "tools/checkout",
    "tools/order_status",
    "tools/cancel_order",
    "tools/change_order",
    "tools/return_order",
    "tools/product_details",
    "tools/request_human",
    "tools/end_conversation",
];

/// Why a prompt cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// Its file cannot be read.
    #[error("failed to read the prompt `{name}`: {cause}")]
    Read { name: String, cause: String },
    /// It is no template, or needs an input it is not given.
    #[error("the prompt `{name}` cannot be rendered: {cause}")]
    Render { name: String, cause: String },
}

/// A prompt with its inputs filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The words.
    pub text: String,
    /// The prompt's name.
    pub name: String,
    /// A hash of its template.
    pub version: String,
}

/// All prompts, parsed.
pub struct Prompts {
    environment: Environment<'static>,
    versions: Vec<(&'static str, String)>,
}

impl Prompts {
    /// Reads the prompts of a folder, and from the binary those the folder lacks.
    ///
    /// # Errors
    /// When a file cannot be read or is no template.
    pub fn load(folder: Option<&Path>) -> Result<Self, PromptError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        let mut versions = Vec::new();
        for &name in NAMES {
            let text = template(name, folder)?;
            versions.push((name, version(&text)));
            let added = environment.add_template_owned(name, text);
            added.map_err(|e| PromptError::Render { name: name.into(), cause: e.to_string() })?;
        }
        Ok(Self { environment, versions })
    }

    /// Every prompt with its version.
    pub fn versions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.versions.iter().map(|(name, version)| (*name, version.as_str()))
    }

    /// Fills in a prompt's inputs.
    ///
    /// # Errors
    /// When there is no such prompt or it needs an input it is not given.
    pub fn render(&self, name: &str, input: &impl Serialize) -> Result<Rendered, PromptError> {
        let failed = |cause: String| PromptError::Render { name: name.to_owned(), cause };
        let template = self.environment.get_template(name).map_err(|e| failed(e.to_string()))?;
        let text = template.render(minijinja::value::Serde(input)).map_err(|e| failed(format!("{e:#}")))?;
        let version =
            self.versions.iter().find(|(n, _)| *n == name).map_or_else(String::new, |(_, v)| v.clone());
        Ok(Rendered { text, name: name.to_owned(), version })
    }
}

fn template(name: &str, folder: Option<&Path>) -> Result<String, PromptError> {
    let file = format!("{name}.md");
    let own = folder.map(|folder| folder.join(&file)).filter(|path| path.exists());
    let failed = |cause: String| PromptError::Read { name: name.to_owned(), cause };
    match own {
        Some(path) => fs::read_to_string(path).map_err(|error| failed(error.to_string())),
        None => {
            let embedded = EMBEDDED.get_file(&file).and_then(|file| file.contents_utf8());
            embedded.map(str::to_owned).ok_or_else(|| failed("it is not in the binary".into()))
        }
    }
}

/// FNV-1a: a version needs to be stable and different, not secret.
fn version(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{:08x}", hash >> 32)
}
