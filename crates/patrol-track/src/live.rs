//! One track between two looks.

use crate::filter::BoxFilter;
use crate::stillness::{JITTER_PX, Stillness};
use crate::tracker::SET_OFF_STILL_MAX_S;
use patrol_core::view::UPRIGHT_HEIGHT_M;
use patrol_core::{Detection, MediaTime, PictureSize, PictureTransform, PixelBox, Track, TrackId, TrackStage};
use std::time::Duration;

/// Confirmed by so many hits in the last [`CONFIRM_WINDOW`] looks: a false alarm seldom comes three times to one place.
const CONFIRM_WINDOW: u32 = 5;
/// Tentative and missed so often in a row: it was a false alarm.
const TENTATIVE_MISSES_MAX: u32 = 3;
/// Nearer to the edge than this part of the picture's side, or than half a step, is at the edge.
const EDGE_PART: f32 = 0.02;
/// Slower than this towards the edge is not walking out, m/s.
const WALK_OUT_M_S: f32 = 0.3;
/// A corrected box that still fits the detection no better than this was expected wrongly.
const SURPRISE_IOU: f32 = 0.8;
/// Less of the box than this inside the picture is outside.
const OUTSIDE_PART: f32 = 0.5;
/// Nothing comes so much nearer or farther between two looks that it is still the same place.
const CARRIED_SCALE_MAX: f32 = 4.0;
/// The step of a camera that has not moved.
const AS_IT_WAS: [[f32; 2]; 2] = [[1.0, 0.0], [0.0, 1.0]];
/// How long after his last look a walker may have crossed the edge, seconds.
const WALK_OUT_AHEAD_S: f32 = 0.6;

#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) track: Track,
    pub(crate) filter: BoxFilter,
    pub(crate) stillness: Stillness,
    /// Pixels per metre at the box.
    pub(crate) px_per_m: f32,
    /// One bit a look since birth, the newest lowest.
    window: u32,
    /// Looks missed in a row.
    pub(crate) missed: u32,
    /// Seconds since it was last matched, as of the look that is being made.
    pub(crate) unseen_s: f32,
    /// Smoothed box when it was last matched, at its place in the picture of now.
    pub(crate) last_box: PixelBox,
    /// Seconds between the two looks in which it was last matched, or 0.
    last_step_s: f32,
    /// The same box, and its velocity (px/s), in the picture in which it was matched.
    seen_box: PixelBox,
    seen_velocity: (f32, f32),
    /// Since when it has lain inside another track.
    pub(crate) inside_since: Option<MediaTime>,
    /// Somebody watches its place: it is kept however long it is not seen.
    pub(crate) held: bool,
}

impl Live {
    pub(crate) fn new(id: TrackId, at: MediaTime, detection: &Detection, known_px_per_m: Option<f32>) -> Self {
        let bbox = detection.bbox;
        let px_per_m = px_per_m(known_px_per_m, &bbox);
        let filter = BoxFilter::new(&bbox, px_per_m);
        let mut stillness = Stillness::new();
        stillness.see(at, &bbox, px_per_m);
        Self {
            track: Track {
                id,
                stage: TrackStage::Tentative,
                bbox: filter.bbox(),
                score: detection.score,
                score_mean: detection.score,
                source: detection.source,
                resolved: detection.resolved,
                blob: detection.blob,
                first_seen: at,
                last_seen: at,
                hits: 1,
                looks: 1,
                still_since: None,
                speed_px_s: 0.0,
                entered_at: bbox.centre(),
            },
            filter,
            stillness,
            px_per_m,
            window: 1,
            missed: 0,
            unseen_s: 0.0,
            last_box: filter.bbox(),
            last_step_s: 0.0,
            seen_box: filter.bbox(),
            seen_velocity: (0.0, 0.0),
            inside_since: None,
            held: false,
        }
    }

    /// A confirmed track that is not seen at present and rests at `bbox`.
    pub(crate) fn resting(track: &Track, bbox: &PixelBox, known_px_per_m: Option<f32>) -> Self {
        let px_per_m = px_per_m(known_px_per_m, bbox);
        let filter = BoxFilter::new(bbox, px_per_m);
        let stillness = track.still_since.map_or_else(Stillness::new, |since| Stillness::resting(since, bbox));
        Self {
            track: Track { stage: TrackStage::Lost, bbox: filter.bbox(), speed_px_s: 0.0, ..track.clone() },
            filter,
            stillness,
            px_per_m,
            window: 0,
            missed: 1,
            unseen_s: 0.0,
            last_box: filter.bbox(),
            last_step_s: 0.0,
            seen_box: filter.bbox(),
            seen_velocity: (0.0, 0.0),
            inside_since: None,
            held: true,
        }
    }

    pub(crate) fn is_tentative(&self) -> bool {
        self.track.stage == TrackStage::Tentative
    }

