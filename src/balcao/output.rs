//! Tables for people, JSON for machines.

use balcao_domain::{
    Language,
    money::{Currency, Money},
};
use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

/// Prints one value: as JSON, or by `people`.
pub fn print<T: Serialize>(json: bool, value: &T, people: impl FnOnce(&T)) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(value)?);
    } else {
        people(value);
    }
    Ok(())
}

/// Prints rows under a heading.
pub fn table<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table
        .load_preset(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}

/// The same with as many columns as there happen to be.
pub fn rows(heading: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table
        .load_preset(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}

/// An amount as people read it; one in an unknown currency as its number and its name.
pub fn money(minor: i64, currency: &str, language: Language) -> String {
    match currency.parse::<Currency>() {
        Ok(currency) => Money::new(minor, currency).readable(language),
        Err(_) => format!("{minor} {currency}"),
    }
}
