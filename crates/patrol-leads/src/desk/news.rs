//! What about an open lead is news (design §6): one more person, one fewer while another stays, lying now, tier up, still past 20 min, moved.

use super::state::Class;
use super::{Desk, frame, place, words};
use crate::exposure::score;
use patrol_core::lead::Score;
use patrol_core::sighting::Place;
use patrol_core::{CameraId, LeadId, LeadState, Posture, Tier, TrackId, WallTime};
use std::time::Duration;

/// Further than this from where it was told to be, a body has moved, metres.
pub(super) const MOVED_M: f32 = 2.0;
/// `moved` and `lying-now` are not told again within this: boxes and postures flicker.
const QUIET: Duration = Duration::from_mins(5);
/// Whoever gets up walks off so soon.
pub(super) const GETS_UP_WITHIN: Duration = Duration::from_mins(1);
/// Members seen within this count for the score of a lead.
const CURRENT: Duration = Duration::from_mins(2);
/// Misses of single looks are no news; as long as a rescan (design §4).
const HELD_TOLD_AFTER: Duration = Duration::from_mins(1);
/// Motionless for so long is news once.
const STILL_NEWS_MIN: f64 = 20.0;

impl Desk {
    /// What a picture of `camera` tells about a lead of which it shows somebody.
    pub(super) fn bring_up_to_date(&mut self, now: WallTime, id: &LeadId, camera: &CameraId, present: &[TrackId], is_new: bool) {
        let mine = |track: &&TrackId| self.person(camera, **track).is_some_and(|person| person.lead.as_ref() == Some(id));
        let tracks: Vec<TrackId> = present.iter().filter(mine).copied().collect();
        let staying: Vec<TrackId> =
            tracks.iter().filter(|track| self.person(camera, **track).is_some_and(|p| p.posture != Posture::Walking)).copied().collect();
        for track in tracks.iter().filter(|track| !staying.contains(track)) {
            self.on_walking(now, id, camera, *track);
        }
        let Some(at) = staying.iter().filter_map(|track| Some(self.person(camera, *track)?.at)).max() else { return };
        self.retire_placeholders(id, camera);
        let people = self.bodies(camera, &staying);
        let Some((worst, leading)) = self.worst_of(id, at) else { return };
        let Some(book) = self.state.books.get_mut(id) else { return };
        book.looks = book.looks.saturating_add(1);
        let was_gone = std::mem::take(&mut book.left);
        let blind = self.state.cameras.get(camera).map_or(Duration::ZERO, |known| known.blind_between(book.present_at, at));
        let (unseen, unseen_since) = (at.since(book.present_at).saturating_sub(blind), book.present_at);
        (book.present, book.present_at, book.is_drifting) = (people, at, true);
        let held_at_c = book.held_at_c;
        let Some(lead) = self.leads.get_mut(id) else { return };
        let (tier_before, people_before) = (lead.tier, lead.people);
        lead.last_seen = lead.last_seen.max(at);
        lead.people = lead.people.max(people);
        lead.posture = leading.posture;
        lead.still_since = leading.still_since;
        lead.first_seen = lead.first_seen.min(leading.first_seen);
        lead.confidence = leading.confidence;
        lead.resolved |= leading.resolved;
        if leading.place.camera == lead.place.camera {
            lead.position = leading.place.position;
            lead.place = leading.place.clone();
        }
        // A tier once reached stays: only an officer's decision takes urgency away.
        if !held_at_c {
            lead.tier = lead.tier.min(worst.tier);
        }
        lead.score = worst;
        if is_new {
            self.announce(now, id);
            return;
        }
        let came_since = || staying.iter().all(|track| self.person(camera, *track).is_some_and(|person| person.track_since > unseen_since));
        let is_under_way = self.leads.get(id).is_some_and(|lead| lead.state.is_open() && lead.state != LeadState::Candidate);
        if unseen >= frame::UNSEEN_MAX && is_under_way && came_since() {
            // It may be somebody else. Whom a camera finds again when it looks here again is not.
            self.news(now, id, "back", format!("{} 分钟未见,原处再次看到人员", unseen.as_secs() / 60));
        } else if was_gone {
            self.note(id, at, "back", "desk", "原处再次看到人员".to_owned());
        }
        self.tell_if_held(id, camera, &staying, at);
        if self.leads.get(id).is_some_and(|lead| lead.state.is_open()) {
            self.tell_differences(now, id, camera, &staying, tier_before, people_before);
        }
        self.check_result(now, id, camera, &staying);
    }

