//! The network: a BERT encoder of 12 layers, from token ids to one mean vector per input.
//!
//! The layers' weights are unpacked to 32-bit numbers at load: their products are then fast on any processor
//! (candle's `gemm` chooses instructions when the program runs), while 4-bit products were three times slower.
//! The word embeddings, the larger part of the model, stay packed: an input needs only a few of their rows.
//!
//! Several inputs are laid one after the other, without padding, into one matrix: the products read each weight once
//! for all of them, and only attention looks at each input alone.

use std::ops::Range;

use candle_core::{D, Device, Result, Tensor};

use super::{
    LoadError,
    file::{ModelFile, Shape},
    kernels::{AddBias, BiasGelu, Norm, ResidualNorm, Softmax},
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

/// A weight, stored as (inputs, outputs) so that products need not repack it, and its bias.
struct Product {
    weight: Tensor,
    bias: Vec<f32>,
}

impl Encoder {
    pub fn load(file: &ModelFile<'_>) -> std::result::Result<Self, LoadError> {
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
                .map(|index| Layer::load(file, index))
                .collect::<std::result::Result<_, _>>()?,
        })
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes held by the weights.
    pub fn memory_bytes(&self) -> usize {
        let products = self.layers.iter().flat_map(|l| [&l.attend, &l.attended, &l.widen, &l.narrow]);
        let numbers: usize = products.map(|p| p.weight.elem_count() + p.bias.len()).sum();
        self.words.len() + 4 * (self.positions.len() + numbers)
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
    fn load(file: &ModelFile<'_>, index: usize) -> std::result::Result<Self, LoadError> {
        let Shape { hidden, feed_forward, heads, .. } = file.shape;
        let named = |part: &str| format!("l{index}.{part}");
        let product =
            |parts: &[(&str, f32)], inputs, outputs| Product::load(file, index, parts, inputs, outputs);
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
        let attend = x.matmul(&self.attend.weight)?;
        attend.inplace_op1(&AddBias(&self.attend.bias))?;
        let mixed = rows.iter().map(|rows| attention(&attend, rows, shape)).collect::<Result<Vec<_>>>()?;
        let mixed = match &mixed[..] {
            [one] => one.clone(),
            several => Tensor::cat(several, 0)?,
        };
        let attended = mixed.matmul(&self.attended.weight)?;
        x.inplace_op2(&attended, &ResidualNorm { bias: &self.attended.bias, norm: &self.attention_norm })?;
        let wide = x.matmul(&self.widen.weight)?;
        wide.inplace_op1(&BiasGelu(&self.widen.bias))?;
        let narrow = wide.matmul(&self.narrow.weight)?;
        x.inplace_op2(&narrow, &ResidualNorm { bias: &self.narrow.bias, norm: &self.output_norm })
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
        inputs: usize,
        outputs: usize,
    ) -> std::result::Result<Self, LoadError> {
        let all = outputs * parts.len();
        let (mut weight, mut bias) = (vec![0.0; inputs * all], Vec::with_capacity(all));
        for (index, (part, factor)) in parts.iter().enumerate() {
            let table = file.unpacked(&format!("l{layer}.{part}.w"), inputs * outputs)?;
            for (output, row) in table.chunks_exact(inputs).enumerate() {
                for (input, number) in row.iter().enumerate() {
                    weight[input * all + index * outputs + output] = number * factor;
                }
            }
            bias.extend(file.plain(&format!("l{layer}.{part}.b"), outputs)?.iter().map(|b| b * factor));
        }
        let weight = Tensor::from_vec(weight, (inputs, all), &Device::Cpu)
            .map_err(|error| LoadError::damaged(error.to_string()))?;
        Ok(Self { weight, bias })
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
