//! Drawing into a field of temperatures: thick lines with antialiased edges, boxes, and the blur of a lens.

use super::background::{Background, Block};
use super::shader::Shader;
use super::value::Value;
use crate::body::Capsule;
use crate::geometry::{PixelRect, Projector};
use patrol_core::{PictureSize, PixelBox};

/// A body is drawn over what stands at most this much nearer, metres: ground and body meet, cars and walls do not reach into bodies.
const DEPTH_SLACK_M: f32 = 0.35;

/// A capsule as the picture shows it.
struct FlatCapsule {
    ax: f32,
    ay: f32,
    dx: f32,
    dy: f32,
    /// 1 / squared length; 0 for a disc.
    inverse: f32,
    radius_a: f32,
    radius_b: f32,
    depth: f32,
    /// The capsule's number.
    of: usize,
}

fn flattened(capsules: &[Capsule], projector: &Projector) -> Vec<FlatCapsule> {
    let mut flat: Vec<FlatCapsule> = capsules
        .iter()
        .enumerate()
        .filter_map(|(of, capsule)| {
            let (a, b) = (projector.project(capsule.a)?, projector.project(capsule.b)?);
            let (dx, dy) = (b.x - a.x, b.y - a.y);
            let squared = dx * dx + dy * dy;
            Some(FlatCapsule {
                ax: a.x,
                ay: a.y,
                dx,
                dy,
                inverse: if squared > 1e-6 { 1.0 / squared } else { 0.0 },
                radius_a: capsule.radius_a * projector.f / a.depth,
                radius_b: capsule.radius_b * projector.f / b.depth,
                depth: f32::midpoint(a.depth, b.depth) - capsule.radius_a.max(capsule.radius_b),
                of,
            })
        })
        .collect();
    flat.sort_by(|a, b| b.depth.total_cmp(&a.depth));
    flat
}

/// Calls `visit(x, y, coverage 0–1, distance from the middle line in radii, 0–1 along it)` for the pixels of a capsule inside `clip`.
fn cover(capsule: &FlatCapsule, clip: &[i32; 4], mut visit: impl FnMut(i32, i32, f32, f32, f32)) {
    let reach = capsule.radius_a.max(capsule.radius_b) + 0.5;
    let (bx, by) = (capsule.ax + capsule.dx, capsule.ay + capsule.dy);
    let x0 = ((capsule.ax.min(bx) - reach).floor() as i32).max(clip[0]);
    let y0 = ((capsule.ay.min(by) - reach).floor() as i32).max(clip[1]);
    let x1 = ((capsule.ax.max(bx) + reach).ceil() as i32).min(clip[2]);
    let y1 = ((capsule.ay.max(by) + reach).ceil() as i32).min(clip[3]);
    for y in y0..y1 {
        for x in x0..x1 {
            let (px, py) = (x as f32 + 0.5 - capsule.ax, y as f32 + 0.5 - capsule.ay);
            let k = ((px * capsule.dx + py * capsule.dy) * capsule.inverse).clamp(0.0, 1.0);
            let distance = (px - capsule.dx * k).hypot(py - capsule.dy * k);
            let radius = capsule.radius_a + (capsule.radius_b - capsule.radius_a) * k;
            let coverage = (radius - distance + 0.5).clamp(0.0, 1.0);
            if coverage > 0.0 {
                visit(x, y, coverage, distance / radius.max(0.5), k);
            }
        }
    }
}

pub(super) fn paint_body<S: Shader>(field: &mut [S::V], capsules: &[Capsule], shader: &S, background: &Background<S::V>, rect: PixelRect) {
    let width = background.projector.size.width as usize;
    let clip = [rect.x0 as i32, rect.y0 as i32, rect.x1 as i32, rect.y1 as i32];
    for capsule in flattened(capsules, &background.projector) {
        let limb = shader.limb(&capsules[capsule.of]);
        cover(&capsule, &clip, |x, y, coverage, off, k| {
            let pixel = y as usize * width + x as usize;
            if background.depth[pixel] > capsule.depth - DEPTH_SLACK_M {
                let value = shader.limb_at(&limb, off, k);
                field[pixel] += (value - field[pixel]) * coverage;
            }
        });
    }
}

/// The image of a body in wet ground: `capsules` as the body has them, drawn below the ground where the camera sees it.
pub(super) fn paint_mirrored<S: Shader>(
    field: &mut [S::V],
    capsules: &[Capsule],
    shader: &S,
    background: &Background<S::V>,
    rect: PixelRect,
) {
    let projector = &background.projector;
    let width = projector.size.width as usize;
    let clip = [rect.x0 as i32, rect.y0 as i32, rect.x1 as i32, rect.y1 as i32];
    let below = mirrored(capsules);
    // What the ground mirrored before: sky, a little above the roofs.
    let sky = shader.sky(0.25);
    for capsule in flattened(&below, projector) {
        let limb = shader.limb(&capsules[capsule.of]);
        cover(&capsule, &clip, |x, y, coverage, off, k| {
            let pixel = y as usize * width + x as usize;
            if background.is_ground[pixel] && background.depth[pixel] > 0.0 {
                let ray = projector.ray(x as f32 + 0.5, y as f32 + 0.5);
                let point = projector.eye().plus(ray, background.depth[pixel]);
                let share = shader.mirrored(crate::geometry::V2::new(point.e, point.n), ray);
                field[pixel] += (shader.limb_at(&limb, off, k) - sky) * (share * coverage);
            }
        });
    }
}

