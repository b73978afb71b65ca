//! The 4-bit packing of the model's tables, known as Q4_0.
//!
//! A block holds 32 numbers in 18 bytes: a half-precision scale, then 16 bytes; byte `j` carries number `j` in
//! its low half and number `j + 16` in its high half, each as 0..=15 standing for -8..=7 times the scale.

/// Numbers in a block.
pub(super) const BLOCK: usize = 32;
/// Bytes of a block.
const BLOCK_BYTES: usize = 18;

/// Bytes that `numbers` take; `None` unless they fill their blocks.
pub(super) fn packed_len(numbers: usize) -> Option<usize> {
    if !numbers.is_multiple_of(BLOCK) {
        return None;
    }
    (numbers / BLOCK).checked_mul(BLOCK_BYTES)
}

/// Unpacks whole blocks into `out`.
pub(super) fn unpack(packed: &[u8], out: &mut [f32]) {
    let blocks = packed.as_chunks::<BLOCK_BYTES>().0;
    for (block, out) in blocks.iter().zip(out.as_chunks_mut::<BLOCK>().0) {
        let scale = half_to_single(u16::from_le_bytes([block[0], block[1]]));
        for (j, &byte) in block[2..].iter().enumerate() {
            out[j] = (f32::from(byte & 0x0f) - 8.0) * scale;
            out[j + 16] = (f32::from(byte >> 4) - 8.0) * scale;
        }
    }
}

/// Adds the numbers of whole blocks to `nibbles`, as 0..=15 in their order, and the blocks' scales to `scales`.
pub(super) fn take_apart(packed: &[u8], factor: f32, nibbles: &mut Vec<u8>, scales: &mut Vec<f32>) {
    for block in packed.as_chunks::<BLOCK_BYTES>().0 {
        scales.push(half_to_single(u16::from_le_bytes([block[0], block[1]])) * factor);
        nibbles.extend(block[2..].iter().map(|byte| byte & 0x0f));
        nibbles.extend(block[2..].iter().map(|byte| byte >> 4));
    }
}

/// The row `index` of a packed table with rows of `width` numbers.
pub(super) fn row(packed: &[u8], width: usize, index: usize) -> &[u8] {
    let bytes = width / BLOCK * BLOCK_BYTES;
    &packed[index * bytes..(index + 1) * bytes]
}

/// IEEE 754 half precision to single precision, exactly.
fn half_to_single(half: u16) -> f32 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f32::from(half & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers_are_widened_exactly() {
        for (half, single) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 2f32.powi(-24)),
            (0x7bff, 65504.0),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(half_to_single(half), single, "{half:#x}");
        }
        assert!(half_to_single(0x7e00).is_nan());
        assert_eq!(half_to_single(0xfc00), f32::NEG_INFINITY);
    }

    #[test]
    fn a_block_unpacks_low_halves_first() {
        let mut block = [0x88u8; BLOCK_BYTES]; // 8 stands for zero
        block[..2].copy_from_slice(&0x3800u16.to_le_bytes()); // scale 0.5
        block[2] = 0xf0; // number 0 is -8, number 16 is 7
        let mut out = [1.0; BLOCK];
        unpack(&block, &mut out);
        assert_eq!((out[0], out[16], out[1], out[31]), (-4.0, 3.5, 0.0, 0.0));
    }
}
