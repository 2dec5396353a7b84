//! The shared run: some thirty cameras, each with a fault of its own, watched by one patrol.

use super::process::{Patrol, now_s, wait_for};
use super::record::{Grey, Record};
use super::script::{DOWN_S, PASSWORD, Town, WRONG_PASSWORD, When};
use super::wire::fetch;
use crate::http::request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::ops::Deref;
use std::path::Path;
use std::sync::OnceLock;

/// Until all is well at the beginning, and again at the end: a few seconds, with much room for a busy machine.
const WELL_MAX_S: f64 = 60.0;
/// Blinding faults last so long, the others half of it from `SECOND_S` on.
const FIRST_LASTS_S: f64 = 12.0;
const SECOND_S: f64 = 5.0;
const SECOND_LASTS_S: f64 = 11.0;
/// Cameras of which films are taken.
pub(super) const FILMED: [&str; 3] = ["healthy-a", "b-frames-a", "udp"];
/// Pictures are still looked at for so long after everybody is back.
const AFTERWARDS_S: f64 = 3.0;

/// What the shared run was.
pub(super) struct FaultyStreet {
    pub(super) record: Record,
    pub(super) town: Town,
    /// Answers to "look now", by what was asked.
    pub(super) answers: Vec<Asked>,
    /// Everybody was well from here until the first faults.
    pub(super) well_s: f64,
    /// A film of a lead of each of [`FILMED`].
    pub(super) films: Vec<Film>,
    /// What is answered to somebody who asks for a film and gives no name.
    pub(super) nameless_status: u16,
    /// Leads open then, by camera.
    pub(super) open_leads: Vec<(&'static str, Vec<String>)>,
    _folder: tempfile::TempDir,
}

/// What a camera sent before somebody was decided to be in need.
pub(super) struct Film {
    pub(super) camera: &'static str,
    pub(super) decided_s: f64,
    pub(super) mp4: Vec<u8>,
}

/// One "look now", and what was answered.
pub(super) struct Asked {
    pub(super) camera: &'static str,
    pub(super) at_s: f64,
    pub(super) took_s: f64,
    pub(super) status: u16,
    pub(super) answer: Value,
    pub(super) picture: Option<Grey>,
}

impl Deref for FaultyStreet {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

/// The shared run; the first who asks waits for it, some forty seconds.
pub(super) fn faulty_street() -> &'static FaultyStreet {
    static RUN: OnceLock<FaultyStreet> = OnceLock::new();
    RUN.get_or_init(FaultyStreet::take)
}

impl FaultyStreet {
    fn take() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut town = Town::new(folder.path());
        town.begin(When::Begin);
        let mut patrol = Patrol::start(folder.path(), &town.pipeline(), &[PASSWORD, WRONG_PASSWORD]);
        patrol.view("healthy-a", "auditor-1");
        patrol.view("loss", "auditor-1");
        patrol.view("h265", "auditor-2");
        patrol.view("h265-loss", "auditor-2");

        let late = town.suffer(When::Begin);
        let ids: Vec<&'static str> = town.cameras().map(|(id, _, _)| id).filter(|id| *id != "wrong-password").collect();
        let prompt = ids.iter().filter(|id| !late.contains(id));
        let is_well = |patrol: &Patrol, id: &str| patrol.sees(id) && !patrol.leads_at(id).is_empty();
        wait_for("all see and have leads", WELL_MAX_S, || prompt.clone().all(|id| is_well(&patrol, id)));
        wait_for("the slow one sees", WELL_MAX_S, || patrol.sees("slow"));
        let well_s = now_s();
        town.end(|_| true);
        let open_leads: Vec<(&'static str, Vec<String>)> = ids.iter().map(|id| (*id, patrol.leads_at(id))).collect();

        let mut answers = Vec::new();
        let first_s = now_s();
        town.begin(When::First);
        answers.push(look_now(&patrol, "healthy-b"));
        wait_until(first_s + SECOND_S);
        town.begin(When::Second);
        answers.push(look_now(&patrol, "stall"));
        answers.push(look_now(&patrol, "healthy-b"));
        wait_until(first_s + SECOND_S + DOWN_S);
        town.end(|id| id == "down");
        wait_until(first_s + FIRST_LASTS_S);
        let first = town.suffer(When::First);
        town.end(|id| first.contains(&id));
        wait_until(first_s + SECOND_S + SECOND_LASTS_S);
        answers.push(look_now(&patrol, "clock-media"));
        answers.push(look_now(&patrol, "h265"));
        town.end(|_| true);
        wait_for("all see again", WELL_MAX_S, || ids.iter().all(|id| patrol.sees(id)));
        wait_until(now_s() + AFTERWARDS_S);
        answers.push(look_now(&patrol, "stall"));
        let films: Vec<Film> = FILMED.into_iter().map(|camera| film(&patrol, camera, "&by=auditor-3")).map(|(_, film)| film).collect();
        let (nameless_status, _) = film(&patrol, FILMED[0], "");
        let record = patrol.stop(folder.path());
        town.flush();
        Self { films, nameless_status, record, town, answers, well_s, open_leads, _folder: folder }
    }

