//! Watch cells: the places where somebody was last found, watched until they are *seen* empty (design §4).
//!
//! A cell stands where somebody rests who was told of. While detectors find him it keeps how his place looks. When they do not, the picture
//! of the place says what became of him: the same as then, he is there; as it was without him, and nobody is found in three looks over a
//! minute, he has left; anything else cannot be judged, and after ten minutes a person must look. Finding nothing proves nothing. Who was not
//! down is waited for less long, and so is one of whom no more is known than that he vanished here.

use patrol_core::{MediaTime, Picture, PictureTransform, PixelBox, Posture, Track, TrackId, TrackStage};
use patrol_vision::change::{PlacePatch, PlaceReading, PlaceVerdict, read_place};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Cells of one camera (design §4).
pub(crate) const CELLS_MAX: usize = 64;
/// A place is empty when it was seen so in so many examined looks over this time (design §4).
const EMPTY_LOOKS: u32 = 3;
const EMPTY_FOR: Duration = Duration::from_mins(1);
/// A place that could not be judged for so long goes to a person (design §4).
const UNJUDGED_AFTER: Duration = Duration::from_mins(10);
/// Detectors that found him within this before his place changed would find him if he were there. Later, and until they have found somebody
/// else on this camera, nobody knows whether they can: that they find nothing then says nothing.
const TRUSTED_WITHIN: Duration = Duration::from_secs(30);
/// Who is found so far from his place, in parts of his longer side, has left it, or is somebody else.
const LEFT_PART: f32 = 0.7;
/// And so has one who moves and overlaps his place by less.
const LEFT_IOU: f32 = 0.3;
/// Found at his place in so many looks running while the place looks otherwise: this is how it looks now.
const NEW_LOOKS: u32 = 3;
/// A box that overlaps the place by less is him at another place, or in another posture.
const SAME_BOX_IOU: f32 = 0.7;
/// After so many looks in which he was not found, whoever is found at his place and walks off may be a passer-by.
const HIDDEN_LOOKS: u32 = 3;
/// A track that begins so soon after he was found last, so near, in lengths of his, and is so far away by now, set off from his place. The place
/// then is empty when nothing of him shows, although its ground may be too uneven to say so by itself; a quilt over him leaves 0.15 of him.
const SETS_OFF_WITHIN: Duration = Duration::from_secs(15);
const SETS_OFF_LENGTHS: f32 = 1.0;
const GONE_LENGTHS: f32 = 2.0;
const WALKED_OFF_PRESENCE_MAX: f32 = 0.1;
const WALKED_OFF_LEFTOVER_MAX_SIGMA: f32 = 8.0;
/// Less of a place than this in the picture is out of view; it is waited for so long, as for a track (`TrackerConfig::keep_out_of_view`).
const OUT_OF_VIEW_PART: f32 = 0.5;
const OUT_OF_VIEW_MAX: Duration = Duration::from_secs(10);
/// Of a place of which less than this is in the picture nothing is learnt.
const WHOLE_PART: f32 = 0.8;
/// While he is found, how his place looks is learnt so often: light and snow change it no faster, and a crowd that stands costs little.
const CONFIRM_EVERY: Duration = Duration::from_secs(10);
/// A place that cannot be judged is read so often: in a crowd there are some.
const UNCLEAR_READ_EVERY: Duration = Duration::from_secs(3);
/// So many looks vote on a posture (`patrol-leads`); so many in vain are enough.
const UNDERSTOOD_LOOKS: u32 = 9;
const UNDERSTOOD_MISSES: u32 = 30;
/// One who was not down and of whom nothing is seen at a place that cannot be judged is not waited for longer: whoever comes through the same
/// door next would be taken for him.
const UPRIGHT_MISSED_MAX: Duration = Duration::from_secs(3);
/// Who vanished here, and was seen to be here for so long, is waited for so long while something hides his place; and where all of him shows beside something that
/// has not changed for so long, he is there, and so is that: somebody lay down beside him. Both in so many looks at least.
const VANISHED_KNOWN: Duration = Duration::from_secs(10);
const VANISHED_HIDDEN_MAX: Duration = Duration::from_mins(2);
const VANISHED_LOOKS: u32 = 3;
/// His place is examined enlarged at most so often.
const CLOSER_EVERY: Duration = Duration::from_secs(10);
/// And so many places in one look.
pub(crate) const CLOSER_MAX: usize = 4;

