//! Clips: pictures encoded once, at the start, and replayed for ever.

use super::avc::{ParameterSets, SliceHead, with_idr_pic_id};
use super::bits::nals_of;
use super::code::BlockCode;
use super::content::Content;
use crate::error::SimError;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use patrol_core::PictureSize;
use std::fmt;
use std::sync::Arc;

/// How pictures are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreetCodec {
    H264,
    H265,
}

impl fmt::Display for StreetCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
        })
    }
}

/// What the encoder is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    pub(super) codec: StreetCodec,
    pub(super) size: PictureSize,
    pub(super) fps: f64,
    pub(super) kbps: u32,
    /// Pictures from key frame to key frame.
    pub(super) gop: u32,
    pub(super) b_frames: bool,
    /// Whether pictures carry the block code.
    pub(super) coded: bool,
}

/// B pictures between two others, with `b_frames`. They are no references themselves.
const B_FRAMES: u32 = 2;
/// Longest wait for the encoder: a healthy one needs milliseconds a picture.
const ENCODER_TIMEOUT_S: u64 = 60;
/// In its clips H.265 cannot be given a code at send time; this camera number says so.
pub(super) const NO_CAMERA: u16 = 0xFFF;

pub(super) struct Clip {
    pub(super) coding: Coding,
    /// SPS and PPS, before them the VPS of H.265.
    pub(super) sets: Vec<Arc<[u8]>>,
    pub(super) avc: Option<ParameterSets>,
    /// Groups of pictures in decoding order; each begins with an IDR picture.
    pub(super) gops: Vec<Vec<AccessUnit>>,
    /// By how many pictures decoding runs ahead of display at most.
    pub(super) reorder: u32,
}

/// One picture, encoded.
pub(super) struct AccessUnit {
    pub(super) key: bool,
    /// Its place in the group in display order.
    pub(super) display: u32,
    /// Its place in the clip in display order.
    pub(super) number: u32,
    /// The second is for an IDR picture that follows one sent with the first; other pictures have one.
    pub(super) variants: Vec<Variant>,
}

pub(super) struct Variant {
    /// The slice that gives way to the code.
    pub(super) code: Option<SliceHead>,
    pub(super) nals: Vec<Arc<[u8]>>,
}

impl AccessUnit {
    pub(super) fn variant(&self, second: bool) -> Option<&Variant> {
        self.variants.get(usize::from(second)).or_else(|| self.variants.first())
    }
}

fn failed(what: impl fmt::Display) -> SimError {
    SimError::Video { camera: "of the street".into(), what: what.to_string() }
}

/// Longest group, in pictures, that is encoded once in vain for the rate control to find its feet: its first key frame is a fifth of the others.
const WARM_UP_MAX: u32 = 250;

/// Encodes `pictures` pictures of `content`, whole groups.
pub(super) fn encode(coding: Coding, content: &mut Content, pictures: u32) -> Result<Clip, SimError> {
    gst::init().map_err(failed)?;
    let warm_up = if coding.gop <= WARM_UP_MAX { coding.gop } else { 0 };
    let stream = run_encoder(&coding, content, pictures, warm_up)?;
    let mut sets: Vec<Arc<[u8]>> = Vec::new();
    let mut avc = None;
    let mut gops: Vec<Vec<AccessUnit>> = Vec::new();
    let mut reorder = 0;
    for (display, bytes) in stream.iter().skip(warm_up as usize) {
        let nals = nals_of(bytes);
        if sets.is_empty() {
            sets = nals.iter().filter(|nal| coding.codec.is_parameter_set(nal)).map(|nal| Arc::from(*nal)).collect();
            if coding.codec == StreetCodec::H264 {
                avc = sets.iter().zip(sets.iter().skip(1)).find_map(|(sps, pps)| ParameterSets::parse(sps, pps));
                avc.ok_or_else(|| failed("the encoder's parameter sets are not understood"))?;
            }
        }
        let slices: Vec<&[u8]> = nals.into_iter().filter(|nal| coding.codec.is_slice(nal)).collect();
        let key = slices.first().is_some_and(|slice| coding.codec.is_key(slice));
        if key {
            gops.push(Vec::new());
        }
        let gop = gops.len();
        let Some(group) = gops.last_mut() else { return Err(failed("the clip does not begin with a key frame")) };
        let number = display.wrapping_sub(warm_up);
        let display = number.checked_sub((gop as u32 - 1) * coding.gop).filter(|display| *display < coding.gop);
        let display = display.ok_or_else(|| failed(format!("picture {number} stands outside its group {gop}")))?;
        reorder = reorder.max(display.saturating_sub(group.len() as u32));
        let variants = match &avc {
            Some(avc) if key => vec![variant(&coding, avc, &slices, Some(1))?, variant(&coding, avc, &slices, Some(2))?],
            Some(avc) => vec![variant(&coding, avc, &slices, None)?],
            None => vec![Variant { code: None, nals: slices.iter().map(|slice| Arc::from(*slice)).collect() }],
        };
        group.push(AccessUnit { key, display, number, variants });
    }
    if gops.iter().any(|group| group.len() as u32 != coding.gop) || gops.is_empty() {
        let lengths: Vec<_> = gops.iter().map(Vec::len).collect();
        return Err(failed(format!("groups of {} pictures were asked for and {lengths:?} made", coding.gop)));
    }
    Ok(Clip { coding, sets, avc, gops, reorder })
}

