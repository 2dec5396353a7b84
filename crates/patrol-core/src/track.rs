//! The same detection over time. Disposable: a track is never a person's identity.

use crate::detection::{Blob, DetectionSource};
use crate::geometry::{PixelBox, PixelPoint};
use crate::time::MediaTime;
use serde::{Deserialize, Serialize};

/// Unique within a camera for the life of the process and its store; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrackId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackStage {
    /// Not yet seen often enough to be told.
    Tentative,
    /// Matched in this look.
    Confirmed,
    /// Confirmed before, not matched in this look.
    Lost,
}

/// A track after a look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    pub id: TrackId,
    pub stage: TrackStage,
    /// Smoothed box, clipped to nothing: it may leave the picture.
    pub bbox: PixelBox,
    /// Score of the last matched detection, and the mean over all of them.
    pub score: f32,
    pub score_mean: f32,
    pub source: DetectionSource,
    pub resolved: bool,
    pub blob: Option<Blob>,
    pub first_seen: MediaTime,
    pub last_seen: MediaTime,
    /// Looks in which it was matched, and looks since it was first seen.
    pub hits: u32,
    pub looks: u32,
    /// Since when it has not moved (drift < 0.3 m of its size and IoU > 0.6 against 30 s ago, misses tolerated); `None` while it moves.
    pub still_since: Option<MediaTime>,
    /// Smoothed speed of the box centre in pixels per second.
    pub speed_px_s: f32,
    /// Where it was first seen.
    pub entered_at: PixelPoint,
}
