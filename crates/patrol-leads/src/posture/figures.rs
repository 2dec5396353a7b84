//! Bodies of known size, from limbs, in the poses that a street shows.
//!
//! Proportions of a person of 1.70 m in winter clothes (`integration.md` §6.5 bounds them: upright 1.7 × 0.5 m, sitting 0.5–1.15 m high, lying
//! 1.7 × 0.45 m without the arms, curled 1.0 × 0.6 m); of a dog, parts of its length from nose to rump.

/// What a figure is, as far as a look can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Standing,
    /// On straight legs, hands at the ground: nobody stays so for minutes.
    Bent,
    /// Also who crouches: a look cannot tell, and whoever works so gets up within the ten minutes that a lead of one who sits takes.
    Sitting,
    Slumped,
    Lying,
    Curled,
    Dog,
}

/// A thick line with round ends: right, forward and up of both ends, and their radii.
pub(super) struct Limb {
    pub a: [f32; 3],
    pub b: [f32; 3],
    pub radius_a: f32,
    pub radius_b: f32,
    /// There is another one, mirrored.
    pub is_pair: bool,
}

pub(super) struct Figure {
    pub kind: Kind,
    /// How many there are of it among those that a camera shows for long, those that are down counted as if they were many: relative.
    pub weight: f32,
    /// Left and right differ: there is its mirror image, too.
    pub is_lopsided: bool,
    pub limbs: &'static [Limb],
}

/// Of every figure but dogs: its trunk from shoulders to hips.
pub(super) const TRUNK_LIMB: usize = 0;

const fn one(a: [f32; 3], b: [f32; 3], radius_a: f32, radius_b: f32) -> Limb {
    Limb { a, b, radius_a, radius_b, is_pair: false }
}

const fn pair(a: [f32; 3], b: [f32; 3], radius_a: f32, radius_b: f32) -> Limb {
    Limb { a, b, radius_a, radius_b, is_pair: true }
}

const fn head(at: [f32; 3]) -> Limb {
    one(at, at, 0.12, 0.12)
}

