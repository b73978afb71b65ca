//! The program: commands, configuration, boot.
fn main() {}
