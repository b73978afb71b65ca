//! Reads the packed model file (magic `E5S1`): sizes, vocabulary, normalisation table, tensors.
//!
//! All numbers are little-endian. Every length in the file is checked against the bytes that are there before
//! it is used, so a file cut short by a broken download is an error with a reason and never a panic.

use std::{collections::HashMap, ops::Range};

use super::{LoadError, quant};

/// The first bytes of the file.
const MAGIC: &[u8] = b"E5S1";
/// The only layout version known.
const VERSION: u32 = 1;
/// Generous upper bounds: beyond them the header is noise, and allocating what it asks for would be a mistake.
const MAX_PIECES: usize = 2_000_000;
const MAX_DIMENSION: usize = 65_536;

/// The sizes of the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    /// Numbers per token.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads per layer.
    pub heads: usize,
    /// Width of the feed-forward part.
    pub feed_forward: usize,
    /// Tokens known.
    pub vocabulary: usize,
    /// The longest input, in tokens, with the special ones.
    pub max_tokens: usize,
    /// Added to the variance in layer normalisation.
    pub epsilon: f32,
}

/// What the tokenizer is made of.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// Starts every input.
    pub bos: u32,
    /// Ends every input.
    pub eos: u32,
    /// Stands for a character no piece covers.
    pub unknown: u32,
    /// All pieces, one after the other.
    pub blob: Vec<u8>,
    /// Where each piece begins in `blob`; one more entry than pieces.
    pub offsets: Vec<u32>,
    /// The logarithm of each piece's probability.
    pub scores: Vec<f32>,
    /// What becomes of a character before it is looked up; characters not listed stay as they are.
    pub normalisation: HashMap<char, Box<[char]>>,
}

/// The file, taken apart.
pub(super) struct ModelFile<'a> {
    pub shape: Shape,
    pub vocabulary: Vocabulary,
    bytes: &'a [u8],
    tensors: HashMap<String, Entry>,
}

struct Entry {
    four_bit: bool,
    numbers: usize,
    range: Range<usize>,
}

impl<'a> ModelFile<'a> {
    /// Takes a file apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let mut cursor = Cursor { bytes, at: 0 };
        if cursor.take(4, "magic")? != MAGIC {
            return Err(LoadError::damaged("it does not begin with `E5S1`"));
        }
        let version = cursor.u32("version")?;
        if version != VERSION {
            return Err(LoadError::damaged(format!("its layout version is {version}, this program reads 1")));
        }
        let shape = read_shape(&mut cursor)?;
        let vocabulary = read_vocabulary(&mut cursor)?;
        if vocabulary.scores.len() != shape.vocabulary {
            return Err(LoadError::damaged("its vocabulary and its embedding table differ in size"));
        }
        let tensors = read_directory(&mut cursor)?;
        Ok(Self { shape, vocabulary, bytes, tensors })
    }

    /// A 4-bit table, still packed.
    pub fn packed(&self, name: &str, numbers: usize) -> Result<&'a [u8], LoadError> {
        let entry = self.entry(name, numbers, true)?;
        Ok(&self.bytes[entry.range.clone()])
    }

    /// A table of plain 32-bit numbers.
    pub fn plain(&self, name: &str, numbers: usize) -> Result<Vec<f32>, LoadError> {
        let entry = self.entry(name, numbers, false)?;
        Ok(floats(&self.bytes[entry.range.clone()]))
    }

    fn entry(&self, name: &str, numbers: usize, four_bit: bool) -> Result<&Entry, LoadError> {
        let entry =
            self.tensors.get(name).ok_or_else(|| LoadError::damaged(format!("table `{name}` is missing")))?;
        if entry.numbers != numbers || entry.four_bit != four_bit {
            return Err(LoadError::damaged(format!("table `{name}` has an unexpected size or type")));
        }
        Ok(entry)
    }
}

fn read_shape(cursor: &mut Cursor<'_>) -> Result<Shape, LoadError> {
    let mut next = |what| cursor.count(what, MAX_PIECES);
    let (hidden, layers, heads) = (next("hidden size")?, next("layers")?, next("heads")?);
    let (feed_forward, vocabulary) = (next("feed-forward size")?, next("vocabulary size")?);
    let (max_tokens, _token_types) = (next("longest input")?, next("token types")?);
    let epsilon = cursor.f32("epsilon")?;
    let block = cursor.count("block size", MAX_DIMENSION)?;
    let plausible = block == quant::BLOCK
        && (1..=MAX_DIMENSION).contains(&hidden)
        && (1..=MAX_DIMENSION).contains(&feed_forward)
        && (1..=1024).contains(&layers)
        && heads > 0
        && hidden.is_multiple_of(heads)
        && hidden.is_multiple_of(quant::BLOCK)
        && feed_forward.is_multiple_of(quant::BLOCK)
        && (3..=MAX_DIMENSION).contains(&max_tokens)
        && epsilon.is_finite()
        && epsilon >= 0.0;
    if !plausible {
        return Err(LoadError::damaged("the sizes in its header make no sense"));
    }
    Ok(Shape { hidden, layers, heads, feed_forward, vocabulary, max_tokens, epsilon })
}

