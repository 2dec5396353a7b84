//! What one picture shows: sightings become persons, persons find their lead, leads are brought up to date.

use super::state::{Class, PERSONS_PER_CAMERA_MAX, Person};
use super::{Desk, news, place, suppression};
use crate::local_time::clock_text;
use patrol_core::desk::{Absence, AbsenceKind};
use patrol_core::lead::Decision;
use patrol_core::{CameraId, Lead, LeadId, LeadState, Posture, Sighting, TrackId, WallTime};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Nobody keeps a clock longer than this without being seen (`integration.md` §3.5: CANDIDATE, 15 min unseen).
pub(super) const UNSEEN_MAX: Duration = Duration::from_mins(15);
/// A track younger than this may not know yet that it is still: `still_since` needs a comparison with 30 s ago.
const STILL_KNOWN_AFTER: Duration = Duration::from_mins(1);
/// Movement at or above which a body counts as moving.
const MOVING: f32 = 0.3;
/// A posture that lasts so long is no bending down, and no slip.
const WENT_DOWN_FOR: Duration = Duration::from_secs(30);
/// Newest pictures a lead refers to.
const EVIDENCE_MAX: usize = 20;

impl Desk {
    /// All sightings of one picture: seen at once, so never one person.
    pub(super) fn on_frame(&mut self, now: WallTime, frame: &[Sighting]) {
        let Some(first) = frame.first() else { return };
        let camera = first.place.camera.clone();
        let book = self.state.cameras.entry(camera.clone()).or_default();
        let (before, place) = (book.frame_at, &first.place);
        (book.preset, book.now_from_begin, book.frame_at) = (place.preset, place.now_from_begin, now);
        if book.size.replace(first.place.size).is_none() {
            self.learn_size(&camera, first.place.size);
        }
        self.learn_motion(&camera, before, first.place.now_from_begin);
        let in_picture: BTreeSet<TrackId> = frame.iter().map(|sighting| sighting.track).collect();
        let mut present = Vec::new();
        for sighting in frame {
            let is_usable = sighting.place.bbox.is_finite() && sighting.place.bbox.area() > 0.0 && sighting.confidence.is_finite();
            if !is_usable {
                continue;
            }
            if let Some(id) = self.suppressing(now, sighting, &in_picture) {
                self.hold_back(sighting, &in_picture, id);
            } else if self.observe(sighting, &in_picture) {
                present.push(sighting.track);
            }
        }
        present.dedup();
        self.join_open_leads(now, &camera, &present);
        let made = self.make_due(now, &camera, &present);
        let seen: BTreeSet<LeadId> = present.iter().filter_map(|track| self.person(&camera, *track)?.lead.clone()).collect();
        for id in &seen {
            self.bring_up_to_date(now, id, &camera, &present, made.contains(id));
        }
        for sighting in frame {
            self.keep_evidence(sighting);
        }
        self.bound_persons(&camera);
    }

    /// Brings one track's record up to date; `false` when its lead ended in a way that this track must not disturb.
    fn observe(&mut self, sighting: &Sighting, in_picture: &BTreeSet<TrackId>) -> bool {
        let camera = &sighting.place.camera;
        let known = self.person(camera, sighting.track).cloned().or_else(|| self.take_over(sighting, in_picture));
        let person = merged_with(sighting, known);
        let lead = person.lead.clone();
        self.state.persons.entry(camera.clone()).or_default().insert(sighting.track, person);
        let Some(id) = lead else { return true };
        self.settle_with_ended(sighting, id)
    }

    /// What an officer judged to be no person is followed silently, so that it is known again when it comes back or moves.
    fn hold_back(&mut self, sighting: &Sighting, in_picture: &BTreeSet<TrackId>, id: LeadId) {
        let camera = &sighting.place.camera;
        let known = self.person(camera, sighting.track).cloned().or_else(|| self.take_over(sighting, in_picture));
        let person = Person { lead: Some(id), ..merged_with(sighting, known) };
        self.state.persons.entry(camera.clone()).or_default().insert(sighting.track, person);
    }

    /// The clocks of a track that broke at this place, when this is its continuation: nobody else in the picture holds them.
    fn take_over(&mut self, sighting: &Sighting, in_picture: &BTreeSet<TrackId>) -> Option<Person> {
        if sighting.posture == Posture::Walking {
            return None;
        }
        let leads = &self.leads;
        let persons = self.state.persons.get_mut(&sighting.place.camera)?;
        let is_candidate = |track: &TrackId, person: &Person| {
            let is_same_class =
                person.class == Class::of(sighting.posture) || sighting.posture == Posture::Unknown || person.lead.is_some();
            // Whoever comes after a worker is judged afresh.
            let is_ended = person.lead.as_ref().and_then(|id| leads.get(id)).is_some_and(ends_tracks_only);
            !in_picture.contains(track)
                && !is_ended
                && person.posture != Posture::Walking
                && is_same_class
                && place::is_same(&person.place, &sighting.place)
        };
        let nearest = persons
            .iter()
            .filter(|(track, person)| is_candidate(track, person))
            .min_by(|(_, a), (_, b)| place::apart_m(&a.place, &sighting.place).total_cmp(&place::apart_m(&b.place, &sighting.place)))
            .map(|(track, _)| *track)?;
        let mut person = persons.remove(&nearest)?;
        person.looks_before += person.looks;
        person.looks = 0;
        Some(person)
    }

