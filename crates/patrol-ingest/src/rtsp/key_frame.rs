//! A key frame on its own: kept as it came, decoded by whoever looks at it.
//!
//! One decoder a thread and codec serves the cameras of all, one unit after another. Every unit brings its own parameter sets, and every
//! picture is out before the next unit goes in: otherwise one camera's picture would be shown as another's.

use super::feed::caps_of;
use crate::concealed;
use crate::decoder::Decoder;
use crate::error::IngestError;
use crate::ring::{Unit, VideoCodec};
use gstreamer as gst;
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

/// A decoder with the kind of stream it takes.
struct Shared {
    decoder: Decoder,
    caps: gst::Caps,
    /// Units given to it so far. Their times, which belong to several cameras, are none of its business: GStreamer alters what goes back.
    units: u64,
}

thread_local! {
    /// Of H.264 and of H.265.
    static DECODERS: RefCell<[Option<Shared>; 2]> = const { RefCell::new([None, None]) };
}

impl KeyFrame {
    pub(super) fn new(unit: Unit, media_time: MediaTime, captured: WallEstimate, sequence: u64) -> Self {
        Self { media_time, captured, unit, sequence }
    }

    /// Decodes it on this thread. An error says why it gave no picture that can be trusted;
    /// the next key frame begins with a fresh decoder then.
    pub fn decode(&self) -> Result<Picture, IngestError> {
        DECODERS.with_borrow_mut(|decoders| {
            let place = &mut decoders[match self.unit.stretch.codec {
                VideoCodec::H264 => 0,
                VideoCodec::H265 => 1,
            }];
            let mut shared = if let Some(shared) = place.take() {
                shared
            } else {
                let caps = caps_of(&self.unit.stretch);
                Shared { decoder: Decoder::key_units(&caps)?, caps, units: 0 }
            };
            let picture = self.decode_by(&mut shared)?;
            *place = Some(shared);
            Ok(picture)
        })
    }

    fn decode_by(&self, shared: &mut Shared) -> Result<Picture, IngestError> {
        let mut buffer = gst::Buffer::from_slice(self.unit.data.clone());
        shared.units += 1;
        let mark = gst::ClockTime::from_seconds(shared.units);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(mark);
        }
        let undecodable = |why: &str| IngestError::KeyFrame { why: why.to_owned() };
        let (pushed, concealed) = concealed::during(|| shared.decoder.push(buffer, &shared.caps));
        pushed.map_err(|error| IngestError::KeyFrame { why: format!("the decoder refused it: {error}") })?;
        let decoded = shared.decoder.take().ok_or_else(|| undecodable("the decoder gave no picture"))?;
        if concealed {
            return Err(undecodable("parts of it could not be decoded"));
        }
        if decoded.raw_ns() != Some(mark.nseconds() as i64) || shared.decoder.take().is_some() {
            return Err(undecodable("the decoder gave another picture than this one"));
        }
        decoded.into_picture(self.sequence, self.media_time, self.captured).map_err(|why| undecodable(&why))
    }
}
