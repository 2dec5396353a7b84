//! What is taken for somebody and is nobody: lamps, bonnets, benches, puddles, bus shelters. They are followed and counted, not told.
//!
//! Nothing that was seen to move, that walked to its place, or of which evidence was taken for a lead is doubted, but for what stands where a known lamp stood: a person who
//! is missed is the worse mistake.

use crate::eyes::Eyes;
use crate::stage::{SUCCEEDS_IOU, Stage, TrackMemory, near};
use patrol_core::desk::AbsenceKind;
use patrol_core::{CameraView, Detection, DetectionSource, Picture, PictureSize, PixelBox, Posture, Track, TrackId};
use patrol_vision::{is_nowhere_warmer, network_score};

/// Looks without a doubt that it is none before a warm thing's place is known, its overlap with what is seen there later, and most
/// places known.
const FIXTURE_LOOKS: i32 = 30;
const FIXTURE_IOU: f32 = 0.4;
/// The same for what came there with somebody and is no person for `hot-spot`: the thing itself, and nothing that lies across it.
const FIXTURE_AGAIN_IOU: f32 = 0.5;
const FIXTURES_MAX: usize = 64;
/// On average less likely than this to be a person, says `hot-spot`: in thirty rendered streets things that are none have up to 0.30, people
/// who are down 0.64 and more.
const DOUBTFUL: f32 = 0.4;
/// Whom a network has found so often, and in this part of the looks in which `hot-spot` did, does not rest on `hot-spot`. In rendered streets a
/// network takes a lamp for somebody in 2-30 % of looks, as surely as it has to be and no surer, most of them when people pass before it. What was so many looks ago
/// counts half: somebody may lie down where a grating was warm all night.
const CONFIRMED_HITS: f32 = 5.0;
const CONFIRMED_PART: f32 = 0.1;
const REMEMBERED_LOOKS: u32 = 400;
/// A look in which the network is less sure than this counts a quarter: whoever is found in two looks of five is confirmed even so. In rendered streets lamps
/// have 0.40 to 0.45.
const SURE: f32 = 0.5;
const UNSURE_PART: f32 = 0.25;
/// Seen in fewer of its looks than this, it is credited with nothing (`integration.md` §6.5: motionless in at least 40 % of samples).
const SEEN_PART_MIN: f32 = 0.4;
/// So many looks at most count for what only a network sees being cold, or not; and one in which it is cold for as many in which noise hides that, where nothing warm was
/// ever seen. Of nobody in HIT-UAV it is said (`patrol-vision/src/warmth.rs`).
const COLD_LOOKS: i32 = 10;
const COLD_WEIGHT: i32 = 2;
/// What a look counts in which nothing of one who walks is warmer than around him, where one in which `hot-spot` finds him counts 1.
const COLD_WALKER: i32 = -3;
/// Shorter side of a box that holds no single person, metres. One who lies across both axes of a picture that is taken from above takes 1.6 m of each.
const LARGE_M: f32 = 2.2;
/// So many looks at most count for its being too large, or not.
const LARGE_LOOKS: i32 = 10;
/// What somebody walked up to and was left alone again overlaps what it was before by so much.
const THING_IOU: f32 = 0.4;
const THINGS_MAX: usize = 16;
/// A view whose corners have gone further than this part of the picture's width may have zoomed: sizes are not known any more.
const OTHER_VIEW_PART: f32 = 0.1;

/// What speaks for a track being a person, and against it.
#[derive(Clone, Default)]
pub(crate) struct Doubts {
    /// Looks in which a network or `hot-spot` took it for a person, less those in which only a person could tell.
    person_votes: i32,
    /// Looks in which it was not cold, less those in which nothing of it was warmer than around it.
    warm_votes: i32,
    /// Looks in which a network found him, unsure ones in part, and those in which `hot-spot` did, with the sum of what it made of him by itself.
    network_hits: f32,
    warm_hits: u32,
    warm_score_sum: f32,
    /// Looks in which it was larger than any person at its place, less those in which it was not, or showed a body's warmth.
    large_votes: i32,
}

impl Doubts {
    /// Who was at the picture's edge for long is no lamp: doubts count for no longer than they take to be one.
    pub(crate) fn vote(&mut self, track: &Track) {
        self.person_votes = (self.person_votes + if is_like_a_person(track) { 1 } else { -1 }).max(-FIXTURE_LOOKS);
    }

