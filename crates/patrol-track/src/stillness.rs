//! Since when a box has kept its place.
//!
//! Measured boxes are averaged in bins of a quarter of a second. A track *comes to rest* when the bins of at least three seconds lie within the
//! tolerance of one another, and is still since the first of them; it *moves* when nearly all bins of the last 1.25 s lie outside the tolerance of its
//! resting box. The resting box follows what is seen with a time constant of 30 s, so that the comparison is with the place of half a minute
//! ago. Looks in which it was not seen say nothing. One that is back on its old place within seconds was hidden or split by a
//! passer-by and has never left: erring that way makes a person too long still, the other way hides that he does not move.
//!
//! The tolerance is a drift of 0.3 m and an IoU of 0.6 (`Track::still_since`), after 1.5 px of jitter on every edge are forgiven.

use patrol_core::{MediaTime, PictureSize, PixelBox};

const DRIFT_MAX_M: f32 = 0.3;
const IOU_MIN: f32 = 0.6;
/// Jitter of each edge of a detector's box that is not motion, pixels: it is all that a small box has.
pub(crate) const JITTER_PX: f32 = 1.5;
const BIN_S: f64 = 0.25;
/// Bins kept: 16 s at 4 bins a second, more when looks are rarer.
const BINS: usize = 64;
const REST_AFTER_S: f64 = 3.0;
const REST_BINS_MIN: usize = 3;
/// The newest bins whose mean is the place that older bins are compared with.
const REST_REFERENCE_S: f64 = 2.0;
const MOVE_WINDOW_S: f64 = 1.25;
const MOVE_BINS_MIN: usize = 2;
/// Out of place for less than this is a passer-by who hides half of him.
const MOVE_AFTER_S: f64 = 1.0;
/// One bin in five may lie within although it moves: the one that saw the start.
const MOVE_PART: f32 = 0.75;
/// Bins out of place in a row that a rest survives when looked at backwards.
const OUTLIERS_MAX: usize = 2;
const FOLLOW_S: f32 = 30.0;
/// Back on the old place within so long: it had not left.
const RETURN_WITHIN_S: f64 = 15.0;

#[derive(Debug, Clone, Copy)]
struct Bin {
    start: MediaTime,
    /// Mean of the boxes measured in it.
    bbox: PixelBox,
    count: u32,
}

/// A place that was kept.
#[derive(Debug, Clone, Copy)]
struct Rest {
    since: MediaTime,
    bbox: PixelBox,
}

#[derive(Debug, Clone)]
pub(crate) struct Stillness {
    /// A ring; the newest is at `newest`.
    bins: [Bin; BINS],
    newest: usize,
    len: usize,
    rest: Option<Rest>,
    /// The rest that was left last, and when.
    left: Option<(Rest, MediaTime)>,
}

impl Stillness {
    pub(crate) fn new() -> Self {
        let none = Bin { start: MediaTime::ZERO, bbox: PixelBox::new(0.0, 0.0, 0.0, 0.0), count: 0 };
        Self { bins: [none; BINS], newest: 0, len: 0, rest: None, left: None }
    }

    /// At rest at `bbox` since `since`, and not measured lately.
    pub(crate) fn resting(since: MediaTime, bbox: &PixelBox) -> Self {
        Self { rest: Some(Rest { since, bbox: *bbox }), ..Self::new() }
    }

    pub(crate) fn restart(&mut self) {
        *self = Self::new();
    }

    /// The camera moved: every place of before is another place of its picture now.
    pub(crate) fn carry(&mut self, carried: impl Fn(&PixelBox) -> PixelBox) {
        for bin in &mut self.bins[..self.len] {
            bin.bbox = carried(&bin.bbox);
        }
        if let Some(rest) = &mut self.rest {
            rest.bbox = carried(&rest.bbox);
        }
        if let Some((rest, _)) = &mut self.left {
            rest.bbox = carried(&rest.bbox);
        }
    }

    pub(crate) fn since(&self) -> Option<MediaTime> {
        self.rest.map(|rest| rest.since)
    }

    /// The place it keeps.
    pub(crate) fn resting_box(&self) -> Option<PixelBox> {
        self.rest.map(|rest| rest.bbox)
    }

    /// A box measured at `at`, where a metre is `px_per_m` pixels.
    pub(crate) fn see(&mut self, at: MediaTime, bbox: &PixelBox, px_per_m: f32) {
        let before = self.newest_start();
        self.add(at, bbox);
        if let Some(rest) = self.rest {
            if self.has_left(at, &rest, px_per_m) {
                self.leave(at, rest);
            } else if let Some(before) = before {
                self.follow(at.seconds_since(before) as f32, bbox, px_per_m);
            }
        }
        if self.rest.is_none() {
            self.rest = self.come_to_rest(at, px_per_m);
        }
    }

