//! After the city's result: contradicted by what the camera sees, verified by what it does not, or watched after a refusal (design §6).

use super::state::{Class, Watch};
use super::{Desk, words};
use crate::local_time::{local_time, next_local_hour};
use patrol_core::{AlertLevel, CameraId, LeadId, LeadState, TrackId, WallTime};
use std::time::Duration;

/// A person still seen so long after a result contradicts it.
const CONTRADICTED_AFTER: Duration = Duration::from_mins(1);
/// A result that nothing contradicts is verified after this (`integration.md` §3.5).
const VERIFIED_AFTER: Duration = Duration::from_mins(10);
/// In the cold a refusal is revisited so often.
const REVISIT_EVERY: Duration = Duration::from_hours(2);
const REVISIT_WIND_CHILL_C: f32 = -5.0;
/// Otherwise once before midnight and once at 04–06, local hours.
const REVISIT_HOURS: [u32; 2] = [23, 4];
/// The night, and with it the silence after a refusal, ends at this local hour.
pub(super) const NIGHT_ENDS_HOUR: u32 = 8;
/// Motionless for so long after a refusal rings at once.
const STILL_RINGS_MIN: f64 = 30.0;
/// Mark of a result that only a person can verify.
pub(super) const VERIFY_UNJUDGED: &str = "verify-unjudged";
/// Seen so lately counts as still here.
const STILL_HERE: Duration = Duration::from_mins(15);

impl Desk {
    /// A lead with a result, and somebody of it in the picture.
    pub(super) fn check_result(&mut self, now: WallTime, id: &LeadId, camera: &CameraId, staying: &[TrackId]) {
        let (Some(lead), Some(book)) = (self.leads.get(id), self.state.books.get(id)) else { return };
        if book.watch.is_some() {
            self.watch_sees(now, id);
            return;
        }
        let has_result = matches!(lead.state, LeadState::Handled | LeadState::Verified | LeadState::Closed | LeadState::Void);
        let Some(handled_at) = book.handled_at.filter(|_| has_result) else { return };
        if lead.last_seen.since(handled_at) >= CONTRADICTED_AFTER && self.any_of_concern(camera, staying) {
            self.reopen(now, id, "处置结果与画面不符:原处仍有人".to_owned());
        }
    }

    /// Back to the queue: somebody must decide again.
    pub(super) fn reopen(&mut self, now: WallTime, id: &LeadId, why: String) {
        self.enter(id, now, LeadState::Review);
        if let Some(lead) = self.leads.get_mut(id) {
            lead.review = None;
        }
        if let Some(book) = self.state.books.get_mut(id) {
            book.review_since = now;
            book.acknowledged_at = None;
            book.rung.clear();
            (book.pushed_at, book.first_reported_at, book.handled_at) = (None, None, None);
            (book.dispatched, book.arrived, book.empty_since_handled) = (false, false, false);
            book.watch = None;
            book.undo = None;
        }
        self.note(id, now, "reopened", "desk", why.clone());
        self.ring(now, id, "reopened", why, false);
    }

    pub(super) fn begin_watch(&mut self, now: WallTime, id: &LeadId) {
        let until = next_local_hour(now, NIGHT_ENDS_HOUR, self.config.local_offset_s);
        let (Some(lead), Some(book)) = (self.leads.get_mut(id), self.state.books.get_mut(id)) else { return };
        lead.ringing = None;
        book.watch = Some(Watch {
            since: now,
            until,
            tier: lead.tier,
            people: lead.people,
            posture: lead.posture,
            revisited_at: now,
            rang_still: false,
        });
        self.note(id, now, "watch", "desk", "本人拒绝进站:继续看护,按时回访".to_owned());
    }

    /// Whether news of a lead stays in its history: a watched refusal whose tier, head-count and posture are the same.
    pub(super) fn is_silent(&self, id: &LeadId) -> bool {
        let (Some(lead), Some(watch)) = (self.leads.get(id), self.state.books.get(id).and_then(|book| book.watch.as_ref())) else {
            return false;
        };
        lead.tier >= watch.tier && lead.people == watch.people && Class::of(lead.posture) == Class::of(watch.posture)
    }

