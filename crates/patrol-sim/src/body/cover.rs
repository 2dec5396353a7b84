//! A quilt or a rescue blanket over a body: a low mound, and only its edges and the head give the body away.

use super::poses::{HEAD, Joints, NECK, PELVIS};
use super::{Build, Capsule, Part};
use crate::geometry::V3;
use crate::random::{mix, value_noise};
use crate::spec::Cover;

const ROWS: usize = 6;
const COLUMNS: usize = 7;
/// How far a cover reaches beyond the body, metres.
const HEM_M: f32 = 0.16;

/// Replaces what is under the cover.
pub(super) fn lay(cover: Cover, build: &Build, joints: &Joints, body: &mut Vec<Capsule>) {
    // Half of the sleepers pull it over the head.
    let head_out = mix(build.seed ^ 0xC0).is_multiple_of(2);
    let (de, dn) = (joints[HEAD].e - joints[PELVIS].e, joints[HEAD].n - joints[PELVIS].n);
    let length = de.hypot(dn).max(1e-3);
    let (ue, un) = (de / length, dn / length);
    let local = |p: V3| (p.e * ue + p.n * un, p.e * un - p.n * ue);
    let mut low = (f32::MAX, f32::MAX);
    let mut high = (f32::MIN, f32::MIN);
    for joint in &joints[if head_out { NECK } else { HEAD }..] {
        let (along, across) = local(*joint);
        low = (low.0.min(along - HEM_M), low.1.min(across - HEM_M));
        high = (high.0.max(along), high.1.max(across + HEM_M));
    }
    high.0 += if head_out { 0.02 } else { 0.18 };
    // Nobody spreads the arms under a quilt, and it is no wider than one.
    let middle = local(joints[PELVIS]).1;
    (low.1, high.1) = (low.1.max(middle - 0.75), high.1.min(middle + 0.75));
    body.retain(|capsule| {
        let (along, _) = local(capsule.b);
        head_out && along > high.0
    });
    let spine = (local(joints[NECK]), local(joints[PELVIS]));
    let (row_m, column_m) = ((high.0 - low.0) / ROWS as f32, (high.1 - low.1) / COLUMNS as f32);
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let (from, to) = (low.0 + row_m * row as f32, low.0 + row_m * (row + 1) as f32);
            let across = low.1 + column_m * (column as f32 + 0.5);
            let along = f32::midpoint(from, to);
            // Over the trunk the mound is high and warm, over the legs less, at the hem neither.
            let k = ((along - spine.1.0) / (spine.0.0 - spine.1.0).abs().max(0.1)).clamp(0.0, 1.0);
            let back = spine.1.1 + (spine.0.1 - spine.1.1) * k;
            let trunk = if along < spine.1.0 { (1.0 - (spine.1.0 - along) / 1.2).max(0.35) } else { 1.0 };
            let near = (-((across - back) / 0.26).powi(2)).exp() * trunk;
            let fold = value_noise(row as f32 * 1.3, column as f32 * 1.3, build.seed);
            let radius = (0.07 + 0.11 * near + 0.02 * fold).max(column_m * 0.55);
            let (part, warm_k) = match cover {
                Cover::Quilt => (Part::Quilt, 0.15 + 0.22 * build.torso_k * near + 0.2 * fold),
                // A mirror that is crumpled: some facets show the sky, some the walls.
                Cover::Foil => (Part::Foil, -4.2 + 2.6 * fold),
            };
            let z = 0.02 + 0.13 * near;
            let point = |along: f32| V3::new(along * ue + across * un, along * un - across * ue, z);
            body.push(Capsule { a: point(from), b: point(to), radius_a: radius, radius_b: radius, warm_k, part, seed: build.seed });
        }
    }
    // Where it gapes at the neck, warm air comes out.
    let gap = joints[NECK];
    let warm_k = if cover == Cover::Foil { build.torso_k * 0.5 } else { build.torso_k * 0.7 };
    body.push(Capsule { a: gap, b: gap, radius_a: 0.06, radius_b: 0.06, warm_k, part: Part::Coat, seed: build.seed });
}
