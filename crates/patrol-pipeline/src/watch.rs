//! What is remembered of one camera from look to look. Checked out by a worker, used by it alone, and put back.

use crate::cells::CellState;
use crate::eyes::Eyes;
use crate::memory::{CameraMemory, zero_of};
use crate::sight::{Sight, View};
use crate::source::Link;
use crate::stage::Stage;
use crate::views::{Glance, Views};
use patrol_core::sighting::{Jpeg, Place};
use patrol_core::{
    Camera, CameraView, Detection, MediaTime, Modality, Outcome, Picture, PictureSize, PixelBox, Posture, Sighting, Track, TrackId,
    TrackStage, UnusableKind, WallTime,
};
use patrol_vision::change::Change;
use patrol_vision::thermal::{ThermalConfig, ThermalReading};
use patrol_vision::{DetectContext, VisionError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Looks in a row that could not be judged before the camera is said to see nothing (design §4).
const BAD_LOOKS_LIMIT: u32 = 3;
/// After any change so many looks are examined in full (design §4).
const EXAMINED_AFTER_CHANGE: u32 = 3;
/// The longest that any configuration lets a camera go unexamined (design §4).
const RESCAN_MAX: Duration = Duration::from_mins(2);
/// Examinations that are not asked for come by so much of that time earlier, another for each: all cameras begin together, and would otherwise all be examined
/// in the same seconds of each minute.
const SPREAD: f64 = 0.3;
/// While a place cannot be judged, or seems empty, the camera is examined at least so often.
const OPEN_RESCAN: Duration = Duration::from_secs(10);
/// So much of a picture has changed before anyone asks whether it shows another view.
const CHANGED_PART: f32 = 0.25;
/// Who is watched is kept at once, how his place looks so often; what else was learnt of a camera, and that it is looked at still, more seldom.
const REMEMBERED_EVERY: Duration = Duration::from_secs(30);
const LEARNT_EVERY: Duration = Duration::from_hours(1);
/// Whoever was seen in as many looks has shown whether he walks.
const UNDERSTOOD_LOOKS: u32 = 5;
/// Seen so often somebody may be there; one box is often nobody.
const ARRIVAL_HITS: u32 = 2;
/// A walk: 1 m/s and more counts as fully moving in the exposure score.
const WALKING_M_S: f32 = 1.0;

pub struct CameraWatch {
    pub camera: Camera,
    /// Which of a worker's detectors look at this camera.
    pub detectors: Vec<usize>,
    pub inferences: u64,
    pub last_error: Option<String>,
    /// Things that never moved and were not told in the last look.
    pub fixtures: u32,
    /// Somebody has just come here, or is down and nothing has been told of him yet: any look may be the one that does.
    pub pressing: bool,
    pub(crate) sight: Sight,
    thermal: ThermalConfig,
    pub(crate) detections: Vec<Detection>,
    pub(crate) last_told: Option<MediaTime>,
    /// The look before this one broke off half-way.
    pub(crate) broke_off: bool,
    /// Looks in a row that could not be judged, and what the last of them ended in.
    bad_looks: (u32, &'static str),
    pub(crate) stage: Stage,
    views: Views,
    /// What was kept before a restart, until the first picture.
    recalled: Option<CameraMemory>,
    /// When it was last asked what to keep, and who was watched then.
    remembered: (MediaTime, Vec<TrackId>),
    /// When it was examined last, and how many looks must be examined in any case.
    examined_at: Option<MediaTime>,
    examine_next: u32,
    /// How often it was examined at every scale, and whether the look that is under way does.
    in_full_count: u32,
    is_in_full: bool,
    /// Whether its detectors see fewer people in a look that does not.
    sees_less_between: bool,
    /// Time of the last look, and from the look before to it.
    last_look: Option<MediaTime>,
    /// Of the last look: wall time of media time zero, and the picture's size.
    last_zero: Option<(WallTime, PictureSize)>,
    /// Time jumped while nothing could be seen.
    pub(crate) restart_later: bool,
    look_gap: Duration,
    pub(crate) previews: VecDeque<(MediaTime, Jpeg)>,
    pub(crate) link: Option<Arc<dyn Link>>,
    pub(crate) main_stream: MainCounts,
    /// Whether the link was told that somebody is here.
    watched: bool,
}

/// The watched places of a camera, as told to the outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellCounts {
    pub open: usize,
    /// Kept by the picture of the place alone.
    pub held: usize,
    /// Not to be judged at present.
    pub unclear: usize,
    pub most: usize,
    /// Left without a watch, because there were too many.
    pub dropped: u64,
}

/// Evidence of a camera whose looks read a smaller stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MainCounts {
    /// Taken from the main stream.
    pub shown: u64,
    /// Taken from the look, because the main stream had not come, was late, gave no picture or showed something else there.
    pub missed: u64,
}