fn read_vocabulary(cursor: &mut Cursor<'_>) -> Result<Vocabulary, LoadError> {
    let pieces = cursor.count("number of pieces", MAX_PIECES)?;
    let mut special = |what| {
        let id = cursor.u32(what)?;
        if (id as usize) < pieces {
            Ok(id)
        } else {
            Err(LoadError::damaged(format!("its {what} is no piece")))
        }
    };
    let (bos, eos) = (special("first token")?, special("last token")?);
    let (_padding, unknown) = (special("padding token")?, special("unknown token")?);
    let blob_len = usize::try_from(cursor.u64("vocabulary length")?).unwrap_or(usize::MAX);
    let offsets: Vec<u32> = words(cursor.take((pieces + 1) * 4, "piece offsets")?).collect();
    let scores = floats(cursor.take(pieces * 4, "piece scores")?);
    let blob = cursor.take(blob_len, "pieces")?.to_vec();
    let ordered = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    if !ordered || offsets.last().is_none_or(|&last| last as usize != blob.len()) {
        return Err(LoadError::damaged("its piece offsets make no sense"));
    }
    if !scores.iter().all(|score| score.is_finite()) {
        return Err(LoadError::damaged("its piece scores make no sense"));
    }
    let normalisation = read_normalisation(cursor)?;
    Ok(Vocabulary { bos, eos, unknown, blob, offsets, scores, normalisation })
}

fn read_normalisation(cursor: &mut Cursor<'_>) -> Result<HashMap<char, Box<[char]>>, LoadError> {
    let entries = cursor.count("normalisation entries", MAX_PIECES)?;
    let length = cursor.u32("normalisation length")? as usize;
    let mut inner = Cursor { bytes: cursor.take(length, "normalisation table")?, at: 0 };
    let character = |code| {
        char::from_u32(code).ok_or_else(|| LoadError::damaged("its normalisation table names no character"))
    };
    let mut table = HashMap::with_capacity(entries.min(length));
    for _ in 0..entries {
        let from = character(inner.u32("normalised character")?)?;
        let count = usize::from(inner.take(1, "normalisation count")?[0]);
        let to = words(inner.take(count * 4, "normalisation")?).map(character).collect::<Result<_, _>>()?;
        table.insert(from, to);
    }
    Ok(table)
}

fn read_directory(cursor: &mut Cursor<'_>) -> Result<HashMap<String, Entry>, LoadError> {
    let count = cursor.count("number of tables", MAX_DIMENSION)?;
    let mut tensors = HashMap::new();
    for _ in 0..count {
        let name_len = usize::from(cursor.u16("table name length")?);
        let name = String::from_utf8_lossy(cursor.take(name_len, "table name")?).into_owned();
        let four_bit = match cursor.take(1, "table type")?[0] {
            0 => false,
            1 => true,
            other => return Err(LoadError::damaged(format!("table `{name}` is of unknown type {other}"))),
        };
        let numbers = cursor.u32("table size")? as usize;
        let start = usize::try_from(cursor.u64("table position")?).unwrap_or(usize::MAX);
        let length = usize::try_from(cursor.u64("table length")?).unwrap_or(usize::MAX);
        let expected = if four_bit { quant::packed_len(numbers) } else { numbers.checked_mul(4) };
        let end = start.checked_add(length).filter(|&end| end <= cursor.bytes.len());
        match (expected == Some(length), end) {
            (true, Some(end)) => tensors.insert(name, Entry { four_bit, numbers, range: start..end }),
            (true, None) => {
                return Err(LoadError::damaged(format!(
                    "it ends before table `{name}` does: a broken download"
                )));
            }
            (false, _) => return Err(LoadError::damaged(format!("table `{name}` has an impossible length"))),
        };
    }
    Ok(tensors)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    words(bytes).map(f32::from_bits).collect()
}

/// Reads forward, never past the end.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], LoadError> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end =
            end.ok_or_else(|| LoadError::damaged(format!("it ends inside its {what}: a broken download")))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], LoadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn u16(&mut self, what: &str) -> Result<u16, LoadError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    fn u32(&mut self, what: &str) -> Result<u32, LoadError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, LoadError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn f32(&mut self, what: &str) -> Result<f32, LoadError> {
        Ok(f32::from_bits(self.u32(what)?))
    }

    fn count(&mut self, what: &str, most: usize) -> Result<usize, LoadError> {
        let count = self.u32(what)? as usize;
        if count > most {
            return Err(LoadError::damaged(format!("its {what}, {count}, makes no sense")));
        }
        Ok(count)
    }
}
