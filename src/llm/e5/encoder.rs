//! The network: a BERT encoder of 12 layers, from token ids to one mean vector per input.
//!
//! The layers' weights are laid out at load for the processor at hand: as small whole numbers where it has AVX-512
//! (see [`super::small`]), else as 32-bit numbers, whose products are fast on any processor (candle's `gemm` chooses
//! instructions when the program runs), while candle's own 4-bit products were three times slower.
//! The word embeddings, the larger part of the model, stay packed: an input needs only a few of their rows.
//!
//! Several inputs are laid one after the other, without padding, into one matrix: the products read each weight once
//! for all of them, and only attention looks at each input alone.

use std::ops::Range;

use candle_core::{D, Device, Result, Tensor};

#[cfg(target_arch = "x86_64")]
use super::small::SmallProduct;
use super::{
    LoadError,
    file::{ModelFile, Shape},
    kernels::{AddBias, Gelu, Norm, ResidualNorm, Softmax},
    quant,
};

pub(super) struct Encoder {
    shape: Shape,
    words: Box<[u8]>,
    /// Position embeddings, with the one token type's embedding already added.
    positions: Vec<f32>,
    first_norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Queries (already divided by the square root of a head's size), keys and values in one product.
    attend: Product,
    attended: Product,
    attention_norm: Norm,
    widen: Product,
    narrow: Product,
    output_norm: Norm,
}

/// A weight and its bias.
enum Product {
    /// Whole numbers, where the processor is fast with them.
    #[cfg(target_arch = "x86_64")]
    Small(SmallProduct),
    /// 32-bit numbers, stored as (inputs, outputs) so that products need not repack them.
    Wide { weight: Tensor, bias: Vec<f32> },
}

impl Encoder {
    /// Loads the network; `small` allows products in whole numbers where the processor has them.
    pub fn load(file: &ModelFile<'_>, small: bool) -> std::result::Result<Self, LoadError> {
        let shape = file.shape;
        let width = shape.hidden;
        let mut positions = file.plain("emb.pos", shape.max_tokens * width)?;
        // One or two token types exist; only the first is ever used.
        let token_type = file.plain("emb.type", width).or_else(|_| file.plain("emb.type", 2 * width))?;
        for row in positions.chunks_exact_mut(width) {
            row.iter_mut().zip(&token_type).for_each(|(x, t)| *x += t);
        }
        Ok(Self {
            shape,
            words: file.packed("emb.word", shape.vocabulary * width)?.into(),
            positions,
            first_norm: norm(file, "emb.ln", shape)?,
            layers: (0..shape.layers)
                .map(|index| Layer::load(file, index, small))
                .collect::<std::result::Result<_, _>>()?,
        })
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes held by the weights.
    pub fn memory_bytes(&self) -> usize {
        let products = self.layers.iter().flat_map(|l| [&l.attend, &l.attended, &l.widen, &l.narrow]);
        self.words.len() + 4 * self.positions.len() + products.map(Product::memory_bytes).sum::<usize>()
    }

    /// The mean of the last layer's vectors, for each input. An input is 1 to `max_tokens` known token ids.
    pub fn means(&self, inputs: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let width = self.shape.hidden;
        let mut rows = Vec::with_capacity(inputs.len());
        let mut x = Vec::with_capacity(inputs.iter().map(|input| input.len() * width).sum());
        for input in inputs {
            let start = x.len() / width;
            rows.push(start..start + input.len());
            self.embed(input, &mut x);
        }
        self.first_norm.apply(&mut x);
        let count = x.len() / width;
        let x = Tensor::from_vec(x, (count, width), &Device::Cpu)?;
        for layer in &self.layers {
            layer.run(&x, &rows, self.shape)?;
        }
        let x = x.flatten_all()?.to_vec1::<f32>()?;
        Ok(rows.into_iter().map(|rows| mean(&x[rows.start * width..rows.end * width], width)).collect())
    }

    fn embed(&self, input: &[u32], out: &mut Vec<f32>) {
        let width = self.shape.hidden;
        for (&token, position) in input.iter().zip(self.positions.chunks_exact(width)) {
            let start = out.len();
            out.resize(start + width, 0.0);
            let row = &mut out[start..];
            quant::unpack(quant::row(&self.words, width, token as usize), row);
            row.iter_mut().zip(position).for_each(|(x, p)| *x += p);
        }
    }
}

impl Layer {
    fn load(file: &ModelFile<'_>, index: usize, small: bool) -> std::result::Result<Self, LoadError> {
        let Shape { hidden, feed_forward, heads, .. } = file.shape;
        let named = |part: &str| format!("l{index}.{part}");
        let product = |parts: &[(&str, f32)], inputs, outputs| {
            Product::load(file, index, parts, (inputs, outputs), small)
        };
        let shrink = 1.0 / ((hidden / heads) as f32).sqrt();
        Ok(Self {
            attend: product(&[("q", shrink), ("k", 1.0), ("v", 1.0)], hidden, hidden)?,
            attended: product(&[("ao", 1.0)], hidden, hidden)?,
            attention_norm: norm(file, &named("aln"), file.shape)?,
            widen: product(&[("fi", 1.0)], hidden, feed_forward)?,
            narrow: product(&[("fo", 1.0)], feed_forward, hidden)?,
            output_norm: norm(file, &named("oln"), file.shape)?,
        })
    }

