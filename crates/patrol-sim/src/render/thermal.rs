//! What a microbolometer sees: kelvin above the air.

use super::background::{Block, Face, LAMP_K, MANHOLE_RADIUS_M};
use super::shader::{OnWall, Shader};
use crate::body::Capsule;
use crate::geometry::{Projector, V2, V3};
use crate::random::{mix, value_noise};
use crate::spec::{Props, StripSpec};

/// How much cooler the rim of a limb is than its middle line: it is seen at a grazing angle and loses more heat.
const RIM_LOSS: f32 = 0.25;
/// Fresh snow is as cold as the air and radiates to the sky, kelvin above the air.
const SNOW_K: f32 = -0.9;
/// Falling snow has the temperature of the air a little higher up.
const FLAKES_K: f32 = -0.8;

pub(crate) struct Thermal<'a> {
    props: &'a Props,
    seed: u64,
    strips: Vec<&'a StripSpec>,
    wet: bool,
}

impl<'a> Thermal<'a> {
    pub(crate) fn new(projector: &Projector, props: &'a Props, seed: u64, wet: bool) -> Self {
        let near = |at: V2| at.distance(projector.foot) < super::RANGE_MAX_M * 1.5;
        Self { props, seed, strips: props.strips.iter().filter(|s| near(s.from.lerp(s.to, 0.5))).collect(), wet }
    }

    fn dry_k(&self, at: V2, depth: f32) -> f32 {
        // Fine grain fades with distance, as a pixel covers more ground.
        let fine = (12.0 / depth.max(12.0)).min(1.0);
        let coarse = (45.0 / depth.max(45.0)).min(1.0);
        let noise = |scale: f32, salt: u64| coarse * value_noise(at.e * scale, at.n * scale, self.seed ^ salt);
        let mut warm_k = -0.3 + 0.25 * noise(0.11, 11) + 0.18 * noise(0.6, 12) + fine * 0.12 * noise(2.9, 13);
        // Old snow lies in patches.
        let snow = noise(0.16, 14) + 0.35 * noise(0.7, 15) - 0.45;
        let mut snow_k = -1.4 * coarse * coarse * (snow * 6.0).clamp(0.0, 1.0);
        for strip in &self.strips {
            let off = strip.width_m / 2.0 - at.distance_to_segment(strip.from, strip.to);
            if off > 0.0 {
                warm_k += strip.warm_k * (off * 3.0).min(1.0);
                snow_k *= (1.0 - off).clamp(0.0, 1.0);
            } else if off > -0.16 {
                warm_k -= 0.7;
            }
        }
        for manhole in &self.props.manholes {
            let inside = MANHOLE_RADIUS_M - at.distance(manhole.at);
            warm_k += manhole.warm_k * (inside * 20.0 + 0.5).clamp(0.0, 1.0);
        }
        if self.wet {
            // Rain has washed the snow away, and water evens out what is below it.
            return warm_k * 0.6 - 0.3;
        }
        warm_k + snow_k
    }

    /// What stands over wet ground, seen from below: walls, lamps, the sky.
    fn above_k(&self, at: V2, ray: V3) -> f32 {
        // Ripples and grain spread what is mirrored, far more upright than sideways.
        // Far away a pixel holds many ripples.
        let near = (-ray.z / ray.e.hypot(ray.n).max(1e-3) / 0.2).min(1.0);
        let ripple = |salt: u64| near * near * value_noise(at.e * 6.0, at.n * 6.0, self.seed ^ salt);
        let up = V3::new(ray.e + 0.02 * ripple(23), ray.n + 0.02 * ripple(24), -ray.z * (1.0 + 0.25 * ripple(25)));
        let sky_k = self.sky(up.z / up.e.hypot(up.n).max(1e-3));
        let mut nearest = (f32::MAX, sky_k);
        for (number, wall) in self.props.walls.iter().enumerate() {
            if let Some((far, along, z)) = wall_hit(wall.from, wall.to, wall.height_m, at, up)
                && far < nearest.0
            {
                nearest = (far, facade(along, z, mix(self.seed ^ number as u64)));
            }
        }
        for lamp in self.props.lamps.iter().filter(|lamp| lamp.flicker_every_s.is_none()) {
            nearest.1 += LAMP_K * glint(lamp.at.up(lamp.height_m), at, up);
        }
        nearest.1
    }
}

