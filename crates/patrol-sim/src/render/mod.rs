//! Pixels of a scene: a background per view, people, dogs, cars and steam drawn over it, then what a microbolometer or a night camera makes of
//! them, and what its menu burns in.

pub(crate) mod background;
mod canvas;
mod font;
mod overlay;
pub(crate) mod palette;
pub(crate) mod raster;
mod shader;
mod thermal;
pub(crate) mod things;
mod value;
mod visible;
pub(crate) mod weather;
mod yuv;

use crate::motion::{Place, Sight};
use crate::random::{mix, normal_row, value_noise};
use crate::scene::{Scene, SceneCamera};
use crate::spec::Light;
use background::Background;
use canvas::{Canvas, Key, Moment};
use overlay::{Sheet, Told};
use palette::Palette;
use patrol_core::Modality;
use std::sync::{Arc, OnceLock};
use thermal::Thermal;
use value::Rgb;
use visible::{Beam, Visible};

/// Noise of one picture, kelvin: a usual uncooled sensor has an NETD of 60–80 mK.
const NETD_K: f32 = 0.07;
/// What remains of the column pattern after the camera's own correction, kelvin.
const COLUMN_NOISE_K: f32 = 0.02;
/// Noise of a night camera after its own denoising, grey levels.
const NOISE_GREY: f32 = 3.0;
/// Nothing farther than this is drawn, metres: a person is then too small to be anything.
pub(crate) const RANGE_MAX_M: f32 = 110.0;
/// Raw counts per kelvin, as in the linear mode of common cores (10 mK steps from absolute zero).
const COUNTS_PER_K: f32 = 100.0;
const ZERO_C_IN_K: f32 = 273.15;
/// A shutter holds the picture for so long, seconds (`integration.md` §6.3: 0.5–2 s).
const SHUTTER_S: f64 = 0.6;
/// After an IR-cut filter swings, the exposure is wrong for so long, seconds.
const IR_CUT_S: f64 = 0.8;

/// One camera's renderer. Pictures may be asked for in any order: each depends on the seed and its time alone.
pub struct Renderer {
    scene: Arc<Scene>,
    camera: usize,
    eye: Eye,
    /// `None`: white-hot.
    palette: Option<Palette>,
    /// σ: kelvin of a thermal camera, grey levels of a visible one.
    noise: f32,
    /// σ of what a thermal camera's picture has after AGC, grey levels.
    noise_grey: f32,
    columns: Vec<f32>,
    rgb: Vec<u8>,
    /// Left out of the pictures: the number of a person, or of a dog or figure after them.
    hidden: Option<usize>,
}

enum Eye {
    Thermal(Canvas<f32>),
    Visible(Canvas<Rgb>),
}

impl Renderer {
    /// # Panics
    /// When the scene has no camera number `camera`.
    pub fn new(scene: Arc<Scene>, camera: usize) -> Self {
        let about = &scene.cameras()[camera];
        let size = about.size;
        let columns = normal_row(scene.seed() ^ mix(camera as u64), size.width as usize).iter().map(|v| v * COLUMN_NOISE_K).collect();
        let output = &about.output;
        let mut palette = output.palette.as_deref().filter(|name| *name != "white-hot").and_then(Palette::named);
        if output.black_hot {
            palette = palette.or_else(|| Palette::named("white-hot")).map(Palette::inverted);
        }
        let (eye, noise, noise_grey) = match about.modality {
            Modality::Thermal => {
                let eye = Eye::Thermal(Canvas::new(scene.background(camera), Key { place: Place::Fixed, state: 0 }));
                (eye, output.noise_k.unwrap_or(NETD_K), output.noise_grey.unwrap_or(0.0))
            }
            Modality::Visible => {
                let blank = Background::blank(about.projector());
                let eye = Eye::Visible(Canvas::new(Arc::new(blank), Key { place: Place::Free, state: 0 }));
                (eye, output.noise_grey.unwrap_or(NOISE_GREY), 0.0)
            }
        };
        Self { scene, camera, eye, palette, noise, noise_grey, columns, rgb: Vec::new(), hidden: None }
    }

