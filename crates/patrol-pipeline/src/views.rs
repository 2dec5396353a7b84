//! The views of a camera that turns: each preset has its own stage, and what is remembered of it waits until the camera looks there again.

use crate::cells::CellNews;
use crate::sight::View;
use crate::stage::{Home, Stage};
use patrol_core::desk::AbsenceKind;
use patrol_core::{CameraView, MediaTime, Picture, TrackId};
use patrol_vision::{ViewMap, ViewSign};
use std::sync::Arc;

/// Less like the present view than this a picture shows another, or hardly anything of it; more like a known view than that it is this one.
/// Where the two limits stand: see [`ViewSign`].
const OTHER_BELOW: f32 = 0.6;
const KNOWN_ABOVE: f32 = 0.75;
/// A view that stood for so many looks is worth keeping, and not asked after any more while nothing changes.
const STEADY_LOOKS: u32 = 5;
/// By now the camera stands still; before its people are told of.
const MAPPED_AT_LOOK: u32 = 2;
/// Views kept of one camera; a large dome has 255 presets, a tour some eight.
const VIEWS_MAX: usize = 16;

/// What a picture shows of where the camera looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glance {
    Same,
    /// Perhaps another view, perhaps a car that fills the picture: the next picture tells. Nothing is concluded from this one.
    Doubtful,
    /// A view that is known, or a fresh one.
    Other,
}

#[derive(Default)]
pub(crate) struct Views {
    /// Of the present view.
    sign: Option<ViewSign>,
    map: Option<Arc<ViewMap>>,
    parked: Vec<Parked>,
    last_preset: u32,
    /// Looks since the camera began to look here.
    steady: u32,
    doubted: bool,
    /// It has moved, and it is known how, since it last stood still.
    carried: bool,
    /// It has come back to a view: it tours.
    tours: bool,
}

struct Parked {
    sign: ViewSign,
    map: Option<Arc<ViewMap>>,
    stage: Stage,
    at: MediaTime,
    /// The camera was turned away from here at once, as people and tours turn it; it did not fly on.
    turned_away: bool,
}

impl Views {
    /// Where the camera looks in `seen`; puts the stage of that view in the place of `stage`. `has_changed`: most of the picture is not as it was. `mounted`: how it looks by
    /// configuration, where that holds.
    pub(crate) fn glance(
        &mut self,
        seen: &Picture,
        view: View,
        has_changed: bool,
        mounted: Option<&CameraView>,
        stage: &mut Stage,
    ) -> Glance {
        let is_young = self.steady < STEADY_LOOKS;
        if view == View::Same && !has_changed && !self.doubted && !is_young {
            self.steady = self.steady.saturating_add(1);
            return Glance::Same;
        }
        let now = ViewSign::take(seen);
        let Some((sign, now)) = self.sign.as_ref().zip(now.clone()) else {
            self.sign = now;
            return self.move_on(view, stage);
        };
        let Some(likeness) = sign.likeness(&now) else {
            // Noise, fog, an even ground: nothing by which to tell views apart.
            self.sign = Some(now);
            return self.move_on(view, stage);
        };
        tracing::trace!(
            at_s = seen.media_time.as_secs_f64(),
            preset = stage.preset,
            steady = self.steady,
            likeness,
            ?view,
            "another view?"
        );
        // It moved on from a picture of which nobody knows what it showed.
        let is_elsewhere = self.doubted && likeness < OTHER_BELOW;
        if let View::Moved { now_from_before, other } = view
            && !is_elsewhere
        {
            if !is_young {
                self.park(stage, seen.media_time);
            }
            (self.steady, self.carried, self.map) = (0, true, None);
            if self.return_to_known(&now, stage) {
                return Glance::Other;
            }
            // One stage goes with a camera that flies or sways, whatever it sees by now: its places are known, and a new number would part them.
            stage.carry(&now_from_before, other);
            self.sign = Some(now);
            return Glance::Same;
        }
        self.carried &= is_young;
        // How it moved is not known, but it sees what it saw in the look before, and when this view was kept: what was kept is older than what is known now.
        let is_back = view == View::Lost
            && likeness >= OTHER_BELOW
            && self.likeness_to_kept(stage, &now).is_some_and(|likeness| likeness >= KNOWN_ABOVE);
        let is_like = is_back || (view == View::Same && likeness >= OTHER_BELOW);
        if is_like && !is_young {
            self.doubted = false;
            self.steady = self.steady.saturating_add(1);
            return Glance::Same;
        }
        if !is_young {
            self.park(stage, seen.media_time);
        }
        if self.return_to_known(&now, stage) {
            return Glance::Other;
        }
        if is_like {
            // The first pictures of a view may be the last ones of a turn.
            let has_turned = self.carried && self.has_turned_away(stage, &now);
            (self.sign, self.doubted) = (Some(now), false);
            self.steady = self.steady.saturating_add(1);
            if self.steady >= MAPPED_AT_LOOK && self.map.is_none() {
                // It was followed all the way, from a view where nobody is watched: what it sees now may be known under another name.
                let begins = has_turned && stage.cells.cells.is_empty();
                if begins {
                    self.begin_view(stage);
                    self.steady = MAPPED_AT_LOOK;
                }
                self.find_home(seen, mounted, stage);
                return if begins { Glance::Other } else { Glance::Same };
            }
            return Glance::Same;
        }
        let is_kept = self.is_kept(stage);
        // One that flies on and on has one stage. A turn that began where it stood, and was not followed to its end, leads to a view of its own: what was carried so
        // far would be told where it is not.
        if self.carried && view == View::Lost && !is_kept {
            self.sign = Some(now);
            return self.move_on(view, stage);
        }
        if view == View::Same && !self.doubted && (!is_young || self.carried) {
            self.doubted = true;
            return Glance::Doubtful;
        }
        self.begin_view(stage);
        (self.sign, self.steady, self.map) = (Some(now), 0, None);
        Glance::Other
    }

