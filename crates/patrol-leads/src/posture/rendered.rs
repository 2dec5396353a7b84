//! For tests: figures of head, trunk and limbs, photographed by a thermal camera that blurs and makes noise, and segmented by a threshold.
//! Knows nothing of the capsules of `shape.rs` nor of the axes that `blob.rs` expects.

use super::dice::Dice;
use patrol_core::{Blob, CameraView, GroundPoint, PictureSize, PixelBox, PixelPoint};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pose {
    Standing,
    Walking,
    /// On the ground, knees up.
    Sitting,
    Bench,
    /// On the heels, arms ahead.
    Crouching,
    /// To the ground, on straight legs.
    Bending,
    Lying,
    Curled,
    DogStanding,
    DogSitting,
    DogLying,
    DogCurled,
}

impl Pose {
    pub(super) fn is_dog(self) -> bool {
        self >= Self::DogStanding
    }
}

/// A limb: right, forward and up of both ends, their radii, and warmth against the trunk.
type Limb = ([f32; 3], [f32; 3], f32, f32, f32);

/// A person of 1.70 m, or a dog of 1 m; no two alike.
fn limbs(pose: Pose, dice: &mut Dice) -> Vec<Limb> {
    let (face, legs, arms) = (dice.between(1.1, 1.6), dice.between(0.6, 0.9), dice.between(0.7, 1.0));
    let mut out: Vec<Limb> = Vec::with_capacity(12);
    match pose {
        Pose::Standing | Pose::Walking | Pose::Lying => {
            let stride = if pose == Pose::Walking { dice.between(-0.38, 0.38) } else { 0.0 };
            let (splay, bent) = (dice.between(0.0, 0.12), dice.between(0.0, 0.35));
            for (side, swing) in [(-1.0, stride), (1.0, -stride)] {
                let knee = [side * (0.10 + splay / 2.0), swing / 2.0 + 0.03, 0.50];
                out.push(([side * 0.09, 0.0, 0.92], knee, 0.10, 0.08, legs));
                out.push((knee, [side * (0.11 + splay), swing, 0.06], 0.08, 0.065, legs * 0.85));
                out.push(([side * 0.18, 0.0, 1.37], [side * 0.24, -swing / 3.0, 1.10], 0.08, 0.065, arms));
                out.push(([side * 0.24, -swing / 3.0, 1.10], [side * 0.22, 0.08 - swing * 0.7, 0.88], 0.065, 0.055, arms * 0.9));
                out.push(([side * 0.15, 0.0, 1.38], [side * 0.08, 0.0, 0.95], 0.095, 0.12, 1.0));
            }
            out.push(([0.0, 0.0, 1.42], [0.0, 0.02, 1.60], 0.07, 0.105, face));
            if pose == Pose::Lying {
                // On the back, head forward; one knee perhaps drawn up sideways.
                for (a, b, ..) in &mut out {
                    for joint in [a, b] {
                        let drawn = if joint[0] > 0.0 && joint[2] < 0.6 { bent * (0.6 - joint[2]) / 0.6 } else { 0.0 };
                        *joint = [joint[0] + drawn, joint[2] - 0.85 + drawn, 0.14 + joint[1]];
                    }
                }
            }
        }
        Pose::Sitting | Pose::Bench => {
            let seat = if pose == Pose::Bench { 0.40 } else { 0.0 };
            let (knee_y, foot_y) = if pose == Pose::Bench { (0.34, 0.38) } else { (dice.between(0.25, 0.36), dice.between(0.42, 0.62)) };
            let knee_z = if pose == Pose::Bench { 0.50 } else { (0.62 - foot_y) + 0.22 };
            for side in [-1.0, 1.0] {
                let knee = [side * 0.13, knee_y, knee_z];
                out.push(([side * 0.09, -0.12, seat + 0.14], knee, 0.10, 0.08, legs));
                out.push((knee, [side * 0.13, foot_y, 0.06], 0.08, 0.065, legs * 0.85));
                out.push(([side * 0.18, -0.05, seat + 0.60], [side * 0.23, 0.10, seat + 0.40], 0.08, 0.065, arms));
                out.push(([side * 0.23, 0.10, seat + 0.40], [side * 0.08, 0.28, seat + 0.40], 0.065, 0.055, arms * 0.9));
                out.push(([side * 0.15, -0.05, seat + 0.60], [side * 0.08, -0.14, seat + 0.16], 0.095, 0.12, 1.0));
            }
            out.push(([0.0, -0.04, seat + 0.64], [0.0, 0.05, seat + 0.80], 0.07, 0.105, face));
        }
        Pose::Crouching => {
            let (reach, aside) = (dice.between(0.30, 0.45), dice.between(-0.2, 0.2));
            for side in [-1.0, 1.0] {
                let knee = [side * 0.16, 0.27, 0.46];
                out.push(([side * 0.09, -0.16, 0.33], knee, 0.10, 0.08, legs));
                out.push((knee, [side * 0.13, 0.03, 0.06], 0.08, 0.065, legs * 0.85));
                out.push(([side * 0.18, 0.03, 0.72], [side * 0.23 + aside / 2.0, 0.20, 0.52], 0.08, 0.065, arms));
                out.push(([side * 0.23 + aside / 2.0, 0.20, 0.52], [side * 0.10 + aside, reach, 0.32], 0.065, 0.055, arms * 0.9));
                out.push(([side * 0.15, 0.03, 0.73], [side * 0.08, -0.17, 0.36], 0.095, 0.12, 1.0));
            }
            out.push(([0.0, 0.04, 0.78], [0.0, 0.14, 0.92], 0.07, 0.105, face));
        }
        Pose::Bending => {
            let low = dice.between(-0.1, 0.1);
            for side in [-1.0, 1.0] {
                out.push(([side * 0.09, -0.13, 0.87], [side * 0.10, 0.0, 0.49], 0.10, 0.08, legs));
                out.push(([side * 0.10, 0.0, 0.49], [side * 0.11, 0.04, 0.06], 0.08, 0.065, legs * 0.85));
                out.push(([side * 0.17, 0.28, 0.80 + low], [side * 0.19, 0.28, 0.52 + low], 0.08, 0.065, arms));
                out.push(([side * 0.19, 0.28, 0.52 + low], [side * 0.10, 0.17, 0.23 + low], 0.065, 0.055, arms * 0.9));
                out.push(([side * 0.15, 0.29, 0.81 + low], [side * 0.08, -0.14, 0.90], 0.095, 0.12, 1.0));
            }
            out.push(([0.0, 0.32, 0.80 + low], [0.0, 0.46, 0.70 + low], 0.07, 0.105, face));
        }
        // Parts of a dog's length; legs are furry and as warm as the trunk.
        Pose::DogStanding | Pose::DogSitting => {
            let (rump, chest, nose) = if pose == Pose::DogStanding {
                ([0.0, -0.33, 0.48], [0.0, 0.18, 0.49], [0.0, 0.45, 0.60])
            } else {
                ([0.0, -0.23, 0.13], [0.0, 0.04, 0.45], [0.0, 0.26, 0.61])
            };
            for side in [-1.0, 1.0] {
                out.push(([side * 0.08, chest[1], chest[2] - 0.1], [side * 0.08, chest[1] + 0.06, 0.04], 0.05, 0.03, arms));
                out.push(([side * 0.10, rump[1], rump[2]], [side * 0.10, rump[1] + 0.05, 0.04], 0.05, 0.03, arms));
            }
            out.push((rump, chest, 0.11, 0.125, 1.0));
            out.push((chest, nose, 0.09, 0.06, face));
        }
        Pose::DogLying => {
            out.push(([0.0, -0.34, 0.13], [0.0, 0.16, 0.16], 0.11, 0.125, 1.0));
            out.push(([0.0, 0.16, 0.18], [0.0, 0.44, 0.25], 0.085, 0.05, face));
            out.push(([0.09, 0.20, 0.06], [0.08, 0.42, 0.04], 0.05, 0.03, arms));
            out.push(([0.15, -0.24, 0.10], [0.16, -0.08, 0.04], 0.06, 0.03, arms));
        }
        Pose::DogCurled => {
            out.push(([0.06, -0.24, 0.12], [-0.08, 0.0, 0.14], 0.11, 0.12, 1.0));
            out.push(([-0.08, 0.0, 0.14], [0.04, 0.20, 0.13], 0.12, 0.125, 1.0));
            out.push(([0.04, 0.20, 0.13], [0.32, 0.10, 0.07], 0.085, 0.05, face));
            out.push(([0.24, 0.10, 0.05], [0.26, -0.16, 0.06], 0.05, 0.05, arms));
        }
        Pose::Curled => {
            let knees = dice.between(0.30, 0.45);
            for (side, up) in [(-1.0, 0.10), (1.0, 0.24)] {
                out.push(([side * 0.02, -0.27, up], [knees, -0.08, up], 0.10, 0.08, legs));
                out.push(([knees, -0.08, up], [knees - 0.16, -0.46, up * 0.8], 0.08, 0.065, legs * 0.85));
                out.push(([0.0, 0.22, up], [0.24, 0.05, up], 0.075, 0.065, arms));
                out.push(([0.24, 0.05, up], [0.31, 0.28, up * 0.7], 0.065, 0.055, arms * 0.9));
                out.push(([side * 0.02, 0.25, up], [side * 0.02, -0.27, up], 0.12, 0.13, 1.0));
            }
            out.push(([0.03, 0.27, 0.16], [0.15, 0.42, 0.14], 0.07, 0.105, face));
        }
    }
    out
}