    /// How many people `tracks` of one picture are: a broken track may live on beside its successor, and a face beside the quilt that covers the rest.
    fn bodies(&self, camera: &CameraId, tracks: &[TrackId]) -> u32 {
        let mut people: Vec<&super::Person> = tracks.iter().filter_map(|track| self.person(camera, *track)).collect();
        // A box around two is one of them, and swallows neither.
        people.sort_by(|a, b| a.place.bbox.area().total_cmp(&b.place.bbox.area()));
        let mut bodies: Vec<&super::Person> = Vec::new();
        for one in people {
            let is_same = |other: &&super::Person| {
                place::is_one_body(&other.place, &one.place, one.held_since.is_some() || other.held_since.is_some())
            };
            if !bodies.iter().any(is_same) {
                bodies.push(one);
            }
        }
        bodies.len() as u32
    }

    /// History says when everybody of a lead is kept by the picture of the place alone, and when a detector finds somebody again.
    fn tell_if_held(&mut self, id: &LeadId, camera: &CameraId, staying: &[TrackId], at: WallTime) {
        let since = staying.iter().map(|track| self.person(camera, *track).and_then(|person| person.held_since)).min().flatten();
        let Some(book) = self.state.books.get_mut(id) else { return };
        let is_held = since.is_some_and(|since| at.since(since) >= HELD_TOLD_AFTER);
        if is_held == book.held_told || (since.is_some() && !is_held) {
            return;
        }
        book.held_told = is_held;
        let (kind, text) = if is_held {
            ("held", "检测器暂未检出;原处画面未变,视为仍在")
        } else {
            ("found-again", "检测器再次检出")
        };
        self.note(id, at, kind, "desk", text.to_owned());
    }

    /// The member in the worst condition among those seen lately, and its score.
    fn worst_of(&self, id: &LeadId, at: WallTime) -> Option<(Score, super::Person)> {
        let (weather, assumed) = self.weather();
        let mut worst: Option<(Score, &super::Person)> = None;
        for (camera, _, person) in self.members(id) {
            if at.since(person.at) > CURRENT || person.posture == Posture::Walking || person.pointed_out {
                continue;
            }
            let site_prior = self.cameras.get(camera).map_or(0.0, |camera| camera.site_prior);
            let found = score(&person.exposure(site_prior, self.state.cameras.get(camera)), &weather, assumed);
            let is_worse = |(known, _): &(Score, &super::Person)| (found.tier, -found.value) < (known.tier, -known.value);
            if worst.as_ref().is_none_or(is_worse) {
                worst = Some((found, person));
            }
        }
        worst.map(|(score, person)| (score, person.clone()))
    }

    /// The first words about a lead that is shown to people.
    pub(super) fn announce(&mut self, now: WallTime, id: &LeadId) {
        // What it is told of begins here: how the people came to their place is no news of this lead.
        for person in self
            .state
            .persons
            .values_mut()
            .flat_map(std::collections::BTreeMap::values_mut)
            .filter(|person| person.lead.as_ref() == Some(id))
        {
            person.told_place = person.place.clone();
        }
        let headline = self.headline(id);
        let is_shown = self.leads.get(id).is_some_and(|lead| lead.state == LeadState::Review);
        self.note(id, now, if is_shown { "made" } else { "logged" }, "desk", headline.clone());
        if is_shown {
            self.ring(now, id, "new-lead", format!("新线索:{headline}"), false);
        }
    }

    fn tell_differences(
        &mut self,
        now: WallTime,
        id: &LeadId,
        camera: &CameraId,
        staying: &[TrackId],
        tier_before: Tier,
        people_before: u32,
    ) {
        let Some(lead) = self.leads.get(id) else { return };
        let (tier, people, posture, state, still_since, last_seen) =
            (lead.tier, lead.people, lead.posture, lead.state, lead.still_since, lead.last_seen);
        if state == LeadState::Candidate {
            if tier < Tier::D {
                self.enter(id, now, LeadState::Review);
                if let Some(book) = self.state.books.get_mut(id) {
                    book.review_since = now;
                }
                self.announce(now, id);
            }
            return;
        }
        if tier < tier_before {
            if let Some(book) = self.state.books.get_mut(id) {
                // More urgent: the time to decide begins anew, at its shorter limit.
                book.review_since = now;
                book.rung.remove(super::clocks::TO_LEADER);
            }
            self.news(now, id, "tier-up", format!("升为{}:{}", words::tier(tier), self.headline(id)));
        }
        if people > people_before {
            self.news(now, id, "one-more", format!("人数增至 {people}"));
        }
        let is_flat = matches!(posture, Posture::Lying | Posture::Curled);
        if is_flat && let Some(book) = self.state.books.get_mut(id) {
            let is_news = book.down_at.is_none_or(|at| last_seen.since(at) > QUIET);
            book.down_at = Some(last_seen);
            if is_news {
                self.news(now, id, "lying-now", format!("现已{}", words::posture(posture)));
            }
        }
        if still_since.is_some_and(|since| last_seen.minutes_since(since) >= STILL_NEWS_MIN)
            && let Some(book) = self.state.books.get_mut(id)
            && !std::mem::replace(&mut book.still_told, true)
        {
            self.news(now, id, "still-20-min", "静止已超过 20 分钟".to_owned());
        }
        for &track in staying {
            self.tell_if_moved(now, id, camera, track);
        }
    }

