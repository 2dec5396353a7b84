//! Clocks burnt into a picture: small, at its upper or lower edge, and other every time.

use super::blocks::{Blocks, Layout};
use super::fit::Light;

/// Overlays stand in this part of the height at top and bottom.
const BAND_PART: f32 = 0.1;
/// Each picture counts for 1/32 once there are as many; the mean of all before.
const RATE: f32 = 1.0 / 32.0;
const BEGINS: f32 = 0.5;
const ENDS: f32 = 0.25;
/// Nothing is believed restless before so many pictures: a minute and a half of a camera that is looked at every 10 s.
const PICTURES_MIN: u32 = 10;
/// Restless blocks take their neighbours with them, pixels: digits next to the one that ticks change less often.
const GROWN_ACROSS: usize = 32;
const GROWN_DOWN: usize = 8;
/// More than this part of the picture is no clock but snow, traffic or people: then nothing is left out.
const PART_MAX: f32 = 0.015;

/// How often the blocks at the upper and lower edge have changed lately.
#[derive(Debug, Default)]
pub(super) struct Restless {
    pictures: u32,
    /// Of the blocks in the upper band, then in the lower one; and their levels in the picture before.
    often: Vec<Often>,
    before: Vec<u16>,
}

/// How often a block has changed, 0–1, as a fixed-point number, and in the top bit whether it is held restless: there are thousands for each camera.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Often(u16);

impl Often {
    const ONE: f32 = 32767.0;
    const HELD: u16 = 0x8000;

    fn is_held(self) -> bool {
        self.0 & Self::HELD != 0
    }

    /// Counts a picture in which it has changed or not.
    fn count(self, changed: bool, rate: f32) -> Self {
        let part = f32::from(self.0 & !Self::HELD) / Self::ONE;
        let part = part + rate * (f32::from(u8::from(changed)) - part);
        let held = part > if self.is_held() { ENDS } else { BEGINS };
        Self((part * Self::ONE + 0.5) as u16 | if held { Self::HELD } else { 0 })
    }
}

impl Restless {
    pub(super) fn restart(&mut self) {
        self.pictures = 0;
        self.often.clear();
        self.before.clear();
    }

    /// Rows of blocks at the upper and the lower edge.
    fn rows(layout: &Layout) -> impl Iterator<Item = usize> + use<> {
        let rows = layout.rows;
        let band = (rows as f32 * BAND_PART).ceil() as usize;
        // Of a picture of one or two rows of blocks nothing is edge.
        let band = if 2 * band < rows { band } else { 0 };
        (0..band).chain(rows - band..rows)
    }

    /// The next picture is compared with this one.
    pub(super) fn see(&mut self, now: &Blocks) {
        let columns = now.layout.columns;
        self.before.clear();
        for row in Self::rows(&now.layout) {
            self.before.extend_from_slice(&now.levels()[row * columns..][..columns]);
        }
    }

    /// Takes in what has changed from the picture before to `now` under `light`; `least` grey levels are a change.
    pub(super) fn learn(&mut self, now: &Blocks, light: Light, least: f32) {
        let columns = now.layout.columns;
        let blocks = Self::rows(&now.layout).count() * columns;
        if self.before.len() != blocks {
            return;
        }
        if self.often.len() != blocks {
            self.pictures = 0;
            self.often.clear();
            self.often.resize(blocks, Often::default());
        }
        self.pictures = self.pictures.saturating_add(1);
        let rate = RATE.max(1.0 / self.pictures as f32);
        let unit = now.unit();
        let mut known = self.often.iter_mut().zip(&self.before);
        for row in Self::rows(&now.layout) {
            for (index, (often, &before)) in (row * columns..).zip(known.by_ref().take(columns)) {
                let changed = (now.level(index) - light.apply(f32::from(before) * unit)).abs() > least;
                *often = often.count(changed, rate);
            }
        }
    }

    /// Whether any block is held restless.
    pub(super) fn any(&self) -> bool {
        self.pictures >= PICTURES_MIN && self.often.iter().any(|often| often.is_held())
    }

    /// Marks restless blocks in `out`, one entry a block of the picture.
    pub(super) fn mark(&self, layout: &Layout, out: &mut [bool]) {
        if !self.any() {
            return;
        }
        let (across, down) = (GROWN_ACROSS.div_ceil(layout.side), GROWN_DOWN.div_ceil(layout.side));
        let grown = |out: &mut dyn FnMut(usize)| {
            for (line, row) in Self::rows(layout).enumerate() {
                for column in 0..layout.columns {
                    if !self.often[line * layout.columns + column].is_held() {
                        continue;
                    }
                    for y in row.saturating_sub(down)..(row + down + 1).min(layout.rows) {
                        for x in column.saturating_sub(across)..(column + across + 1).min(layout.columns) {
                            out(y * layout.columns + x);
                        }
                    }
                }
            }
        };
        let mut marked = 0;
        grown(&mut |index| {
            marked += usize::from(!out[index]);
            out[index] = true;
        });
        if marked as f32 > PART_MAX * out.len() as f32 {
            grown(&mut |index| out[index] = false);
        }
    }
}
