//! The outbox: what the city is still to be told, in each lead's order.
//!
//! A row is *waiting* until it is *delivered*, *parked* (refused for good; a person must act) or *superseded* (an unsent update that
//! a newer one replaced). The oldest waiting or parked row of a lead is its head; only heads are sent, so a parked head holds
//! back what is behind it until a message comes that is to try it [again](OutboxItem::again).
//!
//! An update written behind an unsent update takes its place in the queue: its state, attempts, next time and reason. That may happen
//! while the older is on its way; the report that comes back for it is then also applied to the one that took its place, so that the
//! outcome does not depend on which came first.

use crate::error::{Doing, StoreError};
use crate::store::Store;
use patrol_core::desk::{DeliveryReport, DeliveryResult, OutboxItem, PushOp};
use patrol_core::{LeadId, Tier, WallTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A message that may be sent now.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// `item.sequence` names the row in reports.
    pub item: OutboxItem,
    /// Failed tries so far.
    pub attempts: u32,
    /// When the oldest change that this message stands for was written.
    pub waiting_since: WallTime,
    /// Why the last try failed.
    pub why: Option<String>,
}

/// A message the city refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRow {
    pub sequence: i64,
    pub lead: LeadId,
    pub revision: u32,
    pub parked_at: WallTime,
    pub why: String,
}

/// Rows by state; `delivered` and `superseded` include those removed since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    pub waiting: u64,
    pub parked: u64,
    pub delivered: u64,
    pub superseded: u64,
}

/// Rows of one commit.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) sequences: Vec<i64>,
    pub(crate) superseded: usize,
    pub(crate) repeated: usize,
}

/// Names of [`OutboxCounts`] in the table `tally`.
pub(crate) const REMOVED_DELIVERED: &str = "outbox-delivered";
pub(crate) const REMOVED_SUPERSEDED: &str = "outbox-superseded";

