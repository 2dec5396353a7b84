//! A dog: a barrel on four legs, with a warm muzzle. Proportions of a middling mongrel, as parts of its length from nose to rump.

use super::{Build, Capsule, Doing, Part, Pose};
use crate::geometry::{V2, V3};
use crate::random::value_noise;

/// Length of a step cycle in lengths of the dog.
const STRIDE: f32 = 0.9;

pub(super) fn capsules(build: &Build, doing: Doing, at: V2, facing_deg: f32, t: f32) -> Vec<Capsule> {
    let length = build.height_m;
    let mut points = match doing {
        Doing::Walking { walked_m } => walking(walked_m / length),
        Doing::Holding { pose } => held(pose),
        Doing::Changing { from, to, k } => {
            let (mut from, to) = (held(from), held(to));
            from.iter_mut().zip(to).for_each(|(from, to)| *from = from.lerp(to, k));
            from
        }
    };
    // The head looks about and the tail wags now and then.
    let slow = |k: f32, period_s: f32| value_noise(t / period_s, k, build.seed);
    points[MUZZLE].e += 0.09 * slow(1.0, 5.0);
    points[HEAD].e += 0.03 * slow(1.0, 5.0);
    points[TAIL].e += 0.12 * slow(2.0, 0.7) * slow(3.0, 9.0).max(0.0);
    let (sin, cos) = facing_deg.to_radians().sin_cos();
    let place = |p: V3| {
        let (e, n) = (p.e * length, p.n * length);
        V3::new(at.e + n * sin + e * cos, at.n + n * cos - e * sin, p.z * length)
    };
    let p = points.map(place);
    let mut out = Vec::with_capacity(14);
    let mut limb = |a: usize, b: usize, radius_a: f32, radius_b: f32, warmer_k: f32, part: Part| {
        let warm_k = build.torso_k + warmer_k;
        out.push(Capsule { a: p[a], b: p[b], radius_a: radius_a * length, radius_b: radius_b * length, warm_k, part, seed: build.seed });
    };
    limb(RUMP, MIDDLE, 0.105, 0.115, 0.0, Part::Fur);
    limb(MIDDLE, CHEST, 0.115, 0.125, 0.6, Part::Fur);
    limb(CHEST, HEAD, 0.085, 0.075, 0.6, Part::Fur);
    limb(HEAD, HEAD, 0.082, 0.082, 1.6, Part::Fur);
    limb(HEAD, MUZZLE, 0.05, 0.036, 4.0, Part::Fur);
    limb(RUMP, TAIL, 0.03, 0.02, -1.0, Part::Fur);
    for leg in 0..4 {
        let hip = if leg < 2 { CHEST } else { RUMP };
        limb(hip, KNEES + leg, 0.05, 0.04, 0.2, Part::Fur);
        limb(KNEES + leg, FEET + leg, 0.036, 0.03, -0.6, Part::Fur);
    }
    out
}

/// Rump, middle, chest, head, muzzle, tip of the tail, four knees and four feet: front left, front right, hind left, hind right.
type Points = [V3; 14];
const RUMP: usize = 0;
const MIDDLE: usize = 1;
const CHEST: usize = 2;
const HEAD: usize = 3;
const MUZZLE: usize = 4;
const TAIL: usize = 5;
const KNEES: usize = 6;
const FEET: usize = 10;

const fn v(x: f32, y: f32, z: f32) -> V3 {
    V3::new(x, y, z)
}

fn legs(front: (V3, V3), hind: (V3, V3), body: [V3; 6]) -> Points {
    let left = |p: V3| V3::new(-p.e, p.n, p.z);
    let [rump, middle, chest, head, muzzle, tail] = body;
    let knees = [left(front.0), front.0, left(hind.0), hind.0];
    let feet = [left(front.1), front.1, left(hind.1), hind.1];
    [rump, middle, chest, head, muzzle, tail, knees[0], knees[1], knees[2], knees[3], feet[0], feet[1], feet[2], feet[3]]
}

fn held(pose: Pose) -> Points {
    match pose.posture() {
        patrol_core::Posture::Lying => legs(
            (v(0.09, 0.22, 0.06), v(0.08, 0.40, 0.035)),
            (v(0.15, -0.22, 0.10), v(0.16, -0.10, 0.035)),
            [v(0.0, -0.34, 0.13), v(0.02, -0.10, 0.14), v(0.0, 0.16, 0.16), v(0.0, 0.33, 0.28), v(0.0, 0.48, 0.23), v(0.12, -0.50, 0.03)],
        ),
        patrol_core::Posture::Curled => legs(
            (v(0.22, 0.12, 0.05), v(0.30, 0.0, 0.035)),
            (v(0.24, -0.16, 0.06), v(0.32, -0.06, 0.035)),
            [
                v(0.06, -0.24, 0.12),
                v(-0.08, 0.0, 0.14),
                v(0.04, 0.20, 0.13),
                v(0.24, 0.20, 0.11),
                v(0.33, 0.10, 0.06),
                v(0.34, -0.18, 0.04),
            ],
        ),
        patrol_core::Posture::Sitting => legs(
            (v(0.07, 0.10, 0.24), v(0.07, 0.13, 0.035)),
            (v(0.13, -0.08, 0.16), v(0.13, 0.0, 0.035)),
            [v(0.0, -0.24, 0.13), v(0.0, -0.10, 0.28), v(0.0, 0.04, 0.45), v(0.0, 0.14, 0.63), v(0.0, 0.28, 0.60), v(0.10, -0.44, 0.04)],
        ),
        _ => legs(
            (v(0.08, 0.18, 0.24), v(0.08, 0.20, 0.035)),
            (v(0.08, -0.36, 0.25), v(0.08, -0.34, 0.035)),
            [v(0.0, -0.33, 0.48), v(0.0, -0.08, 0.46), v(0.0, 0.18, 0.49), v(0.0, 0.36, 0.64), v(0.0, 0.50, 0.58), v(0.0, -0.52, 0.56)],
        ),
    }
}

fn walking(walked: f32) -> Points {
    let mut points = held(Pose::Stand);
    for leg in 0..4 {
        // Diagonal legs swing together, as in a trot.
        let phase = walked / STRIDE * std::f32::consts::TAU + if leg == 0 || leg == 3 { 0.0 } else { std::f32::consts::PI };
        let (swing, lift) = (0.17 * phase.sin(), 0.06 * phase.cos().max(0.0));
        points[KNEES + leg].n += swing * 0.5;
        points[FEET + leg].n += swing;
        points[FEET + leg].z += lift;
    }
    points
}
