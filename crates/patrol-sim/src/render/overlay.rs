//! What cameras burn into their pictures: bars at the edges, clock, name, mark, cross, temperature scale.

use super::font::{CELL, dots};
use super::palette::Palette;
use crate::random::{Dice, mix};
use crate::scene::SceneCamera;
use crate::spec::{Borders, Overlay};

/// A finished picture, to be drawn on: grey or red, green, blue.
pub(super) struct Sheet<'a> {
    pub(super) pixels: &'a mut [u8],
    /// Bytes of a pixel: 1 or 3.
    pub(super) channels: usize,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Sheet<'_> {
    fn put(&mut self, x: i32, y: i32, colour: [u8; 3], opacity: f32) {
        if x < 0 || y < 0 || x >= self.width || y >= self.height {
            return;
        }
        let at = (y * self.width + x) as usize * self.channels;
        let grey = (0.299 * f32::from(colour[0]) + 0.587 * f32::from(colour[1]) + 0.114 * f32::from(colour[2])) as u8;
        let wanted = if self.channels == 1 { [grey; 3] } else { colour };
        for (pixel, wanted) in self.pixels[at..at + self.channels].iter_mut().zip(wanted) {
            *pixel = (f32::from(*pixel) + (f32::from(wanted) - f32::from(*pixel)) * opacity) as u8;
        }
    }

    fn fill(&mut self, x: i32, y: i32, width: i32, height: i32, colour: [u8; 3], opacity: f32) {
        for y in y..y + height {
            for x in x..x + width {
                self.put(x, y, colour, opacity);
            }
        }
    }

    /// Bars of 8-bit black over the edges.
    pub(super) fn frame(&mut self, borders: Borders) {
        let (width, height) = (self.width, self.height);
        let [left, right, top, bottom] = [borders.left, borders.right, borders.top, borders.bottom].map(|side| side as i32);
        self.fill(0, 0, width, top, [0; 3], 1.0);
        self.fill(0, height - bottom, width, bottom, [0; 3], 1.0);
        self.fill(0, 0, left, height, [0; 3], 1.0);
        self.fill(width - right, 0, right, height, [0; 3], 1.0);
    }

    /// White letters with a black rim, or on a dark bar.
    fn text(&mut self, x: i32, y: i32, text: &str, style: Style) {
        let scale = style.scale;
        if style.bar {
            let letters = text.chars().count() as i32;
            self.fill(x - 3, y - 3, letters * CELL.0 * scale + 4, 7 * scale + 6, [0; 3], 0.55);
        } else {
            dots(text, |dx, dy| self.fill(x + dx * scale - 1, y + dy * scale - 1, scale + 2, scale + 2, [0; 3], 1.0));
        }
        dots(text, |dx, dy| self.fill(x + dx * scale, y + dy * scale, scale, scale, style.ink, 1.0));
    }
}

#[derive(Debug, Clone, Copy)]
struct Style {
    scale: i32,
    bar: bool,
    ink: [u8; 3],
}

/// What a picture's overlays say.
pub(super) struct Told<'a> {
    pub(super) t_s: f64,
    /// °C of black, of white, and of the middle.
    pub(super) range_c: (f32, f32),
    pub(super) middle_c: f32,
    pub(super) palette: Option<&'a Palette>,
}

/// Local time at which scenes begin: 2026-01-18 23:30.
const BEGINS: (u32, u32) = (18, 23 * 3600 + 1800);
/// From the edge of the picture, pixels.
const MARGIN: i32 = 10;

