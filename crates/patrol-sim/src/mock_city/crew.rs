//! What happens to a case after it was accepted, and how that is told.

use super::books::Step;
use super::city::City;
use super::wire::{request, rfc3339, signature};
use patrol_core::WallTime;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// When a case moves, seconds of scene time after its event was first taken, and how it ends.
#[derive(Debug, Clone, PartialEq)]
pub struct CallbackPlan {
    pub accepted_s: f64,
    pub dispatched_s: f64,
    pub arrived_s: f64,
    pub handled_s: f64,
    pub closed_s: f64,
    /// Disposition code of `HANDLED` (`integration.md` §3.5).
    pub result: String,
    pub unit: String,
}

impl Default for CallbackPlan {
    /// A crew that is quicker than the 30 minutes it has.
    fn default() -> Self {
        Self {
            accepted_s: 5.0,
            dispatched_s: 30.0,
            arrived_s: 300.0,
            handled_s: 480.0,
            closed_s: 600.0,
            result: "ESCORTED_STATION".into(),
            unit: "人民街道救助小组".into(),
        }
    }
}

/// First and longest wait before a callback is sent again, scene time.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_LAST: Duration = Duration::from_mins(1);
/// Real time for one callback; the receiver answers only once it has kept it.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(15);
/// Shortest and longest real wait: a clock set by hand takes no real time, and may be set forward while we wait.
const REAL_WAIT_MIN: Duration = Duration::from_millis(1);
const REAL_WAIT_MAX: Duration = Duration::from_secs(1);

impl CallbackPlan {
    fn steps(&self) -> [(&'static str, f64); 5] {
        [
            ("ACCEPTED", self.accepted_s),
            ("DISPATCHED", self.dispatched_s),
            ("ARRIVED", self.arrived_s),
            ("HANDLED", self.handled_s),
            ("CLOSED", self.closed_s),
        ]
    }
}

impl City {
    /// Follows one case until it is closed or withdrawn, or the city stops.
    pub(super) async fn follow(self: Arc<Self>, event_id: String) {
        let Some((accepted_at, mut step_index, mut untold)) = self.case_so_far(&event_id) else { return };
        let plan = self.plan();
        let steps = plan.steps();
        loop {
            // Swapped pairs: an even step waits for the odd one after it, which is told first.
            let holds = self.is_out_of_order() && step_index % 2 == 1 && step_index < steps.len();
            if !holds {
                while let Some(step) = untold.pop() {
                    if !self.tell(&event_id, &step).await {
                        return;
                    }
                }
            }
            let Some((state, after_s)) = steps.get(step_index) else { return };
            let due = accepted_at + Duration::from_secs_f64(after_s.max(0.0));
            if !self.wait_until(due).await {
                return;
            }
            let result = (*state == "HANDLED").then(|| plan.result.clone());
            let unit = (*state != "ACCEPTED").then(|| plan.unit.clone());
            let Some(step) = self.step(&event_id, step_index, state, unit, result) else { return };
            untold.push(step);
            step_index += 1;
        }
    }

    /// When the case was accepted, how many steps it has made, and those not told yet, the newest first: they are taken from the end.
    fn case_so_far(&self, event_id: &str) -> Option<(WallTime, usize, Vec<Step>)> {
        let ledger = self.ledger();
        let case = ledger.books.cases.get(event_id)?;
        let untold = case.steps.iter().rev().filter(|step| !step.told).cloned().collect();
        Some((case.accepted_at, case.steps.len(), untold))
    }

    /// Moves the case on; `None` when it was withdrawn.
    fn step(&self, event_id: &str, index: usize, state: &str, unit: Option<String>, result: Option<String>) -> Option<Step> {
        let at = rfc3339(self.now());
        let mut ledger = self.ledger();
        let case = ledger.books.cases.get_mut(event_id).filter(|case| !case.withdrawn)?;
        let seq = index as i64 + 1;
        let step = Step { callback_id: format!("cb-{}-{seq}", case.id), seq, state: state.to_owned(), at, unit, result, told: false };
        case.steps.push(step.clone());
        self.keep(&ledger);
        Some(step)
    }

    /// Sends a callback until it is taken; false when the city stops before.
    async fn tell(&self, event_id: &str, step: &Step) -> bool {
        let (lost, twice) = {
            let mut ledger = self.ledger();
            (ledger.faults.lose_callback(), ledger.faults.duplicate_callbacks)
        };
        if lost {
            self.ledger().callbacks_lost += 1;
        } else if self.has_callbacks() {
            for _ in 0..=u8::from(twice) {
                let mut again = AGAIN_FIRST;
                while !self.post(event_id, step).await {
                    let due = self.now() + again;
                    self.ledger().callbacks_failed += 1;
                    if !self.wait_until(due).await {
                        return false;
                    }
                    again = (again * 2).min(AGAIN_LAST);
                }
                self.ledger().callbacks_sent += 1;
            }
        }
        let mut ledger = self.ledger();
        let kept = ledger.books.cases.get_mut(event_id).and_then(|case| case.steps.iter_mut().find(|one| one.seq == step.seq));
        if let Some(kept) = kept {
            kept.told = true;
        }
        self.keep(&ledger);
        true
    }

    async fn post(&self, event_id: &str, step: &Step) -> bool {
        let Some(target) = self.target() else { return true };
        let case_id = self.ledger().books.cases.get(event_id).map(|case| case.id.clone());
        let body = json!({
            "callback_id": step.callback_id, "case_id": case_id, "event_id": event_id, "seq": step.seq, "state": step.state, "at": step.at,
            "unit": step.unit, "result": step.result, "note": "", "media": [],
        });
        let body = body.to_string();
        let (timestamp, nonce) = (self.now().unix_secs().to_string(), self.nonce());
        let (app_key, secret) = self.key();
        let signed = signature(secret, "POST", &target.path, &timestamp, &nonce, body.as_bytes());
        let headers = format!(
            "Content-Type: application/json; charset=utf-8\r\nX-App-Key: {app_key}\r\nX-Timestamp: {timestamp}\r\nX-Nonce: {nonce}\r\nX-Signature: {signed}\r\n"
        );
        match tokio::time::timeout(CALLBACK_TIMEOUT, request("POST", target, &headers, body.as_bytes())).await {
            Ok(Ok(answer)) => {
                let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let taken = answer.status == 200 && said["code"] == 0;
                if !taken {
                    tracing::warn!(callback = step.callback_id, status = answer.status, answer = %said, "callback not taken");
                }
                taken
            }
            Ok(Err(error)) => {
                tracing::debug!(callback = step.callback_id, %error, "callback not delivered");
                false
            }
            Err(_) => false,
        }
    }

    /// Waits for scene time `due`; false when the city stops before.
    async fn wait_until(&self, due: WallTime) -> bool {
        let mut stop = self.stop();
        loop {
            let now = self.now();
            if *stop.borrow_and_update() {
                return false;
            }
            if now >= due {
                return true;
            }
            let wait = self.real_wait(due.since(now)).clamp(REAL_WAIT_MIN, REAL_WAIT_MAX);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = stop.changed() => if changed.is_err() { return false },
            }
        }
    }
}
