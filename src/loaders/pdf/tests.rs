use pdf_extract::{
    Dictionary, Object, Stream, StringFormat,
    content::{Content, Operation},
    dictionary,
};

use super::*;

/// A PDF whose pages show these lines, each page with a picture if `pictures`.
fn pdf(pages: &[&[&str]], pictures: bool) -> Pdf {
    let mut pdf = Pdf::with_version("1.5");
    let tree = pdf.new_object_id();
    let font = pdf.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let mut forms = Dictionary::new();
    if pictures {
        let dict = dictionary! { "Type" => "XObject", "Subtype" => "Image", "Width" => 1, "Height" => 1 };
        forms.set("Im1", pdf.add_object(Stream::new(dict, vec![0xff; 10])));
    }
    let mut kids = Vec::new();
    for lines in pages {
        let mut operations = vec![
            Operation::new("BT", vec![]),
            Operation::new("Tf", vec!["F1".into(), 12.into()]),
            Operation::new("TL", vec![14.into()]),
            Operation::new("Td", vec![72.into(), 720.into()]),
        ];
        for line in *lines {
            let bytes = encoding_rs::WINDOWS_1252.encode(line).0.into_owned();
            operations.push(Operation::new("Tj", vec![Object::String(bytes, StringFormat::Literal)]));
            operations.push(Operation::new("T*", vec![]));
        }
        operations.push(Operation::new("ET", vec![]));
        if pictures {
            operations.push(Operation::new("Do", vec!["Im1".into()]));
        }
        let content = Content { operations }.encode().expect("operators");
        let content = pdf.add_object(Stream::new(Dictionary::new(), content));
        kids.push(Object::from(pdf.add_object(dictionary! {
            "Type" => "Page", "Parent" => tree, "Contents" => content,
            "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            "Resources" => dictionary! {
                "Font" => dictionary! { "F1" => font }, "XObject" => forms.clone(),
            },
        })));
    }
    let count = kids.len() as i64;
    pdf.objects.insert(
        tree,
        Object::Dictionary(dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count }),
    );
    let catalog = pdf.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    let info = pdf.add_object(dictionary! { "Title" => Object::string_literal("Manual da loja") });
    pdf.trailer.set("Root", catalog);
    pdf.trailer.set("Info", info);
    pdf
}

fn bytes(mut pdf: Pdf) -> Vec<u8> {
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).expect("saved");
    bytes
}

fn loaded(pdf: Pdf) -> Result<Document, Unreadable> {
    read(&bytes(pdf), &Options::default())
}

fn refused(pdf: Pdf, why: &str) {
    let error = loaded(pdf).expect_err("refused").to_string();
    assert!(error.contains(why), "{error}");
}

/// The page's own resources' dictionary of forms, with one more form.
fn add_form(pdf: &mut Pdf, name: &str, form: Stream) -> pdf_extract::ObjectId {
    let id = pdf.add_object(form);
    let page = *pdf.get_pages().values().next().expect("a page");
    let page = pdf.get_object_mut(page).and_then(Object::as_dict_mut).expect("its dictionary");
    let resources = page.get_mut(b"Resources").and_then(Object::as_dict_mut).expect("resources");
    resources.get_mut(b"XObject").and_then(Object::as_dict_mut).expect("forms").set(name, id);
    let content = page.get(b"Contents").and_then(Object::as_reference).expect("contents");
    let stream = pdf.get_object_mut(content).and_then(Object::as_stream_mut).expect("a stream");
    let drawn = [&stream.content[..], format!("\n/{name} Do\n").as_bytes()].concat();
    stream.set_plain_content(drawn);
    id
}

#[test]
fn the_words_of_pages_are_read_with_their_accents() {
    let document = loaded(pdf(&[&["Devoluções em até 7 dias", "corridos."], &["Frete grátis"]], true));
    let document = document.expect("a document");
    assert_eq!(document.title.as_deref(), Some("Manual da loja"));
    let words = document.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words, "Devoluções em até 7 dias corridos. Frete grátis");
    assert!(document.warnings.is_empty());
}

#[test]
fn a_scan_is_told_from_an_empty_file_and_a_scanned_page_is_named() {
    assert_eq!(loaded(pdf(&[&[], &["p. 2"]], true)), Err(Unreadable::Scanned { pages: 2 }));
    assert_eq!(loaded(pdf(&[&[]], false)).expect("nothing").text, "");
    let mixed = loaded(pdf(&[&["Uma página com bastante texto, mais do que um carimbo."], &[]], true));
    assert_eq!(mixed.expect("a document").warnings, ["page(s) 2 without text, perhaps scanned"]);
}

#[test]
fn forms_that_draw_themselves_or_without_end_are_refused() {
    let form = |content: &str, resources: Dictionary| {
        let dict = dictionary! { "Type" => "XObject", "Subtype" => "Form", "Resources" => resources };
        Stream::new(dict, content.as_bytes().to_vec())
    };
    let mut itself = pdf(&[&["x"]], false);
    let id = add_form(&mut itself, "Fm0", form("/Fm0 Do", Dictionary::new()));
    let stream = itself.get_object_mut(id).and_then(Object::as_stream_mut).expect("the form");
    stream.dict.set("Resources", dictionary! { "XObject" => dictionary! { "Fm0" => id } });
    refused(itself, "draw themselves");

    let mut many = pdf(&[&["x"]], false);
    let mut inner = many.add_object(form("", Dictionary::new()));
    for _ in 0..4 {
        let resources = dictionary! { "XObject" => dictionary! { "A" => inner } };
        inner = many.add_object(form(&"/A Do ".repeat(100), resources));
    }
    let resources = dictionary! { "XObject" => dictionary! { "A" => inner } };
    add_form(&mut many, "Fm0", form("/A Do", resources));
    refused(many, "without end");
}

#[test]
fn pages_that_are_their_own_ancestors_are_refused() {
    let mut pdf = pdf(&[&["x"]], false);
    let tree = pdf.catalog().and_then(|c| c.get(b"Pages")).and_then(Object::as_reference).expect("a tree");
    pdf.get_object_mut(tree).and_then(Object::as_dict_mut).expect("its dictionary").set("Parent", tree);
    refused(pdf, "ancestors");
}

#[test]
fn streams_that_unpack_without_end_are_refused_before_they_are_unpacked() {
    use std::io::Write;

    let packed = |bytes: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("bytes");
        encoder.finish().expect("packed")
    };
    let once = packed(&vec![0; 3_000_000]);
    let options = Options { max_unpacked_bytes: 2_000_000, ..Options::default() };
    for stream in [once.clone(), packed(&once)] {
        let mut bomb = pdf(&[&["x"]], false);
        bomb.add_object(Stream::new(dictionary! { "Filter" => "FlateDecode" }, stream));
        let refused = Err(Unreadable::TooMuch { what: "bytes once unpacked", most: 2_000_000 });
        assert_eq!(read(&bytes(bomb), &options), refused);
    }
}

#[test]
fn a_file_cut_off_says_that_it_is_damaged() {
    let whole = bytes(pdf(&[&["x"]], false));
    for cut in [0, 8, whole.len() / 2] {
        let why = read(&whole[..cut], &Options::default()).expect_err("damaged").to_string();
        assert!(why.starts_with("the PDF is damaged"), "{why}");
    }
}
