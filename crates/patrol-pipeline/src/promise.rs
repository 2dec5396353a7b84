//! How long a camera may go unseen: when a look is due, and how long it really was.

use patrol_core::{MediaTime, Outcome, Promise, Tally, WallTime};
use std::time::Duration;

/// Decides on each arriving picture whether it is the one to look at.
///
/// A look is released by the arrival of a picture: it is due as soon as waiting for the *next* picture could exceed the
/// promise. A timer alone would look 12 s apart for a promise of 10 s when pictures come every 2 s.
#[derive(Debug)]
pub struct DueRule {
    look_every: Duration,
    last_look: Option<MediaTime>,
    last_arrival: Option<MediaTime>,
    /// Longest interval between pictures lately; decays, so that one hiccup does not double the load for ever.
    longest_gap_s: f64,
    /// Longest time lately from a picture's capture to the end of its look; decays likewise.
    delay_s: f64,
}

/// Intervals measured in floating-point container times differ by less than this.
const TIMING_SLACK_S: f64 = 0.002;
/// What was longest lately counts for so much less with every picture.
const FORGETTING: f64 = 0.95;
/// A promise is never brought forward by more than this part of it: looks that are late because there is too much to do would otherwise
/// become still more.
const DELAY_PART_MAX: f64 = 0.1;

impl DueRule {
    pub fn new(promise: &Promise) -> Self {
        Self { look_every: promise.look_every, last_look: None, last_arrival: None, longest_gap_s: 0.0, delay_s: 0.0 }
    }

    /// Looks are to be so far apart from now on.
    pub fn set_every(&mut self, look_every: Duration) {
        self.look_every = look_every;
    }

    /// Notes the arrival of a picture and says whether it is due. The caller looks at it or lets a newer one replace it.
    pub fn arrives(&mut self, at: MediaTime) -> bool {
        self.arrives_within(at, 0.0)
    }

    /// `gap_s`: pictures are known to be so far apart at the longest, whatever was seen here.
    fn arrives_within(&mut self, at: MediaTime, gap_s: f64) -> bool {
        if self.last_arrival.is_some_and(|previous| at < previous) {
            self.restart();
        }
        if let Some(previous) = self.last_arrival {
            let seen_s = at.seconds_since(previous).max(0.0);
            self.longest_gap_s = seen_s.max(self.longest_gap_s * FORGETTING);
        }
        self.longest_gap_s = self.longest_gap_s.max(gap_s);
        self.last_arrival = Some(at);
        let Some(last) = self.last_look else { return true };
        let every_s = self.look_every.as_secs_f64();
        let delay_s = self.delay_s.min(every_s * DELAY_PART_MAX);
        at.seconds_since(last) + self.longest_gap_s + delay_s > every_s + TIMING_SLACK_S
    }

    /// The same of a key frame that arrives without the pictures between; `interval_s`: the longest that key frames of this camera are apart.
    pub fn key_arrives(&mut self, at: MediaTime, interval_s: Option<f64>) -> bool {
        self.arrives_within(at, interval_s.unwrap_or(0.0))
    }

    /// The stream began anew: the gap before says nothing about how far apart pictures are, and the next one is due.
    pub fn restart(&mut self) {
        (self.last_look, self.last_arrival, self.longest_gap_s) = (None, None, 0.0);
    }

    /// Pictures come in another lane from now on: how far apart they were says nothing about how far apart they will be.
    pub fn change_lane(&mut self) {
        (self.last_arrival, self.longest_gap_s) = (None, 0.0);
    }

    pub fn looked(&mut self, at: MediaTime) {
        self.last_look = Some(at);
    }

    /// How far apart pictures were at most lately; zero before the second.
    pub fn pictures_apart_s(&self) -> f64 {
        self.longest_gap_s
    }

    /// The look that was due gave nothing: the next picture is due.
    pub fn missed(&mut self) {
        self.last_look = None;
    }