/// How near the mirrored ray `up` from `at` passes by a lamp, 1 to 0: ripples draw it out upright.
pub(super) fn glint(lamp: V3, at: V2, up: V3) -> f32 {
    let (e, n) = (lamp.e - at.e, lamp.n - at.n);
    let (level, away) = (up.e.hypot(up.n).max(1e-6), e.hypot(n));
    let across = (e * up.n - n * up.e) / level;
    let ahead = (e * up.e + n * up.n) / level;
    if ahead <= 0.0 {
        return 0.0;
    }
    let miss_z = ahead * up.z / level - lamp.z;
    (-(across / (0.10 + 0.008 * away)).powi(2) - (miss_z / (0.25 + 0.07 * away)).powi(2)).exp() * 0.45
}

/// Level distance, place along the wall and height where the ray `up` from the ground at `at` meets a wall.
pub(super) fn wall_hit(a: V2, b: V2, height_m: f32, at: V2, up: V3) -> Option<(f32, f32, f32)> {
    let (de, dn) = (b.e - a.e, b.n - a.n);
    let length = de.hypot(dn).max(1e-3);
    let far = ((a.e - at.e) * dn - (a.n - at.n) * de) / (up.e * dn - up.n * de);
    if !(far > 0.01 && far.is_finite()) {
        return None;
    }
    let point = at.up(0.0).plus(up, far);
    let along = ((point.e - a.e) * de + (point.n - a.n) * dn) / length;
    ((0.0..=length).contains(&along) && point.z <= height_m).then_some((far * up.e.hypot(up.n), along, point.z))
}

/// How much a ray over water is thrown back (Schlick's approximation), times how wet the ground is at `at`.
pub(super) fn wet_mirror(at: V2, ray: V3, r0: f32, seed: u64) -> f32 {
    let cosine = (-ray.z / (ray.e * ray.e + ray.n * ray.n + ray.z * ray.z).sqrt()).clamp(0.0, 1.0);
    let share = r0 + (1.0 - r0) * (1.0 - cosine).powi(5);
    // Far away puddles are smaller than pixels.
    let near = (cosine / 0.12).min(1.0);
    let puddles = near * near * puddles_at(at, seed);
    // Between puddles, asphalt breaks the film of water.
    share * (0.45 + 0.6 * puddles).clamp(0.15, 0.9)
}

fn puddles_at(at: V2, seed: u64) -> f32 {
    value_noise(at.e * 0.45, at.n * 0.45, seed ^ 0x21) + 0.5 * value_noise(at.e * 1.7, at.n * 1.7, seed ^ 0x22)
}

