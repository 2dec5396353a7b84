//! Everything that is warm, moves or looks like a person, and is none.

use super::{TruthOther, tenth};
use crate::body::{self, Doing};
use crate::geometry::Projector;
use crate::motion::{Motion, Place, Sight};
use crate::render::background::Block;
use crate::render::raster::{mirrored, visible};
use crate::render::things::{car_blocks, door_corners, hot_boxes, lit_car_blocks};
use crate::render::weather::plume_box;
use crate::scene::{Passage, Scene, SceneCamera};
use crate::script::Person;
use patrol_core::PixelBox;

/// Less of a dog or a figure than this is not worth telling.
const VISIBLE_MIN: f32 = 0.1;
/// Shorter stays cast no image worth telling, seconds.
const STAY_MIN_S: f64 = 5.0;

type When = Option<(f64, f64)>;

struct Others<'a> {
    scene: &'a Scene,
    camera: usize,
    found: Vec<TruthOther>,
}

impl Scene {
    pub(super) fn others(&self) -> Vec<TruthOther> {
        let mut found = Vec::new();
        for camera in 0..self.cameras().len() {
            let mut others = Others { scene: self, camera, found };
            for (sight, when) in self.sights(camera) {
                others.still_things(&sight, when);
            }
            for passage in self.hot_passages(camera) {
                others.car(passage);
            }
            for extra in self.extras() {
                others.figure(extra);
            }
            if self.weather().wet_ground {
                for person in self.people() {
                    others.mirrored(person);
                }
            }
            found = others.found;
        }
        found
    }

    /// The views of a camera in which things stand still, and when.
    fn sights(&self, camera: usize) -> Vec<(Sight, When)> {
        let about = &self.cameras()[camera];
        let to_s = self.duration_s();
        let spans = |every_s: f64, for_s: f64| {
            let count = (to_s / every_s).ceil() as u32;
            (0..count).map(move |number| {
                let from_s = f64::from(number) * every_s;
                (about.sight(from_s), Some((from_s, (from_s + for_s).min(to_s))))
            })
        };
        match &about.motion {
            Motion::Still | Motion::Sway { .. } => vec![(about.sight(0.0), None)],
            Motion::Tour { stay_s, move_s, .. } => spans(stay_s + move_s, *stay_s).collect(),
            Motion::Flight { .. } => spans(1.0, 1.0).collect(),
        }
    }
}

