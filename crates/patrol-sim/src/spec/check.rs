//! Refuses what could not be rendered, or what no street has, and names it.

use super::{CameraSpec, DetectionSpec, MotionSpec, PersonSpec, SceneSpec, StepSpec};
use crate::error::SimError;
use crate::geometry::V2;
use crate::render::palette::Palette;
use patrol_core::Modality;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// Coordinates farther from the origin lose the centimetres of `f32`, metres.
const FAR_M: f32 = 20_000.0;
/// What is warmer above the air than this burns, kelvin; what is colder is no surface of a night.
const WARM_K: RangeInclusive<f32> = -30.0..=80.0;
const PRESETS_MAX: usize = 16;
/// Times of a scene, seconds.
const DAY_S: RangeInclusive<f64> = 0.0..=86400.0;

/// A thing of the SPEC by name, e.g. `camera "c1"`, `person 2`.
struct Named(String);

impl Named {
    fn refuse(&self, what: &str, found: &dyn Display, wanted: &str) -> SimError {
        SimError::Spec(format!("{}: {what} is {found}, wanted {wanted}", self.0))
    }
    fn within<T: PartialOrd + Display + Copy>(&self, what: &str, found: T, range: RangeInclusive<T>, unit: &str) -> Result<(), SimError> {
        if range.contains(&found) {
            return Ok(());
        }
        let gap = if unit.is_empty() { "" } else { " " };
        Err(self.refuse(what, &found, &format!("{} to {}{gap}{unit}", range.start(), range.end())))
    }
    fn place(&self, what: &str, at: V2) -> Result<(), SimError> {
        self.within(what, at.e, -FAR_M..=FAR_M, "m")?;
        self.within(what, at.n, -FAR_M..=FAR_M, "m")
    }
    fn heading(&self, what: &str, found: f32) -> Result<(), SimError> {
        self.within(what, found, -1080.0..=1080.0, "°")
    }
    fn warm(&self, found: f32) -> Result<(), SimError> {
        self.within("warm_k", found, WARM_K, "K above the air")
    }
    /// A path needs two points that are apart.
    fn path(&self, path: &[V2]) -> Result<(), SimError> {
        if path.len() < 2 || path.windows(2).any(|leg| leg[0].distance(leg[1]) < 0.01) {
            return Err(self.refuse("path", &format!("{} points", path.len()), "at least two, each apart from the next"));
        }
        path.iter().try_for_each(|point| self.place("path", *point))
    }
    fn steps(&self, steps: &[StepSpec], is_dog: bool) -> Result<(), SimError> {
        if steps.is_empty() {
            return Err(self.refuse("steps", &"empty", "at least one step"));
        }
        for (number, step) in steps.iter().enumerate() {
            let step_is = Named(format!("{}, step {}", self.0, number + 1));
            let (for_s, facing_deg) = match *step {
                StepSpec::Walk { to, speed_m_s } => {
                    step_is.place("to", to)?;
                    step_is.within("speed_m_s", speed_m_s.unwrap_or(1.0), 0.1..=10.0, "m/s")?;
                    continue;
                }
                StepSpec::Bend { .. } | StepSpec::Crouch { .. } | StepSpec::Slump { .. } if is_dog => {
                    return Err(step_is.refuse("do", &"for people", "walk, stand, sit, lie or curl"));
                }
                StepSpec::Sit { bench: true, .. } | StepSpec::Lie { cover: Some(_), .. } | StepSpec::Curl { cover: Some(_), .. }
                    if is_dog =>
                {
                    return Err(step_is.refuse("bench or cover", &"set", "neither for a dog"));
                }
                StepSpec::Stand { for_s, facing_deg }
                | StepSpec::Bend { for_s, facing_deg }
                | StepSpec::Crouch { for_s, facing_deg }
                | StepSpec::Sit { for_s, facing_deg, .. }
                | StepSpec::Slump { for_s, facing_deg, .. }
                | StepSpec::Lie { for_s, facing_deg, .. }
                | StepSpec::Curl { for_s, facing_deg, .. } => (for_s, facing_deg),
            };
            step_is.within("for_s", for_s.unwrap_or(1.0), 0.0..=86400.0, "s")?;
            step_is.heading("facing_deg", facing_deg.unwrap_or(0.0))?;
        }
        Ok(())
    }
}

