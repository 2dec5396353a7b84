//! From thermal video as cameras send it to intensity: palettes read back, black-hot inverted, borders and overlays filled.
//!
//! A thermal camera colours its picture for people to look at, may show warm as dark, sets it into a frame and writes time, name and
//! temperatures over it. Detectors want one thing: brighter is warmer, and nothing but the scene. What is already that is passed on as it is.
//!
//! 1. Colours become intensity along the palette's curve: a known one (`palette`), or one estimated from the picture (`cloud`,
//!    `colour_map`).
//! 2. Text, crosshair, scale bar and logos are learnt over many pictures and filled from their surroundings (`overlay`, `strokes`).
//! 3. Borders are found in each picture and made even (`frame`).
//! 4. Black-hot is inverted (`polarity`).
//!
//! Intensities of 8-bit video are what the camera's gain makes of the scene at that moment, never temperatures.

mod cloud;
mod colour_map;
mod frame;
mod overlay;
mod palette;
mod planes;
mod polarity;
mod strokes;

pub use frame::Border;
pub use palette::Palette;
pub use polarity::Polarity;

use crate::canvas::Canvas;
use crate::error::VisionError;
use cloud::Cloud;
use colour_map::ColourMap;
use overlay::Overlays;
use patrol_core::{MediaTime, Picture, PictureSize, PixelBox, PixelFormat};
use planes::Planes;
use polarity::PolarityJudge;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::time::Duration;

/// Distance from grey that makes a colour, levels in U and V together: codecs leave up to 10 on grey pictures.
const COLOUR: u16 = 20;
/// Part of the picture that is coloured when a palette is on. Tints leave black and white grey, isotherms and logos colour little.
const PALETTE_PART: f32 = 0.12;
/// Looks until a palette that was switched on or off is believed.
const CLASS_LOOKS: u32 = 3;
/// Colours are compared with the curve at the first looks and then at every so many-th.
const PALETTE_EVERY: u64 = 16;
/// So many colours off the curve, and it is drawn anew.
const NEW_COLOURS: usize = 12;
/// The next time after so many looks more than before, up to this many.
const ESTIMATE_APART: u64 = 16;
/// Overlays and polarity are looked for at so many first looks, then so many times at every few, and then rarely: a check takes 5–15 ms.
const CHECKS_FIRST: u64 = 12;
const CHECKS_YOUNG: u64 = 36;
const CHECK_YOUNG_EVERY: u64 = 8;
const CHECK_EVERY: u64 = 128;
/// Checks are at least so far apart, so that stillness of a second is not taken for a logo's. Pictures without time are each a check.
const CHECK_APART: Duration = Duration::from_secs(4);
/// Part of the luma outside of limited range that says full range.
const FULL_RANGE_PART: f32 = 0.003;
/// Isotherms: distance from grey of their red, orange and yellow (beyond what codecs leave beside a logo), how many points of chroma at
/// least, and how many looks must have seen them change.
const ISOTHERM_COLOUR: u16 = 48;
const ISOTHERM_MIN: usize = 6;
const ISOTHERM_CHANGES: u32 = 4;

/// What is known of a camera beforehand; without it all is found from the pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThermalConfig {
    pub polarity: Polarity,
    pub palette: Palette,
    /// Fill text, logos and scale bars. Off: what is written over the picture is left to the detectors.
    pub mask_overlays: bool,
}

impl Default for ThermalConfig {
    fn default() -> Self {
        Self { polarity: Polarity::Auto, palette: Palette::Auto, mask_overlays: true }
    }
}

/// How the last picture was read: all that makes the detectors see less, or otherwise, than the camera showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThermalReading {
    /// A palette's name; `grey`; `unknown` for a curve estimated from the picture; `none` where the colours form no curve and
    /// brightness was read; `raw` for counts.
    pub palette: &'static str,
    /// Distance of the colours from the palette's curve, levels; 0 for grey.
    pub palette_residual: f32,
    /// `WhiteHot` or `BlackHot`, as the camera shows it.
    pub polarity: Polarity,
    /// How likely that is right, 0–1.
    pub polarity_confidence: f32,
    pub polarity_reason: &'static str,
    pub border: Border,
    /// Boxes in which strokes or all is filled, in pixels of the picture.
    pub overlays: Vec<PixelBox>,
    /// Part of the picture whose pixels were filled: border, corners and overlays.
    pub masked_fraction: f32,
}