    /// A look ended so long after its picture was captured.
    pub fn took(&mut self, delay: Duration) {
        self.delay_s = delay.as_secs_f64().max(self.delay_s * FORGETTING);
    }
}

/// Measures the blind and the unexamined interval of one camera.
#[derive(Debug, Clone)]
pub struct BlindMeter {
    seen: WallTime,
    examined: WallTime,
    max_blind: Duration,
    max_unexamined: Duration,
}

impl BlindMeter {
    /// `since`: when the camera was put under watch; it has been blind from then.
    pub fn new(since: WallTime) -> Self {
        Self { seen: since, examined: since, max_blind: Duration::ZERO, max_unexamined: Duration::ZERO }
    }

    /// Time now minus capture of the newest picture that was examined or found unchanged, and that was examined.
    pub fn at(&self, now: WallTime) -> (Duration, Duration) {
        (now.since(self.seen), now.since(self.examined))
    }

    /// Our own clock was set back: what was seen at a time that has not come yet was seen now at the latest.
    pub fn settle(&mut self, now: WallTime) {
        self.seen = self.seen.min(now);
        self.examined = self.examined.min(now);
    }

    /// Notes that it is `now`, before an outcome is known: the intervals may have grown to a new maximum.
    pub fn passes(&mut self, now: WallTime) {
        let (blind, unexamined) = self.at(now);
        self.max_blind = self.max_blind.max(blind);
        self.max_unexamined = self.max_unexamined.max(unexamined);
    }

    /// A picture captured at `captured` ended in `outcome` at `now`.
    pub fn ended(&mut self, captured: WallTime, now: WallTime, outcome: Outcome) {
        self.passes(now);
        if outcome.keeps_promise() {
            self.seen = self.seen.max(captured);
        }
        if outcome == Outcome::Examined {
            self.examined = self.examined.max(captured);
        }
    }

    /// Capture time of the newest picture that kept the promise.
    pub fn seen(&self) -> WallTime {
        self.seen
    }
    pub fn max_blind(&self) -> Duration {
        self.max_blind
    }
    pub fn max_unexamined(&self) -> Duration {
        self.max_unexamined
    }
}

/// What became of a camera's pictures, and how its promise was kept.
#[derive(Debug, Clone)]
pub struct Account {
    pub tally: Tally,
    pub blind: BlindMeter,
}

impl Account {
    pub fn new(since: WallTime) -> Self {
        Self { tally: Tally::default(), blind: BlindMeter::new(since) }
    }

    /// Pictures that were dropped before anyone decoded them.
    pub fn skipped(&mut self, pictures: u64) {
        self.tally.count_many(Outcome::Stale, pictures);
    }

