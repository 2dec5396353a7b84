//! Planes of our own that pictures are made of again and again.

use crate::error::VisionError;
use patrol_core::{Picture, PictureSize, PixelFormat};
use std::sync::Arc;

/// Makes one picture after another from the same memory; from fresh memory where somebody still holds the picture before.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    planes: Arc<Vec<Vec<u8>>>,
}

impl Canvas {
    /// A picture of the feed, time and number of `of`. `paint` fills its tightly packed planes, which hold what was painted last.
    pub(crate) fn picture(
        &mut self,
        of: &Picture,
        size: PictureSize,
        format: PixelFormat,
        paint: impl FnOnce(&mut [Vec<u8>]),
    ) -> Result<Picture, VisionError> {
        if Arc::get_mut(&mut self.planes).is_none() {
            self.planes = Arc::default();
        }
        let mut strides = [0; 3];
        if let Some(planes) = Arc::get_mut(&mut self.planes) {
            planes.resize_with(format.planes(), Vec::new);
            for (index, (plane, stride)) in planes.iter_mut().zip(&mut strides).enumerate() {
                let (row, rows) = format.plane_extent(index, size);
                plane.resize(row * rows, 0);
                *stride = row;
            }
            paint(planes);
        }
        Picture::new(size, format, &strides, self.planes.clone(), of.sequence, of.media_time, of.captured)
            .map_err(|problem| VisionError::Picture { problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, WallEstimate, WallTime};

    #[test]
    fn memory_is_used_again_and_never_while_a_picture_shows_it() {
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        let size = PictureSize::new(32, 16);
        let of = Picture::from_planes(size, PixelFormat::Gray8, vec![vec![0; 512]], 7, MediaTime::ZERO, captured).expect("a picture");
        let mut canvas = Canvas::default();
        let mut paint = |level: u8| canvas.picture(&of, size, PixelFormat::Gray8, |planes| planes[0].fill(level)).expect("a picture");
        let first = paint(1);
        let first_at = first.plane(0).as_ptr();
        let second = paint(2);
        assert!(first.plane(0).iter().all(|level| *level == 1), "it is still looked at");
        let second_at = second.plane(0).as_ptr();
        drop((first, second));
        let third = paint(3);
        assert!(third.plane(0).as_ptr() == second_at && first_at != second_at && third.sequence == 7);
    }
}
