//! The desk with what surrounds it: changes are written first and told after, so that nothing is ever on a page that a
//! crash could take away again.

use patrol_core::{Evidence, Lead, LeadId, WallTime, lead::LeadState};
use patrol_leads::{Desk, DeskEvent, DeskOutput};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// Where the desk's output is made to last. Implemented over the store, and in memory.
pub trait Archive: Send {
    /// One transaction: leads, outbox, evidence, and the desk's own state.
    fn commit(&mut self, output: &DeskOutput, desk: &Desk) -> Result<(), ArchiveError>;

    /// Evidence that will most likely be committed within a second may be written beside the desk meanwhile. Nothing is promised: what is not there when it is
    /// committed is written then.
    fn write_ahead(&mut self, _evidence: &Arc<Evidence>) {}
}

#[derive(Debug, Error)]
#[error("the desk's output could not be written: {0}")]
pub struct ArchiveError(pub String);

/// Keeps nothing: for `replay` without a store, which writes its files at the end.
#[derive(Debug, Default)]
pub struct MemoryArchive;

impl Archive for MemoryArchive {
    fn commit(&mut self, _output: &DeskOutput, _desk: &Desk) -> Result<(), ArchiveError> {
        Ok(())
    }
}

pub struct DeskRoom {
    pub desk: Desk,
    archive: Box<dyn Archive>,
    /// Written in full only when the archive was last unavailable: the output that waits to be written.
    unwritten: Option<DeskOutput>,
}

impl DeskRoom {
    pub fn new(desk: Desk, archive: Box<dyn Archive>) -> Self {
        Self { desk, archive, unwritten: None }
    }

    /// Considers one tick's events and writes what came of them. While writing fails, the output is kept and `Err` says
    /// why; the caller must call [`Self::write_again`] until it succeeds before it may consider more.
    pub fn consider(&mut self, now: WallTime, events: Vec<DeskEvent>) -> Result<DeskOutput, ArchiveError> {
        debug_assert!(self.unwritten.is_none(), "output waits to be written");
        let output = self.desk.consider(now, events);
        self.write(output)
    }

    pub(crate) fn write_ahead(&mut self, evidence: &Arc<Evidence>) {
        self.archive.write_ahead(evidence);
    }

    pub fn write_again(&mut self) -> Result<DeskOutput, ArchiveError> {
        match self.unwritten.take() {
            Some(output) => self.write(output),
            None => Ok(DeskOutput::default()),
        }
    }

    fn write(&mut self, output: DeskOutput) -> Result<DeskOutput, ArchiveError> {
        let anything = !output.changed.is_empty() || !output.outbox.is_empty() || !output.evidence.is_empty() || output.state_changed;
        if anything && let Err(error) = self.archive.commit(&output, &self.desk) {
            self.unwritten = Some(output);
            return Err(error);
        }
        Ok(output)
    }

    /// Leads that are more than candidates, by id.
    pub fn made_leads(&self) -> BTreeMap<LeadId, Lead> {
        self.desk
            .leads()
            .filter(|lead| !matches!(lead.state, LeadState::Candidate | LeadState::Expired))
            .map(|lead| (lead.id.clone(), lead.clone()))
            .collect()
    }
}
