//! A camera's main stream beside the smaller one that looks read: it comes only while somebody rests there, for evidence with more pixels.

use patrol_core::{CameraId, Clock, WallTime};
use patrol_ingest::{KeyFrame, RtspCamera, SessionNews};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// It stays for so long after nobody has been seen to rest: people are missed in a look now and then, and cameras take seconds to begin a session.
const LINGER_MIN: Duration = Duration::from_mins(2);
/// A session that ended, or could not be begun, is begun anew after so long, doubling: looks go on without it.
const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_LONGEST: Duration = Duration::from_mins(30);
/// Where the looks' session ends so soon after this one began, twice in a row, the camera has no room for both; it is left alone for so long.
const CLASH_WITHIN: Duration = Duration::from_mins(1);
const CLASHES_MAX: u32 = 2;
const LEFT_ALONE: Duration = Duration::from_hours(6);
/// Of a clip of 20 s so much must be there before it is cut from the main stream, to so near its end.
const CLIP_MIN: Duration = Duration::from_secs(10);
const CLIP_LATE_MAX: Duration = Duration::from_secs(2);

pub(crate) struct MainStream {
    id: CameraId,
    camera: Arc<RtspCamera>,
    clock: Arc<dyn Clock>,
    linger: Duration,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Number of the session in charge; what others still tell is dropped.
    session: u64,
    is_open: bool,
    newest: Option<KeyFrame>,
    /// Monotonic time when it was last wanted, and from which a session may begin; how long the next wait is.
    wanted_at: Duration,
    retry_at: Duration,
    retry_after: Duration,
    /// When the last session was begun, and how many the looks had had then.
    begun: Option<(Duration, u64)>,
    clashes: u32,
}

/// What follows from being wanted or not.
#[derive(Debug, PartialEq)]
enum Step {
    Nothing,
    Open { session: u64 },
    Close,
    LeaveAlone,
}

impl MainStream {
    /// `look_limit`: the longest time from look to look.
    pub(crate) fn new(id: CameraId, camera: Arc<RtspCamera>, clock: Arc<dyn Clock>, look_limit: Duration) -> Self {
        Self { id, camera, clock, linger: LINGER_MIN.max(look_limit * 2), state: Arc::new(Mutex::new(State::new())) }
    }

    /// Called after every look; begins and ends sessions without waiting for them. `looks_sessions`: how many the other stream has had.
    pub(crate) fn want(&self, wanted: bool, looks_sessions: u64) {
        let step = lock(&self.state).want(wanted, self.clock.monotonic(), self.linger, looks_sessions);
        match step {
            Step::Nothing => {}
            Step::Open { session } => self.open(session),
            Step::Close => self.camera.forget(),
            Step::LeaveAlone => {
                self.camera.forget();
                tracing::warn!(
                    camera = %self.id,
                    hours = LEFT_ALONE.as_secs() / 3600,
                    "the session that looks read ends when that of the main stream begins: the camera has no room for both, and evidence shows what looks saw"
                );
            }
        }
    }

    fn open(&self, session: u64) {
        self.camera.set_watched(true);
        let (state, clock, id, linger) = (self.state.clone(), self.clock.clone(), self.id.clone(), self.linger);
        let camera = Arc::downgrade(&self.camera);
        self.camera.connect(Arc::new(move |news| {
            let mut state = lock(&state);
            if state.session != session {
                return;
            }
            match news {
                // Looks that cannot be judged, or do not come, ask for nothing.
                SessionNews::Key(_) if clock.monotonic().saturating_sub(state.wanted_at) > linger => {
                    state.ends(clock.monotonic(), Duration::ZERO);
                    drop(state);
                    Weak::upgrade(&camera).inspect(|camera| camera.forget());
                }
                SessionNews::Key(key) => {
                    state.newest = Some(key);
                    state.retry_after = RETRY_FIRST;
                }
                SessionNews::Ended(why) => {
                    let wait = state.retry_after;
                    state.ends(clock.monotonic(), wait);
                    state.retry_after = (wait * 2).min(RETRY_LONGEST);
                    drop(state);
                    Weak::upgrade(&camera).inspect(|camera| camera.forget());
                    tracing::warn!(camera = %id, why, retry_s = wait.as_secs(), "no main stream: evidence shows what looks saw");
                }
            }
        }));
    }

    pub(crate) fn newest(&self) -> Option<KeyFrame> {
        lock(&self.state).newest.clone()
    }

    pub(crate) fn ring_bytes(&self) -> u64 {
        self.camera.link().ring_bytes
    }

    /// A clip, once enough of it is there.
    pub(crate) fn cut(&self, from: WallTime, to: WallTime) -> Option<Vec<u8>> {
        let (first, last) = self.camera.covered(from, to)?;
        if last.since(first) < CLIP_MIN || to.since(last) > CLIP_LATE_MAX {
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
        self.camera.forget();
    }
}

impl State {
    fn new() -> Self {
        Self {
            session: 0,
            is_open: false,
            newest: None,
            wanted_at: Duration::ZERO,
            retry_at: Duration::ZERO,
            retry_after: RETRY_FIRST,
            begun: None,
            clashes: 0,
        }
    }

