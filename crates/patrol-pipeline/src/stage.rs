//! What is remembered of one view of a camera: who is where, since when, how tall people are there, and which places are watched.

use crate::cells::{CellNews, CellState, WatchCell, WatchCells};
use crate::poses::Poses;
use crate::things::Doubts;
use crate::upright::UprightHeights;
use patrol_core::desk::AbsenceKind;
use patrol_core::{
    CameraView, Detection, MediaTime, Picture, PictureSize, PictureTransform, PixelBox, PixelPoint, Posture, Tier, Track, TrackId,
    TrackStage,
};
use patrol_leads::posture::{self, PostureFilter, PostureInput};
use patrol_track::{EndedTrack, Tracker, TrackerConfig};
use patrol_vision::change::{ChangeGuard, PlacePatch, PlaceVerdict, Scenery};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is left each second of how long a box was: a third of it in half a minute, so that who walks away into the distance does not seem to go down.
const FORGOTTEN_PER_S: f32 = 0.965;
/// One who moved and is no longer seen is remembered this long at the place where he vanished.
const WALKER_KEPT: Duration = Duration::from_mins(1);
/// The scenery without people is known after so long: who lies there from the beginning, and is not found at once, is a part of it.
const SCENERY_KNOWN_AFTER: Duration = Duration::from_secs(10);
/// Whoever is found anew at a place where somebody is missing, overlapping it so much, is he.
pub(crate) const SUCCEEDS_IOU: f32 = 0.25;
/// A body that goes down is found again so soon, around where its feet stood, so much lower.
const GOES_DOWN_WITHIN: Duration = Duration::from_secs(10);
const FEET_MARGIN: f32 = 0.25;
const GONE_DOWN_PART: f32 = 0.8;
/// The same where the place has changed too: somebody else may have sat down beside him.
const SUCCEEDS_CHANGED_IOU: f32 = 0.5;

/// Far from all that a camera ever saw.
const ELSEWHERE_PX: f64 = 1e7;

pub(crate) struct Stage {
    /// Number of this view; 0 of a camera that does not turn.
    pub(crate) preset: u32,
    /// The view that this one overlaps, and where its pixels stand there: what both see is one place. Of most views, themselves.
    pub(crate) home: Home,
    /// Whether what the configuration says of the camera's view holds for this one.
    pub(crate) view_holds: bool,
    /// It was sought in another view by all turns between them.
    pub(crate) sought_by_turns: bool,
    pub(crate) tracker: Tracker,
    /// All live tracks after the last look.
    pub(crate) tracks: Vec<Track>,
    pub(crate) upright: UprightHeights,
    pub(crate) memories: BTreeMap<TrackId, TrackMemory>,
    pub(crate) cells: WatchCells,
    pub(crate) change: ChangeGuard,
    pub(crate) poses: Poses,
    /// When it was examined at every scale last.
    pub(crate) in_full_at: Option<MediaTime>,
    scenery: Scenery,
    /// When the scenery began to be learnt.
    scenery_since: Option<MediaTime>,
    /// Where those who moved were last seen, and when; as many as tracks of the last minute.
    pub(crate) walkers: BTreeMap<TrackId, (MediaTime, PixelBox)>,
    /// Where lamps and bonnets are known to be; the oldest goes first.
    pub(crate) fixture_places: Vec<PixelBox>,
    /// Where things are to which somebody walked up; the oldest goes first.
    pub(crate) thing_places: Vec<PixelBox>,
    /// Tracks that ended in this look.
    ended: Vec<EndedTrack>,
    /// What cells said in this look, to be told.
    pub(crate) partings: Vec<(TrackId, AbsenceKind)>,
    /// Where the scenery does not show; a buffer.
    occupied: Vec<PixelBox>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Home {
    pub(crate) preset: u32,
    pub(crate) from_here: PictureTransform,
    /// How the camera had moved there since that view began.
    pub(crate) now_from_begin: PictureTransform,
}

impl Home {
    pub(crate) fn of(preset: u32) -> Self {
        Self { preset, from_here: PictureTransform::IDENTITY, now_from_begin: PictureTransform::IDENTITY }
    }

