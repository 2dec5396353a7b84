//! Pictures of a street without anybody.

use crate::dice::Dice;
use patrol_core::{MediaTime, Picture, PictureSize, PixelFormat, WallEstimate, WallTime};

const START: WallTime = WallTime(1_767_542_400_000_000_000);

/// House fronts and kerbs under sensor noise, `count` pictures of them.
pub(crate) fn street(size: PictureSize, format: PixelFormat, count: usize) -> Vec<Picture> {
    let (w, h) = (size.width as usize, size.height as usize);
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut scene: Vec<u8> = (0..w * h).map(|at| 70 + (at / w * 30 / h) as u8).collect();
    for _ in 0..60 {
        let (x, y) = (dice.roll(w), dice.roll(h));
        let (wide, high, level) = (w / 60 + dice.roll(w / 6), h / 60 + dice.roll(h / 8), 50 + dice.roll(80) as u8);
        for row in y..(y + high).min(h) {
            scene[row * w + x..row * w + (x + wide).min(w)].fill(level);
        }
    }
    let picture = |dice: &mut Dice| {
        let planes = (0..format.planes()).map(|plane| {
            let (row, rows) = format.plane_extent(plane, size);
            let level = |at: usize| if plane == 0 { scene[at % scene.len()] } else { 124 };
            (0..row * rows).map(|at| level(at) + dice.roll(7) as u8).collect()
        });
        let captured = WallEstimate { at: START, error_ms: 0 };
        Picture::from_planes(size, format, planes.collect(), 0, MediaTime::ZERO, captured)
    };
    (0..count).filter_map(|_| picture(&mut dice).ok()).collect()
}

/// The pictures of a camera, one a second, over and over.
pub(crate) struct Feed {
    pictures: Vec<Picture>,
    number: u64,
}

impl Feed {
    pub(crate) fn of(pictures: Vec<Picture>) -> Self {
        Self { pictures, number: 0 }
    }

    pub(crate) fn next(&mut self) -> Picture {
        let mut picture = self.pictures[self.number as usize % self.pictures.len()].clone();
        picture.sequence = self.number;
        picture.media_time = MediaTime(self.number as i64 * 1_000_000_000);
        picture.captured.at = WallTime(START.0 + picture.media_time.0);
        self.number += 1;
        picture
    }
}
