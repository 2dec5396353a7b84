//! A street of RTSP cameras on loopback: a load generator and a machine for faults.
//!
//! Clips are encoded once, at the start. Afterwards packets are only copied, with one slice of a picture made anew: it holds the *block code*
//! ([`BlockCode`]), which tells camera, picture number and capture time to whoever decodes the picture. Nothing here is shared with the side that
//! watches.
//!
//! Reading order: `code` (the block code), `avc` and `bits` (how it gets into H.264), `content`, `clip` and `library` (what is replayed), `rtp`,
//! `camera` (which picture when), `fault`, `request`, `auth`, `session`, `server`; `pipeline` writes the file that watches them, `recording` a file to
//! measure decoders by.

mod auth;
mod avc;
mod bits;
mod camera;
mod clip;
mod code;
mod content;
mod fault;
mod library;
mod pipeline;
mod recording;
mod request;
mod rtp;
mod sent;
mod server;
mod session;
#[cfg(test)]
mod tests;

pub use auth::{AuthScheme, StreetAuth};
pub use clip::StreetCodec;
pub use code::{BlockCode, CODE_WIDTH_MIN, read_code};
pub use fault::{Fault, FaultPlan};
pub use pipeline::{PipelineOptions, StreetDetector, WatchOptions, pipeline, pipeline_for};
pub use recording::{count_decoded, render_recording, transcode};

use crate::error::SimError;
use library::Library;
use patrol_core::PictureSize;
use server::Server;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

/// How a street is set up. All its cameras are alike.
#[derive(Debug, Clone)]
pub struct StreetConfig {
    pub cameras: usize,
    pub size: PictureSize,
    pub fps: f64,
    /// Mean rate of a camera, kbit/s.
    pub kbps: u32,
    /// From key frame to key frame.
    pub gop_s: f64,
    pub codec: StreetCodec,
    /// Two B pictures between others.
    pub b_frames: bool,
    /// Whether pictures carry the block code: without it no pixel of the street is covered, and `sent` alone tells what was sent when.
    pub coded: bool,
    pub seed: u64,
    /// A street where nobody is and nothing moves: pictures differ by the sensor's noise alone. Without it people lie, stand and walk there.
    pub empty: bool,
    /// Length of the loop; whole groups of pictures.
    pub clip_s: f64,
    /// Different places shown: camera n shows place n mod `views`, at most 2.
    pub views: usize,
    /// `None`: everyone may watch.
    pub auth: Option<StreetAuth>,
    /// Port 0: any that is free.
    pub listen: SocketAddr,
    /// A log of everything sent, `camera,frame,capture_unix_ms,key,bytes,sent_unix_ms,clip_frame`.
    pub sent: Option<PathBuf>,
    /// By how much the cameras' own clocks (sender reports) are ahead.
    pub clock_offset_ms: i64,
    /// A session whose client says nothing for so long ends.
    pub session_timeout_s: u32,
    pub faults: Vec<FaultPlan>,
}

impl Default for StreetConfig {
    fn default() -> Self {
        Self {
            cameras: 1,
            size: PictureSize::new(640, 512),
            fps: 10.0,
            kbps: 500,
            gop_s: 2.0,
            codec: StreetCodec::H264,
            b_frames: false,
            coded: true,
            seed: 1,
            empty: false,
            clip_s: 16.0,
            views: 1,
            auth: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            sent: None,
            clock_offset_ms: 0,
            session_timeout_s: 60,
            faults: Vec::new(),
        }
    }
}

impl StreetConfig {
    fn gop_pictures(&self) -> u32 {
        ((self.gop_s * self.fps).round() as u32).max(1)
    }

    fn clip_pictures(&self) -> u32 {
        let gop = self.gop_pictures();
        ((self.clip_s * self.fps).ceil() as u32).div_ceil(gop).max(1) * gop
    }

    /// What may wait for one client: its stream for as long as the longest burst and some seconds more, at least 2 MiB.
    fn queue_bytes_max(&self) -> usize {
        let seconds = fault::BURST_MAX_S as usize + 10;
        (self.kbps as usize * 1000 / 8 * seconds).max(2 << 20)
    }

