//! Who vanishes inside the picture: under a quilt, or into one warm region with somebody who lies there.
//!
//! No detector finds him any more, but something lies now where he was last seen that did not before he came. It is watched as a person of unknown
//! posture, without motion, until it is seen to have gone.

use crate::cells::WatchCell;
use crate::stage::{Stage, TrackMemory};
use patrol_core::{Picture, PixelBox, Posture, Track};
use patrol_leads::posture::PostureFilter;
use patrol_track::EndedTrack;
use patrol_vision::change::{PlacePatch, PlaceVerdict, read_place};
use std::time::Duration;

/// A track seen so often was somebody.
const HITS_MIN: u32 = 6;
/// So near to the picture's edge, in parts of his longer side, he may have left it.
const EDGE_PART: f32 = 0.5;
/// A place that is another's by more than this part of it shows the other; and so may one with somebody who moves so near, in its longer sides.
const OTHERS_PART_MAX: f32 = 0.4;
const OTHERS_NEAR: f32 = 1.0;
/// A track that began so soon before he vanished, and touches his place by this part of the smaller box, is his own.
const SUCCESSOR_BEFORE: Duration = Duration::from_secs(10);
const SUCCESSOR_PART_MAX: f32 = 0.1;
/// Who has become this small a part of what he was moments ago was going down, and what he pulls over himself is larger than he was: sought in his box grown by these parts
/// of its longer side. A quilt that fills a box and its ring alike stands out of neither. Seen from straight above nobody shrinks so.
const GONE_DOWN_PART: f32 = 0.5;
const QUILT_PARTS: [f32; 2] = [0.25, 0.5];
/// Smaller than this nothing is known by its picture, pixels: short and long side (design §5).
const BODY_MIN_PX: (f32, f32) = (8.0, 14.0);

impl Stage {
    /// Takes up again whoever of `ended` seems still to be where he vanished; gives the others.
    pub(crate) fn keep_vanished(&mut self, ended: Vec<EndedTrack>, picture: &Picture) -> Vec<EndedTrack> {
        let is_known_gone = |ended: &EndedTrack| ended.walked_out || ended.out_of_view || ended.merged_into.is_some();
        ended.into_iter().filter(|ended| is_known_gone(ended) || !self.keep_if_there(&ended.track, picture)).collect()
    }

    /// `track` is no longer followed. Once for each time that he was found.
    pub(crate) fn keep_if_there(&mut self, track: &Track, picture: &Picture) -> bool {
        let (short, long) = (track.bbox.w.min(track.bbox.h), track.bbox.w.max(track.bbox.h));
        let is_somebody = track.hits >= HITS_MIN && short >= BODY_MIN_PX.0 && long >= BODY_MIN_PX.1;
        let is_news = self.memories.get(&track.id).is_some_and(|memory| memory.moved && !memory.vanished);
        if !is_somebody || !is_news || is_at_edge(&track.bbox, picture) || self.is_anothers_place(track) {
            return false;
        }
        let longest = self.memories.get(&track.id).map_or(0.0, |memory| memory.longest_px.1);
        let went_down = long < GONE_DOWN_PART * longest;
        let Some((place, before)) = self.new_thing_at(track, went_down, picture) else { return false };
        let at = picture.media_time;
        let resting = Track { still_since: Some(at), bbox: place, ..track.clone() };
        self.tracker.take_up(&resting, &place, None);
        let told = self.memories.remove(&track.id).unwrap_or_default();
        let memory = TrackMemory {
            filter: PostureFilter::resume(Posture::Unknown, at, at),
            posture: Some(Posture::Unknown),
            vanished: true,
            ..told
        };
        self.memories.insert(track.id, memory);
        self.cells.open_vanished(&resting, picture, before);
        true
    }

    /// Where something stands out of the scenery in the box where `track` was seen last, or around it, clear of all others, if he `went_down`; and the scenery there.
    fn new_thing_at(&self, track: &Track, went_down: bool, picture: &Picture) -> Option<(PixelBox, PlacePatch)> {
        let last = &track.bbox;
        let parts: &[f32] = if went_down { &QUILT_PARTS } else { &[] };
        let others =
            self.tracks.iter().map(|other| (other.id, other.bbox)).chain(self.cells.cells.iter().map(|cell| (cell.track, cell.place)));
        let others: Vec<PixelBox> = others.filter(|(id, _)| *id != track.id).map(|(_, place)| place).collect();
        let is_clear = |place: &PixelBox| others.iter().all(|other| other.intersection(place) <= 0.0);
        let around = parts.iter().map(|part| last.grown(part * last.w.max(last.h))).filter(is_clear);
        std::iter::once(*last).chain(around).find_map(|place| {
            let (before, now) = self.before(&place).zip(PlacePatch::take(picture, &place))?;
            // It stands out when its own picture shows it there.
            (read_place(&now, Some(&before), &now).verdict == PlaceVerdict::Unchanged).then_some((place, before))
        })
    }

    /// Whether somebody else is, or is watched, where `track` was last.
    fn is_anothers_place(&self, track: &Track) -> bool {
        let area = track.bbox.area().max(1.0);
        let near = track.bbox.grown(OTHERS_NEAR * track.bbox.w.max(track.bbox.h));
        // Whoever has just lain down is not still yet, and passes nobody.
        let is_moving = |other: &Track| other.still_since.is_none() && !self.posture(other.id).is_down();
        let is_passing = |other: &Track| is_moving(other) && near.intersection(&other.bbox) > 0.0;
        // Whoever was found here as he vanished is he.
        let is_himself = |other: &Track| {
            let touches = other.bbox.intersection(&track.bbox) > SUCCESSOR_PART_MAX * other.bbox.area().min(area);
            touches && other.first_seen + SUCCESSOR_BEFORE > track.last_seen
        };
        let covers = |cell: &WatchCell| cell.track != track.id && cell.place.intersection(&track.bbox) > OTHERS_PART_MAX * area;
        let others = self.tracks.iter().filter(|other| other.id != track.id);
        others.into_iter().any(|other| is_passing(other) || is_himself(other)) || self.cells.cells.iter().any(covers)
    }
}

fn is_at_edge(bbox: &PixelBox, picture: &Picture) -> bool {
    let (w, h) = (picture.size().width as f32, picture.size().height as f32);
    let margin = EDGE_PART * bbox.w.max(bbox.h);
    bbox.x < margin || bbox.y < margin || bbox.right() > w - margin || bbox.bottom() > h - margin
}