    /// Changes `x` in place. It is the same tensor through all layers, and nothing else refers to its numbers.
    fn run(&self, x: &Tensor, rows: &[Range<usize>], shape: Shape) -> Result<()> {
        let attend = self.attend.apply(x)?;
        let mixed = rows.iter().map(|rows| attention(&attend, rows, shape)).collect::<Result<Vec<_>>>()?;
        let mixed = match &mixed[..] {
            [one] => one.clone(),
            several => Tensor::cat(several, 0)?,
        };
        x.inplace_op2(&self.attended.apply(&mixed)?, &ResidualNorm(&self.attention_norm))?;
        let wide = self.widen.apply(x)?;
        wide.inplace_op1(&Gelu)?;
        x.inplace_op2(&self.narrow.apply(&wide)?, &ResidualNorm(&self.output_norm))
    }
}

/// Mixes the values of one input's tokens, all heads at once.
fn attention(attend: &Tensor, rows: &Range<usize>, shape: Shape) -> Result<Tensor> {
    let (count, heads, size) = (rows.len(), shape.heads, shape.hidden / shape.heads);
    // Views, not copies: (queries, keys and values of all heads, tokens, numbers of a head).
    let all = attend.narrow(0, rows.start, count)?.reshape((count, 3 * heads, size))?.transpose(0, 1)?;
    let part = |index: usize| all.narrow(0, index * heads, heads);
    let weights = part(0)?.matmul(&part(1)?.transpose(D::Minus1, D::Minus2)?)?;
    weights.inplace_op1(&Softmax)?;
    weights.matmul(&part(2)?)?.transpose(0, 1)?.reshape((count, shape.hidden))
}

impl Product {
    /// Loads the tables `parts` side by side, each times its factor.
    fn load(
        file: &ModelFile<'_>,
        layer: usize,
        parts: &[(&str, f32)],
        (inputs, outputs): (usize, usize),
        small: bool,
    ) -> std::result::Result<Self, LoadError> {
        let all = outputs * parts.len();
        let (mut nibbles, mut scales) = (Vec::with_capacity(inputs * all), Vec::new());
        let mut bias = Vec::with_capacity(all);
        for (part, factor) in parts {
            let packed = file.packed(&format!("l{layer}.{part}.w"), inputs * outputs)?;
            quant::take_apart(packed, *factor, &mut nibbles, &mut scales);
            bias.extend(file.plain(&format!("l{layer}.{part}.b"), outputs)?.iter().map(|b| b * factor));
        }
        #[cfg(target_arch = "x86_64")]
        if small && let Some(product) = SmallProduct::new(inputs, &nibbles, &scales, &bias) {
            return Ok(Self::Small(product));
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = small;
        Self::wide(inputs, &nibbles, &scales, bias).map_err(|error| LoadError::damaged(error.to_string()))
    }

    fn wide(inputs: usize, nibbles: &[u8], scales: &[f32], bias: Vec<f32>) -> Result<Self> {
        let outputs = bias.len();
        let mut weight = vec![0.0; inputs * outputs];
        for (at, nibble) in nibbles.iter().enumerate() {
            weight[at % inputs * outputs + at / inputs] =
                (f32::from(*nibble) - 8.0) * scales[at / quant::BLOCK];
        }
        Ok(Self::Wide { weight: Tensor::from_vec(weight, (inputs, outputs), &Device::Cpu)?, bias })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Small(product) => x.apply_op1_no_bwd(&product),
            Self::Wide { weight, bias } => {
                let out = x.matmul(weight)?;
                out.inplace_op1(&AddBias(bias))?;
                Ok(out)
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Small(product) => product.memory_bytes(),
            Self::Wide { weight, bias } => 4 * (weight.elem_count() + bias.len()),
        }
    }
}

fn norm(file: &ModelFile<'_>, name: &str, shape: Shape) -> std::result::Result<Norm, LoadError> {
    Ok(Norm {
        scale: file.plain(&format!("{name}.w"), shape.hidden)?,
        shift: file.plain(&format!("{name}.b"), shape.hidden)?,
        epsilon: shape.epsilon,
    })
}

fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(s, x)| *s += x);
    }
    let count = (rows.len() / width) as f32;
    sum.iter_mut().for_each(|s| *s /= count);
    sum
}
