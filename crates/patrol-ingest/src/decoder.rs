//! Access units to planes, on the thread that asks.
//!
//! ```text
//! source pad ─► avdec_* ─► videoconvert (passes through what we can use) ─► sink pad
//! ```
//! There is no pipeline and no thread of GStreamer's: `push` returns when the unit is decoded, so the queue is empty between calls,
//! a broken stream cannot hang anything, and the work is counted where it is asked for.

use crate::codecs::{Decoders, codec_of};
use crate::concealed;
use crate::error::IngestError;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use patrol_core::picture::PixelBuffer;
use patrol_core::{MediaTime, Picture, PictureSize, PixelFormat, WallEstimate};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A decoded picture before it has its place in time.
pub(crate) struct Decoded {
    buffer: gst::Buffer,
    info: gst_video::VideoInfo,
}

#[derive(Default)]
struct Output {
    info: Option<gst_video::VideoInfo>,
    decoded: VecDeque<Decoded>,
}

pub(crate) struct Decoder {
    elements: Vec<gst::Element>,
    source: gst::Pad,
    sink: gst::Pad,
    output: Arc<Mutex<Output>>,
    caps: Option<gst::Caps>,
}

pub(crate) fn make(name: &str) -> Result<gst::Element, IngestError> {
    gst::ElementFactory::make(name).build().map_err(|_| IngestError::Gstreamer { what: format!("lacks the element `{name}`") })
}

fn failed(what: impl std::fmt::Display) -> IngestError {
    IngestError::Gstreamer { what: format!("could not set up a decoder: {what}") }
}

fn stream_of(caps: &gst::CapsRef) -> &str {
    caps.structure(0).map_or("nothing", |structure| structure.name().as_str())
}

impl Decoder {
    /// A decoder for streams like `caps` that uses at most `threads` threads: the element `chosen`, or libavcodec's.
    pub(crate) fn new(caps: &gst::CapsRef, threads: u32, chosen: Option<&str>) -> Result<Self, IngestError> {
        let stream = stream_of(caps);
        let codec = codec_of(stream).ok_or_else(|| failed(format!("no decoder for {stream}")))?;
        let mut elements = Vec::new();
        if chosen.is_some()
            && let Some(parser) = codec.parser
        {
            // Others than libavcodec's refuse a stream whose caps do not name its profile and size.
            elements.push(make(parser)?);
        }
        if let Some(name) = chosen.or(codec.decoder) {
            let decoder = make(name)?;
            // Errors are counted by us, picture by picture; the element must not give up after ten.
            if decoder.has_property("max-errors") {
                decoder.set_property("max-errors", -1_i32);
            }
            let is_libav = name.starts_with("avdec_");
            // Pictures that hang on references never received count as undecodable; concealed slices are still given.
            if is_libav {
                decoder.set_property("output-corrupt", false);
            }
            if is_libav && decoder.has_property("max-threads") {
                decoder.set_property("max-threads", threads.clamp(1, 16) as i32);
            }
            elements.push(decoder);
        }
        elements.push(make("videoconvert")?);

        let output = Arc::new(Mutex::new(Output::default()));
        let source = gst::Pad::builder(gst::PadDirection::Src).name("units").build();
        let sink = sink_pad(&output)?;
        let (Some(first), Some(last)) = (elements.first(), elements.last()) else { return Err(failed("no elements")) };
        for pair in elements.windows(2) {
            pair[0].link(&pair[1]).map_err(failed)?;
        }
        source.link(&static_pad(first, "sink")?).map_err(failed)?;
        static_pad(last, "src")?.link(&sink).map_err(failed)?;
        sink.set_active(true).map_err(failed)?;
        for element in elements.iter().rev() {
            element.set_state(gst::State::Paused).map_err(failed)?;
        }
        source.set_active(true).map_err(failed)?;
        source.push_event(gst::event::StreamStart::new("patrol"));
        Ok(Self { elements, source, sink, output, caps: None })
    }

    /// A decoder that gives each picture as soon as it can. Where a stream does not say how far its pictures are reordered, the standard
    /// has a decoder hold back as many as could be (16 at the sizes of street cameras: seconds); this one waits only for as many
    /// as it has seen reordered, and loses one or two pictures each time it learns that there are more.
    /// On one thread: the cores belong to the looks.
    pub(crate) fn live(caps: &gst::CapsRef, decoders: &Decoders) -> Result<Self, IngestError> {
        concealed::listen()?;
        let decoder = Self::new(caps, 1, decoders.of(stream_of(caps)))?;
        for element in decoder.elements.iter().filter(|element| element.has_property("std-compliance")) {
            element.set_property_from_str("std-compliance", "normal");
        }
        Ok(decoder)
    }

    /// Whether this decoder is one for streams like `caps`.
    pub(crate) fn fits(&self, caps: &gst::CapsRef) -> bool {
        self.caps.as_ref().is_none_or(|own| own.structure(0).map(gst::StructureRef::name) == caps.structure(0).map(gst::StructureRef::name))
    }

