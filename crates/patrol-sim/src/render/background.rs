//! What does not move: ground, walls, parked cars, lamps and the sky, cast once per camera, one ray per pixel.

use super::raster;
use super::shader::{OnWall, Shader};
use super::thermal::Thermal;
use super::things;
use super::value::Value;
use crate::geometry::{Frame, PixelRect, Projector, V2, V3};
use crate::random::mix;
use crate::spec::{Borders, Props};
use patrol_core::PixelBox;

/// Temperatures in kelvin above the air unless a name says otherwise.
#[derive(Clone)]
pub(crate) struct Background<V = f32> {
    pub(crate) projector: Projector,
    pub(crate) sharp: Vec<V>,
    pub(crate) blurred: Vec<V>,
    /// Metres along the optical axis; infinite for the sky, zero under the borders of the picture.
    pub(crate) depth: Vec<f32>,
    pub(crate) is_ground: Vec<bool>,
    /// What is shown as black and as white when nothing hot passes: kelvin, or light.
    pub(crate) low: f32,
    pub(crate) high: f32,
}

/// What a block is made of: visible cameras see it, thermal ones its temperatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matter {
    /// Of any colour, by its seed.
    Paint(u64),
    Glass,
    Rubber,
    HeadLamp,
    Concrete,
    Wood,
    Iron,
    Door,
}

/// A side of a block that a ray meets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Face {
    /// 0 the ends, 1 the long sides, 2 the top.
    pub(crate) axis: usize,
    /// 0 at the bottom to 1 at the top.
    pub(crate) high: f32,
}

/// A box standing on, or floating over, the ground.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(crate) frame: Frame,
    pub(crate) half_length: f32,
    pub(crate) half_width: f32,
    pub(crate) z0: f32,
    pub(crate) z1: f32,
    pub(crate) top_k: f32,
    pub(crate) side_k: f32,
    pub(crate) matter: Matter,
}

/// A block and the eye, in the block's own axes.
pub(crate) struct SeenBlock {
    block: Block,
    eye: [f32; 3],
    sin: f32,
    cos: f32,
}

impl Block {
    pub(crate) fn corners(&self) -> impl Iterator<Item = V3> + use<> {
        let block = *self;
        (0..8).map(move |i| {
            let (along, left) = (if i & 1 == 0 { -1.0 } else { 1.0 }, if i & 2 == 0 { -1.0 } else { 1.0 });
            let z = if i & 4 == 0 { block.z0 } else { block.z1 };
            block.frame.point(along * block.half_length, left * block.half_width).up(z)
        })
    }

    pub(crate) fn seen_from(&self, projector: &Projector) -> SeenBlock {
        let (sin, cos) = self.frame.heading_deg.to_radians().sin_cos();
        let (along, left) = self.frame.local(projector.foot);
        SeenBlock { block: *self, eye: [along, left, projector.height], sin, cos }
    }
}

impl SeenBlock {
    pub(crate) fn block(&self) -> &Block {
        &self.block
    }

    /// Depth at which `ray` enters the block, and where.
    pub(crate) fn hit(&self, ray: V3) -> Option<(f32, Face)> {
        let direction = [ray.e * self.sin + ray.n * self.cos, ray.n * self.sin - ray.e * self.cos, ray.z];
        let block = &self.block;
        let low = [-block.half_length, -block.half_width, block.z0];
        let high = [block.half_length, block.half_width, block.z1];
        let (mut enter, mut leave, mut axis) = (0.0f32, f32::MAX, 3);
        for i in 0..3 {
            let inverse = 1.0 / if direction[i].abs() < 1e-9 { 1e-9 } else { direction[i] };
            let (a, b) = ((low[i] - self.eye[i]) * inverse, (high[i] - self.eye[i]) * inverse);
            if a.min(b) > enter {
                (enter, axis) = (a.min(b), i);
            }
            leave = leave.min(a.max(b));
        }
        (enter < leave && axis < 3).then(|| {
            let z = self.eye[2] + direction[2] * enter;
            (enter, Face { axis, high: (z - block.z0) / (block.z1 - block.z0).max(0.1) })
        })
    }
}

/// Radius of a lamp's glass, metres, and its surface above the air.
pub(crate) const LAMP_RADIUS_M: f32 = 0.13;
pub(crate) const LAMP_K: f32 = 45.0;
/// A manhole cover is 0.7 m across.
pub(crate) const MANHOLE_RADIUS_M: f32 = 0.35;

