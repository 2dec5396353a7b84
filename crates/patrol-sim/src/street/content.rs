//! What the cameras see: a rendered winter street in a loop, forwards and back, under the strip of the block code.

use super::code::{CODE_ROWS, GREY, STRIP_ROWS};
use crate::error::SimError;
use crate::random::{mix, normal_row, value_noise};
use crate::render::Renderer;
use crate::scene::Scene;
use patrol_core::PictureSize;
use std::sync::Arc;

/// Scene time at which the loop begins: by then the people of the scene are down.
const FROM_S: f64 = 200.0;
/// On the empty street the first car comes after 40 s. A loop of a minute, which turns back half-way, is over before.
const EMPTY_FROM_S: f64 = 5.0;
pub(super) const EMPTY_CLIP_MAX_S: f64 = 60.0;
const SCENE_S: f64 = 300.0;
/// Grey levels of texture and of noise added to pictures that are larger than the scene's: about what a lit street shows by night.
const TEXTURE: f32 = 14.0;
const NOISE: f32 = 4.0;
/// Noise of a covered or dark sensor, grey levels.
const COVERED_NOISE: f32 = 2.5;

/// A street to be rendered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Street {
    pub(super) seed: u64,
    pub(super) empty: bool,
    pub(super) fps: f64,
    /// Whether there is room for a code.
    pub(super) strip: bool,
}

/// The scene that a street shows.
pub(super) fn scene(seed: u64, empty: bool) -> Result<Scene, SimError> {
    Scene::named(if empty { "empty-street" } else { "winter-street" }, seed, SCENE_S)
}

/// Street cameras of `scene`; the drone that may stand behind them is none.
pub(super) fn views_of(scene: &Scene) -> usize {
    scene.cameras().len().clamp(1, 2)
}

/// Pictures of one clip, luma only.
pub(super) enum Content {
    Street {
        renderer: Box<Renderer>,
        from_s: f64,
        fps: f64,
        pictures: u32,
        texture: Vec<f32>,
        seed: u64,
        /// Whether there is room for a code.
        strip: bool,
    },
    /// The same grey everywhere, with noise.
    Even { grey: f32 },
    /// One picture again and again.
    Still { luma: Vec<u8> },
}

impl Content {
    /// A street that begins anew after `pictures`; cameras with another `view` see another place. The `empty` one has one view.
    pub(super) fn street(what: &Street, view: usize, pictures: u32, size: PictureSize) -> Result<Self, SimError> {
        let Street { seed, empty, fps, strip } = *what;
        let scene = Arc::new(scene(seed, empty)?);
        let camera = view % views_of(&scene);
        let from_s = if empty { EMPTY_FROM_S } else { FROM_S };
        let renderer = Box::new(Renderer::new(scene, camera));
        let native = renderer.camera().size;
        let larger = size.width > native.width || size.height > native.height;
        let texture = if larger { texture_of(size, seed) } else { Vec::new() };
        Ok(Self::Street { renderer, from_s, fps, pictures, texture, seed, strip })
    }

    /// Picture `number` of `size`, with the strip's place marked.
    pub(super) fn picture(&mut self, number: u32, size: PictureSize) -> Vec<u8> {
        let (width, height) = (size.width as usize, size.height as usize);
        let mut luma = match self {
            Self::Street { renderer, from_s, fps, pictures, texture, seed, .. } => {
                let turn = number % (*pictures).max(1);
                let turn = turn.min(*pictures - turn);
                let mut native = Vec::new();
                renderer.render(*from_s + f64::from(turn) / *fps, &mut native);
                let from = renderer.camera().size;
                let mut luma = if from == size { native } else { resized(&native, from, size) };
                if !texture.is_empty() {
                    for (y, row) in luma.chunks_exact_mut(width).enumerate() {
                        let noise = normal_row(mix(*seed ^ mix(u64::from(number)) ^ y as u64), width);
                        for ((value, texture), noise) in row.iter_mut().zip(&texture[y * width..]).zip(noise) {
                            *value = (f32::from(*value) + texture + noise * NOISE).clamp(16.0, 235.0) as u8;
                        }
                    }
                }
                luma
            }
            Self::Even { grey } => {
                let row = |y: usize| normal_row(mix(u64::from(number) << 32 | y as u64), width).iter();
                (0..height).flat_map(|y| row(y).map(|noise| (*grey + noise * COVERED_NOISE).round().clamp(0.0, 255.0) as u8)).collect()
            }
            Self::Still { luma } => return luma.clone(),
        };
        if matches!(self, Self::Street { strip: true, .. }) {
            mark_strip(&mut luma, width);
        }
        luma
    }
}

/// The encoder sees bars where the code will be: nothing in the street resembles them, so that no prediction reaches into them. Below them grey.
fn mark_strip(luma: &mut [u8], width: usize) {
    for (y, row) in luma.chunks_exact_mut(width).take(STRIP_ROWS).enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = if y >= CODE_ROWS { GREY } else { [0, 255][x / 8 % 2] };
        }
    }
}

/// Paving, grass and walls: value noise of two scales.
fn texture_of(size: PictureSize, seed: u64) -> Vec<f32> {
    let (width, height) = (size.width, size.height);
    let at = |x: u32, y: u32| {
        let (x, y) = (x as f32, y as f32);
        TEXTURE * (0.6 * value_noise(x / 2.5, y / 2.5, seed) + 0.4 * value_noise(x / 17.0, y / 17.0, seed ^ 1))
    };
    (0..height).flat_map(|y| (0..width).map(move |x| at(x, y))).collect()
}

/// Bilinear.
fn resized(luma: &[u8], from: PictureSize, to: PictureSize) -> Vec<u8> {
    let axis = |to: u32, from: u32| -> Vec<(usize, usize, f32)> {
        let scale = from as f32 / to as f32;
        (0..to)
            .map(|place| {
                let at = ((place as f32 + 0.5) * scale - 0.5).clamp(0.0, from as f32 - 1.0);
                let low = at as usize;
                (low, (low + 1).min(from as usize - 1), at - low as f32)
            })
            .collect()
    };
    let (columns, rows) = (axis(to.width, from.width), axis(to.height, from.height));
    let width = from.width as usize;
    let mut out = Vec::with_capacity((to.width * to.height) as usize);
    for (y0, y1, v) in rows {
        let (top, low) = (&luma[y0 * width..(y0 + 1) * width], &luma[y1 * width..(y1 + 1) * width]);
        for &(x0, x1, u) in &columns {
            let mix = |row: &[u8]| f32::from(row[x0]) + (f32::from(row[x1]) - f32::from(row[x0])) * u;
            let (top, low) = (mix(top), mix(low));
            out.push((top + (low - top) * v) as u8);
        }
    }
    out
}