/// What is known of the one who was last found here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CellState {
    /// A detector found him in the last examined look.
    Found,
    /// None did, and the place looks as it did when he was found.
    Held,
    /// The place looks as it does without him.
    Empty,
    /// Something stands before it, lies over it, or the picture is too poor.
    Unclear,
}

/// One place under watch. Boxes are in pixels of the present picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WatchCell {
    pub(crate) track: TrackId,
    /// Where he was last found, and how it looked then.
    pub(crate) place: PixelBox,
    pub(crate) state: CellState,
    confirmed: PlacePatch,
    confirmed_at: Option<MediaTime>,
    /// How it looked before he came; `None` if nobody knows.
    before: Option<PlacePatch>,
    /// His track when he was last found at rest here.
    at_rest: Track,
    posture: Posture,
    /// When he was last found, and when the place was last judged either way.
    found_at: MediaTime,
    judged_at: MediaTime,
    /// Looks in which he was found here; running, in which he was found and the place looked otherwise; in which he was not found.
    found: u32,
    otherwise: u32,
    missed: u32,
    emptied: Option<Emptied>,
    /// Somebody set off from here when he was found no more.
    walked_off: bool,
    /// He vanished here and has not been found since: he is known by what lies here.
    #[serde(default)]
    vanished: bool,
    /// People were told of him: he is not given up, they are told when nobody can judge.
    #[serde(default)]
    pub(crate) told: bool,
    /// Of one who vanished: what his place looks like with something beside him; and since when, and in how many looks, it could not be judged.
    #[serde(skip)]
    beside: Option<Lasting<PlacePatch>>,
    #[serde(skip)]
    hidden: Option<Lasting<()>>,
    unjudged_told: bool,
    closer_at: Option<MediaTime>,
    read_at: Option<MediaTime>,
}

/// Something that is so since a look, in so many looks.
#[derive(Debug, Clone)]
struct Lasting<T> {
    what: T,
    since: MediaTime,
    looks: u32,
}

impl<T> Lasting<T> {
    fn new(what: T, since: MediaTime) -> Self {
        Self { what, since, looks: 1 }
    }

    fn lasts(&self, now: MediaTime, least: Duration) -> bool {
        self.looks >= VANISHED_LOOKS && now.since(self.since) >= least
    }
}

/// The place was seen as it is without him.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Emptied {
    since: MediaTime,
    looks: u32,
    /// Detectors are known to work.
    trusted: bool,
}

/// What a look at a cell tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellNews {
    None,
    /// He goes elsewhere, in sight: his place needs no watch.
    Gone,
    /// Whoever his track follows is somebody else; he is still here.
    Stolen,
    SeenEmpty,
    /// He was not down, and nobody knows where he is.
    Lost,
    /// The camera has left his place.
    OutOfView,
    Unjudged,
}

/// The cells of one view of a camera.
#[derive(Debug, Clone, Default)]
pub(crate) struct WatchCells {
    pub(crate) cells: Vec<WatchCell>,
    /// Most at once, and those that the bound left without a watch.
    pub(crate) most: usize,
    pub(crate) dropped: u64,
}

impl WatchCells {
    pub(crate) fn has(&self, track: TrackId) -> bool {
        self.cells.iter().any(|cell| cell.track == track)
    }

    pub(crate) fn is_understood(&self, track: TrackId) -> bool {
        self.cells.iter().any(|cell| cell.track == track && cell.is_understood())
    }

    pub(crate) fn state_of(&self, track: TrackId) -> Option<CellState> {
        self.cells.iter().find(|cell| cell.track == track).map(|cell| cell.state)
    }

    /// Whether any place must be judged soon: the picture's being unchanged is no answer there.
    pub(crate) fn any_open(&self) -> bool {
        self.cells.iter().any(|cell| matches!(cell.state, CellState::Empty | CellState::Unclear))
    }

