//! Access units to MP4, as they came, with the index in front so that a browser plays it while it loads.
//!
//! ```text
//! appsrc ─► h264parse / h265parse ─► mp4mux ─► memory
//! ```

use crate::decoder::make;
use crate::error::IngestError;
use crate::ring::{Unit, VideoCodec};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Muxing copies at most 8 MiB; on a busy machine that takes tens of milliseconds.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(3);
/// Shown time of the last picture of a clip of one.
const DURATION_ALONE_NS: i64 = 40_000_000;
/// Index and sample tables: a few bytes a unit.
const OVERHEAD_MAX: usize = 1 << 20;

fn failed(why: impl std::fmt::Display) -> IngestError {
    IngestError::Clip { why: why.to_string() }
}

/// Times of a unit in the clip, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    pts: i64,
    dts: i64,
    duration: i64,
}

/// Decoding times for units in decoding order: the presentation times in ascending order, moved back as a whole until no unit is shown
/// before it is decoded. The first is decoded at 0.
fn times(pts_ns: &[i64]) -> Vec<Times> {
    let mut ascending = pts_ns.to_vec();
    ascending.sort_unstable();
    let delay = ascending.iter().zip(pts_ns).map(|(in_order, pts)| in_order.saturating_sub(*pts)).max().unwrap_or(0);
    let origin = ascending.first().copied().unwrap_or(0).saturating_sub(delay);
    let mut last_step = DURATION_ALONE_NS;
    pts_ns
        .iter()
        .enumerate()
        .map(|(at, pts)| {
            if let Some(next) = ascending.get(at + 1) {
                last_step = next.saturating_sub(ascending[at]).max(1);
            }
            Times { pts: pts.saturating_sub(origin), dts: ascending[at].saturating_sub(delay).saturating_sub(origin), duration: last_step }
        })
        .collect()
}

/// Loads what clips are made with: a missing plugin is told when the patrol starts, not when the first lead is made.
pub(crate) fn prepare() -> Result<(), IngestError> {
    ["h264parse", "h265parse", "mp4mux"].into_iter().try_for_each(|name| make(name).map(drop))
}

/// Muxes units of one stretch, in decoding order, of which the first is a key frame.
pub(crate) fn mux(units: &[Unit]) -> Result<Vec<u8>, IngestError> {
    let Some(first) = units.first() else { return Err(failed("no pictures")) };
    let codec = first.stretch.codec;
    let size_max = units.iter().map(|unit| unit.data.len()).sum::<usize>().saturating_add(OVERHEAD_MAX);

    let pipeline = gst::Pipeline::new();
    let caps = gst::Caps::builder(codec.stream()).field("stream-format", "byte-stream").field("alignment", "au").build();
    let source = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).max_bytes(0).build();
    let parse = make(match codec {
        VideoCodec::H264 => "h264parse",
        VideoCodec::H265 => "h265parse",
    })?;
    let mux = make("mp4mux")?;
    let sink = make("fakesink")?;
    sink.set_property("sync", false);
    sink.set_property("async", false);
    let elements = [source.upcast_ref(), &parse, &mux, &sink];
    pipeline.add_many(elements).map_err(failed)?;
    gst::Element::link_many(elements).map_err(failed)?;
    let memory = Arc::new(Mutex::new(Memory { bytes: Vec::new(), position: 0, size_max }));
    write_into(&memory, &sink.static_pad("sink").ok_or_else(|| failed("fakesink has no sink pad"))?);

    let bus = pipeline.bus().ok_or_else(|| failed("the pipeline has no bus"))?;
    let finished = run(&pipeline, &source, &bus, units);
    if let Err(error) = pipeline.set_state(gst::State::Null) {
        tracing::warn!(%error, "the muxer did not stop");
    }
    finished?;
    let bytes = std::mem::take(&mut lock(&memory).bytes);
    index_first(bytes).ok_or_else(|| failed("the muxer gave no MP4"))
}

fn run(pipeline: &gst::Pipeline, source: &gst_app::AppSrc, bus: &gst::Bus, units: &[Unit]) -> Result<(), IngestError> {
    pipeline.set_state(gst::State::Playing).map_err(failed)?;
    let pts: Vec<i64> = units.iter().map(|unit| unit.pts_ns).collect();
    for (unit, times) in units.iter().zip(times(&pts)) {
        let mut buffer = unit.to_buffer(&Bytes::new());
        if let Some(buffer) = buffer.get_mut() {
            let time = |ns: i64| gst::ClockTime::from_nseconds(ns.max(0) as u64);
            buffer.set_pts(time(times.pts));
            buffer.set_dts(time(times.dts));
            buffer.set_duration(time(times.duration));
        }
        source.push_buffer(buffer).map_err(failed)?;
    }
    source.end_of_stream().map_err(failed)?;
    let message = bus.timed_pop_filtered(LIMIT, &[gst::MessageType::Eos, gst::MessageType::Error]);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => Err(failed(error.error())),
        _ => Err(failed(format!("the muxer did not finish within {} s", LIMIT.seconds()))),
    }
}

/// A file in memory: the muxer goes back to write the size of what it wrote.
struct Memory {
    bytes: Vec<u8>,
    position: usize,
    size_max: usize,
}

