//! Access units in pages of one size.
//!
//! ```text
//!  page   │ unit │ unit  │ unit ▸│◂ unit         │ …
//!         └─ kept while one of its units is ─────┘
//! ```
//! Cameras by the hundred keep their last seconds, in units of all sizes. Each in a place of its own, they leave holes in the heap that are as large again as all
//! else that is kept of a camera (`benches/results/2026-11-30-memory.md`); pages fit into one another's places. Units leave in the order in which they came, so that
//! no more than the first and the last page are kept for less than they hold.

use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Some two pictures of a 2 Mbit/s stream, and a tenth of one of its key frames: the first and the last page together are half empty on average.
const PAGE_BYTES: usize = 16 << 10;

/// One access unit; its copies share the pages.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pieces: Arc<[Bytes]>,
}

impl Packed {
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// One after another they are the unit.
    pub(crate) fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Fills `out`, which is as long as this.
    pub(crate) fn copy_to(&self, mut out: &mut [u8]) {
        for piece in self.pieces.iter() {
            let (here, rest) = out.split_at_mut(piece.len());
            here.copy_from_slice(piece);
            out = rest;
        }
    }
}

impl From<Vec<u8>> for Packed {
    /// By itself, outside of any page.
    fn from(bytes: Vec<u8>) -> Self {
        Self { pieces: Arc::new([bytes.into()]) }
    }
}

/// Packs the units of one camera.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    /// What is left of the newest page.
    page: BytesMut,
}

impl Packer {
    /// Copies a unit that is given in parts.
    pub(crate) fn pack(&mut self, parts: [&[u8]; 2]) -> Packed {
        let mut pieces = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() / PAGE_BYTES + 3);
        for mut part in parts {
            while !part.is_empty() {
                if self.page.capacity() == 0 {
                    self.page = BytesMut::with_capacity(PAGE_BYTES);
                }
                let (here, rest) = part.split_at(part.len().min(self.page.capacity()));
                self.page.extend_from_slice(here);
                pieces.push(self.page.split().freeze());
                part = rest;
            }
        }
        Packed { pieces: pieces.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(packed: &Packed) -> Vec<u8> {
        let mut out = vec![0; packed.len()];
        packed.copy_to(&mut out);
        out
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_and_fills_no_more_pages_than_it_needs(
            units in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..64), 0_usize..40_000), 1..40)
        ) {
            let mut packer = Packer::default();
            let units: Vec<(Vec<u8>, Vec<u8>)> = units.into_iter().map(|(head, rest)| (head, (0..rest).map(|at| (at % 251) as u8).collect())).collect();
            let packed: Vec<Packed> = units.iter().map(|(head, rest)| packer.pack([head, rest])).collect();
            for ((head, rest), packed) in units.iter().zip(&packed) {
                prop_assert_eq!(bytes(packed), [head.as_slice(), rest].concat());
            }
            // Pieces that do not follow one another in memory begin a page.
            let pieces: Vec<&Bytes> = packed.iter().flat_map(|packed| packed.pieces.iter()).collect();
            let pages = pieces.windows(2).filter(|two| two[0].as_ptr_range().end != two[1].as_ptr()).count() + 1;
            let all: usize = packed.iter().map(Packed::len).sum();
            prop_assert!(pages <= all.div_ceil(PAGE_BYTES).max(1), "{} pages for {} bytes", pages, all);
        }
    }
}
