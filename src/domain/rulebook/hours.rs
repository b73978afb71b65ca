//! Opening hours: when the shop is open, by its own clock, and how to say it.

use std::fmt::Write;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Utc, Weekday,
};
use chrono_tz::Tz;

use crate::Language;

/// How far ahead the next opening is looked for, in days: a shop may be closed over the holidays.
const HORIZON_DAYS: u64 = 21;
const DAY_MINUTES: u32 = 24 * 60;

/// A stretch of opening, in minutes from the day's midnight. `to` may pass 24 h: open into the night.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// When it opens.
    pub from: u32,
    /// When it closes.
    pub to: u32,
}

impl Span {
    /// Reads `09:00-18:00`; `18:00-02:00` ends the next day.
    pub fn parse(written: &str) -> Option<Self> {
        let (from, to) = written.split_once(['-', '–'])?;
        let (from, to) = (minutes(from)?, minutes(to)?);
        match from.cmp(&to) {
            _ if from >= DAY_MINUTES => None,
            std::cmp::Ordering::Less => Some(Self { from, to }),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Self { from, to: to + DAY_MINUTES }),
        }
    }
}

/// `9:00`, `09:00`, `24:00` in minutes.
fn minutes(written: &str) -> Option<u32> {
    let (h, m) = written.trim().split_once(':')?;
    let two = |s: &str| {
        ((1..=2).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok())
    };
    let (h, m): (u32, u32) = (two(h)??, two(m)??);
    (m < 60 && (h < 24 || (h == 24 && m == 0))).then_some(h * 60 + m)
}

/// The date of an exception: one day, or the same day every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolidayDate {
    /// `2026-02-17`.
    Once(NaiveDate),
    /// `12-25`: month and day.
    Yearly(u32, u32),
}

impl HolidayDate {
    /// Reads `2026-02-17` or `12-25`.
    pub fn parse(written: &str) -> Option<Self> {
        if let Ok(date) = NaiveDate::parse_from_str(written, "%Y-%m-%d") {
            return Some(Self::Once(date));
        }
        // A leap year, so that 29 February may be written.
        let date = NaiveDate::parse_from_str(&format!("2024-{written}"), "%Y-%m-%d").ok()?;
        (written.len() == 5).then(|| Self::Yearly(date.month(), date.day()))
    }

    fn is(self, date: NaiveDate) -> bool {
        match self {
            Self::Once(day) => day == date,
            Self::Yearly(month, day) => (date.month(), date.day()) == (month, day),
        }
    }
}

/// A day with hours of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    /// Which day.
    pub date: HolidayDate,
    /// What it is called, for the customer.
    pub name: Option<String>,
    /// When the shop is open; empty is closed.
    pub open: Vec<Span>,
}

/// The opening hours of a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// The shop's clock.
    pub time_zone: Tz,
    /// Monday first; empty is closed.
    pub week: [Vec<Span>; 7],
    /// Exceptions, which win over the week.
    pub holidays: Vec<Holiday>,
}

/// Open or not, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Open, until this local time.
    Open {
        /// When it closes.
        until: NaiveDateTime,
    },
    /// Closed.
    Closed {
        /// When it opens again, if within three weeks.
        opens: Option<NaiveDateTime>,
        /// The holiday that closes it today.
        holiday: Option<String>,
    },
}

impl Hours {
    /// The shop's local time.
    pub fn local(&self, now: DateTime<Utc>) -> NaiveDateTime {
        self.time_zone.from_utc_datetime(&now.naive_utc()).naive_local()
    }

    /// Whether the shop is open at `now`, and until or from when.
    pub fn status(&self, now: DateTime<Utc>) -> Status {
        let local = self.local(now);
        let today = local.date();
        let yesterday = today.pred_opt();
        let open = [yesterday, Some(today)]
            .into_iter()
            .flatten()
            .flat_map(|day| self.spans(day).into_iter().map(move |span| bounds(day, span)))
            .find(|(from, to)| (*from..*to).contains(&local));
        if let Some((_, until)) = open {
            return Status::Open { until };
        }
        let opens = (0..=HORIZON_DAYS)
            .filter_map(|ahead| today.checked_add_days(Days::new(ahead)))
            .flat_map(|day| self.spans(day).into_iter().map(move |span| bounds(day, span).0))
            .find(|from| *from > local);
        let holiday = self.holiday(today).filter(|h| h.open.is_empty()).and_then(|h| h.name.clone());
        Status::Closed { opens, holiday }
    }

    /// The week in words: `segunda a sexta, das 9h às 18h; sábado, das 9h às 13h; domingo, fechado`.
    pub fn describe(&self, language: Language) -> String {
        let mut said = String::new();
        let mut day = 0;
        while day < 7 {
            let mut last = day;
            while last + 1 < 7 && self.week[last + 1] == self.week[day] {
                last += 1;
            }
            if !said.is_empty() {
                said.push_str("; ");
            }
            let _ = write!(said, "{}, {}", days(day, last, language), opening(&self.week[day], language));
            day = last + 1;
        }
        said
    }

