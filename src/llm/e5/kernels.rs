//! The loops between the matrix products, written so that the compiler turns them into vector instructions.
//!
//! Each runs inside [`pulp::Arch::dispatch`], which compiles it for the instruction sets a processor may have and
//! picks one when the program runs; the code itself is plain loops over fixed-size blocks. Sums keep several partial
//! sums because the compiler may not reorder floating-point additions by itself.

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, bail};
use pulp::{Arch, Simd, WithSimd};

/// Partial sums per reduction: one 512-bit register, or two or four smaller ones.
const LANES: usize = 16;

/// `x + bias`, row by row.
pub(super) struct AddBias<'a>(pub &'a [f32]);

/// `gelu(x)`.
pub(super) struct Gelu;

/// Each row becomes positive and sums to 1. Rows are as long as the last dimension.
pub(super) struct Softmax;

/// `normalise(x + y) * scale + shift`, row by row.
pub(super) struct ResidualNorm<'a>(pub &'a Norm);

/// The parameters of a layer normalisation.
pub(super) struct Norm {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    pub epsilon: f32,
}

impl Norm {
    /// Normalises the rows of `x` in place.
    pub fn apply(&self, x: &mut [f32]) {
        Arch::new().dispatch(NormRows { x, norm: self });
    }
}

impl InplaceOp1 for AddBias<'_> {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let x = numbers_mut(storage, layout)?;
        Arch::new().dispatch(AddBiasRows { x, bias: self.0 });
        Ok(())
    }
}

impl InplaceOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let x = numbers_mut(storage, layout)?;
        Arch::new().dispatch(GeluAll { x });
        Ok(())
    }
}

impl InplaceOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let width = layout.dims().last().copied().unwrap_or(1);
        let x = numbers_mut(storage, layout)?;
        Arch::new().dispatch(SoftmaxRows { x, width });
        Ok(())
    }
}

impl InplaceOp2 for ResidualNorm<'_> {
    fn name(&self) -> &'static str {
        "residual-norm"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<()> {
        let (x, y) = (numbers_mut(x, x_layout)?, numbers(y, y_layout)?);
        Arch::new().dispatch(AddAll { x, y });
        self.0.apply(x);
        Ok(())
    }
}

pub(super) fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(all), Some((from, to))) => Ok(&all[from..to]),
        _ => bail!("expected contiguous 32-bit numbers"),
    }
}

fn numbers_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(all), Some((from, to))) => Ok(&mut all[from..to]),
        _ => bail!("expected contiguous 32-bit numbers"),
    }
}

struct AddBiasRows<'a> {
    x: &'a mut [f32],
    bias: &'a [f32],
}

impl WithSimd for AddBiasRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.x.chunks_exact_mut(self.bias.len()) {
            for (x, bias) in row.iter_mut().zip(self.bias) {
                *x += bias;
            }
        }
    }
}

struct GeluAll<'a> {
    x: &'a mut [f32],
}

impl WithSimd for GeluAll<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.x.iter_mut() {
            *x = gelu(*x);
        }
    }
}

struct SoftmaxRows<'a> {
    x: &'a mut [f32],
    width: usize,
}

impl WithSimd for SoftmaxRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.x.chunks_exact_mut(self.width.max(1)) {
            let highest = reduce(row, f32::NEG_INFINITY, larger);
            for x in row.iter_mut() {
                *x = exp(*x - highest);
            }
            let share = 1.0 / reduce(row, 0.0, |a, b| a + b);
            for x in row.iter_mut() {
                *x *= share;
            }
        }
    }
}

struct AddAll<'a> {
    x: &'a mut [f32],
    y: &'a [f32],
}

impl WithSimd for AddAll<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, y) in self.x.iter_mut().zip(self.y) {
            *x += y;
        }
    }
}

struct NormRows<'a> {
    x: &'a mut [f32],
    norm: &'a Norm,
}

impl WithSimd for NormRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Norm { scale, shift, epsilon } = self.norm;
        let width = scale.len();
        for row in self.x.chunks_exact_mut(width) {
            let mean = reduce(row, 0.0, |a, b| a + b) / width as f32;
            for x in row.iter_mut() {
                *x -= mean;
            }
            let variance = sum_of_squares(row) / width as f32;
            let inverse = 1.0 / (variance + epsilon).sqrt();
            for ((x, scale), shift) in row.iter_mut().zip(scale).zip(shift) {
                *x = *x * inverse * scale + shift;
            }
        }
    }
}