    /// The same of `preset` once the camera has moved on: what it sees stands at home where it stood. A view that is its own home goes with the camera, and
    /// says how far it has gone.
    fn carried(self, preset: u32, now_from_before: &PictureTransform) -> Self {
        if self.preset == preset {
            let now_from_begin = self.now_from_begin.then(now_from_before);
            // Zoomed so far, all in all, that it cannot be taken back: as if it had gone where nothing of before is near.
            let can_be_undone = PictureTransform::homography(*now_from_begin.rows()).and_then(|there| there.inverse()).is_some();
            let elsewhere = || PictureTransform::shift(self.now_from_begin.rows()[0][2] + ELSEWHERE_PX, 0.0);
            return Self { now_from_begin: if can_be_undone { now_from_begin } else { elsewhere() }, ..self };
        }
        let before_from_now = now_from_before.inverse();
        before_from_now.map_or(Self::of(preset), |before_from_now| Self { from_here: before_from_now.then(&self.from_here), ..self })
    }

    /// How the camera looks here, if `view` is how it looks at home: it has turned and zoomed, and stands where it stood.
    pub(crate) fn view_here(&self, view: &CameraView, size: PictureSize) -> Option<CameraView> {
        let middle = PixelPoint { x: size.width as f32 / 2.0, y: size.height as f32 / 2.0 };
        let (at_home, scale) = (self.from_here.point(middle)?, self.from_here.scale(middle)?);
        let focal_px = view.focal_px(size);
        let (right, below) = ((at_home.x - middle.x) / focal_px, (at_home.y - middle.y) / focal_px);
        let (sin, cos) = view.tilt_deg.to_radians().sin_cos();
        let (ahead, down) = (cos - below * sin, sin + below * cos);
        Some(CameraView {
            height_m: view.height_m,
            tilt_deg: down.atan2(ahead.hypot(right)).to_degrees(),
            heading_deg: view.heading_deg + right.atan2(ahead).to_degrees(),
            hfov_deg: 2.0 * (middle.x * scale / focal_px).atan().to_degrees(),
        })
    }
}

/// What is remembered of one track beyond the tracker.
#[derive(Clone, Default)]
pub(crate) struct TrackMemory {
    pub(crate) filter: PostureFilter,
    pub(crate) posture: Option<Posture>,
    pub(crate) told_posture: Option<Posture>,
    pub(crate) told_tier: Option<Tier>,
    pub(crate) evidence: Option<(MediaTime, Posture, Tier)>,
    /// The main stream was there when evidence was taken of him.
    pub(crate) main_asked: bool,
    /// Clips cut in this posture.
    pub(crate) clips: u32,
    /// It has been a body's length away from where it was first seen.
    pub(crate) moved: bool,
    pub(crate) doubts: Doubts,
    /// He was taken up where he vanished, and has not been found since.
    pub(crate) vanished: bool,
    /// Longer side of his box where he was found last, and the longest of late: what was longer counts a little less each second.
    pub(crate) longest_px: (MediaTime, f32),
}

impl Stage {
    /// `first_track_id` must be above every id given before for this camera.
    pub(crate) fn new(preset: u32, first_track_id: u64) -> Self {
        Self {
            preset,
            home: Home::of(preset),
            view_holds: true,
            sought_by_turns: false,
            tracker: Tracker::new(TrackerConfig::default(), first_track_id),
            tracks: Vec::new(),
            upright: UprightHeights::default(),
            memories: BTreeMap::new(),
            cells: WatchCells::default(),
            change: ChangeGuard::new(),
            poses: Poses::default(),
            in_full_at: None,
            scenery: Scenery::default(),
            scenery_since: None,
            walkers: BTreeMap::new(),
            fixture_places: Vec::new(),
            thing_places: Vec::new(),
            ended: Vec::new(),
            partings: Vec::new(),
            occupied: Vec::new(),
        }
    }

