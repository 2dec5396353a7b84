//! The cameras of the shared run, and what befalls them when.

use super::process::now_s;
use super::record::name_of;
use patrol_core::PictureSize;
use patrol_sim::street::{AuthScheme, Fault, PipelineOptions, Street, StreetAuth, StreetCodec, StreetConfig, pipeline};
use std::collections::BTreeMap;
use std::path::Path;

/// Sees at least this often, and at most this late.
pub(super) const LOOK_EVERY_S: f64 = 1.0;
pub(super) const LOOK_LIMIT_S: f64 = 3.0;
/// Slow, for a small machine; odd in a loop, so that a live view of every second picture comes by all of them.
const FPS: f64 = 6.0;
const GOP_S: f64 = 1.5;
const CLIP_S: f64 = 7.5;
/// As narrow as the code allows, in whole macroblocks.
pub(super) const SIZE: PictureSize = PictureSize { width: 480, height: 384 };

pub(super) const USER: &str = "warden";
/// The password that the camera wants, and one that it does not; neither may appear anywhere.
pub(super) const PASSWORD: (&str, &str) = ("STREET_TEST_PASSWORD", "heron-4417-bridge");
pub(super) const WRONG_PASSWORD: (&str, &str) = ("STREET_TEST_OTHER_PASSWORD", "otter-9023-canal");

/// From camera to camera to the north: half a kilometre.
const APART_DEG: f64 = 0.005;

/// What a camera is for: its id, and the fault it suffers, from when.
type Role = (&'static str, Option<(When, Fault)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before the patrol begins, until the others are well.
    Begin,
    /// Blinding faults, first; the others some seconds later, so that their alarms do not mix.
    First,
    Second,
}

/// Plain H.264; a camera's number is its place here.
const PLAIN: [Role; 21] = [
    ("healthy-a", None),
    ("healthy-b", None),
    ("stall", Some((When::First, Fault::Stall))),
    ("freeze", Some((When::First, Fault::Freeze))),
    ("black", Some((When::First, Fault::Black))),
    ("covered", Some((When::First, Fault::Covered))),
    ("down", Some((When::Second, Fault::Down))),
    ("loss", Some((When::Second, Fault::Loss { per_mille: 40 }))),
    ("wrong-sps", Some((When::Second, Fault::WrongSps))),
    ("resize", Some((When::Second, Fault::Resize))),
    ("burst", Some((When::Second, Fault::ReplayBurst { seconds: 6 }))),
    ("clock-rtcp", Some((When::Second, Fault::ClockStep { seconds: 3600, media: false }))),
    ("clock-media", Some((When::Second, Fault::ClockStep { seconds: 3600, media: true }))),
    ("clock-back", Some((When::Second, Fault::ClockStep { seconds: -600, media: true }))),
    ("sparse", Some((When::Second, Fault::SparseKeys { gop_s: 10 }))),
    ("non-idr", Some((When::Begin, Fault::NonIdrStart))),
    ("stale-sdp", Some((When::Begin, Fault::StaleSdp))),
    ("slow", Some((When::Begin, Fault::SlowSetup { seconds: 4 }))),
    ("too-slow", Some((When::Begin, Fault::SlowSetup { seconds: 15 }))),
    ("refusing", Some((When::Begin, Fault::Unauthorised))),
    ("udp", Some((When::Begin, Fault::UdpOnly))),
];
/// Numbers that no plain camera has, so that a picture of another street is known by its code.
const B_FRAMES: [Role; 2] = [("b-frames-a", None), ("b-frames-b", None)];
const B_FRAMES_FROM: usize = PLAIN.len();
const DIGEST: [Role; 2] = [("digest", None), ("wrong-password", None)];
const DIGEST_FROM: usize = B_FRAMES_FROM + B_FRAMES.len();
/// The codes of H.265 name no camera.
const H265: [Role; 2] = [("h265", None), ("h265-loss", Some((When::Second, Fault::Loss { per_mille: 40 })))];

/// As long as the issue has cameras go down again and again. After longer the client waits longer between its attempts.
pub(super) const DOWN_S: f64 = 5.0;

/// One street with those of its cameras that are watched.
pub(super) struct Row {
    pub(super) street: Street,
    config: StreetConfig,
    from: usize,
    roles: &'static [Role],
}

/// When a camera's fault began and ended, Unix seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) began_s: f64,
    pub(super) ended_s: f64,
}

/// All streets of the run.
pub(super) struct Town {
    rows: Vec<Row>,
    pub(super) spans: BTreeMap<&'static str, Span>,
}

pub(super) fn config(cameras: usize, sent: Option<&Path>) -> StreetConfig {
    StreetConfig {
        cameras,
        size: SIZE,
        fps: FPS,
        kbps: 300,
        gop_s: GOP_S,
        clip_s: CLIP_S,
        sent: sent.map(Path::to_owned),
        ..StreetConfig::default()
    }
}

