//! The PIX BR Code ("copia e cola"): a flat string of EMV fields with a checksum.
//!
//! Rules of Banco Central's manual of the BR Code and EMV QRCPS-MPM. A **static** code carries a key and may be built by
//! anyone; a **dynamic** one carries a URL and comes from the provider, who alone knows its charge: it is read
//! here and never put together for an order. Reading is strict about lengths and checksum, lenient about what occurs in the
//! wild (upper-case names of the arrangement, accents, lower-case checksums).

mod read;
mod tlv;
mod write;

pub use read::{BrCode, BrCodeError, Kind, read};
pub use write::{StaticCode, WriteError};

/// The name of the PIX arrangement.
const ARRANGEMENT: &str = "br.gov.bcb.pix";
/// Brazil's currency, ISO 4217 numeric.
const CURRENCY: &str = "986";
/// The longest transaction id of a static code.
const STATIC_TXID: usize = 25;
/// Stands where there is no transaction id.
const NO_TXID: &str = "***";

/// CRC-16/CCITT-FALSE (IBM-3740): polynomial 0x1021, initial value 0xFFFF.
fn checksum(text: &str) -> u16 {
    const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_IBM_3740);
    CRC.checksum(text.as_bytes())
}

#[cfg(test)]
mod tests;
