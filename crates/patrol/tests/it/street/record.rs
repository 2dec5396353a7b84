//! What a run left behind, and what was seen of it from outside.

use patrol_sim::street::{BlockCode, read_code};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How wrong the time may be at which a picture is said to be taken: the cameras' clocks are ours here, the rest is the way of the packets.
pub(super) const CAPTURED_ERROR_S: f64 = 0.5;

/// Everything of one run. Times are Unix seconds.
pub(super) struct Record {
    pub(super) folder: PathBuf,
    pub(super) started_s: f64,
    pub(super) stopped_s: f64,
    /// It exited with 0.
    pub(super) ended_well: bool,
    pub(super) rings: Vec<Ring>,
    /// Several a second.
    pub(super) readings: Vec<Reading>,
    /// What live views showed, by camera.
    pub(super) live: Vec<(String, Vec<Part>)>,
    pub(super) log: String,
    looks: BTreeMap<String, Vec<Look>>,
}

/// A line of `--looks`, with what the picture says of itself.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) captured_s: f64,
    pub(super) end_s: f64,
    pub(super) outcome: String,
    /// Width of the picture.
    pub(super) width: u32,
    pub(super) code: Option<BlockCode>,
}

#[derive(Debug, Clone)]
pub(super) struct Ring {
    pub(super) at_s: f64,
    pub(super) kind: String,
    pub(super) text: String,
    pub(super) lead: Option<String>,
}

/// Cameras and leads, as the console gave them at a time.
#[derive(Clone, Default)]
pub(super) struct Reading {
    pub(super) at_s: f64,
    pub(super) cameras: Vec<Value>,
    pub(super) leads: Vec<Value>,
}

/// One picture of a live view.
pub(super) struct Part {
    pub(super) arrived_s: f64,
    pub(super) captured_s: f64,
    pub(super) jpeg: Vec<u8>,
}

/// Luma of a picture.
pub(super) struct Grey {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) luma: Vec<u8>,
}

impl Grey {
    pub(super) fn decode(jpeg: &[u8]) -> Self {
        let picture = image::load_from_memory(jpeg).expect("a JPEG").to_luma8();
        Self { width: picture.width() as usize, height: picture.height() as usize, luma: picture.into_raw() }
    }

    pub(super) fn code(&self) -> Option<BlockCode> {
        read_code(&self.luma, self.width, self.width, self.height)
    }
}

impl Ring {
    pub(super) fn read(ring: &Value) -> Self {
        let text = |key: &str| ring[key].as_str().map(str::to_owned);
        Self {
            at_s: ring["at"].as_i64().expect("a time") as f64 / 1e9,
            kind: text("kind").expect("a kind"),
            text: text("text").expect("a text"),
            lead: text("lead"),
        }
    }
}

impl Part {
    pub(super) fn read(arrived_s: f64, part: &[u8]) -> Self {
        let end = part.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&part[..end]);
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).expect(name);
        let length = field("Content-Length:") as usize;
        Self { arrived_s, captured_s: field("X-Captured-Ms:") as f64 / 1e3, jpeg: part[end..end + length].to_vec() }
    }
}

impl Look {
    pub(super) fn keeps_promise(&self) -> bool {
        matches!(self.outcome.as_str(), "examined" | "unchanged")
    }

    /// When the picture was taken, by its own word.
    pub(super) fn coded_s(&self) -> Option<f64> {
        self.code.map(|code| code.unix_ms as f64 / 1e3)
    }
}

