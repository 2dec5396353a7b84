//! Which lead a person belongs to: an open one at the place, one that another camera made, or a new one.

use super::news::GETS_UP_WITHIN;
use super::state::{Class, LeadBook, Person};
use super::{Desk, REMEMBERED, place};
use crate::exposure::is_due;
use crate::local_time::local_time;
use patrol_core::lead::{Case, DeliveryState};
use patrol_core::sighting::Place;
use patrol_core::{CameraId, Lead, LeadId, LeadState, Posture, Tier, TrackId, WallTime};
use std::collections::BTreeSet;
use std::time::Duration;

/// Two cameras see someone at the same time when their intervals come so close: the longest gap between two looks (design §2, `look_limit_s`).
const OVERLAP: Duration = Duration::from_mins(1);
/// Whoever is found so soon after somebody went from there lay beside him, or under him: until he is told of, a new track takes a few looks.
const UNCOVERED_WITHIN: Duration = Duration::from_secs(10);

/// Why somebody belongs to an open lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belongs {
    ToGroup,
    /// He lay beside one who has got up, and both were one to the detectors until then.
    ToWhoGotUp,
    Again,
}

impl Desk {
    /// Persons without a lead who are at the place of an open one: its update, not a new lead.
    pub(super) fn join_open_leads(&mut self, now: WallTime, camera: &CameraId, present: &[TrackId]) {
        for &track in present {
            let Some(person) = self.person(camera, track) else { continue };
            if person.lead.is_some() || !person.is_of_concern() {
                continue;
            }
            if let Some(id) = self.lead_left_at(person) {
                self.join_left(now, &id, camera, track);
                continue;
            }
            let Some((id, why)) = self.lead_at(camera, track, person, present, false) else { continue };
            let text = match why {
                Belongs::ToGroup => "2米内另有倒卧人员,计入同一线索",
                Belongs::ToWhoGotUp => "同一位置一人起身,原处仍有人",
                Belongs::Again => "同一摄像机同一位置再次看到",
            };
            self.join(now, &id, camera, track, text);
            // He who walks off is not counted in this look.
            if why == Belongs::ToWhoGotUp
                && let Some(lead) = self.leads.get_mut(&id)
            {
                lead.people = lead.people.max(2);
            }
        }
    }

    /// The open lead whose last person went from where `person` lay beside him. Whoever comes there later is a new lead: of one that has been handled nobody would be
    /// told again.
    fn lead_left_at(&self, person: &Person) -> Option<LeadId> {
        let is_there = |lead: &&Lead| {
            let book = self.state.books.get(&lead.id).filter(|book| book.left && lead.state.is_open());
            book.and_then(|book| book.left_from.as_ref())
                .is_some_and(|(from, at)| person.first_seen <= *at + UNCOVERED_WITHIN && place::is_same(from, &person.place))
        };
        self.leads.values().find(is_there).map(|lead| lead.id.clone())
    }

    fn join_left(&mut self, now: WallTime, id: &LeadId, camera: &CameraId, track: TrackId) {
        self.join(now, id, camera, track, "同一位置一人起身,原处仍有人");
        // Two were one to the detectors until one of them got up: the place was never empty.
        if let Some(lead) = self.leads.get_mut(id) {
            lead.people = lead.people.max(2);
        }
        if let Some(book) = self.state.books.get_mut(id) {
            book.empty_since_handled = false;
        }
        self.news(now, id, "one-fewer", "一人离开,原处仍有 1 人".to_owned());
    }

    fn join(&mut self, now: WallTime, id: &LeadId, camera: &CameraId, track: TrackId, text: &str) {
        if let Some(person) = self.person_mut(camera, track) {
            person.lead = Some(id.clone());
        }
        self.note(id, now, "joined", "desk", text.to_owned());
    }

    /// The nearest open lead of this camera whose people `person` lies with, or whose place it is at while nobody of it is seen there. Whoever `is_due`, however
    /// he holds himself, belongs to those beside him: the same crew goes to the same place.
    fn lead_at(&self, camera: &CameraId, track: TrackId, person: &Person, present: &[TrackId], is_due: bool) -> Option<(LeadId, Belongs)> {
        let members = self.state.persons.get(camera)?.iter().filter(|(other, _)| **other != track);
        let mut best: Option<(f32, LeadId, Belongs)> = None;
        for (other, member) in members {
            let Some(lead) = member.lead.as_ref().and_then(|id| self.leads.get(id)) else { continue };
            if !lead.state.is_open() {
                continue;
            }
            let is_seen = present.contains(other);
            if member.posture == Posture::Walking {
                let from = self.has_gone_from(member, &lead.id).filter(|_| is_seen);
                if from.is_some_and(|from| place::is_same(from, &person.place)) {
                    return Some((lead.id.clone(), Belongs::ToWhoGotUp));
                }
                continue;
            }
            let apart_m = place::apart_m(&member.place, &person.place);
            let are_down = person.class == Class::Down && member.class == Class::Down;
            // What was judged a thing once keeps nobody quiet; nor does who is watched in silence, but for whoever lies down with him, which rings.
            let is_thing = self.was_judged_a_thing(&lead.id);
            let is_beside = are_down || (is_due && is_seen && member.is_of_concern() && !self.is_silent(&lead.id));
            let is_group = apart_m <= place::GROUP_M && !is_thing && is_beside;
            let is_return = !is_seen && place::is_same(&member.place, &person.place);
            if (is_group || is_return) && best.as_ref().is_none_or(|(nearest, _, _)| apart_m < *nearest) {
                let why = if is_seen { Belongs::ToGroup } else { Belongs::Again };
                best = Some((apart_m, lead.id.clone(), why));
            }
        }
        best.map(|(_, id, why)| (id, why))
    }

