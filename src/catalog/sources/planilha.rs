//! A shop's own table: what somebody keeps in a spreadsheet, exported as CSV.
//!
//! Headings are understood by what people call things, in Portuguese and English; amounts are written as the shop's
//! country writes them. Rows of the same product that differ in an option are its variants.

use balcao_domain::{Language, money::Locale, text::fold};

use super::{Pen, label, named};
use crate::{
    File, Options, ReadError,
    feed::{self, Fields},
    group::{Counts, Gather, Group, Row},
    model::{Attribute, Availability, Choice, Product, Status, Stock, Variant},
    notes::Taker,
    rules::{
        amount::{Prices, Written},
        availability::{self, Said},
        measure, text,
    },
};

/// What a column is, and what people call it: without accents, in small letters, without what stands in brackets.
const HEADINGS: &[(&str, &[&str])] = &[
    ("code", &["codigo", "cod", "sku", "referencia", "ref", "code", "id"]),
    ("title", &["produto", "nome", "nome do produto", "titulo", "product", "name", "title", "item"]),
    ("description", &["descricao", "description", "detalhes", "details"]),
    ("brand", &["marca", "fabricante", "brand", "maker"]),
    ("category", &["categoria", "departamento", "category"]),
    ("price", &["preco", "preco de venda", "valor", "price"]),
    ("sale_price", &["preco promocional", "promocao", "preco com desconto", "oferta", "sale price"]),
    ("stock", &["estoque", "quantidade", "qtd", "qtde", "saldo", "stock", "quantity", "qty"]),
    ("weight", &["peso", "weight"]),
    ("gtin", &["ean", "gtin", "codigo de barras", "barcode", "isbn"]),
    ("active", &["ativo", "publicado", "active", "published"]),
    ("condition", &["condicao", "estado", "condition"]),
    ("image", &["imagem", "foto", "imagens", "fotos", "image", "images", "photo"]),
    ("url", &["link", "url", "pagina"]),
    ("color", &["cor", "color", "colour"]),
    ("size", &["tamanho", "tam", "numero", "size"]),
    ("material", &["material"]),
    ("flavor", &["sabor", "flavor", "flavour"]),
    ("scent", &["aroma", "fragrancia", "scent"]),
    ("pattern", &["estampa", "pattern"]),
];

/// Columns that customers choose by.
const OPTIONS: &[&str] = &["color", "size", "material", "flavor", "scent", "pattern"];

/// What stands in place of a price that has to be asked for.
const ASK: &[&str] =
    &["sob consulta", "consultar", "consulte", "a combinar", "orcamento", "on request", "ask", "call"];

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    let mut counts = Counts::default();
    for file in files {
        let mut known = false;
        feed::table(file, &heading, &mut |row| {
            if let Ok(fields) = row
                && let Some(title) = fields.get("title").and_then(text::title)
            {
                known = true;
                counts.add(&title);
            }
            Ok(())
        })?;
        if !known {
            return Err(file.malformed(
                "a table of products",
                "no column is called `Produto`, `Nome` or `Product`, or it is empty in every row",
            ));
        }
    }
    let mut gather = Gather::counted(counts);
    for file in files {
        feed::table(file, &heading, &mut |row| match row {
            Ok(fields) => read_row(&fields, options, &mut gather, notes),
            Err(reason) => notes.rejected(file.name(), "row", reason),
        })?;
    }
    gather.finish(notes)
}

/// What a column is; one nobody knows keeps its heading, and what it says is an attribute.
fn heading(text: &str) -> String {
    let plain = fold(text.split(['(', '[']).next().unwrap_or(text));
    let plain = plain.trim().trim_end_matches(['.', ':', '*']).trim();
    let known = HEADINGS.iter().find(|(_, names)| names.contains(&plain)).map(|(name, _)| (*name).to_owned());
    let grams = |name: &String| name == "weight" && fold(text).contains("(g");
    match known {
        Some(name) if grams(&name) => "weight_g".to_owned(),
        Some(name) => name,
        None => format!("={}", text.trim()),
    }
}