    /// A copy to be kept while the camera looks elsewhere.
    pub(crate) fn parked(&self) -> Self {
        Self {
            preset: self.preset,
            home: self.home,
            view_holds: self.view_holds,
            sought_by_turns: self.sought_by_turns,
            tracker: self.tracker.parked(),
            tracks: self.tracks.clone(),
            upright: self.upright.clone(),
            memories: self.memories.clone(),
            cells: self.cells.clone(),
            change: ChangeGuard::new(),
            poses: Poses::default(),
            in_full_at: self.in_full_at,
            scenery: self.scenery.clone(),
            scenery_since: self.scenery_since,
            walkers: BTreeMap::new(),
            fixture_places: self.fixture_places.clone(),
            thing_places: self.thing_places.clone(),
            ended: Vec::new(),
            partings: Vec::new(),
            occupied: Vec::new(),
        }
    }

    /// Takes up a watched place, and whoever is watched there, from before this stage began; media times are `later_ns` later now.
    pub(crate) fn take_up(&mut self, mut cell: WatchCell, later_ns: i64, memory: TrackMemory) {
        cell.shift(later_ns);
        self.tracker.take_up(cell.at_rest(), &cell.place, None);
        self.memories.insert(cell.track, memory);
        self.cells.cells.push(cell);
        self.refresh();
    }

    /// Partings that no look has told of yet.
    pub(crate) fn untold(&mut self) -> Vec<(TrackId, AbsenceKind)> {
        std::mem::take(&mut self.partings)
    }

    /// Whoever was told of and whose track ends with this view.
    pub(crate) fn endings(&self) -> Vec<(TrackId, AbsenceKind)> {
        self.told().map(|track| (track, AbsenceKind::Broke)).collect()
    }

    pub(crate) fn told(&self) -> impl Iterator<Item = TrackId> {
        self.memories.keys().copied()
    }

    /// Partings of another view, still to be told.
    pub(crate) fn inherit(&mut self, partings: Vec<(TrackId, AbsenceKind)>) {
        self.partings.extend(partings);
    }

    /// Time jumped or the scene changed at once: stillness is neither credited nor carried over, but for those whose places `picture` shows as
    /// they were when they were last found there.
    pub(crate) fn restart_motion(&mut self, picture: &Picture) {
        let stay: Vec<TrackId> =
            self.cells.cells.iter().filter(|cell| cell.read(picture).0 == PlaceVerdict::Unchanged).map(|cell| cell.track).collect();
        self.tracker.restart_motion(|id| stay.contains(&id));
        self.poses.forget();
        self.fixture_places.clear();
        self.thing_places.clear();
        self.forget_scenery();
    }

    fn forget_scenery(&mut self) {
        self.change.restart();
        self.scenery.restart();
        self.scenery_since = None;
    }

    /// The camera moved, and it is known how. `other`: all in all the view has become another one.
    pub(crate) fn carry(&mut self, now_from_before: &PictureTransform, other: bool) {
        self.home = self.home.carried(self.preset, now_from_before);
        self.tracker.carry(now_from_before);
        self.cells.carry(now_from_before);
        self.refresh();
        self.poses.carry(now_from_before);
        self.walkers.retain(|_, (_, place)| carried(place, now_from_before));
        self.fixture_places.retain_mut(|place| carried(place, now_from_before));
        self.thing_places.retain_mut(|place| carried(place, now_from_before));
        self.forget_scenery();
        if other {
            self.upright = UprightHeights::default();
            self.in_full_at = None;
            for memory in self.memories.values_mut() {
                memory.longest_px.1 = 0.0;
            }
        }
    }

    /// The camera moved and nobody knows how.
    pub(crate) fn lose_places(&mut self) {
        self.tracker.lose_places();
        self.cells.cells.clear();
        self.poses.forget();
        self.walkers.clear();
        self.fixture_places.clear();
        self.thing_places.clear();
        self.upright = UprightHeights::default();
        self.in_full_at = None;
        self.forget_scenery();
    }

    /// Nobody is here of whom the next look could tell more than that nothing has changed.
    pub(crate) fn is_settled(&self) -> bool {
        // Who has walked up and stands still is called walking until as many looks say otherwise.
        let is_at_rest = |track: &Track| track.still_since.is_some() && self.posture(track.id) != Posture::Walking;
        let is_settled = |track: &Track| self.cells.is_understood(track.id) || is_at_rest(track) && self.is_known_thing(track);
        self.tracks.iter().all(is_settled)
    }