const STANDING: &[Limb] = &[
    pair([0.13, 0.0, 1.35], [0.10, 0.0, 0.95], 0.11, 0.13),
    pair([0.10, 0.0, 0.85], [0.11, 0.03, 0.08], 0.10, 0.07),
    pair([0.22, 0.0, 1.20], [0.22, 0.05, 0.90], 0.07, 0.06),
    head([0.0, 0.0, 1.58]),
];
const STRIDING: &[Limb] = &[
    pair([0.13, 0.0, 1.35], [0.10, 0.0, 0.95], 0.11, 0.13),
    one([0.10, 0.0, 0.85], [0.11, 0.38, 0.08], 0.10, 0.07),
    one([-0.10, 0.0, 0.85], [-0.11, -0.38, 0.08], 0.10, 0.07),
    head([0.0, 0.0, 1.58]),
];
const BENT: &[Limb] = &[
    pair([0.13, 0.28, 0.80], [0.10, -0.12, 0.90], 0.11, 0.13),
    pair([0.10, -0.12, 0.85], [0.11, 0.02, 0.08], 0.10, 0.07),
    pair([0.18, 0.28, 0.60], [0.10, 0.16, 0.22], 0.06, 0.05),
    head([0.0, 0.46, 0.70]),
];
const ON_THE_GROUND_KNEES_UP: &[Limb] = &[
    pair([0.13, -0.05, 0.60], [0.10, -0.13, 0.16], 0.11, 0.13),
    pair([0.10, -0.10, 0.14], [0.13, 0.32, 0.45], 0.10, 0.08),
    pair([0.13, 0.32, 0.45], [0.13, 0.50, 0.07], 0.08, 0.06),
    pair([0.19, -0.04, 0.60], [0.24, 0.11, 0.41], 0.08, 0.065),
    pair([0.24, 0.11, 0.41], [0.08, 0.29, 0.43], 0.065, 0.055),
    head([0.0, 0.03, 0.79]),
];
const ON_THE_GROUND_LEGS_OUT: &[Limb] = &[
    pair([0.13, -0.25, 0.60], [0.10, -0.28, 0.16], 0.11, 0.13),
    pair([0.10, -0.20, 0.13], [0.13, 0.55, 0.08], 0.10, 0.07),
    head([0.0, -0.20, 0.79]),
];
const ON_A_BENCH: &[Limb] = &[
    pair([0.13, -0.05, 1.00], [0.10, -0.13, 0.56], 0.11, 0.13),
    pair([0.10, -0.10, 0.54], [0.13, 0.32, 0.48], 0.10, 0.08),
    pair([0.13, 0.32, 0.48], [0.13, 0.38, 0.07], 0.08, 0.06),
    pair([0.22, 0.05, 0.85], [0.12, 0.26, 0.82], 0.07, 0.06),
    head([0.0, 0.03, 1.19]),
];
const ON_THE_HEELS: &[Limb] = &[
    pair([0.13, 0.03, 0.73], [0.10, -0.16, 0.36], 0.11, 0.13),
    pair([0.10, -0.15, 0.33], [0.15, 0.25, 0.47], 0.10, 0.08),
    pair([0.15, 0.25, 0.47], [0.13, 0.03, 0.07], 0.08, 0.07),
    pair([0.19, 0.03, 0.72], [0.23, 0.20, 0.52], 0.08, 0.065),
    pair([0.23, 0.20, 0.52], [0.09, 0.38, 0.32], 0.065, 0.05),
    head([0.0, 0.12, 0.92]),
];
const SLUMPED: &[Limb] = &[
    one([0.17, 0.0, 0.45], [0.0, -0.22, 0.18], 0.16, 0.16),
    pair([0.09, -0.20, 0.15], [0.12, 0.19, 0.20], 0.10, 0.08),
    pair([0.12, 0.19, 0.20], [0.13, 0.58, 0.07], 0.08, 0.06),
    one([0.35, 0.05, 0.30], [0.33, 0.25, 0.17], 0.07, 0.06),
    head([0.27, 0.14, 0.42]),
];
const ON_THE_BACK: &[Limb] = &[
    pair([0.13, 0.45, 0.13], [0.10, 0.0, 0.13], 0.11, 0.13),
    pair([0.10, -0.08, 0.13], [0.12, -0.90, 0.09], 0.10, 0.07),
    pair([0.25, 0.25, 0.10], [0.27, -0.05, 0.08], 0.07, 0.06),
    head([0.0, 0.68, 0.13]),
];
const ARMS_OUT: &[Limb] = &[
    pair([0.13, 0.45, 0.13], [0.10, 0.0, 0.13], 0.11, 0.13),
    pair([0.10, -0.08, 0.13], [0.14, -0.90, 0.09], 0.10, 0.07),
    pair([0.33, 0.25, 0.10], [0.35, -0.05, 0.08], 0.07, 0.06),
    head([0.0, 0.68, 0.13]),
];
const KNEE_OUT: &[Limb] = &[
    pair([0.13, 0.45, 0.13], [0.10, 0.0, 0.13], 0.11, 0.13),
    one([-0.10, -0.08, 0.13], [-0.13, -0.90, 0.09], 0.10, 0.07),
    one([0.10, -0.08, 0.13], [0.30, -0.38, 0.16], 0.10, 0.08),
    one([0.30, -0.38, 0.16], [0.26, -0.70, 0.09], 0.08, 0.07),
    pair([0.25, 0.25, 0.10], [0.27, -0.05, 0.08], 0.07, 0.06),
    head([0.0, 0.68, 0.13]),
];
const ON_THE_SIDE: &[Limb] = &[
    one([0.0, 0.45, 0.25], [0.0, 0.0, 0.22], 0.14, 0.14),
    one([0.0, 0.45, 0.13], [0.0, 0.0, 0.13], 0.14, 0.14),
    one([0.0, 0.0, 0.20], [0.20, -0.42, 0.20], 0.12, 0.09),
    one([0.20, -0.42, 0.15], [0.05, -0.82, 0.12], 0.09, 0.07),
    one([0.10, 0.30, 0.15], [0.25, 0.15, 0.12], 0.08, 0.06),
    head([0.0, 0.68, 0.16]),
];
const CURLED: &[Limb] = &[
    one([-0.01, 0.24, 0.17], [-0.01, -0.25, 0.17], 0.17, 0.18),
    one([0.0, -0.27, 0.18], [0.41, -0.08, 0.18], 0.14, 0.10),
    one([0.41, -0.08, 0.18], [0.27, -0.48, 0.14], 0.09, 0.07),
    one([0.20, 0.10, 0.18], [0.31, 0.27, 0.12], 0.08, 0.06),
    head([0.15, 0.42, 0.13]),
];
const DOG_STANDING: &[Limb] = &[
    one([0.0, -0.33, 0.48], [0.0, 0.18, 0.48], 0.11, 0.12),
    one([0.0, 0.18, 0.49], [0.0, 0.36, 0.63], 0.09, 0.08),
    one([0.0, 0.36, 0.63], [0.0, 0.48, 0.59], 0.06, 0.04),
    one([0.0, -0.33, 0.48], [0.0, -0.52, 0.55], 0.03, 0.02),
    pair([0.08, 0.18, 0.40], [0.08, 0.20, 0.04], 0.05, 0.03),
    pair([0.08, -0.33, 0.40], [0.08, -0.33, 0.04], 0.05, 0.03),
];
/// Legs too thin to be seen.
const DOG_WITHOUT_LEGS: &[Limb] =
    &[one([0.0, -0.33, 0.48], [0.0, 0.18, 0.48], 0.11, 0.12), one([0.0, 0.18, 0.49], [0.0, 0.45, 0.61], 0.09, 0.06)];