    fn is_kept(&self, stage: &Stage) -> bool {
        self.parked.iter().any(|parked| parked.stage.preset == stage.preset)
    }

    /// Whether it stood at this stage's view before it moved, and sees another now. A mast that sways sees the same.
    fn has_turned_away(&self, stage: &Stage, now: &ViewSign) -> bool {
        self.likeness_to_kept(stage, now).is_some_and(|likeness| likeness < OTHER_BELOW)
    }

    /// How much `now` looks like this stage's own view when it was kept.
    fn likeness_to_kept(&self, stage: &Stage, now: &ViewSign) -> Option<f32> {
        self.parked.iter().find(|parked| parked.stage.preset == stage.preset)?.sign.likeness(now)
    }

    /// Another stage, of which nothing is known yet, in the place of `stage`.
    fn begin_view(&mut self, stage: &mut Stage) {
        // What was not parked has no place to come back to.
        let is_kept = self.is_kept(stage);
        if !is_kept {
            stage.lose_places();
        }
        let mut untold = stage.untold();
        if !is_kept {
            untold.extend(stage.endings());
        }
        for parked in self.parked.iter_mut().filter(|parked| parked.stage.preset == stage.preset) {
            parked.turned_away = !self.carried;
        }
        self.last_preset += 1;
        *stage = Stage::new(self.last_preset, stage.tracker.next_id());
        stage.view_holds = false;
        stage.inherit(untold);
        self.doubted = false;
    }

    /// Without anything to know views by there is one stage, which goes with the camera.
    fn move_on(&mut self, view: View, stage: &mut Stage) -> Glance {
        self.doubted = false;
        match view {
            View::Same => self.steady = self.steady.saturating_add(1),
            View::Moved { now_from_before, other } => {
                (self.steady, self.map) = (0, None);
                stage.carry(&now_from_before, other);
            }
            View::Lost => {
                (self.steady, self.map) = (0, None);
                stage.lose_places();
            }
        }
        Glance::Same
    }