    fn watch_sees(&mut self, now: WallTime, id: &LeadId) {
        let is_silent = self.is_silent(id);
        let (Some(lead), Some(watch)) = (self.leads.get(id), self.state.books.get_mut(id).and_then(|book| book.watch.as_mut())) else {
            return;
        };
        let is_still = lead.still_since.is_some_and(|since| lead.last_seen.minutes_since(since.max(watch.since)) >= STILL_RINGS_MIN);
        let rings_still = is_still && !watch.rang_still;
        watch.rang_still = is_still;
        (watch.tier, watch.people, watch.posture) = (watch.tier.min(lead.tier), lead.people, lead.posture);
        if !is_silent {
            self.ring(now, id, "watch-changed", format!("拒绝救助人员情况有变:{}", self.headline(id)), false);
        } else if rings_still {
            self.ring(now, id, "watch-still", "拒绝救助人员已 30 分钟无动作".to_owned(), false);
        }
    }

    pub(super) fn watch_clock(&mut self, now: WallTime, id: &LeadId) {
        let (weather, _) = self.weather();
        let chill_c = crate::exposure::wind_chill_c(weather.air_c, weather.wind_kmh.unwrap_or(0.0)).min(weather.air_c);
        let is_cold = weather.alert >= AlertLevel::Yellow || chill_c <= REVISIT_WIND_CHILL_C;
        let offset_s = self.config.local_offset_s;
        let (Some(lead), Some(watch)) = (self.leads.get(id), self.state.books.get_mut(id).and_then(|book| book.watch.as_mut())) else {
            return;
        };
        if now >= watch.until {
            let is_here = now.since(lead.last_seen) <= STILL_HERE;
            let is_open = lead.state.is_open();
            self.end_watch(now, id, is_here && is_open);
            return;
        }
        let is_due = if is_cold {
            now.since(watch.revisited_at) >= REVISIT_EVERY
        } else {
            REVISIT_HOURS.iter().any(|hour| next_local_hour(watch.revisited_at + Duration::from_secs(1), *hour, offset_s) <= now)
        };
        if is_due {
            watch.revisited_at = now;
            let text = format!("请回访(本人此前拒绝进站):{}", self.headline(id));
            self.note(id, now, "revisit", "clock", text.clone());
            self.ring(now, id, "revisit", text, false);
        }
    }

    fn end_watch(&mut self, now: WallTime, id: &LeadId, reopens: bool) {
        if let Some(book) = self.state.books.get_mut(id) {
            book.watch = None;
            // Whoever is seen here from now on is judged afresh.
            book.empty_since_handled = true;
        }
        self.draft.changed.insert(id.clone());
        if reopens {
            let hour = local_time(now, self.config.local_offset_s).hour;
            self.reopen(now, id, format!("拒绝救助后一夜仍在({hour}时)"));
        }
    }

    /// Whether an operator was asked to look after a result. His answer ends it; whoever is seen there all the same reopens it.
    pub(super) fn was_asked_to_verify(&self, id: &LeadId) -> bool {
        let is_handled = self.leads.get(id).is_some_and(|lead| lead.state == LeadState::Handled);
        is_handled && self.state.books.get(id).is_some_and(|book| book.rung.contains(VERIFY_UNJUDGED))
    }

    /// `HANDLED` becomes `VERIFIED` when its camera can see and has seen everybody go; when he was only lost from sight, somebody must look.
    pub(super) fn verify_clock(&mut self, now: WallTime, id: &LeadId) {
        let (Some(lead), Some(book)) = (self.leads.get(id), self.state.books.get(id)) else { return };
        let camera = &lead.place.camera;
        let seen_since = |at: WallTime| {
            self.state.cameras.get(camera).map_or(now.since(at), |book| now.since(at).saturating_sub(book.blind_between(at, now)))
        };
        let is_due = book.handled_at.is_some_and(|at| seen_since(at) >= VERIFIED_AFTER);
        if !is_due || book.watch.is_some() || !self.is_seeing(camera) {
            return;
        }
        if book.left {
            self.enter(id, now, LeadState::Verified);
            let text = format!("处置后 10 分钟画面未见人员({})", words::posture(lead_posture(self, id)));
            self.note(id, now, "verified", "clock", text);
        } else if self.rings_once(id, VERIFY_UNJUDGED) {
            self.ring(now, id, "unjudged", "处置后 10 分钟未见人员,但未看到其离开,请查看原处".to_owned(), false);
        }
    }
}

fn lead_posture(desk: &Desk, id: &LeadId) -> patrol_core::Posture {
    desk.leads.get(id).map_or(patrol_core::Posture::Unknown, |lead| lead.posture)
}
