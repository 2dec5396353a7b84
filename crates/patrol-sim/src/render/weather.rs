//! Snow and steam: what hangs in the air.

use super::background::{Background, Block, Face};
use super::shader::{OnWall, Shader};
use crate::body::Capsule;
use crate::geometry::{PixelRect, Projector, V2, V3};
use crate::random::{mix, value_noise};
use crate::scene::Scene;
use crate::spec::SteamSpec;
use patrol_core::PixelBox;

/// Extinction of heavy snow, 1/m: Koschmieder's law with a visibility of 200 m.
const EXTINCTION: f32 = 3.9 / 200.0;
/// Heavy snow, 5 cm an hour, hides the ground in so many seconds.
const COVERED_IN_S: f64 = 800.0;
/// Steps in which the cover grows, so that a background serves for a while.
const COVER_STEPS: f64 = 16.0;
/// The ground is never wholly white: feet and wheels.
const COVER_MAX: f32 = 0.85;
/// Flakes of heavy snow before the camera, in a box of this size, metres.
const FLAKES: u32 = 2600;
const FLAKES_BOX_M: [f32; 3] = [24.0, 24.0, 12.0];
/// Wet flakes fall about so fast, m/s; a picture is exposed for so long, s.
const FALL_M_S: f32 = 1.3;
const EXPOSURE_S: f32 = 0.02;

/// How far the cover has grown: a step from 0 to [`COVER_STEPS`].
pub(super) fn cover_step(scene: &Scene, t_s: f64) -> u64 {
    let snow = scene.snow();
    if snow.settles { (f64::from(snow.rate) * t_s.max(0.0) / COVERED_IN_S * COVER_STEPS).min(COVER_STEPS) as u64 } else { 0 }
}

/// A shader seen through falling snow.
pub(super) struct Snowy<S> {
    inner: S,
    eye: V3,
    extinction: f32,
    cover: f32,
}

impl<S: Shader> Snowy<S> {
    pub(super) fn new(inner: S, projector: &Projector, rate: f32, cover_step: u64) -> Self {
        let cover = COVER_MAX * cover_step as f32 / COVER_STEPS as f32;
        Self { inner, eye: projector.eye(), extinction: EXTINCTION * rate, cover }
    }

    fn fade(&self, point: V3) -> f32 {
        let (e, n, z) = (point.e - self.eye.e, point.n - self.eye.n, point.z - self.eye.z);
        1.0 - (-self.extinction * (e * e + n * n + z * z).sqrt()).exp()
    }

    fn through(&self, value: S::V, fade: f32) -> S::V {
        value + (self.inner.snow_air() - value) * fade
    }
}

impl<S: Shader> Shader for Snowy<S> {
    type V = S::V;
    type Limb = (S::Limb, f32);

    fn sky(&self, steep: f32) -> S::V {
        self.through(self.inner.sky(steep), 0.9)
    }
    fn ground(&self, at: V2, depth: f32, ray: V3) -> S::V {
        // It lies longer here than there.
        let patchy = (self.cover * (1.0 + 0.3 * value_noise(at.e * 0.35, at.n * 0.35, 77))).clamp(0.0, 1.0);
        self.through(self.inner.under_snow(self.inner.ground(at, depth, ray), patchy), self.fade(at.up(0.0)))
    }
    fn wall(&self, wall: &OnWall) -> S::V {
        self.through(self.inner.wall(wall), self.fade(wall.point))
    }
    fn block(&self, block: &Block, face: Face, point: V3) -> S::V {
        let bare = self.inner.block(block, face, point);
        let value = if face.axis == 2 { self.inner.under_snow(bare, self.cover) } else { bare };
        self.through(value, self.fade(point))
    }
    fn lamp(&self, number: usize) -> Option<S::V> {
        self.inner.lamp(number)
    }
    fn stretch(&self, field: &[S::V]) -> (f32, f32) {
        self.inner.stretch(field)
    }
    fn limb(&self, capsule: &Capsule) -> Self::Limb {
        (self.inner.limb(capsule), self.fade(capsule.a))
    }
    fn limb_at(&self, (limb, fade): &Self::Limb, off: f32, k: f32) -> S::V {
        self.through(self.inner.limb_at(limb, off, k), *fade)
    }
    fn mirrored(&self, at: V2, ray: V3) -> f32 {
        self.inner.mirrored(at, ray)
    }
    fn steam(&self, warm_k: f32, centre: V3) -> S::V {
        self.through(self.inner.steam(warm_k, centre), self.fade(centre))
    }
    fn snow_air(&self) -> S::V {
        self.inner.snow_air()
    }
    fn flake(&self, away_m: f32) -> S::V {
        self.inner.flake(away_m)
    }
    fn under_snow(&self, bare: S::V, k: f32) -> S::V {
        self.inner.under_snow(bare, k)
    }
}

