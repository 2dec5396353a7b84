//! A picture before the camera's electronics: the background of the moment, and what moves drawn over it.

use super::background::{Background, Block, LAMP_K, LAMP_RADIUS_M};
use super::shader::Shader;
use super::things::{HEAD_LAMPS_M, car_blocks, lit_car_blocks};
use super::value::{Rgb, Value};
use super::visible::Beam;
use super::weather::{self, Puff, Snowy};
use super::{RANGE_MAX_M, raster};
use crate::body::{self, Capsule, Part};
use crate::geometry::{PixelRect, Projector, V2};
use crate::motion::{Place, Sight};
use crate::random::mix;
use crate::scene::Scene;
use patrol_core::PixelBox;
use std::sync::Arc;

/// Backgrounds kept for views that come again: presets, lamps that flicker, a growing cover of snow. A colour one takes 10 MB.
const KEPT_MAX: usize = 8;

/// What a background depends on besides the scene and the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: Place,
    /// Light, lamps' levels and snow, mixed.
    pub(super) state: u64,
}

pub(super) struct Canvas<V> {
    pub(super) background: Arc<Background<V>>,
    kept: Vec<(Key, Arc<Background<V>>)>,
    /// Before and after the lens; equal to the background outside `dirty`.
    sharp: Vec<V>,
    pub(super) field: Vec<V>,
    dirty: Vec<PixelRect>,
    all_dirty: bool,
    scratch: Vec<V>,
}

enum Thing {
    Body(Vec<Capsule>),
    Car(Vec<Block>),
    Steam(Vec<Puff>),
}

/// What a picture is drawn of.
pub(super) struct Moment<'a> {
    pub(super) scene: &'a Scene,
    pub(super) camera: usize,
    pub(super) sight: &'a Sight,
    pub(super) t_s: f64,
    /// Left out: the number of a person, or of a dog or figure after them.
    pub(super) hidden: Option<usize>,
}

impl<V: Value> Canvas<V> {
    pub(super) fn new(background: Arc<Background<V>>, key: Key) -> Self {
        let (sharp, field) = (background.sharp.clone(), background.blurred.clone());
        Self { kept: vec![(key, background.clone())], background, sharp, field, dirty: Vec::new(), all_dirty: false, scratch: Vec::new() }
    }

    /// The background for `key`: kept, turned from a kept one, or cast.
    fn turn_to(&mut self, key: Key, moment: &Moment, cast: impl Fn(Projector) -> Background<V>) {
        let borders = moment.scene.cameras()[moment.camera].output.borders;
        let found = self.kept.iter().position(|(kept, _)| *kept == key && key.place != Place::Free);
        let background = if let Some(at) = found {
            let kept = self.kept.remove(at);
            self.kept.push(kept.clone());
            kept.1
        } else {
            let made = if key.place == Place::Swayed {
                let camera = &moment.scene.cameras()[moment.camera];
                let still = camera.projector();
                let margin = (still.f * camera.motion.sway_deg().to_radians() * 1.4).ceil() as u32 + 6;
                Arc::new(cast(still.widened(margin)))
            } else {
                Arc::new(cast(moment.sight.projector).framed(borders))
            };
            if key.place != Place::Free {
                if self.kept.len() == KEPT_MAX {
                    self.kept.remove(0);
                }
                self.kept.push((key, made.clone()));
            }
            made
        };
        let background =
            if key.place == Place::Swayed { Arc::new(background.turned(moment.sight.projector).framed(borders)) } else { background };
        if !Arc::ptr_eq(&background, &self.background) {
            self.background = background;
            self.all_dirty = true;
        }
    }

    fn restore(&mut self) {
        let width = self.background.projector.size.width as usize;
        if std::mem::take(&mut self.all_dirty) {
            self.dirty.clear();
            self.sharp.clone_from(&self.background.sharp);
            self.field.clone_from(&self.background.blurred);
        }
        for rect in self.dirty.drain(..) {
            for y in rect.y0..rect.y1 {
                let row = y * width + rect.x0..y * width + rect.x1;
                self.sharp[row.clone()].copy_from_slice(&self.background.sharp[row.clone()]);
                self.field[row.clone()].copy_from_slice(&self.background.blurred[row]);
            }
        }
    }