#[inline(always)]
pub(super) fn reduce(row: &[f32], start: f32, join: impl Fn(f32, f32) -> f32 + Copy) -> f32 {
    let (blocks, rest) = row.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane = join(*lane, x);
        }
    }
    let total = lanes.into_iter().fold(start, join);
    rest.iter().copied().fold(total, join)
}

#[inline(always)]
fn sum_of_squares(row: &[f32]) -> f32 {
    let (blocks, rest) = row.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += x * x;
        }
    }
    lanes.into_iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

/// Unlike `f32::max` it need not care for NaN, which makes it one instruction.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// `e^x` for `x <= 0`, to about 2e-7. `x` is split into whole powers of two, which go straight into the exponent's
/// bits, and a rest of at most half a power, for which the Taylor series of degree 6 does.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.0; // below it the result is no normal number
    const ROUNDER: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
    const LN_2_HIGH: f32 = 0.693_359_4; // ln 2 in two parts, the first short enough to multiply without error
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = larger(x, LOWEST);
    let rounded = x * std::f32::consts::LOG2_E + ROUNDER;
    let power = rounded - ROUNDER;
    let rest = x - power * LN_2_HIGH - power * LN_2_LOW;
    let mut series = 1.0 / 720.0;
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * rest + factor;
    }
    series * f32::from_bits((rounded.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// `x * Φ(x)` with Φ by the error function: Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26,
/// whose error is at most 1.5e-7.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    const P: f32 = 0.327_591_1;
    const A: [f32; 5] = [1.061_405_4, -1.453_152_1, 1.421_413_8, -0.284_496_74, 0.254_829_6];
    let size = x.abs();
    let z = size * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + P * z);
    let series = ((((A[0] * t + A[1]) * t + A[2]) * t + A[3]) * t + A[4]) * t;
    // With erfc(z) = series * e^(-z²): gelu is x - x/2 * erfc above zero and x/2 * erfc below.
    larger(x, 0.0) - 0.5 * size * series * exp(-z * z)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function by its Maclaurin series, in double precision: exact enough up to 5.
    fn erf(z: f64) -> f64 {
        let (mut term, mut sum) = (z, z);
        for n in 1..200 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn exp_stays_within_three_parts_in_ten_million() {
        for i in 0..87_000 {
            let x = -(i as f32) / 1000.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 3e-7 * exact, "exp({x})");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn gelu_agrees_with_the_error_function() {
        for i in -6000..=6000 {
            let x = f64::from(i) / 1000.0;
            let exact = 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2));
            assert!((f64::from(gelu(x as f32)) - exact).abs() < 1e-6, "gelu({x})");
        }
        assert!(gelu(30.0) == 30.0 && gelu(-30.0).abs() < 1e-30);
    }

    #[test]
    fn softmax_rows_sum_to_one_whatever_their_width_and_size() {
        for width in [1, 2, 15, 16, 17, 33, 180] {
            let mut x: Vec<f32> = (0..3 * width).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
            let before = x.clone();
            Arch::new().dispatch(SoftmaxRows { x: &mut x, width });
            for (row, before) in x.chunks(width).zip(before.chunks(width)) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "width {width}");
                let total: f64 = before.iter().map(|&b| f64::from(b).exp()).sum();
                for (x, b) in row.iter().zip(before) {
                    assert!((f64::from(*x) - f64::from(*b).exp() / total).abs() < 1e-6, "width {width}");
                }
            }
        }
    }

    #[test]
    fn normalised_rows_have_mean_zero_and_variance_one() {
        let mut x: Vec<f32> = (0..2 * 48).map(|i| 100.0 + (i % 7) as f32).collect();
        Norm { scale: vec![1.0; 48], shift: vec![0.0; 48], epsilon: 1e-12 }.apply(&mut x);
        for row in x.chunks(48) {
            assert!(row.iter().sum::<f32>().abs() < 1e-4);
            assert!((sum_of_squares(row) / 48.0 - 1.0).abs() < 1e-4);
        }
    }
}
