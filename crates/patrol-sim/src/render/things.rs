//! Cars, doorways, benches and poles as blocks, and the boxes of what is hot among them.

use super::background::{Block, LAMP_RADIUS_M, MANHOLE_RADIUS_M, Matter};
use crate::geometry::{Frame, Projector, V2, V3};
use crate::random::mix;
use crate::spec::{BenchSpec, DoorwaySpec, Props};
use patrol_core::PixelBox;

/// Length of a car's bonnet and its width, metres.
const BONNET_M: (f32, f32) = (1.0, 1.4);
/// A seat is so high, metres: the benches that people sit on.
const SEAT_M: f32 = 0.42;
/// Height of a doorway's lintel, metres.
const LINTEL_M: f32 = 2.25;
/// Head lamps: half the distance between them and their height, metres.
pub(crate) const HEAD_LAMPS_M: (f32, f32) = (0.66, 0.68);

/// A saloon at `at`, its front towards `heading_deg`: body, cabin, bonnet. Roof and glass reflect the cold sky.
pub(crate) fn car_blocks(at: V2, heading_deg: f32, bonnet_k: Option<f32>) -> Vec<Block> {
    let frame = Frame { origin: at, heading_deg };
    let moved = |along: f32| Frame { origin: frame.point(along, 0.0), heading_deg };
    let paint = paint_of(at);
    vec![
        Block { frame, half_length: 2.2, half_width: 0.88, z0: 0.25, z1: 0.88, top_k: -2.2, side_k: -0.6, matter: paint },
        Block {
            frame: moved(-0.35),
            half_length: 1.25,
            half_width: 0.74,
            z0: 0.88,
            z1: 1.45,
            top_k: -3.6,
            side_k: -2.4,
            matter: Matter::Glass,
        },
        bonnet(&frame, bonnet_k.unwrap_or(-2.0), paint),
    ]
}

/// A car under way at night: also warm wheels, a warm grille, and its lamps. `number` gives its colour, which must not change with its place.
pub(crate) fn lit_car_blocks(at: V2, heading_deg: f32, bonnet_k: f32, number: usize) -> Vec<Block> {
    let frame = Frame { origin: at, heading_deg };
    let mut blocks = car_blocks(at, heading_deg, Some(bonnet_k));
    let paint = Matter::Paint(mix(number as u64 + 0xCA));
    blocks[0].matter = paint;
    blocks[2].matter = paint;
    let mut add = |along: f32, left: f32, half: [f32; 2], z: (f32, f32), warm_k: f32, matter: Matter| {
        let frame = Frame { origin: frame.point(along, left), heading_deg };
        let [half_length, half_width] = half;
        blocks.push(Block { frame, half_length, half_width, z0: z.0, z1: z.1, top_k: warm_k, side_k: warm_k, matter });
    };
    for side in [-1.0, 1.0] {
        add(1.35, side * 0.80, [0.30, 0.11], (0.0, 0.60), 6.0, Matter::Rubber);
        add(-1.35, side * 0.80, [0.30, 0.11], (0.0, 0.60), 5.0, Matter::Rubber);
        // Halogen lamps warm their glass.
        add(2.16, side * HEAD_LAMPS_M.0, [0.07, 0.16], (HEAD_LAMPS_M.1 - 0.07, HEAD_LAMPS_M.1 + 0.07), 14.0, Matter::HeadLamp);
    }
    add(2.18, 0.0, [0.04, 0.42], (0.35, 0.78), bonnet_k * 0.8, Matter::Iron);
    add(0.0, 0.0, [1.6, 0.5], (0.14, 0.26), bonnet_k * 0.5, Matter::Iron);
    blocks
}

fn paint_of(at: V2) -> Matter {
    Matter::Paint(mix(u64::from(at.e.to_bits()) ^ u64::from(at.n.to_bits()) << 32))
}

fn bonnet(car: &Frame, warm_k: f32, matter: Matter) -> Block {
    let frame = Frame { origin: car.point(1.55, 0.0), heading_deg: car.heading_deg };
    let (length, width) = BONNET_M;
    let (half_length, half_width) = (length / 2.0, width / 2.0);
    Block { frame, half_length, half_width, z0: 0.84, z1: 0.90, top_k: warm_k, side_k: warm_k * 0.6, matter }
}

/// Everything of `props` that stands still and is `near`.
pub(super) fn still_blocks(props: &Props, near: &impl Fn(V2) -> bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    for car in props.cars.iter().filter(|car| car.path.is_empty() && near(car.at)) {
        blocks.extend(car_blocks(car.at, car.heading_deg, car.bonnet_k));
    }
    for block in props.blocks.iter().filter(|block| near(block.at)) {
        let [length, across, tall] = block.size;
        let frame = Frame { origin: block.at, heading_deg: block.heading_deg };
        let (half_length, half_width) = (length / 2.0, across / 2.0);
        let (top_k, side_k) = (block.warm_k - 1.5, block.warm_k);
        blocks.push(Block { frame, half_length, half_width, z0: 0.0, z1: tall, top_k, side_k, matter: Matter::Concrete });
    }
    for lamp in props.lamps.iter().filter(|lamp| near(lamp.at)) {
        let frame = Frame { origin: lamp.at, heading_deg: 0.0 };
        let z1 = lamp.height_m - 0.1;
        blocks.push(Block { frame, half_length: 0.06, half_width: 0.06, z0: 0.0, z1, top_k: -1.0, side_k: -0.7, matter: Matter::Iron });
    }
    for doorway in props.doorways.iter().filter(|doorway| near(doorway.at)) {
        blocks.extend(doorway_blocks(doorway));
    }
    for bench in props.benches.iter().filter(|bench| near(bench.at)) {
        blocks.extend(bench_blocks(bench));
    }
    blocks
}