    /// A warm thing that is followed and not told has no cell.
    fn is_known_thing(&self, track: &Track) -> bool {
        track.stage == TrackStage::Confirmed && !self.cells.has(track.id)
    }

    /// Hands the detections of this look to the tracker, judges every confirmed track's posture, and every watched place.
    pub(crate) fn follow(&mut self, picture: &Picture, detections: &[Detection], view: Option<&CameraView>) {
        let size = picture.size();
        let scale = |bbox: &PixelBox| view.and_then(|view| view.pixels_per_metre(bbox.centre(), size));
        let cells = &self.cells;
        self.tracker.hold(|id| cells.has(id));
        self.tracker.update(picture.media_time, size, detections, &scale);
        self.refresh();
        let ended = self.tracker.ended().to_vec();
        self.ended = self.keep_vanished(ended, picture);
        self.refresh();
        self.find_successors(picture);
        self.judge_cells(picture, &scale);
        self.refresh();
        self.judge_postures(picture, view);
        self.learn_scenery(picture, detections);
    }

    fn refresh(&mut self) {
        self.tracks.clear();
        self.tracks.extend(self.tracker.tracks().cloned());
    }

    fn judge_postures(&mut self, picture: &Picture, view: Option<&CameraView>) {
        let (size, now) = (picture.size(), picture.media_time);
        let known_sizes = self.known_sizes(view, size);
        self.walkers.retain(|_, (seen, _)| now.since(*seen) <= WALKER_KEPT);
        for track in self.tracks.iter().filter(|track| track.stage == TrackStage::Confirmed) {
            let foot_row = track.bbox.bottom() / size.height as f32;
            let input = PostureInput {
                track,
                size,
                view,
                learnt_upright_px: self.upright.at(foot_row),
                joints: self.poses.joints(now, &track.bbox),
            };
            let judged = posture::judge(&input);
            if judged.posture == Posture::Walking && track.bbox.bottom() < size.height as f32 - 2.0 {
                self.upright.learn(foot_row, track.bbox.h);
            }
            // A body that goes down often breaks its track: whoever vanished here a moment ago is he.
            let walked_up = !self.memories.contains_key(&track.id)
                && self.walkers.iter().any(|(id, (seen, place))| *id != track.id && *seen < now && near(place, &track.bbox));
            // Unless a thing is here again that was here before he came.
            let walked_up = walked_up && (track.blob.is_some() || !self.is_at_thing(&track.bbox));
            let memory = self.memories.entry(track.id).or_default();
            memory.moved |= walked_up;
            let centre = track.bbox.centre();
            let way_px = (centre.x - track.entered_at.x).hypot(centre.y - track.entered_at.y);
            memory.moved |= way_px > track.bbox.w.max(track.bbox.h);
            memory.doubts.vote(track);
            if track.last_seen == now {
                memory.doubts.found(track, known_sizes, size);
                memory.vanished = false;
                let left = FORGOTTEN_PER_S.powf(now.since(memory.longest_px.0).as_secs_f32());
                memory.longest_px = (now, track.bbox.w.max(track.bbox.h).max(memory.longest_px.1 * left));
            }
            if memory.moved {
                self.walkers.insert(track.id, (now, track.bbox));
            }
            let posture = memory.filter.update(now, judged);
            // Whoever stood and now lies has moved, although on the spot.
            let has_gone_down = posture.is_down() && matches!(memory.posture, Some(Posture::Standing | Posture::Walking));
            memory.moved |= has_gone_down;
            memory.posture = Some(posture);
        }
    }