    /// Takes in who found him in this look.
    pub(crate) fn found(&mut self, track: &Track, view: Option<&CameraView>, size: PictureSize) {
        let warm = track.blob;
        if track.source != DetectionSource::HotSpot {
            let is_unsure = warm.is_some_and(|blob| network_score(track.score, blob.score) < SURE);
            self.network_hits += if is_unsure { UNSURE_PART } else { 1.0 };
        }
        if let Some(blob) = warm {
            self.warm_hits += 1;
            self.warm_score_sum += blob.score;
        }
        if self.warm_hits >= REMEMBERED_LOOKS {
            self.network_hits /= 2.0;
            self.warm_hits /= 2;
            self.warm_score_sum /= 2.0;
        }
        let scale = view.and_then(|view| view.pixels_per_metre(track.bbox.foot(), size));
        let is_large =
            scale.is_some_and(|scale| track.bbox.w.min(track.bbox.h) > LARGE_M * scale) && warm.is_none_or(|blob| !blob.body_like);
        self.large_votes = (self.large_votes + if is_large { 1 } else { -1 }).clamp(-LARGE_LOOKS, LARGE_LOOKS);
    }

    /// No network has taken it for a person more than now and then, and `hot-spot` doubts it.
    fn is_doubtful_beside_network(&self) -> bool {
        let is_doubted = self.person_votes < 0 || self.warm_score_sum < DOUBTFUL * self.warm_hits as f32;
        let is_confirmed = self.network_hits >= CONFIRMED_HITS && self.network_hits >= CONFIRMED_PART * self.warm_hits as f32;
        is_doubted && !is_confirmed
    }
}

impl Stage {
    /// Parts from a thing to which somebody has walked up, and where something warm is found now: he sits on the bench, and would go on as what the bench was taken
    /// for before he came.
    pub(crate) fn part_from_things(&mut self, detections: &[Detection]) {
        let is_thing = |track: &&Track| {
            let of_thing = |memory: &TrackMemory| memory.doubts.warm_hits == 0 && !memory.moved && memory.evidence.is_none();
            self.memories.get(&track.id).is_some_and(of_thing)
        };
        let is_walked_up_to = |thing: &Track| self.walkers.iter().any(|(id, (_, place))| *id != thing.id && near(place, &thing.bbox));
        let is_warm_now = |thing: &Track| {
            let likest = detections.iter().max_by(|a, b| a.bbox.iou(&thing.bbox).total_cmp(&b.bbox.iou(&thing.bbox)));
            likest.is_some_and(|found| found.blob.is_some() && found.bbox.iou(&thing.bbox) >= SUCCEEDS_IOU)
        };
        let left = self.tracks.iter().filter(is_thing).filter(|thing| is_walked_up_to(thing) && is_warm_now(thing));
        let left: Vec<(TrackId, PixelBox)> = left.map(|thing| (thing.id, thing.bbox)).collect();
        for (id, place) in left {
            self.tracker.release(id);
            self.cells.cells.retain(|cell| cell.track != id);
            self.memories.remove(&id);
            // It may have been somebody: the desk keeps his clocks for whoever is found there.
            self.partings.push((id, AbsenceKind::Broke));
            if !self.is_at_thing(&place) {
                if self.thing_places.len() == THINGS_MAX {
                    self.thing_places.remove(0);
                }
                self.thing_places.push(place);
            }
        }
    }

    /// Whether something was here before somebody walked up to it that may be here again.
    pub(crate) fn is_at_thing(&self, place: &PixelBox) -> bool {
        self.thing_places.iter().any(|thing| thing.iou(place) > THING_IOU)
    }

