//! A small thermal street: ground, a wall, and bodies of capsules a few kelvin above it, blurred, noisy, after an AGC.

use patrol_core::{CameraView, GroundPoint, MediaTime, Picture, PictureSize, PixelBox, PixelFormat, PixelPoint, WallEstimate, WallTime};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) const SIZE: PictureSize = PictureSize::new(640, 512);

/// A point of the scene: metres ahead of the camera, to the right, above the ground.
type Point = (f32, f32, f32);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Pose {
    Standing,
    Walking,
    Sitting,
    /// Direction of the head, degrees from straight away to the right.
    Lying(f32),
}

pub(crate) struct Street {
    pub(crate) view: CameraView,
    /// Kelvin above the ground at the camera's foot.
    kelvin: Vec<f32>,
}

impl Street {
    pub(crate) fn new(height_m: f32, tilt_deg: f32) -> Self {
        let view = CameraView { height_m, tilt_deg, heading_deg: 0.0, hfov_deg: 60.0 };
        let mut kelvin = vec![0.0; (SIZE.width * SIZE.height) as usize];
        for (index, value) in kelvin.iter_mut().enumerate() {
            let pixel = PixelPoint { x: (index as u32 % SIZE.width) as f32 + 0.5, y: (index as u32 / SIZE.width) as f32 + 0.5 };
            // The sky is cold; the ground cools with distance and is patched.
            *value = view.ground_from_pixel(pixel, 0.0, SIZE).map_or(-25.0, |ground| {
                -0.02 * ground.north_m.min(100.0) + 0.25 * (ground.east_m * 1.3).sin() * (ground.north_m * 0.7).cos()
            });
        }
        Self { view, kelvin }
    }

    fn project(&self, (ahead, right, up): Point) -> PixelPoint {
        let ground = GroundPoint { east_m: right, north_m: ahead, error_m: 0.0 };
        self.view.pixel_from_ground(&ground, up, SIZE).expect("in front of the camera")
    }

    fn pixels_per_metre(&self, (ahead, right, up): Point) -> f32 {
        let (a, b) = (self.project((ahead, right - 0.5, up)), self.project((ahead, right + 0.5, up)));
        (a.x - b.x).hypot(a.y - b.y)
    }

    /// Paints a capsule and grows `seen` by it.
    fn capsule(&mut self, from: Point, to: Point, radius_m: f32, kelvin: f32, seen: &mut Option<PixelBox>) {
        let (a, b) = (self.project(from), self.project(to));
        let radius = radius_m * self.pixels_per_metre(from);
        let (left, right) = (a.x.min(b.x) - radius, a.x.max(b.x) + radius);
        let (top, bottom) = (a.y.min(b.y) - radius, a.y.max(b.y) + radius);
        for y in top.max(0.0) as u32..(bottom.max(0.0) as u32 + 1).min(SIZE.height) {
            for x in left.max(0.0) as u32..(right.max(0.0) as u32 + 1).min(SIZE.width) {
                let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
                let (dx, dy) = (b.x - a.x, b.y - a.y);
                let t = (((px - a.x) * dx + (py - a.y) * dy) / (dx * dx + dy * dy).max(1e-6)).clamp(0.0, 1.0);
                if (px - a.x - t * dx).hypot(py - a.y - t * dy) <= radius {
                    self.kelvin[(y * SIZE.width + x) as usize] = kelvin;
                }
            }
        }
        let part = PixelBox::from_corners(left, top, right, bottom);
        *seen = Some(seen.map_or(part, |all| {
            PixelBox::from_corners(all.x.min(part.x), all.y.min(part.y), all.right().max(part.right()), all.bottom().max(part.bottom()))
        }));
    }

    /// Puts a person on the ground, whose clothes are `kelvin` above it; returns his box.
    pub(crate) fn person(&mut self, ahead: f32, right: f32, pose: Pose, kelvin: f32) -> PixelBox {
        let mut seen = None;
        let head = kelvin * 2.2;
        let at = |x: f32, y: f32, z: f32| (ahead + x, right + y, z);
        match pose {
            Pose::Standing => {
                self.capsule(at(0.0, -0.09, 0.1), at(0.0, -0.09, 0.8), 0.09, kelvin * 0.8, &mut seen);
                self.capsule(at(0.0, 0.09, 0.1), at(0.0, 0.09, 0.8), 0.09, kelvin * 0.8, &mut seen);
                self.capsule(at(0.0, 0.0, 0.95), at(0.0, 0.0, 1.3), 0.24, kelvin, &mut seen);
                self.capsule(at(0.0, 0.0, 1.58), at(0.0, 0.0, 1.64), 0.11, head, &mut seen);
            }
            Pose::Walking => {
                self.capsule(at(0.0, -0.28, 0.1), at(0.0, -0.05, 0.8), 0.09, kelvin * 0.8, &mut seen);
                self.capsule(at(0.0, 0.28, 0.1), at(0.0, 0.05, 0.8), 0.09, kelvin * 0.8, &mut seen);
                self.capsule(at(0.0, 0.0, 0.95), at(0.0, 0.05, 1.3), 0.22, kelvin, &mut seen);
                self.capsule(at(0.0, 0.06, 1.56), at(0.0, 0.06, 1.62), 0.11, head, &mut seen);
            }
            Pose::Sitting => {
                self.capsule(at(0.0, 0.0, 0.2), at(0.0, 0.0, 0.65), 0.22, kelvin, &mut seen);
                self.capsule(at(-0.1, 0.1, 0.15), at(-0.3, 0.35, 0.35), 0.1, kelvin * 0.8, &mut seen);
                self.capsule(at(-0.3, 0.35, 0.35), at(-0.35, 0.4, 0.1), 0.08, kelvin * 0.7, &mut seen);
                self.capsule(at(0.0, 0.0, 0.92), at(0.0, 0.0, 0.96), 0.11, head, &mut seen);
            }
            Pose::Lying(degrees) => {
                let (s, c) = degrees.to_radians().sin_cos();
                let along = |t: f32, z: f32| at(t * c, t * s, z);
                self.capsule(along(-0.8, 0.08), along(-0.05, 0.1), 0.12, kelvin * 0.8, &mut seen);
                self.capsule(along(0.05, 0.15), along(0.45, 0.15), 0.2, kelvin, &mut seen);
                self.capsule(along(0.72, 0.12), along(0.76, 0.12), 0.11, head, &mut seen);
            }
        }
        seen.expect("painted")
    }

