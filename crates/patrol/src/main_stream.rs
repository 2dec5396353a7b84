//! A camera's main stream beside the smaller one that looks read: it comes only while somebody rests there, for evidence with more pixels.

use patrol_core::{CameraId, Clock, WallTime};
use patrol_ingest::{KeyFrame, RtspCamera, SessionNews};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// It stays for so long after nobody has been seen to rest: people are missed in a look now and then, and cameras take seconds to begin a session.
const LINGER: Duration = Duration::from_mins(2);
/// A session that ended, or could not be begun, is begun anew after so long: looks go on without it.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Of a clip of 20 s at least so much must be there before it is cut from the main stream.
const CLIP_MIN: Duration = Duration::from_secs(10);

pub(crate) struct MainStream {
    id: CameraId,
    camera: Arc<RtspCamera>,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Number of the session in charge; what others still tell is dropped.
    session: u64,
    is_open: bool,
    newest: Option<KeyFrame>,
    /// Monotonic time when it was last wanted, and from which a session may begin.
    wanted_at: Duration,
    retry_at: Duration,
}

/// What follows from being wanted or not.
enum Step {
    Nothing,
    Open { session: u64 },
    Close,
}

impl MainStream {
    pub(crate) fn new(id: CameraId, camera: Arc<RtspCamera>, clock: Arc<dyn Clock>) -> Self {
        Self { id, camera, clock, state: Arc::default() }
    }

    /// Called after every look; begins and ends sessions without waiting for them.
    pub(crate) fn want(&self, wanted: bool) {
        let step = lock(&self.state).want(wanted, self.clock.monotonic());
        match step {
            Step::Nothing => {}
            Step::Open { session } => {
                self.camera.set_watched(true);
                let (state, clock, id) = (self.state.clone(), self.clock.clone(), self.id.clone());
                self.camera.connect(Arc::new(move |news| {
                    let mut state = lock(&state);
                    if state.session != session {
                        return;
                    }
                    match news {
                        SessionNews::Key(key) => state.newest = Some(key),
                        SessionNews::Ended(why) => {
                            state.ends(clock.monotonic());
                            drop(state);
                            tracing::warn!(camera = %id, why, retry_s = RETRY_AFTER.as_secs(), "no main stream: evidence shows what looks saw");
                        }
                    }
                }));
            }
            Step::Close => self.camera.hang_up(),
        }
    }

    pub(crate) fn newest(&self) -> Option<KeyFrame> {
        lock(&self.state).newest.clone()
    }

    /// A clip, once enough of it is there.
    pub(crate) fn cut(&self, from: WallTime, to: WallTime) -> Option<Vec<u8>> {
        let kept = Duration::from_secs_f64(self.camera.link().ring_s.max(0.0));
        if lock(&self.state).newest.is_none() || kept < CLIP_MIN.min(to.since(from)) {
            return None;
        }
        match self.camera.cut(from, to) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(camera = %self.id, %error, "no clip could be cut from the main stream");
                None
            }
        }
    }
}

impl Drop for MainStream {
    fn drop(&mut self) {
        self.camera.hang_up();
    }
}

impl State {
    fn want(&mut self, wanted: bool, now: Duration) -> Step {
        if wanted {
            self.wanted_at = now;
            if self.is_open || now < self.retry_at {
                return Step::Nothing;
            }
            self.session += 1;
            self.is_open = true;
            return Step::Open { session: self.session };
        }
        if !self.is_open || now.saturating_sub(self.wanted_at) < LINGER {
            return Step::Nothing;
        }
        self.ends(now);
        self.retry_at = now;
        Step::Close
    }

    fn ends(&mut self, now: Duration) {
        self.session += 1;
        (self.is_open, self.newest) = (false, None);
        self.retry_at = now + RETRY_AFTER;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{PictureSize, SystemClock};
    use patrol_ingest::{RtspNet, RtspOptions, RtspTransport};
    use patrol_sim::street::{Street, StreetConfig};

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_comes_while_somebody_rests_and_lingers_a_little() {
        let mut state = State::default();
        assert!(matches!(state.want(false, s(0)), Step::Nothing));
        assert!(matches!(state.want(true, s(1)), Step::Open { session: 1 }));
        assert!(matches!(state.want(true, s(2)), Step::Nothing), "it is there");
        assert!(matches!(state.want(false, s(100)), Step::Nothing), "missed in a look or two");
        assert!(matches!(state.want(true, s(110)), Step::Nothing));
        assert!(matches!(state.want(false, s(231)), Step::Close));
        assert!(matches!(state.want(true, s(232)), Step::Open { .. }), "whoever comes next need not wait");
        state.ends(s(240));
        assert!(matches!(state.want(true, s(250)), Step::Nothing), "a camera that refuses is not asked at every look");
        assert!(matches!(state.want(true, s(270)), Step::Open { .. }));
    }

    #[test]
    fn its_newest_key_frame_is_a_picture_of_the_large_size_until_nobody_wants_it() {
        let large = PictureSize::new(1280, 720);
        let street = Street::start(StreetConfig { size: large, gop_s: 0.5, clip_s: 1.0, ..StreetConfig::default() }).expect("a street");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let net = RtspNet::start(clock.clone(), 64 << 20).expect("a net thread");
        let id = CameraId::new("far");
        let options =
            RtspOptions { camera: id.clone(), url: street.url(0), credentials: None, transport: RtspTransport::Tcp, decoder_threads: 1 };
        let main = MainStream::new(id, RtspCamera::new(&net, options).expect("an address"), clock.clone());
        assert!(main.newest().is_none(), "nothing comes before it is wanted");
        main.want(true);
        let began = clock.monotonic();
        while main.newest().is_none() && clock.monotonic().saturating_sub(began) < s(60) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let key = main.newest().expect("a key frame");
        assert_eq!(key.decode().expect("a picture").size(), large);
        assert!(main.cut(key.captured.at - s(20), key.captured.at).is_none(), "too little of the clip is there");
        lock(&main.state).wanted_at = Duration::ZERO;
        let step = lock(&main.state).want(false, LINGER);
        assert!(matches!(step, Step::Close) && main.newest().is_none());
    }
}