impl Store {
    /// At most `limit` heads whose time has come: the most urgent tier first, then the oldest.
    ///
    /// Until its outcome is reported a row stays due. Whoever sends in parallel must not send two rows of one lead at a time.
    pub fn outbox_due(&self, now: WallTime, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        // `tried_at` in the future: the clock was set back since, and `not_before` says nothing.
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT sequence, lead, item, attempts, waiting_since, why FROM
                    (SELECT sequence AS head FROM outbox AS o
                     WHERE state IN ('waiting', 'parked') AND state = 'waiting' AND (not_before <= ?1 OR tried_at > ?1)
                       AND sequence = (SELECT min(sequence) FROM outbox WHERE lead = o.lead AND state IN ('waiting', 'parked'))
                     ORDER BY tier, sequence LIMIT ?2)
                 JOIN outbox ON sequence = head ORDER BY tier, sequence",
            )
            .doing("read the outbox")?;
        let mut rows = statement.query(params![now.0, i64::try_from(limit).unwrap_or(i64::MAX)]).doing("read the outbox")?;
        let mut due = Vec::new();
        while let Some(row) = rows.next().doing("read the outbox")? {
            due.push(outbox_row(row)?);
        }
        Ok(due)
    }

    /// The city has it. False when the row had been delivered before.
    pub fn outbox_delivered(&mut self, sequence: i64, at: WallTime, case_id: Option<&str>) -> Result<bool, StoreError> {
        let doing = "mark a message as delivered";
        self.write(doing, |transaction| {
            let place = Place::of(transaction, sequence)?;
            if place.state == "delivered" {
                return Ok(false);
            }
            transaction
                .execute(
                    "UPDATE outbox SET state = 'delivered', settled_at = ?2, case_id = ?3, item = '', why = NULL WHERE sequence = ?1",
                    params![sequence, at.0, case_id],
                )
                .doing(doing)?;
            // What took its place has inherited its failures, and now has none.
            if let Some(successor) = place.unsettled_successor {
                transaction
                    .execute(
                        "UPDATE outbox SET state = 'waiting', attempts = 0, not_before = 0, tried_at = NULL, why = NULL, settled_at = NULL,
                             waiting_since = written_at WHERE sequence = ?1",
                        [successor],
                    )
                    .doing(doing)?;
            }
            Ok(true)
        })
    }

    /// Not yet: due again at `not_before`. False when the row was settled meanwhile.
    pub fn outbox_retry(&mut self, sequence: i64, not_before: WallTime, why: &str) -> Result<bool, StoreError> {
        let tried_at = self.clock.now();
        let doing = "put a message off";
        self.write(doing, |transaction| {
            let Some(target) = Place::of(transaction, sequence)?.unsettled() else { return Ok(false) };
            transaction
                .execute(
                    "UPDATE outbox SET attempts = attempts + 1, not_before = ?2, tried_at = ?3, why = ?4 WHERE sequence = ?1 AND state = 'waiting'",
                    params![target, not_before.0, tried_at.0, why],
                )
                .map(|changed| changed == 1)
                .doing(doing)
        })
    }

    /// Refused for good: the lead sends nothing more until an officer asks. False when the row was settled meanwhile.
    pub fn outbox_parked(&mut self, sequence: i64, at: WallTime, why: &str) -> Result<bool, StoreError> {
        let doing = "park a message";
        self.write(doing, |transaction| {
            let Some(target) = Place::of(transaction, sequence)?.unsettled() else { return Ok(false) };
            transaction
                .execute(
                    "UPDATE outbox SET state = 'parked', attempts = attempts + 1, settled_at = ?2, why = ?3 WHERE sequence = ?1 AND state = 'waiting'",
                    params![target, at.0, why],
                )
                .map(|changed| changed == 1)
                .doing(doing)
        })
    }

    /// When the next head is due, which may be past; `None` while nothing can be sent.
    pub fn next_outbox_time(&self) -> Result<Option<WallTime>, StoreError> {
        let now = self.clock.now();
        self.connection
            .prepare_cached(
                "SELECT min(CASE WHEN tried_at > ?1 THEN ?1 ELSE not_before END) FROM outbox AS o
                 WHERE state IN ('waiting', 'parked') AND state = 'waiting'
                   AND sequence = (SELECT min(sequence) FROM outbox WHERE lead = o.lead AND state IN ('waiting', 'parked'))",
            )
            .and_then(|mut statement| statement.query_row([now.0], |row| row.get::<_, Option<i64>>(0)))
            .map(|at| at.map(WallTime))
            .doing("read the outbox")
    }

    pub fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT state, count(*) FROM outbox GROUP BY state UNION ALL SELECT name, n FROM tally")
            .doing("count the outbox")?;
        let mut rows = statement.query([]).doing("count the outbox")?;
        let mut counts = OutboxCounts::default();
        while let Some(row) = rows.next().doing("count the outbox")? {
            let (name, n): (String, u64) = (row.get(0).doing("count the outbox")?, row.get(1).doing("count the outbox")?);
            match name.as_str() {
                "waiting" => counts.waiting += n,
                "parked" => counts.parked += n,
                "delivered" | REMOVED_DELIVERED => counts.delivered += n,
                "superseded" | REMOVED_SUPERSEDED => counts.superseded += n,
                _ => {}
            }
        }
        Ok(counts)
    }

    /// Parked messages, the longest parked first.
    pub fn outbox_parked_rows(&self) -> Result<Vec<ParkedRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT sequence, lead, revision, settled_at, why FROM outbox WHERE state = 'parked' ORDER BY settled_at, sequence",
            )
            .doing("list the parked messages")?;
        let rows = statement.query_map([], |row| {
            Ok(ParkedRow {
                sequence: row.get(0)?,
                lead: LeadId(row.get(1)?),
                revision: row.get(2)?,
                parked_at: WallTime(row.get(3)?),
                why: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
            })
        });
        rows.and_then(Iterator::collect).doing("list the parked messages")
    }

    /// The last delivery or refusal of each lead, since `since`, oldest first, with the last case id the city told of it.
    ///
    /// For the start: a process killed between [`Self::outbox_delivered`] and the desk's commit has a desk that does not know yet.
    pub fn load_deliveries(&self, since: WallTime) -> Result<Vec<DeliveryReport>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT lead, revision, op, settled_at, state,
                    (SELECT case_id FROM outbox WHERE lead = o.lead AND case_id IS NOT NULL ORDER BY sequence DESC LIMIT 1),
                    why, sequence, max(sequence) FROM outbox AS o
                 WHERE state IN ('delivered', 'parked') AND settled_at >= ?1 GROUP BY lead ORDER BY settled_at, sequence",
            )
            .doing("load the deliveries")?;
        let mut rows = statement.query([since.0]).doing("load the deliveries")?;
        let mut reports = Vec::new();
        while let Some(row) = rows.next().doing("load the deliveries")? {
            reports.push(delivery_report(row).doing("load the deliveries")?);
        }
        Ok(reports)
    }

    /// A row that this build cannot read would block its lead for ever: park it, where a person sees it.
    pub(crate) fn park_unreadable_rows(&mut self) -> Result<(), StoreError> {
        let doing = "check the outbox";
        let mut unreadable = Vec::new();
        {
            let mut statement = self.connection.prepare("SELECT sequence, lead, item FROM outbox WHERE state = 'waiting'").doing(doing)?;
            let mut rows = statement.query([]).doing(doing)?;
            while let Some(row) = rows.next().doing(doing)? {
                let item: String = row.get(2).doing(doing)?;
                if let Err(error) = serde_json::from_str::<OutboxItem>(&item) {
                    unreadable.push((row.get::<_, i64>(0).doing(doing)?, format!("unreadable in the outbox: {error}")));
                }
            }
        }
        let now = self.clock.now();
        for (sequence, why) in unreadable {
            tracing::error!(sequence, why, "outbox row parked");
            self.outbox_parked(sequence, now, &why)?;
        }
        Ok(())
    }
}