fn read_row(
    fields: &Fields,
    options: &Options,
    gather: &mut Gather,
    notes: &mut Taker<'_>,
) -> Result<(), ReadError> {
    let title = fields.get("title").and_then(text::title);
    let code = fields.get("code");
    // A table without codes is one for people: the title and the line are all there is to name a row by.
    let id = code.or(fields.get("gtin")).or(title.as_deref());
    let Some((id, title)) = named(id, title.clone(), &fields.place, notes)? else {
        return gather.refused(title.as_deref(), notes);
    };
    let mut pen = Pen::new(&id, options.currency);
    let locale = if options.language == Language::Portuguese { Locale::PtBr } else { Locale::En };
    pen.written = Written { currency: options.currency, locale };
    let mut product = Product::new(&id, &title);
    product.description_text = fields.get("description").and_then(text::either);
    product.brand = fields.get("brand").and_then(text::title);
    let separator = |path: &str| if path.contains('>') { '>' } else { '/' };
    product.category_path = fields.get("category").and_then(|path| text::path(path, separator(path)));
    product.condition = pen.condition(fields.get("condition"), "condition");
    product.status = match fields.get("active").map(fold).as_deref() {
        Some("nao" | "n" | "no" | "0" | "false" | "inativo") => Status::Paused,
        _ => Status::Active,
    };
    let images =
        fields.all("image").flat_map(|list| list.split([' ', ';', '|', '\n'])).filter(|one| !one.is_empty());
    product.media = pen.pictures(images.map(Some));
    product.url = fields.get("url").map(str::to_owned);
    product.attributes = attributes(fields);
    product.variants.push(variant(fields, &id, &mut pen));
    let chosen = OPTIONS.iter().filter_map(|code| {
        Some(Choice { name: label(code, options.language), value: fields.get(code).and_then(text::title)? })
    });
    let group = Group { id: Some(title), implied: true, ..Group::default() };
    let row = Row { product, group, options: chosen.collect() };
    notes.warnings(pen.doubts)?;
    gather.row(row, notes)
}

fn attributes(fields: &Fields) -> Vec<Attribute> {
    let own = fields.named().filter_map(|(name, value)| {
        let label = name.strip_prefix('=').filter(|label| !label.is_empty())?;
        Some(Attribute { label: label.to_owned(), value: text::title(value)? })
    });
    own.collect()
}

fn variant(fields: &Fields, id: &str, pen: &mut Pen<'_>) -> Variant {
    let mut variant = Variant::new(id);
    variant.sku = fields.get("code").map(str::to_owned);
    variant.gtin = pen.gtin(fields.get("gtin"), "EAN");
    let asks = fields.get("price").is_some_and(|price| ASK.contains(&fold(price).as_str()));
    let full = fields.get("price").filter(|_| !asks);
    let full = pen.written.read(full, pen.item, "price", &mut pen.doubts);
    let lower = pen.written.read(fields.get("sale_price"), pen.item, "sale_price", &mut pen.doubts);
    let prices = Prices::reduced(full, lower);
    (variant.price, variant.compare_at_price) = (prices.now, prices.before);
    variant.availability = stock(fields, asks, pen);
    let point = |text: &str| text.replace(',', ".");
    let kilograms = pen.measured(fields.get("weight"), "weight", |text| {
        measure::with_unit(text, measure::weight_unit)
            .or_else(|| measure::whole(&point(text), measure::KILOGRAM))
    });
    let grams = || {
        measure::read(fields.get("weight_g"), pen.item, "weight", &mut pen.doubts, |text| {
            measure::whole(&point(text), measure::GRAM)
        })
    };
    variant.weight_g = kilograms.or_else(grams);
    variant
}

fn stock(fields: &Fields, asks: bool, pen: &mut Pen<'_>) -> Availability {
    if asks {
        return availability::stated(Stock::OnRequest);
    }
    let Some(written) = fields.get("stock") else {
        return availability::of(&Said { untracked: true, ..Said::default() });
    };
    let whole = written.trim_end_matches(['0']).trim_end_matches([',', '.']);
    let whole = if written.contains([',', '.']) { whole } else { written };
    match whole.parse() {
        Ok(quantity) => availability::of(&Said { quantity: Some(quantity), ..Said::default() }),
        Err(_) => {
            pen.doubt("stock", format!("`{written}` is no number of pieces; it is not offered"));
            availability::stated(Stock::Unknown)
        }
    }
}