impl CameraWatch {
    /// `first_track_id` must be above every id given before for this camera.
    pub fn new(camera: Camera, detectors: Vec<usize>, first_track_id: u64) -> Self {
        let sight = Sight::new(camera.modality, &ThermalConfig::default());
        Self {
            camera,
            detectors,
            inferences: 0,
            last_error: None,
            fixtures: 0,
            pressing: false,
            sight,
            thermal: ThermalConfig::default(),
            detections: Vec::new(),
            last_told: None,
            broke_off: false,
            bad_looks: (0, ""),
            stage: Stage::new(0, first_track_id),
            views: Views::default(),
            recalled: None,
            remembered: (MediaTime::ZERO, Vec::new()),
            examined_at: None,
            examine_next: 0,
            in_full_count: 0,
            is_in_full: false,
            sees_less_between: false,
            last_look: None,
            last_zero: None,
            restart_later: false,
            look_gap: Duration::ZERO,
            previews: VecDeque::new(),
            link: None,
            main_stream: MainCounts::default(),
            watched: false,
        }
    }

    /// With what is known of a thermal camera's pictures beforehand.
    #[must_use]
    pub fn with_thermal(mut self, thermal: ThermalConfig) -> Self {
        self.sight = Sight::new(self.camera.modality, &thermal);
        self.thermal = thermal;
        self
    }

    /// With the link its clips are cut from.
    pub(crate) fn with_link(mut self, link: Option<Arc<dyn Link>>) -> Self {
        self.link = link;
        self
    }

    /// The camera is taken off: its packets are no longer needed.
    pub(crate) fn drop_link(&mut self) {
        self.link = None;
    }

    /// The same camera with nothing remembered but the ids already given: after a look that broke off half-way.
    pub fn renewed(&self) -> Self {
        let first_track_id = self.stage.tracker.next_id();
        let mut fresh = Self::new(self.camera.clone(), self.detectors.clone(), first_track_id).with_thermal(self.thermal.clone());
        (fresh.inferences, fresh.main_stream) = (self.inferences, self.main_stream);
        fresh.link.clone_from(&self.link);
        (fresh.bad_looks, fresh.broke_off) = (self.bad_looks, true);
        if (self.stage.preset, self.stage.home.preset) == (0, 0) {
            fresh.stage.home = self.stage.home;
        }
        fresh
    }

    /// What of it shall outlive a restart, as text for [`Self::recall`]; empty when nothing has been learnt and nobody is watched.
    pub fn memory(&self) -> String {
        let memory = self.last_zero.and_then(|last| CameraMemory::of(&self.stage, &self.views, last));
        memory.and_then(|memory| serde_json::to_string(&memory).ok()).unwrap_or_default()
    }

    /// [`Self::memory`] when others are watched than when it was asked for last, or long after that.
    pub(crate) fn memory_when_due(&mut self) -> Option<String> {
        let watched: Vec<TrackId> = self.stage.cells.cells.iter().map(|cell| cell.track).collect();
        let now = self.last_look?;
        let (at, before) = &self.remembered;
        let nothing_new = *before == watched;
        let every = if watched.is_empty() { LEARNT_EVERY } else { REMEMBERED_EVERY };
        if nothing_new && now.since(*at) < every {
            return None;
        }
        self.remembered = (now, watched);
        let memory = self.memory();
        // What was learnt before is not replaced by nothing: this camera may have broken off and begun anew.
        (!nothing_new || !memory.is_empty()).then_some(memory)
    }

    /// Takes up, with the first picture, what was kept before a restart. An error says why it cannot be read; the camera then begins anew.
    pub fn recall(&mut self, memory: &str) -> Result<(), String> {
        if memory.is_empty() {
            return Ok(());
        }
        self.recalled = Some(serde_json::from_str(memory).map_err(|error| error.to_string())?);
        Ok(())
    }

    /// A look begins.
    pub(crate) fn begin(&mut self, picture: &Picture) {
        let now = picture.media_time;
        if let Some(memory) = self.recalled.take() {
            memory.take_up(&mut self.stage, &mut self.views, picture);
        }
        self.last_zero = Some((zero_of(picture), picture.size()));
        if let Some(last) = self.last_look.replace(now) {
            self.look_gap = now.since(last);
        }
    }

    /// Size of the picture looked at last.
    pub(crate) fn size_before(&self) -> Option<PictureSize> {
        self.last_zero.map(|(_, size)| size)
    }

