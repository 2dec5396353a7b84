//! A look from beginning to end: which track goes on, which is lost, which begins and which has ended.
//!
//! Sure detections are paired with all tracks first, unsure ones with what is left of the confirmed ones (ByteTrack: Zhang et al., ECCV 2022);
//! what is left of the sure ones begins new tracks. Beside a network a warm region has a part of its score among people; what is sure to `hot-spot` alone is
//! followed all the same, by tracks of its own, for networks miss many of those who lie.

use crate::assignment::Solver;
use crate::association::{UNPAIRED_COST, cost, part_inside, setting_off_cost, unsure_cost};
use crate::live::Live;
use patrol_core::{Detection, MediaTime, PictureSize, PictureTransform, PixelBox, Track, TrackId, TrackStage};
use std::time::Duration;

/// What a tracker may be told; the rest are constants of nature or of geometry and stand where they are used.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerConfig {
    /// Detections of at least this score, 0–1, begin and continue tracks. The lowest score at which our detectors are run by default.
    pub high_score: f32,
    /// Detections of at least this score continue a confirmed track at its place. ByteTrack's 0.1.
    pub low_score: f32,
    /// Hits in the last five looks that confirm a track.
    pub confirm_hits: u32,
    /// After a longer gap between looks no speed is carried: only the place associates. A walker's speed is no longer his after so long.
    pub carry_velocity_max: Duration,
    /// How long a moving track is kept without being seen. As long as its speed is worth something.
    pub keep_moving: Duration,
    /// How long a track that was still is kept without being seen, at most: he keeps his clock behind a parked van.
    pub keep_still: Duration,
    /// It is kept so many times as long as it was still before: one who waited for a moment is not waited for long.
    pub keep_still_factor: f32,
    /// A track that was still is kept at least so many looks, however rare they are.
    pub keep_still_looks: u32,
    /// How long a track is kept, at most and unless it is held, whose place the camera has left: it is found again when the camera comes back. As long as small errors of
    /// the camera's motion do not add up to a person's width.
    pub keep_out_of_view: Duration,
    /// A tentative track with more than this part inside a confirmed one is not confirmed: one person flickering in two boxes.
    pub inside_part: f32,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            high_score: 0.3,
            low_score: 0.1,
            confirm_hits: 3,
            carry_velocity_max: Duration::from_secs(2),
            keep_moving: Duration::from_secs(2),
            keep_still: Duration::from_mins(1),
            keep_still_factor: 3.0,
            keep_still_looks: 3,
            keep_out_of_view: Duration::from_secs(10),
            inside_part: 0.8,
        }
    }
}

/// A confirmed track that is no longer kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedTrack {
    pub track: Track,
    /// It last moved, by itself, towards the picture's edge and was about to cross it. False also when its speed was not known, or the camera
    /// turned away.
    pub walked_out: bool,
    /// The camera turned or flew away from where it was last seen: nothing is known of it since, least of all that it has left.
    pub out_of_view: bool,
    /// It was one person's second box; this is the track that goes on.
    pub merged_into: Option<TrackId>,
}

/// Overlap of two confirmed tracks that is one person with two boxes.
const SAME_IOU: f32 = 0.7;
/// How long a confirmed track may lie inside another before it is taken for its second box.
const SECOND_BOX_AFTER: Duration = Duration::from_secs(4);
/// Seen less often than this, the inner one flickers; a second person behind the first is seen steadily.
const SECOND_BOX_HIT_PART: f32 = 0.5;
/// Still for so long it is somebody who lies there, whoever stands before him: never taken for a second box.
const OWN_PLACE_S: f64 = 20.0;
/// A track still for so long does not set off between two looks and become a walker.
pub(crate) const SET_OFF_STILL_MAX_S: f64 = 60.0;
/// A box larger than so many pictures, or as far outside, is no box.
const BOX_MAX_PICTURES: f32 = 2.0;
const SIDE_MIN_PX: f32 = 0.5;

/// The tracks of one camera.
#[derive(Debug)]
pub struct Tracker {
    config: TrackerConfig,
    next_id: u64,
    /// Time of the last look.
    now: Option<MediaTime>,
    restarted: bool,
    /// Ordered by id.
    live: Vec<Live>,
    shown: Vec<Track>,
    ended: Vec<EndedTrack>,
    /// Tracks that the camera's motion left without a place since the last update.
    placeless: Vec<EndedTrack>,
    scratch: Scratch,
}