/// Inserts the items of a change, each behind what its lead already has.
pub(crate) fn write(connection: &Connection, items: &[OutboxItem]) -> Result<Written, StoreError> {
    let doing = "write to the outbox";
    let mut written = Written::default();
    for item in items {
        let json = serde_json::to_string(item)
            .map_err(|source| StoreError::Unwritable { what: format!("outbox item of {}", item.lead.id), source })?;
        if let Some(sequence) = written_before(connection, item, &json)? {
            written.repeated += 1;
            written.sequences.push(sequence);
            continue;
        }
        connection
            .prepare_cached(
                "INSERT INTO outbox (lead, revision, op, tier, written_at, waiting_since, item, state) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, 'waiting')",
            )
            .and_then(|mut statement| {
                let lead = &item.lead;
                statement.execute(params![lead.id.0, lead.revision, item.op.name(), tier_name(lead.tier), item.written_at.0, json])
            })
            .doing(doing)?;
        let sequence = connection.last_insert_rowid();
        written.sequences.push(sequence);
        if item.op == PushOp::Update {
            if item.again {
                release(connection, &item.lead.id)?;
            }
            written.superseded += usize::from(supersede(connection, &item.lead.id, sequence)?);
        } else if item.again {
            written.superseded += begin_anew(connection, &item.lead.id, sequence)?;
        }
    }
    Ok(written)
}

/// The row an identical item has, when its change was committed before and the caller could not know.
fn written_before(connection: &Connection, item: &OutboxItem, json: &str) -> Result<Option<i64>, StoreError> {
    // An empty item is a settled row: revision and operation name it well enough.
    connection
        .prepare_cached(
            "SELECT sequence FROM outbox WHERE lead = ?1 AND revision = ?2 AND op = ?3 AND written_at = ?4 AND item IN ('', ?5)",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![item.lead.id.0, item.lead.revision, item.op.name(), item.written_at.0, json], |row| row.get(0))
                .optional()
        })
        .doing("write to the outbox")
}

/// What a lead has parked is due again, at once.
fn release(connection: &Connection, lead: &LeadId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE outbox SET state = 'waiting', attempts = 0, not_before = 0, tried_at = NULL, why = NULL, settled_at = NULL
             WHERE lead = ?1 AND state = 'parked'",
        )
        .and_then(|mut statement| statement.execute([&lead.0]))
        .map(drop)
        .doing("send a parked message again")
}

/// Lets `newest` take the place of all of its lead that the city has not taken, of whatever kind; gives how many those were.
fn begin_anew(connection: &Connection, lead: &LeadId, newest: i64) -> Result<usize, StoreError> {
    let doing = "write to the outbox";
    connection
        .prepare_cached(
            "UPDATE outbox SET superseded_by = ?2 WHERE lead = ?1 AND superseded_by IN
                (SELECT sequence FROM outbox WHERE lead = ?1 AND state IN ('waiting', 'parked') AND sequence < ?2)",
        )
        .and_then(|mut statement| statement.execute(params![lead.0, newest]))
        .doing(doing)?;
    connection
        .prepare_cached(
            "UPDATE outbox SET state = 'superseded', superseded_by = ?2, item = '', settled_at = (SELECT written_at FROM outbox WHERE sequence = ?2)
             WHERE lead = ?1 AND state IN ('waiting', 'parked') AND sequence < ?2",
        )
        .and_then(|mut statement| statement.execute(params![lead.0, newest]))
        .doing(doing)
}

