//! What the screen must say before anything else (`integration.md` §3.5, §3.6).

use patrol_core::Tier;
use patrol_core::lead::{Lead, LeadState};
use serde::Serialize;

/// W_eff at which an A without motion is a threat to life: the level of the override to A in design §5.
const SEVERE_COLD_C: f32 = 0.0;
/// People in one lead at which the sudden-event clock starts (`integration.md` §3.5).
const SUDDEN_EVENT_PEOPLE: u32 = 3;

/// Advice to an officer, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// `call-120-110-first` or `sudden-event`.
    pub kind: &'static str,
    pub text: &'static str,
    pub text_en: &'static str,
}

/// Advice for `lead`. In doubt it is given: it costs a phone call.
pub fn advice_for(lead: &Lead) -> Vec<Advice> {
    let mut advice = Vec::new();
    let nobody_there_yet = lead.state.is_open() && !matches!(lead.state, LeadState::Arrived | LeadState::Handled);
    if nobody_there_yet && lead.tier == Tier::A && lead.still_since.is_some() && lead.score.w_eff_c <= SEVERE_COLD_C {
        advice.push(Advice {
            kind: "call-120-110-first",
            text: "严寒中静止不动:请先拨打 120 / 110,再确认派单",
            text_en: "Motionless in severe cold: call 120 / 110 first, then dispatch",
        });
    }
    if lead.people >= SUDDEN_EVENT_PEOPLE || lead.case.result.as_deref() == Some("DECEASED") {
        advice.push(Advice {
            kind: "sudden-event",
            text: "突发事件:30 分钟内电话报告,1 小时内书面报告",
            text_en: "Sudden event: report by phone within 30 min, in writing within 1 h",
        });
    }
    advice
}
