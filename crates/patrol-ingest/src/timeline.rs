//! Container timestamps to media time that starts at 0 and strictly increases.

use patrol_core::{MediaTime, WallEstimate, WallTime};
use std::time::Duration;

/// A step forward beyond this is a jump of the clock, not a gap in the pictures: cameras that lose their link for shorter come back
/// with the same clock, while a spliced or reset stream is off by minutes to years.
const JUMP_FORWARD_NS: i64 = 10_000_000_000;
/// A jump is also more than this many nominal intervals, so that a time-lapse of one picture a minute is not taken for jumps.
const JUMP_FORWARD_INTERVALS: i64 = 4;
/// Steps back up to this are muxer rounding or pictures out of order; larger ones are a clock that was set or a stream that began anew.
const JUMP_BACK_NS: i64 = 1_000_000_000;
/// Interval assumed while neither the container nor the pictures tell one: 25 per second, the rate of PAL cameras.
const DEFAULT_INTERVAL_NS: i64 = 40_000_000;
/// Frame rates told by containers outside of this range are clock rates or other nonsense (90 000, 1 000, 0).
const PLAUSIBLE_FPS: std::ops::RangeInclusive<f64> = 0.001..=240.0;

/// Where on the time line an event fell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) media_time: MediaTime,
    pub(crate) jumped: bool,
}

/// Follows the timestamps of one feed in presentation order.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Raw timestamp and media time of the event placed last.
    last: Option<(Option<i64>, MediaTime)>,
    told_interval_ns: Option<i64>,
    /// The last plausible step, used when the container tells no rate.
    seen_interval_ns: Option<i64>,
    repaired: u64,
}

impl Timeline {
    /// Takes over the frame rate that the container tells, if it is plausible.
    pub(crate) fn set_rate(&mut self, fps: f64) {
        self.told_interval_ns = PLAUSIBLE_FPS.contains(&fps).then(|| (1e9 / fps).round() as i64);
    }

    /// Time between two pictures, as told or as last seen.
    pub(crate) fn nominal_ns(&self) -> i64 {
        self.told_interval_ns.or(self.seen_interval_ns).unwrap_or(DEFAULT_INTERVAL_NS)
    }

    /// Timestamps replaced so far.
    pub(crate) fn repaired(&self) -> u64 {
        self.repaired
    }

    /// Places a picture with raw timestamp `raw_ns`.
    pub(crate) fn picture(&mut self, raw_ns: Option<i64>) -> Placed {
        let nominal = self.nominal_ns();
        let Some((last_raw, last_media)) = self.last else {
            self.last = Some((raw_ns, MediaTime::ZERO));
            return Placed { media_time: MediaTime::ZERO, jumped: false };
        };
        // Without two timestamps there is nothing to compare: the count of pictures goes on.
        let step = raw_ns.zip(last_raw).map(|(raw, last)| raw.saturating_sub(last));
        let (step_ns, jumped) = if let Some(step) = step.filter(|step| self.is_plausible(*step)) {
            self.seen_interval_ns = Some(step);
            (step, false)
        } else {
            self.repaired += 1;
            (nominal, step.is_some_and(|step| !(-JUMP_BACK_NS..=0).contains(&step)))
        };
        let media_time = MediaTime(last_media.0.saturating_add(step_ns));
        self.last = Some((raw_ns, media_time));
        Placed { media_time, jumped }
    }

    /// Places something that gave no picture; `None` where its timestamp says nothing. Time it took has passed, so that a long
    /// undecodable stretch is not mistaken for a jump.
    pub(crate) fn passed(&mut self, raw_ns: Option<i64>) -> Option<MediaTime> {
        let ((Some(last), last_media), raw) = (self.last?, raw_ns?) else { return None };
        let step = raw.saturating_sub(last);
        if !self.is_plausible(step) {
            return None;
        }
        let media_time = MediaTime(last_media.0.saturating_add(step));
        self.last = Some((raw_ns, media_time));
        Some(media_time)
    }