    /// Puts the place of a resting track under watch. Over the bound, who is down stays before who is not, and the longest still before others.
    pub(crate) fn open(&mut self, track: &Track, posture: Posture, picture: &Picture, before: Option<PlacePatch>) {
        if let Some(cell) = self.cells.iter_mut().find(|cell| cell.track == track.id) {
            cell.posture = posture;
            return;
        }
        let Some(confirmed) = PlacePatch::take(picture, &track.bbox) else { return };
        let now = picture.media_time;
        self.cells.push(WatchCell {
            track: track.id,
            place: track.bbox,
            state: CellState::Found,
            confirmed,
            confirmed_at: Some(now),
            before,
            at_rest: track.clone(),
            posture,
            found_at: now,
            judged_at: now,
            found: 1,
            otherwise: 0,
            missed: 0,
            emptied: None,
            walked_off: false,
            vanished: false,
            beside: None,
            hidden: None,
            told: false,
            unjudged_told: false,
            closer_at: None,
            read_at: None,
        });
        if self.cells.len() > CELLS_MAX {
            let urgency = |cell: &WatchCell| (cell.posture.is_down(), std::cmp::Reverse(cell.at_rest.still_since.unwrap_or(now)));
            if let Some(least) = (0..self.cells.len()).min_by_key(|index| urgency(&self.cells[*index])) {
                self.cells.remove(least);
                self.dropped += 1;
            }
        }
        self.most = self.most.max(self.cells.len());
    }

    /// The same of one who vanished at rest.
    pub(crate) fn open_vanished(&mut self, track: &Track, picture: &Picture, before: PlacePatch) {
        self.open(track, Posture::Unknown, picture, Some(before));
        if let Some(cell) = self.cells.iter_mut().find(|cell| cell.track == track.id) {
            cell.vanished = true;
        }
    }

    /// The camera moved; a place that it has left is watched no more.
    pub(crate) fn carry(&mut self, now_from_before: &PictureTransform) {
        self.cells.retain_mut(|cell| {
            let place = now_from_before.bbox(&cell.place);
            cell.place = place.unwrap_or(cell.place);
            place.is_some()
        });
    }

    /// Places to be examined enlarged before a look is judged: where somebody is missing among `found`, the longest ago first. `found` is told all places.
    pub(crate) fn closer(&mut self, now: MediaTime, found: impl Fn(&PixelBox, &[PixelBox]) -> bool) -> Vec<PixelBox> {
        let places: Vec<PixelBox> = self.cells.iter().map(|cell| cell.place).collect();
        let mut missing: Vec<&mut WatchCell> = self
            .cells
            .iter_mut()
            .filter(|cell| cell.closer_at.is_none_or(|at| now.since(at) >= CLOSER_EVERY) && !found(&cell.place, &places))
            .collect();
        missing.sort_by_key(|cell| (cell.closer_at, cell.track));
        missing.truncate(CLOSER_MAX);
        missing.into_iter().map(|cell| (cell.closer_at = Some(now), cell.place).1).collect()
    }
}

impl WatchCell {
    /// What the picture shows of the place, against how it looked when he was last found.
    pub(crate) fn read(&self, picture: &Picture) -> (PlaceVerdict, Option<PlacePatch>) {
        let Some(now) = PlacePatch::take(picture, &self.place) else { return (PlaceVerdict::Unclear, None) };
        let reading = self.read_patch(&now);
        tracing::trace!(
            track = self.track.0,
            at_s = picture.media_time.as_secs_f64(),
            before = self.before.is_some(),
            ?reading,
            "place read"
        );
        (reading.verdict, Some(now))
    }