    pub(crate) fn is_still(&self) -> bool {
        self.track.still_since.is_some()
    }

    /// How long it has been still, seconds.
    pub(crate) fn still_s(&self, at: MediaTime) -> f64 {
        self.track.still_since.map_or(0.0, |since| at.seconds_since(since))
    }

    /// How long it had been still when it was last seen.
    pub(crate) fn still_before_lost(&self) -> Duration {
        self.track.still_since.map_or(Duration::ZERO, |since| self.track.last_seen.since(since))
    }

    /// It is expected where it was last seen, at no known speed. How it moved then is still remembered.
    pub(crate) fn stop(&mut self) {
        self.filter.stop_at(&self.last_box, self.px_per_m);
    }

    /// Nothing is known any more of how it moved.
    pub(crate) fn restart_motion(&mut self) {
        self.stop();
        self.stillness.restart();
        self.track.still_since = None;
        self.seen_velocity = (0.0, 0.0);
    }

    /// The camera moved: all that is remembered of places is carried over into its picture of now. `false`: they have no place in it.
    pub(crate) fn carry(&mut self, now_from_before: &PictureTransform) -> bool {
        let expected = self.filter.bbox();
        let carried = now_from_before.bbox(&expected).zip(now_from_before.bbox(&self.last_box));
        let (Some((bbox, last_box)), Some(step)) = (carried, now_from_before.step(expected.centre())) else { return false };
        let (Some(entered_at), Some(scale)) = (now_from_before.point(self.track.entered_at), now_from_before.scale(expected.centre()))
        else {
            return false;
        };
        let sound = bbox.is_finite() && last_box.is_finite() && (1.0 / CARRIED_SCALE_MAX..=CARRIED_SCALE_MAX).contains(&scale);
        if !sound {
            return false;
        }
        self.filter.carry(&bbox, step);
        self.last_box = last_box;
        // A bin or rest of a place beyond the horizon is nearer to none than to where it was; it stays behind and does not agree any more.
        self.stillness.carry(|place| now_from_before.bbox(place).unwrap_or(*place));
        self.px_per_m *= scale;
        self.track.entered_at = entered_at;
        self.show();
        true
    }

    /// It was matched in a look at a picture of `size`.
    pub(crate) fn hit(&mut self, at: MediaTime, size: PictureSize, detection: &Detection, known_px_per_m: Option<f32>, confirm_hits: u32) {
        if let Some(cut) = cut_alike(&self.filter.bbox(), &detection.bbox, size) {
            self.filter.carry(&cut, AS_IT_WAS);
        }
        self.filter.correct(&detection.bbox);
        if self.filter.bbox().iou(&detection.bbox) < SURPRISE_IOU {
            // Found again after a turn or from behind something: what is seen counts for more than what was expected.
            self.filter.correct(&detection.bbox);
        }
        let bbox = self.filter.bbox();
        self.px_per_m = px_per_m(known_px_per_m, &bbox);
        let seen = self.stillness.uncut(&detection.bbox, size, self.px_per_m);
        self.stillness.see(at, &seen, self.px_per_m);
        self.window = self.window << 1 | 1;
        self.missed = 0;
        self.last_step_s = at.seconds_since(self.track.last_seen) as f32;
        self.last_box = bbox;
        self.seen_box = bbox;
        self.seen_velocity = self.filter.velocity();
        let track = &mut self.track;
        track.looks += 1;
        track.hits += 1;
        track.score = detection.score;
        track.score_mean += (detection.score - track.score_mean) / track.hits as f32;
        track.source = detection.source;
        track.resolved = detection.resolved;
        track.blob = detection.blob;
        track.last_seen = at;
        track.still_since = self.stillness.since();
        let recent = (self.window & ((1 << CONFIRM_WINDOW) - 1)).count_ones();
        if track.stage == TrackStage::Lost || (recent >= confirm_hits && self.inside_since.is_none()) {
            track.stage = TrackStage::Confirmed;
        }
        self.show();
    }

    /// It goes on as who `before` was, at his place: his name and way, and his rest where the place is the same.
    pub(crate) fn take_over(&mut self, before: &Self) {
        if let (Some(rest), Some(since)) = (before.stillness.resting_box(), before.track.still_since) {
            self.stillness.inherit(since, &rest, self.px_per_m);
            self.track.still_since = self.stillness.since();
        }
        let (track, old) = (&mut self.track, &before.track);
        let hits = old.hits + track.hits;
        track.score_mean = (old.score_mean * old.hits as f32 + track.score_mean * track.hits as f32) / hits.max(1) as f32;
        (track.id, track.first_seen, track.entered_at) = (old.id, old.first_seen.min(track.first_seen), old.entered_at);
        (track.hits, track.looks) = (hits, old.looks + track.looks);
        if track.stage == TrackStage::Tentative {
            track.stage = TrackStage::Confirmed;
        }
        self.held = before.held;
    }