    /// Whether somebody is followed or watched here, of whom evidence may be wanted.
    pub(crate) fn has_anyone(&self) -> bool {
        !self.stage.tracks.is_empty() || !self.stage.cells.cells.is_empty()
    }

    /// Whether somebody who does not walk was seen in the last look, and before, of whom too little is known to tell how he is: in the coldest nights he is told of
    /// as soon as that is known.
    pub(crate) fn has_arrival(&self) -> bool {
        let arrives = |track: &Track| Some(track.last_seen) == self.last_look && (ARRIVAL_HITS..UNDERSTOOD_LOOKS).contains(&track.hits);
        self.stage.tracks.iter().any(|track| arrives(track) && self.stage.posture(track.id) != Posture::Walking)
    }

    /// Whether somebody was seen in the last look of whom too little is known to tell walking from still.
    pub(crate) fn has_newcomer(&self) -> bool {
        self.stage.tracks.iter().any(|track| Some(track.last_seen) == self.last_look && track.hits < UNDERSTOOD_LOOKS)
    }

    /// Time jumped or the scene changed at once.
    pub(crate) fn restart_motion(&mut self, picture: &Picture) {
        self.stage.restart_motion(picture);
        self.sight.forget_walkers();
        self.last_told = None;
        self.previews.clear();
        self.examine_next = EXAMINED_AFTER_CHANGE;
    }

    /// Finds out where the camera looks, and takes its own motion off all that is remembered of places, before the detections of this picture are
    /// followed. `seen`: the picture as it is read; `scene_changed`: most of it changed at once.
    pub(crate) fn follow_camera(&mut self, picture: &Picture, seen: &Picture, scene_changed: bool) -> (View, Glance) {
        let view = self.sight.view(picture, self.stage.tracks.iter().map(|track| track.bbox));
        let burnt_in = self.sight.reading().map_or(&[][..], |reading| &reading.overlays);
        let change = self.stage.change.judge(seen, burnt_in);
        let has_changed = scene_changed || matches!(change, Change::Changed { part, .. } if part > CHANGED_PART);
        if change != Change::Unchanged || view != View::Same {
            self.examine_next = EXAMINED_AFTER_CHANGE;
        }
        tracing::trace!(at_s = seen.media_time.as_secs_f64(), ?view, ?change, "compared");
        let glance = self.views.glance(seen, view, has_changed, self.camera.view.as_ref(), &mut self.stage);
        if glance == Glance::Other {
            self.stage.change.judge(seen, &[]);
        }
        let overdue = self.views.overdue(seen.media_time, self.stage.preset);
        self.stage.inherit(overdue);
        (view, glance)
    }

    /// Whether nothing has changed since the picture last examined in full, nobody is here who is not understood, and it was examined lately:
    /// then that is the answer (design §4).
    pub(crate) fn is_unchanged(&self, now: MediaTime) -> bool {
        let rescan = if self.stage.cells.any_open() { OPEN_RESCAN } else { self.camera.promise.rescan_every.min(RESCAN_MAX) };
        let is_recent = self.is_recent(self.examined_at, now, rescan, self.inferences);
        is_recent && !(self.sees_less_between && self.owes_in_full(now)) && self.examine_next == 0 && self.stage.is_settled()
    }

    /// Whether this view is to be examined at every scale by now.
    fn owes_in_full(&self, now: MediaTime) -> bool {
        let rescan = self.camera.promise.rescan_every.min(RESCAN_MAX);
        !self.is_recent(self.stage.in_full_at, now, rescan, u64::from(self.in_full_count))
    }

    /// Whether the next look would still come in time to repeat what was done `at` every `rescan`. `count`: how often it was done.
    fn is_recent(&self, at: Option<MediaTime>, now: MediaTime, rescan: Duration, count: u64) -> bool {
        let rescan = self.sooner(rescan, count);
        at.is_some_and(|at| at <= now && now.since(at) + self.look_gap <= rescan)
    }

    /// Less than `every`, by another part of it for each camera and each `count`.
    pub(crate) fn sooner(&self, every: Duration, count: u64) -> Duration {
        every.mul_f64(1.0 - SPREAD * spread(self.camera.id.as_str(), count))
    }

    /// The picture judged last is examined in full.
    pub(crate) fn examined(&mut self, seen: &Picture) {
        self.stage.change.examined(seen);
        let now = seen.media_time;
        self.examined_at = Some(now);
        self.examine_next = self.examine_next.saturating_sub(1);
        if std::mem::take(&mut self.is_in_full) {
            self.stage.in_full_at = Some(now);
            self.in_full_count = self.in_full_count.wrapping_add(1);
        }
    }

