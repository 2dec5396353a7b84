//! What scene streams and scene files share of GStreamer: the encoder's settings and the way pictures get in.

use crate::error::SimError;
use crate::scene::SceneCamera;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use std::fmt::Display;

/// Longest wait for one picture: a healthy encoder needs milliseconds.
pub(crate) const PICTURE_TIMEOUT_S: u64 = 10;
/// Quantiser: coarse enough for a few hundred kbit/s, fine enough that sensor noise survives and no two pictures are bit-equal.
const QUANTIZER: u32 = 20;
/// Key frames come every two seconds, as most cameras are set.
const KEY_FRAMES_EVERY_S: f64 = 2.0;

pub(crate) fn failed(camera: &SceneCamera, what: &dyn Display) -> SimError {
    SimError::Video { camera: camera.id.to_string(), what: what.to_string() }
}

/// `appsrc ! x264enc`, to be continued with ` ! …`. One thread: the same pictures give the same bytes.
pub(crate) fn encoder(camera: &SceneCamera) -> String {
    let key_frames = ((camera.fps * KEY_FRAMES_EVERY_S).round() as u32).clamp(1, 250);
    let fps = gst::Fraction::approximate_f64(camera.fps).unwrap_or_else(|| gst::Fraction::new(2, 1));
    let (width, height) = (camera.size.width, camera.size.height);
    format!(
        "appsrc name=in format=time max-buffers=2 block=true caps=video/x-raw,format=I420,width={width},height={height},framerate={}/{} \
         ! x264enc tune=zerolatency speed-preset=ultrafast pass=quant quantizer={QUANTIZER} threads=1 sliced-threads=false \
         key-int-max={key_frames} option-string=scenecut=0",
        fps.numer(),
        fps.denom()
    )
}

/// A running pipeline. It is stopped when dropped.
pub(crate) struct Running {
    pub(crate) pipeline: gst::Pipeline,
    pub(crate) input: AppSrc,
}

impl Running {
    pub(crate) fn launch(camera: &SceneCamera, description: &str) -> Result<Self, SimError> {
        gst::init().map_err(|error| failed(camera, &error))?;
        let pipeline = gst::parse::launch(description)
            .map_err(|error| failed(camera, &error))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| failed(camera, &"the description made no pipeline"))?;
        let input = pipeline.by_name("in").and_then(|element| element.downcast::<AppSrc>().ok());
        let input = input.ok_or_else(|| failed(camera, &"the pipeline has no appsrc"))?;
        pipeline.set_state(gst::State::Playing).map_err(|error| failed(camera, &error))?;
        Ok(Self { pipeline, input })
    }

    pub(crate) fn sink(&self, camera: &SceneCamera) -> Result<AppSink, SimError> {
        let sink = self.pipeline.by_name("out").and_then(|element| element.downcast::<AppSink>().ok());
        sink.ok_or_else(|| failed(camera, &"the pipeline has no appsink"))
    }

    /// Pushes picture number `frame`, I420.
    pub(crate) fn push(&self, camera: &SceneCamera, frame: u64, i420: &[u8]) -> Result<(), SimError> {
        let mut buffer = gst::Buffer::from_mut_slice(i420.to_vec());
        let nanos = |frame: u64| gst::ClockTime::from_nseconds((frame as f64 / camera.fps * 1e9).round() as u64);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(nanos(frame));
            buffer.set_duration(nanos(frame + 1) - nanos(frame));
        }
        self.input.push_buffer(buffer).map(|_| ()).map_err(|error| self.explained(camera, &error.to_string()))
    }

    /// The pipeline's own word on what went wrong, else `fallback`.
    pub(crate) fn explained(&self, camera: &SceneCamera, fallback: &str) -> SimError {
        let message = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => failed(camera, &error.error()),
            _ => failed(camera, &fallback),
        }
    }

    /// Ends the stream and waits until the last byte is written.
    pub(crate) fn finish(&self, camera: &SceneCamera) -> Result<(), SimError> {
        self.input.end_of_stream().map_err(|error| failed(camera, &error))?;
        let bus = self.pipeline.bus().ok_or_else(|| failed(camera, &"the pipeline has no bus"))?;
        let timeout = gst::ClockTime::from_seconds(6 * PICTURE_TIMEOUT_S);
        let message = bus.timed_pop_filtered(timeout, &[gst::MessageType::Eos, gst::MessageType::Error]);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(error)) => Err(failed(camera, &error.error())),
            _ => Err(failed(camera, &"the file was not finished in time")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("a scene's video pipeline did not stop");
        }
    }
}
