//! The `reply` out of a JSON object that is still being written.
//!
//! The model's output arrives in pieces cut anywhere: in the middle of a key, of an escape, of a surrogate pair. What
//! comes out is, however it is cut, the same text that a JSON parser gives for the first `reply` of the object.

/// Reads the output as it comes.
#[derive(Debug, Default)]
pub struct ReplyStream {
    depth: usize,
    state: State,
    key: String,
    done: bool,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside strings; the next string at depth one is a key.
    #[default]
    BeforeKey,
    /// Outside strings; the next string is a value.
    BeforeValue,
    Inside(What),
    /// After a backslash.
    Escape(What),
    /// Within `\uXXXX`: digits so far and their value.
    Unicode(What, u8, u16),
}

/// What the string at hand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Key,
    Reply,
    Other,
}

impl ReplyStream {
    /// Takes the next piece; gives the words of the reply in it.
    pub fn push(&mut self, piece: &str) -> String {
        let mut words = String::new();
        for c in piece.chars() {
            self.step(c, &mut words);
        }
        words
    }

    fn step(&mut self, c: char, words: &mut String) {
        match self.state {
            State::BeforeKey | State::BeforeValue => self.outside(c),
            State::Inside(what) => match c {
                '"' => {
                    self.flush_half(what, words);
                    self.state = match what {
                        What::Key => State::BeforeKey,
                        What::Reply | What::Other => State::BeforeValue,
                    };
                    self.done |= what == What::Reply;
                }
                '\\' => self.state = State::Escape(what),
                c => self.put(what, c, words),
            },
            State::Escape(what) => {
                self.state = State::Inside(what);
                match c {
                    'u' => self.state = State::Unicode(what, 0, 0),
                    'n' => self.put(what, '\n', words),
                    't' => self.put(what, '\t', words),
                    'r' => self.put(what, '\r', words),
                    'b' => self.put(what, '\u{8}', words),
                    'f' => self.put(what, '\u{c}', words),
                    other => self.put(what, other, words),
                }
            }
            State::Unicode(what, count, value) => {
                let digit = c.to_digit(16).and_then(|d| u16::try_from(d).ok()).unwrap_or(0);
                let value = (value << 4) | digit;
                if count < 3 {
                    self.state = State::Unicode(what, count + 1, value);
                } else {
                    self.state = State::Inside(what);
                    self.unit(what, value, words);
                }
            }
        }
    }

    fn outside(&mut self, c: char) {
        match c {
            '{' | '[' => {
                self.depth += 1;
                self.state = State::BeforeKey;
            }
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            ':' => self.state = State::BeforeValue,
            ',' if self.depth == 1 => self.state = State::BeforeKey,
            '"' if self.depth == 0 => {}
            '"' => {
                let what = match self.state {
                    State::BeforeKey if self.depth == 1 => What::Key,
                    State::BeforeValue if self.depth == 1 && self.key == "reply" && !self.done => What::Reply,
                    _ => What::Other,
                };
                if what == What::Key {
                    self.key.clear();
                }
                self.state = State::Inside(what);
            }
            _ => {}
        }
    }

    /// One UTF-16 unit of an escape.
    fn unit(&mut self, what: What, value: u16, words: &mut String) {
        match (self.high.take(), value) {
            (None, 0xd800..=0xdbff) => self.high = Some(value),
            (Some(high), 0xdc00..=0xdfff) => {
                let pair = char::decode_utf16([high, value]).next();
                self.put(what, pair.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER), words);
            }
            (high, value) => {
                if high.is_some() {
                    self.put(what, char::REPLACEMENT_CHARACTER, words);
                }
                let c = char::from_u32(u32::from(value)).unwrap_or(char::REPLACEMENT_CHARACTER);
                self.put(what, c, words);
            }
        }
    }

    fn put(&mut self, what: What, c: char, words: &mut String) {
        self.flush_half(what, words);
        match what {
            What::Key => self.key.push(c),
            What::Reply => words.push(c),
            What::Other => {}
        }
    }

    /// A first half that no second followed.
    fn flush_half(&mut self, what: What, words: &mut String) {
        if self.high.take().is_some() && what == What::Reply {
            words.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&str]) -> String {
        let mut stream = ReplyStream::default();
        pieces.iter().map(|piece| stream.push(piece)).collect()
    }

    #[test]
    fn the_reply_is_found_among_other_fields() {
        for (json, reply) in [
            (r#"{"reply":"Olá","action":"continue"}"#, "Olá"),
            (r#"{"action":"reply","sources_used":[1,2],"reply":"x"}"#, "x"),
            (r#"{"other":{"reply":"no"},"reply":"yes"}"#, "yes"),
            (r#"{"list":["reply","a",{"reply":"no"}],"reply":"yes"}"#, "yes"),
            ("```json\n{ \"reply\" : \"a\\n\\\"b\\\"\" }\n```", "a\n\"b\""),
            (r#"{"reply":"\ud83d\ude00 \u00e9"}"#, "😀 é"),
            (r#"{"reply":"one","reply":"two"}"#, "one"),
            (r#"{"action":"end"}"#, ""),
            ("not json", ""),
        ] {
            assert_eq!(read(&[json]), reply, "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_reply(
            reply in "[\\PC\n\t\"\\\\😀é]{0,60}",
            ascii in any::<bool>(),
            cuts in prop::collection::vec(0usize..400, 0..40),
        ) {
            let mut json = serde_json::json!({
                "action": "continue", "note": {"reply": "no"}, "sources_used": [1], "reply": reply, "in_scope": true,
            }).to_string();
            if ascii {
                json = json.chars().map(|c| if c.is_ascii() { c.to_string() } else {
                    let mut units = [0; 2];
                    c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}")).collect()
                }).collect();
            }
            let chars: Vec<char> = json.chars().collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(chars.len())).collect();
            cuts.extend([0, chars.len()]);
            cuts.sort_unstable();
            let pieces: Vec<String> = cuts.windows(2).map(|w| chars[w[0]..w[1]].iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(read(&pieces), reply);
        }
    }
}