    /// Runs the detectors over the whole picture, and enlarged over the places where somebody is missing. `asked`: for somebody who waits for it.
    pub(crate) fn detect(&mut self, seen: &Picture, asked: bool, eyes: &mut Eyes) -> Result<(), VisionError> {
        let view = self.view_here(seen.size());
        let owed = asked || self.owes_in_full(seen.media_time);
        self.sees_less_between = eyes.sees_less_between(&self.detectors);
        let in_full = owed.then_some(self.in_full_count);
        let context = DetectContext { modality: self.camera.modality, view: view.as_ref(), gsd_m: None, in_full };
        self.is_in_full = owed;
        self.inferences += eyes.examine(&self.detectors, seen, &context, &mut self.detections)?;
        if eyes.has_network(&self.detectors) {
            self.seek_missing(seen, owed, &context, eyes)?;
        }
        if self.camera.modality == Modality::Visible && eyes.tells_poses() {
            self.ask_poses(seen, eyes);
        }
        Ok(())
    }

    fn seek_missing(&mut self, seen: &Picture, owed: bool, context: &DetectContext<'_>, eyes: &mut Eyes) -> Result<(), VisionError> {
        if self.sees_less_between && !owed {
            // Whom only an examination in full could find is sought where he was: otherwise he would be lost again before anybody knew of him. Places under
            // watch are looked at below.
            let is_watched = |track: &&Track| self.stage.cells.cells.iter().any(|cell| cell.track == track.id);
            let known = self.stage.tracks.iter().filter(|track| !is_watched(track)).map(|track| track.bbox);
            let missing: Vec<PixelBox> = known.filter(|place| !is_found(&self.detections, place, &[])).take(SMALL_MAX).collect();
            for place in missing {
                self.inferences += eyes.look_closer(&self.detectors, seen, context, &place, &mut self.detections)?;
            }
        }
        let detections = &self.detections;
        for place in self.stage.cells.closer(seen.media_time, |place, all| is_found(detections, place, all)) {
            self.inferences += eyes.look_closer(&self.detectors, seen, context, &place, &mut self.detections)?;
        }
        Ok(())
    }

    /// Asks how those hold themselves who are found and do not walk. What cannot be told is done without: the look stands.
    fn ask_poses(&mut self, seen: &Picture, eyes: &mut Eyes) {
        let now = seen.media_time;
        for place in self.stage.poses.wanted(now, &self.detections, &self.stage.tracks) {
            let joints = match eyes.joints(seen, &place) {
                Ok((joints, inferences)) => {
                    self.inferences += inferences;
                    joints
                }
                Err(error) => {
                    tracing::warn!(camera = %self.camera.id, sequence = seen.sequence, %error, "pose network failed");
                    self.last_error = Some(error.to_string());
                    None
                }
            };
            self.stage.poses.told(now, &place, joints);
        }
    }

    /// Counts looks in a row that could not be judged. A changed scene can: its detections stand.
    pub(crate) fn judge_sight(&mut self, outcome: Outcome) {
        self.bad_looks = match outcome {
            Outcome::Unusable(UnusableKind::SceneChange) | Outcome::Examined | Outcome::Unchanged => (0, ""),
            // Three equal pictures made it frozen: two more would say it no better.
            Outcome::Unusable(UnusableKind::Frozen) => (BAD_LOOKS_LIMIT, outcome.name()),
            bad => (self.bad_looks.0.saturating_add(1), bad.name()),
        };
    }

    /// The sighting of track `index` in this look, without evidence.
    pub(crate) fn sighting(&self, index: usize, picture: &Picture) -> Sighting {
        let track = &self.stage.tracks[index];
        let size = picture.size();
        let wall = |media: MediaTime| picture.captured.at - picture.media_time.since(media);
        let place = self.place(&track.bbox, size);
        // Without a scale a box's longer side stands for the height of a person.
        let metre_px = place.pixels_per_metre.unwrap_or(track.bbox.h.max(track.bbox.w) / patrol_core::view::UPRIGHT_HEIGHT_M).max(1.0);
        let movement = match track.still_since {
            Some(_) => 0.0,
            None => (track.speed_px_s / metre_px / WALKING_M_S).clamp(0.0, 1.0),
        };
        let posture_since = self.stage.memories.get(&track.id).map_or(track.first_seen, |memory| memory.filter.since());
        Sighting {
            track: track.id,
            place,
            media_time: picture.media_time,
            captured: picture.captured,
            first_seen: wall(track.first_seen),
            still_since: track.still_since.map(wall),
            posture_since: wall(posture_since),
            posture: self.stage.posture(track.id),
            confidence: track.score_mean,
            movement,
            // No detector here tells a quilt from a coat: nobody is ever counted as covered.
            cover: 0.0,
            resolved: track.resolved,
            held: track.stage == TrackStage::Lost,
            looks: track.hits,
            evidence: None,
        }
    }

