//! What is really there: who is where, how, and how much of it each camera sees. The format of `truth.json`.

mod others;

use crate::body::{self, Capsule};
use crate::geometry::{Projector, V2};
use crate::render::RANGE_MAX_M;
use crate::render::background::Background;
use crate::render::raster::visible;
use crate::scene::{Scene, SceneCamera};
use crate::script::Person;
use crate::spec::Borders;
use patrol_core::{CameraView, Modality, PictureSize, PixelBox, Posture};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `truth.json` (design §7).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    pub seed: u64,
    pub cameras: BTreeMap<String, TruthCamera>,
    pub people: Vec<TruthPerson>,
    pub others: Vec<TruthOther>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthCamera {
    pub position: LonLat,
    pub height_m: f32,
    pub tilt_deg: f32,
    pub heading_deg: f32,
    pub hfov_deg: f32,
    pub size: [u32; 2],
    /// Left out: thermal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modality: Option<Modality>,
    /// As the SPEC names it; left out: white-hot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub palette: Option<String>,
    /// Of a camera that moves: where it is and looks, once a second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<TruthView>,
}

/// A moving camera at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthView {
    pub t_s: f64,
    pub heading_deg: f32,
    pub tilt_deg: f32,
    pub hfov_deg: f32,
    /// East and north of `position`, metres.
    pub foot_m: [f32; 2],
}

/// WGS-84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LonLat {
    pub lon: f64,
    pub lat: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthPerson {
    pub id: String,
    /// Since and until when the person lies, is curled up or slumped without getting up; for one who only sits, since and until when, if
    /// that lasts long enough to need help (≥ 10 min). Null for everyone else.
    pub down_from_s: Option<f64>,
    pub down_to_s: Option<f64>,
    /// Once a second, wherever a camera sees any of the person.
    pub seen: Vec<Seen>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    pub camera: String,
    pub t_s: f64,
    /// x, y, width, height in pixels, clipped to the picture.
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    pub posture: Posture,
    /// East and north of the foot of that camera, metres.
    pub ground_m: [f32; 2],
    /// 0–1: what walls, cars, other people and the picture's edges leave of the person.
    pub visible: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthOther {
    /// `lamp`, `bonnet`, `manhole`, `doorway`, `steam`, `mannequin`, `dog`, `reflection` (of a person who stays, in wet ground), or `car`: one that
    /// drives through.
    pub kind: String,
    pub camera: String,
    #[serde(rename = "box")]
    pub bbox: [f32; 4],
    /// `box` is the union of its places from `from_s` to `to_s`; both are absent for what always is there. What moves, and what a moving camera
    /// sees, has an entry a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_s: Option<f64>,
}

/// A lead is made after two minutes down or ten minutes of sitting (design §5); so much more is left for looks and for an answer, seconds.
const LEAD_AFTER_DOWN_S: f64 = 120.0;
const LEAD_AFTER_SITTING_S: f64 = 600.0;
const MARGIN_S: f64 = 60.0;
/// Rising and lying down again within so long is one time down, seconds.
const CHANGE_MAX_S: f64 = 6.0;
/// Less than this of a person is not worth telling.
const VISIBLE_MIN: f32 = 0.02;

/// A time down: from, to, and whether the person only sat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Down {
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    pub(crate) only_sat: bool,
}

/// The longest time down of `person` within the scene.
pub(crate) fn down_of(person: &Person, duration_s: f64) -> Option<Down> {
    let mut times: Vec<Down> = Vec::new();
    for (from_s, to_s, pose, _) in person.holds().filter(|hold| !hold.2.is_upright()) {
        let (from_s, to_s, only_sat) = (from_s.max(0.0), to_s.min(duration_s), !pose.posture().is_down());
        match times.last_mut() {
            // Sitting before lying is not yet being down, and the other way round nobody was helped.
            Some(last) if from_s - last.to_s < CHANGE_MAX_S && (last.only_sat == only_sat || only_sat) => last.to_s = to_s,
            _ => times.push(Down { from_s, to_s, only_sat }),
        }
    }
    times.into_iter().filter(|down| down.to_s > down.from_s).max_by(|a, b| (a.to_s - a.from_s).total_cmp(&(b.to_s - b.from_s)))
}

impl Scene {
    /// Ids of the people who must have become leads when the scene ends: down for 2 min or sitting for 10 min, and a minute more.
    pub fn people_expected_as_leads(&self) -> Vec<String> {
        let expected = |person: &&Person| {
            down_of(person, self.duration_s()).is_some_and(|down| {
                let after_s = if down.only_sat { LEAD_AFTER_SITTING_S } else { LEAD_AFTER_DOWN_S };
                down.to_s - down.from_s >= after_s + MARGIN_S
            })
        };
        self.people().iter().filter(expected).map(|person| person.id.clone()).collect()
    }

