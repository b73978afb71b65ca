//! Whatever the bytes, an answer comes and no panic.

use proptest::prelude::*;

use super::*;
use crate::archive::tests::zipped;

const KINDS: [MediaType; 9] = [
    MediaType::Markdown,
    MediaType::PlainText,
    MediaType::Html,
    MediaType::Pdf,
    MediaType::Docx,
    MediaType::Xlsx,
    MediaType::Csv,
    MediaType::Json,
    MediaType::JsonLines,
];

/// Where reading ends well, the text is clean and within its bounds.
fn check(kind: MediaType, bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(document) = read(kind, bytes, &Options::default()) {
        prop_assert!(!document.text.trim().is_empty());
        let dirty = document.text.contains(['\0', '\r', '\u{200b}']);
        prop_assert!(!dirty, "{}", document.text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for kind in KINDS {
            check(kind, &bytes)?;
        }
        let _ = unpack(&bytes, &Options::default());
    }

    #[test]
    fn no_text_panics(text in "[<>/a-z&;\"'|,=\\[\\]{}:\\n #-]{0,300}") {
        for kind in KINDS {
            check(kind, text.as_bytes())?;
        }
    }

    #[test]
    fn no_markup_of_pages_panics(tags in prop::collection::vec("</?(table|tr|td|th|ul|li|b|p|h1|pre|main|nav|div|br)( (rowspan|colspan)=[0-9]{1,12})?>[a-z é]{0,3}", 0..60)) {
        check(MediaType::Html, tags.concat().as_bytes())?;
    }

    #[test]
    fn no_word_document_panics(tags in prop::collection::vec("</?w:(p|t|tbl|tr|tc|del|numPr|ilvl|pStyle)( w:val='[0-9]{0,20}')?/?>[a-z&;]{0,3}", 0..60)) {
        check(MediaType::Docx, &zipped(&[("word/document.xml", tags.concat().as_bytes())]))?;
    }
}

#[test]
fn other_scripts_directions_and_emoji_stay_what_they_are() {
    let words = "شحن مجاني · משלוח חינם · 👩‍👩‍👧 frete 🚚 grátis";
    let page = format!("<p dir=rtl>{words}</p>");
    let csv = format!("nome;obs\nx;{words}");
    let json = format!("[{{\"texto\":\"{words}\"}}]");
    let word = format!("<w:document><w:p><w:r><w:t>{words}</w:t></w:r></w:p></w:document>");
    let word = zipped(&[("word/document.xml", word.as_bytes())]);
    for (kind, bytes) in [
        (MediaType::PlainText, words.as_bytes()),
        (MediaType::Html, page.as_bytes()),
        (MediaType::Csv, csv.as_bytes()),
        (MediaType::Json, json.as_bytes()),
        (MediaType::Docx, &word[..]),
    ] {
        let document = read(kind, bytes, &Options::default()).expect("a document");
        assert!(document.text.contains(words), "{kind:?}: {}", document.text);
    }
}

#[test]
fn a_text_too_large_once_read_is_refused() {
    let options = Options { max_text_bytes: 1_000, ..Options::default() };
    let rows = "coluna;outra\n".to_owned() + &"a;b\n".repeat(500);
    let refused = Err(Unreadable::TooMuch { what: "bytes of text", most: 1_000 });
    assert_eq!(read(MediaType::Csv, rows.as_bytes(), &options), refused);
    let large = vec![b'a'; MediaType::Html.max_bytes() + 1];
    assert!(matches!(read(MediaType::Html, &large, &Options::default()), Err(Unreadable::TooLarge { .. })));
}

#[test]
fn an_archive_is_no_document() {
    assert_eq!(read(MediaType::Zip, &zipped(&[]), &Options::default()), Err(Unreadable::Archive));
}
