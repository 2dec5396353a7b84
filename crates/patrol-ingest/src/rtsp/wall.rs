//! A session's clock: RTP timestamps to a line of presentation times that does not jump, and that line to wall time.
//!
//! **Arrival.** A picture cannot arrive before it was taken, so `arrival − pts` of the fastest unit so far bounds where the line lies:
//! with it `captured = pts + offset` is never after arrival, and a picture that was held up on its way keeps its true age. The
//! bound falls at once; it rises slowly (crystals drift by 100 ppm, cameras that stamp by nominal frame rate by a percent), and only after
//! nothing faster has come for a whole window, so that a stall followed by a burst of old pictures does not make them new.
//!
//! **Sender reports.** While the camera's own wall clock agrees with ours within 5 s and does not step, it says how long its pictures were
//! under way: the offset moves to it, slowly, so that `captured` never jumps, and never past the bound above.
//!
//! All times are nanoseconds; *monotonic* ones are of the patrol's clock, which no setting of our own wall clock moves.

use std::collections::VecDeque;
use std::time::Duration;

const SECOND_NS: i64 = 1_000_000_000;
/// A step back beyond this is a clock that was set: reordering of B-frames spans a few pictures.
const STEP_BACK_NS: i64 = SECOND_NS;
/// A step ahead that lands further than this in our future is a clock that was set; after a stall a step is no larger than the stall.
const STEP_AHEAD_NS: i64 = 2 * SECOND_NS;
/// Where the line begins: leaves room for units that are shown before the first to arrive.
const LINE_START_NS: i64 = 1_000 * SECOND_NS;
/// Least advance of the line over a step of the camera's clock: one picture at 25 per second.
const STEP_ADVANCE_NS: i64 = 40_000_000;

/// How long nothing faster must have come before the bound may rise: longer than the 20 s after which a silent session ends.
const WINDOW: Duration = Duration::from_mins(1);
const BUCKETS: i64 = 12;
/// The bound rises by at most 2 %: more than any nominal frame rate was seen to be off.
const RISE: f64 = 0.02;
/// The offset in use follows by at most 5 %.
const SLEW: f64 = 0.05;
/// Encoding and network of the fastest unit: what arrival alone cannot show. Street cameras take 0.1–0.5 s.
const LATENCY_MAX_MS: u32 = 500;
/// What a sender report is worth at best: a millisecond clock, one picture of encoding.
const REPORT_ERROR_MS: u32 = 50;
/// Issue "live feeds": reports are used only when they agree within 5 s.
const AGREEMENT_NS: i64 = 5 * SECOND_NS;
/// A clock that stepped is not used again before it has run evenly for so long.
const DISTRUST_NS: i64 = 60 * SECOND_NS;
/// Two reports that disagree with the RTP time between them by more than this are a step of the camera's wall clock.
const REPORT_STEP_NS: i64 = SECOND_NS;

/// RTP time to presentation times without jumps.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Added to RTP time.
    shift_ns: i64,
    newest: Option<Newest>,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    rtp_ns: i64,
    arrival_ns: i64,
}

impl Line {
    /// Places a unit with RTP time `rtp_ns`; `true` when the camera's clock stepped before it. `fastest_ns` is the least
    /// `arrival − pts` known.
    pub(crate) fn place(&mut self, rtp_ns: i64, arrival_ns: i64, fastest_ns: Option<i64>) -> (i64, bool) {
        let Some(newest) = self.newest else {
            self.shift_ns = LINE_START_NS.saturating_sub(rtp_ns);
            self.newest = Some(Newest { rtp_ns, arrival_ns });
            return (LINE_START_NS, false);
        };
        let step = rtp_ns.saturating_sub(newest.rtp_ns);
        let pts_ns = rtp_ns.saturating_add(self.shift_ns);
        let ahead_ns = fastest_ns.map_or(0, |fastest| pts_ns.saturating_add(fastest).saturating_sub(arrival_ns));
        let stepped = step < -STEP_BACK_NS || (step > STEP_AHEAD_NS && ahead_ns > STEP_AHEAD_NS);
        if stepped {
            let passed = arrival_ns.saturating_sub(newest.arrival_ns).max(STEP_ADVANCE_NS);
            self.shift_ns = newest.rtp_ns.saturating_add(self.shift_ns).saturating_add(passed).saturating_sub(rtp_ns);
        }
        if stepped || step > 0 {
            self.newest = Some(Newest { rtp_ns, arrival_ns });
        }
        (rtp_ns.saturating_add(self.shift_ns), stepped)
    }

    /// Where RTP time `rtp_ns` of a sender report lies on the line.
    pub(crate) fn look_up(&self, rtp_ns: i64) -> Option<i64> {
        self.newest.map(|_| rtp_ns.saturating_add(self.shift_ns))
    }
}

#[derive(Debug, Clone, Copy)]
struct Report {
    pts_ns: i64,
    wall_ns: i64,
}

/// What a sender report told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    /// The camera's wall clock minus ours.
    pub(crate) skew_ns: i64,
    /// The camera's wall clock was set since the report before.
    pub(crate) stepped: bool,
}

