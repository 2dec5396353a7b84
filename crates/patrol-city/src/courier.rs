//! Works the outbox off: for ever, a few leads at a time, in order per lead.

use crate::outlet::Outlet;
use crate::verdict::{Attempt, Verdict};
use patrol_core::desk::{DeliveryReport, DeliveryResult, OutboxItem};
use patrol_core::{Clock, LeadId, WallTime};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

/// Messages on their way at once: one slow lead does not hold the others, and a city that comes back is not flooded.
const PARALLEL: usize = 8;
/// First and longest wait between two tries (`design.md` §6).
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_LAST: Duration = Duration::from_mins(1);
/// A refused key is tried again this often: somebody has to mend it first.
const UNAUTHORISED_WAIT: Duration = Duration::from_mins(1);
/// A lead that waits longer must ring (`integration.md` §3.3).
const ALARM_AFTER: Duration = Duration::from_mins(1);
/// How long the outbox is left alone while nothing happens, and while messages are under way or it gives errors.
const IDLE_WAIT: Duration = Duration::from_secs(5);
const BUSY_WAIT: Duration = Duration::from_millis(250);
/// Shortest real wait: a clock that is set by hand takes no real time.
const REAL_WAIT_MIN: Duration = Duration::from_millis(1);

/// The outbox as delivery needs it. Rows are named by [`OutboxItem::sequence`].
///
/// A row never changes: where updates coalesce, the newer one is a new row with a new sequence. Otherwise the receipt for what was
/// under way would be taken for what has replaced it. Words about a sequence that is gone are no error.
///
/// Errors are the store's own words; the courier logs them and tries again. What became of a message is written before that lead sends anything
/// more; a message sent twice because the process ended before that does no harm, since every one carries its idempotency key.
pub trait Outbox: Send {
    /// Rows that may be sent now, the longest waiting first; at most one for each lead, its oldest. Rows under way may be among them.
    fn due(&mut self, now: WallTime, limit: usize) -> Result<Vec<OutboxItem>, String>;
    fn delivered(&mut self, sequence: i64, at: WallTime, case_id: Option<&str>) -> Result<(), String>;
    /// Not before `not_before` again.
    fn retry(&mut self, sequence: i64, not_before: WallTime, why: &str) -> Result<(), String>;
    /// Refused for good: kept, and not due until a person acts.
    fn parked(&mut self, sequence: i64, at: WallTime, why: &str) -> Result<(), String>;
    /// When the next row falls due; may lie in the past.
    fn next_due(&mut self) -> Result<Option<WallTime>, String>;
}

pub struct Courier {
    outlet: Arc<Outlet>,
    clock: Arc<dyn Clock>,
}

/// What is remembered of a lead that could not be delivered yet. Lost at a restart: then the tries begin anew, with the first wait.
struct Waiting {
    attempts: u32,
    since: WallTime,
    /// The report to repeat with its alarm, should the next try come later than the alarm must.
    last: DeliveryReport,
    alarmed: bool,
}

/// What became of a message, as the outbox is to know it and as it is reported.
struct Fate {
    item: OutboxItem,
    at: WallTime,
    /// Of a message that is to be tried again: when.
    not_before: WallTime,
    result: DeliveryResult,
}

/// One run of the courier.
struct Round {
    courier: Courier,
    outbox: Box<dyn Outbox>,
    reports: mpsc::Sender<DeliveryReport>,
    under_way: JoinSet<Attempt>,
    items: HashMap<Id, OutboxItem>,
    waiting: HashMap<LeadId, Waiting>,
    /// Fates that the outbox would not take yet; until it does these leads send nothing. At most [`PARALLEL`] with what is under way.
    unwritten: Vec<Fate>,
}

impl Courier {
    /// `outlet` may be shared, e.g. with whoever asks for cases.
    pub fn new(outlet: impl Into<Arc<Outlet>>, clock: Arc<dyn Clock>) -> Self {
        Self { outlet: outlet.into(), clock }
    }