    /// It is no longer seen. Whoever was last seen off his place has set off; if he was only half hidden, the return restores his rest.
    pub(crate) fn vanish(&mut self, at: MediaTime, px_per_m: f32) {
        if let Some(rest) = self.rest
            && self.backwards().next().is_some_and(|newest| !same_place(&newest.bbox, &rest.bbox, px_per_m))
        {
            self.leave(at, rest);
        }
    }

    /// He has rested at `place` since `since`: so it goes on, unless he now rests elsewhere.
    pub(crate) fn inherit(&mut self, since: MediaTime, place: &PixelBox, px_per_m: f32) {
        let now = self.rest.map(|rest| rest.bbox).or_else(|| self.backwards().next().map(|bin| bin.bbox));
        if now.is_some_and(|now| same_place(&now, place, px_per_m)) {
            let bbox = now.unwrap_or(*place);
            self.rest = Some(Rest { since, bbox });
        }
    }

    /// `bbox` as if all of it were seen: where the edge of a picture of `size` cuts it as it cuts the place that is kept, it is that place. A camera that flies or sways
    /// shows now more and now less of whoever lies at the edge, and his middle goes to and fro.
    pub(crate) fn uncut(&self, bbox: &PixelBox, size: PictureSize, px_per_m: f32) -> PixelBox {
        let (w, h) = (size.width as f32, size.height as f32);
        let is_cut = bbox.x.min(bbox.y).min(w - bbox.right()).min(h - bbox.bottom()) <= JITTER_PX;
        let kept = self.resting_box().filter(|rest| is_cut && same_place(bbox, &rest.clipped(size), px_per_m));
        kept.unwrap_or(*bbox)
    }

    fn newest_start(&self) -> Option<MediaTime> {
        (self.len > 0).then(|| self.bins[self.newest].start)
    }

    fn add(&mut self, at: MediaTime, bbox: &PixelBox) {
        if self.newest_start().is_some_and(|start| at.seconds_since(start) < BIN_S) {
            let bin = &mut self.bins[self.newest];
            bin.count += 1;
            bin.bbox = blend(&bin.bbox, bbox, 1.0 / bin.count as f32);
            return;
        }
        if self.len > 0 {
            self.newest = (self.newest + 1) % BINS;
        }
        self.len = (self.len + 1).min(BINS);
        self.bins[self.newest] = Bin { start: at, bbox: *bbox, count: 1 };
    }

    /// Newest first.
    fn backwards(&self) -> impl Iterator<Item = &Bin> {
        (0..self.len).map(|age| &self.bins[(self.newest + BINS - age) % BINS])
    }

    fn has_left(&self, at: MediaTime, rest: &Rest, px_per_m: f32) -> bool {
        let (mut seen, mut outside, mut outside_s) = (0_usize, 0_usize, 0.0_f64);
        for bin in self.backwards() {
            let age_s = at.seconds_since(bin.start);
            if seen >= MOVE_BINS_MIN && age_s > MOVE_WINDOW_S {
                break;
            }
            seen += 1;
            if !same_place(&bin.bbox, &rest.bbox, px_per_m) {
                outside += 1;
                outside_s = age_s;
            } else if seen == 1 {
                return false;
            }
        }
        seen >= MOVE_BINS_MIN && outside as f32 >= MOVE_PART * seen as f32 && outside_s >= MOVE_AFTER_S
    }

    fn leave(&mut self, at: MediaTime, rest: Rest) {
        self.rest = None;
        // A short rest on the box of somebody who hides him does not push out the long one before it.
        let longer_one = self.left.is_some_and(|(before, left_at)| {
            at.seconds_since(left_at) < RETURN_WITHIN_S && left_at.since(before.since) > at.since(rest.since)
        });
        if !longer_one {
            self.left = Some((rest, at));
        }
    }

    fn follow(&mut self, dt: f32, bbox: &PixelBox, px_per_m: f32) {
        if let Some(rest) = &mut self.rest
            && same_place(bbox, &rest.bbox, px_per_m)
        {
            // `dt` runs from the start of the bin before: at most a bin too long, which shortens the 30 s by little.
            rest.bbox = blend(&rest.bbox, bbox, (dt / FOLLOW_S).clamp(0.0, 0.5));
        }
    }

