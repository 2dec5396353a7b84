//! A lead (线索): a place, a time, and the people there who may need help.

use crate::position::Position;
use crate::sighting::{EvidenceRef, Place, Posture};
use crate::time::WallTime;
use crate::weather::Weather;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `XL-20260105-000317`: local date of its making, and a number that is never given twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeadId(pub String);

impl fmt::Display for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Urgency. `A < B < C < D` in sort order: the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    A,
    B,
    C,
    /// Logged only.
    D,
}

/// `integration.md` §3.5. `Expired`, `Rejected` are ours; the rest follow the city's seven steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LeadState {
    Candidate,
    Expired,
    Review,
    /// An officer said that no help is needed here; the reason is in `review`.
    Rejected,
    Pushed,
    Accepted,
    NotAccepted,
    Dispatched,
    Arrived,
    Handled,
    Verified,
    Closed,
    Evaluated,
    Extended,
    Returned,
    Suspended,
    Urged,
    Void,
    Merged,
}

impl LeadState {
    /// Whether a new sighting at the place is an update of this lead rather than a new one.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Expired | Self::Rejected | Self::Verified | Self::Closed | Self::Evaluated | Self::Void | Self::Merged)
    }
    /// As on the wire and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Candidate => "CANDIDATE",
            Self::Expired => "EXPIRED",
            Self::Review => "REVIEW",
            Self::Rejected => "REJECTED",
            Self::Pushed => "PUSHED",
            Self::Accepted => "ACCEPTED",
            Self::NotAccepted => "NOT_ACCEPTED",
            Self::Dispatched => "DISPATCHED",
            Self::Arrived => "ARRIVED",
            Self::Handled => "HANDLED",
            Self::Verified => "VERIFIED",
            Self::Closed => "CLOSED",
            Self::Evaluated => "EVALUATED",
            Self::Extended => "EXTENDED",
            Self::Returned => "RETURNED",
            Self::Suspended => "SUSPENDED",
            Self::Urged => "URGED",
            Self::Void => "VOID",
            Self::Merged => "MERGED",
        }
    }
}

/// The exposure score with every component (`integration.md` §6.6), so that it can be explained and refitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// S, 0–100.
    pub value: f32,
    pub wind_chill_c: f32,
    /// W: the lower of air temperature and wind chill; W_eff: W less 5 when wet.
    pub w_c: f32,
    pub w_eff_c: f32,
    pub cold: f32,
    pub duration: f32,
    pub posture: f32,
    pub context: f32,
    pub posture_gate: f32,
    /// Tier by thresholds alone, before overrides.
    pub tier_by_score: Tier,
    /// Tier after overrides.
    pub tier: Tier,
    /// Which overrides raised the tier, in order, e.g. `still-20-min-at-or-below-6-c`.
    pub overrides: Vec<String>,
    /// The weather that was used.
    pub weather: Weather,
    /// True when the weather was missing or older than 3 h and the colder assumption was taken.
    pub weather_assumed: bool,
}

/// Who decided what about a lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    pub decision: Decision,
    pub by: String,
    pub at: WallTime,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    Confirmed,
    /// Not a person: an object. Suppresses the blob until its place changes, at most 4 h.
    Object,
    /// Not a person: an animal. Suppresses like `Object`.
    Animal,
    /// A worker on duty. Ends the track only.
    Worker,
    /// Somebody passing or waiting. Ends the track only.
    PasserBy,
    /// Nobody decided in time; pushed marked 【未经人工复核】.
    Timeout,
}

/// The city's case for a lead.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub case_id: Option<String>,
    /// (seq, at) of the callback that set the present state.
    pub last_seq: Option<i64>,
    pub last_at: Option<WallTime>,
    /// Disposition code of `HANDLED`.
    pub result: Option<String>,
    pub unit: Option<String>,
}

/// How far the newest revision has come on its way to the city.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    #[default]
    NotDue,
    Waiting,
    Delivered,
    /// The city refused it for good: a person must act.
    Parked,
}

/// One line of a lead's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    pub at: WallTime,
    /// Stable kind, e.g. `made`, `news-tier-up`, `confirmed`, `merged`, `callback`, `reopened`, `rang`.
    pub kind: String,
    /// For people, Chinese.
    pub text: String,
    /// Officer, `desk`, `city` or `clock`.
    pub by: String,
}

/// Everything known about a lead; a complete snapshot each time it is handed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    pub id: LeadId,
    /// Rises with every change that is told to the city; starts at 1.
    pub revision: u32,
    pub state: LeadState,
    pub tier: Tier,
    pub score: Score,
    /// Detector confidence p, 0–1: routes and ranks, never lowers severity.
    pub confidence: f32,
    pub resolved: bool,
    /// The most people seen here at once; never lowered by a merge.
    pub people: u32,
    pub posture: Posture,
    pub still_since: Option<WallTime>,
    pub place: Place,
    pub camera_name: String,
    pub camera_code: Option<String>,
    pub address: Option<String>,
    pub street: Option<String>,
    pub grid: Option<String>,
    pub first_seen: WallTime,
    pub last_seen: WallTime,
    pub made_at: WallTime,
    /// When it entered its present state.
    pub state_since: WallTime,
    /// Newest last; at most 20.
    pub evidence: Vec<EvidenceRef>,
    pub review: Option<Review>,
    pub case: Case,
    pub delivery: DeliveryState,
    /// Closed leads at this place within 72 h.
    pub linked: Vec<LeadId>,
    pub merged_into: Option<LeadId>,
    pub merged_from: Vec<LeadId>,
    /// Ringing and not yet answered: since when, and why.
    pub ringing: Option<Ringing>,
    pub history: Vec<HistoryEntry>,
    /// Last known position, `place.position`, copied for convenience of listings.
    pub position: Option<Position>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ringing {
    pub since: WallTime,
    pub last: WallTime,
    pub why: String,
    /// Whether it has gone beyond the operator to the duty leader.
    pub leader: bool,
}

impl Lead {
    /// Queue order: tier first, then S·√p, highest first; ties by id.
    pub fn queue_key(&self) -> (Tier, std::cmp::Reverse<u64>, &LeadId) {
        let rank = f64::from(self.score.value) * f64::from(self.confidence.max(0.0)).sqrt();
        (self.tier, std::cmp::Reverse((rank * 1e6) as u64), &self.id)
    }
}