/// Numbers things of a kind from 1, as a reader of the file counts them.
fn each<'a, T>(kind: &'a str, things: &'a [T]) -> impl Iterator<Item = (Named, &'a T)> {
    things.iter().enumerate().map(move |(number, thing)| (Named(format!("{kind} {}", number + 1)), thing))
}

impl SceneSpec {
    /// Refuses what could not be rendered.
    pub(crate) fn checked(self) -> Result<Self, SimError> {
        if !(10.0..=86400.0).contains(&self.duration_s) {
            return Err(SimError::Duration { found: self.duration_s });
        }
        let origin = Named("origin".into());
        origin.within("longitude", self.origin.longitude, -180.0..=180.0, "°")?;
        origin.within("latitude", self.origin.latitude, -85.0..=85.0, "°")?;
        if let Some(problem) = self.weather.problems().first() {
            return Err(SimError::Spec(format!("weather: {problem}")));
        }
        Named("snow".into()).within("rate", self.snow.rate, 0.0..=1.0, "")?;
        if self.cameras.is_empty() {
            return Err(SimError::Spec("a scene needs at least one [[camera]]".into()));
        }
        for (index, camera) in self.cameras.iter().enumerate() {
            let is = Named(format!("camera {:?}", camera.id));
            if self.cameras[..index].iter().any(|other| other.id == camera.id) {
                return Err(is.refuse("id", &camera.id, "each id once"));
            }
            check_camera(&is, camera)?;
        }
        for (index, (is, person)) in each("person", &self.people).enumerate() {
            let id = id_of((index, person));
            if self.people[..index].iter().enumerate().any(|other| id_of(other) == id) {
                return Err(is.refuse("id", &id, "each id once"));
            }
            is.place("from", person.from)?;
            is.within("at_s", person.at_s, -86400.0..=86400.0, "s")?;
            is.within("height_m", person.height_m.unwrap_or(1.7), 0.5..=2.3, "m")?;
            is.within("clothing_k", person.clothing_k.unwrap_or(4.0), 0.0..=25.0, "K above the air")?;
            is.steps(&person.steps, false)?;
        }
        check_detection(&self.detection, &self.people.iter().enumerate().map(id_of).collect::<Vec<_>>())?;
        self.check_props()?;
        Ok(self)
    }

