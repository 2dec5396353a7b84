//! Why somebody was missed, why a lead is about nobody, and whether a lead was kept as long as the person lay there.

use super::leads_match::{DOWN_S, Needy, SITTING_S, box_nearness, needy, true_box};
use super::truth::{Need, Seen, Truth, TruthOther, TruthPerson};
use patrol_core::{Lead, LeadId, PictureSize, PixelBox, Posture, WallTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A thing or a person of the truth is what a lead shows when their boxes overlap by this much.
const SHOWN_IOU_MIN: f64 = 0.1;
/// Truth is sampled once a second: its nearest moment is within this.
const MOMENT_S: f64 = 1.0;

/// What became of the lead of a person who was found. Times in seconds of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Kept {
    pub(crate) lead: String,
    /// Nobody has answered or closed the lead at the end.
    pub(crate) still_open: bool,
    /// Open, and its history does not end with his having left.
    pub(crate) still_watched: bool,
    pub(crate) last_seen_s: f64,
    /// When the lead first said, after he went down, that he had left.
    pub(crate) left_s: Option<f64>,
    /// How long before he really got up or left the lead said so: he was let go.
    pub(crate) left_early_s: Option<f64>,
    /// When the lead first said that the place cannot be judged.
    pub(crate) unjudged_s: Option<f64>,
}

impl Kept {
    pub(super) fn of(lead: &Lead, needy: &Needy, start: WallTime) -> Self {
        let said = |kind: &str| {
            let mut times = lead.history.iter().filter(|entry| entry.kind == kind).map(|entry| entry.at.seconds_since(start));
            times.find(|at_s| *at_s >= needy.from_s)
        };
        let presence = lead.history.iter().rfind(|entry| matches!(entry.kind.as_str(), "left" | "back"));
        let left_s = said("left");
        Self {
            lead: lead.id.to_string(),
            still_open: lead.state.is_open(),
            still_watched: lead.state.is_open() && presence.is_none_or(|entry| entry.kind != "left"),
            last_seen_s: lead.last_seen.seconds_since(start),
            left_s,
            left_early_s: left_s.map(|left_s| needy.to_s() - left_s).filter(|early_s| *early_s > 0.0),
            unjudged_s: said("unjudged"),
        }
    }
}

/// What of a line of `sightings.jsonl` tells why somebody was missed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SightingLine {
    camera: String,
    from_s: f64,
    to_s: f64,
    posture: Posture,
    /// Looks by posture; absent: all were like the last.
    #[serde(default)]
    postures: BTreeMap<Posture, u32>,
    resolved: bool,
    /// Where it was at `to_s`.
    bbox: [f32; 4],
}

impl SightingLine {
    /// Of its time, the part that it was in one of the postures that `wanted` accepts.
    fn part(&self, wanted: impl Fn(Posture) -> bool) -> f64 {
        let all: u32 = self.postures.values().sum();
        if all == 0 {
            return f64::from(u8::from(wanted(self.posture)));
        }
        let like: u32 = self.postures.iter().filter(|(posture, _)| wanted(**posture)).map(|(_, looks)| looks).sum();
        f64::from(like) / f64::from(all)
    }

    /// Whether this track was on `person` when it was last seen.
    fn is_on(&self, truth: &Truth, person: &TruthPerson) -> bool {
        let [x, y, w, h] = self.bbox;
        let size = truth.cameras.get(&self.camera).and_then(|camera| camera.size).unwrap_or_default();
        let size = PictureSize::new(size[0] as u32, size[1] as u32);
        let mut then = person.seen.iter().filter(|seen| seen.camera == self.camera && (seen.t_s - self.to_s).abs() <= MOMENT_S);
        then.any(|seen| box_nearness(truth, seen, &PixelBox::new(x, y, w, h), size).is_some())
    }
}

