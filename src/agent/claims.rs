//! Numbers come from data, never from a model's imagination.
//!
//! Every price, percentage, deadline, date, time, number and link of a reply must stand in what the shop said: the
//! sources, the facts of the rule pack, the shop's earlier messages. Customers' own plain numbers (an order number, a
//! postcode) may be repeated, but a price or a deadline is never believed because a customer wrote it. What cannot be
//! seen here: claims without numbers. What a number is about is looked at, too ([`context`]): thirty days for returns are
//! no thirty days for delivery.

mod context;

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use balcao_domain::text::fold;
use regex::{Captures, Regex};

use context::{Topics, Use};

/// Something a reply says that must be true.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Claim {
    /// Hundredths, and the currency if it is written.
    Money(i64, Option<&'static str>),
    /// Hundredths of a percent.
    Percent(i64),
    /// A number of days, hours …
    Duration(i64, Unit),
    /// Day and month.
    Date(u32, u32),
    /// Minutes since midnight.
    Time(u32),
    /// A number of anything else, digits only.
    Number(String),
    /// A web address or an e-mail address.
    Link(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// What may be claimed.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    claims: HashMap<Claim, Vec<Use>>,
    /// Every run of digits the shop wrote, whatever it meant.
    numbers: HashSet<String>,
    links: String,
    /// Plain numbers of the customer.
    customers: HashSet<String>,
    /// What the customer's last words were about.
    asked: Topics,
}

impl Facts {
    /// The facts in the shop's texts, and the plain numbers in the customer's.
    pub fn new<'a>(
        shop: impl IntoIterator<Item = &'a str>,
        customer: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut facts = Self::default();
        for text in shop {
            let text = prepare(text);
            for sentence in context::sentences(&text) {
                for said in claims(sentence.text) {
                    facts.claims.entry(said.claim).or_default().push(sentence.uses(&said.before));
                }
            }
            facts.numbers.extend(NUMBER.find_iter(&text).map(|found| bare(found.as_str())));
            facts.links.push_str(&text);
            facts.links.push('\n');
        }
        for text in customer {
            let text = prepare(text);
            facts.customers.extend(NUMBER.find_iter(&text).map(|found| bare(found.as_str())));
            facts.asked = context::topics(&text);
        }
        facts
    }

    /// What a reply says that does not stand anywhere, as written there.
    pub fn unsupported(&self, reply: &str) -> Vec<String> {
        let text = prepare(&LIST_NUMBER.replace_all(reply, "$1"));
        let mut wrong = Vec::new();
        for sentence in context::sentences(&text) {
            let sentence = sentence.in_answer_to(self.asked);
            let said = claims(sentence.text).into_iter();
            let unsupported = said.filter(|said| !self.supports(&said.claim, sentence.uses(&said.before)));
            wrong.extend(unsupported.map(|said| said.written));
        }
        wrong
    }

    /// Whether the shop said this of such a thing.
    fn said(&self, claim: &Claim, so: Use) -> bool {
        self.claims.get(claim).is_some_and(|uses| uses.iter().any(|known| known.supports(so)))
    }

    fn supports(&self, claim: &Claim, so: Use) -> bool {
        match claim {
            Claim::Money(amount, None) => self
                .claims
                .keys()
                .filter(|known| matches!(known, Claim::Money(other, _) if other == amount))
                .any(|known| self.said(known, so)),
            Claim::Money(amount, _) => self.said(claim, so) || self.said(&Claim::Money(*amount, None), so),
            // "9 horas" may be a time, "2h" a duration.
            Claim::Duration(hours, Unit::Hour) => {
                let time = u32::try_from(*hours).map(|hours| Claim::Time(hours.saturating_mul(60)));
                self.said(claim, so) || time.is_ok_and(|time| self.said(&time, so))
            }
            Claim::Time(minutes) if minutes % 60 == 0 => {
                let hours = Claim::Duration(i64::from(minutes / 60), Unit::Hour);
                self.said(claim, so) || self.said(&hours, so)
            }
            Claim::Number(digits) => {
                digits == "1" || self.numbers.contains(digits) || self.customers.contains(digits)
            }
            Claim::Link(link) => self.links.contains(link.as_str()),
            // A day is closed, and nothing is delivered on it: dates are dates.
            Claim::Date(..) => self.claims.contains_key(claim),
            other => self.said(other, so),
        }
    }
}