    /// Whether a lead is of what an officer judged to be a thing, which came back and waits to be judged again.
    fn was_judged_a_thing(&self, id: &LeadId) -> bool {
        self.state.books.get(id).is_some_and(|book| book.held_at_c)
    }

    /// Where `member` was told of, when he is elsewhere now: whoever is found there lay beside him, and both were one to the detectors until he got up.
    fn has_gone_from<'a>(&'a self, member: &'a Person, lead: &LeadId) -> Option<&'a Place> {
        let book = self.state.books.get(lead)?;
        let just_moved = book.moved_at.is_some_and(|moved| member.at.since(moved) <= GETS_UP_WITHIN);
        let told = (!place::is_same(&member.place, &member.told_place)).then_some(&member.told_place);
        book.moved_from.as_ref().filter(|_| just_moved).or(told)
    }

    /// Makes the leads that are due in this picture; gives their ids.
    pub(super) fn make_due(&mut self, now: WallTime, camera: &CameraId, present: &[TrackId]) -> BTreeSet<LeadId> {
        let mut made = BTreeSet::new();
        for &track in present {
            let Some(person) = self.person(camera, track) else { continue };
            if person.lead.is_some() || !person.is_of_concern() {
                continue;
            }
            let score = self.score_of(person);
            let site_prior = self.cameras.get(camera).map_or(0.0, |camera| camera.site_prior);
            let minutes = person.exposure(site_prior, self.state.cameras.get(camera)).minutes;
            if !is_due(person.posture, minutes, score.tier) {
                continue;
            }
            if let Some((id, _)) = self.lead_at(camera, track, person, present, true) {
                let was_more = self.state.books.get(&id).zip(self.leads.get(&id)).is_some_and(|(book, lead)| book.present < lead.people);
                self.join(now, &id, camera, track, "2米内另有需要帮助的人员,计入同一线索");
                if was_more {
                    // The head-count does not rise by him, and would not ring.
                    self.news(now, &id, "one-more", "原处又有 1 人".to_owned());
                }
                continue;
            }
            let group = self.group_of(camera, track, present);
            let (id, is_new) = match self.lead_of_another_camera(now, camera, &group) {
                Some(id) => (id, false),
                None => (self.make(now, camera, track, score.tier), true),
            };
            for member in group {
                if let Some(person) = self.person_mut(camera, member) {
                    person.lead = Some(id.clone());
                }
            }
            if is_new {
                made.insert(id);
            }
        }
        made
    }

    /// People down within 2 m of one another, seen at once and without a lead.
    fn group_of(&self, camera: &CameraId, first: TrackId, present: &[TrackId]) -> Vec<TrackId> {
        let mut group = vec![first];
        let mut next = 0;
        while let Some(from) = group.get(next).and_then(|track| self.person(camera, *track)) {
            next += 1;
            if from.class != Class::Down {
                continue;
            }
            for &track in present {
                let joins = |person: &Person| {
                    person.lead.is_none() && person.class == Class::Down && place::apart_m(&from.place, &person.place) <= place::GROUP_M
                };
                if !group.contains(&track) && self.person(camera, track).is_some_and(joins) {
                    group.push(track);
                }
            }
        }
        group
    }

