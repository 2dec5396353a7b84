//! What officers ask, and what they are refused.

use super::state::{Class, LeadBook, Person, Undo};
use super::watch::VERIFY_UNJUDGED;
use super::{Desk, DeskRefusal, event, place};
use patrol_core::desk::{OfficerAction, OfficerCommand, PushOp};
use patrol_core::lead::{Decision, DeliveryState, Review};
use patrol_core::sighting::Place;
use patrol_core::{CameraId, LeadId, LeadState, MediaTime, PictureSize, PictureTransform, PixelBox, Posture, Tier, TrackId, WallTime};

/// Most people an officer may report at once: more is a slip of the finger.
const PEOPLE_MAX: u32 = 200;
/// Size of a picture of a camera that never showed anybody yet.
const SIZE_UNSEEN: PictureSize = PictureSize::new(1920, 1080);
/// Placeholders count down from here; tracks count up from 0.
const POINTED_OUT: u64 = u64::MAX;

impl Desk {
    pub(super) fn on_officer(&mut self, now: WallTime, command: &OfficerCommand) -> Result<(), DeskRefusal> {
        let OfficerCommand { by, reason, action } = command;
        match action {
            OfficerAction::Review { lead, decision } => self.review(now, lead, *decision, by, reason),
            OfficerAction::Merge { from, into } => self.merge(now, from, into, by, reason),
            OfficerAction::Split { lead } => self.split(now, lead, by, reason),
            OfficerAction::Undo { lead } => self.undo(now, lead, by, reason),
            OfficerAction::New { camera, bbox, size, people } => self.point_out(now, camera, (*bbox, *size), *people, by, reason),
            OfficerAction::Acknowledge { lead } => self.acknowledge(now, lead, by),
        }
    }

    /// The state of a lead that an officer may act upon; merged leads name where they went.
    pub(super) fn actionable(&self, id: &LeadId) -> Result<LeadState, DeskRefusal> {
        let lead = self.leads.get(id).ok_or_else(|| DeskRefusal::UnknownLead(id.clone()))?;
        match (&lead.merged_into, lead.state) {
            (Some(into), LeadState::Merged) => Err(DeskRefusal::MergedInto { lead: id.clone(), into: into.clone() }),
            (_, state) => Ok(state),
        }
    }

    fn review(&mut self, now: WallTime, id: &LeadId, decision: Decision, by: &str, reason: &str) -> Result<(), DeskRefusal> {
        if decision == Decision::Timeout {
            return Err(DeskRefusal::NotForOfficers);
        }
        let state = self.actionable(id)?;
        let earlier = self.leads.get(id).and_then(|lead| lead.review.clone());
        match &earlier {
            Some(review) if review.decision == decision => {
                self.send_again(now, id, state, by);
                return Ok(());
            }
            Some(review) if state == LeadState::Rejected => {
                let decision = event::decision_text(review.decision);
                return Err(DeskRefusal::AlreadyDecided { lead: id.clone(), by: review.by.clone(), decision });
            }
            _ => {}
        }
        if !state.is_open() || state == LeadState::Handled {
            return Err(DeskRefusal::Ended { lead: id.clone(), state });
        }
        let review = Review { decision, by: by.to_owned(), at: now, reason: reason.to_owned() };
        if let Some(lead) = self.leads.get_mut(id) {
            lead.review = Some(review);
            lead.ringing = None;
        }
        if let Some(book) = self.state.books.get_mut(id) {
            book.undo = Some(Undo::Review { state, review: earlier });
            book.held_at_c = false;
        }
        let text = if reason.is_empty() {
            event::decision_text(decision).to_owned()
        } else {
            format!("{}:{reason}", event::decision_text(decision))
        };
        if decision == Decision::Confirmed {
            if state == LeadState::Candidate {
                self.enter(id, now, LeadState::Review);
            }
            self.note(id, now, "confirmed", by, text);
            self.begin_case_anew(now, id, state);
            self.send(id);
            return Ok(());
        }
        self.note(id, now, "rejected", by, text);
        self.enter(id, now, LeadState::Rejected);
        if matches!(decision, Decision::Object | Decision::Animal) {
            self.suppress(now, id, decision, by);
        }
        self.withdraw(id);
        Ok(())
    }

    /// Confirming what the city had refused, sent back or not taken on tells it once more, and its clocks begin anew.
    fn send_again(&mut self, now: WallTime, id: &LeadId, state: LeadState, by: &str) {
        let is_wanted = |lead: &patrol_core::Lead| {
            let is_confirmed = lead.review.as_ref().is_some_and(|review| review.decision == Decision::Confirmed);
            is_confirmed && lead.state.is_open() && (is_sent_back(state) || lead.delivery == DeliveryState::Parked)
        };
        if !self.leads.get(id).is_some_and(is_wanted) {
            return;
        }
        if let Some(lead) = self.leads.get_mut(id) {
            lead.ringing = None;
        }
        self.begin_case_anew(now, id, state);
        self.note(id, now, "sent-again", by, "再次上报".to_owned());
        self.send(id);
    }