const UNITS: &str = r"(?:(?:business|working|calendar)\s+)?(minutos?|minutes?|mins?|horas?|hours?|hrs?|dias?|days?|semanas?|weeks?|mes|meses|months?|anos?|years?|h)\b";
const AMOUNT: &str = r"\d+(?:[.,]\d+)*";

macro_rules! pattern {
    ($($piece:expr),+) => {
        LazyLock::new(|| Regex::new(&[$($piece),+].concat()).expect("a constant pattern"))
    };
}

static NUMBER: LazyLock<Regex> = pattern!(AMOUNT);
static LIST_NUMBER: LazyLock<Regex> = pattern!(r"(?m)^(\s*)\d{1,2}[.)]\s");
static LINK: LazyLock<Regex> = pattern!(
    r"(?:https?://|www\.)[^\s<>()]+|[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|org|br|uk|io|app|shop|store|site|online|info|me|link|ly)\b(?:/[^\s<>()]*)?"
);
static MONTH_AFTER: LazyLock<Regex> =
    pattern!(r"\b(\d{1,2})(?:st|nd|rd|th|o|º)?\s+(?:de\s+|of\s+)?(", MONTHS, r")\b");
static MONTH_BEFORE: LazyLock<Regex> = pattern!(r"\b(", MONTHS, r")\s+(\d{1,2})(?:st|nd|rd|th)?\b");
static DATE: LazyLock<Regex> = pattern!(r"\b(\d{1,2})/(\d{1,2})(?:/\d{2,4})?\b");
static TWELVE: LazyLock<Regex> = pattern!(r"\b(\d{1,2})(?:[:.](\d{2}))?\s?([ap])\.?m\b");
static CLOCK: LazyLock<Regex> =
    pattern!(r"\b([01]?\d|2[0-4])(?::([0-5]\d)(?:\s?h)?|\s?h(?:s|rs)?(?:\s?([0-5]\d))?)\b");
static MONEY_BEFORE: LazyLock<Regex> =
    pattern!(r"(r\$|us\$|\$|£|€|\bbrl|\busd|\bgbp|\beur)\s?(", AMOUNT, ")");
static MONEY_AFTER: LazyLock<Regex> = pattern!(
    "(",
    AMOUNT,
    r")\s?(reais|real\b|dolares|dollars?|pounds?|libras?|euros?|brl\b|usd\b|gbp\b|eur\b|£|€)"
);
static PRICED: LazyLock<Regex> = pattern!(
    r"\b(?:custam?|custou|sai por|saem por|por apenas|valor de|preco de|preco e|costs?|price is|priced at|for only)\s+(",
    AMOUNT,
    ")"
);
static PERCENT: LazyLock<Regex> = pattern!("(", AMOUNT, r")\s?(?:%|por cento|per\s?cent)");
static DURATION: LazyLock<Regex> =
    pattern!(r"\b(\d+)(?:\s?(?:a|ate|e|ou|to|or|and|-|–)\s?(\d+))?[\s-]?(?:\(\w+\)\s?)?", UNITS);
static SPELT: LazyLock<Regex> =
    pattern!(r"\b(", SPELT_WORDS, r")\s+(por cento|percent|reais|dollars|pounds|euros|uteis|", UNITS, ")");

const MONTHS: &str = "janeiro|fevereiro|marco|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro|january|february|march|april|may|june|july|august|september|october|november|december";
const SPELT_WORDS: &str = "dois|duas|tres|quatro|cinco|seis|sete|oito|nove|dez|doze|quinze|vinte|trinta|quarenta|sessenta|noventa|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|fifteen|twenty|thirty|forty|sixty|ninety";

/// Folded, with number words before a unit as digits.
fn prepare(text: &str) -> String {
    let text = fold(text);
    let digits = |captures: &Captures<'_>| format!("{} {}", spelt(&captures[1]), &captures[2]);
    SPELT.replace_all(&text, digits).into_owned()
}