    fn check_props(&self) -> Result<(), SimError> {
        let props = &self.props;
        for (is, dog) in each("dog", &props.dogs) {
            is.place("from", dog.from)?;
            is.within("at_s", dog.at_s, -86400.0..=86400.0, "s")?;
            is.within("length_m", dog.length_m, 0.3..=1.3, "m")?;
            is.warm(dog.warm_k)?;
            is.steps(&dog.steps, true)?;
        }
        for (is, car) in each("car", &props.cars) {
            is.within("bonnet_k", car.bonnet_k.unwrap_or(0.0), WARM_K, "K above the air")?;
            is.within("speed_m_s", car.speed_m_s, 0.1..=60.0, "m/s")?;
            is.within("at_s", car.at_s, -86400.0..=86400.0, "s")?;
            is.heading("heading_deg", car.heading_deg)?;
            if car.path.is_empty() { is.place("at", car.at)? } else { is.path(&car.path)? }
        }
        for (is, lamp) in each("lamp", &props.lamps) {
            is.place("at", lamp.at)?;
            is.within("height_m", lamp.height_m, 0.5..=40.0, "m")?;
            is.within("flicker_every_s", lamp.flicker_every_s.unwrap_or(2.0), 1.0..=600.0, "s")?;
        }
        for (is, wall) in each("wall", &props.walls) {
            is.path(&[wall.from, wall.to])?;
            is.within("height_m", wall.height_m, 0.1..=300.0, "m")?;
        }
        for (is, block) in each("block", &props.blocks) {
            is.place("at", block.at)?;
            is.heading("heading_deg", block.heading_deg)?;
            block.size.iter().try_for_each(|side| is.within("size", *side, 0.02..=200.0, "m"))?;
            is.warm(block.warm_k)?;
        }
        for (is, strip) in each("strip", &props.strips) {
            is.path(&[strip.from, strip.to])?;
            is.within("width_m", strip.width_m, 0.1..=200.0, "m")?;
            is.warm(strip.warm_k)?;
        }
        for (is, manhole) in each("manhole", &props.manholes) {
            is.place("at", manhole.at)?;
            is.warm(manhole.warm_k)?;
        }
        for (is, steam) in each("steam", &props.steam) {
            is.place("at", steam.at)?;
            is.warm(steam.warm_k)?;
            is.within("height_m", steam.height_m, 0.3..=10.0, "m")?;
        }
        for (is, doorway) in each("doorway", &props.doorways) {
            is.place("at", doorway.at)?;
            is.heading("facing_deg", doorway.facing_deg)?;
            is.within("width_m", doorway.width_m, 0.7..=6.0, "m")?;
            is.within("depth_m", doorway.depth_m, 0.3..=3.0, "m")?;
            is.warm(doorway.warm_k)?;
        }
        for (is, bench) in each("bench", &props.benches) {
            is.place("at", bench.at)?;
            is.heading("facing_deg", bench.facing_deg)?;
        }
        for (is, mannequin) in each("mannequin", &props.mannequins) {
            is.place("at", mannequin.at)?;
            is.within("at_s", mannequin.at_s, -86400.0..=86400.0, "s")?;
            is.heading("facing_deg", mannequin.facing_deg)?;
            is.warm(mannequin.warm_k)?;
        }
        Ok(())
    }
}

/// The id of a person as the truth has it.
fn id_of((index, person): (usize, &PersonSpec)) -> String {
    person.id.clone().unwrap_or_else(|| format!("p{}", index + 1))
}

fn check_detection(detection: &DetectionSpec, people: &[String]) -> Result<(), SimError> {
    let is = Named("detection".into());
    is.within("miss", detection.miss, 0.0..=0.95, "of the looks")?;
    let span = |is: &Named, from: &str, to: &str, from_s: f64, to_s: f64| {
        is.within(from, from_s, DAY_S, "s")?;
        is.within(to, to_s, DAY_S, "s")?;
        if from_s < to_s { Ok(()) } else { Err(is.refuse(to, &to_s, &format!("later than {from}, here {from_s}"))) }
    };
    for (is, [from_s, to_s]) in each("detection: outage", &detection.outages) {
        span(&is, "its first second", "its last second", *from_s, *to_s)?;
    }
    match (detection.outage_every_s, detection.outage_s) {
        (None, None) => {}
        (Some(every_s), Some(for_s)) => {
            is.within("outage_every_s", every_s, 1.0..=86400.0, "s")?;
            is.within("outage_s", for_s, 0.1..=every_s, "s, which is outage_every_s")?;
        }
        (every_s, _) => {
            let missing = if every_s.is_none() { "outage_every_s" } else { "outage_s" };
            return Err(is.refuse(missing, &"left out", "both outage_every_s and outage_s, or neither"));
        }
    }
    for (is, blind) in each("detection: blind", &detection.blind) {
        if !people.contains(&blind.person) {
            return Err(is.refuse("person", &format!("{:?}", blind.person), &format!("the id of a [[person]]: {}", people.join(", "))));
        }
        span(&is, "from_s", "to_s", blind.from_s, blind.to_s)?;
    }
    Ok(())
}

