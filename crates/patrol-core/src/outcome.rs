//! What became of a picture. Every picture offered to a slot ends in exactly one outcome.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a picture could not be judged although it was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnusableKind {
    Dark,
    Covered,
    Blurred,
    Frozen,
    SceneChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// A detector gave an error.
    Detector,
    /// The picture's format or size is one that nothing here can use.
    Unsupported,
    /// The worker broke off; it was restarted.
    Panicked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "kind")]
pub enum Outcome {
    Examined,
    Unchanged,
    Unusable(UnusableKind),
    /// A newer picture replaced it in the slot before its look began.
    Stale,
    /// Bytes arrived that no decoder could turn into a picture.
    Undecodable,
    Failed(FailureKind),
}

impl Outcome {
    /// Whether the camera was seen: what the blind interval counts.
    pub fn keeps_promise(self) -> bool {
        matches!(self, Self::Examined | Self::Unchanged)
    }
    /// Stable name, as in metrics and in `summary.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Examined => "examined",
            Self::Unchanged => "unchanged",
            Self::Unusable(UnusableKind::Dark) => "unusable-dark",
            Self::Unusable(UnusableKind::Covered) => "unusable-covered",
            Self::Unusable(UnusableKind::Blurred) => "unusable-blurred",
            Self::Unusable(UnusableKind::Frozen) => "unusable-frozen",
            Self::Unusable(UnusableKind::SceneChange) => "unusable-scene-change",
            Self::Stale => "stale",
            Self::Undecodable => "undecodable",
            Self::Failed(FailureKind::Detector) => "failed-detector",
            Self::Failed(FailureKind::Unsupported) => "failed-unsupported",
            Self::Failed(FailureKind::Panicked) => "failed-panicked",
        }
    }
}

/// Outcomes counted; their sum is the number of pictures offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<Outcome, u64>,
}

impl Tally {
    pub fn count(&mut self, outcome: Outcome) {
        *self.counts.entry(outcome).or_default() += 1;
    }
    pub fn count_many(&mut self, outcome: Outcome, pictures: u64) {
        *self.counts.entry(outcome).or_default() += pictures;
    }
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.counts.get(&outcome).copied().unwrap_or(0)
    }
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        self.counts.iter().map(|(outcome, count)| (*outcome, *count))
    }
}