    /// A track whose lead has ended: follows a merge, reopens, is let go, or stays silent (`false`).
    fn settle_with_ended(&mut self, sighting: &Sighting, mut id: LeadId) -> bool {
        // Merges are never circular, and a chain is as long as the number of leads at most.
        for _ in 0..=self.leads.len() {
            match self.leads.get(&id).and_then(|lead| lead.merged_into.clone()) {
                Some(into) => id = into,
                None => break,
            }
        }
        let is_track_ended = self.leads.get(&id).is_some_and(ends_tracks_only);
        let state = self.leads.get(&id).map(|lead| lead.state);
        let is_watched = self.state.books.get(&id).is_some_and(|book| book.watch.is_some());
        let was_emptied = self.state.books.get(&id).is_none_or(|book| book.empty_since_handled);
        let (keeps, is_loud) = match state {
            None | Some(LeadState::Expired | LeadState::Evaluated) => (false, true),
            Some(LeadState::Rejected) if is_track_ended => {
                let is_as_judged = self.leads.get(&id).is_none_or(|lead| is_as_judged(lead, sighting));
                (is_as_judged, !is_as_judged)
            }
            // It is not where it was suppressed, or not as it was: a body that moves is no object.
            Some(LeadState::Rejected) => {
                self.end_suppression(&id, sighting.captured.at, "目标已移动或形态改变,解除屏蔽");
                (false, true)
            }
            Some(LeadState::Verified | LeadState::Closed | LeadState::Void) => (is_watched || !was_emptied, true),
            // Merged by the city, not into one of ours: they know of the person.
            Some(_) => (true, true),
        };
        if let Some(person) = self.person_mut(&sighting.place.camera, sighting.track) {
            person.lead = keeps.then_some(id);
        }
        is_loud
    }

    fn keep_evidence(&mut self, sighting: &Sighting) {
        let Some(evidence) = &sighting.evidence else { return };
        let id = self.person(&sighting.place.camera, sighting.track).and_then(|person| person.lead.clone());
        let Some(id) = id.filter(|id| self.leads.get(id).is_some_and(|lead| lead.state != LeadState::Rejected)) else { return };
        let Some(lead) = self.leads.get_mut(&id) else { return };
        lead.evidence.push(evidence.about.clone());
        if lead.evidence.len() > EVIDENCE_MAX {
            // The first picture shows how it was found.
            lead.evidence.remove(1);
        }
        self.draft.evidence.push(Arc::clone(evidence));
        self.draft.changed.insert(id);
    }

    pub(super) fn on_absence(&mut self, now: WallTime, absence: &Absence) {
        let was_emptied = absence.why == AbsenceKind::SeenEmpty;
        if was_emptied {
            self.end_suppressions_seen_empty(absence);
        }
        let Some(person) = self.person(&absence.camera, absence.track) else { return };
        let (lead, last_seen, is_of_concern) = (person.lead.clone(), person.at, person.is_of_concern());
        let from = person.told_place.clone();
        match absence.why {
            // Its clocks wait for whoever is found at its place.
            AbsenceKind::Broke if lead.is_some() || is_of_concern => {}
            AbsenceKind::Broke => self.forget(&absence.camera, absence.track),
            AbsenceKind::Unjudged => self.on_unjudged(now, absence, lead.as_ref(), last_seen),
            AbsenceKind::WalkedOut | AbsenceKind::SeenEmpty => {
                self.forget(&absence.camera, absence.track);
                if let Some(id) = lead {
                    self.on_left(now, &id, absence.at, &from, was_emptied);
                }
            }
        }
    }

    /// For ten minutes nobody could tell whether he is still there: a person must look.
    fn on_unjudged(&mut self, now: WallTime, absence: &Absence, lead: Option<&LeadId>, last_seen: WallTime) {
        let text =
            format!("{} 最后确认 {},现无法判断", self.camera_name(&absence.camera), clock_text(last_seen, self.config.local_offset_s));
        match lead.filter(|id| self.leads.get(id).is_some_and(|lead| lead.state.is_open())) {
            Some(id) => {
                self.note(id, now, "unjudged", "desk", text.clone());
                self.ring(now, id, "unjudged", text, false);
            }
            None => self.ring_house(now, Some(absence.camera.clone()), "unjudged", text),
        }
    }

