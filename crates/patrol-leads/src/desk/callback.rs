//! The city's word on a case (`integration.md` §3.4): at least once, in any order.

use super::Desk;
use super::state::CALLBACK_IDS_MAX;
use super::watch::VERIFY_UNJUDGED;
use patrol_core::desk::CaseCallback;
use patrol_core::{LeadId, LeadState, Tier, WallTime};
use std::collections::VecDeque;

/// From so many people on, and with these results, the sudden-event clock starts (`integration.md` §3.5, notice 001).
const SUDDEN_PEOPLE: u32 = 3;
const SUDDEN_RESULTS: [&str; 2] = ["DECEASED", "HOSPITAL_120"];
const REFUSED: &str = "SUPPLIES_REFUSED";

impl Desk {
    pub(super) fn on_callback(&mut self, now: WallTime, callback: &CaseCallback) {
        let id = &callback.event_id;
        let Some(book) = self.state.books.get_mut(id) else {
            if is_first(&mut self.state.strange_callbacks, &callback.callback_id) {
                let text = format!("平台回调指向未知线索 {id}(案件 {},状态 {})", callback.case_id, callback.raw_state);
                self.ring_house(now, None, "callback-unknown-lead", text);
            }
            return;
        };
        if !is_first(&mut book.callback_ids, &callback.callback_id) {
            return;
        }
        let words = callback_words(callback);
        let Some(lead) = self.leads.get_mut(id) else { return };
        let is_late = lead.case.last_seq.zip(lead.case.last_at).is_some_and(|last| (callback.seq, callback.at) <= last);
        if is_late {
            self.note(id, now, "callback-late", "city", format!("迟到的回调:{words}"));
            return;
        }
        let state = callback.state.filter(|state| is_of_the_city(*state));
        let Some(state) = state else {
            self.note(id, now, "callback-unknown", "city", format!("无法识别的状态:{words}"));
            self.ring(now, id, "mapping-alarm", format!("平台状态 {} 未配置映射,请检查映射文件", callback.raw_state), false);
            return;
        };
        (lead.case.last_seq, lead.case.last_at) = (Some(callback.seq), Some(callback.at));
        lead.case.case_id.get_or_insert_with(|| callback.case_id.clone());
        lead.case.unit = callback.unit.clone().or_else(|| lead.case.unit.take());
        lead.case.result = callback.result.clone().or_else(|| lead.case.result.take());
        // A lead that is being decided anew, was rejected or merged here, keeps that state: the city's word was about what came before.
        let is_ours =
            (lead.state == LeadState::Review && lead.review.is_none()) || matches!(lead.state, LeadState::Rejected | LeadState::Candidate);
        let is_merged_here = lead.state == LeadState::Merged && lead.merged_into.is_some();
        self.note(id, now, "callback", "city", words);
        if !is_ours && !is_merged_here {
            self.enter(id, now, state);
            self.on_city_state(now, id, state, callback);
        }
    }

    fn on_city_state(&mut self, now: WallTime, id: &LeadId, state: LeadState, callback: &CaseCallback) {
        let (Some(lead), Some(book)) = (self.leads.get_mut(id), self.state.books.get_mut(id)) else { return };
        book.pushed_at = book.pushed_at.or(Some(now));
        let is_settled_by_city =
            lead.ringing.as_ref().is_some_and(|ringing| matches!(ringing.why.as_str(), "no-case-id" | "urge" | "arrive-overdue"));
        match state {
            LeadState::Dispatched => book.dispatched = true,
            LeadState::Arrived => {
                (book.dispatched, book.arrived) = (true, true);
                if is_settled_by_city {
                    lead.ringing = None;
                }
            }
            LeadState::Handled => {
                (book.dispatched, book.arrived) = (true, true);
                (book.handled_at, book.empty_since_handled) = (Some(now), false);
                book.rung.remove(VERIFY_UNJUDGED);
                if is_settled_by_city {
                    lead.ringing = None;
                }
                self.on_handled(now, id, callback.result.as_deref());
            }
            LeadState::Verified | LeadState::Closed | LeadState::Void => {
                book.handled_at = book.handled_at.or(Some(now));
                lead.ringing = None;
            }
            LeadState::Returned => {
                book.dispatched = false;
                self.ring(now, id, "returned", format!("案件被退回,请 5 分钟内重新派遣:{}", callback.note), true);
            }
            LeadState::NotAccepted => {
                if lead.tier == Tier::A {
                    self.ring(now, id, "countersign", format!("A级线索不予立案,须值守人员会签:{}", callback.note), true);
                }
            }
            LeadState::Accepted
            | LeadState::Urged
            | LeadState::Extended
            | LeadState::Suspended
            | LeadState::Pushed
            | LeadState::Evaluated
            | LeadState::Merged
            | LeadState::Candidate
            | LeadState::Expired
            | LeadState::Review
            | LeadState::Rejected => {}
        }
    }

    fn on_handled(&mut self, now: WallTime, id: &LeadId, result: Option<&str>) {
        if result == Some(REFUSED) {
            self.begin_watch(now, id);
        }
        let people = self.leads.get(id).map_or(0, |lead| lead.people);
        if people >= SUDDEN_PEOPLE || result.is_some_and(|result| SUDDEN_RESULTS.contains(&result)) {
            let text = "按突发事件报告:30 分钟内电话,1 小时内书面".to_owned();
            self.note(id, now, "sudden-event", "clock", text.clone());
            self.ring(now, id, "sudden-event", text, true);
        }
    }
}

/// States that the city may set; the others are ours alone.
fn is_of_the_city(state: LeadState) -> bool {
    !matches!(state, LeadState::Candidate | LeadState::Expired | LeadState::Review | LeadState::Rejected)
}

/// Whether an id is new; remembers it within the bound.
fn is_first(ids: &mut VecDeque<String>, id: &str) -> bool {
    if ids.iter().any(|known| known == id) {
        return false;
    }
    ids.push_back(id.to_owned());
    if ids.len() > CALLBACK_IDS_MAX {
        ids.pop_front();
    }
    true
}

fn callback_words(callback: &CaseCallback) -> String {
    let part = |name: &str, value: &str| if value.is_empty() { String::new() } else { format!(" {name}{value}") };
    let result = part("结果:", callback.result.as_deref().unwrap_or(""));
    let unit = part("单位:", callback.unit.as_deref().unwrap_or(""));
    format!("案件 {} #{} {}{result}{unit}{}", callback.case_id, callback.seq, callback.raw_state, part("备注:", &callback.note))
}