    /// A house front across the street, from the ground up, `kelvin` warmer, with its windows warmer still.
    pub(crate) fn wall(&mut self, ahead: f32, kelvin: f32) {
        let foot = self.project((ahead, 0.0, 0.0)).y.clamp(0.0, SIZE.height as f32) as u32;
        let roof = self.project((ahead, 0.0, 9.0)).y.clamp(0.0, SIZE.height as f32) as u32;
        for y in roof..foot {
            for x in 0..SIZE.width {
                self.kelvin[(y * SIZE.width + x) as usize] = kelvin;
            }
        }
        for window in -6_i16..=6 {
            let right = f32::from(window) * 3.0;
            let (a, b) = (self.project((ahead, right, 1.2)), self.project((ahead, right + 1.3, 2.8)));
            self.rectangle(&PixelBox::from_corners(a.x, b.y, b.x, a.y), kelvin + 1.5);
        }
    }

    pub(crate) fn rectangle(&mut self, area: &PixelBox, kelvin: f32) {
        let area = area.clipped(SIZE);
        for y in area.y as u32..area.bottom() as u32 {
            for x in area.x as u32..area.right() as u32 {
                self.kelvin[(y * SIZE.width + x) as usize] = kelvin;
            }
        }
    }

    /// A hot disc of `radius_m` at a place.
    pub(crate) fn lamp(&mut self, ahead: f32, right: f32, up: f32, radius_m: f32, kelvin: f32) {
        self.capsule((ahead, right, up), (ahead, right, up), radius_m, kelvin, &mut None);
    }

    pub(crate) fn pixels_per_metre_at(&self, ahead: f32, right: f32) -> f32 {
        self.pixels_per_metre((ahead, right, 0.0))
    }

    pub(crate) fn box_at(&self, ahead: f32, right: f32, width_m: f32, height_m: f32) -> PixelBox {
        let (foot, scale) = (self.project((ahead, right, 0.0)), self.pixels_per_metre_at(ahead, right));
        PixelBox::new(foot.x - width_m * scale / 2.0, foot.y - height_m * scale, width_m * scale, height_m * scale)
    }

    /// 8 bit: blur, `noise_k` of sensor noise, `gain` grey levels per kelvin around `level`, cut at 0 and 255.
    pub(crate) fn picture(&self, seed: u64, noise_k: f32, gain: f32, level: f32) -> Picture {
        let pixels = self.sensed(seed, noise_k).into_iter().map(|kelvin| (kelvin * gain + level).clamp(0.0, 255.0) as u8).collect();
        picture(PixelFormat::Gray8, vec![pixels])
    }

    /// 16 bit: 40 counts per kelvin.
    pub(crate) fn raw(&self, seed: u64, noise_k: f32) -> Picture {
        let counts = self.sensed(seed, noise_k).into_iter().flat_map(|kelvin| ((kelvin * 40.0 + 7000.0) as u16).to_le_bytes()).collect();
        picture(PixelFormat::Gray16Le, vec![counts])
    }

    fn sensed(&self, seed: u64, noise_k: f32) -> Vec<f32> {
        let (w, h) = (SIZE.width as usize, SIZE.height as usize);
        let mut kelvin = self.kelvin.clone();
        // σ of about 0.8 px: a 1-2-1 filter along both axes.
        for (stride, length) in [(1, w), (w, h)] {
            let before = kelvin.clone();
            for (index, value) in kelvin.iter_mut().enumerate() {
                let at = index / stride % length;
                let low = if at == 0 { index } else { index - stride };
                let high = if at + 1 == length { index } else { index + stride };
                *value = (before[low] + 2.0 * before[index] + before[high]) / 4.0;
            }
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for value in &mut kelvin {
            // Twelve uniforms make a normal of σ 1.
            let normal: f32 = (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
            *value += normal * noise_k;
        }
        kelvin
    }
}

pub(crate) fn picture(format: PixelFormat, planes: Vec<Vec<u8>>) -> Picture {
    sized(SIZE, format, planes)
}

pub(crate) fn sized(size: PictureSize, format: PixelFormat, planes: Vec<Vec<u8>>) -> Picture {
    let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
    Picture::from_planes(size, format, planes, 0, MediaTime::ZERO, captured).expect("planes of the right size")
}
