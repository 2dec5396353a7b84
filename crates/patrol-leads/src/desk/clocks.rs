//! What time alone does to leads (`integration.md` §3.5, design §6).

use super::{Desk, OnTimeout, REMEMBERED, frame, words};
use patrol_core::desk::PushOp;
use patrol_core::lead::{Decision, Review};
use patrol_core::{LeadId, LeadState, Tier, WallTime};
use std::time::Duration;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A: the operator has a minute, then the duty leader has one.
const A_OPERATOR: Duration = seconds(60);
const A_LEADER: Duration = seconds(60);
/// An answered A that is not decided waits for its push no longer than this.
const A_PUSH_AT_LATEST: Duration = seconds(300);
const A_RINGS_EVERY: Duration = seconds(60);
/// B: the operator has three minutes, then the leader hears of it every three.
const B_OPERATOR: Duration = seconds(180);
/// C: on the officers' round list after ten minutes.
const C_OPERATOR: Duration = seconds(600);
/// A push without review needs this much certainty (design §6).
const PUSH_CONFIDENCE_MIN: f32 = 0.5;
const PUSH_LOOKS_MIN: u32 = 3;
const PUSH_SEEN_MIN: Duration = seconds(60);
const PUSHES_MAX: usize = 3;
const PUSHES_WITHIN: Duration = seconds(600);
/// `PUSHED` without a case.
const CASE_ID_WITHIN: Duration = seconds(60);
/// From push to dispatch: 5 min for A, 10 min for B.
const DISPATCH_WITHIN_A: Duration = seconds(300);
const DISPATCH_WITHIN_B: Duration = seconds(600);
/// From the first report to somebody on the spot (notice 001).
const ARRIVE_WITHIN: Duration = seconds(1_800);
/// A person outside of whom the city does not know, or whom it does not take on, rings so often until answered.
const STUCK_RINGS_EVERY: Duration = seconds(60);
const OVERDUE_RINGS_EVERY: Duration = seconds(300);

/// Mark of a lead whose operator's time is over.
pub(super) const TO_LEADER: &str = "to-leader";

impl Desk {
    pub(super) fn on_clocks(&mut self, now: WallTime) {
        self.weather_clock(now);
        self.suppression_clock(now);
        self.state.timeout_pushes.retain(|at| now.since(*at) < PUSHES_WITHIN);
        let ids: Vec<LeadId> = self.leads.keys().cloned().collect();
        for id in &ids {
            let Some(lead) = self.leads.get(id) else { continue };
            match lead.state {
                LeadState::Candidate => self.candidate_clock(now, id),
                LeadState::Review if lead.review.is_none() => self.review_clock(now, id),
                LeadState::Review
                | LeadState::Pushed
                | LeadState::Accepted
                | LeadState::Dispatched
                | LeadState::Arrived
                | LeadState::Extended
                | LeadState::Returned
                | LeadState::Suspended
                | LeadState::Urged => self.city_clock(now, id),
                LeadState::Handled => self.verify_clock(now, id),
                LeadState::Expired
                | LeadState::Rejected
                | LeadState::NotAccepted
                | LeadState::Verified
                | LeadState::Closed
                | LeadState::Evaluated
                | LeadState::Void
                | LeadState::Merged => self.forget_clock(now, id),
            }
            self.watch_clock(now, id);
            self.ring_again(now, id);
        }
        self.drop_unseen(now);
    }

    fn weather_clock(&mut self, now: WallTime) {
        let (weather, assumed) = self.weather();
        if assumed && !self.state.weather_assumed {
            let text = format!("气象数据缺失或超过 3 小时,暂按 {:.0}°C 计算,请检查气象接入", weather.air_c);
            self.ring_house(now, None, "weather-assumed", text);
        }
        if assumed != self.state.weather_assumed {
            self.state.weather_assumed = assumed;
            self.draft.state_changed = true;
        }
    }

    fn candidate_clock(&mut self, now: WallTime, id: &LeadId) {
        let Some(lead) = self.leads.get(id) else { return };
        let camera = self.state.cameras.get(&lead.place.camera);
        let blind = camera.map_or(Duration::ZERO, |camera| camera.blind_between(lead.last_seen, now));
        if now.since(lead.last_seen).saturating_sub(blind) >= frame::UNSEEN_MAX {
            self.enter(id, now, LeadState::Expired);
            self.note(id, now, "expired", "clock", "15 分钟未再看到".to_owned());
        }
    }

    /// Nobody has decided yet.
    fn review_clock(&mut self, now: WallTime, id: &LeadId) {
        let (Some(lead), Some(book)) = (self.leads.get(id), self.state.books.get_mut(id)) else { return };
        let answered = book.acknowledged_at.map_or(book.review_since, |at| at.max(book.review_since));
        let elapsed = now.since(answered);
        let (operator, rings_every) = match lead.tier {
            Tier::A => (A_OPERATOR, A_RINGS_EVERY),
            Tier::B => (B_OPERATOR, B_OPERATOR),
            Tier::C | Tier::D => {
                if now.since(book.review_since) >= C_OPERATOR && book.rung.insert("round-list".to_owned()) {
                    self.note(id, now, "round-list", "clock", "10 分钟无人查看,列入巡查清单(未看)".to_owned());
                }
                return;
            }
        };
        let is_push_due = lead.tier == Tier::A && (elapsed >= A_OPERATOR + A_LEADER || now.since(book.review_since) >= A_PUSH_AT_LATEST);
        if is_push_due && self.may_push_unreviewed(id) {
            self.push_unreviewed(now, id);
            return;
        }
        let Some(book) = self.state.books.get_mut(id) else { return };
        let last_leader_ring = lead_ring(self.leads.get(id));
        let is_due = elapsed >= operator
            && (book.rung.insert(TO_LEADER.to_owned()) || last_leader_ring.is_none_or(|last| now.since(last) >= rings_every));
        if is_due {
            let text = format!("无人处理:{}", self.headline(id));
            self.ring(now, id, "unanswered", text, true);
        }
    }