/// Reads the pictures of one camera, in order.
#[derive(Debug)]
pub struct ThermalNormaliser {
    config: ThermalConfig,
    looks: u64,
    shape: Option<(PictureSize, PixelFormat)>,
    planes: Planes,
    plane: Vec<u8>,
    /// Colours that the curve was drawn through, and of the present picture.
    cloud: Cloud,
    cloud_now: Cloud,
    colours: Option<ColourMap>,
    coloured_looks: u64,
    /// How often the curve was drawn anew, and when.
    estimates: u64,
    estimated_look: u64,
    /// Whether a palette is on, and for how many looks it has been otherwise.
    palette_class: Option<bool>,
    class_odd_looks: u32,
    full_range: bool,
    isotherm: Isotherm,
    overlays: Overlays,
    polarity: PolarityJudge,
    checks: u64,
    checked: Option<(MediaTime, u64)>,
    reading: ThermalReading,
}

/// Warm colours in a grey picture: the camera marks what is hottest. They come and go; logos do not.
#[derive(Debug, Default)]
struct Isotherm {
    now: Vec<u8>,
    before: Vec<u8>,
    changes: u32,
}

thread_local! {
    /// A picture of intensities lasts for one look: one for each thread serves all cameras.
    static CANVAS: RefCell<Canvas> = RefCell::new(Canvas::default());
}

impl ThermalNormaliser {
    pub fn new(config: &ThermalConfig) -> Self {
        Self {
            config: config.clone(),
            looks: 0,
            shape: None,
            planes: Planes::default(),
            plane: Vec::new(),
            cloud: Cloud::default(),
            cloud_now: Cloud::default(),
            colours: None,
            coloured_looks: 0,
            estimates: 0,
            estimated_look: 0,
            palette_class: None,
            class_odd_looks: 0,
            full_range: false,
            isotherm: Isotherm::default(),
            overlays: Overlays::default(),
            polarity: PolarityJudge::new(),
            checks: 0,
            checked: None,
            reading: ThermalReading {
                palette: "grey",
                palette_residual: 0.0,
                polarity: Polarity::WhiteHot,
                polarity_confidence: 0.0,
                polarity_reason: "no picture yet",
                border: Border::default(),
                overlays: Vec::new(),
                masked_fraction: 0.0,
            },
        }
    }

    /// How the last picture was read.
    pub fn reading(&self) -> &ThermalReading {
        &self.reading
    }

