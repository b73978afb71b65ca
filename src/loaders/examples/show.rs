//! Prints what a loader makes of files: `cargo run -p balcao-loaders --example show -- FILE …`.

use balcao_loaders::{MediaType, Options, read};

fn main() {
    for path in std::env::args().skip(1) {
        let document = std::fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| {
            let kind = MediaType::of_path(path.as_ref()).unwrap_or(MediaType::PlainText);
            read(kind, &bytes, &Options::default()).map_err(|error| error.to_string())
        });
        match document {
            Err(why) => println!("=== {path}: {why}"),
            Ok(document) => println!(
                "=== {path}: {}\n{}\n--- {:?}",
                document.title.unwrap_or_default(),
                document.text,
                document.warnings
            ),
        }
    }
}