    /// A case that was sent back or not taken on stands, until it is delivered again, where any confirmed lead stands.
    fn begin_case_anew(&mut self, now: WallTime, id: &LeadId, state: LeadState) {
        if !is_sent_back(state) {
            return;
        }
        self.enter(id, now, LeadState::Review);
        if let Some(book) = self.state.books.get_mut(id) {
            (book.pushed_at, book.first_reported_at, book.handled_at) = (None, None, None);
            (book.dispatched, book.arrived, book.empty_since_handled) = (false, false, false);
            book.rung.retain(|kind| !matches!(kind.as_str(), "no-case-id" | "urge" | "arrive-overdue" | VERIFY_UNJUDGED));
        }
    }

    /// Tells the city that a lead it has is none.
    fn withdraw(&mut self, id: &LeadId) {
        if self.state.books.get(id).is_some_and(|book| book.sent) {
            self.try_again(id);
            self.tell(id, PushOp::Cancel);
        }
    }

    fn undo(&mut self, now: WallTime, id: &LeadId, by: &str, reason: &str) -> Result<(), DeskRefusal> {
        if !self.leads.contains_key(id) {
            return Err(DeskRefusal::UnknownLead(id.clone()));
        }
        let nothing = || DeskRefusal::NothingToUndo(id.clone());
        let step = self.state.books.get(id).and_then(|book| book.undo.clone()).ok_or_else(nothing)?;
        match step {
            Undo::Review { state, review } => self.undo_review(now, id, state, review, by, reason)?,
            Undo::Merge { from } => self.split(now, &from, by, reason)?,
            Undo::Split { from, into } => {
                self.merge(now, &from, &into, by, reason)?;
            }
        }
        if let Some(book) = self.state.books.get_mut(id) {
            book.undo = None;
        }
        Ok(())
    }

    fn undo_review(
        &mut self,
        now: WallTime,
        id: &LeadId,
        before: LeadState,
        review: Option<Review>,
        by: &str,
        reason: &str,
    ) -> Result<(), DeskRefusal> {
        let state = self.actionable(id)?;
        let was_rejected = state == LeadState::Rejected;
        if !was_rejected && (!state.is_open() || state == LeadState::Handled) {
            return Err(DeskRefusal::Ended { lead: id.clone(), state });
        }
        let had_confirmed = review.as_ref().is_some_and(|review| matches!(review.decision, Decision::Confirmed | Decision::Timeout));
        if let Some(lead) = self.leads.get_mut(id) {
            lead.review = review;
        }
        self.note(id, now, "undone", by, if reason.is_empty() { "撤销上一次判定".to_owned() } else { format!("撤销上一次判定:{reason}") });
        if was_rejected {
            self.state.suppressed.retain(|entry| entry.lead != *id);
        }
        if had_confirmed {
            // The city has, or had, it for good reason: it is told the present word.
            if was_rejected {
                self.enter(id, now, LeadState::Review);
            }
            self.send(id);
            return Ok(());
        }
        self.withdraw(id);
        let reviewed_again = if before == LeadState::Candidate { LeadState::Candidate } else { LeadState::Review };
        self.enter(id, now, reviewed_again);
        if let Some(book) = self.state.books.get_mut(id) {
            book.review_since = now;
            book.acknowledged_at = None;
            book.rung.clear();
            (book.pushed_at, book.first_reported_at) = (None, None);
        }
        Ok(())
    }

    fn acknowledge(&mut self, now: WallTime, id: &LeadId, by: &str) -> Result<(), DeskRefusal> {
        let lead = self.leads.get_mut(id).ok_or_else(|| DeskRefusal::UnknownLead(id.clone()))?;
        let Some(ringing) = lead.ringing.take() else { return Ok(()) };
        if let Some(book) = self.state.books.get_mut(id) {
            book.acknowledged_at = Some(now);
        }
        let kind = if ringing.why == "countersign" { "countersigned" } else { "acknowledged" };
        self.note(id, now, kind, by, format!("已应答({})", ringing.why));
        if ringing.why == "unjudged" && self.was_asked_to_verify(id) {
            self.enter(id, now, LeadState::Verified);
            self.note(id, now, "verified", by, "处置后未见人员,值守人员已应答".to_owned());
        }
        Ok(())
    }

