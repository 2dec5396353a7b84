//! Where the time comes from. Everything that waits or stamps takes a [`Clock`].

use crate::time::WallTime;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time of the scene that is being watched, and how it relates to time really spent waiting.
pub trait Clock: Send + Sync {
    /// Wall time of the scene.
    fn now(&self) -> WallTime;
    /// Scene time since the clock was made; never goes back, also when the wall clock is set.
    fn monotonic(&self) -> Duration;
    /// How long a thread really has to wait for `scene` to pass.
    fn real_wait(&self, scene: Duration) -> Duration;
}

/// The operating system's clock: scene time is real time.
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> WallTime {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => WallTime(since.as_nanos() as i64),
            Err(before) => WallTime(-(before.duration().as_nanos() as i64)),
        }
    }
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
    fn real_wait(&self, scene: Duration) -> Duration {
        scene
    }
}

/// A clock that runs `speed` times as fast as real time, from a given wall time: the demo's.
pub struct ScaledClock {
    real: SystemClock,
    start: WallTime,
    speed: f64,
}

impl ScaledClock {
    /// `speed` must be above zero.
    pub fn new(start: WallTime, speed: f64) -> Self {
        assert!(speed > 0.0, "a clock's speed is above zero, found {speed}");
        Self { real: SystemClock::new(), start, speed }
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> WallTime {
        self.start + self.monotonic()
    }
    fn monotonic(&self) -> Duration {
        self.real.monotonic().mul_f64(self.speed)
    }
    fn real_wait(&self, scene: Duration) -> Duration {
        scene.div_f64(self.speed)
    }
}

/// A clock that stands still until it is moved: for tests and for `replay`.
pub struct ManualClock {
    now: Mutex<(WallTime, Duration)>,
}

impl ManualClock {
    pub fn new(start: WallTime) -> Self {
        Self { now: Mutex::new((start, Duration::ZERO)) }
    }
    pub fn advance(&self, by: Duration) {
        let mut now = lock(&self.now);
        now.0 = now.0 + by;
        now.1 += by;
    }
    /// Moves the wall time to `to`; the monotonic time follows only forwards.
    pub fn set(&self, to: WallTime) {
        let mut now = lock(&self.now);
        let forwards = to.since(now.0);
        *now = (to, now.1 + forwards);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> WallTime {
        lock(&self.now).0
    }
    fn monotonic(&self) -> Duration {
        lock(&self.now).1
    }
    fn real_wait(&self, _scene: Duration) -> Duration {
        Duration::ZERO
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
