//! Listens to every live camera for a moment: whether its session comes about, and how far apart its key frames are.

use crate::config::{CameraPlan, Plan, Problems, RtspPlan, SourcePlan};
use crate::feeds::Feeds;
use patrol_core::{Clock, SystemClock};
use patrol_ingest::{RtspCamera, SessionNews};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Cameras listened to at once: a few Mbit/s each.
const AT_ONCE: usize = 64;
/// Main streams at once: they are several times as large.
const MAINS_AT_ONCE: usize = 16;
/// Encoders send a key frame every 1–4 s as they are delivered; of one that sends none for so long it is said how long it was listened to.
const LISTEN_MIN: Duration = Duration::from_secs(5);
const LISTEN_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// Packets kept while listening, all cameras together.
const RINGS_BYTES_MAX: u64 = 64 << 20;
const HINT: &str = "set the camera's key-frame interval (I 帧间隔) below its promise, or promise less; `run` decodes every picture of it, \
                    which costs ten times as much";

/// One stream of a camera that is being listened to.
struct Ear<'a> {
    plan: &'a CameraPlan,
    camera: Arc<RtspCamera>,
    ended: Arc<Mutex<Option<String>>>,
    has_key: Arc<AtomicBool>,
    patience: Duration,
    of: Stream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Looks,
    /// Of a camera whose looks read another: how far apart its key frames are breaks no promise.
    Main,
}

/// Adds what was heard to `problems`. `is_silent`: hosts that do not answer at all, which was said before.
pub(super) fn listen(plan: &Plan, is_silent: impl Fn(&RtspPlan) -> bool, problems: &mut Problems) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut feeds = Feeds::new(clock.clone(), RINGS_BYTES_MAX, plan.decoders.clone(), 0);
    let live = |camera: &'_ &CameraPlan| matches!(&camera.source, SourcePlan::Rtsp(rtsp) if !is_silent(rtsp));
    let cameras: Vec<&CameraPlan> = plan.cameras.iter().filter(live).collect();
    if cameras.len() > AT_ONCE {
        eprintln!("listening to {} cameras, {AT_ONCE} at once", cameras.len());
    }
    let mut hear = |together: &[&'_ CameraPlan], of: Stream| -> anyhow::Result<()> {
        let mut ears = Vec::new();
        for plan in together {
            let SourcePlan::Rtsp(rtsp) = &plan.source else { continue };
            let camera = match of {
                Stream::Looks => Some(feeds.rtsp(&plan.camera.id, rtsp)?),
                Stream::Main => feeds.main_stream(&plan.camera.id, rtsp)?,
            };
            ears.extend(camera.map(|camera| Ear::begin(plan, camera, of)));
        }
        let began = clock.monotonic();
        let waits = |ear: &Ear<'_>| !ear.has_heard() && ear.why_ended().is_none() && clock.monotonic().saturating_sub(began) < ear.patience;
        while ears.iter().any(waits) {
            std::thread::park_timeout(POLL);
        }
        for ear in &ears {
            ear.tell(problems);
            ear.camera.hang_up();
        }
        Ok(())
    };
    cameras.chunks(AT_ONCE).try_for_each(|together| hear(together, Stream::Looks))?;
    // After the others have hung up: some cameras have room for one session, and `run` begins with that of the looks.
    let with_main = |camera: &&CameraPlan| matches!(&camera.source, SourcePlan::Rtsp(rtsp) if rtsp.main_url.is_some());
    let with_main: Vec<&CameraPlan> = cameras.iter().copied().filter(with_main).collect();
    with_main.chunks(MAINS_AT_ONCE).try_for_each(|together| hear(together, Stream::Main))
}

impl<'a> Ear<'a> {
    fn begin(plan: &'a CameraPlan, camera: Arc<RtspCamera>, of: Stream) -> Self {
        let ended: Arc<Mutex<Option<String>>> = Arc::default();
        let has_key: Arc<AtomicBool> = Arc::default();
        let (tell, key) = (ended.clone(), has_key.clone());
        camera.connect(Arc::new(move |news| match news {
            SessionNews::Key(_) => key.store(true, Ordering::Relaxed),
            SessionNews::Ended(why) => *tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(why),
        }));
        let patience = match of {
            Stream::Looks => (plan.camera.promise.look_every * 2).clamp(LISTEN_MIN, LISTEN_MAX),
            Stream::Main => LISTEN_MAX,
        };
        Self { plan, camera, ended, has_key, patience, of }
    }

    fn has_heard(&self) -> bool {
        match self.of {
            Stream::Looks => self.camera.link().key_interval_s.is_some(),
            Stream::Main => self.has_key.load(Ordering::Relaxed),
        }
    }

    fn why_ended(&self) -> Option<String> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, problems: &mut Problems) {
        let every_s = self.plan.camera.promise.look_every.as_secs_f64();
        let wanted = format!("key frames less than {every_s} s apart, as promised in look_every_s");
        if self.of == Stream::Main {
            if !self.has_heard() {
                let found = self.why_ended().unwrap_or_else(|| format!("no key frame within {} s", self.patience.as_secs()));
                let hint = "`run` looks at the sub-stream all the same; evidence shows what that shows";
                problems.warning(&self.plan.source_place, found, "a main stream with pictures, for evidence", hint);
            }
            return;
        }
        match (self.why_ended(), self.camera.link().key_interval_s) {
            (Some(why), None) => {
                problems.warning(
                    &self.plan.source_place,
                    why,
                    "a session with pictures",
                    "`run` starts without it and tries again for ever",
                );
            }
            (_, Some(apart_s)) if apart_s >= every_s && every_s > 0.0 => {
                problems.warning(&self.plan.source_place, format!("key frames {apart_s:.1} s apart"), wanted, HINT);
            }
            (None, None) => {
                let found = format!("fewer than two key frames within {} s", self.patience.as_secs());
                problems.warning(&self.plan.source_place, found, wanted, HINT);
            }
            _ => {}
        }
    }
}

/// Cameras by host and port, for whoever asks which of them do not answer.
pub(super) fn is_silent(silent: &BTreeMap<(String, u16), String>, rtsp: &RtspPlan) -> bool {
    rtsp.host_port().is_some_and(|address| silent.contains_key(&address))
}
