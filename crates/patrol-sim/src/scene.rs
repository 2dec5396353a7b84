//! A scene: cameras, people with scripts, things, weather. Immutable, and the same for the same seed.

use crate::error::SimError;
use crate::geometry::{Projector, V2};
use crate::motion::Motion;
use crate::plot::{NAMED, compose};
use crate::random::mix;
use crate::render::background::{Background, Block};
use crate::render::things::car_blocks;
use crate::script::Person;
use crate::spec::{CameraSpec, CarSpec, DetectionSpec, Origin, OutputSpec, Props, SceneSpec, Snow};
use crate::stage::view_of;
use patrol_core::{Camera, CameraId, CameraView, Crs, GroundPoint, Modality, PictureSize, Position, Promise, WallTime, Weather};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// 2026-01-18 23:30 in Shanghai: scenes begin in a winter night.
pub(crate) const START: WallTime = WallTime(1_768_750_200_000_000_000);

/// A camera of a scene.
#[derive(Debug, Clone)]
pub struct SceneCamera {
    pub id: CameraId,
    pub name: String,
    pub view: CameraView,
    pub position: Position,
    pub size: PictureSize,
    /// Pictures a second.
    pub fps: f64,
    /// `CapturePositionType` of GB/T 28181 Annex O, e.g. `00501`.
    pub site_class: String,
    pub promise: Promise,
    pub modality: Modality,
    pub(crate) motion: Motion,
    pub(crate) output: OutputSpec,
    /// Metres east and north of the scene's origin.
    pub(crate) foot: V2,
}

impl SceneCamera {
    fn from_spec(spec: &CameraSpec, origin: Origin) -> Self {
        let here = Position { lon: origin.longitude, lat: origin.latitude, crs: Crs::Wgs84, error_m: 1.0 };
        let foot = GroundPoint { east_m: spec.at.e, north_m: spec.at.n, error_m: 0.0 };
        Self {
            id: CameraId::new(&spec.id),
            name: spec.name.clone(),
            view: view_of(spec),
            position: here.offset(&foot),
            size: PictureSize::new(spec.size[0], spec.size[1]),
            fps: spec.fps,
            site_class: spec.site_class.clone(),
            promise: Promise {
                look_every: Duration::from_secs(1),
                look_limit: Duration::from_secs(10),
                rescan_every: Duration::from_mins(1),
            },
            modality: spec.modality,
            motion: Motion::from(spec.motion.as_ref()),
            output: spec.output.clone(),
            foot: spec.at,
        }
    }

    /// As the rest of the house knows it.
    pub fn camera(&self) -> Camera {
        Camera {
            id: self.id.clone(),
            name: self.name.clone(),
            code: None,
            modality: self.modality,
            promise: self.promise,
            position: Some(self.position),
            view: Some(self.view),
            address: Some(self.name.clone()),
            street: None,
            grid: None,
            site_prior: site_prior(&self.site_class),
        }
    }

    pub(crate) fn projector(&self) -> Projector {
        Projector::new(&self.view, self.foot, self.size)
    }
}

/// The rows of `integration.md` §1.7 that scenes use; 0.3, a main road, for the rest.
fn site_prior(class: &str) -> f32 {
    match class {
        "00203" | "00401" | "00402" => 1.0,
        "01301" => 0.8,
        _ if class.starts_with("001") => 0.6,
        "00501" => 0.5,
        _ => 0.3,
    }
}

/// A car begins to turn so far before a bend, metres.
const TURN_M: f32 = 6.0;

/// A car that drives.
#[derive(Debug, Clone)]
pub(crate) struct Driving {
    path: Vec<V2>,
    at_s: f64,
    speed_m_s: f32,
    pub(crate) bonnet_k: f32,
    pub(crate) headlights: bool,
}

impl Driving {
    fn from_spec(spec: &CarSpec) -> Option<Self> {
        (spec.path.len() >= 2).then(|| Self {
            path: spec.path.clone(),
            at_s: spec.at_s,
            speed_m_s: spec.speed_m_s.max(0.1),
            bonnet_k: spec.bonnet_k.unwrap_or(10.0),
            headlights: spec.headlights,
        })
    }

    /// Its middle and the heading of its front.
    pub(crate) fn at(&self, t_s: f64) -> Option<(V2, f32)> {
        let mut way_m = ((t_s - self.at_s) * f64::from(self.speed_m_s)) as f32;
        if way_m < 0.0 {
            return None;
        }
        for (number, leg) in self.path.windows(2).enumerate() {
            let length_m = leg[0].distance(leg[1]);
            if way_m < length_m {
                let heading_deg = leg[0].heading_to(leg[1]);
                let next = self.path.get(number + 2).map(|next| leg[1].heading_to(*next)).filter(|_| self.headlights);
                // Lamps sweep: into the next leg the car turns over some metres.
                let into = 1.0 - ((length_m - way_m) / TURN_M).min(1.0);
                let turn = next.map_or(0.0, |next| ((next - heading_deg + 180.0).rem_euclid(360.0) - 180.0) * into * into);
                return Some((leg[0].lerp(leg[1], way_m / length_m), heading_deg + turn));
            }
            way_m -= length_m;
        }
        None
    }