    /// An open lead that another camera or a drone sees at the same ground and time. Large errors only propose.
    fn lead_of_another_camera(&mut self, now: WallTime, camera: &CameraId, group: &[TrackId]) -> Option<LeadId> {
        let persons: Vec<Person> = group.iter().filter_map(|track| self.person(camera, *track).cloned()).collect();
        let mut best: Option<(f64, LeadId)> = None;
        let mut proposed = BTreeSet::new();
        for person in &persons {
            let Some(position) = &person.place.position else { continue };
            for member in self.state.persons.iter().filter(|(other, _)| *other != camera).flat_map(|(_, persons)| persons.values()) {
                let (Some(there), Some(lead)) = (&member.place.position, member.lead.as_ref().and_then(|id| self.leads.get(id))) else {
                    continue;
                };
                let overlaps = member.at + OVERLAP >= person.first_seen && member.first_seen <= person.at + OVERLAP;
                let Some(distance_m) = place::meeting_m(position, there).filter(|_| overlaps && lead.state.is_open()) else { continue };
                if self.is_seen_at_once(&lead.id, camera, person) {
                    continue;
                }
                if self.was_judged_a_thing(&lead.id)
                    || position.error_m > place::MERGE_ERROR_MAX_M
                    || there.error_m > place::MERGE_ERROR_MAX_M
                {
                    proposed.insert(lead.id.clone());
                } else if best.as_ref().is_none_or(|(nearest, id)| (distance_m, &lead.id) < (*nearest, id)) {
                    best = Some((distance_m, lead.id.clone()));
                }
            }
        }
        if let Some((distance_m, id)) = best {
            let text = format!("{} 同时看到,相距 {distance_m:.1} 米,视为同一地点", self.camera_name(camera));
            self.note(&id, now, "merged-by-ground", "desk", text);
            return Some(id);
        }
        for id in proposed {
            let text = format!("{} 附近也有目标,不能确定是同一人,请人工判断", self.camera_name(camera));
            self.note(&id, now, "merge-proposed", "desk", text);
        }
        None
    }

    /// Whether this camera sees somebody else of the lead in the same picture as `person`.
    fn is_seen_at_once(&self, id: &LeadId, camera: &CameraId, person: &Person) -> bool {
        let mut here = self.members(id).filter(|(of, _, _)| *of == camera);
        here.any(|(_, _, member)| member.media_time == person.media_time && place::apart_m(&member.place, &person.place) > place::GROUP_M)
    }

    pub(super) fn camera_name(&self, camera: &CameraId) -> String {
        self.cameras.get(camera).map_or_else(|| camera.to_string(), |camera| camera.name.clone())
    }

    fn next_id(&mut self, now: WallTime) -> LeadId {
        self.state.last_number += 1;
        let local = local_time(now, self.config.local_offset_s);
        LeadId(format!("XL-{:04}{:02}{:02}-{:06}", local.year, local.month, local.day, self.state.last_number))
    }

    /// A lead of one person; who else belongs to it is counted when it is brought up to date.
    pub(super) fn make(&mut self, now: WallTime, camera: &CameraId, track: TrackId, tier: Tier) -> LeadId {
        let id = self.next_id(now);
        let Some(person) = self.person(camera, track).cloned() else { return id };
        let score = self.score_of(&person);
        let known = self.cameras.get(camera);
        let state = if tier == Tier::D { LeadState::Candidate } else { LeadState::Review };
        let lead = Lead {
            id: id.clone(),
            revision: 1,
            state,
            tier,
            score,
            confidence: person.confidence,
            resolved: person.resolved,
            people: 1,
            posture: person.posture,
            still_since: person.still_since,
            position: person.place.position,
            linked: self.ended_at(now, &person.place),
            camera_name: self.camera_name(camera),
            camera_code: known.and_then(|camera| camera.code.clone()),
            address: known.and_then(|camera| camera.address.clone()),
            street: known.and_then(|camera| camera.street.clone()),
            grid: known.and_then(|camera| camera.grid.clone()),
            place: person.place,
            first_seen: person.first_seen,
            last_seen: person.at,
            made_at: now,
            state_since: now,
            evidence: Vec::new(),
            review: None,
            case: Case::default(),
            delivery: DeliveryState::NotDue,
            merged_into: None,
            merged_from: Vec::new(),
            ringing: None,
            history: Vec::new(),
        };
        let linked = lead.linked.len();
        let looks = person.looks.saturating_add(person.looks_before);
        self.leads.insert(id.clone(), lead);
        let book = LeadBook {
            looks,
            down_at: matches!(person.posture, Posture::Lying | Posture::Curled).then_some(person.at),
            ..LeadBook::new(now)
        };
        self.state.books.insert(id.clone(), book);
        self.note(&id, person.first_seen, "candidate", "desk", "首次看到".to_owned());
        if linked > 0 {
            self.note(&id, now, "linked", "desk", format!("72小时内此处已有线索,条数 {linked}"));
        }
        id
    }

    /// Ended leads at a place within 72 h: linked, and suppressing nothing.
    pub(super) fn ended_at(&self, now: WallTime, here: &Place) -> Vec<LeadId> {
        let is_there = |lead: &&Lead| {
            let by_position = match (&lead.place.position, &here.position) {
                (Some(a), Some(b)) if lead.place.camera != here.camera => place::meeting_m(a, b).is_some(),
                _ => place::is_same(&lead.place, here),
            };
            !lead.state.is_open() && lead.state != LeadState::Merged && by_position && now.since(lead.state_since) <= REMEMBERED
        };
        self.leads.values().filter(is_there).map(|lead| lead.id.clone()).collect()
    }
}