    fn read_patch(&self, now: &PlacePatch) -> PlaceReading {
        let mut reading = read_place(&self.confirmed, self.before.as_ref(), now);
        if reading.verdict == PlaceVerdict::Unclear && self.before.is_some() {
            // What is taken for the scenery may have him in it: that he is there can be seen without.
            let alone = read_place(&self.confirmed, None, now);
            if alone.verdict == PlaceVerdict::Unchanged {
                reading = alone;
            }
        }
        let seems_empty = reading.presence.abs() <= WALKED_OFF_PRESENCE_MAX && reading.leftover <= WALKED_OFF_LEFTOVER_MAX_SIGMA;
        if self.walked_off && reading.verdict == PlaceVerdict::Unclear && seems_empty {
            reading.verdict = PlaceVerdict::Gone;
        }
        reading
    }

    /// Whether `other` was found beside him when he was last found here, and so is not him under another number.
    pub(crate) fn was_beside(&self, other: &Track) -> bool {
        other.id != self.track && other.first_seen <= self.found_at
    }

    /// Whether looks at him, as he lies or sits here, have told what they can: as many as vote on his posture, or he cannot be found.
    pub(crate) fn is_understood(&self) -> bool {
        self.found >= UNDERSTOOD_LOOKS || self.missed >= UNDERSTOOD_MISSES
    }

    pub(crate) fn at_rest(&self) -> &Track {
        &self.at_rest
    }

    /// Notes a track that began here when he was found no more, and has gone from here since: it is likely his.
    pub(crate) fn watch_leaving(&mut self, other: &Track) {
        let from_here = |x: f32, y: f32| {
            let centre = self.place.centre();
            (x - centre.x).hypot(y - centre.y) / self.place.w.max(self.place.h).max(1.0)
        };
        let began = other.first_seen > self.at_rest.last_seen && other.first_seen.since(self.found_at) <= SETS_OFF_WITHIN;
        let is_his = began && from_here(other.entered_at.x, other.entered_at.y) <= SETS_OFF_LENGTHS;
        let now = other.bbox.centre();
        self.walked_off |= self.missed > 0 && is_his && from_here(now.x, now.y) >= GONE_LENGTHS;
    }

    /// Judges the place in an examined look after tracking. `track`: his, if it still lives. `others`: a detector found somebody else.
    /// `beside`: where those are found now who lay beside him. `before`: how any place looked before people came, where that is known.
    pub(crate) fn judge(
        &mut self,
        picture: &Picture,
        track: &Track,
        others: bool,
        beside: &[PixelBox],
        before: impl Fn(&PixelBox) -> Option<PlacePatch>,
    ) -> CellNews {
        let now = picture.media_time;
        let is_found = track.stage == TrackStage::Confirmed && track.last_seen == now;
        let is_fresh = self.missed == 0 && self.otherwise == 0 && self.confirmed_at.is_some_and(|at| now.since(at) < CONFIRM_EVERY);
        if is_found && is_fresh && self.place.iou(&track.bbox) >= SAME_BOX_IOU {
            self.settle(now, CellState::Found);
            self.found_at = now;
            self.found = self.found.saturating_add(1);
            self.at_rest.clone_from(track);
            return CellNews::None;
        }
        if !is_found && self.is_out_of_view(picture) {
            // The camera went on: nothing is known of him since, least of all that anybody could judge it.
            self.state = CellState::Unclear;
            (self.beside, self.hidden) = (None, None);
            return if now.since(self.found_at) >= OUT_OF_VIEW_MAX { CellNews::OutOfView } else { CellNews::None };
        }
        let is_read = self.read_at.is_some_and(|at| now.since(at) < UNCLEAR_READ_EVERY);
        if !is_found && self.state == CellState::Unclear && is_read {
            self.missed += 1;
            return if self.is_given_up(now) { CellNews::Lost } else { self.wait(now) };
        }
        self.read_at = Some(now);
        let (mut verdict, patch) = self.read(picture);
        if !is_found
            && verdict == PlaceVerdict::Unclear
            && !beside.is_empty()
            && let Some(patch) = patch.as_ref().and_then(|patch| patch.without(&self.place, beside))
        {
            // Part of his neighbour lies in his box: what is left of it says what became of himself.
            verdict = self.read_patch(&patch).verdict;
        }
        if is_found && self.is_away(track, picture) {
            let is_another = verdict == PlaceVerdict::Unchanged || (self.missed >= HIDDEN_LOOKS && verdict != PlaceVerdict::Gone);
            if is_another {
                self.settle(now, if verdict == PlaceVerdict::Unchanged { CellState::Held } else { CellState::Unclear });
                self.missed += 1;
                return CellNews::Stolen;
            }
            return CellNews::Gone;
        }
        if is_found {
            self.find(track, verdict, patch, picture, before);
            return CellNews::None;
        }
        self.missed += 1;
        if verdict != PlaceVerdict::Unclear {
            (self.beside, self.hidden) = (None, None);
        } else if self.is_known_vanished() {
            if self.is_beside_another(patch, now) {
                (verdict, self.hidden) = (PlaceVerdict::Unchanged, None);
            } else {
                self.hidden.get_or_insert(Lasting { what: (), since: now, looks: 0 }).looks += 1;
            }
        }
        match verdict {
            PlaceVerdict::Unchanged => {
                self.emptied = None;
                self.settle(now, CellState::Held);
            }
            PlaceVerdict::Gone => {
                let trusted = now.since(self.found_at) <= TRUSTED_WITHIN;
                let emptied = self.emptied.get_or_insert(Emptied { since: now, looks: 0, trusted });
                emptied.looks += 1;
                if others && !emptied.trusted {
                    // What was not found before they were known to work counts for nothing.
                    *emptied = Emptied { since: now, looks: 1, trusted: true };
                }
                // Who stood, and was seen to set off, is not waited for: the next one to stop here would be taken for him.
                let is_known_gone = self.walked_off && !self.posture.is_down();
                let is_long = is_known_gone || now.since(emptied.since) >= EMPTY_FOR;
                let is_empty = emptied.trusted && emptied.looks >= EMPTY_LOOKS && is_long;
                self.state = CellState::Empty;
                if is_empty {
                    return CellNews::SeenEmpty;
                }
            }
            PlaceVerdict::Unclear => self.state = CellState::Unclear,
        }
        if self.is_given_up(now) { CellNews::Lost } else { self.wait(now) }
    }

