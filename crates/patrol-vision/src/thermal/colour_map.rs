//! From colours back to intensity.

use super::cloud::{self, Cloud};
use super::palette::{Coding, Curve, Palette};
use super::planes::Planes;

/// Colour is halved in both directions by the codec and blurred, brightness is not: it counts more.
const CHROMA_WEIGHT: f32 = 0.5;
/// A known palette is believed when the colours of even places lie this close to it, in levels, or closer than the second limit and not
/// much farther than from an estimate: in a scene of few colours a wrong palette that passes by them is near too, and may run the other way.
const KNOWN_RESIDUAL: f32 = 5.0;
const KNOWN_RESIDUAL_MOST: f32 = 7.0;
const KNOWN_OVER_ESTIMATE: f32 = 1.6;
/// Beyond, the colours form no curve at all, and brightness is all that can be read.
const CURVE_RESIDUAL: f32 = 22.0;
/// A colour farther from the curve than this, levels, was not in it.
const NEW_COLOUR: f32 = 24.0;
/// Neighbours that differ by no more are of one colour, levels.
const EVEN: u8 = 8;
/// Bits of U and V that the table keeps.
const CHROMA_BITS: u32 = 6;
const CHROMA_DROPPED: u32 = 8 - CHROMA_BITS;

/// A curve and a table of the colours met so far; 0: not met yet.
#[derive(Debug)]
pub(super) struct ColourMap {
    pub(super) palette: &'static str,
    /// Distance of the picture's colours from the curve, root mean square, levels.
    pub(super) residual: f32,
    pub(super) known: bool,
    /// Colours met in even places that lie off the curve: many when there is something new to see.
    pub(super) new_colours: usize,
    curve: Box<Curve>,
    table: Vec<u8>,
}

impl ColourMap {
    pub(super) fn new(palette: &'static str, known: bool, curve: &Curve, residual: f32) -> Self {
        Self { palette, residual, known, new_colours: 0, curve: Box::new(*curve), table: vec![0; 1 << (8 + 2 * CHROMA_BITS)] }
    }

    /// The best that explains the colours; `None` when they form no curve. `before` keeps the direction of an estimate.
    pub(super) fn find(cloud: &Cloud, wanted: Palette, before: Option<&Self>) -> Option<Self> {
        let palettes = if wanted == Palette::Auto { Palette::COLOURED.as_slice() } else { std::slice::from_ref(&wanted) };
        let known = palettes
            .iter()
            .flat_map(|palette| Coding::ALL.map(|coding| (*palette, palette.curve(coding))))
            .map(|(palette, curve)| (cloud.residual(&curve), palette, curve))
            .min_by(|a, b| a.0.total_cmp(&b.0))?;
        let is_known = wanted != Palette::Auto || known.0 <= KNOWN_RESIDUAL;
        if !is_known {
            let estimated = cloud.backbone(before.map(|map| &*map.curve)).map(|curve| (cloud.residual(&curve), curve));
            let limit = if known.0 <= KNOWN_RESIDUAL_MOST { known.0 / KNOWN_OVER_ESTIMATE } else { known.0 };
            if let Some((residual, curve)) = estimated.filter(|(residual, _)| *residual < limit.min(CURVE_RESIDUAL)) {
                return Some(Self::new("unknown", false, &curve, residual));
            }
        }
        (is_known || known.0 <= CURVE_RESIDUAL).then(|| Self::new(known.1.name(), true, &known.2, known.0))
    }

    /// Which end is hot in a white-hot camera is known, or plain to see.
    pub(super) fn has_direction(&self) -> bool {
        self.known || cloud::has_direction(&self.curve)
    }

    pub(super) fn fits(&self, cloud: &Cloud) -> bool {
        cloud.residual(&self.curve) <= (1.3 * self.residual).max(KNOWN_RESIDUAL_MOST)
    }

    /// Writes the intensity of every pixel.
    pub(super) fn read(&mut self, planes: &Planes, out: &mut Vec<u8>) {
        out.clear();
        for y in 0..planes.height {
            let chroma = planes.chroma_row(y / 2);
            let mut left = [0_u8; 2];
            for (pair, [u, v]) in planes.row(y).chunks(2).zip(chroma) {
                let place = usize::from(*u >> CHROMA_DROPPED) << CHROMA_BITS | usize::from(*v >> CHROMA_DROPPED);
                for luma in pair {
                    let index = usize::from(*luma) << (2 * CHROMA_BITS) | place;
                    let mut intensity = self.table[index];
                    if intensity == 0 {
                        let (place, distance) = nearest(&self.curve, *luma, *u, *v);
                        intensity = place.max(1);
                        self.table[index] = intensity;
                        let even = pair[0].abs_diff(pair[pair.len() - 1]).max(u.abs_diff(left[0])).max(v.abs_diff(left[1])) <= EVEN;
                        self.new_colours += usize::from(even && distance > NEW_COLOUR * NEW_COLOUR);
                    }
                    out.push(intensity);
                }
                left = [*u, *v];
            }
        }
    }
}

/// The point of the curve nearest to the middle of the table's cell, and its squared distance.
fn nearest(curve: &Curve, luma: u8, u: u8, v: u8) -> (u8, f32) {
    let middle = |value: u8| f32::from(value >> CHROMA_DROPPED << CHROMA_DROPPED) + f32::from((1_u8 << CHROMA_DROPPED) - 1) / 2.0;
    let colour = [f32::from(luma), middle(u), middle(v)];
    let mut best = (f32::INFINITY, 0);
    for (index, point) in curve.iter().enumerate() {
        let distance = (point[0] - colour[0]).powi(2) + CHROMA_WEIGHT * ((point[1] - colour[1]).powi(2) + (point[2] - colour[2]).powi(2));
        if distance < best.0 {
            best = (distance, index);
        }
    }
    (best.1 as u8, best.0)
}