/// For each of `missed`: `never-seen`, `seen-too-short`, `seen-not-down`, `fixture` (down long enough, but no detector took it for a person) or
/// `other`. Each by the track that comes nearest to a lead.
pub(super) fn missed_why(truth: &Truth, missed: &[String], sightings: &[SightingLine]) -> BTreeMap<String, &'static str> {
    let needy = needy(truth);
    let missed = needy.iter().filter(|needy| missed.contains(&needy.person.id));
    missed.map(|needy| (needy.person.id.clone(), why_missed(truth, needy, sightings))).collect()
}

fn why_missed(truth: &Truth, needy: &Needy, sightings: &[SightingLine]) -> &'static str {
    let wanted_s = if needy.seen.iter().all(|seen| seen.need() == Need::Sitting) { SITTING_S } else { DOWN_S };
    let while_down_s = |line: &SightingLine| line.to_s.min(needy.to_s()) - line.from_s.max(needy.from_s);
    let of_him: Vec<&SightingLine> = sightings.iter().filter(|line| while_down_s(line) >= 0.0 && line.is_on(truth, needy.person)).collect();
    let long_enough = |line: &&SightingLine| while_down_s(line) >= wanted_s;
    let seen_down = |line: &&SightingLine| {
        let low = |posture: Posture| posture.is_down() || posture == Posture::Sitting;
        line.part(Posture::is_down) * while_down_s(line) >= DOWN_S || line.part(low) * while_down_s(line) >= SITTING_S
    };
    if of_him.is_empty() {
        "never-seen"
    } else if !of_him.iter().any(long_enough) {
        "seen-too-short"
    } else if !of_him.iter().any(seen_down) {
        "seen-not-down"
    } else if of_him.iter().all(|line| !line.resolved) {
        "fixture"
    } else {
        "other"
    }
}

/// What a lead about nobody shows: the kind of a thing of the truth, `person-not-down:` with his true posture, or `nothing`.
fn why_false(truth: &Truth, lead: &Lead, start: WallTime) -> String {
    let mut overlap: BTreeMap<String, f64> = BTreeMap::new();
    let evidence = lead.evidence.iter().map(|shown| (shown.camera.as_str(), shown.captured.at, &shown.bbox, shown.size));
    let place = &lead.place;
    let last = [(place.camera.as_str(), lead.last_seen, &place.bbox, place.size)];
    for (camera, at, bbox, size) in evidence.chain(last) {
        let at_s = at.seconds_since(start);
        let mut take = |kind: String, true_bbox: [f64; 4]| {
            let iou = f64::from(true_box(truth, camera, true_bbox, size).iou(bbox));
            if iou >= SHOWN_IOU_MIN {
                *overlap.entry(kind).or_default() += iou;
            }
        };
        for other in truth.others.iter().filter(|other| other.camera == camera && other.is_there(at_s)) {
            take(other.kind.clone(), other.bbox);
        }
        for person in &truth.people {
            if let Some(seen) = nearest(person, camera, at_s) {
                take(format!("person-not-down:{}", seen.posture), seen.bbox);
            }
        }
    }
    let most = overlap.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    most.map_or_else(|| "nothing".to_owned(), |(kind, _)| kind)
}

/// By id of the lead.
pub(super) fn false_why(truth: &Truth, leads: &[Lead], about_nobody: &[String], start: WallTime) -> BTreeMap<String, String> {
    let known = |id: &LeadId| about_nobody.contains(&id.to_string());
    leads.iter().filter(|lead| known(&lead.id)).map(|lead| (lead.id.to_string(), why_false(truth, lead, start))).collect()
}

fn nearest<'a>(person: &'a TruthPerson, camera: &str, at_s: f64) -> Option<&'a Seen> {
    let away = |seen: &&Seen| (seen.t_s - at_s).abs();
    let near = person.seen.iter().filter(|seen| seen.camera == camera && away(seen) <= MOMENT_S);
    near.min_by(|a, b| away(a).total_cmp(&away(b)))
}

impl TruthOther {
    fn is_there(&self, at_s: f64) -> bool {
        self.from_s.is_none_or(|from_s| from_s - MOMENT_S <= at_s) && self.to_s.is_none_or(|to_s| at_s <= to_s + MOMENT_S)
    }
}