    /// How large people are in this view: not of one that has turned or zoomed as it went along.
    pub(crate) fn known_sizes<'a>(&self, view: Option<&'a CameraView>, size: PictureSize) -> Option<&'a CameraView> {
        view.filter(|_| self.home.now_from_begin.corner_shift(size) <= OTHER_VIEW_PART * size.width as f32)
    }

    /// How many of those who walk are warm in this look, less those who are cold, which count more. `hot-spot` finds whom a network does only where he is brighter than
    /// around him.
    pub(crate) fn warm_walkers(&self, picture: &Picture) -> i32 {
        let walks = |track: &&Track| track.last_seen == picture.media_time && self.posture(track.id) == Posture::Walking;
        let told = self.tracks.iter().filter(walks).map(|track| match track.source {
            DetectionSource::Both => 1,
            DetectionSource::Network if is_nowhere_warmer(picture, &track.bbox) => COLD_WALKER,
            _ => 0,
        });
        told.sum()
    }

    /// Whether those whom only a network sees are warmer than around them. In `picture` brighter is warmer.
    pub(crate) fn judge_warmth(&mut self, picture: &Picture) {
        for track in self.tracks.iter().filter(|track| track.last_seen == picture.media_time) {
            let Some(memory) = self.memories.get_mut(&track.id) else { continue };
            let weight = if memory.doubts.warm_hits == 0 { COLD_WEIGHT } else { 1 };
            let votes = &mut memory.doubts.warm_votes;
            *votes = match track.source {
                DetectionSource::Network if is_nowhere_warmer(picture, &track.bbox) => (*votes - weight).max(-COLD_LOOKS),
                DetectionSource::Network => (*votes + 1).min(COLD_LOOKS),
                // Seen by his warmth.
                _ => COLD_LOOKS,
            };
        }
    }

    /// It is not known any more whether brighter is warmer.
    pub(crate) fn forget_cold(&mut self) {
        for memory in self.memories.values_mut() {
            memory.doubts.warm_votes = memory.doubts.warm_votes.max(0);
        }
    }

    /// A warm thing that no detector takes for a person, or hardly: a lamp, a bonnet; a cold one that nothing but a network takes for somebody; or one that is larger than
    /// anybody. It has never moved, and is followed and counted, not told. Who walked to his place is told, whatever he looks like there, unless the very place was such a thing's
    /// before he came, and he looks like it: a track that went along with a passer-by and came back.
    pub(crate) fn is_fixture(&mut self, index: usize, eyes: &Eyes, detectors: &[usize]) -> bool {
        let track = &self.tracks[index];
        let Some(memory) = self.memories.get(&track.id) else { return false };
        let doubts = &memory.doubts;
        let unlike = doubts.person_votes < 0;
        let is_at_fixture = self.fixture_places.iter().any(|place| place.iou(&track.bbox) > FIXTURE_IOU);
        if !memory.moved && doubts.person_votes <= -FIXTURE_LOOKS && !is_at_fixture {
            if self.fixture_places.len() == FIXTURES_MAX {
                self.fixture_places.remove(0);
            }
            self.fixture_places.push(track.bbox);
        }
        if memory.evidence.is_some() {
            // Somebody, after all.
            self.fixture_places.retain(|place| place.iou(&track.bbox) <= FIXTURE_IOU);
        }
        if eyes.has_network(detectors) {
            // Who has been told of is watched, not doubted.
            let is_warm_thing = doubts.is_doubtful_beside_network() && !self.cells.has(track.id);
            let is_fixture_again = || unlike && self.fixture_places.iter().any(|place| place.iou(&track.bbox) > FIXTURE_AGAIN_IOU);
            let is_large_thing = doubts.large_votes > 0 && !self.cells.has(track.id);
            let is_thing = is_warm_thing && (!memory.moved || is_fixture_again());
            return memory.evidence.is_none() && (is_thing || (!memory.moved && (doubts.warm_votes < 0 || is_large_thing)));
        }
        // Who is missed where he was found before is watched, not doubted.
        let is_seen = self.cells.has(track.id) || track.hits as f32 >= SEEN_PART_MIN * track.looks as f32;
        let never_moved = !memory.moved && (unlike || track.score_mean < DOUBTFUL || !is_seen);
        memory.evidence.is_none() && (never_moved || (is_at_fixture && !track.resolved))
    }
}