impl Background {
    /// As a thermal camera sees it; `projector` decides the resolution: layouts are tried on a small one.
    pub(crate) fn thermal(projector: Projector, props: &Props, seed: u64, wet: bool) -> Self {
        Self::cast_all(projector, props, seed, &Thermal::new(&projector, props, seed, wet))
    }
    /// The part of `bbox` that shows something hot, when any does: the rest is hidden by what stands before it.
    pub(crate) fn hot_part(&self, bbox: &PixelBox) -> Option<PixelBox> {
        // Warmer than any wall or window, cooler than any bonnet, lamp or cover that counts as hot.
        const HOT_K: f32 = 2.2;
        let size = self.projector.size;
        let rect = PixelRect::inside(bbox, size)?;
        let mut corners: Option<[f32; 4]> = None;
        for y in rect.y0..rect.y1 {
            for x in rect.x0..rect.x1 {
                if self.sharp[y * size.width as usize + x] > HOT_K {
                    let (x, y) = (x as f32, y as f32);
                    let c = corners.get_or_insert([x, y, x, y]);
                    *c = [c[0].min(x), c[1].min(y), c[2].max(x), c[3].max(y)];
                }
            }
        }
        corners.map(|c| PixelBox::from_corners(c[0], c[1], c[2] + 1.0, c[3] + 1.0))
    }
}

impl<V: Value> Background<V> {
    /// Nothing yet.
    pub(crate) fn blank(projector: Projector) -> Self {
        let pixels = (projector.size.width * projector.size.height) as usize;
        Self {
            projector,
            sharp: vec![V::default(); pixels],
            blurred: vec![V::default(); pixels],
            depth: vec![f32::INFINITY; pixels],
            is_ground: vec![false; pixels],
            low: 0.0,
            high: 1.0,
        }
    }

    pub(crate) fn cast_all<S: Shader<V = V>>(projector: Projector, props: &Props, seed: u64, shader: &S) -> Self {
        let (width, height) = (projector.size.width as usize, projector.size.height as usize);
        let mut made = Self::blank(projector);
        let near = |at: V2| at.distance(projector.foot) < super::RANGE_MAX_M * 1.5;
        made.cast_ground(shader);
        for (number, wall) in props.walls.iter().enumerate().filter(|(_, wall)| near(wall.from) || near(wall.to)) {
            made.cast_wall(shader, wall.from, wall.to, wall.height_m, mix(seed ^ number as u64));
        }
        for block in things::still_blocks(props, &near) {
            let seen = block.seen_from(&projector);
            let eye = projector.eye();
            made.cast(projector.box_around(block.corners()), |ray| {
                seen.hit(ray).map(|(depth, face)| (depth, shader.block(&block, face, eye.plus(ray, depth))))
            });
        }
        for (number, lamp) in props.lamps.iter().enumerate().filter(|(_, lamp)| near(lamp.at)) {
            if let Some(glass) = shader.lamp(number) {
                made.light(lamp.at.up(lamp.height_m), glass);
            }
        }
        let whole = PixelRect { x0: 0, y0: 0, x1: width, y1: height };
        raster::blur(&made.sharp, &mut made.blurred, &mut Vec::new(), whole, projector.size);
        (made.low, made.high) = shader.stretch(&made.blurred);
        made
    }

    /// Under the borders nothing is seen.
    pub(crate) fn framed(mut self, borders: Borders) -> Self {
        let (width, height) = (self.projector.size.width as usize, self.projector.size.height as usize);
        if borders != Borders::default() {
            let columns = borders.left as usize..width - borders.right as usize;
            let rows = borders.top as usize..height - borders.bottom as usize;
            for (index, depth) in self.depth.iter_mut().enumerate() {
                if !columns.contains(&(index % width)) || !rows.contains(&(index / width)) {
                    *depth = 0.0;
                }
            }
        }
        self
    }

    /// As seen from the same point in the direction of `projector`, which must lie inside this view.
    pub(crate) fn turned(&self, projector: Projector) -> Self {
        let (size, from) = (projector.size, self.projector.size);
        let pixels = (size.width * size.height) as usize;
        let mut made = Self {
            projector,
            sharp: Vec::with_capacity(pixels),
            blurred: Vec::with_capacity(pixels),
            depth: Vec::with_capacity(pixels),
            is_ground: Vec::with_capacity(pixels),
            low: self.low,
            high: self.high,
        };
        let (cx, cy, f) = (from.width as f32 / 2.0 - 0.5, from.height as f32 / 2.0 - 0.5, self.projector.f);
        for y in 0..size.height {
            // Along a row everything is linear before the division.
            let at = |x: f32| self.projector.in_camera(projector.ray(x, y as f32 + 0.5));
            let (first, second) = (at(0.5), at(1.5));
            let step = (second.0 - first.0, second.1 - first.1, second.2 - first.2);
            for x in 0..size.width {
                let k = x as f32;
                let axial = first.2 + step.2 * k;
                let u = (cx + f * (first.0 + step.0 * k) / axial).clamp(0.0, from.width as f32 - 1.001);
                let v = (cy + f * (first.1 + step.1 * k) / axial).clamp(0.0, from.height as f32 - 1.001);
                let (ku, kv) = (u.fract(), v.fract());
                let corner = v as usize * from.width as usize + u as usize;
                let mix = |plane: &[V]| {
                    let top = plane[corner] + (plane[corner + 1] - plane[corner]) * ku;
                    let row = corner + from.width as usize;
                    let low = plane[row] + (plane[row + 1] - plane[row]) * ku;
                    top + (low - top) * kv
                };
                made.sharp.push(mix(&self.sharp));
                made.blurred.push(mix(&self.blurred));
                let nearest = (v + 0.5) as usize * from.width as usize + (u + 0.5) as usize;
                made.depth.push(self.depth[nearest] / axial);
                made.is_ground.push(self.is_ground[nearest]);
            }
        }
        made
    }

