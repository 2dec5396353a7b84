//! What a visible-light camera sees at night: street lamps and sky glow in colour, or the camera's own infrared in grey.

use super::background::{Block, Face, MANHOLE_RADIUS_M, Matter};
use super::shader::{OnWall, Shader};
use super::thermal::{Front, front, glint, wet_mirror};
use super::value::Rgb;
use crate::body::{Capsule, Part};
use crate::geometry::{Projector, V2, V3};
use crate::random::{mix, value_noise};
use crate::spec::{Light, Props, StripSpec};

/// Light of a street lamp at 1 m below it; 1 falls on a pavement 5 m below.
const LAMP_POWER: f32 = 25.0;
/// The camera's infrared lamps at 1 m: 1 falls on what is 11 m away.
const IR_POWER: f32 = 120.0;
/// High-pressure sodium, and the LEDs that replace it.
const SODIUM: Rgb = Rgb([1.25, 0.80, 0.34]);
const LED: Rgb = Rgb([0.92, 1.0, 1.08]);
const GLOW: Rgb = Rgb([0.026, 0.026, 0.030]);
/// A lamp farther away than this adds nothing, metres.
const LAMP_REACH_M: f32 = 40.0;
/// A head lamp's beam on the road: light at 1 m, and how it spreads.
const BEAM_POWER: f32 = 320.0;

/// A car's lamps at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beam {
    pub(crate) at: V2,
    pub(crate) heading_deg: f32,
}

impl Beam {
    /// Light on something upright at `p`, 0 behind the car.
    pub(crate) fn on(&self, p: V2) -> f32 {
        let (sin, cos) = self.heading_deg.to_radians().sin_cos();
        let (e, n) = (p.e - self.at.e, p.n - self.at.n);
        // From the front of the car.
        let (ahead, aside) = (e * sin + n * cos - 2.1, n * sin - e * cos);
        if ahead < 0.3 {
            return 0.0;
        }
        BEAM_POWER * (-(aside / (0.55 + 0.17 * ahead)).powi(2)).exp() / (ahead * ahead + 30.0)
    }
}

pub(crate) struct Visible<'a> {
    props: &'a Props,
    seed: u64,
    strips: Vec<&'a StripSpec>,
    /// Where each lamp is and what it gives now.
    lamps: Vec<(V3, Rgb)>,
    /// The camera's eye, axis and half field of view, when its infrared burns.
    infrared: Option<(V3, V3, f32)>,
    wet: bool,
    beams: Vec<Beam>,
}

/// A limb's colour in its light, and the grain of its cloth.
#[derive(Clone, Copy)]
pub(crate) struct Cloth {
    lit: Rgb,
    seed: u64,
    grain: f32,
    /// Spots of a second colour, and how large they are.
    spots: Option<Rgb>,
}

impl<'a> Visible<'a> {
    /// `levels`: how bright each lamp of `props` burns, 0–1.
    pub(crate) fn new(projector: &Projector, props: &'a Props, seed: u64, wet: bool, light: Light, levels: &[f32]) -> Self {
        let near = |at: V2| at.distance(projector.foot) < super::RANGE_MAX_M * 1.5;
        let is_ir = light == Light::Ir;
        let lamps = props.lamps.iter().zip(levels).map(|(lamp, level)| {
            let colour = if mix(seed ^ 0x1A).is_multiple_of(2) { SODIUM } else { LED };
            // The sensor sees little of a lamp behind its infrared exposure.
            let power = LAMP_POWER * level * if is_ir { 0.25 } else { 1.0 };
            (lamp.at.up(lamp.height_m), if is_ir { Rgb::grey(power) } else { colour * power })
        });
        let axis = projector.ray(projector.size.width as f32 / 2.0, projector.size.height as f32 / 2.0);
        let half = (projector.size.width as f32 / 2.0 / projector.f).atan();
        Self {
            props,
            seed,
            strips: props.strips.iter().filter(|s| near(s.from.lerp(s.to, 0.5))).collect(),
            lamps: lamps.collect(),
            infrared: is_ir.then(|| (projector.eye(), axis, half)),
            wet,
            beams: Vec::new(),
        }
    }

    pub(crate) fn with_beams(mut self, beams: Vec<Beam>) -> Self {
        self.beams = beams;
        self
    }