    /// Draws the moment into `field`. `shader_of` makes the shader for a view.
    pub(super) fn draw<S: Shader<V = V>>(&mut self, moment: &Moment, state: u64, shader_of: impl Fn(&Projector) -> S) {
        let (scene, t_s) = (moment.scene, moment.t_s);
        let snow = scene.snow();
        let key = Key { place: moment.sight.place, state };
        let seed = scene.background_seed();
        if snow.rate > 0.0 {
            let step = weather::cover_step(scene, t_s);
            let key = Key { state: state ^ mix(step + 1), ..key };
            let snowy = |projector: &Projector| Snowy::new(shader_of(projector), projector, snow.rate, step);
            self.turn_to(key, moment, |projector| Background::cast_all(projector, scene.props(), seed, &snowy(&projector)));
            let shader = snowy(&moment.sight.projector);
            self.draw_things(moment, &shader);
            weather::paint_flakes(&mut self.field, &shader, &self.background, scene, t_s);
            self.all_dirty = true;
        } else {
            self.turn_to(key, moment, |projector| Background::cast_all(projector, scene.props(), seed, &shader_of(&projector)));
            self.draw_things(moment, &shader_of(&moment.sight.projector));
        }
    }

    fn draw_things<S: Shader<V = V>>(&mut self, moment: &Moment, shader: &S) {
        self.restore();
        let background = Arc::clone(&self.background);
        let projector = &background.projector;
        let things = things_of(moment, projector);
        // Room for antialiasing and for the blur of the lens.
        let around = |bbox: &PixelBox| PixelRect::inside(&bbox.grown(4.0), projector.size);
        if moment.scene.weather().wet_ground {
            for (_, _, thing) in &things {
                let Thing::Body(capsules) = thing else { continue };
                let Some(rect) = body::box_of(&raster::mirrored(capsules), projector).and_then(|bbox| around(&bbox)) else { continue };
                raster::paint_mirrored(&mut self.sharp, capsules, shader, &background, rect);
                self.dirty.push(rect);
            }
        }
        for (_, bbox, thing) in &things {
            let Some(rect) = around(bbox) else { continue };
            match thing {
                Thing::Body(capsules) => raster::paint_body(&mut self.sharp, capsules, shader, &background, rect),
                Thing::Car(blocks) => raster::paint_blocks(&mut self.sharp, blocks, shader, &background, rect),
                Thing::Steam(puffs) => weather::paint_steam(&mut self.sharp, puffs, shader, &background, rect),
            }
            self.dirty.push(rect);
        }
        for rect in &self.dirty {
            raster::blur(&self.sharp, &mut self.field, &mut self.scratch, *rect, projector.size);
        }
    }
}

/// What moves, the farthest first: depth, box, thing.
fn things_of(moment: &Moment, projector: &Projector) -> Vec<(f32, PixelBox, Thing)> {
    let Moment { scene, t_s, .. } = *moment;
    let mut things: Vec<(f32, PixelBox, Thing)> = Vec::new();
    for (number, figure) in scene.figures().enumerate() {
        let Some(at) = figure.at(t_s) else { continue };
        if Some(number) == moment.hidden || at.at.distance(projector.foot) > RANGE_MAX_M {
            continue;
        }
        let capsules = body::capsules(&figure.build, at.doing, at.at, at.facing_deg, t_s);
        let (Some(flat), Some(bbox)) = (projector.project(at.at.up(0.4)), body::box_of(&capsules, projector)) else { continue };
        things.push((flat.depth, bbox, Thing::Body(capsules)));
    }
    for (number, car) in scene.driving().iter().enumerate() {
        let Some((at, heading_deg)) = car.at(t_s) else { continue };
        if at.distance(projector.foot) > RANGE_MAX_M {
            continue;
        }
        let blocks = if car.headlights {
            lit_car_blocks(at, heading_deg, car.bonnet_k, number)
        } else {
            car_blocks(at, heading_deg, Some(car.bonnet_k))
        };
        let corners = blocks.iter().flat_map(Block::corners);
        let (Some(flat), Some(bbox)) = (projector.project(at.up(0.4)), projector.box_around(corners)) else { continue };
        things.push((flat.depth, bbox, Thing::Car(blocks)));
    }
    for (number, steam) in scene.props().steam.iter().enumerate() {
        if steam.at.distance(projector.foot) < RANGE_MAX_M {
            let puffs = weather::plume(steam, number, scene, t_s);
            let (Some(flat), Some(bbox)) = (projector.project(steam.at.up(0.8)), weather::box_of_puffs(&puffs, projector)) else {
                continue;
            };
            things.push((flat.depth, bbox, Thing::Steam(puffs)));
        }
    }
    if scene.cameras()[moment.camera].modality == patrol_core::Modality::Thermal {
        for (number, lamp) in scene.props().lamps.iter().enumerate().filter(|(_, lamp)| lamp.flicker_every_s.is_some()) {
            let centre = lamp.at.up(lamp.height_m);
            let warm_k = LAMP_K * scene.lamp_warmth(number, t_s);
            let r = LAMP_RADIUS_M;
            let glass = vec![Capsule { a: centre, b: centre, radius_a: r, radius_b: r, warm_k, part: Part::Skin, seed: 0 }];
            let (Some(flat), Some(bbox)) = (projector.project(centre), body::box_of(&glass, projector)) else { continue };
            things.push((flat.depth - 0.3, bbox, Thing::Body(glass)));
        }
    }
    things.sort_by(|a, b| b.0.total_cmp(&a.0));
    things
}