    pub fn camera(&self) -> &SceneCamera {
        &self.scene.cameras()[self.camera]
    }

    /// Whether the camera delivers colour: false-colour thermal and visible cameras do.
    pub fn is_colour(&self) -> bool {
        matches!(self.eye, Eye::Visible(_)) || self.palette.as_ref().is_some_and(|palette| !palette.is_grey)
    }

    /// The luma of the picture that the camera delivers at `t_s` seconds of the scene: row-major, width × height bytes. A grey thermal camera's is
    /// its 8-bit picture after AGC; that of a colour picture is in limited range, as in [`Renderer::render_i420`].
    pub fn render(&mut self, t_s: f64, out: &mut Vec<u8>) {
        if self.is_colour() {
            let mut rgb = std::mem::take(&mut self.rgb);
            self.render_rgb(t_s, &mut rgb);
            yuv::luma(&rgb, self.camera().size, out);
            self.rgb = rgb;
        } else {
            self.intensities(t_s, out);
            self.finish(t_s, out, 1);
        }
    }

    /// The whole picture at `t_s` as the camera hands it to its encoder: I420, three planes on end. Grey ones have flat chroma.
    pub fn render_i420(&mut self, t_s: f64, out: &mut Vec<u8>) {
        if self.is_colour() {
            let mut rgb = std::mem::take(&mut self.rgb);
            self.render_rgb(t_s, &mut rgb);
            yuv::i420(&rgb, self.camera().size, out);
            self.rgb = rgb;
        } else {
            self.render(t_s, out);
            let pixels = out.len();
            let size = self.camera().size;
            out.resize(pixels + 2 * (size.width.div_ceil(2) * size.height.div_ceil(2)) as usize, 128);
        }
    }

    /// The picture at `t_s` in red, green and blue, width × height × 3 bytes, before it is encoded.
    pub fn render_rgb(&mut self, t_s: f64, out: &mut Vec<u8>) {
        match self.eye {
            Eye::Thermal(_) => {
                let mut levels = Vec::new();
                self.intensities(t_s, &mut levels);
                out.clear();
                match &self.palette {
                    Some(palette) if !palette.is_grey => out.extend(levels.iter().flat_map(|level| palette.table[*level as usize])),
                    // Grey palettes are applied with the intensities.
                    _ => out.extend(levels.iter().flat_map(|level| [*level; 3])),
                }
            }
            Eye::Visible(_) => self.develop(t_s, out),
        }
        self.finish(t_s, out, 3);
    }

    /// The raw picture of a thermal camera at `t_s`, before AGC: counts of 10 mK from absolute zero. Empty for a visible camera.
    pub fn render_counts(&mut self, t_s: f64, out: &mut Vec<u16>) {
        let t_s = self.shown_s(t_s);
        self.draw(t_s);
        out.clear();
        let Eye::Thermal(canvas) = &self.eye else { return };
        let zero = ZERO_C_IN_K + self.scene.weather().air_c;
        out.resize(canvas.field.len(), 0);
        self.each_row(t_s, &canvas.field, |row, noise, columns, y, width| {
            let out = &mut out[y * width..(y + 1) * width];
            for (((out, value), noise), column) in out.iter_mut().zip(row).zip(noise).zip(columns) {
                *out = ((value + noise * self.noise + column + zero) * COUNTS_PER_K).clamp(0.0, 65535.0) as u16;
            }
        });
    }