fn clock(t_s: f64) -> String {
    let seconds = BEGINS.1 + t_s.max(0.0) as u32;
    let (day, second) = (BEGINS.0 + seconds / 86400, seconds % 86400);
    format!("2026-01-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Draws the overlays of `camera`; where they go and how they look is drawn from `seed`.
pub(super) fn burn(sheet: &mut Sheet, camera: &SceneCamera, seed: u64, told: &Told) {
    let mut dice = Dice::new(mix(seed), camera.id.as_str());
    let style = Style {
        scale: if sheet.width >= 1000 { 3 } else { dice.whole(1, 2) as i32 },
        bar: dice.chance(0.35),
        ink: if sheet.channels == 3 && dice.chance(0.3) { [255, 236, 60] } else { [255; 3] },
    };
    // Each corner holds one of: clock, name, mark, temperature.
    let turn = dice.whole(0, 3);
    let mirrored = dice.chance(0.5);
    let (scale_is_left, mark) = (dice.chance(0.5), dice.whole(0, 3));
    for overlay in &camera.output.overlays {
        let corner = |slot: usize| {
            let slot = (slot + turn) % 4;
            let right = (slot == 1 || slot == 2) != mirrored;
            (right, slot >= 2)
        };
        let place = |slot: usize, width: i32, height: i32, sheet: &Sheet| {
            let (right, low) = corner(slot);
            let x = if right { sheet.width - MARGIN - width } else { MARGIN };
            let y = if low { sheet.height - MARGIN - height } else { MARGIN };
            (x, y)
        };
        let write = |slot: usize, text: &str, sheet: &mut Sheet| {
            let letters = text.chars().count() as i32;
            let (x, y) = place(slot, letters * CELL.0 * style.scale, 7 * style.scale, sheet);
            sheet.text(x, y, text, style);
        };
        match overlay {
            Overlay::Clock => write(0, &clock(told.t_s), sheet),
            Overlay::Name => write(2, camera.id.as_str(), sheet),
            Overlay::Spot => write(3, &format!("+ {:.1}°C", told.middle_c), sheet),
            Overlay::Logo => {
                let (x, y) = place(1, 58, 26, sheet);
                logo(sheet, x, y, mark);
            }
            Overlay::Crosshair => {
                let (cx, cy) = (sheet.width / 2, sheet.height / 2);
                for (dx, dy, w, h) in [(-18, -1, 13, 2), (6, -1, 13, 2), (-1, -18, 2, 13), (-1, 6, 2, 13)] {
                    sheet.fill(cx + dx - 1, cy + dy - 1, w + 2, h + 2, [0; 3], 0.6);
                    sheet.fill(cx + dx, cy + dy, w, h, style.ink, 1.0);
                }
            }
            Overlay::Scale => {
                let (tall, wide) = (sheet.height * 2 / 5, 12);
                let x = if scale_is_left { MARGIN } else { sheet.width - MARGIN - wide };
                let y = (sheet.height - tall) / 2;
                sheet.fill(x - 1, y - 1, wide + 2, tall + 2, [255; 3], 1.0);
                for row in 0..tall {
                    let level = (255 - row * 255 / (tall - 1)) as usize;
                    let colour = told.palette.map_or([level as u8; 3], |palette| palette.table[level]);
                    sheet.fill(x, y + row, wide, 1, colour, 1.0);
                }
                for (value, y) in [(told.range_c.1, y - 7 * style.scale - 6), (told.range_c.0, y + tall + 6)] {
                    let text = format!("{value:.0}");
                    let width = text.chars().count() as i32 * CELL.0 * style.scale;
                    sheet.text(if scale_is_left { x } else { x + wide - width }, y, &text, style);
                }
            }
        }
    }
}

/// One of four made-up marks, 58 × 26 pixels.
fn logo(sheet: &mut Sheet, x: i32, y: i32, mark: usize) {
    let style = Style { scale: 2, bar: false, ink: [255; 3] };
    match mark {
        0 => {
            for dy in 0..26 {
                for dx in 0..26 {
                    let r = ((dx - 13) as f32).hypot((dy - 13) as f32);
                    if r < 12.5 && !(6.0..8.5).contains(&r) {
                        sheet.put(x + dx, y + dy, [240, 30, 40], 0.9);
                    }
                }
            }
            sheet.text(x + 31, y + 6, "IR", style);
        }
        1 => {
            for bar in 0..4 {
                sheet.fill(x + bar * 8, y + 18 - bar * 6, 6, 8 + bar * 6, [40, 170, 250], 0.85);
            }
            sheet.text(x + 34, y + 8, "TH", style);
        }
        2 => {
            sheet.fill(x, y, 58, 26, [250, 250, 250], 0.8);
            dots("NOVA", |dx, dy| sheet.fill(x + 6 + dx * 2, y + 6 + dy * 2, 2, 2, [10, 10, 10], 1.0));
        }
        _ => sheet.text(x, y + 6, "POLAR", style),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_passes_midnight() {
        assert_eq!(clock(5.9), "2026-01-18 23:30:05");
        assert_eq!(clock(1801.0), "2026-01-19 00:00:01");
    }
}
