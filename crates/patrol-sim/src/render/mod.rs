//! Pixels of a scene: a static background per camera, people and cars drawn over it, then what a microbolometer and its AGC make of them.

pub(crate) mod background;
pub(crate) mod raster;

use crate::body::{self, Capsule};
use crate::geometry::PixelRect;
use crate::random::{mix, normal_row, value_noise};
use crate::scene::{Scene, SceneCamera};
use background::{Background, Block, car_blocks};
use patrol_core::PixelBox;
use std::sync::Arc;

/// Noise of one picture, kelvin: a usual uncooled sensor has an NETD of 60–80 mK.
const NETD_K: f32 = 0.07;
/// What remains of the column pattern after the camera's own correction, kelvin.
const COLUMN_NOISE_K: f32 = 0.02;
/// Nothing farther than this is drawn, metres: a person is then too small to be anything.
pub(crate) const RANGE_MAX_M: f32 = 110.0;
/// Raw counts per kelvin, as in the linear mode of common cores (10 mK steps from absolute zero).
const COUNTS_PER_K: f32 = 100.0;
const ZERO_C_IN_K: f32 = 273.15;

/// One camera's renderer. Pictures may be asked for in any order: each depends on the seed and its time alone.
pub struct Renderer {
    scene: Arc<Scene>,
    camera: usize,
    background: Arc<Background>,
    /// Kelvin above the air before and after the lens; equal to the background outside `dirty`.
    sharp: Vec<f32>,
    field: Vec<f32>,
    dirty: Vec<PixelRect>,
    scratch: Vec<f32>,
    columns: Vec<f32>,
    /// Left out of the pictures: a person's number.
    hidden: Option<usize>,
}

enum Thing {
    Person(Vec<Capsule>),
    Car(Vec<Block>),
}

impl Renderer {
    /// # Panics
    /// When the scene has no camera number `camera`.
    pub fn new(scene: Arc<Scene>, camera: usize) -> Self {
        let background = scene.background(camera);
        let size = scene.cameras()[camera].size;
        let columns = normal_row(scene.seed() ^ mix(camera as u64), size.width as usize).iter().map(|v| v * COLUMN_NOISE_K).collect();
        let (sharp, field) = (background.sharp.clone(), background.blurred.clone());
        Self { scene, camera, background, sharp, field, dirty: Vec::new(), scratch: Vec::new(), columns, hidden: None }
    }

    pub fn camera(&self) -> &SceneCamera {
        &self.scene.cameras()[self.camera]
    }

    /// The 8-bit picture at `t_s` seconds of the scene, after AGC: row-major, width × height bytes.
    pub fn render(&mut self, t_s: f64, out: &mut Vec<u8>) {
        self.draw(t_s);
        let (low, high) = self.gain(t_s);
        let scale = 255.0 / (high - low).max(1.0);
        out.resize(self.field.len(), 0);
        self.each_row(t_s, |row, noise, columns, y, width| {
            let out = &mut out[y * width..(y + 1) * width];
            for (((out, value), noise), column) in out.iter_mut().zip(row).zip(noise).zip(columns) {
                *out = ((value + noise * NETD_K + column - low) * scale).clamp(0.0, 255.0) as u8;
            }
        });
    }

    /// The raw picture at `t_s`, before AGC: counts of 10 mK from absolute zero.
    pub fn render_counts(&mut self, t_s: f64, out: &mut Vec<u16>) {
        self.draw(t_s);
        let zero = ZERO_C_IN_K + self.scene.weather().air_c;
        out.resize(self.field.len(), 0);
        self.each_row(t_s, |row, noise, columns, y, width| {
            let out = &mut out[y * width..(y + 1) * width];
            for (((out, value), noise), column) in out.iter_mut().zip(row).zip(noise).zip(columns) {
                *out = ((value + noise * NETD_K + column + zero) * COUNTS_PER_K).clamp(0.0, 65535.0) as u16;
            }
        });
    }

    fn each_row(&self, t_s: f64, mut row: impl FnMut(&[f32], &[f32], &[f32], usize, usize)) {
        let width = self.background.projector.size.width as usize;
        let moment = mix(self.scene.seed() ^ mix(self.camera as u64 + 1) ^ (t_s * 1e3).round() as u64);
        for (y, values) in self.field.chunks_exact(width).enumerate() {
            row(values, normal_row(moment.wrapping_add(y as u64), width), &self.columns, y, width);
        }
    }

    /// Kelvin above the air shown as black and as white. A stretch between percentiles that drifts slowly and gives way, within a second or
    /// two, when something hot fills part of the picture.
    fn gain(&self, t_s: f64) -> (f32, f32) {
        let span = self.background.high_k - self.background.low_k;
        let t = (t_s / 90.0) as f32;
        let drift = 0.04 * value_noise(t, 3.5, self.scene.seed() ^ self.camera as u64);
        let hot = self.scene.hot_passages(self.camera).iter().map(|passage| passage.strength(t_s)).fold(0.0, f32::max);
        (self.background.low_k + span * drift * 0.5, self.background.high_k + span * (drift + 0.35 * hot))
    }

    fn draw(&mut self, t_s: f64) {
        let width = self.background.projector.size.width as usize;
        for rect in self.dirty.drain(..) {
            for y in rect.y0..rect.y1 {
                let row = y * width + rect.x0..y * width + rect.x1;
                self.sharp[row.clone()].copy_from_slice(&self.background.sharp[row.clone()]);
                self.field[row.clone()].copy_from_slice(&self.background.blurred[row]);
            }
        }
        let projector = &self.background.projector;
        let mut things: Vec<(f32, PixelBox, Thing)> = Vec::new();
        for (number, person) in self.scene.people().iter().enumerate() {
            let Some(moment) = person.at(t_s) else { continue };
            if Some(number) == self.hidden || moment.at.distance(projector.foot) > RANGE_MAX_M {
                continue;
            }
            let capsules = body::capsules(&person.build, moment.doing, moment.at, moment.facing_deg, t_s);
            let (Some(flat), Some(bbox)) = (projector.project(moment.at.up(0.4)), body::box_of(&capsules, projector)) else { continue };
            things.push((flat.depth, bbox, Thing::Person(capsules)));
        }
        for car in self.scene.driving() {
            let Some((at, heading_deg)) = car.at(t_s) else { continue };
            if at.distance(projector.foot) > RANGE_MAX_M {
                continue;
            }
            let blocks = car_blocks(at, heading_deg, Some(car.bonnet_k));
            let corners = blocks.iter().flat_map(Block::corners);
            let (Some(flat), Some(bbox)) = (projector.project(at.up(0.4)), projector.box_around(corners)) else { continue };
            things.push((flat.depth, bbox, Thing::Car(blocks)));
        }
        things.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, bbox, thing) in &things {
            // Room for antialiasing and for the blur of the lens.
            let Some(rect) = PixelRect::inside(&bbox.grown(4.0), projector.size) else { continue };
            match thing {
                Thing::Person(capsules) => raster::paint_person(&mut self.sharp, capsules, &self.background, rect),
                Thing::Car(blocks) => raster::paint_blocks(&mut self.sharp, blocks, &self.background, rect),
            }
            self.dirty.push(rect);
        }
        for rect in &self.dirty {
            raster::blur(&self.sharp, &mut self.field, &mut self.scratch, *rect, projector.size);
        }
    }

    #[cfg(test)]
    pub(crate) fn hide(&mut self, person: Option<usize>) {
        self.hidden = person;
    }
}

#[cfg(test)]
mod tests;
