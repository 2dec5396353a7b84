//! What the console asks of the rest.

use patrol_core::camera::{CameraId, LinkStatus};
use patrol_core::desk::{CameraCondition, OfficerCommand, Ring};
use patrol_core::geometry::{PictureSize, PixelBox};
use patrol_core::lead::{Decision, Lead, LeadId};
use patrol_core::time::WallTime;
use patrol_core::{Modality, Posture, Weather};
use serde::Serialize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// A look asked by a person is answered within this time.
pub const LOOK_NOW_MAX: Duration = Duration::from_secs(2);

/// The answer to a command, given after the desk has committed it; `Err` holds words for the officer.
pub type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The rest of the house as the console sees it.
///
/// All methods but two are called on the runtime's own threads: they copy a snapshot, or begin what they were asked, and
/// return within a millisecond or so.
/// [`Office::evidence`] and [`Office::log_viewing`] may wait for a disk; the console calls them under `spawn_blocking`.
pub trait Office: Send + Sync + 'static {
    /// All leads that are not forgotten, in any order.
    fn leads(&self) -> Vec<Lead>;
    fn lead(&self, id: &LeadId) -> Option<Lead>;
    /// Every change from now on. A receiver that falls behind misses changes and is told so by the channel.
    fn changes(&self) -> broadcast::Receiver<Change>;
    fn cameras(&self) -> Vec<CameraStatus>;
    /// Bytes stored under `sha256` (64 lower-case hexadecimal digits): a JPEG, or the MP4 of a clip; `None` when there are none,
    /// e.g. after 30 days. May block.
    fn evidence(&self, sha256: &str) -> Result<Option<Vec<u8>>, String>;
    /// Registers that `by` looked at `what` for `reason`; returns once it is on disk. May block.
    fn log_viewing(&self, by: &str, reason: &str, what: &str, lead: Option<&LeadId>) -> Result<(), String>;
    fn command(&self, command: OfficerCommand) -> Answer;
    /// A fresh look at a camera, asked by a person. Resolves within [`LOOK_NOW_MAX`] or with words why not.
    fn look_now(&self, camera: &CameraId) -> Pin<Box<dyn Future<Output = Result<FreshLook, String>> + Send>>;
    /// Opens a live view: pictures at up to 5 a second until the receiver is dropped. `Err`: words for the officer (unknown
    /// camera, no pictures, too many views).
    fn live_view(&self, camera: &CameraId) -> Result<LiveView, String>;
    fn suppressed(&self) -> Vec<SuppressedView>;
    fn weather(&self) -> Option<WeatherView>;
    /// Prometheus text; the console appends its own lines.
    fn metrics(&self) -> String;
    fn readiness(&self) -> Vec<Check>;
}

/// Something changed that a page should show.
#[derive(Debug, Clone)]
pub struct Change {
    /// Rises by at least one with every change for the life of the process.
    pub id: u64,
    pub kind: ChangeKind,
}

#[derive(Debug, Clone)]
pub enum ChangeKind {
    /// The newest snapshot of a lead.
    Lead(Box<Lead>),
    Ring(Ring),
    /// Some camera's condition changed: ask for the cameras again.
    Cameras,
}

/// A camera and how its promise stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraStatus {
    pub id: CameraId,
    pub name: String,
    pub modality: Modality,
    pub condition: CameraCondition,
    /// Now minus the capture time of the newest picture that was examined or unchanged; `None` before the first.
    pub blind_s: Option<f64>,
    /// The same for `Examined` alone.
    pub unexamined_s: Option<f64>,
    pub look_every_s: f64,
    pub look_limit_s: f64,
    /// How often it is looked at at present: more rarely than promised while there is too much to do.
    pub look_every_now_s: f64,
    /// `on-demand`: nothing is decoded but the key frame that is looked at; `continuous`: every picture is.
    pub lane: String,
    pub promise_broken: bool,
    /// Pictures offered so far; the sum of `outcomes`.
    pub pictures: u64,
    /// Stable outcome name (`patrol_core::Outcome::name`) and count.
    pub outcomes: Vec<(String, u64)>,
    pub last_error: Option<String>,
    /// `None`: not a live camera.
    pub link: Option<LinkStatus>,
}

/// One picture taken after a person asked for it, and what the detectors made of it.
#[derive(Debug, Clone)]
pub struct FreshLook {
    pub jpeg: Arc<[u8]>,
    pub size: PictureSize,
    pub captured: WallTime,
    /// Stable outcome name (`patrol_core::Outcome::name`). Only `examined` says anything about people.
    pub outcome: String,
    pub people: Vec<SeenPerson>,
}

/// A person in a fresh look; the box is in pixels of that picture.
#[derive(Debug, Clone, Serialize)]
pub struct SeenPerson {
    pub bbox: PixelBox,
    pub posture: Posture,
    pub confidence: f32,
    /// For how long it has not moved, seconds; `None` while it moves or is not followed yet.
    pub still_s: Option<f64>,
}

#[derive(Debug, Clone)]
pub struct LivePicture {
    pub jpeg: Arc<[u8]>,
    pub captured: WallTime,
}

/// Newest picture only; a slow page skips. Dropping it ends the view.
pub struct LiveView {
    pub pictures: watch::Receiver<Option<LivePicture>>,
}

/// A place that is suppressed because an officer said it is no person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuppressedView {
    pub camera: CameraId,
    pub camera_name: String,
    pub bbox: PixelBox,
    /// The lead it was decided on.
    pub lead: Option<LeadId>,
    pub decision: Decision,
    pub by: String,
    pub since: WallTime,
    pub until: WallTime,
    /// Sightings held back so far.
    pub count: u64,
}

/// The weather that scores are made with now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeatherView {
    pub weather: Weather,
    /// °C.
    pub wind_chill_c: f32,
    /// Missing or older than 3 h: the colder assumption is in use.
    pub assumed: bool,
}

/// One line of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
}