    /// Whom nobody was told of is not waited for without end. One who stood, or of whom too little was seen to know how he was: he is not missed for long among people who come and go. Nor, if a little longer, is
    /// one of whom no more is known than that he vanished here.
    fn is_given_up(&self, now: MediaTime) -> bool {
        if self.is_known_vanished() {
            return !self.told && self.hidden.as_ref().is_some_and(|hidden| hidden.lasts(now, VANISHED_HIDDEN_MAX));
        }
        let is_known_low = matches!(self.posture, Posture::Sitting | Posture::Unknown) && self.found >= UNDERSTOOD_LOOKS;
        let is_of_concern = self.posture.is_down() || is_known_low;
        !is_of_concern && self.state != CellState::Held && now.since(self.found_at) >= UPRIGHT_MISSED_MAX
    }

    /// He vanished here, and what lies here since was seen long enough to be no detector's slip.
    fn is_known_vanished(&self) -> bool {
        self.vanished && self.judged_at.since(self.found_at) >= VANISHED_KNOWN
    }

    /// Whether all of him is there still, beside something that has not changed for long. What he is known by stays what it was: with the other in it, he would
    /// be taken to be there for as long as the other is.
    fn is_beside_another(&mut self, patch: Option<PlacePatch>, now: MediaTime) -> bool {
        let shows_him = |patch: &PlacePatch| read_place(&self.confirmed, self.before.as_ref(), patch).has_all_of_him();
        let Some(patch) = patch.filter(shows_him) else {
            self.beside = None;
            return false;
        };
        match &mut self.beside {
            Some(beside) if read_place(&beside.what, None, &patch).is_the_same() => {
                beside.looks += 1;
                beside.lasts(now, VANISHED_KNOWN)
            }
            _ => {
                self.beside = Some(Lasting::new(patch, now));
                false
            }
        }
    }

    /// Time passes without a judgement.
    pub(crate) fn wait(&mut self, now: MediaTime) -> CellNews {
        let is_due = !self.unjudged_told && now.since(self.judged_at) >= UNJUDGED_AFTER;
        self.unjudged_told |= is_due;
        if is_due { CellNews::Unjudged } else { CellNews::None }
    }