impl Canvas<Rgb> {
    /// Head lamps: light on the road before the car, glare into the lens. Drawn last, into the finished field.
    pub(super) fn shine(&mut self, beams: &[Beam]) {
        if beams.is_empty() {
            return;
        }
        let background = Arc::clone(&self.background);
        let projector = &background.projector;
        let (width, height) = (projector.size.width as usize, projector.size.height as usize);
        self.all_dirty = true;
        for (pixel, value) in self.field.iter_mut().enumerate() {
            if !background.is_ground[pixel] {
                continue;
            }
            let ray = projector.ray((pixel % width) as f32 + 0.5, (pixel / width) as f32 + 0.5);
            let point = projector.eye().plus(ray, background.depth[pixel]);
            let at = V2::new(point.e, point.n);
            // The road is lit as flat as the lamps are low.
            let lit: f32 = beams.iter().map(|beam| beam.on(at) * (HEAD_LAMPS_M.1 / at.distance(beam.at).max(1.0))).sum();
            *value += Rgb([1.0, 0.95, 0.85]) * (lit * 0.11);
        }
        for beam in beams {
            let frame = crate::geometry::Frame { origin: beam.at, heading_deg: beam.heading_deg };
            for side in [-1.0, 1.0] {
                let lamp = frame.point(2.25, side * HEAD_LAMPS_M.0).up(HEAD_LAMPS_M.1);
                let Some(flat) = projector.project(lamp).filter(|flat| flat.depth > 1.0) else { continue };
                // As much as the lens stands in the beam.
                let ahead = frame.local(projector.foot).0 - 2.2;
                let aside = frame.local(projector.foot).1;
                let facing = (ahead / ahead.hypot(aside).max(0.1)).max(0.0).powi(3);
                let strength = facing * 9.0 / (1.0 + 0.03 * flat.depth * flat.depth).sqrt();
                if strength < 0.02 || hidden_by(&background, flat.x, flat.y, flat.depth) {
                    continue;
                }
                let core = (0.12 * projector.f / flat.depth).max(1.2);
                let reach = 40.0 + 8.0 * core;
                let bbox = PixelBox::new(flat.x - reach, flat.y - reach, 2.0 * reach, 2.0 * reach);
                let Some(rect) = PixelRect::inside(&bbox, projector.size) else { continue };
                for y in rect.y0..rect.y1.min(height) {
                    for x in rect.x0..rect.x1 {
                        let (dx, dy) = ((x as f32 + 0.5 - flat.x) / core, (y as f32 + 0.5 - flat.y) / core);
                        let squared = dx * dx + dy * dy;
                        let edge = (1.0 - squared.sqrt() * core / reach).max(0.0);
                        let halo = (-squared).exp() + 0.10 * edge / (1.0 + 0.35 * squared) + 0.02 * edge;
                        self.field[y * width + x] += Rgb([1.0, 0.97, 0.9]) * (strength * halo);
                    }
                }
            }
        }
    }
}

fn hidden_by(background: &Background<Rgb>, x: f32, y: f32, depth: f32) -> bool {
    let size = background.projector.size;
    let inside = x >= 0.0 && y >= 0.0 && x < size.width as f32 && y < size.height as f32;
    inside && background.depth[y as usize * size.width as usize + x as usize] < depth - 0.5
}