    /// Light that falls on a surface at `point` whose normal is `normal`; `None`: something round.
    fn light(&self, point: V3, normal: Option<V3>) -> Rgb {
        let mut light = if self.infrared.is_some() { Rgb::grey(0.02) } else { GLOW };
        let facing =
            |e: f32, n: f32, z: f32, far: f32| normal.map_or(0.55, |normal| ((e * normal.e + n * normal.n + z * normal.z) / far).max(0.0));
        for (lamp, power) in &self.lamps {
            let (e, n, z) = (lamp.e - point.e, lamp.n - point.n, lamp.z - point.z);
            let squared = e * e + n * n + z * z;
            if squared < LAMP_REACH_M * LAMP_REACH_M && z > -0.2 {
                let far = squared.sqrt().max(0.3);
                // Lamps shine down: nothing level, all at 60° and steeper.
                let down = ((z / far) * 2.0).clamp(0.05, 1.0);
                light += *power * (down * facing(e, n, z, far) / squared.max(0.5));
            }
        }
        if let Some((eye, axis, half)) = self.infrared {
            let (e, n, z) = (eye.e - point.e, eye.n - point.n, eye.z - point.z);
            let far = (e * e + n * n + z * z).sqrt().max(0.5);
            let length = (axis.e * axis.e + axis.n * axis.n + axis.z * axis.z).sqrt();
            let off = (-(e * axis.e + n * axis.n + z * axis.z) / (far * length)).clamp(-1.0, 1.0).acos();
            // Ground far away is lit as flat as it is seen.
            let cosine = normal.map_or(0.8, |_| facing(e, n, z, far).max(0.12));
            light += Rgb::grey(IR_POWER / (far * far) * (-(off / (0.85 * half)).powi(2)).exp() * cosine.sqrt());
        }
        light
    }

    fn beams_on(&self, point: V3) -> Rgb {
        let lit: f32 = self.beams.iter().map(|beam| beam.on(V2::new(point.e, point.n))).sum();
        Rgb([1.0, 0.95, 0.85]) * (lit * if self.infrared.is_some() { 0.4 } else { 1.0 })
    }

    fn grey_when_ir(&self, colour: Rgb, ir: f32) -> Rgb {
        if self.infrared.is_some() { Rgb::grey(ir) } else { colour }
    }

    /// Part of the light that the ground sends back.
    fn albedo(&self, at: V2, depth: f32) -> Rgb {
        let fine = (14.0 / depth.max(14.0)).min(1.0);
        let noise = |scale: f32, salt: u64| value_noise(at.e * scale, at.n * scale, self.seed ^ salt);
        let grain = 1.0 + 0.12 * noise(0.3, 31) + fine * (0.16 * noise(4.0, 32) + 0.16 * noise(17.0, 33));
        let mut surface = Rgb([0.20, 0.19, 0.18]);
        let mut joints = 1.0;
        let mut on_strip = false;
        for strip in &self.strips {
            let off = strip.width_m / 2.0 - at.distance_to_segment(strip.from, strip.to);
            if off > 0.0 {
                (surface, on_strip) = (Rgb([0.085, 0.085, 0.09]), true);
                let (de, dn) = (strip.to.e - strip.from.e, strip.to.n - strip.from.n);
                let length = de.hypot(dn).max(1e-3);
                let along = ((at.e - strip.from.e) * de + (at.n - strip.from.n) * dn) / length;
                // A broken line in the middle, 2 m long every 6 m.
                if (strip.width_m / 2.0 - off) < 0.07 && strip.width_m > 4.5 && along.rem_euclid(6.0) < 2.0 {
                    surface = Rgb::grey(0.42);
                }
            } else if off > -0.16 && !on_strip {
                surface = Rgb::grey(0.30);
            }
        }
        if !on_strip {
            // Paving slabs of half a metre.
            let gap = |x: f32| (x.rem_euclid(0.5) - 0.25).abs() > 0.235;
            joints = if gap(at.e) || gap(at.n) { 1.0 - 0.3 * fine } else { 1.0 };
        }
        for manhole in &self.props.manholes {
            let inside = MANHOLE_RADIUS_M - at.distance(manhole.at);
            if inside > 0.0 {
                surface = if inside < 0.05 { Rgb::grey(0.03) } else { Rgb::grey(0.06) };
            }
        }
        // Wet ground is darker: water lets light in and not out again.
        surface * (grain * joints * if self.wet { 0.55 } else { 1.0 })
    }

