//! The encoded access units of one camera's last seconds: what the decoder takes its units from, where it finds the newest key frame
//! when it is late, and what clips are cut from.
//!
//! ```text
//!  oldest                cursor            newest
//!    │ K · · · K · · · K · ·│· K · · · K · ·  │ ◄─ push (net thread)
//!    └── for clips ─────────┴── not decoded ──┘
//! ```
//! Bounded in seconds, bytes and items. What falls out before the decoder took it is counted and told as skipped: every unit pushed
//! is either taken or skipped, exactly once. A group of pictures that is larger than the bounds loses its beginning; the decoder, which
//! keeps its own references, is not disturbed by that as long as it keeps up.

use crate::packed::Packed;
use bytes::Bytes;
use gstreamer as gst;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Design §6: the ring is at most 20 s and 8 MiB a camera.
pub(crate) const KEPT_MAX: Duration = Duration::from_secs(20);
pub(crate) const RING_BYTES_MAX: u64 = 8 << 20;
/// 20 s at 200 pictures a second: more than any camera sends, and a bound for units of a few bytes.
const ITEMS_MAX: usize = 4_000;
/// A decoder that is further behind than this jumps to the newest key frame: a look wants the newest picture, and promises are not
/// shorter than this; less would drop pictures after every busy moment of the machine.
pub(crate) const LAG_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    H264,
    H265,
}

impl VideoCodec {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        }
    }

    pub(crate) fn stream(self) -> &'static str {
        match self {
            Self::H264 => "video/x-h264",
            Self::H265 => "video/x-h265",
        }
    }
}

/// A stretch of a session over which one clock ran evenly under one set of parameters; shared by its units, so that what is learnt
/// about the clock later serves units that came earlier.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) codec: VideoCodec,
    /// SPS, PPS (and VPS) as Annex B. Empty while unknown.
    pub(crate) parameters: Bytes,
    /// Added to a unit's `pts_ns`, gives the monotonic clock at which it was captured.
    offset_ns: AtomicI64,
    error_ms: AtomicU32,
}

impl Stretch {
    pub(crate) fn new(codec: VideoCodec, parameters: Bytes, offset_ns: i64, error_ms: u32) -> Arc<Self> {
        Arc::new(Self { codec, parameters, offset_ns: AtomicI64::new(offset_ns), error_ms: AtomicU32::new(error_ms) })
    }

    pub(crate) fn set_clock(&self, offset_ns: i64, error_ms: u32) {
        self.offset_ns.store(offset_ns, Ordering::Relaxed);
        self.error_ms.store(error_ms, Ordering::Relaxed);
    }

    pub(crate) fn offset_ns(&self) -> i64 {
        self.offset_ns.load(Ordering::Relaxed)
    }

    pub(crate) fn error_ms(&self) -> u32 {
        self.error_ms.load(Ordering::Relaxed)
    }
}

/// One access unit, as Annex B.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) data: Packed,
    pub(crate) key: bool,
    /// Presentation time on the session's own line, which does not jump.
    pub(crate) pts_ns: i64,
    /// Packets that did not arrive since the unit before this one.
    pub(crate) lost_packets: u32,
    /// The first slice of the picture is there.
    pub(crate) whole: bool,
    pub(crate) stretch: Arc<Stretch>,
}