    /// The picture that detectors should see: `picture` itself when there is nothing to change, else [`PixelFormat::Gray8`] of the same
    /// size, bright where it is warm. Counts of 16 bit are warm where they are high, and passed on.
    pub fn normalise(&mut self, picture: &Picture) -> Result<Picture, VisionError> {
        self.looks += 1;
        let shape = (picture.size(), picture.format());
        if self.shape.is_some_and(|before| before != shape) {
            let config = self.config.clone();
            *self = Self { looks: 1, ..Self::new(&config) };
        }
        self.shape = Some(shape);
        if picture.format() == PixelFormat::Gray16Le {
            self.reading.palette = "raw";
            self.reading.polarity_confidence = 1.0;
            self.reading.polarity_reason = "raw counts";
            return Ok(picture.clone());
        }

        let coloured = coloured_part(picture);
        let palette_on = coloured >= PALETTE_PART && self.config.palette != Palette::Grey;
        let spots = coloured > 0.0 && !palette_on;
        let check = self.is_check_due(picture);
        let border = if picture.format() == PixelFormat::Rgb8 {
            self.planes.load(picture, true);
            frame::find(self.planes.width, self.planes.height, |y| self.planes.row(y))
        } else {
            frame::find(shape.0.width as usize, shape.0.height as usize, |y| picture.row(0, y))
        };
        let border = if palette_on { planes::even_in_colour(picture, border) } else { border };
        let is_plain = !palette_on && border.is_none() && self.overlays.is_empty() && !spots;
        if !is_plain || check {
            if picture.format() != PixelFormat::Rgb8 {
                self.planes.load(picture, palette_on || spots);
            }
            self.read_intensity(palette_on, border);
            if spots {
                self.mark_isotherm();
            }
        } else {
            self.reading.palette = "grey";
            self.reading.palette_residual = 0.0;
        }
        let class_settled = self.settle_class(palette_on);
        self.watch_for_flip(picture, palette_on);

        if check {
            self.checks += 1;
            if self.config.mask_overlays {
                self.overlays.check(&self.planes, &self.plane, !palette_on);
            }
        }
        let mut border = border;
        if !is_plain || check {
            self.overlays.fill(&self.planes, &mut self.plane);
            if !self.overlays.is_empty() {
                // Text in a border hid it.
                let width = self.planes.width;
                border = frame::find(width, self.planes.height, |y| &self.plane[y * width..(y + 1) * width]);
            }
            self.fill_border(border);
        }
        if check && class_settled && self.config.polarity == Polarity::Auto {
            self.polarity.judge(&self.plane, picture, border.inside(shape.0.width as usize, shape.0.height as usize))?;
        }
        let inverted = self.is_inverted() && (class_settled || self.config.polarity != Polarity::Auto);
        self.tell(border, inverted, shape.0);
        if is_plain && self.overlays.is_empty() && border.is_none() && !inverted {
            return Ok(picture.clone());
        }
        if is_plain && !check {
            // Black-hot and nothing else.
            self.planes.load(picture, false);
            self.read_intensity(false, border);
        }
        let mask = if inverted { u8::MAX } else { 0 };
        let paint = |planes: &mut [Vec<u8>]| {
            for (level, intensity) in planes[0].iter_mut().zip(&self.plane) {
                *level = intensity ^ mask;
            }
        };
        CANVAS.with_borrow_mut(|canvas| canvas.picture(picture, shape.0, PixelFormat::Gray8, paint))
    }

    /// Grey and coloured pictures have nothing to say about one another. One odd picture forgets the scene, several the evidence too.
    fn settle_class(&mut self, palette_on: bool) -> bool {
        if self.palette_class.is_none_or(|class| class == palette_on) {
            if self.class_odd_looks > 0 {
                self.polarity.forget_scene();
            }
            self.palette_class = Some(palette_on);
            self.class_odd_looks = 0;
            return true;
        }
        self.polarity.forget_scene();
        self.class_odd_looks += 1;
        if self.class_odd_looks < CLASS_LOOKS {
            return false;
        }
        self.polarity.restart();
        self.palette_class = Some(palette_on);
        self.class_odd_looks = 0;
        true
    }

    fn is_check_due(&mut self, picture: &Picture) -> bool {
        if let Some((at, look)) = self.checked {
            // Equal times are pictures without time, earlier ones another epoch.
            let apart = picture.media_time <= at || picture.media_time.since(at) >= CHECK_APART;
            let every = match self.checks {
                0..CHECKS_FIRST => 1,
                CHECKS_FIRST..CHECKS_YOUNG => CHECK_YOUNG_EVERY,
                _ => CHECK_EVERY,
            };
            let due = apart && self.looks - look >= every;
            if !due {
                return false;
            }
        }
        self.checked = Some((picture.media_time, self.looks));
        true
    }

    fn is_inverted(&self) -> bool {
        match self.config.polarity {
            Polarity::Auto => self.polarity.is_inverted(),
            Polarity::WhiteHot => false,
            Polarity::BlackHot => true,
        }
    }