    /// The whole truth; sampled once a second.
    pub fn truth(&self) -> Truth {
        let cameras = self.cameras().iter().map(|camera| {
            let view = camera.view;
            let seen = TruthCamera {
                position: LonLat { lon: camera.position.lon, lat: camera.position.lat },
                height_m: view.height_m,
                tilt_deg: view.tilt_deg,
                heading_deg: view.heading_deg,
                hfov_deg: view.hfov_deg,
                size: [camera.size.width, camera.size.height],
                modality: (camera.modality != Modality::Thermal).then_some(camera.modality),
                palette: camera.output.palette.clone(),
                views: self.views(camera),
            };
            (camera.id.to_string(), seen)
        });
        let mut people: Vec<TruthPerson> = self.people().iter().map(|person| self.empty_truth(person)).collect();
        for second in 0..self.duration_s().ceil() as u32 {
            for camera in 0..self.cameras().len() {
                for (number, seen) in self.seen_at(camera, f64::from(second)) {
                    people[number].seen.push(seen);
                }
            }
        }
        Truth { seed: self.seed(), cameras: cameras.collect(), people, others: self.others() }
    }

    fn views(&self, camera: &SceneCamera) -> Vec<TruthView> {
        let seconds = if camera.motion.is_still() { 0 } else { self.duration_s().ceil() as u32 };
        let at = |second: u32| {
            let sight = camera.sight(f64::from(second));
            let foot_m = [sight.foot.e - camera.foot.e, sight.foot.n - camera.foot.n];
            let CameraView { heading_deg, tilt_deg, hfov_deg, .. } = sight.view;
            TruthView { t_s: f64::from(second), heading_deg, tilt_deg, hfov_deg, foot_m }
        };
        (0..seconds).map(at).collect()
    }

    /// What hides what from `camera` at `t_s`: exact for a camera that does not move, at a quarter of the resolution for one that does.
    fn coarse_background(&self, camera: usize, t_s: f64) -> Arc<Background> {
        const COARSE: u32 = 4;
        let about = &self.cameras()[camera];
        if about.motion.is_still() {
            return self.background(camera);
        }
        let sight = about.sight(t_s);
        let size = PictureSize::new(about.size.width / COARSE, about.size.height / COARSE);
        let projector = Projector::new(&sight.view, sight.foot, size);
        let borders = about.output.borders;
        let borders = Borders {
            left: borders.left / COARSE,
            right: borders.right / COARSE,
            top: borders.top / COARSE,
            bottom: borders.bottom / COARSE,
        };
        Arc::new(Background::thermal(projector, self.props(), self.background_seed(), false).framed(borders))
    }

    fn empty_truth(&self, person: &Person) -> TruthPerson {
        let down = down_of(person, self.duration_s()).filter(|down| !down.only_sat || down.to_s - down.from_s >= LEAD_AFTER_SITTING_S);
        let rounded = |t_s: f64| (t_s * 1e3).round() / 1e3;
        TruthPerson {
            id: person.id.clone(),
            down_from_s: down.map(|down| rounded(down.from_s)),
            down_to_s: down.map(|down| rounded(down.to_s)),
            seen: Vec::new(),
        }
    }

    /// Who is in the picture of `camera` at `t_s`: the person's number and what is seen.
    pub(crate) fn seen_at(&self, camera: usize, t_s: f64) -> Vec<(usize, Seen)> {
        let about = &self.cameras()[camera];
        let background = self.coarse_background(camera, t_s);
        let projector = &about.sight(t_s).projector;
        let mut bodies: Vec<(usize, f32, V2, PixelBox, Vec<Capsule>, Posture)> = Vec::new();
        for (number, person) in self.people().iter().enumerate() {
            let Some(moment) = person.at(t_s).filter(|moment| moment.at.distance(projector.foot) < RANGE_MAX_M) else { continue };
            let capsules = body::capsules(&person.build, moment.doing, moment.at, moment.facing_deg, t_s);
            let (Some(bbox), Some(flat)) = (body::box_of(&capsules, projector), projector.project(moment.at.up(0.4))) else { continue };
            if bbox.clipped(projector.size).area() > 0.0 {
                bodies.push((number, flat.depth, moment.at, bbox, capsules, moment.posture()));
            }
        }
        let mut seen = Vec::new();
        for (number, depth, at, bbox, capsules, posture) in &bodies {
            let before: Vec<&[Capsule]> = bodies
                .iter()
                .filter(|other| other.1 < *depth && other.3.intersection(bbox) > 0.0)
                .map(|other| other.4.as_slice())
                .collect();
            // What hides him is asked at the resolution of the background.
            let Some(in_background) = body::box_of(capsules, &background.projector) else { continue };
            let part = visible(capsules, &in_background, &before, &background);
            if part < VISIBLE_MIN {
                continue;
            }
            let bbox = bbox.clipped(projector.size);
            let tell = Seen {
                camera: about.id.to_string(),
                t_s,
                bbox: others::inside_borders([bbox.x, bbox.y, bbox.w, bbox.h], about),
                posture: *posture,
                ground_m: [at.e - about.foot.e, at.n - about.foot.n].map(|m| (m * 100.0).round() / 100.0),
                visible: (part * 100.0).round() / 100.0,
            };
            seen.push((*number, tell));
        }
        seen
    }
}

fn tenth(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}