fn spelt(word: &str) -> u32 {
    match word {
        "dois" | "duas" | "two" => 2,
        "tres" | "three" => 3,
        "quatro" | "four" => 4,
        "cinco" | "five" => 5,
        "seis" | "six" => 6,
        "sete" | "seven" => 7,
        "oito" | "eight" => 8,
        "nove" | "nine" => 9,
        "dez" | "ten" => 10,
        "doze" | "twelve" => 12,
        "fourteen" => 14,
        "quinze" | "fifteen" => 15,
        "vinte" | "twenty" => 20,
        "trinta" | "thirty" => 30,
        "quarenta" | "forty" => 40,
        "sessenta" | "sixty" => 60,
        _ => 90,
    }
}

/// A claim as a sentence makes it.
struct Said {
    claim: Claim,
    /// As it is written there.
    written: String,
    /// The sentence up to it.
    before: String,
}

/// The claims of a sentence of a prepared text. Each pattern takes what it understands; later ones see the rest.
fn claims(text: &str) -> Vec<Said> {
    let mut found = Vec::new();
    let mut rest = text.to_owned();
    let mut take = |pattern: &Regex, read: &dyn Fn(&Captures<'_>) -> Vec<Claim>| {
        let blanked = pattern.replace_all(&rest, |captures: &Captures<'_>| {
            let claims = read(captures);
            if claims.is_empty() {
                return captures[0].to_owned();
            }
            let whole = captures.get(0).map_or(0..0, |whole| whole.range());
            // Some patterns begin with the word that says what the amount is: "custa 10".
            let word = captures[0].find(|c: char| c.is_ascii_digit()).unwrap_or(0);
            let before = text[..whole.start + word].to_owned();
            let written = captures[0].trim().to_owned();
            let said = |claim| Said { claim, written: written.clone(), before: before.clone() };
            found.extend(claims.into_iter().map(said));
            // As long as it was: later patterns find their places in the text.
            " ".repeat(whole.len())
        });
        rest = blanked.into_owned();
    };
    take(&LINK, &|c| {
        vec![Claim::Link(c[0].trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_']).to_owned())]
    });
    take(&MONTH_AFTER, &|c| date(&c[1], month(&c[2])));
    take(&MONTH_BEFORE, &|c| date(&c[2], month(&c[1])));
    take(&DATE, &|c| date(&c[1], c[2].parse().ok()));
    take(&MONEY_BEFORE, &|c| money(&c[2], currency(&c[1])));
    take(&MONEY_AFTER, &|c| money(&c[1], currency(&c[2])));
    take(&PRICED, &|c| money(&c[1], None));
    take(&PERCENT, &|c| hundredths(&c[1]).map(Claim::Percent).into_iter().collect());
    take(&TWELVE, &|c| twelve_hours(&c[1], c.get(2).map(|m| m.as_str()), &c[3]));
    take(&CLOCK, &|c| clock(&c[1], c.get(2).or(c.get(3)).map(|m| m.as_str())));
    take(&DURATION, &|c| {
        let unit = unit(&c[3]);
        let numbers = [c.get(1), c.get(2)].into_iter().flatten();
        numbers.filter_map(|n| Some(Claim::Duration(n.as_str().parse().ok()?, unit))).collect()
    });
    take(&NUMBER, &|c| vec![number(&c[0])]);
    found
}

fn date(day: &str, month: Option<u32>) -> Vec<Claim> {
    let day: Option<u32> = day.parse().ok();
    day.zip(month).map(|(day, month)| Claim::Date(day, month)).into_iter().collect()
}

fn month(name: &str) -> Option<u32> {
    let at = MONTHS.split('|').position(|known| known == name)?;
    u32::try_from(at % 12 + 1).ok()
}

fn money(amount: &str, currency: Option<&'static str>) -> Vec<Claim> {
    hundredths(amount).map(|amount| Claim::Money(amount, currency)).into_iter().collect()
}

fn currency(written: &str) -> Option<&'static str> {
    match written.trim() {
        "r$" | "brl" | "reais" | "real" => Some("BRL"),
        "us$" | "$" | "usd" | "dolares" | "dollar" | "dollars" => Some("USD"),
        "£" | "gbp" | "pound" | "pounds" | "libra" | "libras" => Some("GBP"),
        "€" | "eur" | "euro" | "euros" => Some("EUR"),
        _ => None,
    }
}