    /// Fills `plane` from `planes`.
    fn read_intensity(&mut self, palette_on: bool, border: Border) {
        if palette_on && self.read_colours(border) {
            return;
        }
        self.polarity.expect(true);
        self.reading.palette = if palette_on { "none" } else { "grey" };
        self.reading.palette_residual = 0.0;
        let limited =
            self.shape.is_some_and(|(_, format)| matches!(format, PixelFormat::I420 | PixelFormat::Nv12)) && !self.is_full_range();
        self.plane.clear();
        if limited {
            // Limited range to full, ITU-R BT.601 §2.5.3, as the detectors read video.
            let full = |luma: u8| ((u32::from(luma.clamp(16, 235)) - 16) * 255 + 109) / 219;
            let table: [u8; 256] = std::array::from_fn(|luma| full(luma as u8) as u8);
            self.plane.extend(self.planes.luma.iter().map(|luma| table[usize::from(*luma)]));
        } else {
            self.plane.extend_from_slice(&self.planes.luma);
        }
    }

    /// Some cameras send full range without saying so; once seen, it is believed.
    fn is_full_range(&mut self) -> bool {
        if !self.full_range {
            let outside = self.planes.luma.iter().step_by(7).filter(|luma| **luma < 12 || **luma > 240).count();
            self.full_range = outside as f32 * 7.0 > FULL_RANGE_PART * self.planes.luma.len() as f32;
        }
        self.full_range
    }

    /// `false`: the colours form no curve.
    fn read_colours(&mut self, border: Border) -> bool {
        self.coloured_looks += 1;
        let inside = border.inside(self.planes.width, self.planes.height);
        if self.colours.is_none() || self.coloured_looks.is_multiple_of(PALETTE_EVERY) {
            let now = &mut self.cloud_now;
            now.clear();
            now.add(&self.planes, inside);
            if !self.colours.as_ref().is_some_and(|map| map.fits(now)) {
                let estimate = self.colours.as_ref().filter(|map| !map.known);
                if let Some(found) = ColourMap::find(now, self.config.palette, estimate) {
                    if self.colours.as_ref().is_some_and(|map| map.palette != found.palette) {
                        tracing::debug!(palette = found.palette, "another palette");
                        self.polarity.restart();
                    }
                    std::mem::swap(&mut self.cloud, now);
                    self.colours = Some(found);
                }
            }
        }
        let Some(map) = &mut self.colours else { return false };
        map.read(&self.planes, &mut self.plane);
        // Whoever comes into a picture that was cold all over brings colours that an estimate does not know.
        let apart = self.estimates.min(ESTIMATE_APART);
        if !map.known && map.new_colours >= NEW_COLOURS && self.coloured_looks >= self.estimated_look + apart {
            self.estimates += 1;
            self.estimated_look = self.coloured_looks;
            self.cloud.add(&self.planes, inside);
            if let Some(found) = ColourMap::find(&self.cloud, self.config.palette, Some(map)) {
                *map = found;
                map.read(&self.planes, &mut self.plane);
            }
            // What is between two colours is now met, and new no more.
            map.new_colours = 0;
        }
        self.polarity.expect(map.has_direction());
        self.reading.palette = map.palette;
        self.reading.palette_residual = map.residual;
        true
    }

    /// Shows what an isotherm has coloured as hottest.
    fn mark_isotherm(&mut self) {
        if self.planes.chroma.is_empty() {
            return;
        }
        let mut warm = std::mem::take(&mut self.isotherm.now);
        warm.clear();
        let is_warm = |[u, v]: &[u8; 2]| u8::from(planes::colourfulness(*u, *v) > ISOTHERM_COLOUR && overlay::is_warm(*u, *v));
        warm.extend(self.planes.chroma.iter().map(is_warm));
        let seen = warm.iter().filter(|mark| **mark != 0).count();
        if seen >= ISOTHERM_MIN && self.isotherm.before.len() == warm.len() {
            let both = warm.iter().zip(&self.isotherm.before).filter(|(now, before)| **now != 0 && **before != 0).count();
            let either = warm.iter().zip(&self.isotherm.before).filter(|(now, before)| **now != 0 || **before != 0).count();
            // A logo's pixels are the same but for the codec.
            if (both as f32) < 0.8 * either as f32 {
                self.isotherm.changes = (self.isotherm.changes + 1).min(ISOTHERM_CHANGES);
            }
        }
        if self.isotherm.changes >= ISOTHERM_CHANGES {
            let width = self.planes.width;
            for (y, row) in self.plane.chunks_exact_mut(width).enumerate() {
                let marks = &warm[y / 2 * self.planes.chroma_width..];
                for (x, value) in row.iter_mut().enumerate() {
                    if marks[x / 2] != 0 {
                        *value = 255;
                    }
                }
            }
            self.reading.palette = "grey-isotherm";
        }
        self.isotherm.now = std::mem::replace(&mut self.isotherm.before, warm);
    }