    /// Runs until `stop` turns true (or its sender is gone), then finishes what is under way. `wake` is told when rows were written.
    ///
    /// A row's fate is written to the outbox first and reported second.
    pub async fn run(
        self,
        outbox: Box<dyn Outbox>,
        reports: mpsc::Sender<DeliveryReport>,
        wake: Arc<Notify>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut round = Round {
            courier: self,
            outbox,
            reports,
            under_way: JoinSet::new(),
            items: HashMap::new(),
            waiting: HashMap::new(),
            unwritten: Vec::new(),
        };
        while !*stop.borrow_and_update() {
            round.write_again().await;
            round.send_due();
            round.alarm().await;
            let wait = round.wait();
            tokio::select! {
                Some(done) = round.under_way.join_next_with_id() => round.settle(done).await,
                () = wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        while let Some(done) = round.under_way.join_next_with_id().await {
            round.settle(done).await;
        }
        round.write_again().await;
    }
}

impl Round {
    fn now(&self) -> WallTime {
        self.courier.clock.now()
    }

    /// Starts what is due, never two of one lead at once.
    fn send_due(&mut self) {
        let now = self.now();
        let may_be_under_way = PARALLEL.saturating_sub(self.unwritten.len());
        if self.items.len() >= may_be_under_way {
            return;
        }
        // Up to PARALLEL of the answer may be under way already.
        let due = self.outbox.due(now, 2 * PARALLEL).unwrap_or_else(|why| {
            tracing::error!(why, "the outbox cannot be read");
            Vec::new()
        });
        for item in due {
            if self.items.len() >= may_be_under_way {
                break;
            }
            let is_held = self.unwritten.iter().any(|fate| fate.item.lead.id == item.lead.id);
            if is_held || self.items.values().any(|other| other.lead.id == item.lead.id) {
                continue;
            }
            let (outlet, message) = (Arc::clone(&self.courier.outlet), item.clone());
            let started = self.under_way.spawn(async move { outlet.deliver(&message, now).await });
            self.items.insert(started.id(), item);
        }
    }

    /// Writes down and reports what became of a message.
    async fn settle(&mut self, done: Result<(Id, Attempt), JoinError>) {
        let (id, attempt) = match done {
            Ok(done) => done,
            Err(error) => (error.id(), Attempt::later("the delivery broke off inside; see the log")),
        };
        let Some(item) = self.items.remove(&id) else { return };
        let now = self.now();
        let lead = item.lead.id.clone();
        let (wait, result) = match attempt.verdict {
            Verdict::Delivered { case_id } => {
                self.waiting.remove(&lead);
                (Duration::ZERO, DeliveryResult::Delivered { case_id })
            }
            Verdict::Refused { why } => {
                self.waiting.remove(&lead);
                (Duration::ZERO, DeliveryResult::Parked { why })
            }
            Verdict::Unauthorised { why } => {
                let result = DeliveryResult::Unauthorised { why };
                self.put_off(&item, now, result.clone());
                (attempt.retry_after.unwrap_or_default().max(UNAUTHORISED_WAIT), result)
            }
            Verdict::Later { why } => {
                let result = DeliveryResult::Delayed { why: why.clone(), attempts: 0, alarm: false };
                let (attempts, alarm) = self.put_off(&item, now, result);
                let wait = attempt.retry_after.map_or_else(|| backoff(attempts), |asked| asked.max(BACKOFF_FIRST));
                (wait, DeliveryResult::Delayed { why, attempts, alarm })
            }
        };
        tracing::debug!(lead = lead.0, revision = item.lead.revision, ?result, "delivery");
        self.write(Fate { item, at: now, not_before: now + wait, result }).await;
    }

    /// Writes a fate down and reports it; one that cannot be written is kept.
    async fn write(&mut self, fate: Fate) {
        let Fate { item, at, not_before, result } = &fate;
        let written = match result {
            DeliveryResult::Delivered { case_id } => self.outbox.delivered(item.sequence, *at, case_id.as_deref()),
            DeliveryResult::Parked { why } => self.outbox.parked(item.sequence, *at, why),
            DeliveryResult::Unauthorised { why } | DeliveryResult::Delayed { why, .. } => {
                self.outbox.retry(item.sequence, *not_before, why)
            }
        };
        match written {
            Ok(()) => self.report(report_of(&fate.item, fate.at, fate.result)).await,
            Err(why) => {
                let lead = &item.lead.id.0;
                tracing::error!(
                    lead,
                    sequence = item.sequence,
                    why,
                    "what became of a message cannot be written; this lead sends nothing until it is"
                );
                self.unwritten.push(fate);
            }
        }
    }

    /// Tries what could not be written before.
    async fn write_again(&mut self) {
        for fate in std::mem::take(&mut self.unwritten) {
            self.write(fate).await;
        }
    }

    /// Counts a try that failed; gives the tries so far and whether the lead has waited too long.
    fn put_off(&mut self, item: &OutboxItem, now: WallTime, result: DeliveryResult) -> (u32, bool) {
        let last = report_of(item, now, result);
        let waiting = self.waiting.entry(item.lead.id.clone()).or_insert_with(|| Waiting {
            attempts: 0,
            since: item.written_at.min(now),
            last: last.clone(),
            alarmed: false,
        });
        waiting.attempts = waiting.attempts.saturating_add(1);
        waiting.last = last;
        waiting.alarmed |= now.since(waiting.since) >= ALARM_AFTER;
        (waiting.attempts, waiting.alarmed)
    }

    /// Raises the alarms that fall due between two tries.
    async fn alarm(&mut self) {
        let now = self.now();
        let mut late = Vec::new();
        for waiting in self.waiting.values_mut().filter(|waiting| !waiting.alarmed && now.since(waiting.since) >= ALARM_AFTER) {
            waiting.alarmed = true;
            if let DeliveryResult::Delayed { why, .. } = &waiting.last.result {
                let result = DeliveryResult::Delayed { why: why.clone(), attempts: waiting.attempts, alarm: true };
                late.push(DeliveryReport { at: now, result, ..waiting.last.clone() });
            }
        }
        for report in late {
            self.report(report).await;
        }
    }

    // `&mut`, although nothing changes: a shared reference would need an outbox that may be shared between threads.
    async fn report(&mut self, report: DeliveryReport) {
        let lead = report.lead.clone();
        if self.reports.send(report).await.is_err() {
            // The desk is gone; what is in the outbox still goes out.
            tracing::debug!(lead = lead.0, "nobody takes delivery reports");
        }
    }

    /// Real time until something may be due.
    fn wait(&mut self) -> Duration {
        let now = self.now();
        let next = self.outbox.next_due().unwrap_or_else(|why| {
            tracing::error!(why, "the outbox cannot be read");
            Some(now)
        });
        if next.is_none() && self.items.is_empty() {
            // Every lead is delivered or parked, or was taken out of the outbox: nothing is waiting.
            self.waiting.clear();
        }
        let alarm = self.waiting.values().filter(|waiting| !waiting.alarmed).map(|waiting| waiting.since + ALARM_AFTER).min();
        // A row that is due and was not started is under way or behind one that is.
        let row = next.map_or(IDLE_WAIT, |at| if at > now { at.since(now) } else { BUSY_WAIT });
        let scene = row.min(alarm.map_or(IDLE_WAIT, |at| at.since(now))).min(IDLE_WAIT);
        self.courier.clock.real_wait(scene).max(REAL_WAIT_MIN)
    }
}

fn report_of(item: &OutboxItem, at: WallTime, result: DeliveryResult) -> DeliveryReport {
    DeliveryReport { lead: item.lead.id.clone(), revision: item.lead.revision, op: item.op, at, result }
}

/// 1, 2, 4 … 60 s.
fn backoff(attempts: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(6)).min(BACKOFF_LAST)
}

#[cfg(test)]
mod tests;