impl Shader for Thermal<'_> {
    type V = f32;
    type Limb = f32;

    fn sky(&self, steep: f32) -> f32 {
        // Clear winter sky: coldest overhead, towards the horizon more and more air. Clouds of a wet night are warmer.
        let cold_k = if self.wet { 5.0 } else { 9.0 };
        -4.0 - cold_k * (steep * 4.0).min(1.0)
    }

    fn ground(&self, at: V2, depth: f32, ray: V3) -> f32 {
        let dry_k = self.dry_k(at, depth);
        if !self.wet {
            return dry_k;
        }
        let share = self.mirrored(at, ray);
        dry_k + (self.above_k(at, ray) - dry_k) * share
    }

    fn wall(&self, wall: &OnWall) -> f32 {
        facade(wall.along, wall.point.z, wall.seed)
    }

    fn block(&self, block: &Block, face: Face, _point: V3) -> f32 {
        // Lower parts of a side see the ground, upper parts the cold sky.
        if face.axis == 2 { block.top_k } else { block.side_k - 0.5 * face.high }
    }

    fn lamp(&self, number: usize) -> Option<f32> {
        self.props.lamps[number].flicker_every_s.is_none().then_some(LAMP_K)
    }

    fn stretch(&self, field: &[f32]) -> (f32, f32) {
        let mut sorted = field.to_vec();
        let mut percentile = |p: f32| *sorted.select_nth_unstable_by((((field.len() - 1) as f32) * p) as usize, f32::total_cmp).1;
        // White is never nearer to the air than faces are warm: cameras bound their gain so that an empty street is not stretched into noise.
        (percentile(0.01).max(-9.0) - 0.7, percentile(0.995).clamp(7.5, 10.0))
    }

    fn limb(&self, capsule: &Capsule) -> f32 {
        capsule.warm_k
    }

    fn limb_at(&self, warm_k: &f32, off: f32, _k: f32) -> f32 {
        warm_k * (1.0 - RIM_LOSS * off * off)
    }

    fn mirrored(&self, at: V2, ray: V3) -> f32 {
        // Water at 10 µm: refractive index 1.2, little of a steep ray comes back.
        if self.wet { wet_mirror(at, ray, 0.012, self.seed) } else { 0.0 }
    }

    fn steam(&self, warm_k: f32, _centre: V3) -> f32 {
        warm_k
    }

    fn snow_air(&self) -> f32 {
        FLAKES_K
    }

    fn flake(&self, _away_m: f32) -> f32 {
        // Between the air and the cold sky that it mirrors.
        FLAKES_K - 1.4
    }

    fn under_snow(&self, bare: f32, k: f32) -> f32 {
        // Lamps' and covers' warmth melts what falls on it.
        let k = if bare > 2.0 { 0.0 } else { k };
        bare + (SNOW_K - bare) * k
    }
}

/// What a point of a building front is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Front {
    /// A sill, when `is_sill`: the lowest part of a storey.
    Masonry { is_sill: bool },
    /// `chance`, 0–1, tells lit and leaking ones from others.
    Window { chance: f32 },
}

pub(super) fn front(along: f32, z: f32, seed: u64) -> Front {
    const STOREY_M: f32 = 3.2;
    const BAY_M: f32 = 2.6;
    let (bay, storey) = ((along / BAY_M).floor(), (z / STOREY_M).floor());
    let (u, w) = (along - bay * BAY_M, z - storey * STOREY_M);
    let opening = if storey < 1.0 {
        (0.35..2.25).contains(&u) && (0.5..2.3).contains(&w)
    } else {
        (0.7..1.9).contains(&u) && (0.9..2.3).contains(&w)
    };
    if !opening {
        return Front::Masonry { is_sill: w < 0.15 };
    }
    let key = mix(seed ^ (bay as i64 as u64) << 20 ^ storey as i64 as u64);
    Front::Window { chance: (key >> 40) as f32 / (1u64 << 24) as f32 }
}

/// Masonry holds the day's warmth, windows leak a little, glass that does not reflects the sky.
fn facade(along: f32, z: f32, seed: u64) -> f32 {
    let grain = 0.15 * value_noise(along * 1.7, z * 1.7, seed) + 0.3 * value_noise(along * 0.2, z * 0.2, seed ^ 1);
    let masonry = 1.0 - 0.05 * z + grain;
    match front(along, z, seed) {
        Front::Masonry { is_sill } => masonry - if is_sill { 0.5 } else { 0.0 },
        Front::Window { chance } if chance > 0.62 => masonry + 0.4 + 2.0 * (chance - 0.62),
        Front::Window { chance } => masonry - 0.9 - 1.2 * chance,
    }
}