    fn watch_for_flip(&mut self, picture: &Picture, palette_on: bool) {
        if self.config.polarity != Polarity::Auto {
            return;
        }
        let (width, height) = (picture.size().width as usize, picture.size().height as usize);
        let flipped = if palette_on || picture.format() == PixelFormat::Rgb8 {
            self.polarity.watch_for_flip(width, height, |y| &self.plane[y * width..(y + 1) * width])
        } else {
            self.polarity.watch_for_flip(width, height, |y| picture.row(0, y))
        };
        if flipped {
            tracing::info!(sequence = picture.sequence, "the polarity of a thermal camera was switched");
        }
    }

    /// Rows and columns of border become one level, which detectors leave out; corners become like what is beside them.
    fn fill_border(&mut self, border: Border) {
        if border.is_none() {
            return;
        }
        let (width, height) = (self.planes.width, self.planes.height);
        let [left, top, right, bottom] = border.inside(width, height);
        let (mut sum, mut count) = (0_u64, 0_u64);
        for y in (top..bottom).step_by(4) {
            let row = &self.plane[y * width + left..y * width + right];
            sum += row.iter().step_by(4).map(|value| u64::from(*value)).sum::<u64>();
            count += row.len().div_ceil(4) as u64;
        }
        let level = (sum / count.max(1)) as u8;
        self.plane[..top * width].fill(level);
        self.plane[bottom * width..].fill(level);
        for y in top..bottom {
            let row = &mut self.plane[y * width..(y + 1) * width];
            row[..left].fill(level);
            row[right..].fill(level);
            let run = frame::corner_run(border.corner_px as usize, y - top, bottom - top).min((right - left) / 2);
            if run > 0 {
                let (near_left, near_right) = (row[left + run], row[right - 1 - run]);
                row[left..left + run].fill(near_left);
                row[right - run..right].fill(near_right);
            }
        }
    }

    fn tell(&mut self, border: Border, inverted: bool, size: PictureSize) {
        let (confidence, reason) = match self.config.polarity {
            Polarity::Auto => self.polarity.confidence(),
            Polarity::WhiteHot | Polarity::BlackHot => (1.0, "by the camera's configuration"),
        };
        self.reading.polarity = if inverted { Polarity::BlackHot } else { Polarity::WhiteHot };
        self.reading.polarity_confidence = confidence;
        self.reading.polarity_reason = reason;
        self.reading.border = border;
        self.reading.overlays.clear();
        self.reading.overlays.extend(
            self.overlays
                .areas()
                .map(|area| PixelBox::from_corners(area.left as f32, area.top as f32, area.right as f32, area.bottom as f32)),
        );
        let (width, height) = (size.width as usize, size.height as usize);
        let [left, top, right, bottom] = border.inside(width, height);
        let corners: usize = (0..border.corner_px.min(height as u32 / 2) as usize)
            .map(|y| 4 * frame::corner_run(border.corner_px as usize, y, bottom - top))
            .sum();
        let masked = width * height - (right - left) * (bottom - top) + corners + self.overlays.masked_px();
        self.reading.masked_fraction = (masked as f32 / (width * height) as f32).min(1.0);
    }
}

fn coloured_part(picture: &Picture) -> f32 {
    planes::coloured_part(picture, COLOUR)
}
