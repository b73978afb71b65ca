//! The codes that charges are paid with.

/// A dynamic code for an address (without a scheme), as the manual of Pix writes it.
pub(super) fn dynamic(address: &str) -> String {
    let field = |id: &str, value: &str| format!("{id}{:02}{value}", value.len());
    let account = field("26", &(field("00", "br.gov.bcb.pix") + &field("25", address)));
    let code = [
        field("00", "01"),
        field("01", "12"),
        account,
        field("52", "0000"),
        field("53", "986"),
        field("58", "BR"),
        field("59", "Loja Emulada"),
        field("60", "SAO PAULO"),
        field("62", &field("05", "***")),
        "6304".to_owned(),
    ]
    .concat();
    let crc = crc(code.as_bytes());
    format!("{code}{crc:04X}")
}

/// CRC-16/CCITT-FALSE.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |mut crc: u16, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
        crc
    })
}
