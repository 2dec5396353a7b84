//! The block code through real codecs, and what it does to the rest of the picture: nothing.

use super::clip::{Clip, Coding, StreetCodec, encode};
use super::code::{BlockCode, STRIP_ROWS, read_code};
use super::content::{Content, Street};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_video as gst_video;
use patrol_core::PictureSize;
use std::sync::Arc;

const START: &[u8] = &[0, 0, 0, 1];

struct Decoded {
    luma: Vec<u8>,
    width: usize,
    height: usize,
}

impl Decoded {
    fn code(&self) -> Option<BlockCode> {
        read_code(&self.luma, self.width, self.width, self.height)
    }
    fn below_the_strip(&self) -> &[u8] {
        &self.luma[STRIP_ROWS * self.width..]
    }
}

/// Decodes a byte stream; pictures in display order.
fn decoded(codec: StreetCodec, stream: &[u8]) -> Vec<Decoded> {
    gst::init().expect("GStreamer");
    let elements = match codec {
        StreetCodec::H264 => "h264parse ! avdec_h264",
        StreetCodec::H265 => "h265parse ! avdec_h265",
    };
    let description = format!(
        "appsrc name=in max-bytes=0 caps=video/x-{codec},stream-format=byte-stream ! {elements} max-threads=1 ! video/x-raw,format=I420 ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&description).expect("a pipeline").downcast::<gst::Pipeline>().expect("a pipeline");
    let input = pipeline.by_name("in").expect("in").downcast::<AppSrc>().expect("appsrc");
    let sink = pipeline.by_name("out").expect("out").downcast::<AppSink>().expect("appsink");
    pipeline.set_state(gst::State::Playing).expect("playing");
    input.push_buffer(gst::Buffer::from_slice(stream.to_vec())).expect("pushed");
    input.end_of_stream().expect("ended");
    let mut pictures = Vec::new();
    while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(10)) {
        let info = gst_video::VideoInfo::from_caps(sample.caps().expect("caps")).expect("video");
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().expect("a buffer"), &info).expect("a frame");
        let (width, height, stride) = (info.width() as usize, info.height() as usize, info.stride()[0] as usize);
        let plane = frame.plane_data(0).expect("luma");
        let luma = (0..height).flat_map(|y| &plane[y * stride..y * stride + width]).copied().collect();
        pictures.push(Decoded { luma, width, height });
    }
    pipeline.set_state(gst::State::Null).expect("stopped");
    pictures
}

/// The clip as it would be sent; `code` says what the picture at this place in the clip, in display order, shows.
fn as_sent(clip: &Clip, rounds: u32, mut code: impl FnMut(u32, u32) -> BlockCode) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut second = false;
    for round in 0..rounds {
        for unit in clip.gops.iter().flatten() {
            let variant = unit.variant(second).expect("a variant");
            second ^= unit.key;
            let sets = if unit.key { &clip.sets[..] } else { &[] };
            let head = variant.code.as_ref().zip(clip.avc.as_ref());
            let head: Option<Arc<[u8]>> = head.map(|(head, sets)| head.with_code(sets, &code(round, unit.number)).into());
            for nal in sets.iter().chain(&head).chain(&variant.nals) {
                stream.extend_from_slice(START);
                stream.extend_from_slice(nal);
            }
        }
    }
    stream
}

fn coding(codec: StreetCodec, size: PictureSize, b_frames: bool) -> Coding {
    Coding { codec, size, fps: 10.0, kbps: if size.width > 1000 { 2000 } else { 500 }, gop: 10, b_frames, coded: true }
}

fn street(fps: f64, strip: bool) -> Street {
    Street { seed: 1, empty: false, fps, strip }
}

fn clip_of(coding: Coding, pictures: u32) -> Clip {
    let mut content = Content::street(&street(coding.fps, coding.coded), 0, pictures, coding.size).expect("a street");
    encode(coding, &mut content, pictures).expect("a clip")
}

/// Left where a person can look at it, when asked for.
fn keep(name: &str, bytes: &[u8]) {
    if let Some(dir) = std::env::var_os("PATROL_SIM_KEEP") {
        std::fs::write(std::path::Path::new(&dir).join(name), bytes).expect("kept");
    }
}