/// Flakes before the camera, drawn into the finished field: each is a short streak, the near ones large and out of focus.
pub(super) fn paint_flakes<S: Shader>(field: &mut [S::V], shader: &S, background: &Background<S::V>, scene: &Scene, t_s: f64) {
    let projector = &background.projector;
    let (width, height) = (projector.size.width as i32, projector.size.height as i32);
    let wind = scene.weather().wind_kmh.unwrap_or(5.0) / 3.6 * 0.6;
    let t = (t_s % 3600.0) as f32;
    let count = (FLAKES as f32 * scene.snow().rate) as u32;
    let [wide, long, tall] = FLAKES_BOX_M;
    let axis = projector.ray(projector.size.width as f32 / 2.0, projector.size.height as f32 / 2.0);
    let corner = projector.eye().plus(axis, 7.0);
    for number in 0..count {
        let draw = |salt: u64| (mix(scene.seed() ^ u64::from(number) << 8 ^ salt) >> 40) as f32 / (1u64 << 24) as f32;
        let gust = value_noise(t * 0.5, number as f32 * 0.37, scene.seed());
        let z = (draw(3) * tall - t * FALL_M_S * (0.8 + 0.4 * draw(4))).rem_euclid(tall);
        let e = (draw(1) * wide + t * wind + 0.3 * gust).rem_euclid(wide);
        let n = (draw(2) * long + t * wind * 0.4).rem_euclid(long);
        let point = V3::new(corner.e - wide / 2.0 + e, corner.n - long / 2.0 + n, (corner.z - tall / 2.0 + z).max(0.02));
        let Some(flat) = projector.project(point).filter(|flat| flat.depth > 0.7) else { continue };
        let streak = FALL_M_S * EXPOSURE_S * projector.f / flat.depth;
        // 3 to 6 mm across; a lens focused on 20 m blurs what is near.
        let radius = (0.003 + 0.003 * draw(5)) * projector.f / flat.depth * 0.5 + 1.6 / (flat.depth * flat.depth);
        let alpha = ((0.003 * projector.f / flat.depth) / (radius + 0.45)).clamp(0.05, 0.75);
        let reach = radius + 0.5;
        let value = shader.flake(flat.depth);
        for y in ((flat.y - reach) as i32).max(0)..((flat.y + streak + reach) as i32 + 1).min(height) {
            for x in ((flat.x - reach) as i32).max(0)..((flat.x + reach) as i32 + 1).min(width) {
                let pixel = (y * width + x) as usize;
                let along = (y as f32 + 0.5 - flat.y).clamp(0.0, streak);
                let off = (x as f32 + 0.5 - flat.x).hypot(y as f32 + 0.5 - flat.y - along);
                let k = alpha * (1.0 - off / reach).clamp(0.0, 1.0);
                if k > 0.0 && background.depth[pixel] > flat.depth {
                    field[pixel] += (value - field[pixel]) * k;
                }
            }
        }
    }
}

/// A soft ball of steam.
#[derive(Debug, Clone, Copy)]
pub(super) struct Puff {
    centre: V3,
    radius: f32,
    warm_k: f32,
    alpha: f32,
}

/// A puff leaves the vent so often, seconds; it rises so fast, m/s.
const PUFF_EVERY_S: f64 = 0.28;
const RISE_M_S: f32 = 0.9;

