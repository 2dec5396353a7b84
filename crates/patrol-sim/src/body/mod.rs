//! What a person looks like: fifteen joints per posture, clothed in capsules with temperatures. Dogs and figures of shops, too.

mod cover;
mod dog;
mod poses;

use crate::geometry::{Projector, V2, V3};
use crate::random::{mix, value_noise};
use crate::spec::Cover;
use patrol_core::{PixelBox, Posture};
use poses::{ELBOW, FOOT, HAND, HEAD, HIP, Joints, KNEE, NECK, PELVIS, REFERENCE_HEIGHT_M, SHOULDER, Skeleton, still, v};

/// How a body is held while it stays in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pose {
    Stand,
    /// Bent to the ground, on straight legs.
    Bend,
    /// On the heels.
    Crouch,
    SitGround,
    SitBench,
    Slump,
    SlumpBench,
    Lie,
    Curl,
    LieUnder(Cover),
    CurlUnder(Cover),
}

impl Pose {
    pub(crate) fn posture(self) -> Posture {
        match self {
            // On his feet and at work: the word for it that a look has.
            Self::Stand | Self::Bend | Self::Crouch => Posture::Standing,
            Self::SitGround | Self::SitBench => Posture::Sitting,
            Self::Slump | Self::SlumpBench => Posture::Slumped,
            Self::Lie | Self::LieUnder(_) => Posture::Lying,
            Self::Curl | Self::CurlUnder(_) => Posture::Curled,
        }
    }

    pub(crate) fn cover(self) -> Option<Cover> {
        match self {
            Self::LieUnder(cover) | Self::CurlUnder(cover) => Some(cover),
            _ => None,
        }
    }

    /// Nobody rests in it: it is left soon.
    pub(crate) fn is_upright(self) -> bool {
        self.posture() == Posture::Standing
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Person,
    Dog,
    /// Never moves and is as warm everywhere.
    Mannequin,
}

/// What a capsule is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Coat,
    Trousers,
    Shoe,
    Skin,
    Hair,
    Quilt,
    Foil,
    Fur,
}

/// What distinguishes one person from another. Temperatures in kelvin above the air.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    pub(crate) figure: Figure,
    /// Of a dog: from nose to rump.
    pub(crate) height_m: f32,
    /// Width of trunk and limbs, 1 = average in a winter coat.
    pub(crate) girth: f32,
    pub(crate) torso_k: f32,
    pub(crate) legs_k: f32,
    pub(crate) face_k: f32,
    pub(crate) hands_k: f32,
    pub(crate) seed: u64,
}

/// Length of a step cycle (two steps) of an adult, metres.
const STRIDE_M: f32 = 1.4;

fn walking(walked_m: f32) -> Skeleton {
    let mut skeleton = still(Pose::Stand);
    let phase = walked_m / STRIDE_M * std::f32::consts::TAU;
    for side in 0..2 {
        let swing = (phase + side as f32 * std::f32::consts::PI).sin();
        let lift = (phase + side as f32 * std::f32::consts::PI).cos().max(0.0);
        let (leg, bend) = (0.45 * swing, 0.12 + 0.75 * lift);
        let joints = &mut skeleton.joints;
        joints[KNEE + side] = joints[HIP + side].plus(v(0.0, leg.sin(), -leg.cos()), 0.43);
        joints[FOOT + side] = joints[KNEE + side].plus(v(0.0, (leg - bend).sin(), -(leg - bend).cos()), 0.43);
        let arm = -0.42 * swing;
        joints[ELBOW + side] = joints[SHOULDER + side].plus(v(0.0, arm.sin(), -arm.cos()), 0.28);
        joints[ELBOW + side].e *= 1.25;
        joints[HAND + side] = joints[ELBOW + side].plus(v(0.0, (arm + 0.35).sin(), -(arm + 0.35).cos()), 0.25);
    }
    skeleton
}

fn blended(from: &Skeleton, to: &Skeleton, k: f32) -> Skeleton {
    let mut joints = from.joints;
    for (joint, to) in joints.iter_mut().zip(&to.joints) {
        *joint = joint.lerp(*to, k);
    }
    Skeleton { joints, face: from.face.lerp(to.face, k) }
}