fn check_code(size: PictureSize, b_frames: bool) {
    let clip = clip_of(coding(StreetCodec::H264, size, b_frames), 30);
    let code = |round: u32, number: u32| {
        // All cell patterns come up.
        let key = u64::from(round * 1000 + number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        BlockCode { camera: (key >> 52) as u16, frame: (key >> 20) as u32 & 0xFF_FFFF, unix_ms: key & 0xFFF_FFFF_FFFF }
    };
    let sent = as_sent(&clip, 2, code);
    keep(&format!("sent-{}x{}-{b_frames}.h264", size.width, size.height), &sent);
    let pictures = decoded(StreetCodec::H264, &sent);
    assert_eq!(pictures.len(), 60);
    for (place, picture) in pictures.iter().enumerate() {
        assert_eq!(picture.code(), Some(code(place as u32 / 30, place as u32 % 30)), "picture {place}");
    }
    // Whatever the code says, the rest is the same: no prediction reaches into it.
    let other = decoded(StreetCodec::H264, &as_sent(&clip, 2, |_, number| BlockCode { camera: 1, frame: number, unix_ms: 0 }));
    for (place, (one, other)) in pictures.iter().zip(&other).enumerate() {
        assert!(one.below_the_strip() == other.below_the_strip(), "picture {place} is touched by its code");
    }
    for (one, later) in pictures.iter().zip(&pictures[30..]) {
        assert!(one.below_the_strip() == later.below_the_strip(), "the second round differs from the first");
    }
}

#[test]
fn every_picture_shows_its_code() {
    check_code(PictureSize::new(640, 512), false);
}

#[test]
fn every_picture_shows_its_code_with_b_frames() {
    check_code(PictureSize::new(640, 512), true);
}

#[test]
fn every_picture_shows_its_code_in_high_definition() {
    check_code(PictureSize::new(1920, 1080), false);
    check_code(PictureSize::new(704, 576), true);
}

#[test]
fn a_frozen_clip_repeats_its_key_frame_to_the_bit() {
    for b_frames in [false, true] {
        let clip = clip_of(coding(StreetCodec::H264, PictureSize::new(640, 512), b_frames), 20);
        let frozen = clip.frozen().expect("frozen");
        let code = BlockCode { camera: 5, frame: 77, unix_ms: 1_768_750_200_123 };
        let pictures = decoded(StreetCodec::H264, &as_sent(&frozen, 3, |_, _| code));
        assert_eq!(pictures.len(), 30);
        assert!(pictures.iter().all(|picture| picture.code() == Some(code) && picture.luma == pictures[0].luma));
    }
}

#[test]
fn h265_shows_its_place_in_the_clip() {
    for b_frames in [false, true] {
        let clip = clip_of(coding(StreetCodec::H265, PictureSize::new(640, 512), b_frames), 20);
        let sent = as_sent(&clip, 2, |_, _| BlockCode { camera: 0, frame: 0, unix_ms: 0 });
        keep(&format!("sent-{b_frames}.h265"), &sent);
        let pictures = decoded(StreetCodec::H265, &sent);
        assert_eq!(pictures.len(), 40);
        for (place, picture) in pictures.iter().enumerate() {
            let wanted = BlockCode { camera: 4095, frame: place as u32 % 20, unix_ms: 0 };
            assert_eq!(picture.code(), Some(wanted), "picture {place}");
        }
    }
}

#[test]
fn rates_are_kept() {
    let size = PictureSize::new(1920, 1080);
    let coding = Coding { fps: 25.0, gop: 50, ..coding(StreetCodec::H264, size, false) };
    let clip = clip_of(coding, 100);
    let bytes_of = |unit: &super::clip::AccessUnit| unit.variants[0].nals.iter().map(|nal| nal.len()).sum::<usize>();
    let keys: Vec<_> = clip.gops.iter().map(|group| bytes_of(&group[0])).collect();
    let all: usize = clip.gops.iter().flatten().map(bytes_of).sum();
    let kbps = all as f64 * 8.0 / 4.0 / 1000.0;
    assert!(keys.iter().all(|bytes| (80_000..250_000).contains(bytes)), "{keys:?}");
    assert!((1200.0..3000.0).contains(&kbps), "{kbps} kbit/s");
}

#[test]
fn without_a_code_the_whole_street_is_seen() {
    let size = PictureSize::new(640, 512);
    let clip = clip_of(Coding { coded: false, ..coding(StreetCodec::H264, size, false) }, 10);
    let pictures = decoded(StreetCodec::H264, &as_sent(&clip, 1, |_, _| BlockCode { camera: 0, frame: 0, unix_ms: 0 }));
    let original = Content::street(&street(10.0, false), 0, 10, size).expect("a street").picture(3, size);
    let apart: u64 = pictures[3].luma.iter().zip(&original).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
    assert!(pictures[3].code().is_none() && apart / (original.len() as u64) < 6, "{apart}");
}
