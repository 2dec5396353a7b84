//! Small clips, made with GStreamer when a test needs them.

use gstreamer as gst;
use gstreamer::prelude::*;
use std::path::{Path, PathBuf};

pub(crate) const H264: &str = "videoconvert ! video/x-raw,format=I420 ! x264enc bframes=2 key-int-max=10 threads=1 ! h264parse";
pub(crate) const H265: &str =
    "videoconvert ! video/x-raw,format=I420 ! x265enc key-int-max=10 option-string=pools=1:frame-threads=1:log-level=none ! h265parse";
pub(crate) const MJPEG: &str = "videoconvert ! video/x-raw,format=I420 ! jpegenc";
pub(crate) const FFV1_GREY16: &str = "videoconvert ! video/x-raw,format=GRAY16_LE ! avenc_ffv1";
pub(crate) const RAW_GREY8: &str = "videoconvert ! video/x-raw,format=GRAY8";

pub(crate) struct Clip {
    pub(crate) pictures: u32,
    pub(crate) size: (u32, u32),
    pub(crate) fps: u32,
}

pub(crate) const SHORT: Clip = Clip { pictures: 50, size: (192, 108), fps: 25 };

/// Writes a test pattern, encoded with `encode` into `mux`.
pub(crate) fn write(folder: &Path, name: &str, clip: &Clip, encode: &str, mux: &str) -> PathBuf {
    gst::init().expect("GStreamer starts");
    let path = folder.join(name);
    let Clip { pictures, size: (width, height), fps } = clip;
    let line = format!(
        "videotestsrc num-buffers={pictures} pattern=ball ! video/x-raw,width={width},height={height},framerate={fps}/1 ! {encode} ! {mux} ! filesink name=file"
    );
    let pipeline =
        gst::parse::launch(&line).unwrap_or_else(|error| panic!("{line}: {error}")).downcast::<gst::Pipeline>().expect("a pipeline");
    pipeline.by_name("file").expect("the file sink").set_property("location", &path);
    pipeline.set_state(gst::State::Playing).expect("the encoder starts");
    let message = pipeline
        .bus()
        .expect("a bus")
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos, gst::MessageType::Error])
        .unwrap_or_else(|| panic!("{line}: no end after 60 s"));
    assert!(matches!(message.view(), gst::MessageView::Eos(_)), "{line}: {message:?}");
    pipeline.set_state(gst::State::Null).expect("the encoder stops");
    path
}

/// One file after another, byte for byte.
pub(crate) fn join(parts: &[&Path], into: &Path) {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| std::fs::read(part).expect("a clip")).collect();
    std::fs::write(into, bytes).expect("a writable folder");
}

/// Writes grey pictures at the given times, in milliseconds, into a Matroska file.
pub(crate) fn write_timed(path: &Path, times_ms: &[u64]) {
    gst::init().expect("GStreamer starts");
    let line =
        "appsrc name=in format=time caps=video/x-raw,format=GRAY8,width=32,height=16,framerate=25/1 ! matroskamux ! filesink name=file";
    let pipeline = gst::parse::launch(line).expect("a pipeline").downcast::<gst::Pipeline>().expect("a pipeline");
    pipeline.by_name("file").expect("the file sink").set_property("location", path);
    let source = pipeline.by_name("in").and_downcast::<gstreamer_app::AppSrc>().expect("the source");
    pipeline.set_state(gst::State::Playing).expect("the muxer starts");
    for (index, ms) in times_ms.iter().enumerate() {
        let mut buffer = gst::Buffer::from_mut_slice(vec![index as u8; 32 * 16]);
        let stamp = buffer.get_mut().expect("our own buffer");
        stamp.set_pts(gst::ClockTime::from_mseconds(*ms));
        stamp.set_duration(gst::ClockTime::from_mseconds(40));
        source.push_buffer(buffer).expect("the muxer takes it");
    }
    source.end_of_stream().expect("the muxer takes it");
    let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().expect("a bus").timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted).expect("an end");
    assert!(matches!(message.view(), gst::MessageView::Eos(_)), "{message:?}");
    pipeline.set_state(gst::State::Null).expect("the muxer stops");
}
