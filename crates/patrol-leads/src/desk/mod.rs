//! The desk: the single owner of all leads. Everything that can move a lead reaches it as one event type (design §6).
//!
//! ```text
//! events of a tick ─► sort ─► one match ─► handlers ─► clocks ─► changed leads, outbox, rings, evidence, answers
//! ```
//! Same events, same leads, whatever their order within a tick: [`Desk::consider`] sorts before it acts, and acts on nothing but events,
//! its own state and the `now` it is given.

mod callback;
mod camera;
mod clocks;
mod delivery;
mod event;
mod frame;
mod making;
mod merge;
mod news;
mod officer;
mod order;
mod place;
mod set_back;
mod state;
mod suppression;
mod watch;
mod words;

pub use event::{DeskConfig, DeskEvent, DeskOutput, DeskRefusal, OnTimeout};
pub use state::{DeskState, SuppressedPlace};

use crate::exposure::{effective_weather, score};
use patrol_core::desk::{OutboxItem, PushOp, Ring};
use patrol_core::lead::{DeliveryState, HistoryEntry, Ringing, Score};
use patrol_core::{Camera, CameraId, Evidence, Lead, LeadId, LeadState, TrackId, WallTime, Weather};
use state::{LeadBook, Person};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A lead that only drifts (last seen, score) is handed on at most so often.
const DRIFT_EVERY: Duration = Duration::from_secs(30);
/// Lines of history kept; the first line and the newest stay, and what was dropped is counted.
const HISTORY_MAX: usize = 200;
/// Ended leads are linked for so long (design §6), then forgotten here; the store keeps them.
const REMEMBERED: Duration = Duration::from_hours(72);

/// What the present tick has given so far.
#[derive(Default)]
struct Draft {
    changed: BTreeSet<LeadId>,
    outbox: Vec<(PushOp, LeadId)>,
    /// Leads of which the city had refused something that is now to be tried again.
    again: BTreeSet<LeadId>,
    /// Snapshots of messages whose lead is told something else later in the same tick, by index in `outbox`.
    frozen: BTreeMap<usize, Lead>,
    rings: Vec<Ring>,
    evidence: Vec<Arc<Evidence>>,
    answers: Vec<(u64, Result<(), DeskRefusal>)>,
    state_changed: bool,
}

/// Owner of all leads. Not shared: one thread calls [`Desk::consider`] once a second.
pub struct Desk {
    config: DeskConfig,
    cameras: BTreeMap<CameraId, Camera>,
    state: DeskState,
    leads: BTreeMap<LeadId, Lead>,
    draft: Draft,
}

impl Desk {
    pub fn new(config: DeskConfig, cameras: Vec<Camera>) -> Self {
        Self::restore(config, cameras, DeskState::default(), Vec::new())
    }

    /// Continues where `state` and `leads` left off. Leads without notes (a store older than the state) get fresh clocks.
    pub fn restore(config: DeskConfig, cameras: Vec<Camera>, mut state: DeskState, leads: Vec<Lead>) -> Self {
        let given = leads.iter().filter_map(|lead| lead.id.0.rsplit('-').next()?.parse::<u64>().ok()).max().unwrap_or(0);
        state.last_number = state.last_number.max(given);
        for lead in &leads {
            state.books.entry(lead.id.clone()).or_insert_with(|| {
                let is_sent = !matches!(lead.delivery, DeliveryState::NotDue) && lead.state.is_open();
                LeadBook { sent: is_sent, told: lead.delivery != DeliveryState::NotDue, ..LeadBook::new(lead.state_since) }
            });
        }
        // Nobody looked while the process was down: every camera is blind from the last tick to its first report.
        if state.now > WallTime::default() {
            for camera in &cameras {
                state.cameras.entry(camera.id.clone()).or_default().restart(state.now);
            }
        }
        let known: BTreeSet<LeadId> = leads.iter().map(|lead| lead.id.clone()).collect();
        state.books.retain(|id, _| known.contains(id));
        for person in state.persons.values_mut().flat_map(BTreeMap::values_mut) {
            person.lead = person.lead.take().filter(|id| known.contains(id));
        }
        Self {
            config,
            cameras: cameras.into_iter().map(|camera| (camera.id.clone(), camera)).collect(),
            state,
            leads: leads.into_iter().map(|lead| (lead.id.clone(), lead)).collect(),
            draft: Draft::default(),
        }
    }

    /// Replaces the register of cameras; leads and clocks of the others are not touched.
    pub fn set_cameras(&mut self, cameras: Vec<Camera>) {
        self.cameras = cameras.into_iter().map(|camera| (camera.id.clone(), camera)).collect();
    }

    /// All leads that are open, or ended within 72 h.
    pub fn leads(&self) -> impl Iterator<Item = &Lead> {
        self.leads.values()
    }

    /// Everything the desk remembers but the leads.
    pub fn state(&self) -> DeskState {
        self.state.clone()
    }

