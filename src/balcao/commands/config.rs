//! `balcao config show`.

use crate::{cli::Global, output};

/// Prints every setting, its value and its origin; secrets are masked.
pub fn show(global: &Global) -> anyhow::Result<()> {
    let shown = super::loaded(global, &[])?.show();
    output::print(global.json, &shown, |lines| {
        output::table(
            ["setting", "value", "from", "what it is"],
            lines.iter().map(|line| {
                [
                    line.key.to_owned(),
                    line.value.clone().unwrap_or_else(|| "-".into()),
                    line.origin.clone(),
                    line.help.to_owned(),
                ]
            }),
        );
    })
}
