//! Whether a warm region is a person.

use super::background::Scene;
use super::evidence::{self, Evidence};
use super::regions::{Region, Shape};
use super::{Active, HotSpotConfig};
use crate::detector::DetectContext;
use patrol_core::{CameraView, PictureSize, PixelBox, PixelPoint};

/// Length of a body that windows are made for, metres.
pub(super) const BODY_M: f32 = 1.7;
/// The same for what is seen from above, where most stand: somebody lying covers four of the samples at most.
const WINDOW_ABOVE_M: f32 = 1.1;
/// Area of a person from above, between none and full on both sides, before blur.
const AREA_ABOVE_M2: [f32; 4] = [0.02, 0.08, 0.6, 1.1];
/// The torso, seen at a pixel, is nearer than the ground behind it: for a camera at 6–8 m by 1.15.
const TORSO_NEARER: f32 = 1.15;
/// Width of a body in winter clothes, metres.
const BODY_WIDTH_M: f32 = 0.5;
/// By how much blur lengthens and widens a region in HIT-UAV, pixels.
const WIDENED_PX: f32 = 3.0;
/// What a threshold at half contrast leaves out of a body on every side, pixels; measured on HIT-UAV.
const BOX_MARGIN_PX: f32 = 1.5;
/// The same for near bodies, whose outline is sharp against their size.
const BOX_MARGIN_NEAR_PX: f32 = 0.5;
const BLURRED_BODY_PX: f32 = 25.0;
const BODY_PX_MIN: f32 = 8.0;
/// Smallest region of a person, and what is noise at any threshold.
const AREA_MIN_M2: f32 = 0.06;
const AREA_MIN_PX: u32 = 4;
/// A lamp seems at most this large, square metres, unless it is so far that a body would be shorter than [`RECOGNISED_PX`].
const LAMP_AREA_M2: f32 = 0.25;
/// Shorter bodies can be detected and not recognised (`integration.md` §6.4: 20 px on the long side).
pub(super) const RECOGNISED_PX: f32 = 20.0;
/// A sharp outline, blurred by the optics, draws back by less from threshold to threshold.
const CREEP_PX: f32 = 1.0;
const LAMP_ASPECT: f32 = 1.6;
/// A body 3–6 K above even ground has 20–100 σ; far ones are thinned by blur.
const LAMP_SIGMA: f32 = 100.0;
const LAMP_FAR_SIGMA: f32 = 60.0;
/// Where a region's threshold lies between ring and mean.
pub(super) const LEVEL_RANGE: [f32; 4] = [0.05, 0.45, 0.75, 0.95];
/// Area of somebody standing, sitting or lying, seen from above; and the same in parts of shortest times longest where no distance is known.
const USUAL_AREA_M2: f32 = 0.25;
const USUAL_AREA: f32 = 0.5;
const USUAL_WIDTH: f32 = 0.97;
/// Points of the ring around a region.
pub(super) const RING: usize = 32;

/// Pixels and metres, as far as they are known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale<'a> {
    View(&'a CameraView, PictureSize),
    /// Pixels per metre, the same everywhere.
    Even(f32),
    /// Shortest and longest body, pixels.
    Unknown(f32, f32),
}

impl<'a> Scale<'a> {
    pub(crate) fn new(context: &DetectContext<'a>, size: PictureSize, config: &HotSpotConfig) -> Self {
        if let Some(view) = context.view {
            return Self::View(view, size);
        }
        if let Some(gsd_m) = context.gsd_m.filter(|gsd| gsd.is_finite() && *gsd > 0.0) {
            return Self::Even(1.0 / gsd_m);
        }
        let factor = size.width as f32 / 640.0;
        Self::Unknown(config.length_px[0] * factor, config.length_px[1] * factor)
    }

    /// Length in pixels of a body whose torso is in row `y`.
    pub(crate) fn body_px(&self, y: usize) -> f32 {
        match self {
            Self::View(view, size) => {
                let point = PixelPoint { x: size.width as f32 / 2.0, y: y as f32 };
                let per_metre = view.pixels_per_metre(point, *size).unwrap_or(0.0) * TORSO_NEARER;
                (per_metre * BODY_M).clamp(BODY_PX_MIN, size.height as f32 * 0.6)
            }
            Self::Even(per_metre) => (per_metre * WINDOW_ABOVE_M).max(BODY_PX_MIN),
            Self::Unknown(_, longest) => (longest * 0.6).max(BODY_PX_MIN),
        }
    }