    /// How the camera looks at the ground in the present view, if that is known.
    pub(crate) fn view_here(&self, size: PictureSize) -> Option<CameraView> {
        let (stage, view) = (&self.stage, self.camera.view.as_ref()?);
        let overlaps_home = stage.preset != 0 && stage.home.preset == 0;
        if overlaps_home { stage.home.view_here(view, size) } else { Some(*view).filter(|_| stage.view_holds) }
    }

    /// Where somebody is, in the view that the present one overlaps.
    fn place(&self, bbox: &PixelBox, size: PictureSize) -> Place {
        let home = &self.stage.home;
        // What lies behind the picture of that view has no place there, and is told in its own.
        let at_home = home.from_here.bbox(bbox);
        let (preset, bbox) = at_home.map_or((self.stage.preset, *bbox), |bbox| (home.preset, bbox));
        let is_known = self.stage.view_holds || (home.preset == 0 && self.stage.preset != 0);
        let view = self.camera.view.filter(|_| is_known && at_home.is_some());
        let ground = view.and_then(|view| view.ground_from_pixel(bbox.foot(), 0.0, size));
        Place {
            camera: self.camera.id.clone(),
            preset,
            now_from_begin: home.now_from_begin,
            bbox,
            size,
            ground,
            position: ground.zip(self.camera.position).map(|(ground, camera)| camera.offset(&ground)),
            pixels_per_metre: view.and_then(|view| view.pixels_per_metre(bbox.centre(), size)),
        }
    }

    /// Tells the link when somebody comes into view, and when the last has gone.
    pub(crate) fn keep_packets(&mut self, watched: bool) {
        if let Some(link) = self.link.as_ref().filter(|_| self.watched != watched) {
            link.set_watched(watched);
            self.watched = watched;
        }
    }

    /// Why the camera cannot see, once it has been so for three looks.
    pub(crate) fn cannot_see(&self) -> Option<String> {
        (self.bad_looks.0 >= BAD_LOOKS_LIMIT).then(|| self.bad_looks.1.to_owned())
    }

    /// How the last thermal picture was read; `None` for other cameras.
    pub fn thermal_reading(&self) -> Option<&ThermalReading> {
        self.sight.reading()
    }

    /// The filtered posture of a track.
    pub fn posture(&self, track: TrackId) -> Posture {
        self.stage.posture(track)
    }

    /// All live tracks after the last look.
    pub fn tracks(&self) -> &[Track] {
        &self.stage.tracks
    }

    pub fn cells(&self) -> CellCounts {
        let cells = &self.stage.cells;
        let count = |state| cells.cells.iter().filter(|cell| cell.state == state).count();
        CellCounts {
            open: cells.cells.len(),
            held: count(CellState::Held),
            unclear: count(CellState::Unclear) + count(CellState::Empty),
            most: cells.most,
            dropped: cells.dropped,
        }
    }
}

/// 0–1, other for each name and each `count`: FNV-1a, and what splitmix64 ends with, without which names that end alike come near to one another.
fn spread(name: &str, count: u64) -> f64 {
    let mut seed = name.bytes().fold(count, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (seed >> 40) as f64 / (1_u64 << 24) as f64
}

/// A detection that overlaps a watched place so much has found whoever is missing there.
const FOUND_IOU: f32 = 0.25;
/// Closer looks at people whom the cheaper look has missed, of one look.
const SMALL_MAX: usize = 4;

/// Whoever is found counts at the one of all places that he overlaps most: of two who lie side by side one may be missing.
fn is_found(detections: &[Detection], place: &PixelBox, all: &[PixelBox]) -> bool {
    detections.iter().any(|found| {
        let iou = found.bbox.iou(place);
        iou >= FOUND_IOU && all.iter().all(|other| found.bbox.iou(other) <= iou)
    })
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn cameras_whose_names_follow_one_another_are_spread_out() {
        for count in [0, 1, 7, 60_000_000_000] {
            let mut parts: Vec<f64> = (0..100).map(|number| spread(&format!("cam-{number:03}"), count)).collect();
            parts.sort_by(f64::total_cmp);
            let widest = parts.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
            assert!(parts[0] < 0.1 && parts[99] > 0.9 && widest < 0.1, "{count}: {} to {}, a gap of {widest}", parts[0], parts[99]);
        }
    }
}