    fn cloth(&self, capsule: &Capsule) -> Cloth {
        const COATS: [[f32; 3]; 9] = [
            [0.025, 0.025, 0.03],
            [0.03, 0.04, 0.10],
            [0.10, 0.10, 0.11],
            [0.32, 0.05, 0.04],
            [0.07, 0.11, 0.06],
            [0.36, 0.25, 0.13],
            [0.55, 0.54, 0.52],
            [0.62, 0.24, 0.04],
            [0.16, 0.06, 0.12],
        ];
        const QUILTS: [([f32; 3], [f32; 3]); 4] = [
            ([0.50, 0.16, 0.20], [0.62, 0.52, 0.40]),
            ([0.20, 0.28, 0.45], [0.50, 0.50, 0.52]),
            ([0.42, 0.38, 0.28], [0.25, 0.30, 0.16]),
            ([0.16, 0.18, 0.17], [0.28, 0.28, 0.26]),
        ];
        let draw = |salt: u64, choices: usize| (mix(capsule.seed ^ salt) % choices as u64) as usize;
        let part = |salt: u64| (mix(capsule.seed ^ salt) >> 40) as f32 / (1u64 << 24) as f32;
        let mut spots = None;
        let (colour, ir, grain) = match capsule.part {
            Part::Coat => (Rgb(COATS[draw(1, COATS.len())]), 0.25 + 0.5 * part(11), 0.22),
            Part::Trousers => (Rgb([0.04, 0.045, 0.07]) * (0.5 + 2.0 * part(2)), 0.2 + 0.35 * part(12), 0.16),
            Part::Shoe => (Rgb::grey(if draw(3, 4) == 0 { 0.5 } else { 0.04 }), 0.25, 0.05),
            Part::Skin => (Rgb([0.46, 0.32, 0.25]), 0.6, 0.08),
            Part::Hair if draw(4, 3) == 0 => (Rgb(COATS[draw(5, COATS.len())]), 0.5, 0.15),
            Part::Hair => (Rgb([0.02, 0.018, 0.016]), 0.22, 0.15),
            Part::Quilt => {
                let (base, spot) = QUILTS[draw(6, QUILTS.len())];
                spots = Some(self.grey_when_ir(Rgb(spot), 0.35 + 0.3 * part(16)));
                (Rgb(base), 0.45, 0.2)
            }
            Part::Foil => (Rgb([0.75, 0.66, 0.40]), 0.8, 0.8),
            Part::Fur => (Rgb([0.30, 0.22, 0.14]) * (0.12 + 1.6 * part(7)), 0.45, 0.25),
        };
        let middle = capsule.a.lerp(capsule.b, 0.5);
        let light = self.light(middle, None) + self.beams_on(middle);
        let lit = light.on(self.grey_when_ir(colour, ir));
        let salt = u64::from(capsule.a.z.to_bits() >> 12) ^ capsule.part as u64;
        Cloth { lit, seed: capsule.seed ^ salt, grain, spots: spots.map(|spots| light.on(spots)) }
    }
}