    /// A thermal picture after AGC, grey palettes applied.
    fn intensities(&mut self, t_s: f64, out: &mut Vec<u8>) {
        let t_s = self.shown_s(t_s);
        self.draw(t_s);
        let Eye::Thermal(canvas) = &self.eye else { return };
        let (low, high) = self.gain(t_s);
        let scale = 255.0 / (high - low).max(1.0);
        out.resize(canvas.field.len(), 0);
        self.each_row(t_s, &canvas.field, |row, noise, columns, y, width| {
            let out = &mut out[y * width..(y + 1) * width];
            for (((out, value), noise), column) in out.iter_mut().zip(row).zip(noise).zip(columns) {
                *out = ((value + noise * self.noise + column - low) * scale).clamp(0.0, 255.0) as u8;
            }
        });
        if let Some(palette) = self.palette.as_ref().filter(|palette| palette.is_grey) {
            for level in out.iter_mut() {
                *level = palette.table[*level as usize][0];
            }
        }
        if self.noise_grey > 0.0 {
            let width = self.camera().size.width as usize;
            // Not the deviates of the kelvin noise again.
            let key = mix(self.moment(t_s) ^ 0x6E0);
            for (y, row) in out.chunks_exact_mut(width).enumerate() {
                for (level, noise) in row.iter_mut().zip(normal_row(key.wrapping_add(y as u64), width)) {
                    *level = (f32::from(*level) + self.noise_grey * noise).round().clamp(0.0, 255.0) as u8;
                }
            }
        }
    }

    /// A visible picture: exposure, gamma, noise.
    fn develop(&mut self, t_s: f64, out: &mut Vec<u8>) {
        const STEPS: usize = 4096;
        /// Exponent of sRGB-like cameras.
        const GAMMA: f32 = 1.0 / 2.2;
        static CURVE: OnceLock<Vec<f32>> = OnceLock::new();
        let curve = CURVE.get_or_init(|| (0..=STEPS).map(|step| 255.0 * (step as f32 / STEPS as f32).powf(GAMMA)).collect());
        self.draw(t_s);
        let Eye::Visible(canvas) = &self.eye else { return };
        let since_cut_s = self.camera().output.ir_cut_at_s.map_or(-1.0, |at_s| t_s - at_s);
        // The exposure of the night before the swing, then the right one.
        let exposure = if (0.0..IR_CUT_S).contains(&since_cut_s) { 5.0 } else { 1.0 };
        let scale = STEPS as f32 * exposure / canvas.background.high;
        let width = self.camera().size.width as usize;
        let moment = self.moment(t_s);
        out.resize(canvas.field.len() * 3, 0);
        for (y, (row, out)) in canvas.field.chunks_exact(width).zip(out.chunks_exact_mut(3 * width)).enumerate() {
            let rows: [&[f32]; 4] = std::array::from_fn(|plane| normal_row(moment.wrapping_add((y * 4 + plane) as u64), width));
            for (x, (pixel, out)) in row.iter().zip(out.chunks_exact_mut(3)).enumerate() {
                for (channel, out) in out.iter_mut().enumerate() {
                    let shown = curve[((pixel.0[channel] * scale) as usize).min(STEPS)];
                    *out = (shown + self.noise * (0.8 * rows[0][x] + 0.6 * rows[1 + channel][x])).clamp(0.0, 255.0) as u8;
                }
            }
        }
        if self.light(t_s) == Light::Ir {
            for pixel in out.chunks_exact_mut(3) {
                pixel.fill(pixel[1]);
            }
        }
    }

    /// Borders and overlays.
    fn finish(&self, t_s: f64, pixels: &mut [u8], channels: usize) {
        let camera = self.camera();
        let output = &camera.output;
        let (width, height) = (camera.size.width as i32, camera.size.height as i32);
        let mut sheet = Sheet { pixels, channels, width, height };
        sheet.frame(output.borders);
        if !output.overlays.is_empty() {
            let air_c = self.scene.weather().air_c;
            let (low, high) = self.gain(t_s);
            let middle_k = match &self.eye {
                Eye::Thermal(canvas) => canvas.field[(height / 2 * width + width / 2) as usize],
                Eye::Visible(_) => 0.0,
            };
            let told = Told { t_s, range_c: (air_c + low, air_c + high), middle_c: air_c + middle_k, palette: self.palette.as_ref() };
            overlay::burn(&mut sheet, camera, self.scene.seed(), &told);
        }
    }

    /// The time of the picture that is shown at `t_s`: a closed shutter holds the last one.
    fn shown_s(&self, t_s: f64) -> f64 {
        let Some(every_s) = self.camera().output.shutter_every_s else { return t_s };
        let closed_s = (t_s / every_s).floor() * every_s;
        if closed_s > 0.0 && t_s - closed_s < SHUTTER_S { closed_s } else { t_s }
    }

