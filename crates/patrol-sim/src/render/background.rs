//! What does not move: ground, walls, parked cars, lamps and the sky, cast once per camera, one ray per pixel.

use super::raster;
use crate::geometry::{Frame, PixelRect, Projector, V2, V3};
use crate::random::{mix, value_noise};
use crate::spec::{Props, StripSpec};
use patrol_core::PixelBox;

/// Temperatures in kelvin above the air unless a name says otherwise.
pub(crate) struct Background {
    pub(crate) projector: Projector,
    pub(crate) sharp: Vec<f32>,
    pub(crate) blurred: Vec<f32>,
    /// Metres along the optical axis; infinite for the sky.
    pub(crate) depth: Vec<f32>,
    /// What AGC shows as black and as white when nothing hot passes.
    pub(crate) low_k: f32,
    pub(crate) high_k: f32,
}

/// A box standing on, or floating over, the ground.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    frame: Frame,
    half_length: f32,
    half_width: f32,
    z0: f32,
    z1: f32,
    top_k: f32,
    side_k: f32,
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
    /// Depth at which `ray` enters the block, and how warm the face is there.
    pub(crate) fn hit(&self, ray: V3) -> Option<(f32, f32)> {
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
            // Lower parts of a side see the ground, upper parts the cold sky.
            let z = self.eye[2] + direction[2] * enter;
            let warm_k = if axis == 2 { block.top_k } else { block.side_k - 0.5 * (z - block.z0) / (block.z1 - block.z0).max(0.1) };
            (enter, warm_k)
        })
    }
}

/// Length of a car's bonnet and its width, metres.
const BONNET_M: (f32, f32) = (1.0, 1.4);

/// A saloon at `at`, its front towards `heading_deg`: body, cabin, bonnet. Roof and glass reflect the cold sky.
pub(crate) fn car_blocks(at: V2, heading_deg: f32, bonnet_k: Option<f32>) -> Vec<Block> {
    let frame = Frame { origin: at, heading_deg };
    let moved = |along: f32| Frame { origin: frame.point(along, 0.0), heading_deg };
    vec![
        Block { frame, half_length: 2.2, half_width: 0.88, z0: 0.25, z1: 0.88, top_k: -2.2, side_k: -0.6 },
        Block { frame: moved(-0.35), half_length: 1.25, half_width: 0.74, z0: 0.88, z1: 1.45, top_k: -3.6, side_k: -2.4 },
        bonnet(&frame, bonnet_k.unwrap_or(-2.0)),
    ]
}

fn bonnet(car: &Frame, warm_k: f32) -> Block {
    let frame = Frame { origin: car.point(1.55, 0.0), heading_deg: car.heading_deg };
    let (length, width) = BONNET_M;
    Block { frame, half_length: length / 2.0, half_width: width / 2.0, z0: 0.84, z1: 0.90, top_k: warm_k, side_k: warm_k * 0.6 }
}

/// Radius of a lamp's glass, metres, and its surface above the air.
const LAMP_RADIUS_M: f32 = 0.13;
const LAMP_K: f32 = 45.0;
/// A manhole cover is 0.7 m across.
const MANHOLE_RADIUS_M: f32 = 0.35;

/// The hot still things of a scene as one camera sees them, whole or in part: kind and clipped box.
pub(crate) fn hot_boxes(props: &Props, projector: &Projector) -> Vec<(&'static str, PixelBox)> {
    let mut found = Vec::new();
    let mut add = |kind, bbox: Option<PixelBox>, at: V2| {
        if let Some(bbox) = bbox.map(|bbox| bbox.clipped(projector.size))
            && bbox.area() >= 1.0
            && at.distance(projector.foot) < super::RANGE_MAX_M
        {
            found.push((kind, bbox));
        }
    };
    for lamp in &props.lamps {
        let centre = lamp.at.up(lamp.height_m);
        let bbox = projector.project(centre).map(|flat| {
            let r = LAMP_RADIUS_M * projector.f / flat.depth;
            PixelBox::new(flat.x - r, flat.y - r, 2.0 * r, 2.0 * r)
        });
        add("lamp", bbox, lamp.at);
    }
    for car in props.cars.iter().filter(|car| car.path.is_empty()) {
        let Some(warm_k) = car.bonnet_k else { continue };
        let block = bonnet(&Frame { origin: car.at, heading_deg: car.heading_deg }, warm_k);
        add("bonnet", projector.box_around(block.corners()), car.at);
    }
    for manhole in &props.manholes {
        let r = MANHOLE_RADIUS_M;
        let rim = [(r, 0.0), (-r, 0.0), (0.0, r), (0.0, -r)].map(|(e, n)| V3::new(manhole.at.e + e, manhole.at.n + n, 0.0));
        add("manhole", projector.box_around(rim), manhole.at);
    }
    found
}

