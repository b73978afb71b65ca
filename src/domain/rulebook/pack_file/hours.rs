//! The `[hours]` of a pack.

use std::str::FromStr;

use chrono_tz::Tz;

use super::{Draft, value::Item};
use crate::{
    rulebook::hours::{Holiday, HolidayDate, Hours, Span, parse_weekday},
    text,
};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn read(item: &Item<'_>, draft: &mut Draft) -> Option<Hours> {
    let time_zone = zone(item, draft);
    let mut week: [Option<Vec<Span>>; 7] = Default::default();
    let mut holidays = Vec::new();
    for entry in item.entries(draft) {
        match entry.name.as_str() {
            "time_zone" => {}
            "holiday" => holidays.extend(entry.items(draft).iter().filter_map(|day| holiday(day, draft))),
            days => match day_range(days) {
                None => {
                    let known = DAYS.into_iter().chain(["time_zone", "holiday"]);
                    let hint = text::nearest(days, known).map_or_else(
                        || "days are `mon` … `sun`, or a range such as `mon-fri`".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    draft.problem(&entry.place(), format!("unknown day `{days}`"), Some(hint));
                }
                Some((first, last)) => {
                    let spans = open(&entry, draft);
                    for day in first..=last {
                        if week[day].replace(spans.clone()).is_some() {
                            let message = format!("`{}` has hours already", DAYS[day]);
                            draft.problem(&entry.place(), message, None);
                        }
                    }
                }
            },
        }
    }
    for (day, spans) in DAYS.iter().zip(&week) {
        if spans.is_none() {
            let hint = Some(format!("write `{day} = \"closed\"` if the shop is closed then"));
            draft.problem(&item.place(), format!("`{day}` has no hours"), hint);
        }
    }
    Some(Hours { time_zone: time_zone?, week: week.map(Option::unwrap_or_default), holidays })
}

fn zone(item: &Item<'_>, draft: &mut Draft) -> Option<Tz> {
    let Some(entry) = item.get("time_zone") else {
        let hint = Some("for example `time_zone = \"America/Sao_Paulo\"`".into());
        draft.problem(&item.place(), "the opening hours do not say their time zone", hint);
        return None;
    };
    let name = entry.string(draft)?;
    let zone = Tz::from_str(&name).ok();
    if zone.is_none() {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name());
        let hint = text::nearest(&name, names).map(|near| format!("did you mean `{near}`?"));
        draft.problem(&entry.place(), format!("unknown time zone `{name}`"), hint);
    }
    zone
}

/// `mon` or `mon-fri`, as indices.
fn day_range(written: &str) -> Option<(usize, usize)> {
    let index = |day: &str| parse_weekday(day).map(|d| d.num_days_from_monday() as usize);
    let (first, last) = match written.split_once('-') {
        Some((first, last)) => (index(first)?, index(last)?),
        None => (index(written)?, index(written)?),
    };
    (first <= last).then_some((first, last))
}

/// `"closed"`, `"09:00-18:00"`, or a list of such stretches.
fn open(item: &Item<'_>, draft: &mut Draft) -> Vec<Span> {
    let mut spans = Vec::new();
    for (place, written) in item.strings(draft) {
        if written == "closed" {
            continue;
        }
        match Span::parse(&written) {
            Some(span) => spans.push(span),
            None => {
                let hint = Some("write `09:00-18:00`, or `closed`".into());
                draft.problem(&place, format!("`{written}` is no opening time"), hint);
            }
        }
    }
    spans.sort();
    if spans.windows(2).any(|pair| pair[1].from < pair[0].to) {
        draft.problem(&item.place(), "opening times overlap", None);
    }
    spans
}

fn holiday(item: &Item<'_>, draft: &mut Draft) -> Option<Holiday> {
    item.only(&["date", "name", "open"], "setting", draft);
    let hint =
        || Some("write `date = \"12-25\"` for every year or `date = \"2026-02-17\"` for one".to_owned());
    let Some(entry) = item.get("date") else {
        draft.problem(&item.place(), "a holiday needs a date", hint());
        return None;
    };
    let written = entry.string(draft)?;
    let date = HolidayDate::parse(&written);
    if date.is_none() {
        draft.problem(&entry.place(), format!("`{written}` is no date"), hint());
    }
    let name = item.get("name").and_then(|name| name.string(draft));
    let open = item.get("open").map(|entry| open(&entry, draft)).unwrap_or_default();
    Some(Holiday { date: date?, name, open })
}