/// `capsules` turned over at the ground.
pub(crate) fn mirrored(capsules: &[Capsule]) -> Vec<Capsule> {
    let mut below = capsules.to_vec();
    for capsule in &mut below {
        (capsule.a.z, capsule.b.z) = (-capsule.a.z, -capsule.b.z);
    }
    below
}

pub(super) fn paint_blocks<S: Shader>(field: &mut [S::V], blocks: &[Block], shader: &S, background: &Background<S::V>, rect: PixelRect) {
    let projector = &background.projector;
    let width = projector.size.width as usize;
    let eye = projector.eye();
    let seen: Vec<_> = blocks.iter().map(|block| block.seen_from(projector)).collect();
    for y in rect.y0..rect.y1 {
        for x in rect.x0..rect.x1 {
            let pixel = y * width + x;
            let ray = projector.ray(x as f32 + 0.5, y as f32 + 0.5);
            let mut nearest = background.depth[pixel];
            for block in &seen {
                if let Some((depth, face)) = block.hit(ray)
                    && depth < nearest
                {
                    nearest = depth;
                    field[pixel] = shader.block(block.block(), face, eye.plus(ray, depth));
                }
            }
        }
    }
}

/// How much of a person a camera sees, 0–1: less what stands before him, the picture's edges and `before`, the bodies nearer than he is.
pub(crate) fn visible(capsules: &[Capsule], bbox: &PixelBox, before: &[&[Capsule]], background: &Background) -> f32 {
    let PictureSize { width, height } = background.projector.size;
    let (x0, y0) = (bbox.x.floor() as i32, bbox.y.floor() as i32);
    let (w, h) = ((bbox.right().ceil() as i32 - x0 + 1).clamp(1, 4096), (bbox.bottom().ceil() as i32 - y0 + 1).clamp(1, 4096));
    let clip = [x0, y0, x0 + w, y0 + h];
    let mut mask = vec![(0.0f32, f32::MAX); (w * h) as usize];
    for capsule in flattened(capsules, &background.projector) {
        cover(&capsule, &clip, |x, y, coverage, _, _| {
            let cell = &mut mask[((y - y0) * w + x - x0) as usize];
            *cell = (cell.0.max(coverage), cell.1.min(capsule.depth));
        });
    }
    let whole: f32 = mask.iter().map(|cell| cell.0).sum();
    for body in before {
        for capsule in flattened(body, &background.projector) {
            cover(&capsule, &clip, |x, y, coverage, _, _| {
                let cell = &mut mask[((y - y0) * w + x - x0) as usize];
                cell.0 = cell.0.min(1.0 - coverage);
            });
        }
    }
    let mut seen = 0.0;
    for (index, (coverage, depth)) in mask.into_iter().enumerate() {
        let (x, y) = (x0 + index as i32 % w, y0 + index as i32 / w);
        let inside = x >= 0 && y >= 0 && x < width as i32 && y < height as i32;
        if inside && background.depth[y as usize * width as usize + x as usize] > depth - DEPTH_SLACK_M {
            seen += coverage;
        }
    }
    if whole > 0.0 { seen / whole } else { 0.0 }
}

/// A Gaussian of σ 0.7 px, the point spread of a usual germanium lens on 12 µm pixels, cut at two pixels.
const POINT_SPREAD: [f32; 3] = [0.5699, 0.2054, 0.0096];

/// Blurs `rect` of `sharp` into `field`.
pub(crate) fn blur<V: Value>(sharp: &[V], field: &mut [V], scratch: &mut Vec<V>, rect: PixelRect, size: PictureSize) {
    let (width, height) = (size.width as usize, size.height as usize);
    let [centre, near, far] = POINT_SPREAD;
    let (columns, top, bottom) = (rect.x1 - rect.x0, rect.y0.saturating_sub(2), (rect.y1 + 2).min(height));
    scratch.clear();
    scratch.reserve(columns * (bottom - top));
    for y in top..bottom {
        let row = &sharp[y * width..(y + 1) * width];
        for x in rect.x0..rect.x1 {
            let at = |dx: isize| row[x.saturating_add_signed(dx).min(width - 1)];
            scratch.push(row[x] * centre + (at(-1) + at(1)) * near + (at(-2) + at(2)) * far);
        }
    }
    for y in rect.y0..rect.y1 {
        let row = |dy: isize| {
            let y = y.saturating_add_signed(dy).clamp(top, bottom - 1) - top;
            &scratch[y * columns..(y + 1) * columns]
        };
        let rows = [row(0), row(-1), row(1), row(-2), row(2)];
        for (x, out) in field[y * width + rect.x0..y * width + rect.x1].iter_mut().enumerate() {
            *out = rows[0][x] * centre + (rows[1][x] + rows[2][x]) * near + (rows[3][x] + rows[4][x]) * far;
        }
    }
}