impl Background {
    /// `projector` decides the resolution: layouts are tried on a small one.
    pub(crate) fn new(projector: Projector, props: &Props, seed: u64) -> Self {
        let (width, height) = (projector.size.width as usize, projector.size.height as usize);
        let mut made = Self {
            projector,
            sharp: vec![0.0; width * height],
            blurred: vec![0.0; width * height],
            depth: vec![f32::INFINITY; width * height],
            low_k: 0.0,
            high_k: 1.0,
        };
        let near = |at: V2| at.distance(projector.foot) < super::RANGE_MAX_M * 1.5;
        let ground = Ground { props, seed, strips: props.strips.iter().filter(|s| near(s.from.lerp(s.to, 0.5))).collect() };
        made.cast(None, |ray| Some(ground.seen(&projector, ray)));
        for (number, wall) in props.walls.iter().enumerate().filter(|(_, wall)| near(wall.from) || near(wall.to)) {
            made.cast_wall(wall.from, wall.to, wall.height_m, mix(seed ^ number as u64));
        }
        let mut blocks = Vec::new();
        for car in props.cars.iter().filter(|car| car.path.is_empty() && near(car.at)) {
            blocks.extend(car_blocks(car.at, car.heading_deg, car.bonnet_k));
        }
        for block in props.blocks.iter().filter(|block| near(block.at)) {
            let [length, across, tall] = block.size;
            let frame = Frame { origin: block.at, heading_deg: block.heading_deg };
            let (half_length, half_width) = (length / 2.0, across / 2.0);
            blocks.push(Block { frame, half_length, half_width, z0: 0.0, z1: tall, top_k: block.warm_k - 1.5, side_k: block.warm_k });
        }
        for lamp in props.lamps.iter().filter(|lamp| near(lamp.at)) {
            let frame = Frame { origin: lamp.at, heading_deg: 0.0 };
            let z1 = lamp.height_m - 0.1;
            blocks.push(Block { frame, half_length: 0.06, half_width: 0.06, z0: 0.0, z1, top_k: -1.0, side_k: -0.7 });
        }
        for block in &blocks {
            let seen = block.seen_from(&projector);
            made.cast(projector.box_around(block.corners()), |ray| seen.hit(ray));
        }
        for lamp in props.lamps.iter().filter(|lamp| near(lamp.at)) {
            made.light(lamp.at.up(lamp.height_m));
        }
        let whole = PixelRect { x0: 0, y0: 0, x1: width, y1: height };
        raster::blur(&made.sharp, &mut made.blurred, &mut Vec::new(), whole, projector.size);
        let mut sorted = made.blurred.clone();
        sorted.sort_by(f32::total_cmp);
        let percentile = |p: f32| sorted[((sorted.len() - 1) as f32 * p) as usize];
        // White is never nearer to the air than faces are warm: cameras bound their gain so that an empty street is not stretched into noise.
        (made.low_k, made.high_k) = (percentile(0.01).max(-9.0) - 0.7, percentile(0.995).clamp(7.5, 10.0));
        made
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

    /// Casts the rays of the pixels of `bbox` (all when `None`) and keeps the nearer.
    fn cast(&mut self, bbox: Option<PixelBox>, hit: impl Fn(V3) -> Option<(f32, f32)>) {
        let size = self.projector.size;
        let whole = PixelBox::new(0.0, 0.0, size.width as f32, size.height as f32);
        let Some(rect) = PixelRect::inside(&bbox.map_or(whole, |bbox| bbox.grown(1.0)), size) else { return };
        for y in rect.y0..rect.y1 {
            for x in rect.x0..rect.x1 {
                let pixel = y * size.width as usize + x;
                if let Some((depth, warm_k)) = hit(self.projector.ray(x as f32 + 0.5, y as f32 + 0.5))
                    && (depth < self.depth[pixel] || depth.is_infinite())
                {
                    (self.depth[pixel], self.sharp[pixel]) = (depth, warm_k);
                }
            }
        }
    }

    fn cast_wall(&mut self, a: V2, b: V2, height_m: f32, seed: u64) {
        let eye = self.projector.eye();
        let (de, dn) = (b.e - a.e, b.n - a.n);
        let length = de.hypot(dn).max(1e-3);
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
            inside.then(|| (depth, facade(along, point.z, seed)))
        });
    }

    fn light(&mut self, centre: V3) {
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
                    self.sharp[pixel] += (LAMP_K - self.sharp[pixel]) * coverage;
                }
            }
        }
    }
}