fn puffs(steam: &SteamSpec, wind_kmh: f32, seed: u64, t_s: f64) -> Vec<Puff> {
    let life_s = f64::from(steam.height_m / RISE_M_S);
    let newest = (t_s / PUFF_EVERY_S).floor() as i64;
    let drift = wind_kmh / 3.6 * 0.35;
    let heading = (mix(seed ^ 0x57) % 628) as f32 / 100.0;
    let count = (life_s / PUFF_EVERY_S) as i64;
    (newest - count..=newest)
        .map(|number| {
            let age = (t_s - number as f64 * PUFF_EVERY_S) as f32;
            let draw = |salt: u64| (mix(seed ^ (number as u64) << 8 ^ salt) >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
            let part = age / life_s as f32;
            // The wind grips it more the higher it is.
            let away = drift * age * (0.3 + 0.7 * part);
            let (sway_e, sway_n) = (draw(1) * (0.1 + 0.7 * part), draw(2) * (0.1 + 0.7 * part));
            let centre = V3::new(
                steam.at.e + away * heading.sin() + sway_e,
                steam.at.n + away * heading.cos() + sway_n,
                RISE_M_S * age * (1.0 + 0.3 * draw(3)),
            );
            // Puffs come in gusts, mix with the air and cool.
            let strength = (0.75 + 0.9 * draw(4)).clamp(0.15, 1.0);
            Puff {
                centre,
                radius: 0.14 + 0.42 * part,
                warm_k: steam.warm_k * (-2.2 * part).exp(),
                alpha: 0.6 * strength * (1.0 - part).clamp(0.0, 1.0),
            }
        })
        .collect()
}

/// Two radii of a puff hold all of it that can be seen.
const PUFF_REACH: f32 = 2.0;

pub(super) fn box_of_puffs(puffs: &[Puff], projector: &Projector) -> Option<PixelBox> {
    let mut corners = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for puff in puffs {
        let flat = projector.project(puff.centre)?;
        let r = puff.radius * PUFF_REACH * projector.f / flat.depth;
        corners = [corners[0].min(flat.x - r), corners[1].min(flat.y - r), corners[2].max(flat.x + r), corners[3].max(flat.y + r)];
    }
    (!puffs.is_empty()).then(|| PixelBox::from_corners(corners[0], corners[1], corners[2], corners[3]))
}

/// Where a plume can be seen over time.
pub(crate) fn plume_box(steam: &SteamSpec, number: usize, scene: &Scene, projector: &Projector) -> Option<PixelBox> {
    /// Thinner steam is not seen.
    const ALPHA_MIN: f32 = 0.12;
    const MOMENTS: u32 = 20;
    let moments = (0..MOMENTS).map(|moment| f64::from(moment) * scene.duration_s() / f64::from(MOMENTS));
    let mut seen: Vec<Puff> = moments.flat_map(|t_s| plume(steam, number, scene, t_s)).filter(|puff| puff.alpha > ALPHA_MIN).collect();
    for puff in &mut seen {
        puff.radius /= PUFF_REACH;
    }
    box_of_puffs(&seen, projector)
}

/// The puffs of plume number `number` of `scene` at `t_s`.
pub(super) fn plume(steam: &SteamSpec, number: usize, scene: &Scene, t_s: f64) -> Vec<Puff> {
    puffs(steam, scene.weather().wind_kmh.unwrap_or(5.0), mix(scene.seed() ^ 0x57EA ^ number as u64), t_s)
}

pub(super) fn paint_steam<S: Shader>(field: &mut [S::V], puffs: &[Puff], shader: &S, background: &Background<S::V>, rect: PixelRect) {
    let projector = &background.projector;
    let width = projector.size.width as usize;
    for puff in puffs {
        let Some(flat) = projector.project(puff.centre) else { continue };
        let radius = (puff.radius * projector.f / flat.depth).max(0.7);
        let reach = radius * PUFF_REACH;
        let bbox = PixelBox::new(flat.x - reach, flat.y - reach, 2.0 * reach, 2.0 * reach);
        let Some(inside) = PixelRect::inside(&bbox, projector.size) else { continue };
        let value = shader.steam(puff.warm_k, puff.centre);
        for y in inside.y0.max(rect.y0)..inside.y1.min(rect.y1) {
            for x in inside.x0.max(rect.x0)..inside.x1.min(rect.x1) {
                let pixel = y * width + x;
                if background.depth[pixel] > flat.depth - puff.radius {
                    let off = (x as f32 + 0.5 - flat.x).hypot(y as f32 + 0.5 - flat.y) / radius;
                    field[pixel] += (value - field[pixel]) * (puff.alpha * ((-off * off).exp() - 0.018).max(0.0));
                }
            }
        }
    }
}