    /// Whoever is found anew where somebody is missing is he: his clocks go on.
    fn find_successors(&mut self, picture: &Picture) {
        for index in 0..self.cells.cells.len() {
            let cell = &self.cells.cells[index];
            let Some(missing) = self.tracks.iter().find(|track| track.id == cell.track && track.stage == TrackStage::Lost) else {
                continue;
            };
            let fresh = |track: &&Track| {
                track.stage == TrackStage::Confirmed && track.first_seen > cell.at_rest().last_seen && !self.cells.has(track.id)
            };
            let fits =
                |track: &Track| track.bbox.iou(&cell.place).max(if has_gone_down(missing, track) { SUCCEEDS_CHANGED_IOU } else { 0.0 });
            let likest = self.tracks.iter().filter(fresh).max_by(|a, b| fits(a).total_cmp(&fits(b)));
            let Some(by) = likest.filter(|track| fits(track) >= SUCCEEDS_IOU) else { continue };
            let is_he = fits(by) >= SUCCEEDS_CHANGED_IOU || cell.read(picture).0 == PlaceVerdict::Unchanged;
            let (id, by) = (cell.track, by.id);
            if is_he && self.tracker.succeed(id, by) {
                if let Some(memory) = self.memories.remove(&by) {
                    self.memories.entry(id).or_insert(memory);
                }
                self.refresh();
            }
        }
    }

    fn judge_cells(&mut self, picture: &Picture, scale: &dyn Fn(&PixelBox) -> Option<f32>) {
        let now = picture.media_time;
        let is_found = |track: &Track| track.stage == TrackStage::Confirmed && track.last_seen == now;
        let mut index = 0;
        while index < self.cells.cells.len() {
            let cell = &self.cells.cells[index];
            let id = cell.track;
            let Some(track) = self.tracks.iter().find(|track| track.id == id) else {
                self.cells.cells.remove(index);
                continue;
            };
            let beside: Vec<PixelBox> = if is_found(track) {
                Vec::new()
            } else {
                let here = |other: &&Track| is_found(other) && self.cells.has(other.id) && cell.was_beside(other);
                self.tracks.iter().filter(here).map(|other| other.bbox).collect()
            };
            let cell = &mut self.cells.cells[index];
            cell.told |= self.memories.get(&id).is_some_and(|memory| memory.evidence.is_some());
            self.tracks.iter().filter(|other| other.id != id).for_each(|other| cell.watch_leaving(other));
            let others = self.tracks.iter().any(|other| other.id != id && is_found(other));
            let scenery = &self.scenery;
            match cell.judge(picture, track, others, &beside, |place| scenery.patch(place)) {
                CellNews::None => {}
                CellNews::Gone => {
                    self.cells.cells.remove(index);
                    continue;
                }
                CellNews::Stolen => {
                    let (at_rest, place) = (cell.at_rest().clone(), cell.place);
                    if let Some(walker) = self.tracker.put_back(&at_rest, &place, scale(&place)) {
                        self.memories.insert(walker, TrackMemory { moved: true, ..TrackMemory::default() });
                    }
                }
                CellNews::Unjudged => self.partings.push((id, AbsenceKind::Unjudged)),
                news @ (CellNews::SeenEmpty | CellNews::Lost | CellNews::OutOfView) => {
                    self.cells.cells.remove(index);
                    let released = self.tracker.release(id);
                    if news == CellNews::Lost && released.is_some_and(|track| self.keep_if_there(&track, picture)) {
                        self.refresh();
                        continue;
                    }
                    self.memories.remove(&id);
                    let why = if news == CellNews::SeenEmpty { AbsenceKind::SeenEmpty } else { AbsenceKind::Broke };
                    self.partings.push((id, why));
                    continue;
                }
            }
            index += 1;
        }
    }

    fn learn_scenery(&mut self, picture: &Picture, detections: &[Detection]) {
        let people = self.tracks.iter().map(|track| track.bbox).chain(self.cells.cells.iter().map(|cell| cell.place));
        self.occupied.clear();
        self.occupied.extend(people.chain(detections.iter().map(|detection| detection.bbox)));
        self.scenery_since.get_or_insert(picture.media_time);
        self.scenery.learn(picture, &self.occupied);
    }

    /// How a place looked before people came to it, if that is known.
    pub(crate) fn before(&self, place: &PixelBox) -> Option<PlacePatch> {
        self.scenery.patch(place)
    }

