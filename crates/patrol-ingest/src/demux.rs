//! Bytes of a file to access units: `filesrc ! demuxer ! parser ! appsink`, with a bounded queue.
//!
//! Demuxer and parser are chosen here, by content, and not by `parsebin`: that swallows errors which a demuxer reports while it is
//! being started, and a refused file would then look like one that never answers.

use crate::codecs::codec_of;
use crate::decoder::make;
use crate::error::IngestError;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Access units that wait between the demuxer's thread and ours.
const QUEUE_UNITS: u32 = 8;
/// How long one wait for a unit lasts before the bus is looked at.
const WAIT_MS: u64 = 100;
/// A file that gives nothing for so long lies on a share that is gone. Large files with their index at the end need a few seconds.
const STALLED_AFTER_S: u64 = 30;
/// Bytes looked at to tell the container; a transport stream shows itself after a few packets of 188.
const PROBE_BYTES: u64 = 256 << 10;

/// What the demuxer found, written by GStreamer's threads.
#[derive(Default)]
struct Found {
    video: Option<gst_app::AppSink>,
    /// A video stream that appeared after the first had begun: the same programme under other numbers, after a splice.
    successor: Option<gst_app::AppSink>,
    /// Streams that we do not use, by type.
    unused: Vec<String>,
    /// A video stream that we cannot decode.
    foreign_video: Option<String>,
    /// The container has told all its streams.
    complete: bool,
}

pub(crate) struct Demuxer {
    path: PathBuf,
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    found: Arc<Mutex<Found>>,
    video: Option<gst_app::AppSink>,
    /// An error was reported: what is queued is still good, nothing will follow.
    broken: bool,
}

/// The demuxer for a container type, as GStreamer's type finders name it.
fn demuxer_for(container: &str) -> Option<&'static str> {
    match container {
        "video/quicktime" => Some("qtdemux"),
        "video/x-matroska" | "video/webm" => Some("matroskademux"),
        "video/mpegts" => Some("tsdemux"),
        "video/x-msvideo" => Some("avidemux"),
        _ => None,
    }
}

/// A unit with the caps it is to be decoded under.
pub(crate) struct EncodedUnit {
    pub(crate) buffer: gst::Buffer,
    pub(crate) caps: gst::Caps,
}

impl Demuxer {
    /// Starts reading; whether it is a video shows with the first [`Self::next`].
    pub(crate) fn open(path: &Path) -> Result<Self, IngestError> {
        let container = container_of(path)?;
        let Some(name) = demuxer_for(&container) else {
            return Err(IngestError::NotVideo { path: path.to_owned(), found: container });
        };
        let pipeline = gst::Pipeline::new();
        let source = make("filesrc")?;
        source.set_property("location", path);
        let demux = make(name)?;
        let setup = |what: gst::glib::BoolError| IngestError::Gstreamer { what: format!("could not set up a demuxer: {what}") };
        pipeline.add_many([&source, &demux]).map_err(setup)?;
        source.link(&demux).map_err(setup)?;
        let found = Arc::new(Mutex::new(Found::default()));
        let (weak_pipeline, on_pad, on_last_pad) = (pipeline.downgrade(), Arc::clone(&found), Arc::clone(&found));
        demux.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak_pipeline.upgrade() else { return };
            if let Err(error) = attach(&pipeline, pad, &on_pad) {
                tracing::warn!(%error, pad = %pad.name(), "a stream of the file could not be attached");
            }
        });
        demux.connect_no_more_pads(move |_| lock(&on_last_pad).complete = true);
        let bus = pipeline.bus().ok_or_else(|| IngestError::Gstreamer { what: "gave a pipeline without a bus".to_owned() })?;
        let demuxer = Self { path: path.to_owned(), pipeline, bus, found, video: None, broken: false };
        // A failure here is told in more words on the bus, which `next` reads.
        if demuxer.pipeline.set_state(gst::State::Playing).is_err() {
            tracing::debug!(path = %path.display(), "the demuxer refused to start");
        }
        Ok(demuxer)
    }

    /// The next unit; `None` at the end of the file, also of one that was cut off after its first unit.
    pub(crate) fn next(&mut self) -> Result<Option<EncodedUnit>, IngestError> {
        let wait = gst::ClockTime::from_mseconds(WAIT_MS);
        for _ in 0..STALLED_AFTER_S * 1000 / WAIT_MS {
            if self.video.is_none() {
                self.video.clone_from(&lock(&self.found).video);
            }
            if let Some(video) = &self.video {
                if let Some(sample) = video.try_pull_sample(wait) {
                    let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps_owned()) else { continue };
                    return Ok(Some(EncodedUnit { buffer, caps }));
                }
                let successor = lock(&self.found).successor.take();
                if let Some(successor) = successor {
                    // Whatever the old stream still gives must not block the thread that feeds the new one.
                    video.set_drop(true);
                    self.video = Some(successor);
                    continue;
                }
                if video.is_eos() || self.broken {
                    return Ok(None);
                }
            }
            let wait_on_bus = if self.video.is_none() { wait } else { gst::ClockTime::ZERO };
            let message = self.bus.timed_pop_filtered(wait_on_bus, &[gst::MessageType::Error, gst::MessageType::Eos]);
            let (has_video, complete) = {
                let found = lock(&self.found);
                (found.video.is_some(), found.complete)
            };
            let Some(message) = message else {
                if complete && !has_video {
                    return Err(self.no_video("no stream at all"));
                }
                continue;
            };
            match message.view() {
                gst::MessageView::Error(error) => {
                    let (error, details) = (error.error(), error.debug().unwrap_or_default());
                    tracing::warn!(path = %self.path.display(), %error, %details, "reading the file broke off");
                    if !has_video {
                        return Err(self.no_video(&error.to_string()));
                    }
                    if error.matches(gst::ResourceError::Read) {
                        return Err(IngestError::BrokeOff { path: self.path.clone(), why: error.to_string() });
                    }
                    self.broken = true;
                }
                _ if !has_video => return Err(self.no_video("no stream at all")),
                _ => {}
            }
        }
        Err(IngestError::Stalled { path: self.path.clone(), seconds: STALLED_AFTER_S })
    }

    /// The file ended or was refused and no video stream had shown up.
    fn no_video(&self, otherwise: &str) -> IngestError {
        let found = lock(&self.found);
        let path = self.path.clone();
        match &found.foreign_video {
            Some(caps) => IngestError::Codec { path, found: caps.clone() },
            None if found.unused.is_empty() => IngestError::NotVideo { path, found: otherwise.trim_end_matches('.').to_owned() },
            None => IngestError::NoVideoStream { path, found: found.unused.join(", ") },
        }
    }
}