    /// Places in views that are not looked at, which nobody could judge for long. One that flies and never comes back to a view has none.
    pub(crate) fn overdue(&mut self, now: MediaTime, present: u32) -> Vec<(TrackId, AbsenceKind)> {
        let mut overdue = Vec::new();
        for parked in self.parked.iter_mut().filter(|parked| (self.tours || parked.turned_away) && parked.stage.preset != present) {
            for cell in &mut parked.stage.cells.cells {
                if cell.wait(now) == CellNews::Unjudged {
                    overdue.push((cell.track, AbsenceKind::Unjudged));
                }
            }
        }
        overdue
    }

    pub(crate) fn sign(&self) -> Option<&ViewSign> {
        self.sign.as_ref()
    }
    /// The camera looked so before a restart; the first picture tells whether it still does.
    pub(crate) fn set_sign(&mut self, sign: Option<ViewSign>) {
        (self.sign, self.doubted) = (sign, true);
    }
    pub(crate) fn last_preset(&self) -> u32 {
        self.last_preset
    }
    pub(crate) fn restore(&mut self, last_preset: u32) {
        self.last_preset = last_preset;
    }
    /// The views kept besides the present one.
    pub(crate) fn kept(&self, present: u32) -> impl Iterator<Item = (&ViewSign, &Stage)> {
        self.parked.iter().filter(move |parked| parked.stage.preset != present).map(|parked| (&parked.sign, &parked.stage))
    }
    pub(crate) fn keep(&mut self, sign: ViewSign, stage: Stage, at: MediaTime) {
        self.tours = true;
        self.parked.push(Parked { sign, map: None, stage, at, turned_away: true });
    }

    /// Seeks the present view in those that are known: what they both see is told as one place. A view that has told of places in another way keeps to it.
    fn find_home(&mut self, seen: &Picture, mounted: Option<&CameraView>, stage: &mut Stage) {
        let Some(map) = ViewMap::take(seen) else { return };
        // It may have come to rest a look after it began.
        let has_told = stage.home != Home::of(stage.preset) && stage.told().next().is_some();
        if stage.home.preset != stage.preset || has_told {
            self.map = Some(Arc::new(map));
            return;
        }
        let is_home = |parked: &&Parked| parked.stage.preset != stage.preset && parked.stage.home.preset == parked.stage.preset;
        let mut homes = self.parked.iter().filter(is_home);
        let related = homes.find_map(|parked| {
            // The search by turns takes a third of a second: once for each view, also of one that sways.
            let by_turns = mounted.filter(|_| parked.stage.view_holds && !stage.sought_by_turns);
            let from_here = parked.map.as_ref()?.relate(&map, by_turns)?;
            Some(Home { from_here, ..parked.stage.home })
        });
        stage.sought_by_turns = true;
        if let Some(home) = related {
            tracing::debug!(preset = stage.preset, home = home.preset, "two views overlap");
            stage.home = home;
        }
        self.map = Some(Arc::new(map));
    }

    /// Keeps a copy of the stage as it is at this view.
    fn park(&mut self, stage: &mut Stage, at: MediaTime) {
        let Some(sign) = self.sign.clone() else { return };
        self.parked.retain(|parked| parked.stage.preset != stage.preset);
        if self.parked.len() == VIEWS_MAX {
            // The longest unseen with nobody in it; watched places are given up last.
            let least = (0..self.parked.len()).min_by_key(|index| {
                let parked = &self.parked[*index];
                (!parked.stage.cells.cells.is_empty(), parked.at)
            });
            if let Some(given_up) = least.map(|index| self.parked.remove(index)) {
                stage.inherit(given_up.stage.cells.cells.iter().map(|cell| (cell.track, AbsenceKind::Unjudged)).collect());
            }
        }
        self.parked.push(Parked { sign, map: self.map.clone(), stage: stage.parked(), at, turned_away: false });
    }