    /// Puts the place of somebody who rests, and who was told of, under watch.
    pub(crate) fn watch_place(&mut self, index: usize, posture: Posture, picture: &Picture) {
        let track = &self.tracks[index];
        let rests = track.still_since.is_some() || posture.is_down();
        if track.stage != TrackStage::Confirmed || posture == Posture::Walking || !rests {
            return;
        }
        let came_later = self.scenery_since.is_some_and(|since| track.first_seen.since(since) >= SCENERY_KNOWN_AFTER)
            || self.memories.get(&track.id).is_some_and(|memory| memory.moved);
        let before = if came_later && !self.cells.has(track.id) { self.scenery.patch(&track.bbox) } else { None };
        self.cells.open(track, posture, picture, before);
    }

    /// The whole picture is as at the last examined look: so is everyone in it.
    pub(crate) fn stay(&mut self, now: MediaTime) {
        for cell in &mut self.cells.cells {
            cell.unchanged(now);
        }
        for track in &self.tracks {
            let Some(memory) = self.memories.get_mut(&track.id) else { continue };
            memory.filter.persist(now);
            memory.doubts.vote(track);
        }
    }

    /// Whether a track is to be told of in this look: found, or held by the picture of its place.
    pub(crate) fn is_here(&self, track: &Track) -> bool {
        match track.stage {
            TrackStage::Confirmed => true,
            TrackStage::Lost => self.cells.state_of(track.id) == Some(CellState::Held),
            TrackStage::Tentative => false,
        }
    }

    /// Who is to be missed after this look, and why; of tracks, those that were told of.
    pub(crate) fn partings(&mut self) -> Vec<(TrackId, AbsenceKind)> {
        let mut partings = std::mem::take(&mut self.partings);
        for ended in std::mem::take(&mut self.ended) {
            let id = ended.track.id;
            if self.memories.remove(&id).is_some() {
                partings.push((id, if ended.walked_out { AbsenceKind::WalkedOut } else { AbsenceKind::Broke }));
            }
        }
        partings
    }