const DOG_SITTING: &[Limb] = &[
    one([0.0, -0.22, 0.13], [0.0, 0.04, 0.45], 0.13, 0.12),
    one([0.0, 0.04, 0.45], [0.0, 0.26, 0.61], 0.09, 0.05),
    pair([0.07, 0.08, 0.35], [0.07, 0.13, 0.04], 0.05, 0.03),
    pair([0.12, -0.18, 0.13], [0.13, 0.0, 0.05], 0.07, 0.04),
];
const DOG_LYING: &[Limb] = &[
    one([0.0, -0.34, 0.13], [0.0, 0.16, 0.15], 0.11, 0.125),
    one([0.0, 0.16, 0.17], [0.0, 0.46, 0.24], 0.09, 0.05),
    one([0.0, -0.34, 0.13], [0.12, -0.50, 0.03], 0.04, 0.02),
    pair([0.09, 0.22, 0.06], [0.08, 0.40, 0.035], 0.05, 0.03),
    pair([0.15, -0.22, 0.10], [0.16, -0.10, 0.04], 0.05, 0.03),
];
const DOG_CURLED: &[Limb] = &[
    one([0.06, -0.24, 0.12], [-0.08, 0.0, 0.14], 0.11, 0.12),
    one([-0.08, 0.0, 0.14], [0.04, 0.20, 0.13], 0.12, 0.12),
    one([0.24, 0.20, 0.11], [0.33, 0.10, 0.06], 0.08, 0.05),
    one([0.24, 0.12, 0.05], [0.24, -0.16, 0.06], 0.05, 0.05),
];

const fn even(kind: Kind, weight: f32, limbs: &'static [Limb]) -> Figure {
    Figure { kind, weight, is_lopsided: false, limbs }
}

const fn lopsided(kind: Kind, weight: f32, limbs: &'static [Limb]) -> Figure {
    Figure { kind, weight, is_lopsided: true, limbs }
}

pub(super) const FIGURES: [Figure; 18] = [
    even(Kind::Standing, 1.0, STANDING),
    even(Kind::Standing, 0.3, STRIDING),
    even(Kind::Bent, 0.2, BENT),
    even(Kind::Sitting, 0.5, ON_THE_GROUND_KNEES_UP),
    even(Kind::Sitting, 0.2, ON_THE_GROUND_LEGS_OUT),
    even(Kind::Sitting, 0.6, ON_A_BENCH),
    even(Kind::Sitting, 0.3, ON_THE_HEELS),
    lopsided(Kind::Slumped, 0.25, SLUMPED),
    even(Kind::Lying, 0.4, ON_THE_BACK),
    even(Kind::Lying, 0.4, ARMS_OUT),
    lopsided(Kind::Lying, 0.3, KNEE_OUT),
    lopsided(Kind::Lying, 0.3, ON_THE_SIDE),
    lopsided(Kind::Curled, 0.6, CURLED),
    even(Kind::Dog, 0.2, DOG_STANDING),
    even(Kind::Dog, 0.1, DOG_WITHOUT_LEGS),
    even(Kind::Dog, 0.2, DOG_SITTING),
    even(Kind::Dog, 0.15, DOG_LYING),
    lopsided(Kind::Dog, 0.1, DOG_CURLED),
];