    /// The answer to "are you open now?".
    pub fn say_status(&self, now: DateTime<Utc>, language: Language) -> String {
        let today = self.local(now).date();
        match (self.status(now), language) {
            (Status::Open { until }, Language::Portuguese) => {
                format!("Estamos abertos agora, até {}.", moment(until, today, language))
            }
            (Status::Open { until }, Language::English) => {
                format!("We are open now, until {}.", moment(until, today, language))
            }
            (Status::Closed { opens, holiday }, Language::Portuguese) => {
                let why = holiday.map_or(String::new(), |name| format!(" (hoje é {name})"));
                let when =
                    opens.map_or(String::new(), |at| format!(" Abrimos {}.", moment(at, today, language)));
                format!("Estamos fechados agora{why}.{when}")
            }
            (Status::Closed { opens, holiday }, Language::English) => {
                let why = holiday.map_or(String::new(), |name| format!(" (today is {name})"));
                let when = opens.map_or(String::new(), |at| {
                    let moment = moment(at, today, language);
                    let at = if moment.starts_with(|c: char| c.is_ascii_digit()) { "at " } else { "" };
                    format!(" We open {at}{moment}.")
                });
                format!("We are closed now{why}.{when}")
            }
        }
    }

    fn holiday(&self, day: NaiveDate) -> Option<&Holiday> {
        // A date of this year says more than a yearly one.
        let once = self.holidays.iter().find(|h| matches!(h.date, HolidayDate::Once(_)) && h.date.is(day));
        once.or_else(|| self.holidays.iter().find(|h| h.date.is(day)))
    }

    fn spans(&self, day: NaiveDate) -> Vec<Span> {
        let index = day.weekday().num_days_from_monday() as usize;
        self.holiday(day).map_or_else(|| self.week[index].clone(), |holiday| holiday.open.clone())
    }
}

/// The local beginning and end of a span that starts on `day`.
fn bounds(day: NaiveDate, span: Span) -> (NaiveDateTime, NaiveDateTime) {
    let midnight = day.and_time(NaiveTime::MIN);
    let at = |minutes: u32| midnight + chrono::Duration::minutes(i64::from(minutes));
    (at(span.from), at(span.to))
}

fn opening(spans: &[Span], language: Language) -> String {
    if spans.is_empty() {
        return match language {
            Language::Portuguese => "fechado".into(),
            Language::English => "closed".into(),
        };
    }
    let parts: Vec<String> = spans
        .iter()
        .map(|span| {
            let (from, to) = (clock(span.from, language), clock(span.to, language));
            match language {
                Language::Portuguese => format!("das {from} às {to}"),
                Language::English => format!("{from} to {to}"),
            }
        })
        .collect();
    parts.join(match language {
        Language::Portuguese => " e ",
        Language::English => " and ",
    })
}

/// `9h`, `13h30`; `9 am`, `1:30 pm`.
pub(super) fn clock(minutes: u32, language: Language) -> String {
    let (h, m) = (minutes / 60 % 24, minutes % 60);
    match language {
        Language::Portuguese if m == 0 => format!("{h}h"),
        Language::Portuguese => format!("{h}h{m:02}"),
        Language::English => {
            let (twelve, half) = (if h % 12 == 0 { 12 } else { h % 12 }, if h < 12 { "am" } else { "pm" });
            if m == 0 { format!("{twelve} {half}") } else { format!("{twelve}:{m:02} {half}") }
        }
    }
}

fn days(first: usize, last: usize, language: Language) -> String {
    const PT: [&str; 7] = ["segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo"];
    const EN: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let names = if language == Language::Portuguese { PT } else { EN };
    match (last - first, language) {
        (0, _) => names[first].into(),
        (6, Language::Portuguese) => "todos os dias".into(),
        (6, Language::English) => "every day".into(),
        (1, Language::Portuguese) => format!("{} e {}", names[first], names[last]),
        (1, Language::English) => format!("{} and {}", names[first], names[last]),
        (_, Language::Portuguese) => format!("{} a {}", names[first], names[last]),
        (_, Language::English) => format!("{} to {}", names[first], names[last]),
    }
}