/// Limbs differ between people and, a little, with time: breath, sway, a hand that moves now and then.
fn alive(skeleton: &mut Skeleton, pose: Pose, build: &Build, t_s: f32) {
    let joints = &mut skeleton.joints;
    let habit = |k: u64| value_noise(k as f32 + 0.5, 0.5, mix(build.seed ^ k));
    let slow = |k: u64, period_s: f32| value_noise(t_s / period_s, k as f32 * 7.0, build.seed);
    match pose {
        Pose::Stand => {
            let (lean, sway) = (0.02 * slow(1, 3.0), 0.02 * slow(2, 4.0));
            for joint in joints.iter_mut() {
                let high = joint.z / 1.6;
                *joint = joint.plus(v(sway, lean, 0.0), high);
            }
            // Weight goes from leg to leg every half minute or so; the head looks about.
            let shift = 0.07 * (slow(3, 18.0) * 3.0).clamp(-1.0, 1.0);
            for joint in &mut joints[..HIP + 2] {
                joint.e += shift;
            }
            let look = 1.1 * slow(4, 9.0);
            skeleton.face = v(look.sin(), look.cos(), -0.1);
        }
        Pose::Lie | Pose::LieUnder(_) => {
            for side in 0..2 {
                let out = if side == 0 { -1.0 } else { 1.0 };
                let splay = 0.5 + 0.5 * habit(side as u64);
                if habit(10 + side as u64) > 0.45 {
                    joints[ELBOW + side] = v(out * 0.40, 0.52, 0.10);
                    joints[HAND + side] = v(out * 0.34, 0.76, 0.08);
                } else {
                    joints[ELBOW + side].e += out * 0.10 * splay;
                    joints[HAND + side].e += out * 0.16 * splay;
                }
                let bend = 0.16 * habit(20 + side as u64).max(0.0);
                joints[KNEE + side].e += out * bend;
                joints[FOOT + side].n += bend;
                joints[HAND + side].n += 0.02 * (slow(5 + side as u64, 11.0) * 3.0).clamp(-1.0, 1.0);
            }
        }
        Pose::SitGround | Pose::SitBench => {
            joints[HEAD].e += 0.02 * slow(6, 6.0);
            joints[HAND].z += 0.03 * slow(7, 8.0);
            let look = 0.6 * slow(8, 12.0);
            skeleton.face = v(look.sin(), look.cos(), -0.3);
        }
        Pose::Slump | Pose::SlumpBench | Pose::Curl | Pose::CurlUnder(_) => {
            joints[HEAD].n += 0.01 * slow(9, 7.0);
        }
        Pose::Bend => {
            joints[HAND].z += 0.03 * slow(11, 1.2);
            joints[HAND + 1].e += 0.05 * slow(12, 0.9);
            for joint in &mut joints[..HIP] {
                joint.z += 0.03 * slow(13, 2.5);
            }
        }
        Pose::Crouch => {
            // A short broom goes from side to side.
            let stroke = 0.22 * (std::f32::consts::TAU * t_s / 1.6 + (build.seed % 7) as f32).sin();
            for hand in [HAND, HAND + 1] {
                joints[hand].e += stroke;
            }
            for elbow in [ELBOW, ELBOW + 1] {
                joints[elbow].e += stroke * 0.4;
            }
            joints[HEAD].e += stroke * 0.15;
        }
    }
}

/// What a body does at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Doing {
    Walking {
        walked_m: f32,
    },
    Holding {
        pose: Pose,
    },
    /// `k` runs from 0 to 1.
    Changing {
        from: Pose,
        to: Pose,
        k: f32,
    },
}

/// A thick line with round ends; one end may be thicker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capsule {
    pub(crate) a: V3,
    pub(crate) b: V3,
    pub(crate) radius_a: f32,
    pub(crate) radius_b: f32,
    /// Kelvin above the air at its middle line.
    pub(crate) warm_k: f32,
    pub(crate) part: Part,
    /// Tells one person's clothes from another's.
    pub(crate) seed: u64,
}

/// Rate of quiet breathing, Hz.
const BREATH_HZ: f32 = 0.25;

