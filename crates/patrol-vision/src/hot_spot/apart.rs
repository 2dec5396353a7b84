//! Several people in one warm region: who lies close to another touches him at every threshold that shows both whole. Higher ones part them, but cut into
//! the colder one; so they are counted there, and the whole region is shared out among them.

use super::judge::{BODY_M, Judge, RECOGNISED_PX, Scale, area_widened};
use super::regions::Region;

/// A single body, lying across or standing, covers 0.5–0.65 m² of a street picture before blur, with a bag 0.7.
const SEVERAL_AREA_M2: f32 = 0.75;
/// What is left of each where a threshold parts them: a trunk, and not a hand or a head.
const SEED_AREA_M2: f32 = 0.08;
const SEED_PART: f32 = 0.12;
/// The least share that is a body: one who is curled up, or lies along the line of sight. A trunk and a pair of legs are shorter or, together, one body.
const BODY_AREA_M2: f32 = 0.25;
const BODY_LENGTH_M: f32 = 0.75;
/// More are a crowd, which nobody counts by its warmth; and so much is more than that many.
const MOST: usize = 3;
const MOST_AREA_M2: f32 = 3.0;

/// Regions of the next threshold come before those of the one after, which is as much higher again.
const NEXT_RATIO_MAX: f32 = 1.2 * super::regions::RATIO;

/// The bodies that the region `index` is made of, into `out`; `false`, and nothing in `out`, where it is one.
pub(super) fn apart(index: usize, regions: &[Region], judge: &Judge<'_>, out: &mut Vec<Region>) -> bool {
    out.clear();
    if matches!(judge.scale, Scale::Unknown(..)) {
        return false;
    }
    let whole = &regions[index];
    // Farther away two lamps side by side are as much like two people.
    let Some(per_metre) = judge.per_metre_at(whole).filter(|per_metre| per_metre * BODY_M >= RECOGNISED_PX) else { return false };
    let area_m2 = |region: &Region| region.area as f32 / (per_metre * per_metre);
    let single_m2 = area_m2(whole) / area_widened(per_metre);
    if !(SEVERAL_AREA_M2..MOST_AREA_M2).contains(&single_m2) {
        return false;
    }
    let mut seeds = [Axis::default(); MOST];
    let Some(count) = seeds_of(index, regions, |region| area_m2(region) >= SEED_AREA_M2, &mut seeds) else { return false };
    out.resize(count, Region::empty(whole.threshold, whole.parent));
    share(whole, judge, &seeds[..count], out);
    let is_body = |part: &Region| part.area > 0 && area_m2(part) >= BODY_AREA_M2 && part.shape().major >= BODY_LENGTH_M * per_metre;
    if !out.iter().all(is_body) {
        out.clear();
    }
    !out.is_empty()
}

/// A line that pixels are near to: what a threshold left of a body, and as much again at both ends.
#[derive(Debug, Clone, Copy, Default)]
struct Axis {
    centre: [f32; 2],
    direction: [f32; 2],
    half: f32,
}

impl Axis {
    fn of(region: &Region) -> Self {
        let shape = region.shape();
        Self { centre: [shape.centre.x, shape.centre.y], direction: shape.direction, half: (shape.major - shape.minor).max(0.0) }
    }

    fn squared_distance(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let [cos, sin] = self.direction;
        let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
        let beyond = along - along.clamp(-self.half, self.half);
        beyond * beyond + across * across
    }
}

/// The parts at the first threshold that leaves several large ones.
fn seeds_of(index: usize, regions: &[Region], is_large: impl Fn(&Region) -> bool, seeds: &mut [Axis; MOST]) -> Option<usize> {
    let mut at = index;
    loop {
        let least_px = (SEED_PART * regions[at].area as f32) as u32;
        let mut count = 0;
        let mut next = None;
        for (child, region) in regions.iter().enumerate().skip(at + 1) {
            if region.threshold > regions[at].threshold * NEXT_RATIO_MAX {
                break;
            }
            if region.parent == Some(at as u32) && region.area >= least_px && is_large(region) {
                if count == MOST {
                    return None;
                }
                seeds[count] = Axis::of(region);
                (count, next) = (count + 1, Some(child));
            }
        }
        if count > 1 {
            return Some(count);
        }
        at = next?;
    }
}

/// Gives each pixel of the region to the nearest axis.
fn share(whole: &Region, judge: &Judge<'_>, seeds: &[Axis], out: &mut [Region]) {
    let (left, right) = (usize::from(whole.left), usize::from(whole.right));
    for y in whole.top..whole.bottom {
        let row = usize::from(y) * judge.scene.width;
        for x in left..right {
            let residual = judge.scene.residual[row + x];
            if residual > whole.threshold {
                let (mut nearest, mut least) = (0, f32::INFINITY);
                for (index, seed) in seeds.iter().enumerate() {
                    let distance = seed.squared_distance(x as f32 + 0.5, f32::from(y) + 0.5);
                    if distance < least {
                        (nearest, least) = (index, distance);
                    }
                }
                out[nearest].add_pixel(x as u16, y, residual, judge.scene.smooth[row + x]);
            }
        }
    }
}