fn variant(coding: &Coding, avc: &ParameterSets, slices: &[&[u8]], idr_pic_id: Option<u32>) -> Result<Variant, SimError> {
    let second = slices.get(1).and_then(|slice| SliceHead::parse(slice, avc)).map_or(u32::MAX, |head| head.first_mb);
    if coding.coded && second != 2 * avc.mb_width {
        return Err(failed("the first slice does not end with the strip of the code"));
    }
    let renamed = |slice: &[u8]| match idr_pic_id {
        Some(id) => with_idr_pic_id(slice, avc, id).ok_or_else(|| failed("an IDR slice is not understood")),
        None => Ok(slice.to_vec()),
    };
    let mut nals = slices.iter().map(|slice| renamed(slice).map(Arc::from)).collect::<Result<Vec<Arc<[u8]>>, _>>()?;
    let code = if coding.coded {
        let head = SliceHead::parse(&nals.remove(0), avc);
        Some(head.ok_or_else(|| failed("a slice header is not understood"))?)
    } else {
        None
    };
    Ok(Variant { code, nals })
}

impl Clip {
    /// A clip of one group that shows the key frame of `self` and then repeats it: H.264 only.
    pub(super) fn frozen(&self) -> Option<Self> {
        let avc = self.avc?;
        let group = self.gops.first()?;
        let macroblocks = avc.mb_width * avc.mb_height;
        let mut frozen = Vec::new();
        for unit in group {
            let variants = if unit.key {
                let copy = |variant: &Variant| Variant { code: variant.code.clone(), nals: variant.nals.clone() };
                unit.variants.iter().map(copy).collect()
            } else {
                let variant = unit.variants.first()?;
                let head = match &variant.code {
                    Some(head) => head.clone(),
                    None => SliceHead::parse(variant.nals.first()?, &avc)?,
                };
                vec![Variant { code: None, nals: vec![head.repeat(macroblocks)?.into()] }]
            };
            frozen.push(AccessUnit { key: unit.key, display: unit.display, number: unit.number, variants });
        }
        Some(Self { coding: self.coding, sets: self.sets.clone(), avc: self.avc, gops: vec![frozen], reorder: self.reorder })
    }
}

impl StreetCodec {
    fn nal_type(self, nal: &[u8]) -> u8 {
        match self {
            Self::H264 => nal.first().map_or(0, |byte| byte & 31),
            Self::H265 => nal.first().map_or(0, |byte| byte >> 1 & 63),
        }
    }
    fn is_parameter_set(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => matches!(self.nal_type(nal), 7 | 8),
            Self::H265 => matches!(self.nal_type(nal), 32..=34),
        }
    }
    fn is_slice(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => matches!(self.nal_type(nal), 1 | 5),
            Self::H265 => self.nal_type(nal) < 32,
        }
    }
    /// An IDR picture's.
    fn is_key(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => self.nal_type(nal) == 5,
            Self::H265 => matches!(self.nal_type(nal), 19 | 20),
        }
    }
}