    /// How the night is lit at `t_s`.
    fn light(&self, t_s: f64) -> Light {
        let output = &self.camera().output;
        let light = output.light.unwrap_or(Light::Lamps);
        match (output.ir_cut_at_s, light) {
            (Some(at_s), Light::Lamps) if t_s >= at_s => Light::Ir,
            (Some(at_s), Light::Ir) if t_s >= at_s => Light::Lamps,
            _ => light,
        }
    }

    fn moment(&self, t_s: f64) -> u64 {
        mix(self.scene.seed() ^ mix(self.camera as u64 + 1) ^ (t_s * 1e3).round() as u64)
    }

    fn each_row(&self, t_s: f64, field: &[f32], mut row: impl FnMut(&[f32], &[f32], &[f32], usize, usize)) {
        let width = self.camera().size.width as usize;
        let moment = self.moment(t_s);
        for (y, values) in field.chunks_exact(width).enumerate() {
            row(values, normal_row(moment.wrapping_add(y as u64), width), &self.columns, y, width);
        }
    }

    /// Kelvin above the air shown as black and as white. A stretch between percentiles that drifts slowly and gives way, within a second or
    /// two, when something hot fills part of the picture.
    fn gain(&self, t_s: f64) -> (f32, f32) {
        let (low, high) = match &self.eye {
            Eye::Thermal(canvas) => (canvas.background.low, canvas.background.high),
            Eye::Visible(canvas) => (canvas.background.low, canvas.background.high),
        };
        let span = high - low;
        let t = (t_s / 90.0) as f32;
        let drift = 0.04 * value_noise(t, 3.5, self.scene.seed() ^ self.camera as u64);
        let hot = self.scene.hot_passages(self.camera).iter().map(|passage| passage.strength(t_s)).fold(0.0, f32::max);
        let (low, high) = (low + span * drift * 0.5, high + span * (drift + 0.35 * hot));
        let Some(every_s) = self.camera().output.agc_step_every_s else { return (low, high) };
        // Every so often the camera finds another stretch.
        let step = mix(self.scene.seed() ^ mix(self.camera as u64 ^ 0xA6C) ^ (t_s / every_s).floor() as i64 as u64);
        let draw = |shift: u32| (step >> shift & 0xFFFF) as f32 / 65536.0;
        (low + span * (0.22 * draw(0) - 0.14), high + span * (0.5 * draw(16) - 0.2))
    }

    fn draw(&mut self, t_s: f64) {
        let scene = Arc::clone(&self.scene);
        let sight: Sight = scene.cameras()[self.camera].sight(t_s);
        let moment = Moment { scene: &scene, camera: self.camera, sight: &sight, t_s, hidden: self.hidden };
        let (props, seed, wet) = (scene.props(), scene.background_seed(), scene.weather().wet_ground);
        let light = self.light(t_s);
        match &mut self.eye {
            Eye::Thermal(canvas) => canvas.draw(&moment, 0, |projector| Thermal::new(projector, props, seed, wet)),
            Eye::Visible(canvas) => {
                let levels = scene.lamp_levels(t_s);
                let state = levels.iter().fold(light as u64, |state, level| mix(state ^ (level * 8.0) as u64));
                let beams: Vec<Beam> = scene.headlights(t_s).collect();
                canvas
                    .draw(&moment, state, |projector| Visible::new(projector, props, seed, wet, light, &levels).with_beams(beams.clone()));
                canvas.shine(&beams);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn hide(&mut self, person: Option<usize>) {
        self.hidden = person;
    }
}

impl Scene {
    /// The head lamps that burn at `t_s`.
    fn headlights(&self, t_s: f64) -> impl Iterator<Item = Beam> {
        let lit = self.driving().iter().filter(|car| car.headlights);
        lit.filter_map(move |car| car.at(t_s).map(|(at, heading_deg)| Beam { at, heading_deg }))
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world_tests;
