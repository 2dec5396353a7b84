//! How likely a region of a person's size is one.

use super::judge::{LEVEL_RANGE, trapeze};

/// What region and surroundings say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// Mean of the region against the median of the ring, σ.
    pub(super) contrast_sigma: f32,
    /// The same against the upper quartile: what is left where one side is warm too.
    pub(super) edge_sigma: f32,
    /// Part of the ring that is clearly colder than the region.
    pub(super) enclosed: f32,
    /// Between the quartiles of the ring, over the contrast: one side warm, or clutter.
    pub(super) uneven: f32,
    /// The region's threshold between ring (0) and mean (1).
    pub(super) level: f32,
    /// Part of the picture that is hotter than the region's mean.
    pub(super) hotter: f32,
    /// σ of the neighbourhood over that of the sensor's noise.
    pub(super) texture: f32,
    pub(super) area_px: f32,
    /// Area over that of an ellipse of its axes.
    pub(super) fill: f32,
    /// By how many pixels the outline draws back at the next threshold.
    pub(super) creep_px: f32,
    pub(super) aspect: f32,
    /// Area and width over those that are usual from above: smaller, and wider, is less likely.
    pub(super) usual_area: f32,
    pub(super) usual_width: f32,
}

/// Of a logistic regression, on natural logarithms except where said.
#[derive(Debug)]
pub(super) struct Weights {
    bias: f32,
    /// Contrast over 8 σ, capped: hotter than 40 σ is no more of a person.
    contrast: f32,
    /// Edge over contrast.
    edge: f32,
    /// Not a logarithm.
    enclosed: f32,
    /// Not a logarithm.
    uneven: f32,
    /// Over 1 %, capped: beside a wall warmed by the sun a body is a body.
    hotter: f32,
    /// Over 5: of two equal contrasts in σ the one on grass is the greater.
    texture: f32,
    /// Less texture than this counts as much. Not from the fit: HIT-UAV has no even ground to learn from, and even ground is no reason for doubt.
    texture_least: f32,
    /// [`EVEN_TEXTURE`] over texture: where there is nothing but noise, a faint body has nothing to be confused with. Not from the fit either.
    even: f32,
    /// Thresholds above half of the contrast cut into the body; below, they take in what is around it.
    level_high: f32,
    level_low: f32,
    /// What is missing to an ellipse, and pixels of creep. Neither is a logarithm.
    unfilled: f32,
    creep: f32,
    /// Up to 2.2.
    aspect: f32,
    small: f32,
    wide: f32,
    /// What keeps its shape over many pixels is no accident. Not from a fit.
    pixels: f32,
}

/// So that a score means as many false boxes as with [`STREET`], for which thresholds were chosen: at 1 a picture 0.59 and not 0.29.
const SAME_SCALE: f32 = 1.3;
const CONTRAST_MAX: f32 = 40.0;
const HOTTER_MAX: f32 = 0.15;
const EVEN_TEXTURE: f32 = 2.5;
const EVEN_ABOVE: f32 = 2.0;
const ASPECT_MAX: f32 = 2.2;
const FILLED: f32 = 0.95;
const PIXELS_FITTED: f32 = 150.0;
const PIXELS_MOST: f32 = 900.0;

/// Cameras that look at people from the side. HIT-UAV `train`, 450 000 regions of 449 pictures.
pub(super) const STREET: Weights = Weights {
    bias: -0.01,
    contrast: 2.63,
    edge: 1.20,
    enclosed: 5.65,
    uneven: 0.0,
    hotter: -0.54,
    texture: 1.39,
    texture_least: 2.5,
    even: 0.0,
    level_high: -4.71,
    level_low: 0.0,
    unfilled: 0.0,
    creep: 0.0,
    aspect: 0.0,
    small: 0.0,
    wide: 0.0,
    pixels: 1.0,
};
/// From above, distance unknown. HIT-UAV `train`, 104 704 regions of every second picture, each date counting alike; the wanted side rises from
/// 0 at an overlap of 0.3 with a person's box to 1 at 0.6.
pub(super) const ABOVE: Weights = Weights {
    bias: -0.367 + SAME_SCALE,
    contrast: 1.428,
    edge: 1.176,
    enclosed: 1.095,
    uneven: -2.531,
    hotter: -0.375,
    texture: 0.609,
    texture_least: 5.0,
    even: EVEN_ABOVE,
    level_high: -0.182,
    level_low: 0.674,
    unfilled: 0.447,
    creep: -0.891,
    aspect: 1.079,
    small: 1.196,
    wide: -2.234,
    pixels: 0.0,
};
/// The same where the distance is known, 147 727 regions.
pub(super) const ABOVE_IN_METRES: Weights = Weights {
    bias: -1.655 + SAME_SCALE,
    contrast: 1.637,
    edge: 0.843,
    enclosed: 1.345,
    uneven: -2.542,
    hotter: -0.429,
    texture: 1.090,
    texture_least: 5.0,
    even: EVEN_ABOVE,
    level_high: -2.897,
    level_low: 1.367,
    unfilled: 1.752,
    creep: -0.124,
    aspect: 1.644,
    small: -0.195,
    wide: -2.832,
    pixels: 0.0,
};

impl Evidence {
    /// 0–1.
    pub(super) fn probability(&self, weights: &Weights) -> f32 {
        let level = (self.level.clamp(0.05, 1.5) / 0.5).ln();
        let evidence = weights.bias
            + weights.contrast * (self.contrast_sigma.min(CONTRAST_MAX) / 8.0).ln()
            + weights.edge * (self.edge_sigma / self.contrast_sigma).clamp(0.02, 1.0).ln()
            + weights.enclosed * (self.enclosed - 1.0)
            + weights.uneven * self.uneven.min(1.5)
            + weights.hotter * (self.hotter.clamp(0.002, HOTTER_MAX) / 0.01).ln()
            + weights.texture * (self.texture.clamp(weights.texture_least, 20.0) / 5.0).ln()
            + weights.even * (EVEN_TEXTURE / self.texture).ln().max(0.0)
            + weights.level_high * level.max(0.0)
            + weights.level_low * (-level).max(0.0)
            - weights.unfilled * (self.fill - FILLED).min(0.0)
            + weights.creep * self.creep_px.max(0.0)
            + weights.aspect * self.aspect.min(ASPECT_MAX).ln()
            + weights.small * self.usual_area.ln().min(0.0)
            + weights.wide * self.usual_width.ln().max(0.0)
            + weights.pixels * (self.area_px.clamp(PIXELS_FITTED, PIXELS_MOST) / PIXELS_FITTED).ln();
        // Lower thresholds take in the haze around a body, higher ones are cut out of its middle.
        trapeze(self.level, LEVEL_RANGE) / (1.0 + (-evidence).exp())
    }
}