    /// A lead seen by a person: at least a C, and in the queue like any other. `drawn`: the box, and the size of the picture it is in.
    fn point_out(
        &mut self,
        now: WallTime,
        camera: &CameraId,
        drawn: (PixelBox, Option<PictureSize>),
        people: u32,
        by: &str,
        reason: &str,
    ) -> Result<(), DeskRefusal> {
        let known = self.cameras.get(camera).ok_or_else(|| DeskRefusal::UnknownCamera(camera.clone()))?;
        if people == 0 || people > PEOPLE_MAX {
            return Err(DeskRefusal::HeadCount { found: people, most: PEOPLE_MAX });
        }
        let book = self.state.cameras.get(camera);
        let (bbox, drawn_in) = drawn;
        let size = book.and_then(|book| book.size).or(drawn_in).unwrap_or(SIZE_UNSEEN);
        let bbox = drawn_in.map_or(bbox, |drawn_in| bbox.to_unit(drawn_in).to_pixels(size)).clipped(size);
        if !bbox.is_finite() || bbox.w <= 0.0 || bbox.h <= 0.0 {
            return Err(DeskRefusal::BadBox);
        }
        let (preset, now_from_begin) = book.map_or_else(Default::default, |book| (book.preset, book.now_from_begin));
        let ground = known.view.and_then(|view| view.ground_from_pixel(bbox.foot(), 0.0, size));
        let position = ground.and_then(|ground| Some(known.position?.offset(&ground)));
        let pixels_per_metre = known.view.and_then(|view| view.pixels_per_metre(bbox.foot(), size));
        let here = Place { camera: camera.clone(), preset, now_from_begin, bbox, size, ground, position, pixels_per_metre };
        let text = if reason.is_empty() { format!("人工发现 {people} 人") } else { format!("人工发现 {people} 人:{reason}") };
        let gone: Vec<LeadId> =
            self.state.suppressed.iter().filter(|entry| place::is_same(&entry.place, &here)).map(|entry| entry.lead.clone()).collect();
        for id in gone {
            self.end_suppression(&id, now, "人工指认有人,解除屏蔽");
        }
        let persons = self.state.persons.get(camera);
        let at_place = |person: &&Person| {
            place::is_same(&person.place, &here)
                && person.lead.as_ref().is_some_and(|id| self.leads.get(id).is_some_and(|lead| lead.state.is_open()))
        };
        let open = persons.and_then(|persons| persons.values().find(at_place)).and_then(|person| person.lead.clone());
        let id = match open {
            Some(id) => id,
            None => self.place_holder(now, camera, here),
        };
        if let Some(lead) = self.leads.get_mut(&id) {
            lead.people = lead.people.max(people);
            lead.tier = lead.tier.min(Tier::C);
            lead.resolved = true;
        }
        if self.leads.get(&id).is_some_and(|lead| lead.state == LeadState::Candidate) {
            self.enter(&id, now, LeadState::Review);
        }
        self.note(&id, now, "pointed-out", by, text);
        self.tell_news(&id);
        Ok(())
    }

    /// Someone whom only an officer has seen: his place is kept until a track is found there.
    fn place_holder(&mut self, now: WallTime, camera: &CameraId, here: Place) -> LeadId {
        self.state.last_pointed_out += 1;
        let track = TrackId(POINTED_OUT - self.state.last_pointed_out);
        let person = Person {
            told_place: here.clone(),
            place: here,
            media_time: MediaTime(i64::MIN),
            at: now,
            first_seen: now,
            track_since: now,
            posture: Posture::Unknown,
            class: Class::Other,
            posture_since: now,
            still_since: None,
            confidence: 1.0,
            movement: 0.0,
            cover: 0.0,
            resolved: true,
            looks: 1,
            looks_before: 0,
            walked_in: false,
            held_since: None,
            lead: None,
            pointed_out: true,
        };
        self.state.persons.entry(camera.clone()).or_default().insert(track, person);
        let id = self.make(now, camera, track, Tier::C);
        if let Some(person) = self.person_mut(camera, track) {
            person.lead = Some(id.clone());
        }
        let headline = self.headline(&id);
        self.note(&id, now, "made", "desk", headline);
        id
    }

    /// The first picture of a camera tells in which pixels people were pointed out on it.
    pub(super) fn learn_size(&mut self, camera: &CameraId, size: PictureSize) {
        for person in self.state.persons.get_mut(camera).into_iter().flat_map(std::collections::BTreeMap::values_mut) {
            if person.pointed_out {
                (person.place.size, person.told_place.size) = (size, size);
                if let Some(lead) = person.lead.as_ref().and_then(|id| self.leads.get_mut(id)) {
                    lead.place.size = size;
                }
            }
        }
    }

    /// An officer pointed into the picture of that moment: how far the camera had gone by then is known with the next look that sees somebody. `before`: when
    /// the last one did.
    pub(super) fn learn_motion(&mut self, camera: &CameraId, before: WallTime, now_from_begin: PictureTransform) {
        let persons = self.state.persons.get_mut(camera).into_iter().flat_map(std::collections::BTreeMap::values_mut);
        for person in persons.filter(|person| person.pointed_out && person.at >= before) {
            (person.place.now_from_begin, person.told_place.now_from_begin) = (now_from_begin, now_from_begin);
        }
    }

    pub(super) fn book_mut(&mut self, id: &LeadId) -> Option<&mut LeadBook> {
        self.state.books.get_mut(id)
    }
}

fn is_sent_back(state: LeadState) -> bool {
    matches!(state, LeadState::Returned | LeadState::NotAccepted)
}