    /// Decodes one access unit of a stream with `caps`. What it gave is taken with [`Self::take`].
    pub(crate) fn push(&mut self, unit: gst::Buffer, caps: &gst::CapsRef) -> Result<(), gst::FlowError> {
        if self.caps.as_deref() != Some(caps) {
            let is_first = self.caps.is_none();
            let caps = caps.to_owned();
            self.source.push_event(gst::event::Caps::new(&caps));
            self.caps = Some(caps);
            if is_first {
                // One segment without an end, whatever the container says: a decoder drops pictures outside of the segment.
                let segment = gst::FormattedSegment::<gst::ClockTime>::new();
                self.source.push_event(gst::event::Segment::new(&segment));
            }
        }
        self.source.push(unit).map(|_| ())
    }

    /// Makes the decoder give what it holds back. Nothing can be pushed afterwards.
    pub(crate) fn finish(&mut self) {
        self.source.push_event(gst::event::Eos::new());
    }

    /// The next picture decoded so far.
    pub(crate) fn take(&self) -> Option<Decoded> {
        lock(&self.output).decoded.pop_front()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Downstream last: an element must not push into one that is gone.
        if let Err(error) = self.source.set_active(false) {
            tracing::debug!(%error, "decoder source pad stayed active");
        }
        for element in &self.elements {
            if let Err(error) = element.set_state(gst::State::Null) {
                tracing::warn!(%error, "decoder element did not stop");
            }
        }
        if let Err(error) = self.sink.set_active(false) {
            tracing::debug!(%error, "decoder sink pad stayed active");
        }
    }
}

fn static_pad(element: &gst::Element, name: &str) -> Result<gst::Pad, IngestError> {
    element.static_pad(name).ok_or_else(|| failed(format!("{} has no pad {name}", element.name())))
}

fn sink_pad(output: &Arc<Mutex<Output>>) -> Result<gst::Pad, IngestError> {
    let formats =
        [gst_video::VideoFormat::I420, gst_video::VideoFormat::Nv12, gst_video::VideoFormat::Gray8, gst_video::VideoFormat::Gray16Le];
    let caps = gst_video::VideoCapsBuilder::new().format_list(formats).build();
    // From a template: without one the pad answers with its present caps and the first change of size is refused.
    let template = gst::PadTemplate::new("pictures", gst::PadDirection::Sink, gst::PadPresence::Always, &caps).map_err(failed)?;
    let (on_event, on_buffer) = (Arc::clone(output), Arc::clone(output));
    Ok(gst::Pad::builder_from_template(&template)
        .name("pictures")
        .event_function(move |_, _, event| {
            if let gst::EventView::Caps(caps) = event.view() {
                let info = gst_video::VideoInfo::from_caps(caps.caps()).ok();
                let understood = info.is_some();
                lock(&on_event).info = info;
                return understood;
            }
            true
        })
        .chain_function(move |_, _, buffer| {
            let mut output = lock(&on_buffer);
            let info = output.info.clone().ok_or(gst::FlowError::NotNegotiated)?;
            output.decoded.push_back(Decoded { buffer, info });
            Ok(gst::FlowSuccess::Ok)
        })
        .query_function(|pad, parent, query| {
            if let gst::QueryViewMut::Allocation(allocation) = query.view_mut() {
                // Lets the decoder hand out its own padded planes instead of copying them into tight ones.
                allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
                return true;
            }
            gst::Pad::query_default(pad, parent, query)
        })
        .build())
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A decoder's buffer, mapped for as long as the picture lives.
struct Mapped(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl PixelBuffer for Mapped {
    fn plane(&self, index: usize) -> &[u8] {
        self.0.plane_data(index as u32).unwrap_or(&[])
    }
}

impl Decoded {
    /// Timestamp in nanoseconds, as the decoder gave it.
    pub(crate) fn raw_ns(&self) -> Option<i64> {
        self.buffer.pts().and_then(|pts| i64::try_from(pts.nseconds()).ok())
    }

    /// Frame rate of the stream, 0 when variable or unknown.
    pub(crate) fn fps(&self) -> f64 {
        let fps = self.info.fps();
        if fps.denom() == 0 { 0.0 } else { f64::from(fps.numer()) / f64::from(fps.denom()) }
    }

    pub(crate) fn size(&self) -> PictureSize {
        PictureSize::new(self.info.width(), self.info.height())
    }

    /// The picture, sharing the decoder's memory.
    pub(crate) fn into_picture(self, sequence: u64, media_time: MediaTime, captured: WallEstimate) -> Result<Picture, String> {
        let size = self.size();
        let format = match self.info.format() {
            gst_video::VideoFormat::I420 => PixelFormat::I420,
            gst_video::VideoFormat::Nv12 => PixelFormat::Nv12,
            gst_video::VideoFormat::Gray8 => PixelFormat::Gray8,
            gst_video::VideoFormat::Gray16Le => PixelFormat::Gray16Le,
            other => return Err(format!("the decoder gave planes of format {other}")),
        };
        let frame = gst_video::VideoFrame::from_buffer_readable(self.buffer, &self.info)
            .map_err(|_| "the decoder's memory could not be mapped".to_owned())?;
        let strides: Result<Vec<usize>, _> = frame.plane_stride().iter().map(|stride| usize::try_from(*stride)).collect();
        let strides = strides.map_err(|_| "the decoder gave a picture stored upside down".to_owned())?;
        Picture::new(size, format, &strides, Arc::new(Mapped(frame)), sequence, media_time, captured).map_err(|error| error.to_string())
    }
}