/// A network takes it for one, or `hot-spot` does; beside a network that says nothing, too, for networks miss many of those who lie.
fn is_like_a_person(track: &Track) -> bool {
    track.resolved || track.blob.is_none_or(|blob| blob.body_like)
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{Blob, MediaTime, PixelPoint, TrackStage};

    /// Found in one look, both being so sure; `hot-spot` makes `warm_score` of it and no body.
    fn found(source: DetectionSource, score: f32, warm_score: f32) -> Track {
        let kept = r#"{"area_px":90.0,"centroid":{"x":1.0,"y":2.0},"major_px":20.0,"minor_px":6.0,"angle_rad":0.1,"contrast_sigma":9.0}"#;
        let blob: Blob = serde_json::from_str(kept).expect("kept by a build that did not know all of a region");
        assert!(blob.body_like && blob.score > DOUBTFUL, "and not doubted");
        Track {
            id: TrackId(1),
            stage: TrackStage::Confirmed,
            bbox: PixelBox::new(100.0, 100.0, 20.0, 24.0),
            score,
            score_mean: score,
            source,
            resolved: source != DetectionSource::HotSpot,
            blob: (source != DetectionSource::Network).then_some(Blob { score: warm_score, body_like: false, ..blob }),
            first_seen: MediaTime::ZERO,
            last_seen: MediaTime::ZERO,
            hits: 10,
            looks: 10,
            still_since: None,
            speed_px_s: 0.0,
            entered_at: PixelPoint { x: 0.0, y: 0.0 },
        }
    }

    fn look(doubts: &mut Doubts, track: &Track) {
        doubts.vote(track);
        doubts.found(track, None, PictureSize::new(640, 512));
    }

    #[test]
    fn a_lamp_that_a_network_takes_for_somebody_now_and_then_is_doubted_for_ever() {
        // In one of so many looks a network finds it, so surely.
        let is_doubted = |looks: u32, every: u32, score: f32| {
            let mut doubts = Doubts::default();
            for number in 1..=looks {
                let source = if number % every == 0 { DetectionSource::Both } else { DetectionSource::HotSpot };
                look(&mut doubts, &found(source, score, 0.2));
            }
            doubts.is_doubtful_beside_network()
        };
        assert!(is_doubted(1070, 50, 0.8), "a lamp of a long night");
        assert!(is_doubted(60, 15, 0.8), "too rarely to be sure");
        assert!(is_doubted(390, 4, 0.45), "a lamp on a post that is hardly somebody in one look of four");
        assert!(!is_doubted(100, 10, 0.8), "somebody whom the network misses in nine of ten looks");
        assert!(!is_doubted(100, 2, 0.45), "or of whom it is never sure");
        let mut seen = Doubts::default();
        for _ in 0..5 {
            look(&mut seen, &found(DetectionSource::Network, 0.45, 0.0));
        }
        assert!(!seen.is_doubtful_beside_network(), "whom only the network sees");
    }

    #[test]
    fn who_lies_down_where_a_warm_thing_was_all_night_is_believed_within_minutes() {
        let mut doubts = Doubts::default();
        for _ in 0..36_000 {
            look(&mut doubts, &found(DetectionSource::HotSpot, 0.2, 0.2));
        }
        assert!(doubts.is_doubtful_beside_network());
        let looks = (1..=200).find(|_| {
            look(&mut doubts, &found(DetectionSource::Both, 0.8, 0.2));
            !doubts.is_doubtful_beside_network()
        });
        assert!(looks.is_some_and(|looks| looks <= 40), "{looks:?}");
    }

    #[test]
    fn doubts_at_the_edge_count_for_no_longer_than_they_take() {
        let mut doubts = Doubts::default();
        for _ in 0..500 {
            doubts.vote(&found(DetectionSource::HotSpot, 0.2, 0.2));
        }
        assert_eq!(doubts.person_votes, -FIXTURE_LOOKS);
        for _ in 0..FIXTURE_LOOKS {
            doubts.vote(&found(DetectionSource::Both, 0.8, 0.9));
        }
        assert_eq!(doubts.person_votes, 0, "whoever comes whole into the picture is told of again");
    }

    #[test]
    fn what_is_larger_than_anybody_at_its_place_is_known_where_the_view_is() {
        let view = CameraView { height_m: 8.0, tilt_deg: 25.0, heading_deg: 0.0, hfov_deg: 57.0 };
        let is_too_large = |bbox: PixelBox, view: Option<&CameraView>| {
            let mut doubts = Doubts::default();
            doubts.found(&Track { bbox, ..found(DetectionSource::Network, 0.5, 0.0) }, view, PictureSize::new(640, 512));
            doubts.large_votes > 0
        };
        // 13 m before the camera a metre is 44 pixels.
        let at = |w: f32, h: f32| PixelBox::new(320.0 - w / 2.0, 370.0 - h, w, h);
        assert!(is_too_large(at(110.0, 120.0), Some(&view)), "a bus shelter");
        assert!(!is_too_large(at(110.0, 120.0), None), "of unknown view");
        assert!(!is_too_large(at(80.0, 80.0), Some(&view)), "one who lies aslant with his arms out");
        assert!(!is_too_large(at(160.0, 80.0), Some(&view)), "two who lie head to foot");
    }
}
