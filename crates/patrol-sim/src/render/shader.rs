//! What surfaces look like to a kind of camera. Geometry is the same for all; this is not.

use super::background::{Block, Face};
use super::value::Value;
use crate::body::Capsule;
use crate::geometry::{V2, V3};

/// Where a ray meets a wall.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnWall {
    pub(crate) point: V3,
    /// Metres from the wall's first end.
    pub(crate) along: f32,
    pub(crate) seed: u64,
    /// Unit vector towards the eye's side.
    pub(crate) normal: V2,
}

pub(crate) trait Shader {
    type V: Value;
    /// What all pixels of a limb share.
    type Limb: Copy;

    /// `steep`: rise of the ray over its level length, 0 at the horizon.
    fn sky(&self, steep: f32) -> Self::V;
    fn ground(&self, at: V2, depth: f32, ray: V3) -> Self::V;
    fn wall(&self, wall: &OnWall) -> Self::V;
    fn block(&self, block: &Block, face: Face, point: V3) -> Self::V;
    /// The glass of a lamp that burns; `None`: it is drawn with what moves.
    fn lamp(&self, number: usize) -> Option<Self::V>;
    /// What the camera shows as black and as white.
    fn stretch(&self, field: &[Self::V]) -> (f32, f32);

    fn limb(&self, capsule: &Capsule) -> Self::Limb;
    /// `off`: distance from the middle line in radii; `k`: 0 at the capsule's first end to 1 at its other.
    fn limb_at(&self, limb: &Self::Limb, off: f32, k: f32) -> Self::V;

    /// Part of what wet ground at `at` mirrors along `ray`, 0 when it is dry.
    fn mirrored(&self, at: V2, ray: V3) -> f32;
    /// A puff of steam `warm_k` above the air at `centre`.
    fn steam(&self, warm_k: f32, centre: V3) -> Self::V;
    /// What far things fade to in snow.
    fn snow_air(&self) -> Self::V;
    /// A flake before the camera.
    fn flake(&self, away_m: f32) -> Self::V;
    /// Ground of which the part `k` lies under fresh snow.
    fn under_snow(&self, bare: Self::V, k: f32) -> Self::V;
}
