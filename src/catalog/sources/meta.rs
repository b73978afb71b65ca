//! Meta catalogue feeds: what WhatsApp, Instagram and Facebook shops are filled from.

use super::merchant::{self, Dialect};
use crate::{File, Options, ReadError, notes::Taker};

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    merchant::read(files, options, &Dialect { quantity: Some("quantity_to_sell_on_facebook") }, notes)
}