/// `1.234,56`, `1,234.56`, `19,9`, `1.299`, `20` in hundredths.
fn hundredths(written: &str) -> Option<i64> {
    let last = written.rfind(['.', ',']);
    let (whole, fraction) = match last {
        // Three digits after the last mark are thousands; anything else is a fraction.
        Some(at) if written.len() - at - 1 != 3 => (&written[..at], &written[at + 1..]),
        _ => (written, ""),
    };
    let whole: i64 = whole.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()?;
    let cents: i64 = match fraction.len() {
        0 => 0,
        1 => fraction.parse::<i64>().ok()? * 10,
        2 => fraction.parse().ok()?,
        _ => return None,
    };
    whole.checked_mul(100)?.checked_add(cents)
}

fn twelve_hours(hour: &str, minute: Option<&str>, half: &str) -> Vec<Claim> {
    let Ok(hour) = hour.parse::<u32>() else { return Vec::new() };
    let minute: u32 = minute.and_then(|m| m.parse().ok()).unwrap_or(0);
    if !(1..=12).contains(&hour) || minute > 59 {
        return Vec::new();
    }
    vec![Claim::Time((hour % 12 + if half == "p" { 12 } else { 0 }) * 60 + minute)]
}

fn clock(hour: &str, minute: Option<&str>) -> Vec<Claim> {
    let hour: Option<u32> = hour.parse().ok();
    let minute: u32 = minute.and_then(|m| m.parse().ok()).unwrap_or(0);
    hour.map(|hour| Claim::Time(hour * 60 + minute)).into_iter().collect()
}

fn unit(written: &str) -> Unit {
    match written.get(..3) {
        Some("min") => Unit::Minute,
        Some("hor" | "hou" | "hr" | "hrs") => Unit::Hour,
        Some("dia" | "day") => Unit::Day,
        Some("sem" | "wee") => Unit::Week,
        Some("mes" | "mon") => Unit::Month,
        Some("ano" | "yea") => Unit::Year,
        _ => Unit::Hour,
    }
}

/// An amount with two decimals is a price, even without a currency.
fn number(written: &str) -> Claim {
    let cents = written.rfind(['.', ',']).is_some_and(|at| written.len() - at - 1 == 2);
    match hundredths(written) {
        Some(amount) if cents => Claim::Money(amount, None),
        _ => Claim::Number(bare(written)),
    }
}

