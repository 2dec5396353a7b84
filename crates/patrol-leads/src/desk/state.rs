//! What the desk remembers besides the leads. Everything here is bounded and survives `kill -9`.

use super::place;
use crate::exposure::ExposureInput;
use patrol_core::desk::CameraCondition;
use patrol_core::lead::{Decision, LeadState, Review};
use patrol_core::sighting::Place;
use patrol_core::{CameraId, LeadId, MediaTime, PictureSize, PictureTransform, Posture, Tier, TrackId, WallTime, Weather};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Why a camera cannot see that has not been heard of since the start.
const RESTARTED: &str = "restarted";
/// Tracks remembered per camera; the longest unseen without a lead goes first.
pub(super) const PERSONS_PER_CAMERA_MAX: usize = 256;
/// Blind intervals remembered per camera.
const BLIND_MAX: usize = 32;
/// Callback ids remembered per lead, against repeated deliveries.
pub(super) const CALLBACK_IDS_MAX: usize = 64;

/// Posture classes whose clocks count apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Class {
    Down,
    Sitting,
    Other,
}

impl Class {
    pub(super) fn of(posture: Posture) -> Self {
        match posture {
            _ if posture.is_down() => Self::Down,
            Posture::Sitting => Self::Sitting,
            _ => Self::Other,
        }
    }
}

/// One track as the desk last saw it. A track that breaks hands its clocks to the next one at the same place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Person {
    pub place: Place,
    pub media_time: MediaTime,
    pub at: WallTime,
    pub first_seen: WallTime,
    /// Since when the present track has been seen; clocks of those before it are taken over.
    #[serde(default)]
    pub track_since: WallTime,
    pub posture: Posture,
    pub class: Class,
    pub posture_since: WallTime,
    pub still_since: Option<WallTime>,
    pub confidence: f32,
    pub movement: f32,
    pub cover: f32,
    pub resolved: bool,
    /// Looks of this track, and of those whose clocks it took over.
    pub looks: u32,
    pub looks_before: u32,
    /// It was seen walking, or elsewhere, before it came to its present place.
    pub walked_in: bool,
    /// Since when no detector has found it and it is kept because the picture of its place has not changed.
    #[serde(default)]
    pub held_since: Option<WallTime>,
    pub lead: Option<LeadId>,
    /// Where the lead last told it to be: news `moved` is measured from here.
    pub told_place: Place,
    /// A placeholder for someone whom an officer pointed out.
    pub pointed_out: bool,
}

impl Person {
    /// Lying, curled, slumped, sitting; or of unknown posture and without motion.
    pub(super) fn is_of_concern(&self) -> bool {
        self.class != Class::Other || (self.posture == Posture::Unknown && self.still_since.is_some())
    }
    /// The camera has turned: pixels of the view before say nothing of where he is in this one, and so nothing of his having moved.
    pub(super) fn see_from_other_view(&mut self) {
        if self.told_place.camera == self.place.camera && !place::apart_m(&self.told_place, &self.place).is_finite() {
            self.told_place = self.place.clone();
        }
    }
    /// What the score needs; time in which the camera saw nothing (`blind`) does not count.
    pub(super) fn exposure(&self, site_prior: f32, camera: Option<&CameraBook>) -> ExposureInput {
        let seen_min = |since: WallTime| {
            let blind = camera.map_or(Duration::ZERO, |camera| camera.blind_between(since, self.at));
            ((self.at.since(since).saturating_sub(blind)).as_secs_f64() / 60.0) as f32
        };
        let motionless_min = self.still_since.map_or(0.0, seen_min);
        let minutes = if self.class == Class::Other { motionless_min } else { seen_min(self.posture_since) };
        ExposureInput { posture: self.posture, minutes, motionless_min, movement: self.movement, cover: self.cover, site_prior }
    }
}

/// What is known of a camera's condition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CameraBook {
    pub condition: Option<CameraCondition>,
    pub since: WallTime,
    /// Size of its pictures as last seen.
    pub size: Option<PictureSize>,
    /// View in which it last saw somebody.
    #[serde(default)]
    pub preset: u32,
    /// How it had moved in that view by then, and when that was.
    #[serde(default)]
    pub now_from_begin: PictureTransform,
    #[serde(default)]
    pub frame_at: WallTime,
    /// Intervals in which it could not see, oldest first.
    pub blind: VecDeque<(WallTime, WallTime)>,
}

impl CameraBook {
    pub(super) fn is_seeing(&self) -> bool {
        matches!(self.condition, None | Some(CameraCondition::Seeing))
    }
    pub(super) fn set(&mut self, condition: CameraCondition, at: WallTime) {
        if !self.is_seeing() && condition == CameraCondition::Seeing && at > self.since {
            self.blind.push_back((self.since, at));
            if self.blind.len() > BLIND_MAX {
                self.blind.pop_front();
            }
        }
        if self.is_seeing() || condition == CameraCondition::Seeing {
            self.since = at;
        }
        self.condition = Some(condition);
    }
    /// The process was down from `last_tick` on; whether the camera sees is not known until it is reported.
    pub(super) fn restart(&mut self, last_tick: WallTime) {
        if self.is_seeing() {
            self.since = last_tick;
            self.condition = Some(CameraCondition::CannotSee { why: RESTARTED.to_owned() });
        }
    }
    pub(super) fn is_restarted(&self) -> bool {
        matches!(&self.condition, Some(CameraCondition::CannotSee { why }) if why == RESTARTED)
    }
    /// How long it could not see within an interval; a blindness that lasts counts up to `to`.
    pub(super) fn blind_between(&self, from: WallTime, to: WallTime) -> Duration {
        let lasting = (!self.is_seeing()).then_some((self.since, to));
        self.blind.iter().copied().chain(lasting).map(|(start, end)| end.min(to).since(start.max(from))).sum()
    }
}