fn description(coding: &Coding) -> String {
    let PictureSize { width, height } = coding.size;
    let rate = gst::Fraction::approximate_f64(coding.fps).unwrap_or_else(|| gst::Fraction::new(10, 1));
    let (gop, kbps) = (coding.gop, coding.kbps);
    let b_frames = if coding.b_frames { B_FRAMES } else { 0 };
    let encoder = match coding.codec {
        // CAVLC and slices of two macroblock rows make room for the code; sliced threads keep the deblocking filter inside slices.
        // Whole-picture quantisers, no look-ahead: little to encode, and pictures come out at once.
        StreetCodec::H264 => format!(
            "x264enc speed-preset=veryfast bitrate={kbps} vbv-buf-capacity=0 key-int-max={gop} bframes={b_frames} b-adapt=false b-pyramid=false \
             rc-lookahead=0 sync-lookahead=0 mb-tree=false threads=2 sliced-threads=true cabac=false ref=1 \
             option-string=\"weightp=0:weightb=0:aq-mode=0:scenecut=0:keyint={gop}:min-keyint={gop}:slice-max-mbs={}\" \
             ! video/x-h264,stream-format=byte-stream,alignment=au",
            2 * width.div_ceil(16)
        ),
        StreetCodec::H265 => format!(
            "x265enc speed-preset=ultrafast bitrate={kbps} key-int-max={gop} \
             option-string=\"bframes={b_frames}:b-adapt=0:b-pyramid=0:scenecut=0:open-gop=0:keyint={gop}:min-keyint={gop}:repeat-headers=1:info=0:rc-lookahead={}:frame-threads=1:pools=1:log-level=none\" \
             ! video/x-h265,stream-format=byte-stream,alignment=au",
            b_frames + 1
        ),
    };
    format!(
        "appsrc name=in format=time max-buffers=4 block=true caps=video/x-raw,format=I420,width={width},height={height},framerate={}/{} \
         ! {encoder} ! appsink name=out sync=false",
        rate.numer(),
        rate.denom()
    )
}

/// Access units in decoding order, with their place in display order. The first `warm_up` are the clip's last.
fn run_encoder(coding: &Coding, content: &mut Content, pictures: u32, warm_up: u32) -> Result<Vec<(u32, Vec<u8>)>, SimError> {
    let pipeline = gst::parse::launch(&description(coding)).map_err(failed)?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| failed("the description made no pipeline"))?;
    let stopped = Stopped(&pipeline);
    let input = pipeline.by_name("in").and_then(|element| element.downcast::<AppSrc>().ok()).ok_or_else(|| failed("no appsrc"))?;
    let sink = pipeline.by_name("out").and_then(|element| element.downcast::<AppSink>().ok()).ok_or_else(|| failed("no appsink"))?;
    let explained = |fallback: &str| match pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error])) {
        Some(message) => match message.view() {
            gst::MessageView::Error(error) => failed(error.error()),
            _ => failed(fallback),
        },
        None => failed(fallback),
    };
    pipeline.set_state(gst::State::Playing).map_err(|_| explained("the encoder does not start"))?;
    let nanos = |number: u32| gst::ClockTime::from_nseconds((f64::from(number) / coding.fps * 1e9).round() as u64);
    let all = pictures + warm_up;
    for number in 0..all {
        let in_clip = (number + pictures - warm_up % pictures) % pictures;
        let mut planes = content.picture(in_clip, coding.size);
        let pixels = planes.len();
        if coding.coded && coding.codec == StreetCodec::H265 {
            BlockCode { camera: NO_CAMERA, frame: in_clip, unix_ms: 0 }.draw(&mut planes, coding.size.width as usize);
        }
        planes.resize(pixels * 3 / 2, 128);
        let mut buffer = gst::Buffer::from_mut_slice(planes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(nanos(number));
            buffer.set_duration(nanos(number + 1) - nanos(number));
        }
        input.push_buffer(buffer).map_err(|error| explained(&error.to_string()))?;
    }
    input.end_of_stream().map_err(failed)?;
    let mut units = Vec::with_capacity(all as usize);
    let mut first_pts = None;
    while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(ENCODER_TIMEOUT_S)) {
        let buffer = sample.buffer().ok_or_else(|| failed("an encoded picture without bytes"))?;
        let bytes = buffer.map_readable().map_err(failed)?.to_vec();
        let pts = buffer.pts().ok_or_else(|| failed("an encoded picture without a time"))?;
        // Encoders with B pictures shift all times alike.
        let since = pts.saturating_sub(*first_pts.get_or_insert(pts));
        units.push(((since.nseconds() as f64 * coding.fps / 1e9).round() as u32, bytes));
    }
    drop(stopped);
    if units.len() as u32 != all {
        return Err(explained(&format!("{} of {all} pictures were encoded", units.len())));
    }
    Ok(units)
}

/// Stops the pipeline when dropped.
struct Stopped<'a>(&'a gst::Pipeline);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if self.0.set_state(gst::State::Null).is_err() {
            tracing::warn!("a street's encoder did not stop");
        }
    }
}
