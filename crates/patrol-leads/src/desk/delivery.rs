//! What became of messages to the city. A parked lead is a person outside.

use super::Desk;
use patrol_core::desk::{DeliveryReport, DeliveryResult, PushOp};
use patrol_core::lead::{Decision, DeliveryState};
use patrol_core::{LeadId, LeadState, WallTime};

impl Desk {
    pub(super) fn on_delivery(&mut self, now: WallTime, report: &DeliveryReport) {
        match &report.result {
            DeliveryResult::Delivered { case_id } => self.on_delivered(now, report, case_id.as_deref()),
            DeliveryResult::Delayed { why, attempts, alarm } => {
                if *alarm && self.rings_once(&report.lead, "delivery-delayed") {
                    let text = format!("上报受阻(已试 {attempts} 次):{why}");
                    self.ring(now, &report.lead, "delivery-delayed", text, false);
                }
            }
            DeliveryResult::Unauthorised { why } => {
                if !self.state.unauthorised {
                    self.state.unauthorised = true;
                    self.ring_house(now, None, "delivery-unauthorised", format!("城市平台拒绝本系统密钥,全部上报受阻:{why}"));
                }
            }
            DeliveryResult::Parked { why } => self.on_parked(now, report, why),
        }
    }

    fn on_delivered(&mut self, now: WallTime, report: &DeliveryReport, case_id: Option<&str>) {
        self.draft.state_changed |= std::mem::take(&mut self.state.unauthorised);
        let (Some(lead), Some(book)) = (self.leads.get_mut(&report.lead), self.state.books.get_mut(&report.lead)) else { return };
        if let Some(case_id) = case_id {
            lead.case.case_id = Some(case_id.to_owned());
        }
        if report.revision >= lead.revision {
            lead.delivery = DeliveryState::Delivered;
            book.rung.remove("delivery-delayed");
            if lead.ringing.as_ref().is_some_and(|ringing| ringing.why.starts_with("delivery-")) {
                lead.ringing = None;
            }
        }
        let is_report = matches!(report.op, PushOp::Create | PushOp::Update);
        let is_decided = lead.review.as_ref().is_some_and(|review| matches!(review.decision, Decision::Confirmed | Decision::Timeout));
        if is_report && is_decided && lead.state == LeadState::Review {
            book.pushed_at = book.pushed_at.or(Some(now));
            self.enter(&report.lead, now, LeadState::Pushed);
        }
        let case = case_id.map_or_else(String::new, |case_id| format!(",案件号 {case_id}"));
        self.note(&report.lead, now, "delivered", "city", format!("已送达({} #{}){case}", report.op.name(), report.revision));
    }

    fn on_parked(&mut self, now: WallTime, report: &DeliveryReport, why: &str) {
        let Some(lead) = self.leads.get_mut(&report.lead) else {
            self.ring_house(now, None, "delivery-parked", format!("线索 {} 被平台退回:{why}", report.lead));
            return;
        };
        lead.delivery = DeliveryState::Parked;
        if report.op == PushOp::Create
            && let Some(book) = self.state.books.get_mut(&report.lead)
        {
            // The city does not know it: whatever is told next begins anew.
            book.sent = false;
        }
        self.note(&report.lead, now, "parked", "city", format!("平台拒收({} #{}):{why}", report.op.name(), report.revision));
        self.ring(now, &report.lead, "delivery-parked", format!("上报被拒收,请人工处理:{why}"), false);
    }

    /// Whether a kind has not yet rung for a lead; marks it.
    pub(super) fn rings_once(&mut self, id: &LeadId, kind: &str) -> bool {
        self.state.books.get_mut(id).is_some_and(|book| book.rung.insert(kind.to_owned()))
    }
}