impl Record {
    pub(super) fn read(
        folder: &Path,
        (started_s, stopped_s): (f64, f64),
        ended_well: bool,
        rings: Vec<Ring>,
        readings: Vec<Reading>,
        live: Vec<(String, Vec<Part>)>,
    ) -> Self {
        let text = std::fs::read_to_string(folder.join("looks.csv")).expect("looks.csv");
        let mut looks: BTreeMap<String, Vec<Look>> = BTreeMap::new();
        for line in text.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let [camera, captured, _, end, outcome] = cells[..] else { panic!("{line}") };
            let strip = std::fs::read(folder.join("strips").join(camera).join(format!("{captured}.jpg"))).expect("a strip of every look");
            let strip = Grey::decode(&strip);
            let seconds = |text: &str| text.parse::<f64>().expect("seconds");
            looks.entry(camera.to_owned()).or_default().push(Look {
                captured_s: seconds(captured),
                end_s: seconds(end),
                outcome: outcome.to_owned(),
                width: strip.width as u32,
                code: strip.code(),
            });
        }
        for looks in looks.values_mut() {
            looks.sort_by(|a, b| a.end_s.total_cmp(&b.end_s));
        }
        let log = plain(&std::fs::read_to_string(folder.join("patrol.log")).expect("a log"));
        Self { folder: folder.to_owned(), started_s, stopped_s, ended_well, rings, readings, live, log, looks }
    }

    pub(super) fn looks(&self, camera: &str) -> &[Look] {
        self.looks.get(camera).map_or(&[], Vec::as_slice)
    }

    /// The camera as the console showed it, with the times.
    pub(super) fn shown<'a>(&'a self, camera: &str) -> impl DoubleEndedIterator<Item = (f64, &'a Value)> + use<'a> {
        let camera = camera.to_owned();
        let of = move |reading: &'a Reading| Some((reading.at_s, reading.cameras.iter().find(|one| one["id"] == camera.as_str())?));
        self.readings.iter().filter_map(of)
    }

    pub(super) fn last_shown(&self, camera: &str) -> &Value {
        self.shown(camera).next_back().expect("a camera of the run").1
    }

    /// The last outcome counts that the console showed.
    pub(super) fn counted(&self, camera: &str, outcome: &str) -> u64 {
        let outcomes = self.last_shown(camera)["outcomes"].as_array().expect("outcomes");
        outcomes.iter().find(|pair| pair[0] == outcome).and_then(|pair| pair[1].as_u64()).unwrap_or(0)
    }

    /// Leads of a camera that were ever on the page.
    pub(super) fn leads_at(&self, camera: &str) -> Vec<&str> {
        let leads = self.readings.iter().flat_map(|reading| &reading.leads).filter(|lead| lead["camera"] == camera);
        let mut ids: Vec<&str> = leads.map(|lead| lead["id"].as_str().expect("an id")).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// First ring of `kind` from `from_s` on that names the camera, or a lead of its.
    pub(super) fn rang(&self, kind: &str, camera: &str, from_s: f64) -> Option<&Ring> {
        let leads = self.leads_at(camera);
        self.rings.iter().find(|ring| {
            let of_lead = ring.lead.as_deref().is_some_and(|lead| leads.contains(&lead));
            ring.kind == kind && ring.at_s >= from_s && (of_lead || (ring.lead.is_none() && ring.text.contains(&shown_as(camera))))
        })
    }

    /// No picture of another camera was taken for this one's, and none was taken at another time than its code says.
    pub(super) fn check_pictures(&self, camera: &str, number: u16) {
        let looks = self.looks(camera);
        assert!(!looks.is_empty(), "{camera}: looked at");
        for look in looks {
            let Some(code) = look.code else { continue };
            assert_eq!(code.camera, number, "{camera}: {look:?}");
            let late_s = look.captured_s - look.coded_s().expect("a code");
            assert!(late_s.abs() <= CAPTURED_ERROR_S, "{camera}: taken {late_s:.3} s before it is said to be: {look:?}");
        }
    }

    /// The longest blind interval from `from_s` to `to_s`, by the codes in the pictures: whenever a look ended, and at the end, the time since the
    /// newest picture before that kept the promise was taken. A picture without a code shows nothing of the camera's place.
    pub(super) fn max_blind_s(&self, camera: &str, from_s: f64, to_s: f64) -> f64 {
        let (mut newest_s, mut longest_s) = (from_s, 0.0_f64);
        for look in self.looks(camera).iter().filter(|look| look.keeps_promise() && look.end_s <= to_s) {
            if look.end_s >= from_s {
                longest_s = longest_s.max(look.end_s - newest_s);
            }
            newest_s = newest_s.max(look.coded_s().unwrap_or(newest_s));
        }
        longest_s.max(to_s - newest_s)
    }

    /// Seconds from `from_s` until a picture taken after it had been examined.
    pub(super) fn saw_after_s(&self, camera: &str, from_s: f64) -> Option<f64> {
        let sees = |look: &&Look| look.outcome == "examined" && look.coded_s().is_some_and(|taken| taken >= from_s);
        self.looks(camera).iter().find(sees).map(|look| look.end_s - from_s)
    }
}

/// Without the colours of a terminal.
fn plain(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |all, piece| all + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}

/// How a camera is named on pages and in alarms.
pub(super) fn name_of(camera: &str) -> String {
    format!("路口-{camera}")
}

/// Its name in an alarm, where a reason in brackets follows: no other camera's name ends so.
fn shown_as(camera: &str) -> String {
    format!("{}(", name_of(camera))
}