/// Presentation times to the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Anchor {
    /// Least `arrival − pts` of each part of the window, oldest first: (number of the part, least).
    parts: VecDeque<(i64, i64)>,
    started_ns: i64,
    last_arrival_ns: i64,
    bound_ns: i64,
    used_ns: Option<i64>,
    report: Option<Report>,
    /// Offset by the camera's wall clock, while that is believed.
    told_ns: Option<i64>,
    distrusted_until_ns: Option<i64>,
}

impl Anchor {
    /// Takes a unit's arrival into account.
    pub(crate) fn unit(&mut self, pts_ns: i64, arrival_ns: i64) {
        let sample = arrival_ns.saturating_sub(pts_ns);
        let Some(used) = self.used_ns else {
            (self.started_ns, self.last_arrival_ns) = (arrival_ns, arrival_ns);
            (self.bound_ns, self.used_ns) = (sample, Some(sample));
            self.note(sample, arrival_ns);
            return;
        };
        self.note(sample, arrival_ns);
        let passed = arrival_ns.saturating_sub(self.last_arrival_ns).max(0);
        self.last_arrival_ns = arrival_ns;
        if sample < self.bound_ns {
            self.bound_ns = sample;
        } else if arrival_ns.saturating_sub(self.started_ns) >= WINDOW.as_nanos() as i64 {
            let rise = self.fastest_of_window().saturating_sub(self.bound_ns).max(0);
            self.bound_ns = self.bound_ns.saturating_add(rise.min((passed as f64 * RISE) as i64));
        }
        let target = self.told_ns.map_or(self.bound_ns, |told| told.min(self.bound_ns));
        let slew = (passed as f64 * SLEW) as i64;
        let moved = used.saturating_add(target.saturating_sub(used).clamp(-slew, slew));
        self.used_ns = Some(moved.min(self.bound_ns));
    }

    fn note(&mut self, sample: i64, arrival_ns: i64) {
        let part = arrival_ns.div_euclid(WINDOW.as_nanos() as i64 / BUCKETS);
        match self.parts.back_mut() {
            Some((last, least)) if *last >= part => *least = (*least).min(sample),
            _ => self.parts.push_back((part, sample)),
        }
        while self.parts.front().is_some_and(|(first, _)| *first <= part - BUCKETS) {
            self.parts.pop_front();
        }
    }

    fn fastest_of_window(&self) -> i64 {
        self.parts.iter().map(|(_, least)| *least).min().unwrap_or(self.bound_ns)
    }

    /// Takes a sender report into account: at `pts_ns` of the line the camera's wall clock showed `camera_wall_ns`; it came at
    /// `arrival_ns` of the monotonic clock, when our wall clock showed `our_wall_ns`.
    pub(crate) fn report(&mut self, pts_ns: i64, camera_wall_ns: i64, our_wall_ns: i64, arrival_ns: i64) -> Told {
        let skew_ns = camera_wall_ns.saturating_sub(our_wall_ns);
        let stepped = self.report.is_some_and(|before| {
            let by_rtp = pts_ns.saturating_sub(before.pts_ns);
            let by_wall = camera_wall_ns.saturating_sub(before.wall_ns);
            // Nominal frame rates make RTP time wrong by a percent; that is no step.
            by_wall.saturating_sub(by_rtp).saturating_abs() > REPORT_STEP_NS.saturating_add(by_rtp.saturating_abs() / 50)
        });
        self.report = Some(Report { pts_ns, wall_ns: camera_wall_ns });
        if stepped {
            self.distrusted_until_ns = Some(arrival_ns.saturating_add(DISTRUST_NS));
        }
        let trusted = skew_ns.saturating_abs() <= AGREEMENT_NS && self.distrusted_until_ns.is_none_or(|until| arrival_ns >= until);
        let monotonic_ns = camera_wall_ns.saturating_sub(our_wall_ns).saturating_add(arrival_ns);
        self.told_ns = trusted.then(|| monotonic_ns.saturating_sub(pts_ns));
        Told { skew_ns, stepped }
    }

    /// The line has been shifted: earlier reports say nothing about it. `captured` goes on where it was.
    pub(crate) fn stepped(&mut self, arrival_ns: i64) {
        self.report = None;
        self.told_ns = None;
        self.distrusted_until_ns = Some(arrival_ns.saturating_add(DISTRUST_NS));
    }

    /// The least `arrival − pts` known.
    pub(crate) fn fastest_ns(&self) -> Option<i64> {
        self.used_ns.map(|_| self.bound_ns)
    }

    /// What to add to a presentation time, and how wrong it may be.
    pub(crate) fn offset(&self) -> Option<(i64, u32)> {
        let used = self.used_ns?;
        let ms = |ns: i64| (ns.max(0) / 1_000_000).min(i64::from(u32::MAX)) as u32;
        let error = if let Some(told) = self.told_ns {
            // Both are told; they cannot both be right, and what is used lies between them.
            ms(self.bound_ns.saturating_sub(told).saturating_abs()).max(REPORT_ERROR_MS)
        } else {
            LATENCY_MAX_MS.saturating_add(ms(self.fastest_of_window().saturating_sub(used)))
        };
        Some((used, error))
    }
}

#[cfg(test)]
#[path = "wall_tests.rs"]
mod tests;