impl Town {
    /// Starts the streets, and encodes what the faults will need.
    pub(super) fn new(folder: &Path) -> Self {
        let row = |config: StreetConfig, from: usize, roles: &'static [Role]| {
            let street = Street::start(config.clone()).expect("a street");
            Row { street, config, from, roles }
        };
        let auth = StreetAuth { user: USER.into(), password: PASSWORD.1.into(), scheme: AuthScheme::Digest };
        let rows = vec![
            row(config(PLAIN.len(), Some(&folder.join("sent.csv"))), 0, &PLAIN),
            row(StreetConfig { b_frames: true, ..config(B_FRAMES_FROM + B_FRAMES.len(), None) }, B_FRAMES_FROM, &B_FRAMES),
            row(StreetConfig { auth: Some(auth), ..config(DIGEST_FROM + DIGEST.len(), None) }, DIGEST_FROM, &DIGEST),
            row(StreetConfig { codec: StreetCodec::H265, ..config(H265.len(), None) }, 0, &H265),
        ];
        let mut town = Self { rows, spans: BTreeMap::new() };
        // Each fault once, while nobody looks: encoding takes a moment.
        for when in [When::First, When::Second] {
            town.begin(when);
            town.end(|_| true);
        }
        town.spans.clear();
        town
    }

    /// All watched cameras with their numbers.
    pub(super) fn cameras(&self) -> impl Iterator<Item = (&'static str, usize, &Row)> {
        self.rows.iter().flat_map(|row| row.roles.iter().enumerate().map(move |(place, (id, _))| (*id, row.from + place, row)))
    }

    pub(super) fn begin(&mut self, when: When) {
        for row in &self.rows {
            for (place, (id, fault)) in row.roles.iter().enumerate() {
                if let Some((_, fault)) = fault.filter(|(at, _)| *at == when) {
                    row.street.fault(row.from + place, Some(fault)).expect("a fault");
                    self.spans.insert(id, Span { began_s: now_s(), ended_s: f64::INFINITY });
                }
            }
        }
    }

    /// Ends the faults of `whom` that are not over yet.
    pub(super) fn end(&mut self, whom: impl Fn(&str) -> bool) {
        for row in &self.rows {
            for (place, (id, _)) in row.roles.iter().enumerate() {
                if let Some(span) = self.spans.get_mut(id).filter(|span| span.ended_s.is_infinite() && whom(id)) {
                    span.ended_s = now_s();
                    row.street.fault(row.from + place, None).expect("no fault");
                }
            }
        }
    }

    /// Cameras whose fault is of that time.
    pub(super) fn suffer(&self, when: When) -> Vec<&'static str> {
        let roles = self.rows.iter().flat_map(|row| row.roles);
        roles.filter(|(_, fault)| fault.is_some_and(|(at, _)| at == when)).map(|(id, _)| *id).collect()
    }

    /// The logs of what was sent are complete up to now.
    pub(super) fn flush(&self) {
        for row in &self.rows {
            row.street.stats();
        }
    }

    /// The pipeline file that watches all of them, without store and console.
    pub(super) fn pipeline(&self) -> String {
        let mut all: Option<toml::Table> = None;
        let mut place = 0.0;
        for row in &self.rows {
            let mut file = written(&row.street, &row.config);
            let cameras = file["camera"].as_array().expect("cameras")[row.from..].to_vec();
            let cameras = cameras.into_iter().zip(row.roles).map(|(mut camera, (id, _))| {
                let table = camera.as_table_mut().expect("a table");
                table.insert("id".into(), (*id).into());
                table.insert("name".into(), name_of(id).into());
                // Streets do not know of one another: their cameras would stand in one place, and one person there would be one lead.
                place += 1.0;
                table.insert("latitude".into(), (31.0 + place * APART_DEG).into());
                if row.config.auth.is_some() {
                    let env = if *id == "wrong-password" { WRONG_PASSWORD.0 } else { PASSWORD.0 };
                    table.insert("user".into(), USER.into());
                    table.insert("password".into(), toml::Table::from_iter([("env".to_owned(), env.into())]).into());
                }
                camera
            });
            let cameras: Vec<toml::Value> = cameras.collect();
            match &mut all {
                None => {
                    file.insert("camera".into(), cameras.into());
                    all = Some(file);
                }
                Some(all) => all["camera"].as_array_mut().expect("cameras").extend(cameras),
            }
        }
        toml::to_string(&all.expect("a street")).expect("TOML")
    }
}

/// The pipeline file that watches a whole street: a night so cold that whoever lies is a lead within seconds.
pub(super) fn written(street: &Street, config: &StreetConfig) -> toml::Table {
    let options = PipelineOptions {
        address: street.address().to_string(),
        password_env: None,
        look_every_s: LOOK_EVERY_S,
        transport: "tcp-then-udp".into(),
    };
    let text = pipeline(&StreetConfig { auth: None, ..config.clone() }, &options).expect("a pipeline");
    let mut file: toml::Table = text.parse().expect("TOML");
    file["weather"]["air_c"] = (-22.0).into();
    for camera in file["camera"].as_array_mut().expect("cameras") {
        camera["look_limit_s"] = LOOK_LIMIT_S.into();
    }
    file
}
