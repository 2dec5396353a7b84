//! Merging and splitting by officers. The head-count is the most seen at once, and a merge never lowers it.

use super::state::{Absorbed, Undo};
use super::{Desk, DeskRefusal};
use patrol_core::desk::PushOp;
use patrol_core::{CameraId, LeadId, LeadState, TrackId, WallTime};

/// As many pictures as a lead refers to.
const EVIDENCE_MAX: usize = 20;

impl Desk {
    pub(super) fn merge(&mut self, now: WallTime, from: &LeadId, into: &LeadId, by: &str, reason: &str) -> Result<(), DeskRefusal> {
        if from == into {
            return Err(DeskRefusal::MergeWithItself);
        }
        if self.leads.get(from).is_some_and(|lead| lead.merged_into.as_ref() == Some(into)) {
            return Ok(());
        }
        for id in [from, into] {
            let state = self.actionable(id)?;
            if !state.is_open() {
                return Err(DeskRefusal::Ended { lead: id.clone(), state });
            }
        }
        let members: Vec<(CameraId, TrackId)> = self.members(from).map(|(camera, track, _)| (camera.clone(), track)).collect();
        let were_seen_at_once = self.members(from).any(|(camera, _, person)| {
            self.members(into).any(|(other, _, there)| camera == other && person.media_time == there.media_time && !person.pointed_out)
        });
        let (Some(source), Some(target)) = (self.leads.get(from).cloned(), self.leads.get(into).cloned()) else {
            return Err(DeskRefusal::UnknownLead(from.clone()));
        };
        let was_sent = self.book_mut(from).is_some_and(|book| book.sent);
        let absorbed = Absorbed {
            members: members.clone(),
            people_before: target.people,
            state: source.state,
            review: source.review.clone(),
            was_sent,
        };
        if let Some(book) = self.book_mut(from) {
            book.absorbed = Some(absorbed);
            book.undo = Some(Undo::Merge { from: from.clone() });
        }
        if let Some(book) = self.book_mut(into) {
            book.undo = Some(Undo::Merge { from: from.clone() });
        }
        for (camera, track) in members {
            if let Some(person) = self.person_mut(&camera, track) {
                person.lead = Some(into.clone());
            }
        }
        if let Some(lead) = self.leads.get_mut(into) {
            lead.people = if were_seen_at_once { target.people + source.people } else { target.people.max(source.people) };
            if (source.tier, -source.score.value) < (target.tier, -target.score.value) {
                lead.score = source.score.clone();
            }
            lead.tier = target.tier.min(source.tier);
            lead.first_seen = target.first_seen.min(source.first_seen);
            lead.last_seen = target.last_seen.max(source.last_seen);
            lead.confidence = target.confidence.max(source.confidence);
            lead.resolved |= source.resolved;
            lead.merged_from.push(from.clone());
            let room = EVIDENCE_MAX.saturating_sub(lead.evidence.len());
            lead.evidence.extend(source.evidence.iter().take(room).cloned());
        }
        if let Some(lead) = self.leads.get_mut(from) {
            lead.merged_into = Some(into.clone());
            lead.ringing = None;
        }
        self.enter(from, now, LeadState::Merged);
        let why = if reason.is_empty() { String::new() } else { format!(":{reason}") };
        self.note(from, now, "merged", by, format!("并入 {into}{why}"));
        self.note(into, now, "merged", by, format!("并入了 {from}{why}"));
        let into_sent = self.book_mut(into).is_some_and(|book| book.sent);
        if was_sent && !into_sent {
            // What was decided about the one holds for both.
            if let Some(lead) = self.leads.get_mut(into) {
                lead.review.clone_from(&source.review);
                lead.ringing = None;
            }
            self.tell(into, PushOp::Create);
        } else {
            self.tell_news(into);
        }
        if was_sent {
            self.try_again(from);
            self.tell(from, PushOp::Merge);
        }
        Ok(())
    }

    /// Takes a merged lead out again; or gives what another camera sees of an unmerged one a lead of its own.
    pub(super) fn split(&mut self, now: WallTime, id: &LeadId, by: &str, reason: &str) -> Result<(), DeskRefusal> {
        let lead = self.leads.get(id).ok_or_else(|| DeskRefusal::UnknownLead(id.clone()))?;
        let why = if reason.is_empty() { String::new() } else { format!(":{reason}") };
        match (lead.state, lead.merged_into.clone()) {
            (LeadState::Merged, Some(into)) => self.take_out(now, id, &into, by, &why),
            _ => self.split_cameras(now, id, by, &why),
        }
    }

    fn take_out(&mut self, now: WallTime, id: &LeadId, into: &LeadId, by: &str, why: &str) -> Result<(), DeskRefusal> {
        let absorbed = self.book_mut(id).and_then(|book| book.absorbed.take()).ok_or_else(|| DeskRefusal::NothingToSplit(id.clone()))?;
        for (camera, track) in &absorbed.members {
            if let Some(person) = self.person_mut(camera, *track)
                && person.lead.as_ref() == Some(into)
            {
                person.lead = Some(id.clone());
            }
        }
        if let Some(lead) = self.leads.get_mut(into) {
            lead.merged_from.retain(|from| from != id);
            lead.people = absorbed.people_before;
        }
        if let Some(lead) = self.leads.get_mut(id) {
            lead.merged_into = None;
            lead.review = absorbed.review;
        }
        self.enter(id, now, absorbed.state);
        for one in [id, into] {
            if let Some(book) = self.book_mut(one) {
                book.undo = Some(Undo::Split { from: id.clone(), into: into.clone() });
                book.review_since = now;
                // Until now he was seen as the other's.
                book.present_at = now;
            }
        }
        self.note(id, now, "split", by, format!("从 {into} 拆出{why}"));
        self.note(into, now, "split", by, format!("拆出 {id}{why}"));
        self.tell_news(into);
        if absorbed.was_sent {
            self.tell(id, PushOp::Create);
        }
        Ok(())
    }

    fn split_cameras(&mut self, now: WallTime, id: &LeadId, by: &str, why: &str) -> Result<(), DeskRefusal> {
        let nothing = || DeskRefusal::NothingToSplit(id.clone());
        let state = self.actionable(id)?;
        if !state.is_open() {
            return Err(DeskRefusal::Ended { lead: id.clone(), state });
        }
        let home = self.leads.get(id).map(|lead| lead.place.camera.clone()).ok_or_else(nothing)?;
        let away: Vec<(CameraId, TrackId)> =
            self.members(id).filter(|(camera, _, _)| **camera != home).map(|(camera, track, _)| (camera.clone(), track)).collect();
        let (camera, first) = away.first().cloned().ok_or_else(nothing)?;
        let tier = self.leads.get(id).map_or(patrol_core::Tier::C, |lead| lead.tier);
        let made = self.make(now, &camera, first, tier);
        for (camera, track) in &away {
            if let Some(person) = self.person_mut(camera, *track) {
                person.lead = Some(made.clone());
            }
        }
        for one in [id, &made] {
            if let Some(book) = self.book_mut(one) {
                book.undo = Some(Undo::Split { from: made.clone(), into: id.clone() });
            }
        }
        self.note(&made, now, "split", by, format!("从 {id} 拆出{why}"));
        self.note(id, now, "split", by, format!("拆出 {made}{why}"));
        self.announce(now, &made);
        self.tell_news(id);
        Ok(())
    }
}