/// Lets `newest`, an update, take the place of the unsent update right before it; false when there is none.
fn supersede(connection: &Connection, lead: &LeadId, newest: i64) -> Result<bool, StoreError> {
    let doing = "write to the outbox";
    let before: Option<(i64, String)> = connection
        .prepare_cached("SELECT sequence, op FROM outbox WHERE lead = ?1 AND state IN ('waiting', 'parked') AND sequence < ?2 ORDER BY sequence DESC LIMIT 1")
        .and_then(|mut statement| statement.query_row(params![lead.0, newest], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .doing(doing)?;
    let Some((older, op)) = before else { return Ok(false) };
    if op != PushOp::Update.name() {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "UPDATE outbox SET (state, waiting_since, attempts, not_before, tried_at, why, settled_at)
                = (SELECT state, waiting_since, attempts, not_before, tried_at, why, settled_at FROM outbox WHERE sequence = ?1) WHERE sequence = ?2",
        )
        .and_then(|mut statement| statement.execute([older, newest]))
        .doing(doing)?;
    connection
        .prepare_cached(
            "UPDATE outbox SET state = 'superseded', superseded_by = ?2, item = '', settled_at = (SELECT written_at FROM outbox WHERE sequence = ?2)
             WHERE sequence = ?1",
        )
        .and_then(|mut statement| statement.execute([older, newest]))
        .doing(doing)?;
    connection
        .prepare_cached("UPDATE outbox SET superseded_by = ?2 WHERE lead = ?3 AND superseded_by = ?1")
        .and_then(|mut statement| statement.execute(params![older, newest, lead.0]))
        .doing(doing)?;
    Ok(true)
}

/// Where a row stands when its report comes in.
struct Place {
    sequence: i64,
    state: String,
    /// The row that took its place, while that is not settled itself.
    unsettled_successor: Option<i64>,
}

impl Place {
    fn of(connection: &Connection, sequence: i64) -> Result<Self, StoreError> {
        connection
            .prepare_cached(
                "SELECT o.state, s.sequence FROM outbox AS o
                 LEFT JOIN outbox AS s ON s.sequence = o.superseded_by AND s.state IN ('waiting', 'parked') WHERE o.sequence = ?1",
            )
            .and_then(|mut statement| {
                statement
                    .query_row([sequence], |row| Ok(Self { sequence, state: row.get(0)?, unsettled_successor: row.get(1)? }))
                    .optional()
            })
            .doing("find a message in the outbox")?
            .ok_or(StoreError::UnknownRow { sequence })
    }

    /// The row a failure is to be noted on.
    fn unsettled(&self) -> Option<i64> {
        match self.state.as_str() {
            "waiting" | "parked" => Some(self.sequence),
            "superseded" => self.unsettled_successor,
            _ => None,
        }
    }
}

fn outbox_row(row: &Row<'_>) -> Result<OutboxRow, StoreError> {
    let doing = "read the outbox";
    let sequence: i64 = row.get(0).doing(doing)?;
    let json: String = row.get(2).doing(doing)?;
    let mut item: OutboxItem = serde_json::from_str(&json).map_err(|error| {
        let lead: String = row.get(1).unwrap_or_default();
        StoreError::corrupt(format!("outbox row {sequence} of lead {lead}"), error.to_string())
    })?;
    item.sequence = sequence;
    Ok(OutboxRow {
        item,
        attempts: row.get(3).doing(doing)?,
        waiting_since: WallTime(row.get(4).doing(doing)?),
        why: row.get(5).doing(doing)?,
    })
}

fn delivery_report(row: &Row<'_>) -> rusqlite::Result<DeliveryReport> {
    let op = match row.get::<_, String>(2)?.as_str() {
        "create" => PushOp::Create,
        "cancel" => PushOp::Cancel,
        "merge" => PushOp::Merge,
        _ => PushOp::Update,
    };
    let result = match row.get::<_, String>(4)?.as_str() {
        "parked" => DeliveryResult::Parked { why: row.get::<_, Option<String>>(6)?.unwrap_or_default() },
        _ => DeliveryResult::Delivered { case_id: row.get(5)? },
    };
    Ok(DeliveryReport { lead: LeadId(row.get(0)?), revision: row.get(1)?, op, at: WallTime(row.get(3)?), result })
}

pub(crate) fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::A => "A",
        Tier::B => "B",
        Tier::C => "C",
        Tier::D => "D",
    }
}
