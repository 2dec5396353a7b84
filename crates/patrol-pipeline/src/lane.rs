//! In which lane a live camera's pictures come: key frames on demand, or every picture decoded.
//!
//! The promise decides (design §4): a camera that may go unseen for longer than its key frames are apart needs nothing in between.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// Nothing is decoded but the key frame that is looked at.
    #[default]
    OnDemand,
    /// Every picture is decoded, on a thread of its own.
    Continuous,
}

impl Lane {
    /// Stable name, as in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Continuous => "continuous",
        }
    }
}

/// What decides on the lane.
#[derive(Debug, Clone, Copy)]
pub struct LaneFacts {
    /// How often the camera is to be looked at, as promised: a lane that followed what there is time for would change with the load it makes.
    pub look_every: Duration,
    /// The longest that its key frames were apart lately, the time that runs since the newest included; `None` before the second one.
    pub key_interval_s: Option<f64>,
    /// Since the newest key frame, or since the session began.
    pub since_key: Duration,
    /// Somebody was found who is not understood yet, or a person watches or has asked: pictures are wanted now.
    pub wanted_now: bool,
}

/// A camera that has sent no key frame for so many promises is decoded as it comes (design §4).
const KEYLESS_PROMISES: u32 = 2;

impl LaneFacts {
    /// No key frame has come for so long that none may ever come.
    pub fn is_keyless(&self) -> bool {
        self.key_interval_s.is_none() && self.since_key > self.look_every * KEYLESS_PROMISES
    }

    pub fn lane(&self) -> Lane {
        let keys_too_rare = match self.key_interval_s {
            Some(interval_s) => interval_s >= self.look_every.as_secs_f64(),
            None => false,
        };
        if self.wanted_now || keys_too_rare || self.since_key > self.look_every * KEYLESS_PROMISES {
            return Lane::Continuous;
        }
        Lane::OnDemand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(look_every_s: f64, key_interval_s: Option<f64>, since_key_s: f64, wanted_now: bool) -> Lane {
        let look_every = Duration::from_secs_f64(look_every_s);
        LaneFacts { look_every, key_interval_s, since_key: Duration::from_secs_f64(since_key_s), wanted_now }.lane()
    }

    #[test]
    fn the_promise_decides() {
        assert_eq!(lane(10.0, Some(2.0), 1.0, false), Lane::OnDemand);
        assert_eq!(lane(2.0, Some(2.0), 1.0, false), Lane::Continuous, "waiting for the next key frame would break it");
        assert_eq!(lane(0.0, None, 0.2, false), Lane::Continuous, "every picture is wanted");
        assert_eq!(lane(10.0, None, 5.0, false), Lane::OnDemand, "the second key frame has not come");
    }

    #[test]
    fn a_camera_without_key_frames_for_twice_its_promise_is_decoded_as_it_comes() {
        assert_eq!(lane(10.0, None, 20.1, false), Lane::Continuous);
        assert_eq!(lane(10.0, Some(12.0), 12.0, false), Lane::Continuous, "rarer than the promise");
    }

    #[test]
    fn whoever_must_be_understood_is_watched_closely() {
        assert_eq!(lane(10.0, Some(2.0), 1.0, true), Lane::Continuous);
    }
}