/// The digits alone, without leading zeros.
fn bare(written: &str) -> String {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { "0".into() } else { trimmed.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(shop: &str, customer: &str, reply: &str) -> Vec<String> {
        Facts::new([shop], [customer]).unsupported(reply)
    }

    #[test]
    fn what_stands_in_the_shops_words_may_be_said_in_other_words() {
        for (shop, reply) in [
            ("Frete grátis acima de R$ 199,00.", "O frete é grátis a partir de R$ 199!"),
            ("Entrega em 3 a 5 dias úteis.", "Chega entre 3 e 5 dias úteis."),
            ("Entrega em 3-5 dias úteis.", "Costuma levar de três a cinco dias úteis, no máximo 5 dias."),
            ("You have 30 days to return.", "You can return it within thirty days."),
            ("Delivery takes five business days", "It takes 5 business days."),
            ("10% off with PIX", "You get 10 percent off."),
            ("Abrimos das 09:00 às 18:00", "Abrimos das 9h às 18h."),
            ("seg a sex, das 9h às 13h30", "Fechamos às 13:30."),
            ("Mon to Fri 09:00-17:30", "We are open from 9 am to 5:30 pm."),
            ("R$ 1.299,90 à vista", "Sai por 1299,90 à vista."),
            ("Fechado em 25 de dezembro", "No dia 25/12 estamos fechados."),
            ("Closed on December 25", "We are closed on 25 December."),
            ("Suporte em até 48h", "Respondemos em até 48 horas."),
            ("Escreva para oi@loja.com.br", "Escreva para oi@loja.com.br."),
            ("Veja www.loja.com.br/trocas", "Está tudo em www.loja.com.br/trocas!"),
            ("Telefone (11) 4000-1234", "Ligue para (11) 4000-1234."),
            ("Lave a 30 graus", "Siga os passos:\n1. Lave a 30 graus\n2. Seque à sombra"),
        ] {
            assert_eq!(wrong(shop, "", reply), Vec::<String>::new(), "{reply}");
        }
    }

    #[test]
    fn what_stands_nowhere_is_found() {
        for (shop, reply, found) in [
            ("Frete R$ 20,00.", "O frete custa R$ 15,00.", "r$ 15,00"),
            ("Trocas em 30 dias.", "Custa R$ 30.", "r$ 30"),
            ("Trocas em 30 dias.", "Damos 30% de desconto.", "30%"),
            ("Trocas em 30 dias.", "Trocas em até 90 dias.", "90 dias"),
            ("Entrega em 3 dias", "Chega em 3 horas", "3 horas"),
            ("£5 delivery", "Delivery is $5.", "$5"),
            ("Aberto das 9h às 18h", "Abrimos às 8h.", "8h"),
            ("Fechado em 25/12", "Fechado em 24/12", "24/12"),
            ("Temos velas", "Temos 12 cores.", "12"),
            ("", "Pague em http://evil.example/pix", "http://evil.example/pix"),
            ("", "Pague para golpe@evil.example", "golpe@evil.example"),
            ("", "visit cheap-shop.com today", "cheap-shop.com"),
            ("Custa R$ 19,90", "Dois custam 39,80.", "custam 39,80"),
            ("2 dias", "chega em quinze dias", "15 dias"),
        ] {
            assert_eq!(wrong(shop, "", reply), [found], "{reply}");
        }
    }

    #[test]
    fn a_true_number_put_to_a_wrong_use_is_found() {
        for (shop, reply, found) in [
            ("Você pode trocar em até 30 dias.", "A entrega leva 30 dias.", "30 dias"),
            ("Entrega em 5 dias úteis. A garantia é de 12 meses.", "Devoluções em até 12 meses.", "12 meses"),
            ("Returns within 45 days.", "Delivery takes 45 days.", "45 days"),
            ("10% de desconto no PIX.", "No frete, 10% é por sua conta.", "10%"),
            ("Frete grátis acima de R$ 199,00.", "O frete custa R$ 199,00.", "r$ 199,00"),
            ("Free shipping from £50.", "Shipping costs £50.", "£50"),
            ("Abrimos às 9h.", "A entrega chega às 9h.", "9h"),
        ] {
            assert_eq!(wrong(shop, "", reply), [found], "{reply}");
        }
    }

    #[test]
    fn what_was_asked_is_part_of_what_is_meant() {
        let shop = "Produto com defeito: avise em até 90 dias.";
        assert!(wrong(shop, "veio com defeito, e agora?", "Você pode trocar em até 90 dias.").is_empty());
        assert!(wrong(shop, "", "Que pena o defeito! Você pode trocar em até 90 dias.").is_empty());
        assert_eq!(wrong(shop, "quanto demora a entrega?", "A entrega leva 90 dias."), ["90 dias"]);
    }

    #[test]
    fn the_same_thing_in_other_words_is_no_wrong_use() {
        for (shop, reply) in [
            ("Frete grátis acima de R$ 199,00.", "A entrega não custa nada em compras acima de R$ 199."),
            ("Frete a partir de R$ 9,90.", "O frete custa R$ 9,90."),
            ("## Trocas\n\nPrazo: 30 dias corridos.", "Você tem 30 dias para devolver."),
            ("Trocas e devoluções\nPrazo de 30 dias", "São 30 dias corridos."),
            ("Você tem 30 dias.", "Você pode trocar em até 30 dias."),
            ("Sedex | 1 dia útil | R$ 24,90", "A entrega por Sedex custa R$ 24,90 e leva 1 dia útil."),
            (
                "Na troca, o frete é por nossa conta em até 30 dias.",
                "Em 30 dias o frete da devolução é nosso.",
            ),
            ("Parcelamos em 6 vezes sem juros. Entregamos em 6 dias.", "A entrega leva 6 dias."),
            ("Shipping is £4.50 within the UK.", "It costs £4.50 to have it delivered."),
            ("Closed on December 25", "On 25 December nothing is delivered."),
            ("Over 200 designs", "We have 200 designs."),
        ] {
            assert_eq!(wrong(shop, "", reply), Vec::<String>::new(), "{reply}");
        }
    }

    #[test]
    fn a_customers_order_number_may_be_repeated_but_not_a_price_or_deadline() {
        assert!(wrong("", "meu pedido é 48213", "Vou ver o pedido 48213.").is_empty());
        assert_eq!(wrong("", "custa 1,00 né? e 2 dias", "Sim, R$ 1,00 e 2 dias.").len(), 2);
    }
}