    /// Leads that were open at that camera before the faults.
    pub(super) fn open_leads(&self, camera: &str) -> &[String] {
        self.open_leads.iter().find(|(id, _)| *id == camera).map_or(&[], |(_, leads)| leads)
    }

    pub(super) fn span(&self, camera: &str) -> super::script::Span {
        self.town.spans[camera]
    }

    /// The number that the camera's codes give.
    pub(super) fn number(&self, camera: &str) -> u16 {
        let found = self.town.cameras().find(|(id, _, _)| *id == camera);
        found.map(|(_, number, _)| number as u16).expect("a camera of the run")
    }

    /// No picture of another camera was taken for this one's, and none was taken at another time than its code says.
    pub(super) fn check_pictures(&self, camera: &str) {
        self.record.check_pictures(camera, self.number(camera));
    }

    /// Every picture that kept the promise has its code.
    pub(super) fn check_all_readable(&self, camera: &str) {
        for look in self.looks(camera).iter().filter(|look| look.keeps_promise()) {
            assert!(look.code.is_some(), "{camera}: {look:?}");
        }
    }
}

fn wait_until(at_s: f64) {
    while now_s() < at_s {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}

fn look_now(patrol: &Patrol, camera: &'static str) -> Asked {
    let at_s = now_s();
    let body = json!({"by": "auditor-3", "reason": "street"});
    let (status, mut answer) =
        request("POST", patrol.console, &format!("/api/v1/cameras/{camera}/look"), Some(&body)).expect("the console answers");
    let took_s = now_s() - at_s;
    let picture = answer["picture"].take();
    let picture = picture.as_str().map(|text| Grey::decode(&STANDARD.decode(text).expect("base64")));
    Asked { camera, at_s, took_s, status, answer, picture }
}

/// The film that belongs to the first evidence of the camera's first lead.
fn film(patrol: &Patrol, camera: &'static str, by: &str) -> (u16, Film) {
    let leads = patrol.leads_at(camera);
    let details = leads.iter().filter_map(|lead| Some((lead, request("GET", patrol.console, &format!("/api/v1/leads/{lead}"), None)?.1)));
    let evidence = details.flat_map(|(lead, detail)| {
        let evidence = detail["evidence"].as_array().cloned().unwrap_or_default();
        evidence.into_iter().map(move |evidence| (lead, evidence))
    });
    let (lead, evidence) = evidence.into_iter().find(|(_, evidence)| evidence["clip_sha256"].is_string()).expect("evidence with a film");
    let sha256 = evidence["clip_sha256"].as_str().expect("a hash");
    let (status, mp4) = fetch(patrol.console, &format!("/evidence/{sha256}.mp4?lead={lead}{by}"));
    let decided_s = evidence["captured"]["at"].as_i64().expect("a time") as f64 / 1e9;
    (status, Film { camera, decided_s, mp4 })
}

/// Where each picture that a plain camera sent stands in the loop they all replay, by camera and number of the picture.
pub(super) fn clip_frames(folder: &Path) -> std::collections::HashMap<(u16, u32), u32> {
    let text = std::fs::read_to_string(folder.join("sent.csv")).expect("sent.csv");
    let frame = |line: &str| {
        let cells: Vec<u32> =
            line.split(',').enumerate().filter(|(at, _)| [0, 1, 6].contains(at)).map(|(_, cell)| cell.parse().expect("a number")).collect();
        ((cells[0] as u16, cells[1]), cells[2])
    };
    text.lines().skip(1).map(frame).collect()
}
