//! What may reach the desk from outside, and what it asks of others. The desk itself lives in `patrol-leads`.

use crate::camera::CameraId;
use crate::geometry::{PictureSize, PixelBox};
use crate::lead::{Decision, Lead, LeadId, LeadState};
use crate::time::{MediaTime, WallTime};
use crate::track::TrackId;
use serde::{Deserialize, Serialize};

/// What an officer asks. `by` is the officer's name as the console knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfficerCommand {
    pub by: String,
    pub reason: String,
    pub action: OfficerAction,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum OfficerAction {
    /// Confirm or reject a lead.
    Review { lead: LeadId, decision: Decision },
    /// `from` becomes part of `into`.
    Merge { from: LeadId, into: LeadId },
    /// Takes a merged lead out again.
    Split { lead: LeadId },
    /// Takes back the officer's last review, merge or split of this lead.
    Undo { lead: LeadId },
    /// A lead seen by a person, not by a detector. `size`: of the picture in whose pixels `bbox` is, where that is not what the camera's looks have.
    New {
        camera: CameraId,
        bbox: PixelBox,
        #[serde(default)]
        size: Option<PictureSize>,
        people: u32,
    },
    /// Stops the ringing of a lead.
    Acknowledge { lead: LeadId },
}

/// A track that is no longer seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Absence {
    pub camera: CameraId,
    pub track: TrackId,
    pub media_time: MediaTime,
    pub at: WallTime,
    pub why: AbsenceKind,
}

/// What is known of somebody who is no longer seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AbsenceKind {
    /// The track ended inside the picture, and nothing is known.
    Broke,
    /// He walked out of the picture.
    WalkedOut,
    /// Positive evidence that the place is empty (design §4); finding nothing alone is not.
    SeenEmpty,
    /// For ten minutes his place could not be judged either way: a person must look.
    Unjudged,
}

/// Whether a camera can be relied upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum CameraCondition {
    Seeing,
    /// No pictures arrive.
    Lost,
    /// Pictures arrive and cannot be judged: dark, covered, blurred, frozen.
    CannotSee {
        why: String,
    },
}

impl CameraCondition {
    /// Why a camera cannot be relied upon, in an officer's words; empty while it sees.
    pub fn in_words(&self) -> &str {
        match self {
            Self::Seeing => "",
            Self::Lost => "无画面",
            Self::CannotSee { why } => match why.as_str() {
                "stalled" => "画面停止",
                "undecodable" => "画面无法解码",
                "unusable-dark" => "画面全黑",
                "unusable-covered" => "被遮挡",
                "unusable-blurred" => "画面模糊",
                "unusable-frozen" => "画面冻结",
                other => other,
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraReport {
    pub camera: CameraId,
    pub at: WallTime,
    pub condition: CameraCondition,
}

/// Why a lead is told to the city.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PushOp {
    Create,
    Update,
    Cancel,
    Merge,
}

impl PushOp {
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Cancel => "cancel",
            Self::Merge => "merge",
        }
    }
}

/// One message to the city: written to the outbox in the transaction of the change that caused it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxItem {
    /// Order of writing; given by the store, 0 before.
    pub sequence: i64,
    pub op: PushOp,
    pub written_at: WallTime,
    /// The whole lead as it was at that revision.
    pub lead: Lead,
    /// What the city had refused of this lead is tried again: an `update` lets it go, anything else takes its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryReport {
    pub lead: LeadId,
    pub revision: u32,
    pub op: PushOp,
    pub at: WallTime,
    pub result: DeliveryResult,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum DeliveryResult {
    /// The city has it; `case_id` when it told one.
    Delivered { case_id: Option<String> },
    /// Not yet: it will be tried again. `alarm` once it has waited 60 s.
    Delayed { why: String, attempts: u32, alarm: bool },
    /// Our key is refused (401, 403): tried again, rings once for all.
    Unauthorised { why: String },
    /// Refused for good (400, 404, 409, 422): a person must act.
    Parked { why: String },
}

/// The city's word on a case (`integration.md` §3.4), already verified and parsed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseCallback {
    pub callback_id: String,
    pub case_id: String,
    pub event_id: LeadId,
    pub seq: i64,
    /// `None`: a state this build does not know; `raw_state` keeps it.
    pub state: Option<LeadState>,
    pub raw_state: String,
    pub at: WallTime,
    pub unit: Option<String>,
    pub result: Option<String>,
    pub note: String,
}

/// Something a person must hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    pub at: WallTime,
    pub lead: Option<LeadId>,
    pub camera: Option<CameraId>,
    /// Stable kind, e.g. `new-lead`, `tier-up`, `unanswered`, `delivery-parked`, `camera-lost`, `weather-assumed`.
    pub kind: String,
    /// For people, Chinese.
    pub text: String,
    pub leader: bool,
}