    pub(crate) fn lasts(&self) -> (f64, f64) {
        let length_m: f32 = self.path.windows(2).map(|leg| leg[0].distance(leg[1])).sum();
        (self.at_s, self.at_s + f64::from(length_m / self.speed_m_s))
    }
}

/// Something hot in a camera's picture for a while: its AGC reacts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passage {
    /// The car's number among those that drive.
    pub(crate) car: usize,
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    /// 0–1, by the part of the picture it fills.
    peak: f32,
}

impl Passage {
    /// AGC gives way within a second and recovers within a few.
    pub(crate) fn strength(&self, t_s: f64) -> f32 {
        const RISE_S: f64 = 0.6;
        const FALL_S: f64 = 2.5;
        if t_s < self.from_s {
            return 0.0;
        }
        let risen = 1.0 - (-(t_s.min(self.to_s) - self.from_s) / RISE_S).exp();
        let fallen = (-(t_s - self.to_s).max(0.0) / FALL_S).exp();
        self.peak * (risen * fallen) as f32
    }
}

/// An immutable scene. Cloning is cheap: backgrounds are shared.
#[derive(Clone)]
pub struct Scene {
    name: String,
    seed: u64,
    duration_s: f64,
    weather: Weather,
    cameras: Vec<SceneCamera>,
    people: Vec<Person>,
    /// Dogs, then figures of shops.
    extras: Vec<Person>,
    snow: Snow,
    detection: DetectionSpec,
    driving: Vec<Driving>,
    props: Props,
    backgrounds: Vec<OnceLock<Arc<Background>>>,
    passages: Vec<Vec<Passage>>,
}

/// Layouts tried before a seed is given up.
const LAYOUTS: u64 = 40;

