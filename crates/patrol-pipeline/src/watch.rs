//! What is remembered of one camera from look to look. Checked out by a worker, used by it alone, and put back.

use crate::eyes::Eyes;
use crate::sight::{Sight, View};
use crate::source::Link;
use crate::upright::UprightHeights;
use patrol_core::sighting::{Clip, EvidenceRef, Jpeg, Place};
use patrol_core::{
    Camera, Detection, Evidence, MediaTime, Outcome, Picture, PictureSize, PictureTransform, PixelBox, Posture, Sighting, Tier, Track,
    TrackId, TrackStage, UnusableKind, WallTime,
};
use patrol_leads::posture::{self, PostureFilter, PostureInput};
use patrol_track::{EndedTrack, Tracker, TrackerConfig};
use patrol_vision::thermal::{ThermalConfig, ThermalReading};
use patrol_vision::{VisionError, jpeg};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// One who moved and is no longer seen is remembered this long at the place where he vanished.
const WALKER_KEPT: Duration = Duration::from_mins(1);
/// Looks without a doubt that it is none before a warm thing's place is known, its overlap with what is seen there later, and most
/// places known.
const FIXTURE_LOOKS: i32 = 30;
const FIXTURE_IOU: f32 = 0.4;
const FIXTURES_MAX: usize = 64;
/// On average less likely than this to be a person, says `hot-spot`: in thirty rendered streets things that are none have up to 0.30, people
/// who are down 0.64 and more.
const DOUBTFUL: f32 = 0.4;
/// Seen in fewer of its looks than this, it is credited with nothing (`integration.md` §6.5: motionless in at least 40 % of samples).
const SEEN_PART_MIN: f32 = 0.4;
/// Looks in a row that could not be judged before the camera is said to see nothing (design §4).
const BAD_LOOKS_LIMIT: u32 = 3;
/// Small pictures from before somebody came are his for this long: how he came to be there, not who was there before him.
const PREVIEW_BEFORE: Duration = Duration::from_secs(30);
/// While a decision stands, new evidence is taken this often.
const EVIDENCE_EVERY: Duration = Duration::from_mins(1);
/// At most this many small pictures go before a decision (design §6), no closer than this.
const PREVIEW_MAX: usize = 20;
const PREVIEW_EVERY: Duration = Duration::from_secs(1);
const PREVIEW_WIDTH_PX: u32 = 320;
/// Evidence is looked at on a screen: wider pictures are scaled down to this.
const WHOLE_WIDTH_PX: u32 = 1280;
const EVIDENCE_QUALITY: u8 = 85;
const PREVIEW_QUALITY: u8 = 70;
/// A clip shows as much before the decision: all that a camera's ring of packets holds (design §6).
const CLIP_BEFORE: Duration = Duration::from_secs(20);
/// The desk may make its lead some minutes after the first evidence, when the camera was blind in between: so often a minute's evidence has a clip.
const CLIPS_MAX: u32 = 4;
/// The crop shows the person and as much around him.
const CROP_MARGIN: f32 = 1.0;
/// A walk: 1 m/s and more counts as fully moving in the exposure score.
const WALKING_M_S: f32 = 1.0;

pub struct CameraWatch {
    pub camera: Camera,
    /// Which of a worker's detectors look at this camera.
    pub detectors: Vec<usize>,
    pub inferences: u64,
    pub last_error: Option<String>,
    /// Where those who moved were last seen, and when; as many as tracks of the last minute.
    walkers: BTreeMap<TrackId, (MediaTime, PixelBox)>,
    /// Where lamps and bonnets are known to be; the oldest goes first.
    fixture_places: Vec<PixelBox>,
    /// Warm things that never moved and were not told in the last look.
    pub fixtures: u32,
    pub(crate) sight: Sight,
    thermal: ThermalConfig,
    pub(crate) detections: Vec<Detection>,
    /// All live tracks after the last look.
    pub tracks: Vec<Track>,
    pub(crate) last_told: Option<MediaTime>,
    /// Looks in a row that could not be judged, and what the last of them ended in.
    bad_looks: (u32, &'static str),
    tracker: Tracker,
    upright: UprightHeights,
    memories: BTreeMap<TrackId, TrackMemory>,
    previews: VecDeque<(MediaTime, Jpeg)>,
    link: Option<Arc<dyn Link>>,
    /// Whether the link was told that somebody is here.
    watched: bool,
}

/// What is remembered of one track beyond the tracker.
struct TrackMemory {
    filter: PostureFilter,
    posture: Posture,
    told_posture: Option<Posture>,
    told_tier: Option<Tier>,
    evidence: Option<(MediaTime, Posture, Tier)>,
    /// Clips cut in this posture.
    clips: u32,
    /// It has been a body's length away from where it was first seen.
    moved: bool,
    /// Looks in which a detector took it for a person, less those in which only a person could tell.
    resolved_votes: i32,
}

impl TrackMemory {
    fn new() -> Self {
        Self {
            filter: PostureFilter::new(),
            posture: Posture::Unknown,
            told_posture: None,
            told_tier: None,
            evidence: None,
            clips: 0,
            moved: false,
            resolved_votes: 0,
        }
    }
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
            fixture_places: Vec::new(),
            walkers: BTreeMap::new(),
            sight,
            thermal: ThermalConfig::default(),
            detections: Vec::new(),
            tracks: Vec::new(),
            last_told: None,
            bad_looks: (0, ""),
            tracker: Tracker::new(TrackerConfig::default(), first_track_id),
            upright: UprightHeights::default(),
            memories: BTreeMap::new(),
            previews: VecDeque::with_capacity(PREVIEW_MAX),
            link: None,
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
        let mut fresh = Self::new(self.camera.clone(), self.detectors.clone(), self.tracker.next_id()).with_thermal(self.thermal.clone());
        fresh.inferences = self.inferences;
        fresh.link.clone_from(&self.link);
        fresh.bad_looks = self.bad_looks;
        fresh
    }

