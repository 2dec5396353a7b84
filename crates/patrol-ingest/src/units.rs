//! The account of access units: which went into the decoder and gave no picture.
//!
//! A decoder gives pictures in presentation order, each with the timestamp of its unit. A unit that should have been shown before a
//! picture that has come out is therefore lost.

use std::collections::VecDeque;

/// Units that may wait in a decoder: 16 of reordering (the limit of H.264 and H.265), up to 16 frame threads, and as many again.
const PENDING_MAX: usize = 64;

/// An access unit that went into the decoder. Ordered as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit {
    /// Counts the times the stream's clock went back; within one epoch timestamps order the pictures.
    epoch: u32,
    order_ns: i64,
    /// As the container told it.
    pub(crate) raw_ns: Option<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct PendingUnits {
    /// In decoding order.
    pending: VecDeque<Unit>,
    epoch: u32,
    newest_ns: Option<i64>,
}

impl PendingUnits {
    /// Notes a unit on its way into the decoder. A key frame comes after all units decoded before it, so one that is older begins
    /// a new epoch.
    pub(crate) fn enter(&mut self, raw_ns: Option<i64>, key_frame: bool) {
        let order_ns = raw_ns.or_else(|| self.newest_ns.map(|newest| newest.saturating_add(1))).unwrap_or(0);
        if key_frame && self.newest_ns.is_some_and(|newest| order_ns < newest) {
            self.epoch = self.epoch.wrapping_add(1);
            self.newest_ns = None;
        }
        self.newest_ns = Some(self.newest_ns.map_or(order_ns, |newest| newest.max(order_ns)));
        self.pending.push_back(Unit { epoch: self.epoch, order_ns, raw_ns });
    }

    /// A picture with timestamp `raw_ns` came out: gives the units it overtook, as they should have been shown.
    pub(crate) fn leave(&mut self, raw_ns: Option<i64>) -> Vec<Unit> {
        let exact = self.pending.iter().enumerate().filter(|(_, unit)| unit.raw_ns.is_some() && unit.raw_ns == raw_ns);
        let Some((index, _)) = exact.min_by_key(|(_, unit)| **unit) else {
            // The decoder made the timestamp up: only the count is known, so the first in line counts as shown.
            if let Some((index, _)) = self.pending.iter().enumerate().min_by_key(|(_, unit)| **unit) {
                self.pending.remove(index);
            }
            return Vec::new();
        };
        let Some(shown) = self.pending.remove(index) else { return Vec::new() };
        if self.pending.iter().all(|unit| *unit >= shown) {
            return Vec::new();
        }
        let mut lost: Vec<Unit> = self.pending.iter().copied().filter(|unit| *unit < shown).collect();
        self.pending.retain(|unit| *unit >= shown);
        lost.sort_unstable();
        lost
    }

    /// Units that have waited longer than any decoder holds one.
    pub(crate) fn overdue(&mut self) -> Vec<Unit> {
        let excess = self.pending.len().saturating_sub(PENDING_MAX);
        self.pending.drain(..excess).collect()
    }

    /// The decoder has been drained: whatever is left is lost.
    pub(crate) fn drain(&mut self) -> Vec<Unit> {
        let mut lost: Vec<Unit> = self.pending.drain(..).collect();
        lost.sort_unstable();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(units: &[Unit]) -> Vec<Option<i64>> {
        units.iter().map(|unit| unit.raw_ns).collect()
    }

    #[test]
    fn reordered_pictures_lose_nothing() {
        let mut units = PendingUnits::default();
        for (pts, key) in [(0, true), (120, false), (40, false), (80, false)] {
            units.enter(Some(pts), key);
        }
        for pts in [0, 40, 80, 120] {
            assert!(units.leave(Some(pts)).is_empty());
        }
        assert!(units.drain().is_empty());
    }

    #[test]
    fn an_overtaken_unit_is_lost_once() {
        let mut units = PendingUnits::default();
        for (pts, key) in [(0, true), (120, false), (40, false), (80, false)] {
            units.enter(Some(pts), key);
        }
        assert!(units.leave(Some(0)).is_empty());
        assert_eq!(raw(&units.leave(Some(120))), [Some(40), Some(80)]);
        assert!(units.drain().is_empty());
    }

    #[test]
    fn a_stream_that_begins_anew_does_not_lose_its_key_frame() {
        let mut units = PendingUnits::default();
        for (pts, key) in [(1000, true), (1040, false), (0, true), (40, false)] {
            units.enter(Some(pts), key);
        }
        for pts in [1000, 1040, 0, 40] {
            assert!(units.leave(Some(pts)).is_empty(), "{pts}");
        }
    }

    #[test]
    fn without_timestamps_the_count_decides() {
        let mut units = PendingUnits::default();
        for _ in 0..3 {
            units.enter(None, true);
        }
        assert!(units.leave(Some(7)).is_empty());
        assert!(units.leave(None).is_empty());
        assert_eq!(units.drain().len(), 1);
    }

    #[test]
    fn a_decoder_that_swallows_everything_is_bounded() {
        let mut units = PendingUnits::default();
        let mut lost = 0;
        for pts in 0..1000 {
            units.enter(Some(pts), false);
            lost += units.overdue().len();
        }
        assert_eq!(lost + units.drain().len(), 1000);
    }
}
