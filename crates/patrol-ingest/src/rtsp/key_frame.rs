//! A key frame on its own: kept as it came, decoded by whoever looks at it.
//!
//! One decoder a thread and codec serves the cameras of all, one unit after another. Every unit brings its own parameter sets, and every
//! picture is out before the next unit goes in: otherwise one camera's picture would be shown as another's.

use crate::error::IngestError;
use crate::key_decoder::KeyDecoder;
use crate::ring::{Unit, VideoCodec};
use patrol_core::{MediaTime, Picture, WallEstimate};
use std::cell::RefCell;

/// One key frame of one camera, with everything its decoding needs.
#[derive(Debug, Clone)]
pub struct KeyFrame {
    /// On the session's own time line, which its other pictures share.
    pub media_time: MediaTime,
    pub captured: WallEstimate,
    unit: Unit,
    sequence: u64,
}

thread_local! {
    /// Of H.264 and of H.265.
    static DECODERS: RefCell<[Option<KeyDecoder>; 2]> = const { RefCell::new([None, None]) };
}

impl KeyFrame {
    pub(super) fn new(unit: Unit, media_time: MediaTime, captured: WallEstimate, sequence: u64) -> Self {
        Self { media_time, captured, unit, sequence }
    }

    /// Decodes it on this thread, with the loop filter (`deblock`), or a fifth faster and a little blocky. An error says why it gave no picture that can be trusted;
    /// the next key frame begins with a fresh decoder then.
    pub fn decode(&self, deblock: bool) -> Result<Picture, IngestError> {
        let codec = self.unit.stretch.codec;
        DECODERS.with_borrow_mut(|decoders| {
            let place = &mut decoders[match codec {
                VideoCodec::H264 => 0,
                VideoCodec::H265 => 1,
            }];
            let mut decoder = place.take().map_or_else(|| KeyDecoder::new(codec), Ok)?;
            let decoded = decoder.decode(&self.unit.data, deblock)?;
            *place = Some(decoder);
            decoded.into_picture(self.sequence, self.media_time, self.captured)
        })
    }
}
