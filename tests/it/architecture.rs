//! The boundaries of ARCHITECTURE.md, read off `cargo metadata`: moving one is a visible change here.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// Each crate, and the crates of ours it may name. Nothing else.
const LAYERS: &[(&str, &[&str])] = &[
    ("balcao-domain", &[]),
    ("balcao-store", &["balcao-domain"]),
    ("balcao-llm", &["balcao-domain"]),
    ("balcao-loaders", &[]),
    ("balcao-catalog", &["balcao-domain", "balcao-store"]),
    ("balcao-channels", &["balcao-domain", "balcao-store", "balcao-llm"]),
    ("balcao-payments", &["balcao-domain"]),
    ("balcao-retrieval", &["balcao-domain", "balcao-store", "balcao-llm", "balcao-loaders"]),
    (
        "balcao-agent",
        &[
            "balcao-domain",
            "balcao-store",
            "balcao-llm",
            "balcao-retrieval",
            "balcao-channels",
            "balcao-payments",
        ],
    ),
    (
        "balcao-actors",
        &[
            "balcao-domain",
            "balcao-store",
            "balcao-llm",
            "balcao-retrieval",
            "balcao-channels",
            "balcao-catalog",
            "balcao-payments",
            "balcao-agent",
        ],
    ),
    (
        "balcao-server",
        &[
            "balcao-domain",
            "balcao-store",
            "balcao-llm",
            "balcao-retrieval",
            "balcao-channels",
            "balcao-catalog",
            "balcao-payments",
            "balcao-agent",
            "balcao-actors",
        ],
    ),
    ("balcao-emulators", &[]),
    ("balcao-evals", &["balcao-domain"]),
];

/// Each large dependency and its one home.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["balcao-store"]),
    ("pgvector", &["balcao-store"]),
    ("ractor", &["balcao-actors"]),
    ("async-openai", &["balcao-llm"]),
    ("candle-core", &["balcao-llm"]),
    ("text-splitter", &["balcao-retrieval"]),
    ("langchain-rust", &["balcao-retrieval"]),
    ("utoipa", &["balcao-server"]),
];

/// What the pure core must never name.
const IMPURE: &[&str] = &["tokio", "sqlx", "reqwest", "axum", "ractor", "rand"];

/// The normal (not dev, not build) dependencies of every crate of the workspace.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo is running this test, so it can be run");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    metadata["packages"]
        .as_array()
        .expect("a list of packages")
        .iter()
        .map(|package| {
            let normal = package["dependencies"].as_array().into_iter().flatten();
            let names = normal.filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect();
            (text(&package["name"]), names)
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let dependencies = dependencies();
    for (name, allowed) in LAYERS {
        let ours = dependencies[*name].iter().filter(|dependency| dependency.starts_with("balcao"));
        for dependency in ours {
            assert!(allowed.contains(&dependency.as_str()), "`{name}` must not depend on `{dependency}`");
        }
    }
}

#[test]
fn each_large_dependency_has_one_home() {
    for (name, dependencies) in dependencies() {
        for (large, homes) in HOMES {
            if dependencies.iter().any(|dependency| dependency == large) {
                assert!(homes.contains(&name.as_str()), "`{large}` lives in {homes:?}, not in `{name}`");
            }
        }
    }
}

#[test]
fn the_domain_is_pure() {
    let dependencies = dependencies();
    for dependency in &dependencies["balcao-domain"] {
        assert!(!IMPURE.contains(&dependency.as_str()), "the domain must not depend on `{dependency}`");
    }
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let manifest =
        std::fs::read_to_string(format!("{root}/Cargo.toml")).expect("the workspace has a manifest");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    let folders = std::fs::read_dir(format!("{root}/src")).expect("the workspace has a src folder");
    let crates = folders.filter_map(|entry| Some(entry.ok()?.path().join("Cargo.toml")));
    for path in crates.chain([
        format!("{root}/actors/Cargo.toml").into(),
        format!("{root}/evals/Cargo.toml").into(),
        format!("{root}/tests/Cargo.toml").into(),
    ]) {
        let text = std::fs::read_to_string(&path).expect("every crate has a manifest");
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "`{}` does not take the workspace's lints",
            path.display()
        );
    }
}