    /// Regions of fewer pixels are nobody, whatever their shape.
    pub(crate) fn least_area_px(&self) -> u32 {
        match self {
            // Rows far away have small people.
            Self::View(..) => AREA_MIN_PX,
            Self::Even(per_metre) => ((AREA_ABOVE_M2[0] * per_metre * per_metre) as u32).max(AREA_MIN_PX),
            Self::Unknown(shortest, _) => (*shortest as u32).max(AREA_MIN_PX),
        }
    }

    /// Pixels per metre for what touches the ground at `foot`; `None` above the horizon.
    fn per_metre(&self, foot: PixelPoint) -> Option<f32> {
        match self {
            Self::View(view, size) => view.pixels_per_metre(foot, *size),
            Self::Even(per_metre) => Some(*per_metre),
            // As if the middle of the range were a body.
            Self::Unknown(shortest, longest) => Some((shortest * longest).sqrt() / BODY_M),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Verdict {
    /// 0: not a person.
    pub(crate) score: f32,
    pub(crate) contrast_sigma: f32,
}

pub(crate) struct Judge<'a> {
    /// 8-bit levels as delivered; `None` for raw counts, which are not clipped by a gain.
    pub(crate) levels: Option<&'a [u16]>,
    pub(crate) scale: Scale<'a>,
    pub(crate) scene: Scene<'a>,
    pub(crate) active: Active,
    pub(crate) size: PictureSize,
    pub(crate) threshold_sigma: f32,
    /// [`circle`], kept from picture to picture.
    pub(crate) circle: &'a [[f32; 2]; RING],
    /// Scores below are of no interest.
    pub(crate) least: f32,
}

/// Cosine and sine of [`RING`] even directions.
pub(super) fn circle() -> [[f32; 2]; RING] {
    std::array::from_fn(|index| {
        let (s, c) = (index as f32 / RING as f32 * std::f32::consts::TAU).sin_cos();
        [c, s]
    })
}

/// Full inside `[b, c]`, none outside `[a, d]`, straight between.
pub(super) fn trapeze(value: f32, [a, b, c, d]: [f32; 4]) -> f32 {
    let side = if value < b { (value - a) / (b - a) } else { (d - value) / (d - c) };
    side.clamp(0.0, 1.0)
}

/// Who stands shows head and shoulders only, who lies all of his length.
fn size_fit_above(region: &Region, shape: &Shape, per_metre: f32) -> f32 {
    let widened = WIDENED_PX / per_metre;
    let area = region.area as f32 / (per_metre * per_metre);
    let (length, width) = (shape.major / per_metre, shape.minor / per_metre);
    trapeze(area, [AREA_ABOVE_M2[0], AREA_ABOVE_M2[1], AREA_ABOVE_M2[2] + 1.5 * widened, AREA_ABOVE_M2[3] + 1.5 * widened])
        * trapeze(length, [0.2, 0.35, 2.0 + widened, 2.5 + widened])
        * trapeze(width, [0.08, 0.15, 0.85 + widened, 1.1 + widened])
}

/// By how much optics, resampling and smoothing enlarge the area of a body.
pub(super) fn area_widened(per_metre: f32) -> f32 {
    let widened = WIDENED_PX / per_metre;
    (1.0 + widened / BODY_WIDTH_M) * (1.0 + widened / BODY_M)
}

/// 1 for an ellipse, 0.95 for a rectangle; two bodies with a gap, a fork or a bent strip have less.
fn filled(region: &Region, shape: &Shape) -> f32 {
    region.area as f32 / (std::f32::consts::FRAC_PI_4 * shape.major * shape.minor.max(1.0))
}

impl Judge<'_> {
    pub(crate) fn person(&self, region: &Region) -> Verdict {
        let shape = region.shape();
        let fit = self.fit(region, &shape);
        // What the surroundings say can only lower it.
        if fit < self.least {
            return Verdict::default();
        }
        let verdict = self.stands_out(region, &shape);
        Verdict { score: fit * verdict.score, ..verdict }
    }

    /// Of several people in one region, each judged by his own shape and all by how the region stands out; the score is that of the least likely one.
    pub(super) fn people(&self, whole: &Region, parts: &[Region]) -> Verdict {
        let fit = parts.iter().map(|part| self.fit(part, &part.shape())).fold(1.0, f32::min);
        if fit < self.least {
            return Verdict::default();
        }
        let verdict = self.stands_out(whole, &whole.shape());
        Verdict { score: fit * verdict.score, ..verdict }
    }

    /// 0–1: whether a person can have this size and shape.
    fn fit(&self, region: &Region, shape: &Shape) -> f32 {
        let size_fit = self.size_fit(region, shape);
        if size_fit <= 0.0 {
            return 0.0;
        }
        let fill_fit = trapeze(filled(region, shape), [0.35, 0.6, 1.3, 2.0]);
        let outline_fit = trapeze(region.creep_px(shape), [-2.0, -1.0, CREEP_PX, 3.0 * CREEP_PX]);
        size_fit * fill_fit * outline_fit
    }

    /// How likely it is somebody by the way it stands out of what surrounds it.
    fn stands_out(&self, region: &Region, shape: &Shape) -> Verdict {
        let Some(evidence) = self.evidence(region, shape, filled(region, shape)) else { return Verdict::default() };
        if evidence.contrast_sigma < self.threshold_sigma || evidence.edge_sigma <= 0.0 {
            return Verdict { score: 0.0, contrast_sigma: evidence.contrast_sigma };
        }
        let weights = match self.scale {
            Scale::View(..) => &evidence::STREET,
            Scale::Even(_) => &evidence::ABOVE_IN_METRES,
            Scale::Unknown(..) => &evidence::ABOVE,
        };
        Verdict { score: evidence.probability(weights), contrast_sigma: evidence.contrast_sigma }
    }

    /// 0–1: whether a person can have this size there.
    fn size_fit(&self, region: &Region, shape: &Shape) -> f32 {
        if let Scale::Even(per_metre) = self.scale {
            return size_fit_above(region, shape, per_metre);
        }
        if let Scale::Unknown(shortest, longest) = self.scale {
            let aspect = shape.major / shape.minor.max(1.0);
            return trapeze(shape.major, [shortest, shortest * 1.4, longest * 0.7, longest]) * trapeze(aspect, [0.0, 0.5, 3.0, 5.0]);
        }
        let Some(per_metre) = self.per_metre_at(region) else { return 0.0 };
        // Optics, resampling and smoothing widen what is small.
        let widened = WIDENED_PX / per_metre;
        let (major, minor) = (shape.major / per_metre, shape.minor / per_metre);
        let area = region.area as f32 / (per_metre * per_metre);
        let area_widened = area_widened(per_metre);
        trapeze(area, [AREA_MIN_M2, 0.3, 0.9 * area_widened, 1.5 * area_widened])
            * trapeze(major, [0.3, 0.45, 2.0 + widened, 2.5 + widened])
            * trapeze(minor, [0.08, 0.15, 0.85 + widened, 1.1 + widened])
    }

    /// Pixels per metre of what stands on the ground where the region ends; `None` above the horizon.
    pub(super) fn per_metre_at(&self, region: &Region) -> Option<f32> {
        self.scale.per_metre(PixelPoint { x: region.shape().centre.x, y: region.bottom.into() })
    }

    /// Round, small and far hotter than clothes: perhaps a lamp, which hangs nearer than the ground behind it and so seems larger.
    /// Only a person can tell. Drones look down on lamps as on all else, and there a view is rarely given.
    pub(crate) fn may_be_lamp(&self, region: &Region, contrast_sigma: f32) -> bool {
        let Scale::View(..) = self.scale else { return false };
        let shape = region.shape();
        let foot = PixelPoint { x: shape.centre.x, y: f32::from(region.bottom) };
        let Some(per_metre) = self.scale.per_metre(foot) else { return false };
        let far = per_metre * BODY_M < RECOGNISED_PX;
        let small = region.area as f32 <= LAMP_AREA_M2 * per_metre * per_metre;
        let hot = contrast_sigma > if far { LAMP_FAR_SIGMA } else { LAMP_SIGMA };
        (small || far) && hot && shape.major < LAMP_ASPECT * shape.minor
    }

    /// Shown at the top of the range all over, see [`super::blown_out`].
    pub(crate) fn is_blown_out(&self, region: &Region) -> bool {
        self.levels.is_some_and(|levels| super::blown_out::is_blown_out(levels, self.size.width as usize, &self.bbox(region)))
    }

    /// Written over the picture, see [`super::burnt_in`].
    pub(crate) fn is_burnt_in(&self, region: &Region) -> bool {
        self.levels.is_some_and(|levels| super::burnt_in::is_burnt_in(levels, self.size.width as usize, &self.bbox(region)))
    }

    /// Cut by the upper edge or a side, so that its size is unknown: a window that reaches out of the picture is as large as a person.
    /// At the lower edge there are only near people. Of a view that is not known only the upper edge is that of walls for sure; from straight above there are no windows.
    pub(crate) fn is_cut(&self, region: &Region) -> bool {
        let Active { left, top, right, .. } = self.active;
        let above = usize::from(region.top) <= top;
        match self.scale {
            Scale::View(..) => above || usize::from(region.left) <= left || usize::from(region.right) >= right,
            Scale::Unknown(..) => above,
            Scale::Even(_) => false,
        }
    }

    /// The surroundings of a region are seen on an ellipse a little larger than its own; `None` at the edge, and where they are warmer.
    fn evidence(&self, region: &Region, shape: &Shape, fill: f32) -> Option<Evidence> {
        let gap = (0.2 * shape.minor).max(2.5);
        let (a, b) = (shape.major * 0.55 + gap, shape.minor * 0.55 + gap);
        let [cos, sin] = shape.direction;
        // Bits of floats that are not negative are in their order, and whole numbers sort faster.
        let mut samples = [0_u32; RING];
        let mut count = 0;
        for [c, s] in self.circle {
            let x = shape.centre.x + a * c * cos - b * s * sin;
            let y = shape.centre.y + a * c * sin + b * s * cos;
            if x >= self.active.left as f32 && y >= self.active.top as f32 && x < self.active.right as f32 && y < self.active.bottom as f32
            {
                samples[count] = self.scene.smooth[y as usize * self.scene.width + x as usize].to_bits();
                count += 1;
            }
        }
        if count < RING / 3 {
            return None;
        }
        let sigma = self.scene.sigma(shape.centre.x as usize, shape.centre.y as usize);
        let samples = &mut samples[..count];
        samples.sort_unstable();
        let [lower, middle, upper] = [count / 4, count / 2, count * 3 / 4].map(|place| f32::from_bits(samples[place]));
        let mean = region.mean();
        let contrast = mean - middle;
        if contrast <= 0.0 {
            return None;
        }
        let enclosed = samples.partition_point(|&sample| f32::from_bits(sample) < mean - 0.4 * contrast) as f32 / count as f32;
        let level = 1.0 - (region.mean_residual() - region.threshold) * sigma / contrast;
        let (usual_area, usual_width) = self.usual();
        Some(Evidence {
            contrast_sigma: contrast / sigma,
            edge_sigma: (mean - upper) / sigma,
            enclosed,
            uneven: (upper - lower) / contrast,
            level,
            hotter: self.scene.hotter_part(mean),
            texture: sigma / self.scene.noise,
            area_px: region.area as f32,
            fill,
            creep_px: region.creep_px(shape),
            aspect: shape.major / shape.minor.max(1.0),
            usual_area: region.area as f32 / usual_area,
            usual_width: shape.minor / usual_width,
        })
    }

    /// Area and width of people from above, pixels.
    fn usual(&self) -> (f32, f32) {
        match self.scale {
            Scale::View(..) => (1.0, 1.0),
            Scale::Even(per_metre) => (USUAL_AREA_M2 * per_metre * per_metre, BODY_WIDTH_M * per_metre),
            Scale::Unknown(shortest, longest) => (USUAL_AREA * shortest * longest, USUAL_WIDTH * (shortest * longest).sqrt()),
        }
    }

    /// The region's box, widened by what a threshold at half contrast leaves out.
    pub(crate) fn bbox(&self, region: &Region) -> PixelBox {
        let (left, top, right, bottom) = (region.left, region.top, region.right, region.bottom);
        let foot = PixelPoint { x: f32::midpoint(left.into(), right.into()), y: bottom.into() };
        let body_px = self.scale.per_metre(foot).unwrap_or(0.0) * BODY_M;
        let above = matches!(self.scale, Scale::Even(_));
        let margin = if above || body_px < BLURRED_BODY_PX { BOX_MARGIN_PX } else { BOX_MARGIN_NEAR_PX };
        PixelBox::from_corners(left.into(), top.into(), right.into(), bottom.into()).grown(margin).clipped(self.size)
    }
}
