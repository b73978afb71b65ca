//! A PIX code as a picture: PNG for messages, SVG for pages.

use qrcode::{EcLevel, QrCode, render::svg};

/// The white frame a scanner needs, in modules (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum QrError {
    /// Longer than a QR code can hold.
    #[error("the code is too long for a QR code: {0}")]
    TooLong(#[from] qrcode::types::QrError),
    /// The PNG could not be written.
    #[error("the QR code's picture could not be written: {0}")]
    Png(#[from] png::EncodingError),
}

fn code(text: &str) -> Result<QrCode, QrError> {
    // Medium correction: readable from a scratched screen, and still coarse enough for a cheap camera.
    Ok(QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M)?)
}

/// An SVG document.
///
/// # Errors
/// When the text does not fit.
pub fn svg(text: &str) -> Result<String, QrError> {
    Ok(code(text)?.render::<svg::Color<'_>>().quiet_zone(true).min_dimensions(240, 240).build())
}

/// A black and white PNG, `scale` pixels a module.
///
/// # Errors
/// When the text does not fit.
pub fn png(text: &str, scale: u32) -> Result<Vec<u8>, QrError> {
    let code = code(text)?;
    let modules = code.width();
    let scale = scale.clamp(1, 64) as usize;
    let side = (modules + 2 * QUIET_ZONE) * scale;
    let dark = code.to_colors();
    let is_dark = |x: usize, y: usize| {
        let (x, y) = ((x / scale).checked_sub(QUIET_ZONE)?, (y / scale).checked_sub(QUIET_ZONE)?);
        (x < modules && y < modules).then(|| dark[y * modules + x] == qrcode::Color::Dark)
    };
    let pixel = |x: usize, y: usize| if is_dark(x, y) == Some(true) { 0 } else { 255 };
    let pixels: Vec<u8> = (0..side * side).map(|at| pixel(at % side, at / side)).collect();
    let mut bytes = Vec::new();
    let side = side as u32;
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-4266554400005204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***63041D3D";

    /// Reads the picture back with an independent decoder.
    fn decode(bytes: &[u8]) -> String {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let frame = reader.next_frame(&mut pixels).expect("a frame");
        let (width, height) = (frame.width as usize, frame.height as usize);
        let mut picture =
            rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
        let grids = picture.detect_grids();
        assert_eq!(grids.len(), 1, "one code in the picture");
        grids[0].decode().expect("readable").1
    }

    #[test]
    fn a_camera_reads_the_code_back_from_the_png() {
        assert_eq!(decode(&png(CODE, 6).unwrap()), CODE);
    }

    #[test]
    fn the_svg_is_a_document_of_its_own() {
        let svg = svg(CODE).unwrap();
        assert!(svg.starts_with("<?xml") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn what_no_code_can_hold_is_an_error() {
        assert!(matches!(png(&"x".repeat(8_000), 4), Err(QrError::TooLong(_))));
    }
}