    fn come_to_rest(&self, at: MediaTime, px_per_m: f32) -> Option<Rest> {
        let mut reference: Option<(PixelBox, f32)> = None;
        for bin in self.backwards().take_while(|bin| at.seconds_since(bin.start) <= REST_REFERENCE_S) {
            let (mean, n) = reference.map_or((bin.bbox, 1.0), |(mean, n)| (blend(&mean, &bin.bbox, 1.0 / (n + 1.0)), n + 1.0));
            reference = Some((mean, n));
        }
        let (reference, _) = reference?;
        let (mut first, mut within, mut outliers) = (None, 0_usize, 0_usize);
        for bin in self.backwards() {
            if same_place(&bin.bbox, &reference, px_per_m) {
                first = Some(bin.start);
                within += 1;
                outliers = 0;
            } else {
                outliers += 1;
                // Before a rest of the least length is found nothing is forgiven: a walker's pause is not to begin in mid-step.
                if outliers > OUTLIERS_MAX || within < REST_BINS_MIN {
                    break;
                }
            }
        }
        let since = first?;
        if within < REST_BINS_MIN || at.seconds_since(since) < REST_AFTER_S {
            return None;
        }
        if let Some((rest, left_at)) = self.left
            && since.seconds_since(left_at) < RETURN_WITHIN_S
            && same_place(&rest.bbox, &reference, px_per_m)
        {
            return Some(rest);
        }
        Some(Rest { since, bbox: reference })
    }
}

/// Whether two boxes are one body that has not moved.
fn same_place(a: &PixelBox, b: &PixelBox, px_per_m: f32) -> bool {
    let (p, q) = (a.centre(), b.centre());
    let drift = (p.x - q.x).hypot(p.y - q.y) - JITTER_PX;
    drift < DRIFT_MAX_M * px_per_m && forgiving_iou(a, b) > IOU_MIN
}

/// IoU of `a` with `b` after each edge of `b` came up to [`JITTER_PX`] nearer to that of `a`.
pub(crate) fn forgiving_iou(a: &PixelBox, b: &PixelBox) -> f32 {
    let nearer = |from: f32, to: f32| from + (to - from).clamp(-JITTER_PX, JITTER_PX);
    let b = PixelBox::from_corners(nearer(b.x, a.x), nearer(b.y, a.y), nearer(b.right(), a.right()), nearer(b.bottom(), a.bottom()));
    a.iou(&b)
}

