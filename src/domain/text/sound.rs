//! How a word sounds in Portuguese as it is spoken in Brazil: `calsa` is `calça`, `xinelo` is `chinelo`.
//!
//! A key to compare by, never to show. It forgets what people confuse when they write by ear: s, ss, ç, c and z; x and
//! ch; g and j before e and i; k, c and qu; the h that nobody says; double letters; m and n at the end; the vowels of a
//! last syllable; a plural's s. English words get a key as well, the same for the same mistakes.

use super::fold;

/// The key of one word. Empty where nothing can be said of it.
pub fn sound(word: &str) -> String {
    let letters: Vec<char> = fold(&word.to_lowercase().replace('ç', "ss")).chars().collect();
    let mut key = String::new();
    let mut at = 0;
    while at < letters.len() {
        let (heard, used) = heard(&letters[at..]);
        // Said twice is written twice, not spoken twice.
        if heard.is_some_and(|heard| !key.ends_with(heard)) {
            key.extend(heard);
        }
        at += used;
    }
    ending(key)
}

/// What the next letters sound like, and how many they are.
fn heard(letters: &[char]) -> (Option<char>, usize) {
    let soft = |letter: Option<&char>| matches!(letter, Some('e' | 'i' | 'y'));
    match letters {
        ['c' | 's', 'h', ..] => (Some('x'), 2),
        ['l', 'h', ..] => (Some('l'), 2),
        ['n', 'h', ..] => (Some('n'), 2),
        ['p', 'h', ..] => (Some('f'), 2),
        ['q' | 'g', 'u', rest @ ..] if soft(rest.first()) => {
            (Some(if letters[0] == 'q' { 'k' } else { 'g' }), 2)
        }
        ['s' | 'x', 'c', rest @ ..] if soft(rest.first()) => (Some('s'), 2),
        ['c', rest @ ..] if soft(rest.first()) => (Some('s'), 1),
        ['g', rest @ ..] if soft(rest.first()) => (Some('j'), 1),
        ['c' | 'q', ..] => (Some('k'), 1),
        ['z', ..] => (Some('s'), 1),
        ['y', ..] => (Some('i'), 1),
        ['w', ..] => (Some('v'), 1),
        ['h', ..] => (None, 1),
        [letter, ..] => (letter.is_alphanumeric().then_some(*letter), 1),
        [] => (None, 1),
    }
}

/// A key without what a last syllable leaves open.
fn ending(mut key: String) -> String {
    if key.len() > 3 && key.ends_with('s') {
        key.pop();
    }
    match key.pop() {
        Some('m') => key.push('n'),
        Some('e') => key.push('i'),
        Some('o') => key.push('u'),
        Some(last) => key.push(last),
        None => {}
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_sound_alike_have_one_key() {
        for (written, meant) in [
            ("calsa", "calça"),
            ("calcas", "calcas"),
            ("camizeta", "camiseta"),
            ("xinelo", "chinelo"),
            ("jaketa", "jaqueta"),
            ("moleton", "moletom"),
            ("tenes", "tênis"),
            ("bluza", "blusas"),
            ("sapatu", "Sapatos"),
            ("ospital", "hospital"),
            ("presente", "prezente"),
            ("jelatina", "gelatina"),
            ("maciez", "massiez"),
            ("photo", "foto"),
        ] {
            assert_eq!(sound(written), sound(meant), "{written} {meant}");
        }
    }

    #[test]
    fn words_that_do_not_sound_alike_keep_apart() {
        for (one, other) in
            [("bota", "bolsa"), ("calça", "camisa"), ("vestido", "vestida"), ("linho", "ninho"), ("38", "40")]
        {
            assert_ne!(sound(one), sound(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_word_has_a_key_too() {
        for text in ["", "ç", "h", "😀", "1", "qu", "c"] {
            let _ = sound(text);
        }
        assert_eq!(sound("!?"), "");
    }
}
