//! Places at which an officer said "not a person" (design §6).

use super::state::SuppressedPlace;
use super::{Desk, event, place};
use crate::local_time::clock_text;
use patrol_core::desk::Absence;
use patrol_core::lead::{Decision, Review};
use patrol_core::sighting::Place;
use patrol_core::{LeadId, LeadState, Posture, Sighting, Tier, TrackId, WallTime};
use std::collections::BTreeSet;
use std::time::Duration;

/// A suppression lasts at most this long.
pub(super) const LASTS: Duration = Duration::from_hours(4);
/// After this, what is still there comes back once.
const COMES_BACK_AFTER: Duration = Duration::from_mins(30);
/// Seen within this counts as still there.
const STILL_THERE: Duration = Duration::from_mins(2);
/// The same outline at the same place: boxes overlap so much, and their areas are within this ratio.
const SAME_OUTLINE_IOU: f32 = 0.5;
const SAME_OUTLINE_AREA: f32 = 1.6;
/// A walker whose track ends may be found again as who lies down, by another track, within this.
const LOST_HERE_WITHIN: Duration = Duration::from_secs(15);
/// Movement from which it is no object.
const MOVING: f32 = 0.3;
/// Places kept; the oldest goes first.
const PLACES_MAX: usize = 256;

impl Desk {
    /// The rejected lead whose blob a sighting is: same place, same outline, never moved, never walked in.
    pub(super) fn suppressing(&mut self, now: WallTime, sighting: &Sighting, in_picture: &BTreeSet<TrackId>) -> Option<LeadId> {
        let known = self.state.persons.get(&sighting.place.camera).and_then(|persons| persons.get(&sighting.track));
        if sighting.posture == Posture::Walking || sighting.movement >= MOVING || known.is_some_and(|person| person.walked_in) {
            return None;
        }
        let may_have_lain_down = known.is_none() && self.has_walked_up(sighting, in_picture);
        let leads = &self.leads;
        let is_it = |entry: &&mut SuppressedPlace| {
            let (was, is) = (entry.place.bbox.to_unit(entry.place.size), sighting.place.bbox.to_unit(sighting.place.size));
            let ratio = (was.w * was.h) / (is.w * is.h).max(f32::MIN_POSITIVE);
            let is_rejected = leads.get(&entry.lead).is_some_and(|lead| lead.state == LeadState::Rejected);
            is_rejected
                && now < entry.until
                && place::overlap(&entry.place, &sighting.place) >= SAME_OUTLINE_IOU
                && (1.0 / SAME_OUTLINE_AREA..=SAME_OUTLINE_AREA).contains(&ratio)
        };
        let entry = self.state.suppressed.iter_mut().find(is_it)?;
        if may_have_lain_down {
            let id = entry.lead.clone();
            self.end_suppression(&id, sighting.captured.at, "有人走到此处,解除屏蔽");
            return None;
        }
        entry.count += 1;
        entry.last_hit = Some(sighting.captured.at);
        Some(entry.lead.clone())
    }

    /// Whether somebody on his feet was lost from sight here a moment ago, so that a new track may be he, who sat or lay down.
    fn has_walked_up(&self, sighting: &Sighting, in_picture: &BTreeSet<TrackId>) -> bool {
        let mut persons = self.state.persons.get(&sighting.place.camera).into_iter().flatten();
        persons.any(|(track, person)| {
            !in_picture.contains(track)
                && (person.posture == Posture::Walking || person.walked_in)
                && sighting.captured.at.since(person.at) <= LOST_HERE_WITHIN
                && place::apart_m(&person.place, &sighting.place) <= place::GROUP_M
        })
    }

    pub(super) fn suppress(&mut self, now: WallTime, id: &LeadId, decision: Decision, by: &str) {
        // A second verdict on what came back does not buy another four hours.
        let earlier = self.state.suppressed.iter().find(|entry| entry.lead == *id).map(|entry| entry.until);
        self.state.suppressed.retain(|entry| entry.lead != *id);
        let mut places: Vec<Place> = self.members(id).map(|(_, _, person)| person.place.clone()).collect();
        if places.is_empty() {
            places.extend(self.leads.get(id).map(|lead| lead.place.clone()));
        }
        for place in places {
            self.state.suppressed.push(SuppressedPlace {
                lead: id.clone(),
                place,
                decision,
                by: by.to_owned(),
                since: now,
                until: earlier.unwrap_or(now + LASTS),
                count: 0,
                last_hit: None,
                came_back: earlier.is_some(),
            });
        }
        let excess = self.state.suppressed.len().saturating_sub(PLACES_MAX);
        self.state.suppressed.drain(..excess);
        self.draft.state_changed = true;
    }

    /// Ends what an officer's verdict on this lead suppressed.
    pub(super) fn end_suppression(&mut self, id: &LeadId, at: WallTime, why: &str) {
        let before = self.state.suppressed.len();
        self.state.suppressed.retain(|entry| entry.lead != *id);
        if self.state.suppressed.len() != before {
            self.note(id, at, "suppression-ended", "desk", why.to_owned());
        }
    }

    /// The place has changed: what lies there next is judged afresh.
    pub(super) fn end_suppressions_seen_empty(&mut self, absence: &Absence) {
        let Some(place) = self.person(&absence.camera, absence.track).map(|person| person.place.clone()) else { return };
        let ids: Vec<LeadId> =
            self.state.suppressed.iter().filter(|entry| place::is_same(&entry.place, &place)).map(|entry| entry.lead.clone()).collect();
        for id in ids {
            self.end_suppression(&id, absence.at, "原处已变化,解除屏蔽");
        }
    }

    pub(super) fn suppression_clock(&mut self, now: WallTime) {
        let before = self.state.suppressed.len();
        self.state.suppressed.retain(|entry| now < entry.until);
        self.draft.state_changed |= self.state.suppressed.len() != before;
        let is_back = |entry: &SuppressedPlace| {
            !entry.came_back && now.since(entry.since) >= COMES_BACK_AFTER && entry.last_hit.is_some_and(|at| now.since(at) <= STILL_THERE)
        };
        let back: Vec<(LeadId, Decision, WallTime)> = self
            .state
            .suppressed
            .iter()
            .filter(|entry| is_back(entry))
            .map(|entry| (entry.lead.clone(), entry.decision, entry.since))
            .collect();
        for (id, decision, since) in back {
            for entry in self.state.suppressed.iter_mut().filter(|entry| entry.lead == id) {
                entry.came_back = true;
            }
            let is_rejected = self.leads.get(&id).is_some_and(|lead| lead.state == LeadState::Rejected);
            if is_rejected {
                self.come_back(now, &id, decision, since);
            }
        }
    }

    fn come_back(&mut self, now: WallTime, id: &LeadId, decision: Decision, since: WallTime) {
        let text = format!("{} 判为{},仍在", clock_text(since, self.config.local_offset_s), event::decision_text(decision));
        self.enter(id, now, LeadState::Review);
        if let Some(lead) = self.leads.get_mut(id) {
            lead.tier = Tier::C;
            lead.review = None::<Review>;
        }
        if let Some(book) = self.state.books.get_mut(id) {
            book.held_at_c = true;
            book.review_since = now;
            book.acknowledged_at = None;
            book.rung.clear();
            book.undo = None;
        }
        self.note(id, now, "came-back", "clock", text.clone());
        self.ring(now, id, "came-back", text, false);
    }
}