    fn check(&self) -> Result<(), SimError> {
        let wrong = |what: String| Err(SimError::Street(what));
        let PictureSize { width, height } = self.size;
        // A camera number has 12 bits, and 4095 says that there is none.
        if !(1..4095).contains(&self.cameras) {
            return wrong(format!("{} cameras, wanted 1 to 4094", self.cameras));
        }
        if !(CODE_WIDTH_MIN..=4096).contains(&width) || !(128..=4096).contains(&height) || width % 2 == 1 || height % 2 == 1 {
            return wrong(format!("pictures of {width}x{height}, wanted even sides, {CODE_WIDTH_MIN} to 4096 wide and 128 to 4096 high"));
        }
        if !(1.0..=60.0).contains(&self.fps) {
            return wrong(format!("{} pictures a second, wanted 1 to 60", self.fps));
        }
        if !(50..=50_000).contains(&self.kbps) {
            return wrong(format!("{} kbit/s, wanted 50 to 50000", self.kbps));
        }
        if !(0.1..=120.0).contains(&self.gop_s) || !(1.0..=600.0).contains(&self.clip_s) {
            return wrong(format!("key frames every {} s in a loop of {} s, wanted 0.1 to 120 and 1 to 600", self.gop_s, self.clip_s));
        }
        if self.empty && self.clip_s > content::EMPTY_CLIP_MAX_S {
            let (found, most) = (self.clip_s, content::EMPTY_CLIP_MAX_S);
            return wrong(format!("a loop of {found} s of the empty street, wanted at most {most}: then cars come"));
        }
        if let Some(plan) = self.faults.iter().find(|plan| plan.highest().is_some_and(|highest| highest >= self.cameras)) {
            return wrong(format!("the fault {plan} names a camera that is not there; there are {}", self.cameras));
        }
        Ok(())
    }
}

/// What a street has done since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreetStats {
    /// Sessions that play now.
    pub clients: usize,
    /// Sessions that ever played.
    pub sessions: u64,
    /// Pictures sent, each counted once whatever the number of its clients.
    pub pictures: u64,
    /// Bytes queued for clients.
    pub bytes: u64,
    /// RTP packets that [`Fault::Loss`] has taken.
    pub packets_lost: u64,
    /// Clients cut because they did not read.
    pub clients_dropped: u64,
}

/// A running street; dropped, it stops.
pub struct Street {
    server: Arc<Server>,
    stop: tokio::sync::watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Street {
    /// Encodes the clips (a second or two) and serves them from a thread of its own.
    pub fn start(config: StreetConfig) -> Result<Self, SimError> {
        config.check()?;
        let failed = |error: &dyn std::fmt::Display| SimError::Street(format!("the server does not start: {error}"));
        let library = Library::new(&config);
        for plan in &config.faults {
            for camera in plan.cameras(config.cameras) {
                library.prepare(camera, Some(plan.fault))?;
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
        let (server, listener) = runtime.block_on(Server::bind(config, library))?;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let serving = Arc::clone(&server);
        let thread = std::thread::Builder::new()
            .name("sim-street".into())
            .spawn(move || runtime.block_on(serving.run(listener, stopped)))
            .map_err(|error| failed(&error))?;
        Ok(Self { server, stop, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// `rtsp://address/cam/007`, without credentials.
    pub fn url(&self, camera: usize) -> String {
        self.server.url_of(camera)
    }

    /// Puts a fault in force, until it is replaced; `None` ends the present one. The first time a fault may take a second: its clip is encoded.
    pub fn fault(&self, camera: usize, fault: Option<Fault>) -> Result<(), SimError> {
        self.server.set_fault(camera, fault)
    }

    /// Sessions that play `camera` now.
    pub fn clients(&self, camera: usize) -> usize {
        self.server.clients(camera)
    }

    /// What has been done so far; the log of what was sent is complete up to here.
    pub fn stats(&self) -> StreetStats {
        self.server.stats()
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the street's thread did not end well");
        }
    }
}
