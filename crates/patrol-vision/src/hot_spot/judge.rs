//! Whether a warm region is a person.

use super::background::Scene;
use super::regions::{Region, Shape};
use super::{Active, HotSpotConfig};
use crate::detector::DetectContext;
use patrol_core::{CameraView, PictureSize, PixelBox, PixelPoint};

/// Length of a body that windows are made for, metres.
const BODY_M: f32 = 1.7;
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
/// A lamp seems at most this large, square metres, unless it is so far that a body would be shorter than [`RECOGNISED_PX`].
const LAMP_AREA_M2: f32 = 0.25;
/// Shorter bodies can be detected and not recognised (`integration.md` §6.4: 20 px on the long side).
const RECOGNISED_PX: f32 = 20.0;
/// A sharp outline, blurred by the optics, draws back by less from threshold to threshold.
const CREEP_PX: f32 = 1.0;
const LAMP_ASPECT: f32 = 1.6;
/// A body 3–6 K above even ground has 20–100 σ; far ones are thinned by blur.
const LAMP_SIGMA: f32 = 100.0;
const LAMP_FAR_SIGMA: f32 = 60.0;
/// Points of the ring around a region.
const RING: usize = 32;

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
            Self::Even(per_metre) => (per_metre * BODY_M).max(BODY_PX_MIN),
            Self::Unknown(_, longest) => (longest * 0.6).max(BODY_PX_MIN),
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
    pub(crate) levels: Option<&'a [f32]>,
    pub(crate) scale: Scale<'a>,
    pub(crate) scene: Scene<'a>,
    pub(crate) active: Active,
    pub(crate) size: PictureSize,
    pub(crate) threshold_sigma: f32,
}

/// Full inside `[b, c]`, none outside `[a, d]`, straight between.
fn trapeze(value: f32, [a, b, c, d]: [f32; 4]) -> f32 {
    let side = if value < b { (value - a) / (b - a) } else { (d - value) / (d - c) };
    side.clamp(0.0, 1.0)
}

impl Judge<'_> {
    pub(crate) fn person(&self, region: &Region) -> Verdict {
        let shape = region.shape();
        let size_fit = self.size_fit(region, &shape);
        if size_fit <= 0.0 {
            return Verdict::default();
        }
        // 1 for an ellipse, 0.95 for a rectangle; two bodies with a gap, a fork or a bent strip have less.
        let fill = region.area as f32 / (std::f32::consts::FRAC_PI_4 * shape.major * shape.minor.max(1.0));
        let Some(ring) = self.ring(region, &shape) else { return Verdict::default() };
        if ring.contrast_sigma < self.threshold_sigma || ring.edge_sigma <= 0.0 {
            return Verdict { score: 0.0, contrast_sigma: ring.contrast_sigma };
        }
        let fill_fit = trapeze(fill, [0.35, 0.6, 1.3, 2.0]);
        // Lower thresholds take in the haze around a body, higher ones are cut out of its middle.
        let level_fit = trapeze(ring.level, [0.05, 0.45, 0.75, 0.95]);
        let outline_fit = trapeze(region.creep_px(&shape), [-2.0, -1.0, CREEP_PX, 3.0 * CREEP_PX]);
        let score = size_fit * fill_fit * level_fit * outline_fit * ring.probability(region.area);
        Verdict { score, contrast_sigma: ring.contrast_sigma }
    }

    /// 0–1: whether a person can have this size there.
    fn size_fit(&self, region: &Region, shape: &Shape) -> f32 {
        if let Scale::Unknown(shortest, longest) = self.scale {
            let aspect = shape.major / shape.minor.max(1.0);
            return trapeze(shape.major, [shortest, shortest * 1.4, longest * 0.7, longest]) * trapeze(aspect, [0.0, 0.5, 3.0, 5.0]);
        }
        let foot = PixelPoint { x: shape.centre.x, y: f32::from(region.bottom) };
        let Some(per_metre) = self.scale.per_metre(foot) else { return 0.0 };
        // Optics, resampling and smoothing widen what is small.
        let widened = WIDENED_PX / per_metre;
        let (major, minor) = (shape.major / per_metre, shape.minor / per_metre);
        let area = region.area as f32 / (per_metre * per_metre);
        let area_widened = (1.0 + widened / BODY_WIDTH_M) * (1.0 + widened / BODY_M);
        trapeze(area, [0.06, 0.3, 0.9 * area_widened, 1.5 * area_widened])
            * trapeze(major, [0.3, 0.45, 2.0 + widened, 2.5 + widened])
            * trapeze(minor, [0.08, 0.15, 0.85 + widened, 1.1 + widened])
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

    /// Cut by the upper edge or a side, so that its size is unknown: a window that reaches out of the picture is as large as a person.
    /// At the lower edge there are only near people.
    pub(crate) fn is_cut(&self, region: &Region) -> bool {
        let Scale::View(..) = self.scale else { return false };
        let Active { left, top, right, .. } = self.active;
        usize::from(region.left) <= left || usize::from(region.right) >= right || usize::from(region.top) <= top
    }

    /// The surroundings of a region, on an ellipse a little larger than its own.
    fn ring(&self, region: &Region, shape: &Shape) -> Option<Ring> {
        let gap = (0.2 * shape.minor).max(2.5);
        let (a, b) = (shape.major * 0.55 + gap, shape.minor * 0.55 + gap);
        let (sin, cos) = shape.angle.sin_cos();
        let mut samples = [0.0_f32; RING];
        let mut count = 0;
        for index in 0..RING {
            let (s, c) = (index as f32 / RING as f32 * std::f32::consts::TAU).sin_cos();
            let x = shape.centre.x + a * c * cos - b * s * sin;
            let y = shape.centre.y + a * c * sin + b * s * cos;
            if x >= self.active.left as f32 && y >= self.active.top as f32 && x < self.active.right as f32 && y < self.active.bottom as f32
            {
                samples[count] = self.scene.smooth[y as usize * self.scene.width + x as usize];
                count += 1;
            }
        }
        if count < RING / 3 {
            return None;
        }
        let sigma = self.scene.sigma(shape.centre.x as usize, shape.centre.y as usize);
        let samples = &mut samples[..count];
        samples.sort_unstable_by(f32::total_cmp);
        let middle = samples[count / 2];
        let upper = samples[count * 3 / 4];
        let mean = region.mean();
        let contrast = mean - middle;
        if contrast <= 0.0 {
            return None;
        }
        let enclosed = samples.partition_point(|&sample| sample < mean - 0.4 * contrast) as f32 / count as f32;
        let level = 1.0 - (region.mean_residual() - region.threshold) * sigma / contrast;
        Some(Ring {
            contrast_sigma: contrast / sigma,
            edge_sigma: (mean - upper) / sigma,
            enclosed,
            level,
            hotter: self.scene.hotter_part(mean),
            texture: sigma / self.scene.noise,
        })
    }

    /// The region's box, widened by what a threshold at half contrast leaves out.
    pub(crate) fn bbox(&self, region: &Region) -> PixelBox {
        let (left, top, right, bottom) = (region.left, region.top, region.right, region.bottom);
        let foot = PixelPoint { x: f32::midpoint(left.into(), right.into()), y: bottom.into() };
        let body_px = self.scale.per_metre(foot).unwrap_or(0.0) * BODY_M;
        let margin = if body_px < BLURRED_BODY_PX { BOX_MARGIN_PX } else { BOX_MARGIN_NEAR_PX };
        PixelBox::from_corners(left.into(), top.into(), right.into(), bottom.into()).grown(margin).clipped(self.size)
    }
}