    /// It was not matched in a look at a picture of `size`. A place that is out of view was not looked at.
    pub(crate) fn miss(&mut self, size: PictureSize) {
        self.window <<= 1;
        self.missed += 1;
        self.track.looks += u32::from(!self.is_out_of_view(size));
        if self.missed == 1 && !self.is_out_of_view(size) && self.still_before_lost().as_secs_f64() < SET_OFF_STILL_MAX_S {
            self.stillness.vanish(self.track.last_seen, self.px_per_m);
            self.track.still_since = self.stillness.since();
        }
        if self.track.stage == TrackStage::Confirmed {
            self.track.stage = TrackStage::Lost;
        }
        self.show();
    }

    fn show(&mut self) {
        let (vx, vy) = self.filter.velocity();
        self.track.speed_px_s = vx.hypot(vy);
        self.track.bbox = self.filter.bbox();
    }

    /// In how many of the last looks, at most 16, it was matched: 0–1.
    pub(crate) fn recent_hit_part(&self) -> f32 {
        let looks = self.track.looks.min(16);
        (self.window & ((1 << looks) - 1)).count_ones() as f32 / looks as f32
    }

    /// Whether a tentative track has been missed too often to be anything.
    pub(crate) fn is_false_alarm(&self) -> bool {
        let recent = (self.window & ((1 << CONFIRM_WINDOW) - 1)).count_ones();
        self.is_tentative() && (self.missed >= TENTATIVE_MISSES_MAX || (self.track.looks >= CONFIRM_WINDOW && recent < 2))
    }

    /// Whether it walked out and is by now expected outside the picture for the most part: who comes in there next is somebody else.
    pub(crate) fn is_outside(&self, size: PictureSize) -> bool {
        let bbox = &self.track.bbox;
        self.walked_out(size) && bbox.clipped(size).area() < OUTSIDE_PART * bbox.area()
    }

    /// Whether the camera has turned or flown away from where it was last seen: most of that place is outside the picture, and it was not
    /// when it was seen there.
    pub(crate) fn is_out_of_view(&self, size: PictureSize) -> bool {
        let inside = |bbox: &PixelBox| bbox.clipped(size).area() / bbox.area().max(f32::MIN_POSITIVE);
        self.last_box != self.seen_box && inside(&self.last_box) < OUTSIDE_PART && inside(&self.last_box) < inside(&self.seen_box)
    }

    /// Whether it last moved, by itself, towards the picture's edge and was about to cross it. False if the camera would have lost it anyway.
    pub(crate) fn walked_out(&self, size: PictureSize) -> bool {
        if self.is_still() || self.is_out_of_view(size) {
            return false;
        }
        let (vx, vy) = self.seen_velocity;
        let ahead = self.last_step_s.clamp(0.1, WALK_OUT_AHEAD_S);
        let (w, h) = (size.width as f32, size.height as f32);
        let walking = WALK_OUT_M_S * self.px_per_m;
        let b = &self.seen_box;
        let crosses = |out_speed: f32, room: f32, side: f32| out_speed >= walking && room - out_speed * ahead <= EDGE_PART * side;
        crosses(-vx, b.x, w) || crosses(vx, w - b.right(), w) || crosses(-vy, b.y, h) || crosses(vy, h - b.bottom(), h)
    }
}

/// `expected` as the edge of a picture of `size` cuts what is `seen`; `None` where it cuts nothing, or nothing would be left. Where a box ends at the edge, its end
/// says nothing of how he moves: a camera that flies towards him shows more and more of him, and the middle of that is not where he goes.
fn cut_alike(expected: &PixelBox, seen: &PixelBox, size: PictureSize) -> Option<PixelBox> {
    let (w, h) = (size.width as f32, size.height as f32);
    let end = |is_cut: bool, seen: f32, expected: f32| if is_cut { seen } else { expected };
    let cut = PixelBox::from_corners(
        end(seen.x <= JITTER_PX, seen.x, expected.x),
        end(seen.y <= JITTER_PX, seen.y, expected.y),
        end(seen.right() >= w - JITTER_PX, seen.right(), expected.right()),
        end(seen.bottom() >= h - JITTER_PX, seen.bottom(), expected.bottom()),
    );
    (cut != *expected && cut.w >= JITTER_PX && cut.h >= JITTER_PX).then_some(cut)
}

/// Pixels per metre at a box: as the camera's view says, else as if the long side were a person's height. For one who sits the guess is small, and
/// the drift that counts as motion with it.
pub(crate) fn px_per_m(known: Option<f32>, bbox: &PixelBox) -> f32 {
    known.filter(|scale| scale.is_finite() && *scale > 0.0).unwrap_or_else(|| bbox.w.max(bbox.h) / UPRIGHT_HEIGHT_M).clamp(0.5, 1e4)
}