fn blend(a: &PixelBox, b: &PixelBox, part_of_b: f32) -> PixelBox {
    let mix = |a: f32, b: f32| a + (b - a) * part_of_b;
    PixelBox::new(mix(a.x, b.x), mix(a.y, b.y), mix(a.w, b.w), mix(a.h, b.h))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Boxes at `fps` for `seconds`; gives `since` after each look.
    fn watch(fps: f64, seconds: f64, px_per_m: f32, bbox_at: impl Fn(f64) -> Option<PixelBox>) -> Vec<(f64, Option<f64>)> {
        let mut stillness = Stillness::new();
        (0..(seconds * fps) as i64)
            .map(|look| {
                let t = look as f64 / fps;
                if let Some(bbox) = bbox_at(t) {
                    stillness.see(MediaTime::from_secs_f64(t), &bbox, px_per_m);
                }
                (t, stillness.since().map(MediaTime::as_secs_f64))
            })
            .collect()
    }

    /// Repeatable jitter of `px` on every edge.
    fn jittered(bbox: PixelBox, t: f64, px: f64) -> PixelBox {
        let wave = |k: f64| ((t * 977.0 * k).sin() * 43_758.545).fract().mul_add(px, 0.0) as f32;
        PixelBox::from_corners(bbox.x + wave(1.0), bbox.y + wave(2.3), bbox.right() + wave(3.1), bbox.bottom() + wave(4.7))
    }

    #[test]
    fn a_small_jittering_box_stays_still_from_the_start() {
        for fps in [25.0, 5.0, 2.0, 0.1] {
            let seconds = if fps < 1.0 { 600.0 } else { 60.0 };
            let seen = watch(fps, seconds, 8.0, |t| Some(jittered(PixelBox::new(100.0, 50.0, 14.0, 8.0), t, 2.0)));
            for (t, since) in seen.iter().filter(|(t, _)| *t >= 20.0) {
                assert!(since.is_some_and(|since| since < 1.0), "{fps} fps at {t}: {since:?}");
            }
        }
    }

    #[test]
    fn rest_is_told_within_seconds_and_dated_back() {
        let walker = |t: f64| PixelBox::new(100.0 + 36.0 * t.min(10.0) as f32, 100.0, 20.0, 51.0);
        for fps in [25.0, 5.0, 2.0] {
            let seen = watch(fps, 20.0, 30.0, |t| Some(walker(t)));
            assert!(seen.iter().filter(|(t, _)| *t < 10.0).all(|(_, since)| since.is_none()), "{fps}");
            let (told, since) = seen.iter().find_map(|(t, since)| since.map(|since| (*t, since))).expect("comes to rest");
            assert!((9.0..10.6).contains(&since) && told < 14.0, "{fps} fps: told {told}, since {since}");
        }
    }

    #[test]
    fn getting_up_and_going_is_motion_within_two_seconds() {
        let person = |t: f64| match t {
            t if t < 40.0 => PixelBox::new(100.0, 130.0, 51.0, 20.0),
            t => PixelBox::new(115.0 + 36.0 * (t - 40.0) as f32, 100.0, 20.0, 51.0),
        };
        for fps in [25.0, 5.0, 2.0] {
            let seen = watch(fps, 60.0, 30.0, |t| Some(person(t)));
            assert!(seen.iter().filter(|(t, _)| (5.0..40.0).contains(t)).all(|(_, since)| since == &Some(0.0)));
            assert!(seen.iter().filter(|(t, _)| *t > 42.0).all(|(_, since)| since.is_none()), "{fps}");
        }
    }

    #[test]
    fn misses_and_a_moments_wrong_box_do_not_end_a_rest() {
        let lying = PixelBox::new(100.0, 130.0, 51.0, 20.0);
        let merged = PixelBox::new(90.0, 90.0, 61.0, 60.0);
        let seen = watch(5.0, 120.0, 30.0, |t| match t {
            t if (60.0..60.7).contains(&t) => Some(merged),
            // Hidden and split for longer than a moment: back on the old place afterwards.
            t if (80.0..84.0).contains(&t) => Some(merged),
            t => ((t * 5.0).round() as i64 % 5 < 2).then_some(lying),
        });
        for (t, since) in seen.iter().filter(|(t, _)| *t > 10.0 && !(80.0..90.0).contains(t)) {
            assert_eq!(*since, Some(0.0), "at {t}");
        }
    }

    /// A camera sways by two thirds of him and back, every ten seconds.
    #[test]
    fn who_lies_at_the_edge_of_a_picture_that_sways_is_still() {
        let (size, px_per_m) = (PictureSize::new(640, 480), 25.0);
        for uncut in [true, false] {
            let mut stillness = Stillness::new();
            let mut gone = 0.0_f32;
            for look in 0..120_u32 {
                let at = MediaTime::from_secs_f64(f64::from(look));
                let next = if look < 10 { 0.0 } else { 14.0 * (1.0 - (f64::from(look - 10) * 0.628).cos() as f32) };
                stillness.carry(|place| PixelBox { y: place.y + next - gone, ..*place });
                gone = next;
                let seen = PixelBox::new(300.0, 438.0 + gone, 20.0, 40.0).clipped(size);
                let seen = if uncut { stillness.uncut(&seen, size, px_per_m) } else { seen };
                stillness.see(at, &seen, px_per_m);
            }
            assert_eq!(stillness.since() == Some(MediaTime::ZERO), uncut, "{:?}", stillness.since());
        }
    }

    /// Whoever crawls out of the picture is cut by its edge, too.
    #[test]
    fn who_leaves_over_the_edge_is_not_still() {
        let (size, px_per_m) = (PictureSize::new(640, 480), 25.0);
        let mut stillness = Stillness::new();
        for look in 0..30_u32 {
            let out = 4.0 * look.saturating_sub(20) as f32;
            let seen = PixelBox::new(300.0, 438.0 + out, 20.0, 40.0).clipped(size);
            stillness.see(MediaTime::from_secs_f64(f64::from(look)), &stillness.uncut(&seen, size, px_per_m), px_per_m);
        }
        assert!(stillness.since().is_none_or(|since| since.as_secs_f64() > 20.0), "{:?}", stillness.since());
    }

    #[test]
    fn creeping_is_not_rest() {
        // 0.25 m/s at 30 px/m.
        let seen = watch(5.0, 60.0, 30.0, |t| Some(PixelBox::new(100.0 + 7.5 * t as f32, 130.0, 51.0, 20.0)));
        assert!(seen.iter().all(|(t, since)| since.is_none_or(|since| t - since < 8.0)));
    }
}