impl Shader for Visible<'_> {
    type V = Rgb;
    type Limb = Cloth;

    fn sky(&self, steep: f32) -> Rgb {
        if self.infrared.is_some() { Rgb::grey(0.004) } else { Rgb([0.030, 0.024, 0.022]) * (1.0 - 0.6 * steep.min(1.0)) }
    }

    fn ground(&self, at: V2, depth: f32, ray: V3) -> Rgb {
        let lit = self.light(at.up(0.0), Some(V3::new(0.0, 0.0, 1.0)));
        let mut seen = lit.on(self.albedo(at, depth));
        if self.wet {
            let share = self.mirrored(at, ray);
            let up = V3::new(ray.e, ray.n, -ray.z);
            let mut above = self.sky(up.z / up.e.hypot(up.n).max(1e-3));
            for (lamp, power) in &self.lamps {
                above += *power * glint(*lamp, at, up);
            }
            seen = seen * (1.0 - share) + above * share;
        }
        seen
    }

    fn wall(&self, wall: &OnWall) -> Rgb {
        let light = self.light(wall.point, Some(V3::new(wall.normal.e, wall.normal.n, 0.0)));
        match front(wall.along, wall.point.z, wall.seed) {
            Front::Masonry { is_sill } => {
                let grain = 1.0 + 0.12 * value_noise(wall.along * 1.7, wall.point.z * 1.7, wall.seed);
                let warm = (mix(wall.seed ^ 5) >> 40) as f32 / (1u64 << 24) as f32;
                let surface = Rgb([0.30 + 0.08 * warm, 0.28, 0.27 - 0.07 * warm]) * (grain * if is_sill { 0.7 } else { 1.0 });
                light.on(self.grey_when_ir(surface, 0.34 * grain))
            }
            // Few sleep with the light on.
            Front::Window { chance } if chance > 0.94 && self.infrared.is_none() => Rgb([0.50, 0.36, 0.17]),
            Front::Window { .. } => light.on(Rgb::grey(0.05)) + self.sky(0.5) * 0.15,
        }
    }

    fn block(&self, block: &Block, face: Face, point: V3) -> Rgb {
        let (sin, cos) = block.frame.heading_deg.to_radians().sin_cos();
        let up = V3::new(0.0, 0.0, 1.0);
        let normal = match face.axis {
            2 => up,
            0 => V3::new(sin, cos, 0.0),
            _ => V3::new(-cos, sin, 0.0),
        };
        // Of a side's two directions, the one that is seen is not known here: the brighter is taken.
        let other = V3::new(-normal.e, -normal.n, normal.z);
        let (a, b) = (self.light(point, Some(normal)), self.light(point, Some(other)));
        let mut light = if a.luminance() > b.luminance() { a } else { b };
        light += self.beams_on(point) * 0.3;
        let colour = match block.matter {
            Matter::HeadLamp => return Rgb([14.0, 13.5, 12.0]),
            Matter::Paint(seed) => {
                const CARS: [[f32; 3]; 6] = [
                    [0.62, 0.62, 0.62],
                    [0.03, 0.03, 0.035],
                    [0.33, 0.34, 0.36],
                    [0.30, 0.03, 0.03],
                    [0.04, 0.07, 0.20],
                    [0.50, 0.45, 0.34],
                ];
                Rgb(CARS[(seed % 6) as usize])
            }
            Matter::Glass => Rgb::grey(0.04),
            Matter::Rubber => Rgb::grey(0.025),
            Matter::Concrete => Rgb([0.34, 0.33, 0.31]),
            Matter::Wood => Rgb([0.26, 0.16, 0.09]),
            Matter::Iron => Rgb::grey(0.08),
            Matter::Door => Rgb([0.24, 0.10, 0.07]),
        };
        light.on(self.grey_when_ir(colour, colour.luminance().mul_add(0.8, 0.06)))
    }

    fn lamp(&self, number: usize) -> Option<Rgb> {
        let (_, power) = self.lamps[number];
        (power.luminance() > 0.0).then(|| power * (60.0 / LAMP_POWER))
    }

    fn stretch(&self, field: &[Rgb]) -> (f32, f32) {
        let mut sorted: Vec<f32> = field.iter().map(|pixel| pixel.luminance()).collect();
        let mut percentile = |p: f32| *sorted.select_nth_unstable_by((((field.len() - 1) as f32) * p) as usize, f32::total_cmp).1;
        // Exposure for the ground; the longest exposure of a night bounds it.
        (0.0, (percentile(0.6) / 0.13).max(percentile(0.97) * 0.55).max(0.05))
    }

    fn limb(&self, capsule: &Capsule) -> Cloth {
        self.cloth(capsule)
    }

    fn limb_at(&self, cloth: &Cloth, off: f32, k: f32) -> Rgb {
        let round = (1.0 - off * off).max(0.0).sqrt();
        let fold = cloth.grain * value_noise(k * 5.0, off * 2.5, cloth.seed);
        let colour = match cloth.spots {
            Some(spots) if value_noise(k * 2.5, off * 2.0, cloth.seed ^ 9) > 0.15 => spots,
            _ => cloth.lit,
        };
        colour * ((0.42 + 0.58 * round) * (1.0 + fold))
    }

    fn mirrored(&self, at: V2, ray: V3) -> f32 {
        // Water in visible light: 2 % straight down.
        if self.wet { wet_mirror(at, ray, 0.02, self.seed) } else { 0.0 }
    }

    fn steam(&self, _warm_k: f32, centre: V3) -> Rgb {
        (self.light(centre, None) + self.beams_on(centre)) * 0.55
    }

    fn snow_air(&self) -> Rgb {
        if self.infrared.is_some() { Rgb::grey(0.10) } else { Rgb([0.10, 0.09, 0.08]) }
    }

    fn flake(&self, away_m: f32) -> Rgb {
        // Infrared lamps are beside the lens: the nearest flakes are the brightest.
        if self.infrared.is_some() { Rgb::grey(3.0 / (0.3 + 0.25 * away_m)) } else { Rgb([0.45, 0.40, 0.33]) }
    }

    fn under_snow(&self, bare: Rgb, k: f32) -> Rgb {
        // From the albedo of stone to that of snow.
        bare * (1.0 + 3.2 * k)
    }
}