    /// The whole picture is as it was at the last examined look: so is this place.
    pub(crate) fn unchanged(&mut self, now: MediaTime) {
        match self.state {
            CellState::Found => (self.found_at, self.judged_at) = (now, now),
            CellState::Held => self.judged_at = now,
            CellState::Empty | CellState::Unclear => {}
        }
    }

    fn settle(&mut self, now: MediaTime, state: CellState) {
        self.state = state;
        if matches!(state, CellState::Found | CellState::Held) {
            (self.judged_at, self.unjudged_told) = (now, false);
        }
    }

    fn is_out_of_view(&self, picture: &Picture) -> bool {
        self.place.clipped(picture.size()).area() < OUT_OF_VIEW_PART * self.place.area()
    }

    fn is_cut(&self, picture: &Picture) -> bool {
        self.place.clipped(picture.size()).area() < WHOLE_PART * self.place.area()
    }

    fn is_away(&self, track: &Track, picture: &Picture) -> bool {
        // Of a place at the edge he can be found only where the picture shows it.
        let place = Some(self.place.clipped(picture.size())).filter(|shown| shown.area() > 0.0).unwrap_or(self.place);
        let (p, q) = (place.centre(), track.bbox.centre());
        let is_far = (p.x - q.x).hypot(p.y - q.y) > LEFT_PART * self.place.w.max(self.place.h);
        is_far || (track.still_since.is_none() && place.iou(&track.bbox) < LEFT_IOU)
    }

    fn find(
        &mut self,
        track: &Track,
        verdict: PlaceVerdict,
        patch: Option<PlacePatch>,
        picture: &Picture,
        before: impl Fn(&PixelBox) -> Option<PlacePatch>,
    ) {
        let now = picture.media_time;
        self.settle(now, CellState::Found);
        (self.found_at, self.missed, self.emptied, self.walked_off) = (now, 0, None, false);
        (self.vanished, self.beside, self.hidden) = (false, None, None);
        self.found = self.found.saturating_add(1);
        if self.is_cut(picture) {
            // The edge of a picture that moves shows a part of him: he is where he was, and the part is no place of its own.
            self.at_rest.clone_from(track);
            return;
        }
        let same_box = self.place.iou(&track.bbox) >= SAME_BOX_IOU;
        // What is learnt here is what he is known by later: a passer-by before him is not to be learnt with him.
        if verdict == PlaceVerdict::Unchanged && same_box {
            self.otherwise = 0;
            self.confirmed = patch.unwrap_or_else(|| self.confirmed.clone());
            self.confirmed_at = Some(now);
            self.at_rest = track.clone();
            return;
        }
        self.otherwise += 1;
        let rests = track.still_since.is_some() || self.posture.is_down();
        if self.otherwise >= NEW_LOOKS
            && rests
            && let Some(patch) = PlacePatch::take(picture, &track.bbox)
        {
            if !same_box {
                self.before = self.before.take().and_then(|_| before(&track.bbox));
            }
            (self.place, self.confirmed, self.otherwise, self.found) = (track.bbox, patch, 0, 0);
            self.confirmed_at = Some(now);
            self.at_rest = track.clone();
        }
    }

    /// Media time begins anew: the same moment is `later_ns` later in it.
    pub(crate) fn shift(&mut self, later_ns: i64) {
        let shift = |at: &mut MediaTime| at.0 = at.0.saturating_add(later_ns);
        let track = &mut self.at_rest;
        [&mut self.found_at, &mut self.judged_at, &mut track.first_seen, &mut track.last_seen].into_iter().for_each(shift);
        [
            track.still_since.as_mut(),
            self.closer_at.as_mut(),
            self.confirmed_at.as_mut(),
            self.read_at.as_mut(),
            self.emptied.as_mut().map(|emptied| &mut emptied.since),
        ]
        .into_iter()
        .flatten()
        .for_each(shift);
    }
}

#[cfg(test)]
mod tests;
