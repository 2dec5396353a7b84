//! What of a live stream may be decoded: only pictures whose references all arrived.
//!
//! Decoders conceal what is missing without a word, so that the decision cannot rest on them. After lost packets, and at the start of a
//! session, the gate stays closed until a key frame.

use crate::ring::Unit;
use std::sync::Arc;
use std::time::Duration;

/// A stream that has shown no key frame for so long may never send one (intra refresh): it is then given to the decoder as it is, which
/// shows nothing before its recovery point. Longer than the key-frame interval of all but "smart" encoders.
const KEYLESS_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Closed {
    Starting,
    Lost(u32),
    Damaged(Arc<str>),
    Skipped,
}

/// What becomes of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passage {
    Decode,
    /// It refers to nothing before it, and what the decoder holds is of no use to it.
    DecodeAfresh {
        /// The unit lacks parameter sets of its own.
        bare: bool,
    },
    Undecodable(String),
    Skipped,
}

#[derive(Debug)]
pub(crate) struct Gate {
    closed: Option<Closed>,
    /// Presentation time of the first unit since the gate closed.
    closed_since_ns: Option<i64>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { closed: Some(Closed::Starting), closed_since_ns: None }
    }
}

impl Gate {
    pub(crate) fn unit(&mut self, unit: &Unit) -> Passage {
        if unit.lost_packets > 0 {
            self.close(Closed::Lost(unit.lost_packets));
        }
        if !unit.whole {
            self.close(Closed::Damaged("its beginning did not arrive".into()));
        }
        let Some(closed) = &self.closed else { return Passage::Decode };
        if unit.key && unit.whole {
            (self.closed, self.closed_since_ns) = (None, None);
            return Passage::DecodeAfresh { bare: false };
        }
        let since_ns = *self.closed_since_ns.get_or_insert(unit.pts_ns);
        if unit.whole && unit.pts_ns.saturating_sub(since_ns) >= KEYLESS_AFTER.as_nanos() as i64 {
            (self.closed, self.closed_since_ns) = (None, None);
            return Passage::DecodeAfresh { bare: true };
        }
        match closed {
            Closed::Starting => Passage::Undecodable("no key frame has come yet; the session began between two".to_owned()),
            Closed::Lost(packets) => Passage::Undecodable(format!("{packets} packets were lost; waiting for the next key frame")),
            Closed::Damaged(why) => Passage::Undecodable(format!("{why}; waiting for the next key frame")),
            Closed::Skipped => Passage::Skipped,
        }
    }

    pub(crate) fn damage(&mut self, why: &Arc<str>) {
        self.close(Closed::Damaged(Arc::clone(why)));
    }

    pub(crate) fn skip(&mut self) {
        self.close(Closed::Skipped);
    }

    /// Later reasons replace earlier ones: they are what the next key frame must heal.
    fn close(&mut self, why: Closed) {
        self.closed = Some(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{Stretch, VideoCodec};
    use bytes::Bytes;

    fn unit(pts_ms: i64, key: bool, lost_packets: u32) -> Unit {
        let stretch = Stretch::new(VideoCodec::H264, Bytes::new(), 0, 0);
        Unit { data: Vec::new().into(), key, pts_ns: pts_ms * 1_000_000, lost_packets, whole: true, stretch }
    }

    fn letters(units: &[Unit]) -> String {
        let mut gate = Gate::default();
        units
            .iter()
            .map(|unit| match gate.unit(unit) {
                Passage::Decode => 'd',
                Passage::DecodeAfresh { bare: false } => 'K',
                Passage::DecodeAfresh { bare: true } => 'R',
                Passage::Undecodable(_) => 'u',
                Passage::Skipped => 's',
            })
            .collect()
    }

    fn series(text: &str) -> Vec<Unit> {
        text.chars().enumerate().map(|(at, sign)| unit(at as i64 * 40, matches!(sign, 'k' | 'K'), u32::from("KL".contains(sign)))).collect()
    }

    #[test]
    fn nothing_is_decoded_before_a_key_frame_and_after_a_loss() {
        assert_eq!(letters(&series("pppkppp")), "uuuKddd");
        assert_eq!(letters(&series("kppLppkpp")), "KdduuuKdd");
        // Packets lost in front of a key frame that is complete itself.
        assert_eq!(letters(&series("kppKpp")), "KddKdd");
    }

    #[test]
    fn a_key_frame_without_its_beginning_heals_nothing() {
        let mut gate = Gate::default();
        assert!(matches!(gate.unit(&Unit { whole: false, ..unit(0, true, 0) }), Passage::Undecodable(_)));
        assert_eq!(gate.unit(&unit(40, true, 0)), Passage::DecodeAfresh { bare: false });
    }

    #[test]
    fn skipped_units_stay_skipped_until_a_key_frame() {
        let mut gate = Gate::default();
        gate.unit(&unit(0, true, 0));
        gate.skip();
        assert_eq!(gate.unit(&unit(40, false, 0)), Passage::Skipped);
        assert_eq!(gate.unit(&unit(80, true, 0)), Passage::DecodeAfresh { bare: false });
    }

    #[test]
    fn a_stream_without_key_frames_is_tried_after_ten_seconds() {
        let units: Vec<Unit> = (0..14).map(|second| unit(second * 1_000, false, 0)).collect();
        assert_eq!(letters(&units), "uuuuuuuuuuRddd");
    }

    #[test]
    fn reasons_are_told() {
        let mut gate = Gate::default();
        gate.damage(&"bad SPS".into());
        assert_eq!(gate.unit(&unit(0, false, 0)), Passage::Undecodable("bad SPS; waiting for the next key frame".to_owned()));
        let Passage::Undecodable(why) = gate.unit(&unit(40, false, 3)) else { panic!("a loss") };
        assert!(why.contains("3 packets were lost"), "{why}");
    }
}