    fn may_push_unreviewed(&self, id: &LeadId) -> bool {
        let (Some(lead), Some(book)) = (self.leads.get(id), self.state.books.get(id)) else { return false };
        self.config.on_timeout == OnTimeout::Push
            && lead.resolved
            && lead.confidence >= PUSH_CONFIDENCE_MIN
            && book.looks >= PUSH_LOOKS_MIN
            && lead.last_seen.since(lead.first_seen) >= PUSH_SEEN_MIN
            && self.state.timeout_pushes.len() < PUSHES_MAX
    }

    fn push_unreviewed(&mut self, now: WallTime, id: &LeadId) {
        self.state.timeout_pushes.push(now);
        let Some(lead) = self.leads.get_mut(id) else { return };
        let reason = "超时无人复核".to_owned();
        lead.review = Some(Review { decision: Decision::Timeout, by: "clock".to_owned(), at: now, reason });
        self.note(id, now, "timeout", "clock", "【未经人工复核】超时自动上报".to_owned());
        self.send(id);
        let text = format!("【未经人工复核】已自动上报:{}", self.headline(id));
        self.ring(now, id, "pushed-unreviewed", text, true);
    }

    /// The first message about a lead, or news of one that the city has.
    pub(super) fn send(&mut self, id: &LeadId) {
        let is_sent = self.state.books.get(id).is_some_and(|book| book.sent);
        self.try_again(id);
        self.tell(id, if is_sent { PushOp::Update } else { PushOp::Create });
    }

    /// The city has the lead, or should.
    fn city_clock(&mut self, now: WallTime, id: &LeadId) {
        let (Some(lead), Some(book)) = (self.leads.get(id), self.state.books.get_mut(id)) else { return };
        let (tier, state, has_case) = (lead.tier, lead.state, lead.case.case_id.is_some());
        let pushed_for = book.pushed_at.map(|at| now.since(at));
        let reported_for = book.first_reported_at.map(|at| now.since(at));
        let dispatch_within = match tier {
            Tier::A => Some(DISPATCH_WITHIN_A),
            Tier::B => Some(DISPATCH_WITHIN_B),
            Tier::C | Tier::D => None,
        };
        let is_past = |elapsed: Option<Duration>, limit: Duration| elapsed.is_some_and(|elapsed| elapsed >= limit);
        let no_case =
            state == LeadState::Pushed && !has_case && is_past(pushed_for, CASE_ID_WITHIN) && book.rung.insert("no-case-id".to_owned());
        let is_waiting = !book.dispatched && !book.arrived;
        let undispatched =
            is_waiting && dispatch_within.is_some_and(|limit| is_past(pushed_for, limit)) && book.rung.insert("urge".to_owned());
        let unarrived = !book.arrived && is_past(reported_for, ARRIVE_WITHIN) && book.rung.insert("arrive-overdue".to_owned());
        if no_case {
            self.ring(now, id, "no-case-id", "上报 60 秒未立案,请电话联系平台".to_owned(), false);
        }
        if undispatched {
            let text = format!("{}上报后未派遣,请督办", words::tier(tier));
            self.note(id, now, "urge", "clock", text.clone());
            self.ring(now, id, "urge", text, false);
        }
        if unarrived {
            self.ring(now, id, "arrive-overdue", "首报 30 分钟无人到场".to_owned(), true);
        }
    }

    /// What was not answered rings again.
    fn ring_again(&mut self, now: WallTime, id: &LeadId) {
        let Some(ringing) = self.leads.get(id).and_then(|lead| lead.ringing.clone()) else { return };
        let every = match ringing.why.as_str() {
            "delivery-parked" | "delivery-delayed" | "countersign" | "returned" => STUCK_RINGS_EVERY,
            "arrive-overdue" | "sudden-event" => OVERDUE_RINGS_EVERY,
            _ => return,
        };
        if now.since(ringing.last) >= every {
            let text = format!("仍未处理:{}", self.headline(id));
            self.ring(now, id, &ringing.why, text, ringing.leader);
        }
    }

    fn forget_clock(&mut self, now: WallTime, id: &LeadId) {
        let Some(lead) = self.leads.get(id) else { return };
        let is_settled = lead.delivery != patrol_core::lead::DeliveryState::Waiting && lead.ringing.is_none();
        // The city has no more to say of a case that it did not take on: it is over when everybody has gone.
        let has_left = self.state.books.get(id).is_some_and(|book| book.left);
        let is_over = !lead.state.is_open() || (lead.state == LeadState::NotAccepted && has_left);
        if !is_over || !is_settled || now.since(lead.state_since) < REMEMBERED {
            return;
        }
        self.leads.remove(id);
        self.state.books.remove(id);
        for person in self.state.persons.values_mut().flat_map(std::collections::BTreeMap::values_mut) {
            person.lead = person.lead.take().filter(|lead| lead != id);
        }
        self.draft.state_changed = true;
    }
}

fn lead_ring(lead: Option<&patrol_core::Lead>) -> Option<WallTime> {
    lead?.ringing.as_ref().filter(|ringing| ringing.leader).map(|ringing| ringing.last)
}