    fn want(&mut self, wanted: bool, now: Duration, linger: Duration, looks_sessions: u64) -> Step {
        if let Some((at, before)) = self.begun {
            let soon = now.saturating_sub(at) < CLASH_WITHIN;
            if looks_sessions > before && soon {
                (self.begun, self.clashes) = (None, self.clashes + 1);
                if self.clashes >= CLASHES_MAX {
                    self.ends(now, LEFT_ALONE);
                    self.clashes = 0;
                    return Step::LeaveAlone;
                }
            } else if !soon {
                (self.begun, self.clashes) = (None, 0);
            }
        }
        if wanted {
            self.wanted_at = now;
            if self.is_open || now < self.retry_at {
                return Step::Nothing;
            }
            self.session += 1;
            (self.is_open, self.begun) = (true, Some((now, looks_sessions)));
            return Step::Open { session: self.session };
        }
        if !self.is_open || now.saturating_sub(self.wanted_at) < linger {
            return Step::Nothing;
        }
        self.ends(now, Duration::ZERO);
        Step::Close
    }

    fn ends(&mut self, now: Duration, wait: Duration) {
        self.session += 1;
        (self.is_open, self.newest) = (false, None);
        self.retry_at = now + wait;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{PictureSize, SystemClock};
    use patrol_ingest::{Decoders, RtspNet, RtspOptions, RtspTransport};
    use patrol_sim::street::{Street, StreetConfig};

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn want(state: &mut State, wanted: bool, at_s: u64, looks_sessions: u64) -> Step {
        state.want(wanted, s(at_s), LINGER_MIN, looks_sessions)
    }

    #[test]
    fn it_comes_while_somebody_rests_and_lingers_a_little() {
        let mut state = State::new();
        assert_eq!(want(&mut state, false, 0, 1), Step::Nothing);
        assert_eq!(want(&mut state, true, 1, 1), Step::Open { session: 1 });
        assert_eq!(want(&mut state, true, 2, 1), Step::Nothing, "it is there");
        assert_eq!(want(&mut state, false, 100, 1), Step::Nothing, "missed in a look or two");
        assert_eq!(want(&mut state, true, 110, 1), Step::Nothing);
        assert_eq!(want(&mut state, false, 231, 1), Step::Close);
        assert!(matches!(want(&mut state, true, 232, 1), Step::Open { .. }), "whoever comes next need not wait");
        state.ends(s(240), RETRY_FIRST);
        assert_eq!(want(&mut state, true, 250, 1), Step::Nothing, "a camera that refuses is not asked at every look");
        assert!(matches!(want(&mut state, true, 270, 1), Step::Open { .. }));
    }

    #[test]
    fn a_camera_without_room_for_two_sessions_is_left_alone() {
        let mut state = State::new();
        assert!(matches!(want(&mut state, true, 0, 1), Step::Open { .. }));
        state.ends(s(3), RETRY_FIRST);
        assert_eq!(want(&mut state, true, 10, 2), Step::Nothing, "the looks' session began anew: once may be chance");
        assert!(matches!(want(&mut state, true, 40, 2), Step::Open { .. }));
        assert_eq!(want(&mut state, true, 50, 3), Step::LeaveAlone);
        assert_eq!(want(&mut state, true, 3600, 3), Step::Nothing);
        assert!(matches!(want(&mut state, true, 50 + 6 * 3600, 3), Step::Open { .. }));
        // One that ends long after is no sign of that.
        assert_eq!(want(&mut state, true, 60 + 7 * 3600, 4), Step::Nothing);
        assert_eq!(state.clashes, 0);
    }

    fn patiently(clock: &dyn Clock, holds: impl Fn() -> bool) -> bool {
        let began = clock.monotonic();
        while !holds() && clock.monotonic().saturating_sub(began) < s(60) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        holds()
    }

    #[test]
    fn its_newest_key_frame_is_a_picture_of_the_large_size_until_nobody_wants_it() {
        let large = PictureSize::new(1280, 720);
        let street = Street::start(StreetConfig { size: large, gop_s: 0.5, clip_s: 1.0, ..StreetConfig::default() }).expect("a street");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let net = RtspNet::start(clock.clone(), 64 << 20).expect("a net thread");
        let id = CameraId::new("far");
        let options = RtspOptions {
            camera: id.clone(),
            url: street.url(0),
            credentials: None,
            transport: RtspTransport::Tcp,
            decoders: Decoders::default(),
        };
        let camera = RtspCamera::new(&net, options).expect("an address");
        let main = MainStream::new(id.clone(), camera.clone(), clock.clone(), s(10));
        assert!(main.newest().is_none(), "nothing comes before it is wanted");
        main.want(true, 1);
        assert!(patiently(&*clock, || main.newest().is_some()), "a key frame");
        let key = main.newest().expect("a key frame");
        assert_eq!(key.decode(true).expect("a picture").size(), large);
        assert!(main.cut(key.captured.at - s(20), key.captured.at).is_none(), "too little of the clip is there");
        assert!(main.ring_bytes() > 0);
        // Nobody has asked for so long, and no look says so: its own key frames end it.
        drop(main);
        let mut impatient = MainStream::new(id, camera, clock.clone(), s(10));
        impatient.linger = Duration::ZERO;
        assert_eq!(impatient.ring_bytes(), 0, "what went is not kept");
        impatient.want(true, 1);
        assert!(patiently(&*clock, || !lock(&impatient.state).is_open), "it ends by itself");
        assert!(patiently(&*clock, || impatient.ring_bytes() == 0), "and keeps nothing");
    }
}
