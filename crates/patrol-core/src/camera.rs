//! A camera: a feed with a place, a modality and a promise.

use crate::position::Position;
use crate::view::CameraView;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The stable name of a camera; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CameraId(pub Arc<str>);

impl CameraId {
    pub fn new(id: &str) -> Self {
        Self(Arc::from(id))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Daylight, low light and IR-lit night video.
    Visible,
    /// Long-wave infrared, 8 bit (AGC) or 16 bit (raw counts): the picture's format tells which.
    Thermal,
}

/// How long a camera may go unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The aim between two looks. Zero: every picture is looked at.
    pub look_every: Duration,
    /// The longest the aim may be stretched to under load.
    pub look_limit: Duration,
    /// Examined in full at least this often.
    pub rescan_every: Duration,
}

/// Everything the rest of the house may know about a camera. Where its pictures come from is the feed's affair.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    pub id: CameraId,
    /// Shown to people, e.g. 人民路地下通道1号口热像.
    pub name: String,
    /// 20-digit code of GB/T 28181 Annex E, when the site has one.
    pub code: Option<String>,
    pub modality: Modality,
    pub promise: Promise,
    pub position: Option<Position>,
    pub view: Option<CameraView>,
    pub address: Option<String>,
    pub street: Option<String>,
    /// 15-digit unit grid (单元网格).
    pub grid: Option<String>,
    /// How likely people in need shelter here, 0–1 (`integration.md` §1.7).
    pub site_prior: f32,
}

/// How a live camera's link is doing. Counts are since the patrol began, over all sessions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// `TCP` or `UDP`; empty before the first session.
    pub transport: String,
    /// `H.264` or `H.265`; empty before the first session.
    pub codec: String,
    /// Sessions that came to play.
    pub sessions: u64,
    pub lost_packets: u64,
    /// The longest time between two key frames seen lately, seconds.
    pub key_interval_s: Option<f64>,
    /// The camera's clock minus ours by its last RTCP sender report, seconds.
    pub clock_skew_s: Option<f64>,
    /// How often the camera's clock stepped.
    pub clock_steps: u64,
    /// Seconds spent on decoding every picture, while that was wanted.
    pub decode_s: f64,
    /// Encoded packets kept for clips: bytes, and seconds from the oldest to the newest.
    pub ring_bytes: u64,
    pub ring_s: f64,
}
