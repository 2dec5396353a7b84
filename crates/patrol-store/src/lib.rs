//! Where leads live on: the leads themselves, their evidence, the outbox and the log of viewings.
//!
//! One folder is one store: `patrol.sqlite` (WAL), `evidence/ab/<sha256>.jpg`, a `lock` that keeps a second process out, and a
//! `reserve` of space that is given up when the disk is full.
//! [`Store`] is the single writer ([`EvidenceAhead`] only puts pictures there sooner); any number of [`StoreReader`]s read beside it without making it wait.
//!
//! - A lead, the outbox row that tells the city of it, and the desk's state are one transaction, on the disk before
//!   [`Store::commit`] returns: a process killed anywhere has either all of a change or nothing of it.
//! - Evidence is written and synced before the transaction that names it. What a full disk takes away is evidence, never a lead.
//! - The outbox keeps the order of each lead; updates that nobody has sent yet collapse to the newest.
//! - The log of viewings is chained by hashes and only grows.

mod error;
mod evidence;
mod expiry;
mod outbox;
mod reader;
mod schema;
mod store;
mod viewing;

pub use error::{ErrorKind, StoreError};
pub use evidence::EvidenceAhead;
pub use expiry::{EVIDENCE_KEPT, ExpiryReport};
pub use outbox::{OutboxCounts, OutboxRow, ParkedRow};
pub use reader::{LeadFilter, StoreReader};
pub use store::{Change, CommitReport, Store};
pub use viewing::{LoggedViewing, Viewing};

/// Each lives on a thread of its own.
const fn is_send<T: Send>() {}
const _: () = (is_send::<Store>(), is_send::<StoreReader>()).1;

#[cfg(test)]
#[path = "../tests/it/fixture.rs"]
mod fixture;