impl Memory {
    fn write(&mut self, data: &[u8]) -> bool {
        let Some(end) = self.position.checked_add(data.len()).filter(|end| *end <= self.size_max) else { return false };
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[self.position..end].copy_from_slice(data);
        self.position = end;
        true
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a sink's pad write into memory, like a file that can be gone back in.
fn write_into(memory: &Arc<Mutex<Memory>>, pad: &gst::Pad) {
    let memory = Arc::clone(memory);
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::QUERY_DOWNSTREAM;
    pad.add_probe(kinds, move |_, info| match &mut info.data {
        Some(gst::PadProbeData::Buffer(buffer)) => {
            let is_kept = buffer.map_readable().is_ok_and(|map| lock(&memory).write(&map));
            if is_kept { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
        }
        Some(gst::PadProbeData::Event(event)) => {
            if let gst::EventView::Segment(segment) = event.view()
                && let Some(bytes) = segment.segment().downcast_ref::<gst::format::Bytes>()
            {
                lock(&memory).position = bytes.start().map_or(0, |start| usize::try_from(*start).unwrap_or(usize::MAX));
            }
            gst::PadProbeReturn::Ok
        }
        Some(gst::PadProbeData::Query(query)) => {
            if let gst::QueryViewMut::Seeking(seeking) = query.view_mut()
                && seeking.format() == gst::Format::Bytes
            {
                seeking.set(true, gst::format::Bytes::ZERO, None::<gst::format::Bytes>);
                return gst::PadProbeReturn::Handled;
            }
            gst::PadProbeReturn::Ok
        }
        _ => gst::PadProbeReturn::Ok,
    });
}

/// Moves the index (`moov`) in front of the pictures (`mdat`); boxes as in ISO/IEC 14496-12.
fn index_first(file: Vec<u8>) -> Option<Vec<u8>> {
    let boxes = boxes(&file)?;
    let of = |kind: &[u8; 4]| boxes.iter().find(|found| found.0 == *kind).map(|found| found.1.clone());
    let (index, pictures) = (of(b"moov")?, of(b"mdat")?);
    if index.start < pictures.start {
        return Some(file);
    }
    let mut moved = file[index.clone()].to_vec();
    add_to_offsets(&mut moved, index.len())?;
    let mut whole = Vec::with_capacity(file.len());
    whole.extend_from_slice(&file[..pictures.start]);
    whole.extend_from_slice(&moved);
    whole.extend_from_slice(&file[pictures.start..index.start]);
    whole.extend_from_slice(&file[index.end..]);
    Some(whole)
}

type Span = std::ops::Range<usize>;

/// Kind and place of each box at one level.
fn boxes(bytes: &[u8]) -> Option<Vec<([u8; 4], Span)>> {
    let (mut found, mut at) = (Vec::new(), 0_usize);
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        let kind = bytes.get(at + 4..at + 8)?.try_into().ok()?;
        let size = match size {
            0 => bytes.len() - at,
            1 => usize::try_from(u64::from_be_bytes(bytes.get(at + 8..at + 16)?.try_into().ok()?)).ok()?,
            size => size as usize,
        };
        let end = at.checked_add(size).filter(|end| size >= 8 && *end <= bytes.len())?;
        found.push((kind, at..end));
        at = end;
    }
    Some(found)
}

/// Adds to every chunk offset below a box.
fn add_to_offsets(parent: &mut [u8], added: usize) -> Option<()> {
    for (kind, span) in boxes(parent.get(8..)?)? {
        let child = parent.get_mut(8 + span.start..8 + span.end)?;
        match &kind {
            b"trak" | b"mdia" | b"minf" | b"stbl" => add_to_offsets(child, added)?,
            b"stco" => {
                for entry in child.get_mut(16..)?.as_chunks_mut::<4>().0 {
                    *entry = u32::from_be_bytes(*entry).checked_add(u32::try_from(added).ok()?)?.to_be_bytes();
                }
            }
            b"co64" => {
                for entry in child.get_mut(16..)?.as_chunks_mut::<8>().0 {
                    *entry = u64::from_be_bytes(*entry).checked_add(added as u64)?.to_be_bytes();
                }
            }
            _ => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dts(pts: &[i64]) -> Vec<i64> {
        times(pts).iter().map(|times| times.dts).collect()
    }

    #[test]
    fn units_are_decoded_in_order_and_never_after_they_are_shown() {
        assert_eq!(dts(&[100, 140, 180]), [0, 40, 80]);
        // I P B B: one picture is shown two places earlier than it is decoded.
        let pts = [100, 220, 140, 180, 340, 260, 300];
        let all = times(&pts);
        assert!(all.windows(2).all(|pair| pair[0].dts < pair[1].dts));
        assert!(all.iter().all(|times| times.dts <= times.pts));
        assert_eq!(dts(&[5]), [0]);
        assert!(times(&[]).is_empty());
    }

    #[test]
    fn what_is_no_mp4_is_refused() {
        assert_eq!(index_first(vec![0, 0, 0, 9, b'm', b'o', b'o', b'v']), None);
        assert_eq!(index_first(Vec::new()), None);
        assert_eq!(index_first(vec![0; 64]), None);
    }
}
