//! Evidence: the pictures and the clip that go with a sighting, taken at the moment of the decision: from its very picture, or from the camera's main
//! stream of the same seconds where that shows the same.

use crate::eyes::Eyes;
use crate::link_view::{LinkView, MainMiss};
use crate::stage::TrackMemory;
use crate::watch::CameraWatch;
use patrol_core::sighting::{EvidenceRef, Jpeg};
use patrol_core::{Evidence, MediaTime, Picture, PixelBox, Posture, Sighting, Tier};
use patrol_vision::{VisionError, jpeg};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Small pictures from before somebody came are his for this long: how he came to be there, not who was there before him.
const PREVIEW_BEFORE: Duration = Duration::from_secs(30);
/// While a decision stands, new evidence is taken this often; of each camera sooner by another part of it, as with examinations: cameras that began together would
/// all take it in the same second of every minute, and whoever is found then would wait for them.
const EVIDENCE_EVERY: Duration = Duration::from_mins(1);
/// At most this many small pictures go before a decision (design §6), no closer than this.
const PREVIEW_MAX: usize = 20;
const PREVIEW_EVERY: Duration = Duration::from_secs(3);
const PREVIEW_WIDTH_PX: u32 = 320;
/// Evidence is looked at on a screen: wider pictures are scaled down to this.
const WHOLE_WIDTH_PX: u32 = 1280;
const EVIDENCE_QUALITY: u8 = 85;
const PREVIEW_QUALITY: u8 = 70;
/// The desk may make its lead some minutes after the first evidence, when the camera was blind in between: so often a minute's evidence has a clip.
const CLIPS_MAX: u32 = 6;
/// The crop shows the person and as much around him.
const CROP_MARGIN: f32 = 1.0;

impl CameraWatch {
    /// Evidence is taken when a decision first may fall, when what it shows has changed, when the main stream has come since, and
    /// every [`EVIDENCE_EVERY`] after.
    pub(crate) fn wants_evidence(&self, sighting: &Sighting, tier: Tier) -> bool {
        let memory = self.stage.memories.get(&sighting.track);
        match memory.and_then(|memory| memory.evidence) {
            None => true,
            Some((at, posture, was)) => {
                sighting.media_time.since(at) >= self.sooner(EVIDENCE_EVERY, at.0.unsigned_abs())
                    || posture != sighting.posture
                    || tier < was
                    || self.main_has_come(memory.is_some_and(|memory| memory.main_asked))
            }
        }
    }

    /// In the coldest nights a decision falls before the main stream has come.
    fn main_has_come(&self, asked: bool) -> bool {
        !asked && self.link.as_ref().is_some_and(|link| link.main_key().is_some())
    }

    /// Whether a decision of this posture and tier stands already, whose evidence is only to be newer.
    fn has_told(&self, sighting: &Sighting, tier: Tier) -> bool {
        let evidence = self.stage.memories.get(&sighting.track).and_then(|memory| memory.evidence);
        evidence.is_some_and(|(_, posture, was)| posture == sighting.posture && tier >= was)
    }

    /// Whether a later look may be the first to tell of him: he is down, and there is no evidence of it yet.
    pub(crate) fn is_untold(&self, sighting: &Sighting) -> bool {
        let evidence = self.stage.memories.get(&sighting.track).and_then(|memory| memory.evidence);
        sighting.posture.is_down() && evidence.is_none_or(|(_, posture, _)| !posture.is_down())
    }

    /// `bbox`: where the person is in `looked`, the picture of this very look. What the main stream of `link` shows of him is taken instead where it shows the same.
    pub(crate) fn take_evidence(
        &mut self,
        sighting: &Sighting,
        tier: Tier,
        bbox: &PixelBox,
        looked: &Picture,
        link: &LinkView<'_>,
        eyes: &Eyes,
    ) -> Result<Arc<Evidence>, VisionError> {
        let renews = self.has_told(sighting, tier);
        let close = link.shows(bbox);
        match &close {
            Ok(_) => self.main_stream.shown += 1,
            Err(MainMiss::None) => {}
            Err(why) => {
                self.main_stream.missed += 1;
                tracing::debug!(camera = %self.camera.id, %why, "evidence is the picture of the look, not that of the main stream");
            }
        }
        if let Some(memory) = self.stage.memories.get_mut(&sighting.track) {
            memory.main_asked |= !matches!(close, Err(MainMiss::None | MainMiss::Missing));
        }
        let (picture, bbox) = close.unwrap_or((looked, *bbox));
        let (from_main, bbox) = (!std::ptr::eq(picture, looked), bbox.clipped(picture.size()));
        let whole = hashed(jpeg::whole(picture, Some(&bbox), WHOLE_WIDTH_PX, EVIDENCE_QUALITY)?);
        let crop = hashed(jpeg::crop(picture, &bbox, CROP_MARGIN, EVIDENCE_QUALITY)?);
        let since = sighting.media_time - sighting.captured.at.since(sighting.first_seen) - PREVIEW_BEFORE;
        let preview: Vec<Jpeg> = self.previews.iter().filter(|(at, _)| *at >= since).map(|(_, jpeg)| jpeg.clone()).collect();
        let clip = if self.wants_clip(sighting) { link.clip(from_main) } else { Ok(None) };
        let clip = clip.unwrap_or_else(|why| {
            // The pictures are there; only the film is missing.
            tracing::warn!(camera = %self.camera.id, why, "no clip could be cut");
            None
        });
        let (model, model_sha256) = eyes.describe(&self.detectors);
        let about = EvidenceRef {
            camera: self.camera.id.clone(),
            media_time: sighting.media_time,
            captured: picture.captured,
            main_stream: from_main,
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
        Ok(Arc::new(Evidence { about, whole, crop, preview, clip, renews }))
    }

    /// Not with all evidence, because a clip weighs megabytes.
    fn wants_clip(&self, sighting: &Sighting) -> bool {
        let memory = self.stage.memories.get(&sighting.track);
        let changed = |memory: &TrackMemory| memory.evidence.is_none_or(|(_, posture, _)| posture != sighting.posture);
        memory.is_none_or(|memory| changed(memory) || memory.clips < CLIPS_MAX)
    }

    /// Notes what has been told of a track; `true` when its posture or tier is other than last time.
    pub(crate) fn remember(&mut self, sighting: &Sighting, tier: Tier) -> bool {
        let Some(memory) = self.stage.memories.get_mut(&sighting.track) else { return true };
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

    /// When a small picture was kept last.
    pub fn last_preview(&self) -> Option<MediaTime> {
        self.previews.back().map(|(at, _)| *at)
    }

    /// Keeps a small picture while anyone rests here, and asks for the main stream.
    pub(crate) fn keep_preview<'a>(&mut self, picture: &Picture, mut told: impl Iterator<Item = &'a Sighting>) {
        let someone =
            told.any(|sighting| sighting.posture != Posture::Walking && (sighting.still_since.is_some() || sighting.posture.is_down()));
        if let Some(link) = &self.link {
            link.want_main(someone);
        }
        let recent = self.last_preview().is_some_and(|at| picture.media_time.since(at) < PREVIEW_EVERY);
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
}

fn hashed(bytes: Vec<u8>) -> Jpeg {
    Jpeg { sha256: hex::encode(Sha256::digest(&bytes)), bytes: Arc::from(bytes) }
}
