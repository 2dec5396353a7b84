//! The video streams we decode, by the names GStreamer gives their types.

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