/// A building front: masonry holds the day's warmth, windows leak a little, glass that does not reflects the sky.
fn facade(along: f32, z: f32, seed: u64) -> f32 {
    const STOREY_M: f32 = 3.2;
    const BAY_M: f32 = 2.6;
    let grain = 0.15 * value_noise(along * 1.7, z * 1.7, seed) + 0.3 * value_noise(along * 0.2, z * 0.2, seed ^ 1);
    let masonry = 1.0 - 0.05 * z + grain;
    let (bay, storey) = ((along / BAY_M).floor(), (z / STOREY_M).floor());
    let (u, w) = (along - bay * BAY_M, z - storey * STOREY_M);
    let opening = if storey < 1.0 {
        (0.35..2.25).contains(&u) && (0.5..2.3).contains(&w)
    } else {
        (0.7..1.9).contains(&u) && (0.9..2.3).contains(&w)
    };
    if !opening {
        return masonry - if w < 0.15 { 0.5 } else { 0.0 };
    }
    let key = mix(seed ^ (bay as i64 as u64) << 20 ^ storey as i64 as u64);
    let chance = (key >> 40) as f32 / (1u64 << 24) as f32;
    if chance > 0.62 { masonry + 0.4 + 2.0 * (chance - 0.62) } else { masonry - 0.9 - 1.2 * chance }
}

struct Ground<'a> {
    props: &'a Props,
    seed: u64,
    strips: Vec<&'a StripSpec>,
}

impl Ground<'_> {
    /// Depth and warmth of ground or sky along `ray`.
    fn seen(&self, projector: &Projector, ray: V3) -> (f32, f32) {
        const FAR_M: f32 = 400.0;
        let level = ray.e.hypot(ray.n);
        if ray.z > -projector.height / FAR_M {
            // Clear winter sky: coldest overhead, towards the horizon more and more air.
            let steep = (ray.z / level.max(1e-3)).max(0.0);
            return (f32::INFINITY, -4.0 - 9.0 * (steep * 4.0).min(1.0));
        }
        let depth = projector.height / -ray.z;
        let point = projector.eye().plus(ray, depth);
        let warm_k = self.warm_k(V2::new(point.e, point.n), depth);
        (depth, warm_k)
    }

    fn warm_k(&self, at: V2, depth: f32) -> f32 {
        // Fine grain fades with distance, as a pixel covers more ground.
        let fine = (12.0 / depth.max(12.0)).min(1.0);
        let coarse = (45.0 / depth.max(45.0)).min(1.0);
        let noise = |scale: f32, salt: u64| coarse * value_noise(at.e * scale, at.n * scale, self.seed ^ salt);
        let mut warm_k = -0.3 + 0.25 * noise(0.11, 11) + 0.18 * noise(0.6, 12) + fine * 0.12 * noise(2.9, 13);
        // Old snow lies in patches.
        let snow = noise(0.16, 14) + 0.35 * noise(0.7, 15) - 0.45;
        let mut snow_k = -1.4 * coarse * coarse * (snow * 6.0).clamp(0.0, 1.0);
        for strip in &self.strips {
            let off = strip.width_m / 2.0 - at.distance_to_segment(strip.from, strip.to);
            if off > 0.0 {
                warm_k += strip.warm_k * (off * 3.0).min(1.0);
                snow_k *= (1.0 - off).clamp(0.0, 1.0);
            } else if off > -0.16 {
                warm_k -= 0.7;
            }
        }
        for manhole in &self.props.manholes {
            let inside = MANHOLE_RADIUS_M - at.distance(manhole.at);
            warm_k += manhole.warm_k * (inside * 20.0 + 0.5).clamp(0.0, 1.0);
        }
        warm_k + snow_k
    }
}
