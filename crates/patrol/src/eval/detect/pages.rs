//! Pages of enlarged cuts-out: each subject in red and white, people of the truth in green, detections that stand in yellow.

use super::score::Outcome;
use super::sheets::{Image, Rect, Truth, base_name};
use super::worst::Subject;
use anyhow::{Context as _, Result, bail};
use patrol_core::{MediaTime, Picture, PictureSize, PixelFormat, WallEstimate, WallTime};
use std::path::{Path, PathBuf};

pub(super) const COLUMNS: usize = 5;
const ROWS: usize = 4;
pub(super) const TILES: usize = COLUMNS * ROWS;
pub(super) const SUBJECTS_MAX: usize = 100;

/// Pixels. The strip below each cut-out is left for its caption, which the report writes over the page.
const TILE: usize = 256;
const STRIP: usize = 24;
const GAP: usize = 4;
/// A cut-out's side is this many of the subject's longer side, and at least so many pixels of the picture.
const CONTEXT: f64 = 5.0;
const SIDE_MIN: f64 = 40.0;
const QUALITY: u8 = 90;

type Colour = [u8; 3];
const PAPER: Colour = [24, 24, 24];
const GREEN: Colour = [0, 220, 60];
const YELLOW: Colour = [255, 220, 0];
const RED: Colour = [255, 32, 32];
const WHITE: Colour = [255; 3];
/// Pixels of the tile.
const LINE: i64 = 2;
const DASH: i64 = 6;

/// A page that was written: its file's name and the subjects on it, row by row.
pub(super) struct Page<'a> {
    pub(super) file: String,
    pub(super) subjects: &'a [Subject],
}

/// Writes `KIND-1.jpg` and so on; pages of an earlier, longer report are removed.
pub(super) fn write<'a>(
    dir: &Path,
    kind: &str,
    subjects: &'a [Subject],
    outcome: &Outcome,
    truth: &Truth,
    images: &Path,
) -> Result<Vec<Page<'a>>> {
    let mut pages = Vec::new();
    for (number, subjects) in subjects.chunks(TILES).enumerate() {
        let file = format!("{kind}-{}.jpg", number + 1);
        let mut page = Canvas::new(COLUMNS * (TILE + GAP) + GAP, subjects.len().div_ceil(COLUMNS) * (TILE + STRIP));
        for (place, subject) in subjects.iter().enumerate() {
            let picture = open(images, &truth.images[subject.picture])?;
            let tile = tile(&picture, subject, outcome);
            page.paste(&tile, GAP + place % COLUMNS * (TILE + GAP), place / COLUMNS * (TILE + STRIP));
        }
        let path = dir.join(&file);
        std::fs::write(&path, page.into_jpeg()?).with_context(|| format!("cannot write {}", path.display()))?;
        pages.push(Page { file, subjects });
    }
    for number in pages.len() + 1..=SUBJECTS_MAX.div_ceil(TILES) {
        let path = dir.join(format!("{kind}-{number}.jpg"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}, a page of an earlier report", path.display()));
            }
            _ => {}
        }
    }
    Ok(pages)
}

fn open(images: &Path, image: &Image) -> Result<Picture> {
    let name = image.file_name.as_str();
    let candidates: [PathBuf; 2] = [images.join(name), images.join(base_name(name))];
    let Some(path) = candidates.iter().find(|path| path.is_file()) else {
        bail!(
            "--images {}: no file {name} or {} in it; give the folder that the annotations' names start from",
            images.display(),
            base_name(name)
        );
    };
    Ok(patrol_ingest::read_picture(path)?)
}