/// A local time as seen from `today`: `às 18h`, `amanhã às 9h`, `segunda às 9h`, `02/01 às 9h`.
fn moment(at: NaiveDateTime, today: NaiveDate, language: Language) -> String {
    let time = clock(at.hour() * 60 + at.minute(), language);
    let ahead = (at.date() - today).num_days();
    // Just after midnight is still "tonight" to everybody.
    if ahead == 0 || (ahead == 1 && at.hour() < 5) {
        return match language {
            Language::Portuguese => format!("às {time}"),
            Language::English => time,
        };
    }
    let day = match (ahead, language) {
        (1, Language::Portuguese) => "amanhã".to_owned(),
        (1, Language::English) => "tomorrow".to_owned(),
        (2..=6, Language::Portuguese) => days(weekday(at), weekday(at), language),
        (2..=6, Language::English) => format!("on {}", days(weekday(at), weekday(at), language)),
        (_, Language::Portuguese) => format!("em {}", at.format("%d/%m")),
        (_, Language::English) => format!("on {}", at.format("%-d %B")),
    };
    match language {
        Language::Portuguese => format!("{day} às {time}"),
        Language::English => format!("{day} at {time}"),
    }
}

fn weekday(at: NaiveDateTime) -> usize {
    at.weekday().num_days_from_monday() as usize
}

/// Reads `mon` … `sun`.
pub(super) fn parse_weekday(written: &str) -> Option<Weekday> {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    [Mon, Tue, Wed, Thu, Fri, Sat, Sun].into_iter().find(|day| day.to_string().eq_ignore_ascii_case(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(written: &[&str]) -> Vec<Span> {
        written.iter().map(|w| Span::parse(w).expect("a valid span")).collect()
    }

    fn shop() -> Hours {
        let day = spans(&["09:00-12:00", "13:30-18:00"]);
        let mut week: [Vec<Span>; 7] = std::array::from_fn(|_| day.clone());
        week[5] = spans(&["18:00-02:00"]);
        week[6] = Vec::new();
        let holiday = |date, name: &str, open: &[&str]| Holiday {
            date: HolidayDate::parse(date).expect("a valid date"),
            name: Some(name.into()),
            open: spans(open),
        };
        Hours {
            time_zone: chrono_tz::America::Sao_Paulo,
            week,
            holidays: vec![
                holiday("12-25", "Natal", &[]),
                holiday("2026-12-24", "véspera de Natal", &["09:00-13:00"]),
            ],
        }
    }

    fn at(local: &str) -> DateTime<Utc> {
        let naive = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").expect("a valid time");
        chrono_tz::America::Sao_Paulo.from_local_datetime(&naive).unwrap().to_utc()
    }

    #[test]
    fn the_answer_to_are_you_open_is_true_at_every_moment() {
        use Language::{English as En, Portuguese as Pt};
        for (when, language, expected) in [
            ("2026-11-23 08:59", Pt, "Estamos fechados agora. Abrimos às 9h."),
            ("2026-11-23 09:00", Pt, "Estamos abertos agora, até às 12h."),
            ("2026-11-23 12:00", En, "We are closed now. We open at 1:30 pm."),
            ("2026-11-23 17:59", En, "We are open now, until 6 pm."),
            ("2026-11-23 18:00", Pt, "Estamos fechados agora. Abrimos amanhã às 9h."),
            ("2026-11-28 19:00", Pt, "Estamos abertos agora, até às 2h."),
            ("2026-11-29 01:30", Pt, "Estamos abertos agora, até às 2h."),
            ("2026-11-29 02:00", Pt, "Estamos fechados agora. Abrimos amanhã às 9h."),
            ("2026-12-24 12:59", Pt, "Estamos abertos agora, até às 13h."),
            ("2026-12-24 14:00", Pt, "Estamos fechados agora. Abrimos sábado às 18h."),
            ("2026-12-25 10:00", Pt, "Estamos fechados agora (hoje é Natal). Abrimos amanhã às 18h."),
            ("2026-12-25 10:00", En, "We are closed now (today is Natal). We open tomorrow at 6 pm."),
        ] {
            assert_eq!(shop().say_status(at(when), language), expected, "{when}");
        }
    }

    #[test]
    fn the_week_is_said_in_both_languages() {
        assert_eq!(
            shop().describe(Language::Portuguese),
            "segunda a sexta, das 9h às 12h e das 13h30 às 18h; sábado, das 18h às 2h; domingo, fechado"
        );
        assert_eq!(
            shop().describe(Language::English),
            "Monday to Friday, 9 am to 12 pm and 1:30 pm to 6 pm; Saturday, 6 pm to 2 am; Sunday, closed"
        );
    }

    #[test]
    fn impossible_hours_and_dates_are_refused() {
        for wrong in ["9-18", "25:00-26:00", "09:00", "09:60-10:00", "10:00-10:00", "a-b", "24:00-02:00"] {
            assert_eq!(Span::parse(wrong), None, "{wrong}");
        }
        for wrong in ["2026-13-01", "31-12", "2-30", "12-5", "natal"] {
            assert_eq!(HolidayDate::parse(wrong), None, "{wrong}");
        }
        assert!(HolidayDate::parse("02-29").is_some());
    }
}