    pub(crate) fn posture(&self, track: TrackId) -> Posture {
        self.memories.get(&track).and_then(|memory| memory.posture).unwrap_or(Posture::Unknown)
    }
}

/// Carries a remembered place over into the present picture; `false` when it has none there.
fn carried(place: &mut PixelBox, now_from_before: &PictureTransform) -> bool {
    now_from_before.bbox(place).is_some_and(|now| {
        *place = now;
        true
    })
}

/// Whether `now` is `before` gone down on the spot: it began as he was missed, at his feet, and is lower than he was.
fn has_gone_down(before: &Track, now: &Track) -> bool {
    let (feet, low) = (before.bbox.foot(), now.bbox.grown(FEET_MARGIN * now.bbox.w.max(now.bbox.h)));
    let at_feet = (low.x..=low.right()).contains(&feet.x) && (low.y..=low.bottom()).contains(&feet.y);
    let at_once = now.first_seen > before.last_seen && now.first_seen.since(before.last_seen) <= GOES_DOWN_WITHIN;
    at_feet && at_once && now.bbox.h < GONE_DOWN_PART * before.bbox.h
}

/// Within a body's length, taken from the longer side of the longer box.
pub(crate) fn near(a: &PixelBox, b: &PixelBox) -> bool {
    let (p, q) = (a.centre(), b.centre());
    (p.x - q.x).hypot(p.y - q.y) <= a.w.max(a.h).max(b.w).max(b.h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_that_overlaps_another_stays_in_place_when_the_camera_goes_on() {
        let shift = |x: f64, y: f64| PictureTransform::affine([[1.0, 0.0, x], [0.0, 1.0, y]]);
        let zoomed = PictureTransform::affine([[0.7, 0.0, 92.0], [0.0, 0.7, 76.0]]);
        let at = |transform: &PictureTransform, x: f32, y: f32| transform.point(PixelPoint { x, y }).expect("in the picture");
        let mut stage = Stage::new(2, 1);
        stage.home = Home { from_here: zoomed, ..Home::of(0) };
        let before = at(&stage.home.from_here, 564.0, 194.0);
        // What stood at (564, 194) stands at (122, 137) now.
        stage.carry(&shift(-442.0, -57.0), true);
        let now = at(&stage.home.from_here, 122.0, 137.0);
        assert!((before.x - now.x).abs() < 0.01 && (before.y - now.y).abs() < 0.01, "{before:?}, then {now:?}");
        let mut own = Stage::new(0, 1);
        own.carry(&shift(-442.0, -57.0), true);
        assert_eq!((own.home.preset, own.home.from_here), (0, PictureTransform::IDENTITY), "a view of its own goes with the camera");
        assert_eq!(own.home.now_from_begin, shift(-442.0, -57.0), "and says how far");
        for _ in 0..60 {
            own.carry(&PictureTransform::affine([[0.5, 0.0, 160.0], [0.0, 0.5, 128.0]]), true);
            let kept = own.home.now_from_begin;
            assert!(kept.inverse().is_some() && PictureTransform::homography(*kept.rows()) == Some(kept), "{kept:?}");
        }
        assert!(own.home.now_from_begin.rows()[0][2] > 1e6, "nothing of before is near");
    }

    #[test]
    fn what_a_pose_network_told_goes_with_the_camera_and_not_over_a_jump() {
        let (mut stage, now) = (Stage::new(0, 1), MediaTime::from_secs_f64(1.0));
        let (place, there) = (PixelBox::new(100.0, 100.0, 40.0, 60.0), PixelBox::new(160.0, 100.0, 40.0, 60.0));
        let (hips, shoulders) = (place.centre(), PixelPoint { x: 140.0, y: 130.0 });
        let joints = patrol_core::Joints { shoulders, hips, knees: None, score: 0.8 };
        stage.poses.told(now, &place, Some(joints));
        stage.carry(&PictureTransform::shift(60.0, 0.0), false);
        assert_eq!(stage.poses.joints(now, &place), None);
        assert_eq!(stage.poses.joints(now, &there).map(|joints| joints.hips.x), Some(hips.x + 60.0));
        let size = PictureSize::new(320, 240);
        let captured = patrol_core::WallEstimate { at: patrol_core::WallTime(0), error_ms: 0 };
        let pixels = vec![vec![90; 320 * 240]];
        let picture = Picture::from_planes(size, patrol_core::PixelFormat::Gray8, pixels, 0, now, captured).expect("a picture");
        stage.restart_motion(&picture);
        assert_eq!(stage.poses.joints(now, &there), None, "somebody else may be there now");
    }

    #[test]
    fn a_preset_that_turned_and_zoomed_sees_the_ground_where_it_is() {
        let size = PictureSize::new(640, 512);
        let home = CameraView { height_m: 7.0, tilt_deg: 24.0, heading_deg: 10.0, hfov_deg: 55.0 };
        let zoomed = CameraView { tilt_deg: 20.0, heading_deg: 18.0, hfov_deg: 38.0, ..home };
        // Where four pixels of the zoomed view stand at home makes the transform.
        let at_home = |x: f32, y: f32| {
            let ground = zoomed.ground_from_pixel(PixelPoint { x, y }, 0.0, size).expect("ground");
            home.pixel_from_ground(&ground, 0.0, size).expect("in front")
        };
        let (a, b, c, d) = (at_home(280.0, 216.0), at_home(360.0, 216.0), at_home(280.0, 296.0), at_home(360.0, 296.0));
        let step = |p: PixelPoint, q: PixelPoint| (f64::from(q.x - p.x) / 80.0, f64::from(q.y - p.y) / 80.0);
        let (across, down) = (step(a, b), step(a, c));
        let (mx, my) = (f64::from(a.x + b.x + c.x + d.x) / 4.0, f64::from(a.y + b.y + c.y + d.y) / 4.0);
        let from_here = PictureTransform::affine([
            [across.0, down.0, mx - across.0 * 320.0 - down.0 * 256.0],
            [across.1, down.1, my - across.1 * 320.0 - down.1 * 256.0],
        ]);
        let view = Home { from_here, ..Home::of(0) }.view_here(&home, size).expect("in front");
        assert!((view.tilt_deg - 20.0).abs() < 0.3 && (view.heading_deg - 18.0).abs() < 0.3, "{view:?}");
        assert!((view.hfov_deg - 38.0).abs() < 1.0, "{view:?}");
    }
}