/// The capsules of a person at `at`, turned to compass `facing_deg`; lying people point there with their heads.
pub(crate) fn capsules(build: &Build, doing: Doing, at: V2, facing_deg: f32, t_s: f64) -> Vec<Capsule> {
    // Seconds are folded so that f32 noise keeps its resolution over a day.
    let t = if build.figure == Figure::Mannequin { 0.0 } else { (t_s % 7200.0) as f32 };
    if build.figure == Figure::Dog {
        return dog::capsules(build, doing, at, facing_deg, t);
    }
    let held = |pose: Pose| {
        let mut skeleton = still(pose);
        alive(&mut skeleton, pose, build, t);
        skeleton
    };
    let skeleton = match doing {
        Doing::Walking { walked_m } => walking(walked_m),
        Doing::Holding { pose } => held(pose),
        Doing::Changing { from, to, k } => {
            // Between standing and lying a body passes through sitting.
            let ease = k * k * (3.0 - 2.0 * k);
            let low = |pose: Pose| pose.posture().is_down() && pose != Pose::SlumpBench;
            if (low(from) && to == Pose::Stand) || (low(to) && from == Pose::Stand) {
                let middle = held(Pose::SitGround);
                if ease < 0.5 { blended(&held(from), &middle, ease * 2.0) } else { blended(&middle, &held(to), ease * 2.0 - 1.0) }
            } else {
                blended(&held(from), &held(to), ease)
            }
        }
    };
    let scale = build.height_m / REFERENCE_HEIGHT_M;
    let (sin, cos) = facing_deg.to_radians().sin_cos();
    let turned = |p: V3| v(p.n * sin + p.e * cos, p.n * cos - p.e * sin, p.z);
    let joints = skeleton.joints.map(|joint| {
        let p = turned(joint);
        V3::new(at.e + p.e * scale, at.n + p.n * scale, p.z * scale)
    });
    let mut body = clothe(build, &joints, turned(skeleton.face), scale, t);
    let covered = match doing {
        Doing::Holding { pose } => pose.cover(),
        // Pulled up at the end, thrown off at the beginning.
        Doing::Changing { to, k, .. } if k > 0.7 => to.cover(),
        Doing::Changing { from, k, .. } if k < 0.3 => from.cover(),
        _ => None,
    };
    if let Some(cover) = covered {
        cover::lay(cover, build, &joints, &mut body);
    }
    body
}

fn clothe(build: &Build, joints: &Joints, face: V3, scale: f32, t: f32) -> Vec<Capsule> {
    let breath = 1.0 + 0.025 * (std::f32::consts::TAU * (BREATH_HZ * t + (build.seed % 64) as f32 / 64.0)).sin();
    let wide = scale * build.girth;
    let mut out = Vec::with_capacity(20);
    let seed = build.seed;
    let mut limb = |part: Part, a: V3, b: V3, radius_a: f32, radius_b: f32, warm_k: f32| {
        out.push(Capsule { a, b, radius_a, radius_b, warm_k, part, seed });
    };
    limb(Part::Coat, joints[NECK], joints[PELVIS], 0.12 * wide * breath, 0.14 * wide, build.torso_k);
    for side in 0..2 {
        let at = |joint: usize| joints[joint + side];
        limb(Part::Coat, at(SHOULDER), at(HIP), 0.085 * wide * breath, 0.11 * wide, build.torso_k * 0.95);
        limb(Part::Coat, at(SHOULDER), at(ELBOW), 0.075 * wide, 0.06 * wide, build.torso_k * 0.85);
        limb(Part::Coat, at(ELBOW), at(HAND), 0.06 * wide, 0.05 * wide, build.torso_k * 0.8);
        limb(Part::Trousers, at(HIP), at(KNEE), 0.10 * wide, 0.075 * wide, build.legs_k);
        limb(Part::Trousers, at(KNEE), at(FOOT), 0.07 * wide, 0.05 * wide, build.legs_k * 0.85);
        limb(Part::Shoe, at(FOOT), at(FOOT), 0.065 * scale, 0.065 * scale, build.legs_k * 0.6);
        limb(Part::Skin, at(HAND), at(HAND), 0.045 * scale, 0.045 * scale, build.hands_k);
    }
    // The open collar lets warm air out. A figure of a shop has none.
    let (collar_k, scalp_k) = if build.figure == Figure::Mannequin { (0.0, 0.0) } else { (2.5, 1.5) };
    limb(Part::Coat, joints[NECK], joints[HEAD], 0.055 * scale, 0.055 * scale, build.torso_k + collar_k);
    limb(Part::Hair, joints[HEAD], joints[HEAD], 0.115 * scale, 0.115 * scale, build.torso_k + scalp_k);
    let length = (face.e * face.e + face.n * face.n + face.z * face.z).sqrt().max(1e-6);
    let front = joints[HEAD].plus(face, 0.055 * scale / length);
    limb(Part::Skin, front, front, 0.078 * scale, 0.078 * scale, build.face_k);
    out
}

/// The box around the capsules in a picture, not clipped; `None` when part of them is behind the lens.
pub(crate) fn box_of(capsules: &[Capsule], projector: &Projector) -> Option<PixelBox> {
    let mut corners = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for capsule in capsules {
        for (end, radius) in [(capsule.a, capsule.radius_a), (capsule.b, capsule.radius_b)] {
            let flat = projector.project(end)?;
            let r = radius * projector.f / flat.depth;
            corners = [corners[0].min(flat.x - r), corners[1].min(flat.y - r), corners[2].max(flat.x + r), corners[3].max(flat.y + r)];
        }
    }
    Some(PixelBox::from_corners(corners[0], corners[1], corners[2], corners[3]))
}