    /// Puts the stage of the known view that `now` shows in the place of `stage`.
    fn return_to_known(&mut self, now: &ViewSign, stage: &mut Stage) -> bool {
        let known = self.parked.iter().filter(|parked| parked.stage.preset != stage.preset);
        let likest = known.filter_map(|parked| Some((parked.sign.likeness(now)?, parked))).max_by(|a, b| a.0.total_cmp(&b.0));
        // Where it looks already competes: two views that resemble each other would be exchanged at every look, and nobody confirmed in either.
        let least = self.likeness_to_kept(stage, now).map_or(KNOWN_ABOVE, |own| own.max(KNOWN_ABOVE));
        let Some((_, parked)) = likest.filter(|(likeness, _)| *likeness >= least) else { return false };
        let mut back = parked.stage.parked();
        back.tracker.skip_to(stage.tracker.next_id());
        let is_kept = self.parked.iter().any(|parked| parked.stage.preset == stage.preset);
        let gone: Vec<TrackId> = stage.told().filter(|track| !is_kept && !back.memories.contains_key(track)).collect();
        back.inherit(stage.untold());
        back.inherit(gone.into_iter().map(|track| (track, AbsenceKind::Broke)).collect());
        (self.sign, self.map) = (Some(parked.sign.clone()), parked.map.clone());
        *stage = back;
        (self.steady, self.doubted, self.tours) = (0, false, true);
        tracing::debug!(preset = stage.preset, "the camera looks again where it looked before");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{PictureSize, PictureTransform, PixelFormat, WallEstimate, WallTime};

    const SIZE: PictureSize = PictureSize::new(320, 240);

    /// A street of bars: so many of each of these kinds.
    fn street(number: u64, kinds: &[(u64, usize)]) -> Picture {
        let mut pixels = vec![60_u8; 320 * 240];
        for (kind, count) in kinds {
            let mut dice = kind.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut roll = |most: usize| {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                (dice >> 20) as usize % most
            };
            for _ in 0..*count {
                let (x, y, w, h, level) = (roll(290), roll(220), 8 + roll(60), 6 + roll(50), 40 + roll(90) as u8);
                for row in y..(y + h).min(240) {
                    pixels[row * 320 + x..row * 320 + (x + w).min(320)].fill(level);
                }
            }
        }
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        Picture::from_planes(SIZE, PixelFormat::Gray8, vec![pixels], number, MediaTime::from_secs_f64(number as f64), captured)
            .expect("a picture")
    }

    /// The camera looks at `picture` for some looks.
    fn stand(views: &mut Views, stage: &mut Stage, picture: &Picture) {
        for _ in 0..10 {
            views.glance(picture, View::Same, true, None, stage);
        }
    }

    /// It sways all night, so that what was kept of its view is of the evening; a squall hides for one look how it moved.
    #[test]
    fn what_was_kept_of_a_view_never_replaces_what_is_known_of_it_now() {
        let here = street(0, &[(1, 40)]);
        let (mut views, mut stage) = (Views::default(), Stage::new(0, 1));
        stand(&mut views, &mut stage, &here);
        let sways = View::Moved { now_from_before: PictureTransform::shift(1.0, 0.0), other: false };
        for _ in 0..20 {
            assert_eq!(views.glance(&here, sways, false, None, &mut stage), Glance::Same);
        }
        // Of somebody who came since.
        stage.tracker.skip_to(7);
        for _ in 0..3 {
            assert_eq!(views.glance(&here, View::Lost, false, None, &mut stage), Glance::Same);
        }
        stand(&mut views, &mut stage, &here);
        assert_eq!((stage.preset, stage.tracker.next_id()), (0, 7));
    }

    #[test]
    fn two_views_that_resemble_each_other_are_not_exchanged_at_every_look() {
        // 0.54 alike; 0.80 and 0.79 like what lies between them.
        let (b, c) = (street(1, &[(1, 40), (2, 16)]), street(2, &[(1, 40), (3, 16)]));
        let between = street(3, &[(1, 40), (2, 2), (3, 2)]);
        let (mut views, mut stage) = (Views::default(), Stage::new(0, 1));
        for there in [&b, &street(4, &[(9, 40)]), &c, &street(4, &[(9, 40)])] {
            stand(&mut views, &mut stage, there);
        }
        assert_eq!(views.parked.len(), 3, "three views");
        let looks: Vec<u32> = (0..12)
            .map(|_| {
                views.glance(&between, View::Same, true, None, &mut stage);
                stage.preset
            })
            .collect();
        let changes = looks.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 1, "{looks:?}");
    }
}