fn doorway_blocks(doorway: &DoorwaySpec) -> Vec<Block> {
    // Along: outwards.
    let frame = Frame { origin: doorway.at, heading_deg: doorway.facing_deg };
    let (half_depth, half_width) = (doorway.depth_m / 2.0, doorway.width_m / 2.0);
    let part = |along: f32, left: f32, half: [f32; 2], z: (f32, f32), warm_k: f32, matter: Matter| Block {
        frame: Frame { origin: frame.point(along, left), heading_deg: doorway.facing_deg },
        half_length: half[0],
        half_width: half[1],
        z0: z.0,
        z1: z.1,
        top_k: warm_k - 0.6,
        side_k: warm_k,
        matter,
    };
    let (warm_k, jamb_m) = (doorway.warm_k, 0.14);
    vec![
        part(-half_depth, 0.0, [0.05, half_width], (0.0, LINTEL_M), warm_k, Matter::Door),
        part(0.0, half_width + jamb_m, [half_depth, jamb_m], (0.0, LINTEL_M), warm_k * 0.45, Matter::Concrete),
        part(0.0, -half_width - jamb_m, [half_depth, jamb_m], (0.0, LINTEL_M), warm_k * 0.45, Matter::Concrete),
        part(0.05, 0.0, [half_depth + 0.1, half_width + 0.35], (LINTEL_M, LINTEL_M + 0.22), warm_k * 0.2, Matter::Concrete),
        // The sill holds the warmth of the door.
        part(0.0, 0.0, [half_depth, half_width], (0.0, 0.03), warm_k * 0.5, Matter::Concrete),
    ]
}

/// The door of a doorway, which is the warm part of it.
pub(crate) fn door_corners(doorway: &DoorwaySpec) -> [V3; 4] {
    let frame = Frame { origin: doorway.at, heading_deg: doorway.facing_deg };
    let (back, half) = (-doorway.depth_m / 2.0 + 0.05, doorway.width_m / 2.0);
    [(-half, 0.0), (half, 0.0), (-half, LINTEL_M), (half, LINTEL_M)].map(|(left, z)| frame.point(back, left).up(z))
}

fn bench_blocks(bench: &BenchSpec) -> Vec<Block> {
    // Who sits looks along the frame; the bench is under his seat, 0.12 m behind his place.
    let frame = Frame { origin: bench.at, heading_deg: bench.facing_deg };
    let part = |along: f32, half: [f32; 2], z: (f32, f32), warm_k: f32, matter: Matter| Block {
        frame: Frame { origin: frame.point(along, 0.0), heading_deg: bench.facing_deg },
        half_length: half[0],
        half_width: half[1],
        z0: z.0,
        z1: z.1,
        top_k: warm_k - 0.8,
        side_k: warm_k,
        matter,
    };
    let mut blocks = vec![part(-0.14, [0.22, 0.9], (SEAT_M - 0.07, SEAT_M), -0.6, Matter::Wood)];
    for left in [-0.75, 0.75] {
        let mut leg = part(-0.14, [0.18, 0.04], (0.0, SEAT_M - 0.07), -0.7, Matter::Iron);
        leg.frame.origin = frame.point(-0.14, left);
        blocks.push(leg);
    }
    if bench.shelter {
        blocks.push(part(-0.75, [0.04, 1.9], (0.25, 2.2), -1.6, Matter::Glass));
        blocks.push(part(-0.15, [0.75, 2.0], (2.3, 2.42), -2.4, Matter::Iron));
        for left in [-1.9, 1.9] {
            let mut post = part(-0.75, [0.05, 0.05], (0.0, 2.3), -0.8, Matter::Iron);
            post.frame.origin = frame.point(-0.75, left);
            blocks.push(post);
        }
    } else {
        blocks.push(part(-0.40, [0.04, 0.9], (SEAT_M + 0.12, SEAT_M + 0.42), -0.7, Matter::Wood));
    }
    blocks
}

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
        let block = bonnet(&Frame { origin: car.at, heading_deg: car.heading_deg }, warm_k, Matter::Iron);
        add("bonnet", projector.box_around(block.corners()), car.at);
    }
    for manhole in &props.manholes {
        let r = MANHOLE_RADIUS_M;
        let rim = [(r, 0.0), (-r, 0.0), (0.0, r), (0.0, -r)].map(|(e, n)| V3::new(manhole.at.e + e, manhole.at.n + n, 0.0));
        add("manhole", projector.box_around(rim), manhole.at);
    }
    found
}