    /// Every picture ends here, exactly once.
    pub fn ends(&mut self, captured: WallTime, now: WallTime, outcome: Outcome) {
        self.tally.count(outcome);
        self.blind.ended(captured, now, outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(look_every_s: u64) -> DueRule {
        let look_every = Duration::from_secs(look_every_s);
        DueRule::new(&Promise { look_every, look_limit: look_every * 3, rescan_every: Duration::from_mins(1) })
    }

    fn longest_interval(rule: &mut DueRule, times: impl Iterator<Item = f64>) -> f64 {
        let (mut last, mut longest) = (None, 0.0_f64);
        for t in times {
            let at = MediaTime::from_secs_f64(t);
            if rule.arrives(at) {
                longest = longest.max(last.map_or(0.0, |last: f64| t - last));
                last = Some(t);
                rule.looked(at);
            }
        }
        longest
    }

    #[test]
    fn looks_stay_within_the_promise_whatever_the_picture_rate() {
        for interval in [0.04, 0.1, 0.5, 0.7, 2.0, 3.0] {
            let longest = longest_interval(&mut rule(10), (0..400).map(|n| f64::from(n) * interval));
            assert!(longest <= 10.0 + 1e-6 && longest > 10.0 - 2.0 * interval - 0.01, "{interval}: {longest}");
        }
    }

    #[test]
    fn a_look_that_ends_late_is_begun_earlier_but_never_much() {
        let longest_with = |delay_s: f64| {
            let mut rule = rule(10);
            rule.took(Duration::from_secs_f64(delay_s));
            let times = (0..400).map(|n| f64::from(n) * 2.0);
            let (mut last, mut longest) = (None, 0.0_f64);
            for t in times {
                rule.took(Duration::from_secs_f64(delay_s));
                let at = MediaTime::from_secs_f64(t);
                if rule.key_arrives(at, Some(2.0)) {
                    longest = longest.max(last.map_or(0.0, |last: f64| t - last));
                    last = Some(t);
                    rule.looked(at);
                }
            }
            longest
        };
        assert!((longest_with(0.0) - 10.0).abs() < 0.01);
        assert!((longest_with(0.3) - 8.0).abs() < 0.01, "10 s and 0.3 s would be too late");
        assert!((longest_with(60.0) - 8.0).abs() < 0.01, "looks that are late for want of time do not become more");
    }

    #[test]
    fn key_frames_are_taken_soon_enough_from_the_first_on() {
        let mut rule = rule(10);
        let mut looked = Vec::new();
        for n in 0..12 {
            let t = f64::from(n) * 4.0;
            let at = MediaTime::from_secs_f64(t);
            if rule.key_arrives(at, Some(4.0)) {
                rule.looked(at);
                looked.push(t);
            }
        }
        assert_eq!(looked, [0.0, 8.0, 16.0, 24.0, 32.0, 40.0]);
    }

    #[test]
    fn a_time_that_goes_back_is_looked_at_at_once() {
        let mut rule = rule(10);
        for n in 0..100 {
            let at = MediaTime::from_secs_f64(f64::from(n));
            if rule.arrives(at) {
                rule.looked(at);
            }
        }
        assert!(rule.arrives(MediaTime::from_secs_f64(0.0)));
    }

    #[test]
    fn an_outage_is_no_interval_between_pictures() {
        let mut rule = rule(1);
        let mut looks_in = |from_s: f64, to_s: f64, restart: bool| {
            if restart {
                rule.restart();
            }
            let mut looks = 0;
            for number in 0..((to_s - from_s) * 10.0) as i32 {
                let at = MediaTime::from_secs_f64(from_s + f64::from(number) / 10.0);
                if rule.arrives(at) {
                    rule.looked(at);
                    looks += 1;
                }
            }
            looks
        };
        assert_eq!(looks_in(0.0, 10.0, false), 10);
        assert_eq!(looks_in(60.0, 70.0, true), 10, "a minute without pictures does not make every picture due");
    }

    #[test]
    fn a_promise_of_zero_takes_every_picture() {
        let mut every = rule(0);
        assert!((0..50).all(|n| {
            let at = MediaTime::from_secs_f64(f64::from(n) * 0.04);
            let due = every.arrives(at);
            every.looked(at);
            due
        }));
    }

    #[test]
    fn a_clock_set_back_does_not_hide_a_blind_camera() {
        let at = |s| WallTime::from_unix_secs(s);
        let mut meter = BlindMeter::new(at(0));
        meter.ended(at(3600), at(3600), Outcome::Examined);
        meter.settle(at(10));
        assert_eq!(meter.at(at(15)).0, Duration::from_secs(5));
    }

    #[test]
    fn blindness_counts_from_the_capture_and_only_good_outcomes_end_it() {
        let at = |s| WallTime::from_unix_secs(s);
        let mut meter = BlindMeter::new(at(0));
        meter.ended(at(1), at(2), Outcome::Examined);
        meter.ended(at(5), at(6), Outcome::Stale);
        meter.ended(at(8), at(9), Outcome::Unchanged);
        meter.passes(at(10));
        assert_eq!(meter.max_blind(), Duration::from_secs(8), "from the capture at 1 to the outcome at 9");
        assert_eq!(meter.at(at(10)), (Duration::from_secs(2), Duration::from_secs(9)));
        assert_eq!(meter.max_unexamined(), Duration::from_secs(9));
    }
}
