//! Network cameras over RTSP.
//!
//! ```text
//! camera ─► session (rtsp-net thread, one task each) ─► ring ─► feed (a thread that reads everything) ─► gate ─► decoder ─► pictures
//!                        │                              └ clip
//!                        ├ wall: RTP time to presentation and wall time
//!                        └─► key frames, to be decoded alone on whatever thread wants to look
//! ```
//! One thread reads all cameras and waits for none of them. Of most cameras nothing is decoded but the key frame that is looked at; a feed decodes
//! everything, on the thread that asks it. Between net thread and feed is the camera's [ring](crate::ring), so that a slow decoder loses
//! its own pictures and nobody else's.

mod address;
mod camera;
mod failure;
mod feed;
mod gate;
mod key_frame;
mod net;
mod session;
mod wall;

pub use camera::{OnNews, RtspCamera, SessionNews};
pub use feed::RtspFeed;
pub use key_frame::KeyFrame;
pub use net::RtspNet;

#[cfg(any(test, fuzzing))]
pub(crate) use address::parse as parse_address;

use crate::codecs::Decoders;
use patrol_core::CameraId;
use std::fmt;

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtspTransport {
    /// Inside the RTSP connection; UDP only when the camera refuses that at SETUP.
    #[default]
    TcpThenUdp,
    Tcp,
    /// For a local network: packets out of order count as lost.
    Udp,
}

/// A password that shows itself to nobody but the camera.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: Password,
}

#[derive(Clone, PartialEq, Eq)]
pub struct RtspOptions {
    pub camera: CameraId,
    /// `rtsp://host[:port]/path?query`, without user and password.
    pub url: String,
    pub credentials: Option<Credentials>,
    pub transport: RtspTransport,
    /// By which its pictures are decoded when every one of them is.
    pub decoders: Decoders,
}

impl fmt::Debug for RtspOptions {
    /// Without the URL: it may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtspOptions")
            .field("camera", &self.camera)
            .field("credentials", &self.credentials)
            .field("transport", &self.transport)
            .field("decoders", &self.decoders)
            .finish_non_exhaustive()
    }
}