    /// Time jumped or the scene changed at once: stillness is neither credited nor carried over.
    pub(crate) fn restart_motion(&mut self) {
        self.tracker.restart_motion();
        self.last_told = None;
        self.previews.clear();
        self.fixture_places.clear();
    }

    /// Takes the camera's own motion off all that is remembered of places, before the detections of `picture` are followed.
    pub(crate) fn follow_camera(&mut self, picture: &Picture) -> View {
        let view = self.sight.view(picture, self.tracks.iter().map(|track| track.bbox));
        match &view {
            View::Same => {}
            View::Moved { now_from_before, other } => {
                self.tracker.carry(now_from_before);
                self.walkers.retain(|_, (_, place)| carried(place, now_from_before));
                self.fixture_places.retain_mut(|place| carried(place, now_from_before));
                if *other {
                    self.upright = UprightHeights::default();
                }
            }
            View::Lost => {
                self.tracker.lose_places();
                self.walkers.clear();
                self.fixture_places.clear();
                self.upright = UprightHeights::default();
            }
        }
        view
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

    /// Hands the detections of this look to the tracker, and judges every confirmed track's posture.
    pub(crate) fn follow(&mut self, picture: &Picture) {
        let (size, view) = (picture.size(), self.camera.view);
        let scale = |bbox: &PixelBox| view.and_then(|view| view.pixels_per_metre(bbox.centre(), size));
        let tracks = self.tracker.update(picture.media_time, size, &self.detections, &scale);
        self.tracks.clear();
        self.tracks.extend_from_slice(tracks);
        let now = picture.media_time;
        self.walkers.retain(|_, (seen, _)| now.since(*seen) <= WALKER_KEPT);
        for track in self.tracks.iter().filter(|track| track.stage == TrackStage::Confirmed) {
            let foot_row = track.bbox.bottom() / size.height as f32;
            let input = PostureInput { track, size, view: view.as_ref(), learnt_upright_px: self.upright.at(foot_row) };
            let judged = posture::judge(&input);
            if judged.posture == Posture::Walking && track.bbox.bottom() < size.height as f32 - 2.0 {
                self.upright.learn(foot_row, track.bbox.h);
            }
            // A body that goes down often breaks its track: whoever vanished here a moment ago is he.
            let walked_up = !self.memories.contains_key(&track.id)
                && self.walkers.iter().any(|(id, (seen, place))| *id != track.id && *seen < now && near(place, &track.bbox));
            let memory = self.memories.entry(track.id).or_insert_with(TrackMemory::new);
            memory.moved |= walked_up;
            let centre = track.bbox.centre();
            let way_px = (centre.x - track.entered_at.x).hypot(centre.y - track.entered_at.y);
            memory.moved |= way_px > track.bbox.w.max(track.bbox.h);
            memory.resolved_votes += if track.resolved { 1 } else { -1 };
            if memory.moved {
                self.walkers.insert(track.id, (now, track.bbox));
            }
            memory.posture = memory.filter.update(picture.media_time, judged);
        }
    }

    /// A warm thing that no detector takes for a person, or hardly, on a camera without a network to ask, and that has never moved: a
    /// lamp, a bonnet. It is followed and counted, not told. Who walked to his place is told, whatever he looks like there, unless
    /// the very place was such a thing's before he came.
    pub(crate) fn is_fixture(&mut self, index: usize, eyes: &Eyes) -> bool {
        let track = &self.tracks[index];
        let Some(memory) = self.memories.get(&track.id).filter(|_| !eyes.has_network(&self.detectors)) else { return false };
        let seen_part = track.hits as f32 / track.looks.max(1) as f32;
        let unlike = memory.resolved_votes < 0;
        let known = || unlike && self.fixture_places.iter().any(|place| place.iou(&track.bbox) > FIXTURE_IOU);
        if !memory.moved && memory.resolved_votes <= -FIXTURE_LOOKS && !known() {
            if self.fixture_places.len() == FIXTURES_MAX {
                self.fixture_places.remove(0);
            }
            self.fixture_places.push(track.bbox);
        }
        let never_moved = !memory.moved && (unlike || track.score_mean < DOUBTFUL || seen_part < SEEN_PART_MIN);
        never_moved || self.fixture_places.iter().any(|place| !track.resolved && place.iou(&track.bbox) > FIXTURE_IOU)
    }

    /// The sighting of confirmed track `index` in this look, without evidence.
    pub(crate) fn sighting(&self, index: usize, picture: &Picture) -> Sighting {
        let track = &self.tracks[index];
        let size = picture.size();
        let wall = |media: MediaTime| picture.captured.at - picture.media_time.since(media);
        let place = self.place(&track.bbox, size);
        // Without a scale a box's longer side stands for the height of a person.
        let metre_px = place.pixels_per_metre.unwrap_or(track.bbox.h.max(track.bbox.w) / patrol_core::view::UPRIGHT_HEIGHT_M).max(1.0);
        let movement = match track.still_since {
            Some(_) => 0.0,
            None => (track.speed_px_s / metre_px / WALKING_M_S).clamp(0.0, 1.0),
        };
        let (posture, posture_since) =
            self.memories.get(&track.id).map_or((Posture::Unknown, track.first_seen), |memory| (memory.posture, memory.filter.since()));
        Sighting {
            track: track.id,
            place,
            media_time: picture.media_time,
            captured: picture.captured,
            first_seen: wall(track.first_seen),
            still_since: track.still_since.map(wall),
            posture_since: wall(posture_since),
            posture,
            confidence: track.score_mean,
            movement,
            // No detector here tells a quilt from a coat: nobody is ever counted as covered.
            cover: 0.0,
            resolved: track.resolved,
            looks: track.hits,
            evidence: None,
        }
    }

    fn place(&self, bbox: &PixelBox, size: PictureSize) -> Place {
        let ground = self.camera.view.and_then(|view| view.ground_from_pixel(bbox.foot(), 0.0, size));
        Place {
            camera: self.camera.id.clone(),
            bbox: *bbox,
            size,
            ground,
            position: ground.zip(self.camera.position).map(|(ground, camera)| camera.offset(&ground)),
            pixels_per_metre: self.camera.view.and_then(|view| view.pixels_per_metre(bbox.centre(), size)),
        }
    }

    /// Evidence is taken when a decision first may fall, when what it shows has changed, and every minute after.
    pub(crate) fn wants_evidence(&self, sighting: &Sighting, tier: Tier) -> bool {
        match self.memories.get(&sighting.track).and_then(|memory| memory.evidence) {
            None => true,
            Some((at, posture, was)) => sighting.media_time.since(at) >= EVIDENCE_EVERY || posture != sighting.posture || tier < was,
        }
    }

    pub(crate) fn take_evidence(&self, sighting: &Sighting, picture: &Picture, eyes: &Eyes) -> Result<Arc<Evidence>, VisionError> {
        let bbox = sighting.place.bbox.clipped(picture.size());
        let whole = hashed(jpeg::whole(picture, Some(&bbox), WHOLE_WIDTH_PX, EVIDENCE_QUALITY)?);
        let crop = hashed(jpeg::crop(picture, &bbox, CROP_MARGIN, EVIDENCE_QUALITY)?);
        let since = sighting.media_time - sighting.captured.at.since(sighting.first_seen) - PREVIEW_BEFORE;
        let preview: Vec<Jpeg> = self.previews.iter().filter(|(at, _)| *at >= since).map(|(_, jpeg)| jpeg.clone()).collect();
        let clip = self.cut_clip(sighting, picture.captured.at);
        let (model, model_sha256) = eyes.describe(&self.detectors);
        let about = EvidenceRef {
            camera: self.camera.id.clone(),
            media_time: sighting.media_time,
            captured: sighting.captured,
            bbox,
            size: picture.size(),
            posture: sighting.posture,
            model,
            model_sha256,
            whole_sha256: whole.sha256.clone(),
            crop_sha256: crop.sha256.clone(),
            clip_sha256: clip.as_ref().map(|clip| clip.sha256.clone()),
            preview_sha256: preview.iter().map(|jpeg| jpeg.sha256.clone()).collect(),
        };
        Ok(Arc::new(Evidence { about, whole, crop, preview, clip }))
    }

    /// The seconds before a decision as the camera sent them: not with all evidence, because a clip weighs megabytes.
    fn cut_clip(&self, sighting: &Sighting, until: WallTime) -> Option<Clip> {
        let memory = self.memories.get(&sighting.track);
        let changed = |memory: &TrackMemory| memory.evidence.is_none_or(|(_, posture, _)| posture != sighting.posture);
        let wanted = memory.is_none_or(|memory| changed(memory) || memory.clips < CLIPS_MAX);
        let link = self.link.as_ref().filter(|_| wanted)?;
        match link.cut(until - CLIP_BEFORE, until) {
            Ok(bytes) => bytes.map(|bytes| Clip { sha256: hex::encode(Sha256::digest(&bytes)), bytes: Arc::from(bytes) }),
            Err(why) => {
                // The pictures are there; only the film is missing.
                tracing::warn!(camera = %self.camera.id, why, "no clip could be cut");
                None
            }
        }
    }

    /// Tells the link when somebody comes into view, and when the last has gone.
    pub(crate) fn keep_packets(&mut self, watched: bool) {
        if let Some(link) = self.link.as_ref().filter(|_| self.watched != watched) {
            link.set_watched(watched);
            self.watched = watched;
        }
    }

    /// Notes what has been told of a track; `true` when its posture or tier is other than last time.
    pub(crate) fn remember(&mut self, sighting: &Sighting, tier: Tier) -> bool {
        let Some(memory) = self.memories.get_mut(&sighting.track) else { return true };
        let changed = memory.told_posture != Some(sighting.posture) || memory.told_tier != Some(tier);
        memory.told_posture = Some(sighting.posture);
        memory.told_tier = Some(tier);
        if let Some(evidence) = &sighting.evidence {
            let same = memory.evidence.is_some_and(|(_, posture, _)| posture == sighting.posture);
            memory.clips = u32::from(evidence.clip.is_some()) + if same { memory.clips } else { 0 };
            memory.evidence = Some((sighting.media_time, sighting.posture, tier));
        }
        changed
    }

    /// Keeps a small picture while anyone is here who does not simply walk by.
    pub(crate) fn keep_preview(&mut self, picture: &Picture, told: &[(Sighting, bool)]) {
        let someone = told.iter().any(|(sighting, _)| sighting.posture != Posture::Walking);
        let recent = self.previews.back().is_some_and(|(at, _)| picture.media_time.since(*at) < PREVIEW_EVERY);
        if !someone || recent {
            return;
        }
        if let Ok(bytes) = jpeg::whole(picture, None, PREVIEW_WIDTH_PX, PREVIEW_QUALITY) {
            if self.previews.len() == PREVIEW_MAX {
                self.previews.pop_front();
            }
            self.previews.push_back((picture.media_time, hashed(bytes)));
        }
    }

    /// Tracks that ended in this look, if they had been told of.
    pub(crate) fn forget_ended(&mut self) -> Vec<EndedTrack> {
        let ended: Vec<EndedTrack> =
            self.tracker.ended().iter().filter(|ended| self.memories.contains_key(&ended.track.id)).cloned().collect();
        for track in &ended {
            self.memories.remove(&track.track.id);
        }
        ended
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
        self.memories.get(&track).map_or(Posture::Unknown, |memory| memory.posture)
    }
}

/// Carries a remembered place over into the present picture; `false` when it has none there.
fn carried(place: &mut PixelBox, now_from_before: &PictureTransform) -> bool {
    now_from_before.bbox(place).is_some_and(|now| {
        *place = now;
        true
    })
}

/// Within a body's length, taken from the longer side of the longer box.
fn near(a: &PixelBox, b: &PixelBox) -> bool {
    let (p, q) = (a.centre(), b.centre());
    (p.x - q.x).hypot(p.y - q.y) <= a.w.max(a.h).max(b.w).max(b.h)
}

fn hashed(bytes: Vec<u8>) -> Jpeg {
    Jpeg { sha256: hex::encode(Sha256::digest(&bytes)), bytes: Arc::from(bytes) }
}