    pub(super) fn forget(&mut self, camera: &CameraId, track: TrackId) {
        if let Some(persons) = self.state.persons.get_mut(camera) {
            persons.remove(&track);
            self.draft.state_changed = true;
        }
    }

    /// Keeps the records of a camera within their bound: the longest unseen of no concern go first.
    fn bound_persons(&mut self, camera: &CameraId) {
        let Some(persons) = self.state.persons.get_mut(camera) else { return };
        while persons.len() > PERSONS_PER_CAMERA_MAX {
            let oldest = persons.iter().min_by_key(|(track, person)| (person.lead.is_some(), person.is_of_concern(), person.at, **track));
            let Some(track) = oldest.map(|(track, _)| *track) else { return };
            persons.remove(&track);
        }
    }

    /// Drops records that nobody has seen for 15 minutes in which the camera could see; members of open leads stay.
    pub(super) fn drop_unseen(&mut self, now: WallTime) {
        let (state, leads) = (&mut self.state, &self.leads);
        for (camera, persons) in &mut state.persons {
            let book = state.cameras.get(camera);
            persons.retain(|_, person| {
                let blind = book.map_or(Duration::ZERO, |book| book.blind_between(person.at, now));
                let is_held = person
                    .lead
                    .as_ref()
                    .and_then(|id| leads.get(id))
                    .is_some_and(|lead| lead.state.is_open() && lead.state != LeadState::Candidate);
                is_held || now.since(person.at).saturating_sub(blind) < UNSEEN_MAX
            });
        }
        state.persons.retain(|_, persons| !persons.is_empty());
    }
}

/// Worker or passer-by: a verdict on these tracks alone.
fn ends_tracks_only(lead: &Lead) -> bool {
    let decision = lead.review.as_ref().map(|review| review.decision);
    lead.state == LeadState::Rejected && matches!(decision, Some(Decision::Worker | Decision::PasserBy))
}

/// Whether a verdict on him still holds: nobody is a passer-by once he lies down, or for a whole night.
fn is_as_judged(lead: &Lead, sighting: &Sighting) -> bool {
    let at = sighting.captured.at;
    let has_gone_down = Class::of(sighting.posture) == Class::Down
        && Class::of(lead.posture) != Class::Down
        && at.since(sighting.posture_since) >= WENT_DOWN_FOR;
    !has_gone_down && lead.review.as_ref().is_some_and(|review| at.since(review.at) < suppression::LASTS)
}

/// A person's record after a sighting; `known` is what was known of the same person.
fn merged_with(sighting: &Sighting, known: Option<Person>) -> Person {
    let at = sighting.captured.at;
    let class = Class::of(sighting.posture);
    let fresh = Person {
        place: sighting.place.clone(),
        media_time: sighting.media_time,
        at,
        first_seen: sighting.first_seen.min(at),
        track_since: sighting.first_seen.min(at),
        posture: sighting.posture,
        class,
        posture_since: sighting.posture_since.min(at),
        still_since: sighting.still_since,
        confidence: sighting.confidence.clamp(0.0, 1.0),
        movement: sighting.movement,
        cover: sighting.cover,
        resolved: sighting.resolved,
        looks: sighting.looks,
        looks_before: 0,
        walked_in: sighting.posture == Posture::Walking,
        held_since: sighting.held.then_some(at),
        lead: None,
        told_place: sighting.place.clone(),
        pointed_out: false,
    };
    let Some(known) = known else { return fresh };
    let has_stayed = place::is_same(&known.place, &sighting.place);
    // One look of unknown posture does not stop the clock of a body that stays where it is.
    let is_doubtful = sighting.posture == Posture::Unknown && has_stayed && sighting.movement < MOVING;
    let class = if is_doubtful { known.class } else { class };
    let posture_since = if class == known.class { known.posture_since.min(fresh.posture_since) } else { fresh.posture_since };
    let is_young = at.since(fresh.first_seen) < STILL_KNOWN_AFTER;
    let still_since = match (fresh.still_since, known.still_since) {
        (Some(now), Some(before)) if has_stayed => Some(now.min(before)),
        (Some(now), _) => Some(now),
        (None, before) => before.filter(|_| is_young && has_stayed && sighting.movement < MOVING),
    };
    Person {
        first_seen: known.first_seen.min(fresh.first_seen),
        class,
        posture_since,
        still_since,
        resolved: known.resolved || fresh.resolved,
        looks_before: known.looks_before,
        held_since: known.held_since.filter(|_| sighting.held).or(fresh.held_since),
        walked_in: known.walked_in
            || fresh.walked_in
            || Some(place::apart_m(&known.told_place, &sighting.place))
                .is_some_and(|apart_m| apart_m.is_finite() && apart_m > news::MOVED_M),
        lead: known.lead,
        told_place: known.told_place,
        ..fresh
    }
}