impl Unit {
    /// For GStreamer, with `parameters` in front; without times.
    pub(crate) fn to_buffer(&self, parameters: &Bytes) -> gst::Buffer {
        let mut buffer = match self.data.pieces() {
            [whole] if parameters.is_empty() => gst::Buffer::from_slice(whole.clone()),
            pieces => gst::Buffer::from_slice([std::slice::from_ref(parameters), pieces].concat().concat()),
        };
        if let Some(buffer) = buffer.get_mut().filter(|_| !self.key) {
            buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        buffer
    }

    /// Monotonic clock at which it was captured, as far as is known now.
    pub(crate) fn captured_ns(&self) -> i64 {
        self.pts_ns.saturating_add(self.stretch.offset_ns())
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Unit(Unit),
    /// Packets arrived that make no access unit.
    Damage {
        why: Arc<str>,
    },
}

impl Entry {
    fn bytes(&self) -> u64 {
        match self {
            Self::Unit(unit) => unit.data.len() as u64,
            Self::Damage { .. } => 0,
        }
    }

    fn unit(&self) -> Option<&Unit> {
        match self {
            Self::Unit(unit) => Some(unit),
            Self::Damage { .. } => None,
        }
    }

    fn is_key(&self) -> bool {
        self.unit().is_some_and(|unit| unit.key && unit.whole)
    }
}

/// What the decoder is to do next.
#[derive(Debug)]
pub(crate) enum Next {
    Entry(Entry),
    /// So many units were passed over because the decoder was late.
    Skipped(u64),
    Nothing,
}

/// How far a ring gives way when all rings together are over their budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shrink {
    /// Keeps what came since the newest key frame.
    PresentGroup,
    /// Keeps what the decoder has not taken.
    Untaken,
    /// Keeps nothing.
    Everything,
}

#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    /// Index into `entries` of the next one for the decoder; their number while nobody decodes.
    cursor: usize,
    /// Somebody decodes everything; otherwise all entries are for clips, and nothing of them is ever skipped.
    read: bool,
    /// Index of the present session's first entry.
    session_first: usize,
    /// Units that fell out before the decoder took them, not told yet.
    skipped: u64,
    bytes: u64,
    /// Bytes of all rings of the process.
    total: Arc<AtomicU64>,
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Ring {
    pub(crate) fn new(total: &Arc<AtomicU64>) -> Self {
        let total = Arc::clone(total);
        Self { entries: VecDeque::new(), cursor: 0, read: false, session_first: 0, skipped: 0, bytes: 0, total }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        let bytes = entry.bytes();
        self.bytes += bytes;
        self.total.fetch_add(bytes, Ordering::Relaxed);
        self.entries.push_back(entry);
        if !self.read {
            self.cursor = self.entries.len();
        }
        let newest_ns = self.newest_unit().map(Unit::captured_ns);
        while self.is_over(newest_ns) {
            self.pop();
        }
    }

    fn is_over(&self, newest_ns: Option<i64>) -> bool {
        if self.bytes > RING_BYTES_MAX || self.entries.len() > ITEMS_MAX {
            return true;
        }
        // The clock of an older session may be believed to be ahead: its units are as good as old.
        let is_old = |unit: &Unit, newest: i64| newest.saturating_sub(unit.captured_ns()).unsigned_abs() > KEPT_MAX.as_nanos() as u64;
        self.oldest_unit().zip(newest_ns).is_some_and(|(oldest, newest)| is_old(oldest, newest))
    }

    fn pop(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.bytes -= entry.bytes();
        self.total.fetch_sub(entry.bytes(), Ordering::Relaxed);
        self.session_first = self.session_first.saturating_sub(1);
        if self.cursor > 0 {
            self.cursor -= 1;
        } else if entry.unit().is_some() {
            self.skipped += 1;
        }
    }

    fn oldest_unit(&self) -> Option<&Unit> {
        self.entries.iter().find_map(Entry::unit)
    }

    fn newest_unit(&self) -> Option<&Unit> {
        self.entries.iter().rev().find_map(Entry::unit)
    }

    fn newest_key(&self) -> Option<usize> {
        self.entries.iter().rposition(Entry::is_key)
    }

    /// A new session begins: what an earlier one left is for clips only.
    pub(crate) fn start_session(&mut self) {
        self.session_first = self.entries.len();
        self.cursor = self.entries.len();
        self.skipped = 0;
    }

    /// Somebody decodes everything from now on, beginning at the session's newest key frame; at its first unit where none has come.
    pub(crate) fn start_reading(&mut self) {
        self.read = true;
        self.skipped = 0;
        self.cursor = self.newest_key().map_or(self.session_first, |key| key.max(self.session_first));
    }

    pub(crate) fn stop_reading(&mut self) {
        self.read = false;
        self.skipped = 0;
        self.cursor = self.entries.len();
    }

    pub(crate) fn is_read(&self) -> bool {
        self.read
    }

    /// The next entry in order of arrival, unless the decoder is late.
    pub(crate) fn next(&mut self) -> Next {
        let late = self.skipped > 0 || self.lag_ns() > LAG_MAX.as_nanos() as i64;
        if late && let Some(key) = self.newest_key().filter(|key| *key > self.cursor) {
            self.skipped += self.entries.range(self.cursor..key).filter(|entry| entry.unit().is_some()).count() as u64;
            self.cursor = key;
        }
        if self.skipped > 0 {
            return Next::Skipped(std::mem::take(&mut self.skipped));
        }
        let Some(entry) = self.entries.get(self.cursor) else { return Next::Nothing };
        self.cursor += 1;
        Next::Entry(entry.clone())
    }

    fn lag_ns(&self) -> i64 {
        let waiting = self.entries.range(self.cursor..).find_map(Entry::unit);
        waiting.zip(self.newest_unit()).map_or(0, |(unit, newest)| newest.captured_ns().saturating_sub(unit.captured_ns()))
    }

    pub(crate) fn shrink(&mut self, how: Shrink) {
        let keep_from = match how {
            Shrink::PresentGroup => self.newest_key().unwrap_or(0),
            Shrink::Untaken => self.cursor,
            Shrink::Everything => self.entries.len(),
        };
        for _ in 0..keep_from {
            self.pop();
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// From the oldest unit to the newest.
    pub(crate) fn span(&self) -> Duration {
        let span = self.oldest_unit().zip(self.newest_unit()).map_or(0, |(old, new)| new.captured_ns().saturating_sub(old.captured_ns()));
        Duration::from_nanos(span.max(0) as u64)
    }

    /// Units captured from `from_ns` to `to_ns` of the monotonic clock, from the key frame before; of one stretch, so that they
    /// can be shown as one clip. Of several stretches the one with most units in the interval.
    pub(crate) fn units_between(&self, from_ns: i64, to_ns: i64) -> Vec<Unit> {
        let units: Vec<&Unit> = self.entries.iter().filter_map(Entry::unit).collect();
        let mut best: (usize, &[&Unit]) = (0, &[]);
        for run in units.chunk_by(|a, b| Arc::ptr_eq(&a.stretch, &b.stretch)) {
            let is_wanted = |unit: &Unit| (from_ns..=to_ns).contains(&unit.captured_ns());
            let wanted = run.iter().filter(|unit| is_wanted(unit)).count();
            let before = run.iter().rposition(|unit| unit.key && unit.whole && unit.captured_ns() <= from_ns);
            let first = before.or_else(|| run.iter().position(|unit| unit.key && unit.whole && is_wanted(unit)));
            // Decoding order is not showing order: the last unit to be shown may need one that comes after it.
            let last = run.iter().rposition(|unit| unit.captured_ns() <= to_ns);
            if let (Some(first), Some(last)) = (first, last)
                && wanted > best.0
                && first <= last
            {
                best = (wanted, &run[first..=last]);
            }
        }
        let first_ns = best.1.first().map_or(0, |unit| unit.pts_ns);
        // What is shown before the key frame but comes after it refers to the group before, which is not part of the clip.
        best.1.iter().filter(|unit| unit.pts_ns >= first_ns).map(|unit| (*unit).clone()).collect()
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
