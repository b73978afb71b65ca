//! Google Merchant Center feeds. They say whether there is some, never how many.

use super::merchant::{self, Dialect};
use crate::{File, Options, ReadError, notes::Taker};

pub(super) fn read(files: &[File], options: &Options, notes: &mut Taker<'_>) -> Result<(), ReadError> {
    merchant::read(files, options, &Dialect { quantity: None }, notes)
}