impl Others<'_> {
    fn add(&mut self, kind: &str, bbox: PixelBox, when: When) {
        let about = &self.scene.cameras()[self.camera];
        // A mast carries everything to and fro.
        let sway = about.projector().f * about.motion.sway_deg().to_radians();
        let bbox = bbox.grown(sway).clipped(about.size);
        let bbox = inside_borders([bbox.x, bbox.y, bbox.w, bbox.h], about);
        if bbox[2] * bbox[3] >= 1.0 {
            let (from_s, to_s) = (when.map(|when| when.0), when.map(|when| when.1));
            self.found.push(TruthOther { kind: kind.into(), camera: about.id.to_string(), bbox, from_s, to_s });
        }
    }

    fn still_things(&mut self, sight: &Sight, when: When) {
        let (scene, projector) = (self.scene, &sight.projector);
        let props = scene.props();
        // The resolution at which it is asked what hides what.
        let background = match sight.place {
            Place::Fixed | Place::Swayed => scene.background(self.camera),
            Place::Preset(_) | Place::Free => scene.coarse_background(self.camera, when.map_or(0.0, |when| when.0)),
        };
        let scale = background.projector.size.width as f32 / projector.size.width as f32;
        let times = |bbox: PixelBox, k: f32| PixelBox::new(bbox.x * k, bbox.y * k, bbox.w * k, bbox.h * k);
        for (kind, bbox) in hot_boxes(props, projector) {
            if let Some(shown) = background.hot_part(&times(bbox, scale)) {
                self.add(kind, times(shown, 1.0 / scale), when);
            }
        }
        let near = |at: crate::geometry::V2| at.distance(projector.foot) < crate::render::RANGE_MAX_M;
        for doorway in props.doorways.iter().filter(|doorway| near(doorway.at)) {
            if let Some(bbox) = projector.box_around(door_corners(doorway)) {
                self.add("doorway", bbox, when);
            }
        }
        for (number, steam) in props.steam.iter().enumerate().filter(|(_, steam)| near(steam.at)) {
            if let Some(bbox) = plume_box(steam, number, scene, projector) {
                self.add("steam", bbox, when);
            }
        }
    }

    fn car(&mut self, passage: &Passage) {
        let about = &self.scene.cameras()[self.camera];
        let car = &self.scene.driving()[passage.car];
        let mut corners: Option<PixelBox> = None;
        let mut t_s = passage.from_s;
        while t_s <= passage.to_s {
            let projector = about.sight(t_s).projector;
            let blocks = car.at(t_s).map(|(at, heading_deg)| {
                if car.headlights { lit_car_blocks(at, heading_deg, car.bonnet_k, passage.car) } else { car_blocks(at, heading_deg, None) }
            });
            if let Some(bbox) = blocks.and_then(|blocks| projector.box_around(blocks.iter().flat_map(Block::corners))) {
                let b = bbox.clipped(projector.size);
                corners = Some(corners.map_or(b, |a| {
                    PixelBox::from_corners(a.x.min(b.x), a.y.min(b.y), a.right().max(b.right()), a.bottom().max(b.bottom()))
                }));
            }
            t_s += 0.25;
        }
        if let Some(bbox) = corners {
            self.add("car", bbox, Some((passage.from_s, passage.to_s)));
        }
    }

    /// A dog or a figure of a shop: one entry a stay, one a second where it walks or the camera moves.
    fn figure(&mut self, figure: &Person) {
        let scene = self.scene;
        let about = &scene.cameras()[self.camera];
        let kind = if figure.build.figure == body::Figure::Dog { "dog" } else { "mannequin" };
        let mut open: Option<(PixelBox, f64, f64)> = None;
        // It may be there since a part of the second before.
        let there_s = figure.presence().map_or(0.0, |(from_s, _)| from_s);
        for second in 0..scene.duration_s().ceil() as u32 {
            let t_s = f64::from(second);
            let seen = figure.at(t_s).and_then(|moment| {
                let background = scene.coarse_background(self.camera, t_s);
                let capsules = body::capsules(&figure.build, moment.doing, moment.at, moment.facing_deg, t_s);
                let small = body::box_of(&capsules, &background.projector)?;
                let seen =
                    small.clipped(background.projector.size).area() > 0.0 && visible(&capsules, &small, &[], &background) > VISIBLE_MIN;
                let bbox = body::box_of(&capsules, &about.sight(t_s).projector).filter(|_| seen)?;
                Some((bbox, about.motion.is_still() && !matches!(moment.doing, Doing::Walking { .. })))
            });
            match (seen, &mut open) {
                (Some((bbox, true)), Some((held, _, to_s))) if held.iou(&bbox) > 0.7 => {
                    *to_s = t_s + 1.0;
                    let (a, b) = (*held, bbox);
                    *held = PixelBox::from_corners(a.x.min(b.x), a.y.min(b.y), a.right().max(b.right()), a.bottom().max(b.bottom()));
                }
                (seen, _) => {
                    if let Some((bbox, from_s, to_s)) = open.take() {
                        self.add(kind, bbox, Some((from_s, to_s)));
                    }
                    open = seen.map(|(bbox, still)| {
                        let from_s = if still && there_s > t_s - 1.0 { there_s.min(t_s) } else { t_s };
                        (bbox, from_s, t_s + 1.0)
                    });
                }
            }
        }
        if let Some((bbox, from_s, to_s)) = open {
            self.add(kind, bbox, Some((from_s, to_s)));
        }
    }

    /// The images of people in wet ground while they stay.
    fn mirrored(&mut self, person: &Person) {
        let about = &self.scene.cameras()[self.camera];
        if !about.motion.is_still() {
            return;
        }
        let projector: Projector = about.projector();
        for (from_s, to_s, _, at) in person.holds() {
            let (from_s, to_s) = (from_s.max(0.0), to_s.min(self.scene.duration_s()));
            if to_s - from_s < STAY_MIN_S || at.distance(projector.foot) > crate::render::RANGE_MAX_M {
                continue;
            }
            let bbox = person.capsules(from_s + 0.1).and_then(|capsules| body::box_of(&mirrored(&capsules), &projector));
            if let Some(bbox) = bbox {
                self.add("reflection", bbox, Some((from_s, to_s)));
            }
        }
    }
}

/// What of a box, x, y, width, height, the borders of the camera leave.
pub(super) fn inside_borders([x, y, w, h]: [f32; 4], camera: &SceneCamera) -> [f32; 4] {
    let borders = camera.output.borders;
    let (left, top) = (x.max(borders.left as f32), y.max(borders.top as f32));
    let right = (x + w).min((camera.size.width - borders.right) as f32);
    let bottom = (y + h).min((camera.size.height - borders.bottom) as f32);
    [left, top, (right - left).max(0.0), (bottom - top).max(0.0)].map(tenth)
}
