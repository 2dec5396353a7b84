//! What is read of cameras and files, for `fuzz/`.

use crate::key_decoder::KeyDecoder;
use crate::nal::first_slice;
use crate::ring::VideoCodec;
use crate::rtsp::parse_address;
use std::cell::RefCell;

/// An access unit, its codec in the first byte.
pub fn unit(bytes: &[u8]) {
    if let [codec, unit @ ..] = bytes {
        first_slice(codec_of(*codec), unit);
    }
}

/// A key frame, its codec in the first byte, whether the loop filter runs in the second. One decoder serves all, as in a worker, until one is refused.
pub fn key_frame(bytes: &[u8]) {
    thread_local! {
        static DECODERS: RefCell<[Option<KeyDecoder>; 2]> = const { RefCell::new([None, None]) };
    }
    let [codec, deblock, unit @ ..] = bytes else { return };
    DECODERS.with_borrow_mut(|decoders| {
        let place = &mut decoders[usize::from(codec & 1)];
        let Some(mut decoder) = place.take().or_else(|| KeyDecoder::new(codec_of(*codec)).ok()) else { return };
        if let Ok(decoded) = decoder.decode(&unit.to_vec().into(), deblock & 1 == 1) {
            *place = Some(decoder);
            drop(decoded.into_picture(
                0,
                patrol_core::MediaTime::ZERO,
                patrol_core::WallEstimate { at: patrol_core::WallTime(0), error_ms: 0 },
            ));
        }
    });
}

/// A camera's URL: what is shown of it holds none of its secrets.
pub fn address(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        parse_address(text).ok();
    }
}

fn codec_of(byte: u8) -> VideoCodec {
    if byte & 1 == 0 { VideoCodec::H264 } else { VideoCodec::H265 }
}