/// Weights of a logistic regression on HIT-UAV `train` (450 000 regions of 449 pictures; the wanted side rises from 0 at an
/// overlap of 0.3 with a person's box to 1 at 0.6). Logarithms are natural.
const BIAS: f32 = -0.01;
/// Contrast over 8 σ, capped: hotter than 40 σ is no more of a person.
const WEIGHT_CONTRAST: f32 = 2.63;
const CONTRAST_MAX: f32 = 40.0;
/// What of the contrast is left where one side is warm too.
const WEIGHT_EDGE: f32 = 1.20;
/// The part of the ring that is not clearly colder.
const WEIGHT_ENCLOSED: f32 = 5.65;
/// Part of the picture hotter than the region, over 1 %. Capped: beside a wall warmed by the sun a body is a body.
const WEIGHT_HOTTER: f32 = -0.54;
const HOTTER_MAX: f32 = 0.15;
/// Texture of the neighbourhood over the noise of the sensor, over 5: of two equal contrasts in σ the one on grass is the greater.
const WEIGHT_TEXTURE: f32 = 1.39;
/// Not from the fit: HIT-UAV has no even ground to learn from, and even ground is no reason for doubt.
const TEXTURE_MIN: f32 = 2.5;
/// Not from the fit, which knows 40–200 pixels only: what keeps its shape over many pixels is no accident.
const WEIGHT_PIXELS: f32 = 1.0;
const PIXELS_FITTED: f32 = 150.0;
const PIXELS_MOST: f32 = 900.0;
/// Thresholds above half of the contrast cut into the body.
const WEIGHT_LEVEL_HIGH: f32 = -4.71;

/// What the surroundings say of a region.
struct Ring {
    /// Mean of the region against the median of the ring, σ.
    contrast_sigma: f32,
    /// The same against the upper quartile: what is left where one side is warm too.
    edge_sigma: f32,
    /// Part of the ring that is clearly colder than the region.
    enclosed: f32,
    /// The region's threshold between ring (0) and mean (1).
    level: f32,
    /// Part of the picture that is hotter than the region's mean.
    hotter: f32,
    /// σ of the neighbourhood over that of the sensor's noise.
    texture: f32,
}

impl Ring {
    /// How likely a region of a person's size is one.
    fn probability(&self, area_px: u32) -> f32 {
        let level = self.level.clamp(0.05, 1.5);
        let evidence = BIAS
            + WEIGHT_CONTRAST * (self.contrast_sigma.min(CONTRAST_MAX) / 8.0).ln()
            + WEIGHT_EDGE * (self.edge_sigma / self.contrast_sigma).clamp(0.02, 1.0).ln()
            + WEIGHT_ENCLOSED * (self.enclosed - 1.0)
            + WEIGHT_HOTTER * (self.hotter.clamp(0.002, HOTTER_MAX) / 0.01).ln()
            + WEIGHT_TEXTURE * (self.texture.clamp(TEXTURE_MIN, 20.0) / 5.0).ln()
            + WEIGHT_PIXELS * ((area_px as f32).clamp(PIXELS_FITTED, PIXELS_MOST) / PIXELS_FITTED).ln()
            + WEIGHT_LEVEL_HIGH * (level / 0.5).ln().max(0.0);
        1.0 / (1.0 + (-evidence).exp())
    }
}