    fn tell_if_moved(&mut self, now: WallTime, id: &LeadId, camera: &CameraId, track: TrackId) {
        let Some(person) = self.person_mut(camera, track) else { return };
        person.see_from_other_view();
        let apart_m = place::apart_m(&person.told_place, &person.place);
        // Far away a pixel of the foot is metres of ground: boxes that still overlap have not moved.
        if apart_m <= MOVED_M || place::overlap(&person.told_place, &person.place) > 0.0 {
            return;
        }
        let Some(book) = self.state.books.get_mut(id) else { return };
        if book.moved_at.is_some_and(|at| now.since(at) < QUIET) {
            return;
        }
        book.moved_at = Some(now);
        // What moves is no object.
        book.held_at_c = false;
        let before = self.person_mut(camera, track).map(|person| std::mem::replace(&mut person.told_place, person.place.clone()));
        if let Some(book) = self.state.books.get_mut(id) {
            book.moved_from = before;
        }
        self.news(now, id, "moved", format!("移动约 {apart_m:.0} 米"));
    }

    /// Someone of the lead is up and walking: once well away from the place, gone from it.
    fn on_walking(&mut self, now: WallTime, id: &LeadId, camera: &CameraId, track: TrackId) {
        let Some(person) = self.person_mut(camera, track) else { return };
        person.see_from_other_view();
        if place::apart_m(&person.told_place, &person.place) <= MOVED_M || person.lead.is_none() {
            return;
        }
        let at = person.at;
        person.lead = None;
        let from = std::mem::replace(&mut person.told_place, person.place.clone());
        self.on_left(now, id, at, &from, false);
    }

    /// Somebody of the lead left the picture or the place `from`; `seen_empty` is positive evidence of it.
    pub(super) fn on_left(&mut self, now: WallTime, id: &LeadId, at: WallTime, from: &Place, seen_empty: bool) {
        let others: Vec<WallTime> = self.members(id).filter(|(_, _, person)| !person.pointed_out).map(|(_, _, person)| person.at).collect();
        let remaining = others.iter().filter(|seen| at.since(**seen) <= CURRENT).count() as u32;
        let Some(lead) = self.leads.get(id) else { return };
        let is_open = lead.state.is_open();
        let Some(book) = self.state.books.get_mut(id) else { return };
        self.draft.state_changed = true;
        book.present = book.present.min(remaining);
        if remaining > 0 {
            if is_open {
                self.news(now, id, "one-fewer", format!("少了一人,仍有 {remaining} 人"));
            }
            return;
        }
        if !others.is_empty() {
            // Somebody was last seen here and nobody has seen him leave.
            self.note(id, at, "one-left", "desk", "一人离开,另有人暂时看不到".to_owned());
            return;
        }
        book.watch = None;
        book.left = true;
        // He was told to have moved as he got up.
        let moved_from = book.moved_from.take().filter(|_| book.moved_at.is_some_and(|moved| at.since(moved) <= GETS_UP_WITHIN));
        book.left_from = Some((moved_from.unwrap_or_else(|| from.clone()), at));
        if book.handled_at.is_some() {
            book.empty_since_handled = true;
        }
        if is_open {
            let text = if seen_empty { "原处已无人" } else { "人员已离开画面" };
            self.note(id, at, "left", "desk", text.to_owned());
            self.tell_news(id);
        }
    }

    /// News: told to the operator, and to the city when it knows the lead. A watched refusal stays silent unless it must not.
    pub(super) fn news(&mut self, now: WallTime, id: &LeadId, kind: &str, text: String) {
        self.note(id, now, &format!("news-{kind}"), "desk", text.clone());
        let is_decided_against = self.leads.get(id).is_none_or(|lead| lead.state == LeadState::Rejected);
        if is_decided_against || self.is_silent(id) {
            return;
        }
        self.tell_news(id);
        self.ring(now, id, kind, text, false);
    }

    /// An officer's placeholder gives way to the person who is found there.
    fn retire_placeholders(&mut self, id: &LeadId, camera: &CameraId) {
        if let Some(persons) = self.state.persons.get_mut(camera) {
            persons.retain(|_, person| !(person.pointed_out && person.lead.as_ref() == Some(id)));
        }
    }

    /// Whether somebody of `staying` needs help rather than gives it: crews stand and walk.
    pub(super) fn any_of_concern(&self, camera: &CameraId, staying: &[TrackId]) -> bool {
        staying.iter().any(|track| self.person(camera, *track).is_some_and(|person| person.is_of_concern() || person.class == Class::Down))
    }
}
