//! What goes wrong, on demand.

use super::MockCityError;
use serde::{Deserialize, Serialize};

/// Faults in force. The first group befalls deliveries, the second callbacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Answer with this status and take nothing.
    pub status: Option<u16>,
    /// `Retry-After` beside it, seconds.
    pub retry_after_s: Option<u64>,
    /// Wait this long before doing anything, real milliseconds.
    pub slow_ms: u64,
    /// Take the event, then close the connection without an answer.
    pub drop_connection: bool,
    /// Take the event, then answer with half a JSON.
    pub malformed: bool,
    /// So many deliveries are befallen; without it all, until told otherwise.
    pub count: Option<u32>,
    /// Only deliveries of this event.
    pub event_id: Option<String>,

    /// Every callback is sent twice.
    pub duplicate_callbacks: bool,
    /// Callbacks are sent in swapped pairs: 2, 1, 4, 3, 5.
    pub out_of_order: bool,
    /// So many callbacks are never sent.
    pub lose_callbacks: u32,
}

/// What befalls one delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Blow {
    pub(super) slow_ms: u64,
    pub(super) status: Option<u16>,
    pub(super) retry_after_s: Option<u64>,
    pub(super) drop_connection: bool,
    pub(super) malformed: bool,
}

impl Blow {
    /// For the log.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self { status: Some(_), .. } => Some("status"),
            Self { drop_connection: true, .. } => Some("drop"),
            Self { malformed: true, .. } => Some("malformed"),
            Self { slow_ms: 1.., .. } => Some("slow"),
            _ => None,
        }
    }
}

impl Faults {
    pub(super) fn checked(self) -> Result<Self, MockCityError> {
        match self.status {
            Some(status) if !(300..=599).contains(&status) => Err(MockCityError::Faults(format!("status {status}, wanted 300 to 599"))),
            _ => Ok(self),
        }
    }

    /// The blow for the next delivery of `event_id`; counts it.
    pub(super) fn strike(&mut self, event_id: &str) -> Blow {
        let blow = Blow {
            slow_ms: self.slow_ms,
            status: self.status,
            retry_after_s: self.retry_after_s,
            drop_connection: self.drop_connection,
            malformed: self.malformed,
        };
        if blow.name().is_none() || self.event_id.as_ref().is_some_and(|only| only != event_id) {
            return Blow::default();
        }
        match &mut self.count {
            None => blow,
            Some(0) => Blow::default(),
            Some(left) => {
                *left -= 1;
                blow
            }
        }
    }

    /// Whether the next callback is to be lost; counts it.
    pub(super) fn lose_callback(&mut self) -> bool {
        let lose = self.lose_callbacks > 0;
        self.lose_callbacks = self.lose_callbacks.saturating_sub(1);
        lose
    }
}