    fn is_plausible(&self, step_ns: i64) -> bool {
        step_ns > 0 && step_ns <= JUMP_FORWARD_NS.max(self.nominal_ns().saturating_mul(JUMP_FORWARD_INTERVALS))
    }
}

/// Wall time of `media_time` in a feed whose first picture was taken at `start`; wrong by half an interval at most, as far as the
/// feed's own clock is right.
pub(crate) fn captured(start: WallTime, media_time: MediaTime, interval_ns: i64) -> WallEstimate {
    let error_ms = (interval_ns.max(0) as u64).div_ceil(2_000_000).min(u64::from(u32::MAX)) as u32;
    WallEstimate { at: start + Duration::from_nanos(media_time.0.max(0) as u64), error_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds in, milliseconds and jumps out, at 25 fps.
    fn check(raw_ms: &[Option<i64>], expected: &[(i64, bool)], repaired: u64) {
        let mut timeline = Timeline::default();
        timeline.set_rate(25.0);
        let placed: Vec<(i64, bool)> = raw_ms
            .iter()
            .map(|raw| timeline.picture(raw.map(|ms| ms * 1_000_000)))
            .map(|placed| (placed.media_time.0 / 1_000_000, placed.jumped))
            .collect();
        assert_eq!(placed, expected);
        assert_eq!(timeline.repaired(), repaired);
    }

    #[test]
    fn an_orderly_stream_starts_at_zero_and_keeps_its_steps() {
        check(&[Some(1400), Some(1440), Some(1500)], &[(0, false), (40, false), (100, false)], 0);
    }

    #[test]
    fn repeats_and_small_steps_back_go_on_without_a_jump() {
        check(&[Some(0), Some(40), Some(40), Some(30), Some(70)], &[(0, false), (40, false), (80, false), (120, false), (160, false)], 2);
    }

    #[test]
    fn a_stream_that_begins_anew_jumps_and_goes_on() {
        check(&[Some(5000), Some(5040), Some(0), Some(40)], &[(0, false), (40, false), (80, true), (120, false)], 1);
    }

    #[test]
    fn a_gap_within_ten_seconds_is_kept_and_a_longer_one_is_a_jump() {
        check(&[Some(0), Some(10_000), Some(20_001)], &[(0, false), (10_000, false), (10_040, true)], 1);
    }

    #[test]
    fn missing_timestamps_take_the_nominal_interval() {
        check(&[None, None, Some(500), Some(540)], &[(0, false), (40, false), (80, false), (120, false)], 2);
    }

    #[test]
    fn a_time_lapse_is_no_jump_and_a_nonsense_rate_is_ignored() {
        let mut timeline = Timeline::default();
        timeline.set_rate(1.0 / 60.0);
        timeline.picture(Some(0));
        assert_eq!(timeline.picture(Some(60_000_000_000)), Placed { media_time: MediaTime(60_000_000_000), jumped: false });
        timeline.set_rate(90_000.0);
        assert_eq!(timeline.nominal_ns(), 60_000_000_000);
    }

    #[test]
    fn undecodable_time_passes() {
        let mut timeline = Timeline::default();
        timeline.set_rate(1.0);
        timeline.picture(Some(0));
        for second in 1..30 {
            assert_eq!(timeline.passed(Some(second * 1_000_000_000)), Some(MediaTime(second * 1_000_000_000)));
        }
        assert_eq!(timeline.picture(Some(30_000_000_000)), Placed { media_time: MediaTime(30_000_000_000), jumped: false });
        assert_eq!(timeline.passed(Some(0)), None);
    }

    proptest::proptest! {
        #[test]
        fn media_time_strictly_increases_whatever_comes(raw in proptest::collection::vec(proptest::option::of(proptest::num::i64::ANY), 1..60)) {
            let mut timeline = Timeline::default();
            let mut before = None;
            for stamp in raw {
                let now = timeline.picture(stamp).media_time;
                proptest::prop_assert!(before.is_none_or(|earlier| earlier < now));
                before = Some(now);
            }
        }
    }
}
