//! Pixels as the decoder left them: shared, immutable, checked once when the picture is made.

use crate::geometry::PictureSize;
use crate::time::{MediaTime, WallEstimate};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

/// Planes straight from the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Three planes: Y, then U and V at half width and height (rounded up).
    I420,
    /// Two planes: Y, then U and V interleaved at half width and height (rounded up).
    Nv12,
    /// One plane, 8 bit.
    Gray8,
    /// One plane, 16 bit little-endian: raw thermal counts.
    Gray16Le,
    /// One plane, red, green, blue, 8 bit each: picture files.
    Rgb8,
}

impl PixelFormat {
    /// Number of planes.
    pub const fn planes(self) -> usize {
        match self {
            Self::I420 => 3,
            Self::Nv12 => 2,
            Self::Gray8 | Self::Gray16Le | Self::Rgb8 => 1,
        }
    }

    /// Bytes of pixels in a row of plane `index`, and its number of rows.
    pub const fn plane_extent(self, index: usize, size: PictureSize) -> (usize, usize) {
        let (w, h) = (size.width as usize, size.height as usize);
        match (self, index) {
            (Self::I420, 1 | 2) => (w.div_ceil(2), h.div_ceil(2)),
            (Self::Nv12, 1) => (w.div_ceil(2) * 2, h.div_ceil(2)),
            (Self::Gray16Le, _) => (w * 2, h),
            (Self::Rgb8, _) => (w * 3, h),
            _ => (w, h),
        }
    }
}

/// Memory that holds planes: a decoder's mapped buffer, or a plain vector.
pub trait PixelBuffer: Send + Sync {
    /// Bytes of plane `index`, from its first pixel.
    fn plane(&self, index: usize) -> &[u8];
}

/// Planes in vectors of our own.
impl PixelBuffer for Vec<Vec<u8>> {
    fn plane(&self, index: usize) -> &[u8] {
        self.get(index).map_or(&[], Vec::as_slice)
    }
}

static MADE: AtomicU64 = AtomicU64::new(0);

/// One picture of one feed. Cloning shares the pixels.
#[derive(Clone)]
pub struct Picture {
    size: PictureSize,
    format: PixelFormat,
    strides: [usize; 3],
    pixels: Arc<dyn PixelBuffer>,
    identity: u64,
    /// Counts the pictures of a feed from 0, dropped ones included.
    pub sequence: u64,
    pub media_time: MediaTime,
    pub captured: WallEstimate,
}

/// Why bytes could not become a picture.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PictureError {
    #[error("a picture of {width}×{height} pixels is empty or larger than 16384 on a side")]
    Size { width: u32, height: u32 },
    #[error("plane {plane} has {found} bytes with stride {stride}; {wanted} are needed for {width}×{height}")]
    Short { plane: usize, stride: usize, found: usize, wanted: usize, width: u32, height: u32 },
}

impl Picture {
    /// Checks that every plane holds what `size` and `format` promise. `strides` are bytes from row to row.
    pub fn new(
        size: PictureSize,
        format: PixelFormat,
        strides: &[usize],
        pixels: Arc<dyn PixelBuffer>,
        sequence: u64,
        media_time: MediaTime,
        captured: WallEstimate,
    ) -> Result<Self, PictureError> {
        let PictureSize { width, height } = size;
        if width == 0 || height == 0 || width > 16384 || height > 16384 {
            return Err(PictureError::Size { width, height });
        }
        let mut kept = [0; 3];
        for (plane, kept) in kept.iter_mut().enumerate().take(format.planes()) {
            let (row, rows) = format.plane_extent(plane, size);
            let stride = strides.get(plane).copied().unwrap_or(0);
            let wanted = stride.saturating_mul(rows - 1).saturating_add(row);
            let found = pixels.plane(plane).len();
            if stride < row || found < wanted {
                return Err(PictureError::Short { plane, stride, found, wanted, width, height });
            }
            *kept = stride;
        }
        let identity = MADE.fetch_add(1, Ordering::Relaxed);
        Ok(Self { size, format, strides: kept, pixels, identity, sequence, media_time, captured })
    }

    /// A picture from tightly packed planes.
    pub fn from_planes(
        size: PictureSize,
        format: PixelFormat,
        planes: Vec<Vec<u8>>,
        sequence: u64,
        media_time: MediaTime,
        captured: WallEstimate,
    ) -> Result<Self, PictureError> {
        let strides: Vec<usize> = (0..format.planes()).map(|plane| format.plane_extent(plane, size).0).collect();
        Self::new(size, format, &strides, Arc::new(planes), sequence, media_time, captured)
    }

    pub fn size(&self) -> PictureSize {
        self.size
    }
    pub fn format(&self) -> PixelFormat {
        self.format
    }
    /// The same for all clones, and for no other picture of this process: what was computed of the pixels holds for as long as this is the same.
    pub fn identity(&self) -> u64 {
        self.identity
    }
    /// Bytes from one row of plane `index` to the next.
    pub fn stride(&self, index: usize) -> usize {
        self.strides[index]
    }
    /// Bytes of plane `index`, at least `stride · (rows − 1) + row` of them.
    pub fn plane(&self, index: usize) -> &[u8] {
        self.pixels.plane(index)
    }
    /// The pixels of one row of plane `index`, without padding.
    pub fn row(&self, index: usize, y: usize) -> &[u8] {
        self.rows(index).row(y)
    }
    /// Plane `index`, for whoever reads many of its rows: a decoder's buffer takes its time to say where a plane begins.
    pub fn rows(&self, index: usize) -> PlaneRows<'_> {
        PlaneRows { bytes: self.plane(index), stride: self.strides[index], len: self.format.plane_extent(index, self.size).0 }
    }
}

/// The rows of one plane.
#[derive(Debug, Clone, Copy)]
pub struct PlaneRows<'a> {
    bytes: &'a [u8],
    stride: usize,
    len: usize,
}

impl<'a> PlaneRows<'a> {
    /// The pixels of row `y`, without padding.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.bytes[self.stride * y..][..self.len]
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture")
            .field("size", &self.size)
            .field("format", &self.format)
            .field("sequence", &self.sequence)
            .field("media_time", &self.media_time)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::WallTime;

    #[test]
    fn a_short_plane_is_refused_with_its_numbers() {
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        let planes = vec![vec![0; 64 * 48], vec![0; 32 * 24], vec![0; 32 * 23]];
        let refused = Picture::from_planes(PictureSize::new(64, 48), PixelFormat::I420, planes, 0, MediaTime::ZERO, captured);
        let message = refused.expect_err("one row is missing").to_string();
        assert_eq!(message, "plane 2 has 736 bytes with stride 32; 768 are needed for 64×48");
    }

    #[test]
    fn odd_sizes_round_their_chroma_up() {
        assert_eq!(PixelFormat::I420.plane_extent(1, PictureSize::new(5, 3)), (3, 2));
        assert_eq!(PixelFormat::Nv12.plane_extent(1, PictureSize::new(5, 3)), (6, 2));
    }
}
