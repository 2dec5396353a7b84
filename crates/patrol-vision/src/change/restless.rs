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
    /// Of the blocks in the upper band, then in the lower one: 0–1, and whether they are held restless.
    often: Vec<(f32, bool)>,
}

impl Restless {
    pub(super) fn restart(&mut self) {
        self.pictures = 0;
        self.often.clear();
    }

    /// Rows of blocks at the upper and the lower edge.
    fn rows(layout: &Layout) -> impl Iterator<Item = usize> + use<> {
        let rows = layout.rows;
        let band = (rows as f32 * BAND_PART).ceil() as usize;
        // Of a picture of one or two rows of blocks nothing is edge.
        let band = if 2 * band < rows { band } else { 0 };
        (0..band).chain(rows - band..rows)
    }

    /// Takes in what has changed from `before` to `now` under `light`; `least` grey levels are a change.
    pub(super) fn learn(&mut self, before: &Blocks, now: &Blocks, light: Light, least: f32) {
        let columns = now.layout.columns;
        let blocks = Self::rows(&now.layout).count() * columns;
        if self.often.len() != blocks {
            self.pictures = 0;
            self.often.clear();
            self.often.resize(blocks, (0.0, false));
        }
        self.pictures = self.pictures.saturating_add(1);
        let rate = RATE.max(1.0 / self.pictures as f32);
        let mut often = self.often.iter_mut();
        for row in Self::rows(&now.layout) {
            for (index, (part, held)) in (row * columns..).zip(often.by_ref().take(columns)) {
                let changed = (now.level(index) - light.apply(before.level(index))).abs() > least;
                *part += rate * (f32::from(u8::from(changed)) - *part);
                *held = *part > if *held { ENDS } else { BEGINS };
            }
        }
    }

    /// Whether any block is held restless.
    pub(super) fn any(&self) -> bool {
        self.pictures >= PICTURES_MIN && self.often.iter().any(|&(_, held)| held)
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
                    if !self.often[line * layout.columns + column].1 {
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
