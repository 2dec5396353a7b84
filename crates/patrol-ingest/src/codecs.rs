//! The video streams we decode, by the names GStreamer gives their types, and by what.

use crate::ring::VideoCodec;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Codec {
    pub(crate) stream: &'static str,
    /// Cuts the stream into access units, where the container has not done so.
    pub(crate) parser: Option<&'static str>,
    /// Raw video needs none.
    pub(crate) decoder: Option<&'static str>,
}

const CODECS: [Codec; 5] = [
    Codec { stream: "video/x-h264", parser: Some("h264parse"), decoder: Some("avdec_h264") },
    Codec { stream: "video/x-h265", parser: Some("h265parse"), decoder: Some("avdec_h265") },
    Codec { stream: "image/jpeg", parser: None, decoder: Some("avdec_mjpeg") },
    // Lossless: 16-bit thermal counts.
    Codec { stream: "video/x-ffv", parser: None, decoder: Some("avdec_ffv1") },
    Codec { stream: "video/x-raw", parser: None, decoder: None },
];

/// The codec of a stream type; `None` for what we cannot decode.
pub(crate) fn codec_of(stream: &str) -> Option<&'static Codec> {
    CODECS.iter().find(|codec| codec.stream == stream)
}

/// GStreamer's elements that decode the streams of network cameras of which every picture is decoded; those that use a GPU or a chip are there only where
/// that is. `None`: libavcodec, on the CPU. Key frames on demand are always decoded by libavcodec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoders {
    pub h264: Option<Arc<str>>,
    pub h265: Option<Arc<str>>,
}

impl Decoders {
    pub(crate) fn of(&self, stream: &str) -> Option<&str> {
        match stream {
            "video/x-h264" => self.h264.as_deref(),
            "video/x-h265" => self.h265.as_deref(),
            _ => None,
        }
    }
}

/// Whether this machine has `element` and it decodes such streams; the error is what was found instead.
pub fn check_decoder(element: &str, codec: VideoCodec) -> Result<(), String> {
    gst::init().map_err(|error| format!("GStreamer, which did not start: {error}"))?;
    let factory = Some(element)
        .filter(|name| !name.contains('\0'))
        .and_then(gst::ElementFactory::find)
        .ok_or_else(|| format!("{element}, which GStreamer does not have on this machine"))?;
    let stream = gst::Caps::new_empty_simple(codec.stream());
    let decodes = factory.has_type(gst::ElementFactoryType::DECODER) && factory.can_sink_any_caps(&stream);
    if !decodes {
        return Err(format!("{element} ({}), which does not decode {}", factory.longname(), codec.name()));
    }
    // A device is opened here, where it has one.
    let cannot = |error: &dyn std::fmt::Display| format!("{element}, which cannot be opened: {error}");
    let opened = factory.create().build().map_err(|error| cannot(&error))?;
    let ready = opened.set_state(gst::State::Ready).map(|_| ()).map_err(|error| cannot(&error));
    opened.set_state(gst::State::Null).map_err(|error| cannot(&error))?;
    ready
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_or_decodes_something_else_is_named() {
        assert!(check_decoder("avdec_h264", VideoCodec::H264).is_ok());
        let missing = check_decoder("nowhere264dec", VideoCodec::H264).expect_err("there is none");
        assert!(missing.contains("nowhere264dec") && missing.contains("does not have"), "{missing}");
        for (element, codec) in [("avdec_h264", VideoCodec::H265), ("h264parse", VideoCodec::H264), ("x264enc", VideoCodec::H264)] {
            assert!(check_decoder(element, codec).is_err(), "{element}");
        }
    }
}