fn check_camera(is: &Named, camera: &CameraSpec) -> Result<(), SimError> {
    let [width, height] = camera.size;
    let name_is_plain = !camera.id.is_empty() && camera.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !name_is_plain {
        return Err(is.refuse("id", &camera.id, "letters, digits, - and _: it becomes part of a file name"));
    }
    if width % 2 != 0 || height % 2 != 0 || !(64..=4096).contains(&width) || !(64..=4096).contains(&height) {
        return Err(is.refuse("size", &format!("{width}×{height}"), "even numbers from 64 to 4096"));
    }
    is.place("at", camera.at)?;
    is.within("fps", camera.fps, 0.1..=60.0, "")?;
    is.within("height_m", camera.height_m, 1.0..=500.0, "m")?;
    is.within("tilt_deg", camera.tilt_deg, 0.0..=90.0, "° (level to straight down)")?;
    is.within("hfov_deg", camera.hfov_deg, 5.0..=120.0, "°")?;
    is.heading("heading_deg", camera.heading_deg)?;
    match &camera.motion {
        None => {}
        Some(MotionSpec::Sway { deg, period_s }) => {
            is.within("motion: deg", *deg, 0.0..=3.0, "°")?;
            is.within("motion: period_s", *period_s, 0.2..=60.0, "s")?;
        }
        Some(MotionSpec::Tour { presets, stay_s, move_s }) => {
            is.within("motion: number of presets", presets.len(), 2..=PRESETS_MAX, "")?;
            is.within("motion: stay_s", *stay_s, 1.0..=3600.0, "s")?;
            is.within("motion: move_s", *move_s, 0.1..=60.0, "s")?;
            for [heading_deg, tilt_deg, hfov_deg] in presets {
                is.heading("motion: preset's heading", *heading_deg)?;
                is.within("motion: preset's tilt", *tilt_deg, 0.0..=90.0, "°")?;
                is.within("motion: preset's field of view", *hfov_deg, 5.0..=120.0, "°")?;
            }
        }
        Some(MotionSpec::Flight { path, speed_m_s, at_s }) => {
            is.path(path)?;
            is.within("motion: speed_m_s", *speed_m_s, 0.1..=40.0, "m/s")?;
            is.within("motion: at_s", *at_s, -86400.0..=86400.0, "s")?;
        }
    }
    check_output(is, camera)
}

fn check_output(is: &Named, camera: &CameraSpec) -> Result<(), SimError> {
    let output = &camera.output;
    let only = |key: &str, is_set: bool, wanted: Modality| {
        let belongs = if wanted == Modality::Thermal { "a thermal camera" } else { "a visible camera" };
        if is_set && camera.modality != wanted { Err(is.refuse(&format!("output: {key}"), &"set", belongs)) } else { Ok(()) }
    };
    only("palette", output.palette.is_some(), Modality::Thermal)?;
    only("black_hot", output.black_hot, Modality::Thermal)?;
    only("noise_k", output.noise_k.is_some(), Modality::Thermal)?;
    only("agc_step_every_s", output.agc_step_every_s.is_some(), Modality::Thermal)?;
    only("shutter_every_s", output.shutter_every_s.is_some(), Modality::Thermal)?;
    only("light", output.light.is_some(), Modality::Visible)?;
    only("ir_cut_at_s", output.ir_cut_at_s.is_some(), Modality::Visible)?;
    if let Some(name) = &output.palette
        && Palette::named(name).is_none()
    {
        return Err(is.refuse("output: palette", name, &format!("{} or random-N", Palette::NAMES.join(", "))));
    }
    is.within("output: noise_k", output.noise_k.unwrap_or(0.07), 0.0..=2.0, "K")?;
    is.within("output: noise_grey", output.noise_grey.unwrap_or(3.0), 0.0..=60.0, "grey levels")?;
    is.within("output: agc_step_every_s", output.agc_step_every_s.unwrap_or(60.0), 1.0..=86400.0, "s")?;
    is.within("output: shutter_every_s", output.shutter_every_s.unwrap_or(60.0), 5.0..=86400.0, "s")?;
    is.within("output: ir_cut_at_s", output.ir_cut_at_s.unwrap_or(60.0), 0.0..=86400.0, "s")?;
    let (borders, [width, height]) = (output.borders, camera.size);
    is.within(
        "output: borders left and right together",
        u64::from(borders.left) + u64::from(borders.right),
        0..=u64::from(width / 2),
        "px",
    )?;
    is.within(
        "output: borders top and bottom together",
        u64::from(borders.top) + u64::from(borders.bottom),
        0..=u64::from(height / 2),
        "px",
    )
}