impl Drop for Demuxer {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, path = %self.path.display(), "the demuxer did not stop");
        }
    }
}

/// What the first bytes of the file look like.
fn container_of(path: &Path) -> Result<String, IngestError> {
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(PROBE_BYTES).read_to_end(&mut head))
        .map_err(|source| IngestError::Read { path: path.to_owned(), source })?;
    let (_, caps) = gst::SliceTypeFind::type_find(&head);
    let name = caps.as_ref().and_then(|caps| caps.structure(0)).map(|structure| structure.name().to_string());
    Ok(name.unwrap_or_else(|| "bytes of no known type".to_owned()))
}

/// Connects a new stream of the file: the first video that we can decode to our queue, everything else to nowhere.
fn attach(pipeline: &gst::Pipeline, pad: &gst::Pad, found: &Mutex<Found>) -> Result<(), String> {
    let text = |error: gst::glib::BoolError| error.to_string();
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let stream = caps.structure(0).map_or_else(|| "unknown".to_owned(), |structure| structure.name().to_string());
    // Pads come one after another, from the demuxer's one thread.
    let (has_video, complete) = {
        let found = lock(found);
        (found.video.is_some(), found.complete)
    };
    let mut elements = Vec::new();
    let mut video = None;
    if let Some(codec) = codec_of(&stream).filter(|_| !has_video || complete) {
        if let Some(parser) = codec.parser {
            elements.push(gst::ElementFactory::make(parser).build().map_err(text)?);
        }
        let mut accepted = gst::Caps::builder(stream.as_str());
        if codec.parser.is_some() {
            accepted = accepted.field("alignment", "au");
        }
        let queue = gst_app::AppSink::builder()
            .caps(&accepted.build())
            .sync(false)
            .async_(false)
            .max_buffers(QUEUE_UNITS)
            .drop(false)
            .wait_on_eos(false)
            .build();
        elements.push(queue.clone().upcast());
        video = Some(queue);
    } else {
        elements.push(gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build().map_err(text)?);
    }
    pipeline.add_many(&elements).map_err(text)?;
    gst::Element::link_many(&elements).map_err(text)?;
    for element in elements.iter().rev() {
        element.sync_state_with_parent().map_err(text)?;
    }
    let into = elements.first().and_then(|first| first.static_pad("sink")).ok_or("the sink has no pad")?;
    pad.link(&into).map_err(|error| error.to_string())?;

    // Told only now: a queue that has not been started answers that it is at its end.
    let mut found = lock(found);
    match video {
        Some(video) if has_video => found.successor = Some(video),
        Some(video) => found.video = Some(video),
        None => {
            if stream.starts_with("video/") || stream.starts_with("image/") {
                found.foreign_video.get_or_insert_with(|| stream.clone());
            }
            found.unused.push(stream);
        }
    }
    Ok(())
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}