/// Where and how one picture is taken: what the camera truly is, and where the body is.
pub(super) struct Shot {
    pub(super) size: PictureSize,
    pub(super) view: CameraView,
    pub(super) ground: GroundPoint,
    pub(super) facing_deg: f32,
}

/// Box and blob of the warm region as `hot-spot` would give them; `None` when the body leaves the picture or nothing is above the threshold.
pub(super) fn photograph(pose: Pose, shot: &Shot, dice: &mut Dice) -> Option<(PixelBox, Blob)> {
    photograph_trunk(pose, shot, dice).map(|(bbox, blob, _)| (bbox, blob))
}

/// The same, with the ends of its trunk: shoulders, then hips.
pub(super) fn photograph_trunk(pose: Pose, shot: &Shot, dice: &mut Dice) -> Option<(PixelBox, Blob, [PixelPoint; 2])> {
    let stature = if pose.is_dog() { dice.between(0.6, 1.0) } else { 1.0 + 0.06 * dice.normal().clamp(-2.0, 2.0) };
    let girth = dice.between(0.9, 1.3);
    let (sin, cos) = shot.facing_deg.to_radians().sin_cos();
    let (sin_t, cos_t) = shot.view.tilt_deg.to_radians().sin_cos();
    let (sin_h, cos_h) = shot.view.heading_deg.to_radians().sin_cos();
    let mut discs = Vec::new();
    for (a, b, ra, rb, warm) in limbs(pose, dice) {
        let seen = |joint: [f32; 3], radius: f32| {
            let [right, forward, up] = joint.map(|part| part * stature);
            let (east_m, north_m) = (shot.ground.east_m + right * cos + forward * sin, shot.ground.north_m - right * sin + forward * cos);
            let at = shot.view.pixel_from_ground(&GroundPoint { east_m, north_m, error_m: 0.0 }, up, shot.size)?;
            let depth_m = (east_m * sin_h + north_m * cos_h) * cos_t + (shot.view.height_m - up) * sin_t;
            Some((at, shot.view.focal_px(shot.size) * radius * girth * stature / depth_m))
        };
        discs.push((seen(a, ra)?, seen(b, rb)?, warm));
    }
    let ends = || discs.iter().flat_map(|(a, b, _)| [a, b]);
    let low = |pick: fn(&PixelPoint) -> f32| ends().map(|(at, r)| pick(at) - r).fold(f32::MAX, f32::min).floor() - 8.0;
    let high = |pick: fn(&PixelPoint) -> f32| ends().map(|(at, r)| pick(at) + r).fold(f32::MIN, f32::max).ceil() + 8.0;
    let (left, top, right, bottom) = (low(|p| p.x), low(|p| p.y), high(|p| p.x), high(|p| p.y));
    if left < 0.0 || top < 0.0 || right > shot.size.width as f32 || bottom > shot.size.height as f32 {
        return None;
    }
    let (w, h) = ((right - left) as usize, (bottom - top) as usize);
    // Four samples a pixel, the warmest limb at each.
    let mut samples = vec![[0.0_f32; 4]; w * h];
    for (a, b, warm) in &discs {
        let reach = a.1.max(b.1);
        let cells = |p: f32, q: f32, origin: f32, count: usize| {
            (p.min(q) - reach - origin).max(0.0) as usize..((p.max(q) + reach - origin) as usize + 1).min(count)
        };
        for row in cells(a.0.y, b.0.y, top, h) {
            for column in cells(a.0.x, b.0.x, left, w) {
                for (sample, [dx, dy]) in samples[row * w + column].iter_mut().zip([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
                {
                    if *sample < *warm && is_on(a, b, left + column as f32 + dx, top + row as f32 + dy) {
                        *sample = *warm;
                    }
                }
            }
        }
    }
    let warmth: Vec<f32> = samples.iter().map(|sample| sample.iter().sum::<f32>() / 4.0).collect();
    let warmth = blurred(&warmth, w, &gauss(dice.between(0.5, 0.9)));
    let body = mean(warmth.iter().copied().filter(|value| *value > 0.5));
    let noise = dice.between(0.02, 0.10);
    let noisy: Vec<f32> = warmth.iter().map(|value| value + noise * dice.normal()).collect();
    let smooth = blurred(&noisy, w, &[0.25, 0.5, 0.25]);
    let (bbox, blob) = segment(&smooth, w, body * dice.between(0.4, 0.6), (left, top))?;
    // Nothing else is exactly as warm as the trunk.
    let trunk: Vec<_> = discs.iter().filter(|(.., warm)| *warm == 1.0).collect();
    let middle = |end: fn(&(Disc, Disc, f32)) -> PixelPoint| {
        let sum = trunk.iter().map(|disc| end(disc)).fold((0.0, 0.0), |(x, y), at| (x + at.x, y + at.y));
        PixelPoint { x: sum.0 / trunk.len() as f32, y: sum.1 / trunk.len() as f32 }
    };
    Some((bbox, blob, [middle(|disc| disc.0.0), middle(|disc| disc.1.0)]))
}

type Disc = (PixelPoint, f32);

/// Whether a point is on the band between two discs.
fn is_on((a, ra): &Disc, (b, rb): &Disc, x: f32, y: f32) -> bool {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let k = (((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
    (x - a.x - k * dx).hypot(y - a.y - k * dy) <= ra + k * (rb - ra)
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f32::max(count, 1.0)
}

fn gauss(sigma_px: f32) -> [f32; 7] {
    let mut kernel = [0.0; 7];
    for (index, value) in kernel.iter_mut().enumerate() {
        *value = (-0.5 * ((index as f32 - 3.0) / sigma_px).powi(2)).exp();
    }
    let sum: f32 = kernel.iter().sum();
    kernel.map(|value| value / sum)
}

/// Along both axes, edges repeated.
fn blurred(values: &[f32], w: usize, kernel: &[f32]) -> Vec<f32> {
    let (h, reach) = (values.len() / w, kernel.len() / 2);
    let pass = |from: &[f32], along_x: bool| -> Vec<f32> {
        (0..from.len())
            .map(|index| {
                let (x, y) = (index % w, index / w);
                let tap = |k: usize| {
                    let shifted = |at: usize, most: usize| (at + k).saturating_sub(reach).min(most - 1);
                    if along_x { from[y * w + shifted(x, w)] } else { from[shifted(y, h) * w + x] }
                };
                kernel.iter().enumerate().map(|(k, weight)| weight * tap(k)).sum()
            })
            .collect()
    };
    pass(&pass(values, true), false)
}

/// The largest region above the threshold, joined along edges and corners: its moments, and its box as `hot-spot` widens it.
fn segment(values: &[f32], w: usize, threshold: f32, (left, top): (f32, f32)) -> Option<(PixelBox, Blob)> {
    let h = values.len() / w;
    let mut is_left: Vec<bool> = values.iter().map(|value| *value > threshold).collect();
    let mut largest: Vec<usize> = Vec::new();
    for start in 0..values.len() {
        if !is_left[start] {
            continue;
        }
        let (mut region, mut next) = (Vec::new(), vec![start]);
        while let Some(at) = next.pop() {
            if std::mem::take(&mut is_left[at]) {
                region.push(at);
                let (x, y) = (at % w, at / w);
                for ny in y.saturating_sub(1)..(y + 2).min(h) {
                    next.extend((x.saturating_sub(1)..(x + 2).min(w)).map(|nx| ny * w + nx));
                }
            }
        }
        if region.len() > largest.len() {
            largest = region;
        }
    }
    if largest.len() < 4 {
        return None;
    }
    let n = largest.len() as f32;
    let points: Vec<[f32; 2]> = largest.iter().map(|at| [(at % w) as f32 + 0.5, (at / w) as f32 + 0.5]).collect();
    let centre = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f32>() / n);
    let moment = |a: usize, b: usize| points.iter().map(|point| (point[a] - centre[a]) * (point[b] - centre[b])).sum::<f32>() / n;
    let (xx, yy, xy) = (moment(0, 0) + 1.0 / 12.0, moment(1, 1) + 1.0 / 12.0, moment(0, 1));
    let (middle, half) = (f32::midpoint(xx, yy), ((xx - yy) / 2.0).hypot(xy));
    let blob = Blob {
        area_px: n,
        centroid: PixelPoint { x: left + centre[0], y: top + centre[1] },
        major_px: 4.0 * (middle + half).sqrt(),
        minor_px: 4.0 * (middle - half).max(0.0).sqrt(),
        angle_rad: 0.5 * (2.0 * xy).atan2(xx - yy),
        contrast_sigma: 20.0,
        score: 0.9,
        body_like: true,
    };
    let edge = |axis: usize| points.iter().map(move |point| point[axis]);
    let corners = [0, 1].map(|axis| (edge(axis).fold(f32::MAX, f32::min) - 0.5, edge(axis).fold(f32::MIN, f32::max) + 0.5));
    let bbox = PixelBox::from_corners(left + corners[0].0, top + corners[1].0, left + corners[0].1, top + corners[1].1);
    let margin = if bbox.w.max(bbox.h) < 25.0 { 1.5 } else { 0.5 };
    Some((bbox.grown(margin), blob))
}