impl Scene {
    /// The named scenes, with one line each.
    pub fn list() -> &'static [(&'static str, &'static str)] {
        NAMED
    }

    /// A named scene of `seconds` of scene time. What does not fit into a short one is left out (see [`Scene::people_expected_as_leads`]).
    pub fn named(name: &str, seed: u64, seconds: f64) -> Result<Self, SimError> {
        if !NAMED.iter().any(|(known, _)| *known == name) {
            let known: Vec<_> = NAMED.iter().map(|(known, _)| *known).collect();
            return Err(SimError::UnknownScene { name: name.into(), known: known.join(", ") });
        }
        let mut missing = "people";
        for layout in 0..LAYOUTS {
            let seed_of_layout = mix(seed ^ mix(layout));
            match compose(name, seed_of_layout, seconds) {
                Ok(spec) => return Ok(Self::build(name, spec.checked()?, seed_of_layout, seed)),
                Err(what) => missing = what,
            }
        }
        Err(SimError::NoRoom { scene: name.into(), seed, what: missing })
    }

    /// A scene written down in TOML, see [`crate::spec`]. What it leaves open is drawn from `seed`.
    pub fn from_spec(toml: &str, seed: u64) -> Result<Self, SimError> {
        Ok(Self::build("spec", SceneSpec::parse(toml)?, seed, seed))
    }

    /// `drawn_from` seeds what the spec leaves open, `seed` is what the caller gave.
    fn build(name: &str, spec: SceneSpec, drawn_from: u64, seed: u64) -> Self {
        let cameras: Vec<_> = spec.cameras.iter().map(|camera| SceneCamera::from_spec(camera, spec.origin)).collect();
        let people =
            spec.people.iter().enumerate().map(|(number, person)| Person::from_spec(person, number, drawn_from, spec.duration_s)).collect();
        let dogs = spec.props.dogs.iter().enumerate().map(|(number, dog)| Person::dog(dog, number, drawn_from, spec.duration_s));
        let mannequins = spec.props.mannequins.iter().enumerate().map(|(number, figure)| Person::mannequin(figure, number, drawn_from));
        let extras = dogs.chain(mannequins).collect();
        let driving: Vec<_> = spec.props.cars.iter().filter_map(Driving::from_spec).collect();
        let passages = cameras
            .iter()
            .map(|camera| driving.iter().enumerate().filter_map(|(car, driving)| passage(car, driving, &camera.projector())).collect())
            .collect();
        Self {
            name: name.into(),
            seed,
            duration_s: spec.duration_s,
            weather: Weather { observed_at: START, ..spec.weather },
            backgrounds: cameras.iter().map(|_| OnceLock::new()).collect(),
            cameras,
            people,
            extras,
            snow: spec.snow,
            detection: spec.detection,
            driving,
            props: spec.props,
            passages,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn seed(&self) -> u64 {
        self.seed
    }
    pub fn cameras(&self) -> &[SceneCamera] {
        &self.cameras
    }
    /// Wall time at second 0.
    pub fn start(&self) -> WallTime {
        START
    }
    pub fn duration_s(&self) -> f64 {
        self.duration_s
    }
    pub fn weather(&self) -> Weather {
        self.weather
    }
    pub(crate) fn people(&self) -> &[Person] {
        &self.people
    }
    pub(crate) fn extras(&self) -> &[Person] {
        &self.extras
    }
    /// Everyone with a body: people, then dogs, then figures of shops.
    pub(crate) fn figures(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().chain(&self.extras)
    }
    pub(crate) fn snow(&self) -> Snow {
        self.snow
    }
    pub(crate) fn detection(&self) -> &DetectionSpec {
        &self.detection
    }
    pub(crate) fn driving(&self) -> &[Driving] {
        &self.driving
    }
    pub(crate) fn props(&self) -> &Props {
        &self.props
    }
    pub(crate) fn hot_passages(&self, camera: usize) -> &[Passage] {
        &self.passages[camera]
    }

    pub(crate) fn background(&self, camera: usize) -> Arc<Background> {
        let about = &self.cameras[camera];
        let wet = self.weather.wet_ground;
        let make = || {
            let cast = Background::thermal(about.projector(), &self.props, self.background_seed(), wet);
            Arc::new(cast.framed(about.output.borders))
        };
        Arc::clone(self.backgrounds[camera].get_or_init(make))
    }

    pub(crate) fn background_seed(&self) -> u64 {
        mix(self.seed ^ 0xB6)
    }

    /// How bright lamp `number` burns in slot `slot` of its flicker: failing lamps are out for a third of the time.
    fn burns(&self, number: usize, slot: i64) -> bool {
        !mix(self.seed ^ mix(number as u64 ^ 0x1A3B) ^ slot as u64).is_multiple_of(3)
    }

    /// How bright each lamp burns at `t_s`, 0–1. A lamp that strikes again flickers for two seconds.
    pub(crate) fn lamp_levels(&self, t_s: f64) -> Vec<f32> {
        let level = |(number, every_s): (usize, Option<f64>)| {
            let Some(every_s) = every_s else { return 1.0 };
            let slot = (t_s / every_s).floor() as i64;
            let into_s = t_s - slot as f64 * every_s;
            if !self.burns(number, slot) {
                return 0.0;
            }
            let strikes = !self.burns(number, slot - 1) && into_s < 2.0;
            let beat = mix(self.seed ^ (t_s * 6.0).floor() as i64 as u64);
            if strikes && beat.is_multiple_of(2) { 0.25 } else { 1.0 }
        };
        self.props.lamps.iter().map(|lamp| lamp.flicker_every_s).enumerate().map(level).collect()
    }

    /// How warm the glass of a failing lamp is at `t_s`, as a part of one that burns: it takes a minute to cool.
    pub(crate) fn lamp_warmth(&self, number: usize, t_s: f64) -> f32 {
        const COOLS_IN_S: f64 = 25.0;
        let every_s = self.props.lamps[number].flicker_every_s.unwrap_or(1.0);
        let now = (t_s / every_s).floor() as i64;
        let slots = (4.0 * COOLS_IN_S / every_s).ceil() as i64;
        let mut warmth = 0.66;
        for slot in now - slots..=now {
            let for_s = if slot == now { t_s - now as f64 * every_s } else { every_s };
            let target = if self.burns(number, slot) { 1.0 } else { 0.0 };
            warmth += (target - warmth) * (1.0 - (-for_s / COOLS_IN_S).exp());
        }
        warmth as f32
    }
}

fn passage(number: usize, car: &Driving, projector: &Projector) -> Option<Passage> {
    const SAMPLE_S: f64 = 0.25;
    /// Part of the picture from which AGC gives way fully.
    const FULL: f32 = 0.03;
    let (from_s, to_s) = car.lasts();
    let mut found: Option<Passage> = None;
    for sample in 0..((to_s - from_s) / SAMPLE_S) as usize {
        let t_s = from_s + sample as f64 * SAMPLE_S;
        let Some((at, heading_deg)) = car.at(t_s) else { continue };
        let blocks = car_blocks(at, heading_deg, Some(car.bonnet_k));
        let Some(bbox) = projector.box_around(blocks.iter().flat_map(Block::corners)) else { continue };
        let part = bbox.clipped(projector.size).area() / (projector.size.width * projector.size.height) as f32;
        if part < 0.002 || at.distance(projector.foot) > 40.0 {
            continue;
        }
        let passage = found.get_or_insert(Passage { car: number, from_s: t_s, to_s: t_s, peak: 0.0 });
        passage.to_s = t_s;
        passage.peak = passage.peak.max((part / FULL).min(1.0));
    }
    found
}