/// Buffers kept from look to look.
#[derive(Debug, Default)]
struct Scratch {
    solver: Solver,
    costs: Vec<f32>,
    rows: Vec<usize>,
    high: Vec<usize>,
    low: Vec<usize>,
    /// Warm regions that no network confirms: of too low a score among people, and sure to `hot-spot` alone.
    lone: Vec<usize>,
    /// Detection of each track.
    pair: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Copy)]
enum Columns {
    Sure,
    Unsure,
    Lone,
}

impl Tracker {
    /// `first_id`: number of the first track, above all that this camera ever gave.
    pub fn new(config: TrackerConfig, first_id: u64) -> Self {
        Self {
            config,
            next_id: first_id,
            now: None,
            restarted: false,
            live: Vec::new(),
            shown: Vec::new(),
            ended: Vec::new(),
            placeless: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Number of the next new track.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    /// The same tracks for another time when the camera looks here again; buffers are not copied.
    #[must_use]
    pub fn parked(&self) -> Self {
        Self {
            config: self.config.clone(),
            next_id: self.next_id,
            now: self.now,
            restarted: self.restarted,
            live: self.live.clone(),
            shown: Vec::new(),
            ended: Vec::new(),
            placeless: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Numbers below `id` were given elsewhere.
    pub fn skip_to(&mut self, id: u64) {
        self.next_id = self.next_id.max(id);
    }

    /// Tracks that ended in the last update. Tentative ones end without a word.
    pub fn ended(&self) -> &[EndedTrack] {
        &self.ended
    }

    /// Time jumped or the scene changed at once: velocities restart, only the place associates in the next look, and so does stillness but for
    /// those of whom `stays` is known by other evidence.
    pub fn restart_motion(&mut self, stays: impl Fn(TrackId) -> bool) {
        self.restarted = true;
        for live in &mut self.live {
            if stays(live.track.id) {
                live.stop();
            } else {
                live.restart_motion();
            }
        }
    }

    /// Says which confirmed tracks are kept however long they are not seen, because somebody watches their places. Holds until it is said anew.
    pub fn hold(&mut self, is_held: impl Fn(TrackId) -> bool) {
        for live in &mut self.live {
            live.held = !live.is_tentative() && is_held(live.track.id);
        }
    }

    /// Ends a track at once and without a word: its place was seen empty. `None`: there is none such.
    pub fn release(&mut self, id: TrackId) -> Option<Track> {
        let index = self.live.iter().position(|live| live.track.id == id)?;
        Some(self.live.remove(index).track)
    }

    /// Takes a track up again that rested at `bbox` before this tracker began, held and not seen at present.
    pub fn take_up(&mut self, track: &Track, bbox: &PixelBox, pixels_per_metre: Option<f32>) {
        self.next_id = self.next_id.max(track.id.0 + 1);
        let at = self.live.partition_point(|live| live.track.id < track.id);
        self.live.insert(at, Live::resting(track, bbox, pixels_per_metre));
    }

    /// Whoever track `id` follows now is somebody else, who walked off from where `before` rests at `bbox`: he gets a new id, which is
    /// given, and `id` rests there again.
    pub fn put_back(&mut self, before: &Track, bbox: &PixelBox, pixels_per_metre: Option<f32>) -> Option<TrackId> {
        let walker = self.live.iter_mut().find(|live| live.track.id == before.id)?;
        let fresh = TrackId(self.next_id);
        self.next_id += 1;
        walker.track.id = fresh;
        walker.held = false;
        self.live.sort_by_key(|live| live.track.id);
        self.take_up(before, bbox, pixels_per_metre);
        Some(fresh)
    }

    /// Track `by` is who `id` was, at his place: it goes on as `id`, with its clocks. `false`: one of the two is not there.
    pub fn succeed(&mut self, id: TrackId, by: TrackId) -> bool {
        let index_of = |live: &[Live], id| live.iter().position(|live| live.track.id == id);
        let (Some(old), Some(_)) = (index_of(&self.live, id), index_of(&self.live, by)) else { return false };
        let before = self.live.remove(old);
        let Some(new) = self.live.iter_mut().find(|live| live.track.id == by) else { return false };
        new.take_over(&before);
        self.live.sort_by_key(|live| live.track.id);
        true
    }

    /// All live tracks as of the last update, ordered by id, with what was changed since.
    pub fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.live.iter().map(|live| &live.track)
    }

    /// The camera moved between the last look and the next: carries every track's place, speed, rest and way over into the picture of now, so
    /// that all of them are measured in the scene. To be called before [`Self::update`] with that picture.
    pub fn carry(&mut self, now_from_before: &PictureTransform) {
        let Self { live, placeless, .. } = self;
        live.retain_mut(|live| {
            let kept = live.carry(now_from_before);
            if !kept {
                lay_down(live, placeless);
            }
            kept
        });
    }

    /// The camera moved and nobody knows how: no place means anything any more. All tracks end with the next update as out of view.
    pub fn lose_places(&mut self) {
        let Self { live, placeless, .. } = self;
        for live in live.drain(..) {
            lay_down(&live, placeless);
        }
    }

    /// One look at `at`. Gives all live tracks after it, ordered by id.
    ///
    /// `pixels_per_metre` gives the scale at a box when the camera's view is known; otherwise the long side of a box is taken for 1.7 m.
    /// Boxes that are not finite, smaller than half a pixel, or absurdly large or far outside a picture of `size` are passed over. A time
    /// before that of the last look counts as a jump ([`Self::restart_motion`]).
    pub fn update(
        &mut self,
        at: MediaTime,
        size: PictureSize,
        detections: &[Detection],
        pixels_per_metre: &dyn Fn(&PixelBox) -> Option<f32>,
    ) -> &[Track] {
        self.ended.clear();
        self.ended.append(&mut self.placeless);
        let (dt, place_only) = self.pass_time(at);
        self.sort_by_score(size, detections);
        self.scratch.pair.clear();
        self.scratch.pair.resize(self.live.len(), None);
        self.pair_sure(size, detections, place_only);
        if !place_only {
            self.pair_setting_off(at, detections, dt);
        }
        self.pair_unsure(size, detections);
        self.pair_lone(size, detections, place_only);
        self.settle(at, size, detections, pixels_per_metre);
        self.begin(at, detections, pixels_per_metre);
        self.watch_second_boxes(at);
        self.retire(at, size);
        self.shown.clear();
        self.shown.extend(self.live.iter().map(|live| live.track.clone()));
        &self.shown
    }

    /// Moves every track on to `at`. Gives the seconds passed and whether only the place associates.
    fn pass_time(&mut self, at: MediaTime) -> (f32, bool) {
        if self.now.is_some_and(|now| at < now) {
            self.restart_motion(|_| false);
            for Live { track, .. } in &mut self.live {
                track.first_seen = track.first_seen.min(at);
                track.last_seen = track.last_seen.min(at);
            }
        }
        let passed = self.now.map_or(Duration::ZERO, |now| at.since(now));
        self.now = Some(at);
        let place_only = std::mem::take(&mut self.restarted) || passed > self.config.carry_velocity_max;
        let dt = passed.as_secs_f32();
        for live in &mut self.live {
            live.unseen_s = at.seconds_since(live.track.last_seen) as f32;
            if place_only || at.since(live.track.last_seen) > self.config.carry_velocity_max {
                live.stop();
            } else {
                let hidden_at_his_place = live.is_still() && live.missed > 0;
                live.filter.predict(dt, live.px_per_m, hidden_at_his_place);
            }
        }
        (dt, place_only)
    }

    fn sort_by_score(&mut self, size: PictureSize, detections: &[Detection]) {
        let Scratch { high, low, lone, .. } = &mut self.scratch;
        high.clear();
        low.clear();
        lone.clear();
        for (index, detection) in detections.iter().enumerate() {
            if !is_box(&detection.bbox, size) {
                continue;
            }
            if detection.score >= self.config.high_score {
                high.push(index);
                continue;
            }
            if detection.score >= self.config.low_score {
                low.push(index);
            }
            if detection.blob.is_some_and(|blob| !detection.resolved && blob.score >= self.config.high_score) {
                lone.push(index);
            }
        }
    }

    fn pair_sure(&mut self, size: PictureSize, detections: &[Detection], place_only: bool) {
        let Self { live, scratch, .. } = self;
        scratch.rows.clear();
        scratch.rows.extend(0..live.len());
        scratch.pair_rows(Columns::Sure, |row, column| cost(&live[row], &detections[column], place_only, size));
    }

    /// Somebody who stood still walks on: at two looks a second he no longer overlaps his place.
    fn pair_setting_off(&mut self, at: MediaTime, detections: &[Detection], dt: f32) {
        let Self { live, scratch, .. } = self;
        scratch.rows.clear();
        for (index, live) in live.iter().enumerate() {
            let free = scratch.pair[index].is_none();
            if free && live.is_still() && !live.is_tentative() && live.missed == 0 && live.still_s(at) < SET_OFF_STILL_MAX_S {
                scratch.rows.push(index);
            }
        }
        scratch.pair_rows(Columns::Sure, |row, column| setting_off_cost(&live[row], &detections[column], dt));
    }

    fn pair_unsure(&mut self, size: PictureSize, detections: &[Detection]) {
        let Self { live, scratch, .. } = self;
        scratch.rows.clear();
        for (index, live) in live.iter().enumerate() {
            if scratch.pair[index].is_none() && !live.is_tentative() {
                scratch.rows.push(index);
            }
        }
        scratch.pair_rows(Columns::Unsure, |row, column| unsure_cost(&live[row], &detections[column], size));
    }

    /// What is left of the warm regions that no network confirms, with tracks that rest on such regions themselves: their boxes are of another kind, and would
    /// make one whom a network sees now and then seem to move.
    fn pair_lone(&mut self, size: PictureSize, detections: &[Detection], place_only: bool) {
        let Self { live, scratch, .. } = self;
        let Scratch { lone, pair, rows, .. } = scratch;
        lone.retain(|index| !pair.contains(&Some(*index)));
        rows.clear();
        rows.extend((0..live.len()).filter(|index| pair[*index].is_none() && !live[*index].track.resolved));
        scratch.pair_rows(Columns::Lone, |row, column| cost(&live[row], &detections[column], place_only, size));
    }

    fn settle(&mut self, at: MediaTime, size: PictureSize, detections: &[Detection], pixels_per_metre: &dyn Fn(&PixelBox) -> Option<f32>) {
        for (live, pair) in self.live.iter_mut().zip(&self.scratch.pair) {
            match pair {
                Some(index) => {
                    let detection = &detections[*index];
                    live.hit(at, size, detection, pixels_per_metre(&detection.bbox), self.config.confirm_hits);
                }
                None => live.miss(size),
            }
        }
    }

    /// What is left of the sure detections begins new tracks, unless it is a second box of a track that was just seen; so does a warm region that no network
    /// confirms, unless it is the warm part of one whom a network saw lately.
    fn begin(&mut self, at: MediaTime, detections: &[Detection], pixels_per_metre: &dyn Fn(&PixelBox) -> Option<f32>) {
        let Scratch { high, lone, .. } = &self.scratch;
        let begins = high.iter().map(|index| (*index, false)).chain(lone.iter().map(|index| (*index, true)));
        for (index, is_lone) in begins {
            let detection = &detections[index];
            let second = self.live.iter().any(|live| {
                let is_seen = live.track.stage == TrackStage::Confirmed || (is_lone && live.track.stage == TrackStage::Lost);
                is_seen && part_inside(&detection.bbox, &live.track.bbox) > self.config.inside_part
            });
            if !second {
                self.live.push(Live::new(TrackId(self.next_id), at, detection, pixels_per_metre(&detection.bbox)));
                self.next_id += 1;
            }
        }
    }

    /// Notes which tracks lie inside another that was just seen, and ends those that are its second box.
    fn watch_second_boxes(&mut self, at: MediaTime) {
        let mut index = 0;
        while index < self.live.len() {
            let inner = &self.live[index];
            let around = self
                .live
                .iter()
                .enumerate()
                .find(|(other, outer)| *other != index && outer.missed == 0 && self.holds(outer, *other, inner, index));
            let Some((_, outer)) = around else {
                self.live[index].inside_since = None;
                index += 1;
                continue;
            };
            let outer_id = outer.track.id;
            let same = outer.track.bbox.iou(&inner.track.bbox) > SAME_IOU;
            let since = inner.inside_since.unwrap_or(at);
            // Whose place is under watch is found there again when whoever stands before him goes.
            let flickers = same || (!inner.held && inner.recent_hit_part() < SECOND_BOX_HIT_PART);
            let second_box = !inner.is_tentative() && flickers && inner.still_s(at) < OWN_PLACE_S && at.since(since) >= SECOND_BOX_AFTER;
            if second_box {
                let ended = self.live.remove(index);
                self.ended.push(EndedTrack { track: ended.track, walked_out: false, out_of_view: false, merged_into: Some(outer_id) });
            } else {
                self.live[index].inside_since = Some(since);
                index += 1;
            }
        }
    }

    /// Whether `inner` may be the second box of `outer`: it lies inside it, or the two are as good as equal and `outer` is the elder.
    fn holds(&self, outer: &Live, outer_index: usize, inner: &Live, inner_index: usize) -> bool {
        let (o, i) = (&outer.track.bbox, &inner.track.bbox);
        let elder = outer_index < inner_index;
        if o.iou(i) > SAME_IOU { elder } else { i.area() < o.area() && part_inside(i, o) > self.config.inside_part }
    }

    fn retire(&mut self, at: MediaTime, size: PictureSize) {
        let Self { live, ended, config, .. } = self;
        live.retain(|live| {
            if live.missed == 0 || live.held {
                return true;
            }
            if live.is_tentative() {
                return !live.is_false_alarm();
            }
            let unseen = at.since(live.track.last_seen);
            let out_of_view = live.is_out_of_view(size);
            let keep = if out_of_view && unseen > config.keep_out_of_view {
                false
            } else if live.is_still() {
                let still = live.still_before_lost().mul_f32(config.keep_still_factor);
                unseen <= still.max(config.keep_moving).min(config.keep_still) || live.missed < config.keep_still_looks
            } else {
                unseen <= config.keep_moving && !live.is_outside(size)
            };
            if !keep {
                ended.push(EndedTrack { track: live.track.clone(), walked_out: live.walked_out(size), out_of_view, merged_into: None });
            }
            keep
        });
    }
}

/// Ends a track whose place is not known any more; tentative ones end without a word.
fn lay_down(live: &Live, placeless: &mut Vec<EndedTrack>) {
    if !live.is_tentative() {
        placeless.push(EndedTrack { track: live.track.clone(), walked_out: false, out_of_view: true, merged_into: None });
    }
}

impl Scratch {
    /// Pairs the tracks of `rows` with the detections of a kind that are left, and takes those out.
    fn pair_rows(&mut self, columns: Columns, cost: impl Fn(usize, usize) -> f32) {
        let Self { solver, costs, rows, high, low, lone, pair } = self;
        let columns = match columns {
            Columns::Sure => high,
            Columns::Unsure => low,
            Columns::Lone => lone,
        };
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        costs.clear();
        for &row in rows.iter() {
            // A pair that is dearer than none is given the price of none, so that it is no reason to break a good one.
            costs.extend(columns.iter().map(|&column| cost(row, column).min(UNPAIRED_COST)));
        }
        let width = columns.len();
        for (r, column) in solver.solve(costs, rows.len(), width).iter().enumerate() {
            if let Some(c) = column
                && costs[r * width + c] < UNPAIRED_COST
            {
                pair[rows[r]] = Some(columns[*c]);
            }
        }
        columns.retain(|column| !pair.contains(&Some(*column)));
    }
}

/// Whether a detector's box can be one of a picture of `size`.
fn is_box(bbox: &PixelBox, size: PictureSize) -> bool {
    let (w, h) = (size.width.max(1) as f32 * BOX_MAX_PICTURES, size.height.max(1) as f32 * BOX_MAX_PICTURES);
    bbox.is_finite()
        && (SIDE_MIN_PX..=w).contains(&bbox.w)
        && (SIDE_MIN_PX..=h).contains(&bbox.h)
        && (-w..=w).contains(&bbox.x)
        && (-h..=h).contains(&bbox.y)
}
