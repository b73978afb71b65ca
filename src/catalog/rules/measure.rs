//! Weights and lengths in whole grams and millimetres, half away from zero, without floats.

use crate::{model::Dimensions, notes::Doubts};

/// Decimals that are kept of what a source writes.
const PLACES: usize = 9;

/// What a unit is of the one we use, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    times: i128,
    over: i128,
}

const fn unit(times: i128, over: i128) -> Unit {
    Unit { times, over }
}

/// Kilograms, for fields without a unit.
pub(crate) const KILOGRAM: Unit = unit(1000, 1);
/// Grams.
pub(crate) const GRAM: Unit = unit(1, 1);
/// Centimetres.
pub(crate) const CENTIMETRE: Unit = unit(10, 1);

/// A unit of weight by its name; UN/CEFACT codes too.
pub(crate) fn weight_unit(name: &str) -> Option<Unit> {
    Some(match name.trim().to_lowercase().as_str() {
        "g" | "gr" | "gram" | "grams" | "grama" | "gramas" | "grm" => GRAM,
        "kg" | "kgs" | "kilogram" | "kilograms" | "quilo" | "quilos" | "kgm" => KILOGRAM,
        "mg" | "milligrams" | "mgm" => unit(1, 1000),
        // The international pound is 0.45359237 kg; an ounce is a sixteenth.
        "lb" | "lbs" | "pound" | "pounds" | "lbr" => unit(45_359_237, 100_000),
        "oz" | "ounce" | "ounces" | "onz" => unit(45_359_237, 1_600_000),
        _ => return None,
    })
}

/// A unit of length by its name; UN/CEFACT codes too.
pub(crate) fn length_unit(name: &str) -> Option<Unit> {
    Some(match name.trim().to_lowercase().as_str() {
        "mm" | "millimeters" | "millimetres" | "mmt" => unit(1, 1),
        "cm" | "centimeters" | "centimetres" | "cmt" => CENTIMETRE,
        "m" | "meters" | "metres" | "mtr" => unit(1000, 1),
        // An inch is 25.4 mm.
        "in" | "inch" | "inches" | "inh" | "\"" => unit(254, 10),
        "ft" | "feet" | "fot" => unit(3048, 10),
        "yd" | "yards" | "yrd" => unit(9144, 10),
        _ => return None,
    })
}

/// So many of a unit, rounded. `None` where it is no number, nothing, or more than there is.
pub(crate) fn whole(number: &str, unit: Unit) -> Option<u32> {
    let (digits, fraction) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(digits) || !all_digits(fraction) || digits.len() + fraction.len() == 0 || digits.len() > 12
    {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(PLACES)];
    let scaled: i128 = format!("0{digits}{fraction:0<PLACES$}").parse().ok()?;
    let over = 10_i128.pow(PLACES as u32) * unit.over;
    let rounded = (scaled * unit.times * 2 + over) / (over * 2);
    u32::try_from(rounded).ok().filter(|whole| *whole > 0)
}

/// A number with its unit after it, as people and feeds write it: `14.2 kg`, `9,5 cm`.
pub(crate) fn with_unit(text: &str, units: fn(&str) -> Option<Unit>) -> Option<u32> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',')).unwrap_or(text.len());
    let (number, name) = text.split_at(end);
    whole(&number.replace(',', "."), units(name)?)
}

/// The three sides, where all are known.
pub(crate) fn sides(length: Option<u32>, width: Option<u32>, height: Option<u32>) -> Option<Dimensions> {
    Some(Dimensions { length: length?, width: width?, height: height? })
}

/// A measure that is there but cannot be read is a doubt.
pub(crate) fn read(
    text: Option<&str>,
    item: &str,
    field: &str,
    doubts: &mut Doubts,
    how: impl FnOnce(&str) -> Option<u32>,
) -> Option<u32> {
    let text = text
        .map(str::trim)
        .filter(|text| !text.is_empty() && text.bytes().any(|b| (b'1'..=b'9').contains(&b)))?;
    let measure = how(text);
    if measure.is_none() {
        doubts.add(item, field, format!("`{text}` is no measure; left out"));
    }
    measure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_whole_and_halves_go_up() {
        assert_eq!(with_unit("420 g", weight_unit), Some(420));
        assert_eq!(with_unit("14.2 kg", weight_unit), Some(14_200));
        assert_eq!(with_unit("14,2kg", weight_unit), Some(14_200));
        assert_eq!(with_unit("9.5 cm", length_unit), Some(95));
        assert_eq!(with_unit("1 lb", weight_unit), Some(454));
        assert_eq!(with_unit("0.0005 kg", weight_unit), Some(1), "half a gram");
        assert_eq!(whole("11.999999998", length_unit("inches").expect("known")), Some(305));
    }

    #[test]
    fn what_is_no_measure_is_none() {
        for text in [
            "",
            "0 g",
            "-1 kg",
            "1e3 g",
            "1.2.3 kg",
            "dois kg",
            "5 alqueires",
            "999999999999999 kg",
            "99999999 kg",
        ] {
            assert_eq!(with_unit(text, weight_unit), None, "{text}");
        }
    }
}