/// A watch after a refusal of help: silent while nothing changes, revisited (design §6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub since: WallTime,
    /// The night is over: whoever is still here is rung for again.
    pub until: WallTime,
    pub tier: Tier,
    pub people: u32,
    pub posture: Posture,
    pub revisited_at: WallTime,
    pub rang_still: bool,
}

/// What an officer's last act on a lead can be taken back to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "was", rename_all = "kebab-case")]
pub(super) enum Undo {
    Review { state: LeadState, review: Option<Review> },
    Merge { from: LeadId },
    Split { from: LeadId, into: LeadId },
}

/// What a merge took from a lead, for splitting it off again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Absorbed {
    pub members: Vec<(CameraId, TrackId)>,
    pub people_before: u32,
    pub state: LeadState,
    pub review: Option<Review>,
    pub was_sent: bool,
}

/// The desk's own notes on a lead: clocks and marks that are nobody else's business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LeadBook {
    /// Examined looks in which somebody of it was seen.
    pub looks: u32,
    /// Start of the clock for a decision: made, come back, or reopened.
    pub review_since: WallTime,
    pub acknowledged_at: Option<WallTime>,
    /// Rings of a kind that is heard once only.
    pub rung: BTreeSet<String>,
    /// A `create` was written and not cancelled.
    pub sent: bool,
    /// Anything was ever written to the outbox.
    pub told: bool,
    pub pushed_at: Option<WallTime>,
    pub first_reported_at: Option<WallTime>,
    pub dispatched: bool,
    pub arrived: bool,
    pub handled_at: Option<WallTime>,
    /// The place was seen empty after the last result.
    pub empty_since_handled: bool,
    pub watch: Option<Watch>,
    /// People seen in the newest look, and when.
    pub present: u32,
    pub present_at: WallTime,
    pub down_at: Option<WallTime>,
    pub moved_at: Option<WallTime>,
    pub still_told: bool,
    /// That nobody of it is found any more, and the picture has not changed.
    #[serde(default)]
    pub held_told: bool,
    pub left: bool,
    /// Where the last of it was told of, and when he went.
    #[serde(default)]
    pub left_from: Option<(Place, WallTime)>,
    /// Where somebody of it was before he was told to have moved.
    #[serde(default)]
    pub moved_from: Option<Place>,
    /// Held at C after coming back from a suppression, until it moves.
    pub held_at_c: bool,
    pub undo: Option<Undo>,
    pub absorbed: Option<Absorbed>,
    pub callback_ids: VecDeque<String>,
    pub emitted_at: WallTime,
    /// Changed since it was last handed on.
    pub is_drifting: bool,
}

impl LeadBook {
    pub(super) fn new(now: WallTime) -> Self {
        Self {
            looks: 0,
            review_since: now,
            acknowledged_at: None,
            rung: BTreeSet::new(),
            sent: false,
            told: false,
            pushed_at: None,
            first_reported_at: None,
            dispatched: false,
            arrived: false,
            handled_at: None,
            empty_since_handled: false,
            watch: None,
            present: 0,
            present_at: now,
            down_at: None,
            moved_at: None,
            still_told: false,
            held_told: false,
            left: false,
            left_from: None,
            moved_from: None,
            held_at_c: false,
            undo: None,
            absorbed: None,
            callback_ids: VecDeque::new(),
            emitted_at: now,
            is_drifting: false,
        }
    }
}

/// A place where "not a person" was decided (design §6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuppressedPlace {
    pub lead: LeadId,
    pub place: Place,
    pub decision: Decision,
    pub by: String,
    pub since: WallTime,
    /// It ends here at the latest.
    pub until: WallTime,
    /// Sightings held back.
    pub count: u64,
    pub last_hit: Option<WallTime>,
    /// It came back once already.
    pub came_back: bool,
}

/// All the desk remembers but the leads themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeskState {
    pub(super) last_number: u64,
    pub(super) last_pointed_out: u64,
    pub(super) persons: BTreeMap<CameraId, BTreeMap<TrackId, Person>>,
    pub(super) cameras: BTreeMap<CameraId, CameraBook>,
    pub(super) books: BTreeMap<LeadId, LeadBook>,
    pub(super) suppressed: Vec<SuppressedPlace>,
    pub(super) weather: Option<Weather>,
    pub(super) weather_assumed: bool,
    pub(super) unauthorised: bool,
    /// Pushes without review in the last ten minutes.
    pub(super) timeout_pushes: Vec<WallTime>,
    /// Callbacks for leads that nobody knows here.
    pub(super) strange_callbacks: VecDeque<String>,
    pub(super) written_at: WallTime,
    pub(super) now: WallTime,
}