    /// Places at which "not a person" was decided.
    pub fn suppressed(&self) -> &[SuppressedPlace] {
        &self.state.suppressed
    }

    /// The weather in use as of the last tick, and whether it is the colder assumption.
    pub fn weather(&self) -> (Weather, bool) {
        effective_weather(self.state.weather.as_ref(), &self.config.month_min_c, self.state.now)
    }

    /// One tick: all events that arrived since the last. They are sorted first, so that their order in `events` does not matter.
    pub fn consider(&mut self, now: WallTime, mut events: Vec<DeskEvent>) -> DeskOutput {
        let now = self.settle(now);
        self.state.now = now;
        for event in &mut events {
            set_back::settle_event(event, now);
        }
        order::sort(&mut events);
        let mut events = events.into_iter().peekable();
        while let Some(event) = events.next() {
            match event {
                DeskEvent::Sighting(first) => {
                    let mut frame = vec![*first];
                    while let Some(DeskEvent::Sighting(next)) = events.next_if(|next| order::is_same_picture(&frame[0], next)) {
                        frame.push(*next);
                    }
                    self.on_frame(now, &frame);
                }
                DeskEvent::Absence(absence) => self.on_absence(now, &absence),
                DeskEvent::Camera(report) => self.on_camera(now, report),
                DeskEvent::Officer { request, command } => {
                    let answer = self.on_officer(now, &command);
                    self.draft.answers.push((request, answer));
                }
                DeskEvent::Delivery(report) => self.on_delivery(now, &report),
                DeskEvent::Callback(callback) => self.on_callback(now, &callback),
                DeskEvent::Weather(weather) => self.on_weather(weather),
                DeskEvent::Tick => {}
            }
        }
        self.on_clocks(now);
        self.finish(now)
    }

    fn on_weather(&mut self, weather: Weather) {
        if self.state.weather.is_none_or(|known| weather.observed_at >= known.observed_at) {
            self.state.weather = Some(weather);
            self.draft.state_changed = true;
        }
    }

    fn finish(&mut self, now: WallTime) -> DeskOutput {
        let draft = std::mem::take(&mut self.draft);
        let mut changed = draft.changed;
        for (id, book) in &mut self.state.books {
            if book.is_drifting && now.since(book.emitted_at) >= DRIFT_EVERY {
                changed.insert(id.clone());
            }
            if changed.contains(id) {
                (book.emitted_at, book.is_drifting) = (now, false);
            }
        }
        let (frozen, mut again) = (draft.frozen, draft.again);
        let message = |(index, (op, id)): (usize, (PushOp, LeadId))| {
            let lead = frozen.get(&index).or_else(|| self.leads.get(&id))?.clone();
            // The first message of the tick opens the way for the others.
            Some(OutboxItem { sequence: 0, op, written_at: now, lead, again: again.remove(&id) })
        };
        let outbox = draft.outbox.into_iter().enumerate().filter_map(message).collect();
        let state_changed = draft.state_changed || !changed.is_empty() || now.since(self.state.written_at) >= DRIFT_EVERY;
        if state_changed {
            self.state.written_at = now;
        }
        DeskOutput {
            changed: changed.iter().filter_map(|id| self.leads.get(id).cloned()).collect(),
            outbox,
            rings: draft.rings,
            evidence: draft.evidence,
            answers: draft.answers,
            state_changed,
        }
    }

    // What the handlers share.

    fn person(&self, camera: &CameraId, track: TrackId) -> Option<&Person> {
        self.state.persons.get(camera)?.get(&track)
    }

    fn person_mut(&mut self, camera: &CameraId, track: TrackId) -> Option<&mut Person> {
        self.state.persons.get_mut(camera)?.get_mut(&track)
    }

