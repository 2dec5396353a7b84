//! What the city remembers: cases, and what was told of them.

use super::MockCityError;
use super::wire::{local_day, rfc3339};
use patrol_core::WallTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Books {
    made: u64,
    /// By event.
    pub(super) cases: BTreeMap<String, Case>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) event_id: String,
    pub(super) accepted_at: WallTime,
    /// Cancelled or merged away: no crew moves any more.
    pub(super) withdrawn: bool,
    pub(super) revisions: Vec<Revision>,
    /// What the crew did, in order.
    pub(super) steps: Vec<Step>,
    /// The event as last taken.
    pub(super) event: Value,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Revision {
    #[serde(rename = "revision")]
    pub(super) number: u64,
    pub(super) op: String,
    pub(super) received_at: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) callback_id: String,
    pub(super) seq: i64,
    pub(super) state: String,
    pub(super) at: String,
    pub(super) unit: Option<String>,
    pub(super) result: Option<String>,
    /// Its callback was taken, or lost on demand.
    pub(super) told: bool,
}

/// What came of an event.
pub(super) struct Taken {
    pub(super) case_id: String,
    pub(super) accepted_at: String,
    /// A new case was made.
    pub(super) is_new: bool,
    /// The revision was known already, or older.
    pub(super) is_duplicate: bool,
}

impl Books {
    pub(super) fn read(path: &Path) -> Result<Self, MockCityError> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| MockCityError::State { path: path.to_owned(), source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(MockCityError::File { path: path.to_owned(), source }),
        }
    }

    /// Replaces the file as a whole, so that a death while writing leaves the old one.
    pub(super) fn write(&self, path: &Path) -> Result<(), MockCityError> {
        let wrong = |source| MockCityError::File { path: path.to_owned(), source };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        std::fs::write(&beside, json!(self).to_string()).map_err(wrong)?;
        std::fs::rename(&beside, path).map_err(wrong)
    }

    pub(super) fn take(&mut self, event_id: &str, revision: u64, op: &str, event: &Value, now: WallTime) -> Taken {
        let is_new = !self.cases.contains_key(event_id);
        let made = &mut self.made;
        let case = self.cases.entry(event_id.to_owned()).or_insert_with(|| {
            *made += 1;
            Case {
                id: format!("{}{made:05}", local_day(now)),
                event_id: event_id.to_owned(),
                accepted_at: now,
                withdrawn: false,
                revisions: Vec::new(),
                steps: Vec::new(),
                event: Value::Null,
            }
        });
        let is_duplicate = case.revisions.last().is_some_and(|last| revision <= last.number);
        if !is_duplicate {
            case.revisions.push(Revision { number: revision, op: op.to_owned(), received_at: rfc3339(now) });
            case.withdrawn |= op == "cancel" || event["merged_into"].is_string();
            case.event = event.clone();
        }
        Taken { case_id: case.id.clone(), accepted_at: rfc3339(case.accepted_at), is_new, is_duplicate }
    }

    pub(super) fn case(&self, case_id: &str) -> Option<&Case> {
        self.cases.values().find(|case| case.id == case_id)
    }
}

impl Case {
    /// As `GET /api/v1/cases/{id}` tells it; the fields are those of a callback.
    pub(super) fn json(&self) -> Value {
        let last = self.steps.last();
        json!({
            "case_id": self.id,
            "event_id": self.event_id,
            "revision": self.revisions.last().map(|last| last.number),
            "callback_id": last.map(|step| &step.callback_id),
            "seq": last.map_or(0, |step| step.seq),
            "state": last.map_or("PUSHED", |step| step.state.as_str()),
            "at": last.map_or_else(|| rfc3339(self.accepted_at), |step| step.at.clone()),
            "unit": last.and_then(|step| step.unit.as_ref()),
            "result": last.and_then(|step| step.result.as_ref()),
            "note": "",
        })
    }
}