fn tile(picture: &Picture, subject: &Subject, outcome: &Outcome) -> Canvas {
    let PictureSize { width, height } = picture.size();
    let pixels = Canvas { width: width as usize, height: height as usize, pixels: patrol_vision::jpeg::rgb(picture) };
    let [x, y, w, h] = subject.bbox;
    let side = (w.max(h) * CONTEXT).max(SIDE_MIN).min(f64::from(width.max(height)));
    // Moved into the picture where it fits; where the picture is smaller, there is paper around it.
    let start =
        |centre: f64, extent: f64| if side < extent { (centre - side / 2.0).clamp(0.0, extent - side) } else { (extent - side) / 2.0 };
    let (left, top) = (start(x + w / 2.0, f64::from(width)), start(y + h / 2.0, f64::from(height)));
    let scale = TILE as f64 / side;

    let mut tile = Canvas::new(TILE, TILE);
    for ty in 0..TILE {
        for tx in 0..TILE {
            if let Some(colour) = pixels.at(left + (tx as f64 + 0.5) / scale, top + (ty as f64 + 0.5) / scale) {
                tile.set(tx as i64, ty as i64, colour);
            }
        }
    }
    let sheet = &outcome.sheets[subject.picture];
    let placed = |[x, y, w, h]: Rect| [(x - left) * scale, (y - top) * scale, w * scale, h * scale];
    for target in sheet.targets.iter().filter(|target| !target.region && target.bbox != subject.bbox) {
        tile.outline(placed(target.bbox), GREEN, GREEN);
    }
    for (_, found) in sheet.found.iter().filter(|(score, found)| *score >= outcome.threshold && *found != subject.bbox) {
        tile.outline(placed(*found), YELLOW, YELLOW);
    }
    tile.outline(placed(subject.bbox), RED, WHITE);
    tile
}

/// RGB, row by row.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: PAPER.repeat(width * height) }
    }

    fn set(&mut self, x: i64, y: i64, colour: Colour) {
        if (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y) {
            self.pixels[(y as usize * self.width + x as usize) * 3..][..3].copy_from_slice(&colour);
        }
    }

    /// Between the four nearest pixels; none outside of the picture.
    fn at(&self, x: f64, y: f64) -> Option<Colour> {
        if !(0.0..self.width as f64).contains(&x) || !(0.0..self.height as f64).contains(&y) {
            return None;
        }
        let split = |place: f64, extent: usize| {
            let place = (place - 0.5).clamp(0.0, (extent - 1) as f64);
            (place as usize, (place as usize + 1).min(extent - 1), place.fract())
        };
        let ((x0, x1, fx), (y0, y1, fy)) = (split(x, self.width), split(y, self.height));
        let value = |x: usize, y: usize, c: usize| f64::from(self.pixels[(y * self.width + x) * 3 + c]);
        let row = |y: usize, c: usize| value(x0, y, c) * (1.0 - fx) + value(x1, y, c) * fx;
        Some([0, 1, 2].map(|c| (row(y0, c) * (1.0 - fy) + row(y1, c) * fy + 0.5) as u8))
    }

    /// Drawn around the box, so that nothing of a small person is covered; dashed in two colours.
    fn outline(&mut self, [x, y, w, h]: Rect, colour: Colour, dashes: Colour) {
        let (left, top) = (x.round() as i64 - LINE, y.round() as i64 - LINE);
        let (right, bottom) = ((x + w).round() as i64 + LINE, (y + h).round() as i64 + LINE);
        // A box may reach far out of the tile.
        for ty in top.max(0)..bottom.min(self.height as i64) {
            for tx in left.max(0)..right.min(self.width as i64) {
                if ty < top + LINE || ty >= bottom - LINE || tx < left + LINE || tx >= right - LINE {
                    let dashed = (tx - left + ty - top) / DASH % 2 == 1;
                    self.set(tx, ty, if dashed { dashes } else { colour });
                }
            }
        }
    }

    fn paste(&mut self, tile: &Self, left: usize, top: usize) {
        for (y, row) in tile.pixels.chunks_exact(tile.width * 3).enumerate() {
            self.pixels[((top + y) * self.width + left) * 3..][..row.len()].copy_from_slice(row);
        }
    }

    fn into_jpeg(self) -> Result<Vec<u8>> {
        let (width, height) = (self.width as u32, self.height as u32);
        let never = WallEstimate { at: WallTime(0), error_ms: 0 };
        let picture =
            Picture::from_planes(PictureSize::new(width, height), PixelFormat::Rgb8, vec![self.pixels], 0, MediaTime::ZERO, never)?;
        Ok(patrol_vision::jpeg::whole(&picture, None, width, QUALITY)?)
    }
}