    fn cast_ground<S: Shader<V = V>>(&mut self, shader: &S) {
        const FAR_M: f32 = 400.0;
        let projector = self.projector;
        let width = projector.size.width as usize;
        for pixel in 0..self.sharp.len() {
            let ray = projector.ray((pixel % width) as f32 + 0.5, (pixel / width) as f32 + 0.5);
            if ray.z > -projector.height / FAR_M {
                let steep = (ray.z / ray.e.hypot(ray.n).max(1e-3)).max(0.0);
                self.sharp[pixel] = shader.sky(steep);
                continue;
            }
            let depth = projector.height / -ray.z;
            let point = projector.eye().plus(ray, depth);
            (self.depth[pixel], self.is_ground[pixel]) = (depth, true);
            self.sharp[pixel] = shader.ground(V2::new(point.e, point.n), depth, ray);
        }
    }

    /// Casts the rays of the pixels of `bbox` (all when `None`) and keeps the nearer.
    fn cast(&mut self, bbox: Option<PixelBox>, hit: impl Fn(V3) -> Option<(f32, V)>) {
        let size = self.projector.size;
        let whole = PixelBox::new(0.0, 0.0, size.width as f32, size.height as f32);
        let Some(rect) = PixelRect::inside(&bbox.map_or(whole, |bbox| bbox.grown(1.0)), size) else { return };
        for y in rect.y0..rect.y1 {
            for x in rect.x0..rect.x1 {
                let pixel = y * size.width as usize + x;
                if let Some((depth, value)) = hit(self.projector.ray(x as f32 + 0.5, y as f32 + 0.5))
                    && (depth < self.depth[pixel] || depth.is_infinite())
                {
                    (self.depth[pixel], self.sharp[pixel], self.is_ground[pixel]) = (depth, value, false);
                }
            }
        }
    }

    fn cast_wall<S: Shader<V = V>>(&mut self, shader: &S, a: V2, b: V2, height_m: f32, seed: u64) {
        let eye = self.projector.eye();
        let (de, dn) = (b.e - a.e, b.n - a.n);
        let length = de.hypot(dn).max(1e-3);
        let side = ((a.e - eye.e) * dn - (a.n - eye.n) * de).signum() / length;
        let normal = V2::new(-dn * side, de * side);
        let bbox = self.projector.box_around([a.up(0.0), b.up(0.0), a.up(height_m), b.up(height_m)]);
        self.cast(bbox, |ray| {
            let across = ray.e * dn - ray.n * de;
            let depth = ((a.e - eye.e) * dn - (a.n - eye.n) * de) / across;
            if !(depth > 0.3 && depth.is_finite()) {
                return None;
            }
            let point = eye.plus(ray, depth);
            let along = ((point.e - a.e) * de + (point.n - a.n) * dn) / length;
            let inside = (0.0..=length).contains(&along) && (0.0..=height_m).contains(&point.z);
            inside.then(|| (depth, shader.wall(&OnWall { point, along, seed, normal })))
        });
    }

    fn light(&mut self, centre: V3, glass: V) {
        let Some(flat) = self.projector.project(centre) else { return };
        let size = self.projector.size;
        let r = (LAMP_RADIUS_M * self.projector.f / flat.depth).max(0.6);
        let Some(rect) = PixelRect::inside(&PixelBox::new(flat.x - r - 1.0, flat.y - r - 1.0, 2.0 * r + 2.0, 2.0 * r + 2.0), size) else {
            return;
        };
        for y in rect.y0..rect.y1 {
            for x in rect.x0..rect.x1 {
                let pixel = y * size.width as usize + x;
                let coverage = (r + 0.5 - (x as f32 + 0.5 - flat.x).hypot(y as f32 + 0.5 - flat.y)).clamp(0.0, 1.0);
                if coverage > 0.0 && self.depth[pixel] > flat.depth - 0.2 {
                    let before = self.sharp[pixel];
                    self.sharp[pixel] = before + (glass - before) * coverage;
                }
            }
        }
    }
}
