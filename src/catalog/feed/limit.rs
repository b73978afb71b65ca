//! A bound on the bytes between two rows.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

use super::ROW;

/// A reader that stops with an error where a row has no end.
pub(super) struct Limited<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

/// Grants the bytes of the next row.
pub(super) struct Grant(Rc<Cell<u64>>);

impl<R: Read> Limited<R> {
    pub(super) fn new(inner: R) -> (Self, Grant) {
        let left = Rc::new(Cell::new(ROW));
        (Self { inner, left: left.clone() }, Grant(left))
    }
}

impl Grant {
    /// A row has ended.
    pub(super) fn renew(&self) {
        self.0.set(ROW);
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.get().checked_sub(read as u64) {
            Some(left) => self.left.set(left),
            None => {
                let reason = format!("a row has more than {ROW} bytes; is a quote or a tag never closed?");
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
        Ok(read)
    }
}