    /// Everyone of a lead, on all cameras.
    fn members<'a>(&'a self, id: &'a LeadId) -> impl Iterator<Item = (&'a CameraId, TrackId, &'a Person)> {
        self.state
            .persons
            .iter()
            .flat_map(|(camera, persons)| persons.iter().map(move |(track, person)| (camera, *track, person)))
            .filter(move |(_, _, person)| person.lead.as_ref() == Some(id))
    }

    fn score_of(&self, person: &Person) -> Score {
        let camera = &person.place.camera;
        let site_prior = self.cameras.get(camera).map_or(0.0, |camera| camera.site_prior);
        let (weather, assumed) = self.weather();
        score(&person.exposure(site_prior, self.state.cameras.get(camera)), &weather, assumed)
    }

    fn is_seeing(&self, camera: &CameraId) -> bool {
        self.state.cameras.get(camera).is_none_or(state::CameraBook::is_seeing)
    }

    /// A line of history; the lead is handed on this tick.
    fn note(&mut self, id: &LeadId, at: WallTime, kind: &str, by: &str, text: String) {
        let Some(lead) = self.leads.get_mut(id) else { return };
        lead.history.push(HistoryEntry { at, kind: kind.to_owned(), text, by: by.to_owned() });
        trim_history(&mut lead.history);
        self.draft.changed.insert(id.clone());
    }

    /// Rings for a lead and keeps it ringing until somebody answers.
    fn ring(&mut self, now: WallTime, id: &LeadId, kind: &str, text: String, leader: bool) {
        let Some(lead) = self.leads.get_mut(id) else { return };
        let is_new = lead.ringing.as_ref().is_none_or(|ringing| ringing.why != kind || (leader && !ringing.leader));
        let (since, was_leader) = lead.ringing.as_ref().map_or((now, false), |ringing| (ringing.since, ringing.leader));
        lead.ringing = Some(Ringing { since, last: now, why: kind.to_owned(), leader: leader || was_leader });
        let camera = Some(lead.place.camera.clone());
        if is_new {
            let to = if leader { "值班领导" } else { "值守席" };
            self.note(id, now, "rang", "clock", format!("{to}:{text}"));
        }
        self.draft.changed.insert(id.clone());
        self.draft.rings.push(Ring { at: now, lead: Some(id.clone()), camera, kind: kind.to_owned(), text, leader });
    }

    fn ring_house(&mut self, now: WallTime, camera: Option<CameraId>, kind: &str, text: String) {
        self.draft.rings.push(Ring { at: now, lead: None, camera, kind: kind.to_owned(), text, leader: false });
        self.draft.state_changed = true;
    }

    fn enter(&mut self, id: &LeadId, now: WallTime, state: LeadState) {
        if let Some(lead) = self.leads.get_mut(id)
            && lead.state != state
        {
            (lead.state, lead.state_since) = (state, now);
            self.draft.changed.insert(id.clone());
        }
    }

    /// Writes a message to the city. A second `update` in one tick is the first one with newer content.
    fn tell(&mut self, id: &LeadId, op: PushOp) {
        if op == PushOp::Create {
            // Nothing of before is worth waiting for.
            self.try_again(id);
        }
        let (Some(lead), Some(book)) = (self.leads.get_mut(id), self.state.books.get_mut(id)) else { return };
        let earlier = self.draft.outbox.iter().rposition(|(_, told)| told == id);
        let is_covered =
            op == PushOp::Update && earlier.is_some_and(|at| matches!(self.draft.outbox[at].0, PushOp::Create | PushOp::Update));
        if !is_covered {
            if let Some(at) = earlier {
                self.draft.frozen.insert(at, lead.clone());
            }
            if book.told {
                lead.revision += 1;
            }
            self.draft.outbox.push((op, id.clone()));
        }
        book.told = true;
        book.first_reported_at = book.first_reported_at.or(Some(self.state.now));
        book.sent = !matches!(op, PushOp::Cancel | PushOp::Merge);
        // Behind a message that the city refused nothing is on its way.
        if lead.delivery != DeliveryState::Parked {
            lead.delivery = DeliveryState::Waiting;
        }
        self.draft.changed.insert(id.clone());
    }

    /// Whatever the city had refused of a lead goes with what is told next.
    fn try_again(&mut self, id: &LeadId) {
        if let Some(lead) = self.leads.get_mut(id)
            && lead.delivery == DeliveryState::Parked
        {
            lead.delivery = DeliveryState::Waiting;
            self.draft.again.insert(id.clone());
        }
    }

    /// Tells the city of news, if it knows the lead.
    fn tell_news(&mut self, id: &LeadId) {
        if self.state.books.get(id).is_some_and(|book| book.sent) {
            self.tell(id, PushOp::Update);
        }
    }
}

fn trim_history(history: &mut Vec<HistoryEntry>) {
    if history.len() <= HISTORY_MAX {
        return;
    }
    // The second line says how many were dropped.
    let dropped_before = match history.get(1) {
        Some(line) if line.kind == "dropped" => line.text.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()),
        _ => None,
    };
    let excess = history.len() - HISTORY_MAX;
    let (from, excess) = if dropped_before.is_some() { (2, excess) } else { (1, excess + 1) };
    let last = history.drain(from..from + excess).next_back();
    let text = format!("较早的记录已略去,条数 {}", dropped_before.unwrap_or(0) + excess as u64);
    match (dropped_before, last) {
        (Some(_), _) => history[1].text = text,
        (None, Some(last)) => history.insert(1, HistoryEntry { at: last.at, kind: "dropped".to_owned(), text, by: "desk".to_owned() }),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_keeps_its_first_line_and_counts_what_it_dropped() {
        let line = |n: i64| HistoryEntry { at: WallTime(n), kind: "x".to_owned(), text: String::new(), by: "desk".to_owned() };
        let mut history = Vec::new();
        for n in 0..500 {
            history.push(line(n));
            trim_history(&mut history);
        }
        assert_eq!((history.len(), history[0].at, history[199].at), (HISTORY_MAX, WallTime(0), WallTime(499)));
        assert_eq!(history[1].text, format!("较早的记录已略去,条数 {}", 500 - (HISTORY_MAX - 1)));
    }
}
