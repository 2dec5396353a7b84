//! A file to measure by: what one street camera sends in a minute, as H.264 in MP4; and what decoding it costs at least.

use super::StreetConfig;
use super::content::{self, Content};
use crate::error::SimError;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use patrol_core::PictureSize;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest wait for one picture: a healthy pipeline needs milliseconds.
const TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(60);
/// Grey of a picture without colour.
const NO_COLOUR: u8 = 128;
/// Every recording is crossed by a chequered board, so that no two pictures are alike and each must be examined: its width and height as parts of the
/// picture's height, the side of a field in pixels, and how far it goes from picture to picture.
const BOARD_PART: [f64; 2] = [0.09, 0.22];
const BOARD_FIELD_PX: usize = 24;
const BOARD_STEP_PX: usize = 12;
const BOARD_GREYS: [u8; 2] = [40, 210];

/// Writes `pictures` pictures of the street of `config`, crossed by the board, of its size, rate and distance of key frames, without a code.
pub fn render_recording(config: &StreetConfig, pictures: u32, out: &Path) -> Result<(), SimError> {
    let shown = content::Street { seed: config.seed, empty: config.empty, fps: config.fps, strip: false };
    let mut content = Content::street(&shown, 0, 2 * pictures, config.size)?;
    let mut writer = Writer::create(config, out)?;
    for number in 0..pictures {
        let mut planes = content.picture(number, config.size);
        let pixels = planes.len();
        planes.resize(pixels * 3 / 2, NO_COLOUR);
        writer.push(gst::Buffer::from_mut_slice(planes))?;
    }
    writer.finish()
}

/// Writes the first `pictures` pictures of the video `input`, crossed by the board, scaled to the size of `config` and played at its rate; a shorter
/// video begins anew.
pub fn transcode(input: &Path, config: &StreetConfig, pictures: u32, out: &Path) -> Result<(), SimError> {
    let mut writer = Writer::create(config, out)?;
    let mut left = pictures;
    while left > 0 {
        let written = transcode_once(input, config, left, &mut writer)?;
        if written == 0 {
            return Err(failed(format!("{} holds no pictures", input.display())));
        }
        left -= written;
    }
    writer.finish()
}

fn transcode_once(input: &Path, config: &StreetConfig, most: u32, writer: &mut Writer) -> Result<u32, SimError> {
    let reader = Running::launch(&format!(
        "filesrc name=file ! decodebin ! videoconvert ! videoscale \
         ! video/x-raw,format=I420,width={},height={},pixel-aspect-ratio=1/1 ! appsink name=out sync=false max-buffers=4",
        config.size.width, config.size.height
    ))?;
    reader.set_location("file", input)?;
    let sink = reader.element::<AppSink>("out")?;
    reader.play()?;
    let mut written = 0;
    while written < most
        && let Some(sample) = sink.try_pull_sample(TIMEOUT)
    {
        let buffer = sample.buffer_owned().ok_or_else(|| failed("a decoded picture without pixels"))?;
        writer.push(buffer)?;
        written += 1;
    }
    if written < most && !sink.is_eos() {
        return Err(reader.explained("no more pictures came"));
    }
    Ok(written)
}

/// Decodes a recording on one thread and throws the pictures away: the least that a patrol in which every picture counts must pay. Gives their number.
pub fn count_decoded(recording: &Path) -> Result<u64, SimError> {
    gst::init().map_err(failed)?;
    let decoder = Running::launch("filesrc name=file ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! fakesink name=out sync=false")?;
    decoder.set_location("file", recording)?;
    let pad = decoder.element::<gst::Element>("out")?.static_pad("sink").ok_or_else(|| failed("the sink has no pad"))?;
    let pictures = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&pictures);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    decoder.play()?;
    decoder.wait_for_end()?;
    Ok(pictures.load(Ordering::Relaxed))
}

/// An encoder that writes an MP4 file.
struct Writer {
    running: Running,
    input: AppSrc,
    size: PictureSize,
    fps: f64,
    written: u32,
}

impl Writer {
    fn create(config: &StreetConfig, out: &Path) -> Result<Self, SimError> {
        gst::init().map_err(failed)?;
        let rate = gst::Fraction::approximate_f64(config.fps).unwrap_or_else(|| gst::Fraction::new(25, 1));
        let (size, kbps, gop) = (config.size, config.kbps, config.gop_pictures());
        // As cameras are set: no B pictures, key frames where they are due and nowhere else.
        let running = Running::launch(&format!(
            "appsrc name=in format=time max-buffers=4 block=true caps=video/x-raw,format=I420,width={},height={},framerate={}/{} \
             ! x264enc speed-preset=veryfast bitrate={kbps} key-int-max={gop} bframes=0 rc-lookahead=0 sync-lookahead=0 mb-tree=false threads=2 \
             option-string=\"scenecut=0:keyint={gop}:min-keyint={gop}\" \
             ! video/x-h264,profile=high ! h264parse ! mp4mux ! filesink name=file",
            size.width,
            size.height,
            rate.numer(),
            rate.denom()
        ))?;
        running.set_location("file", out)?;
        let input = running.element::<AppSrc>("in")?;
        running.play()?;
        Ok(Self { running, input, size, fps: config.fps, written: 0 })
    }

    fn push(&mut self, mut buffer: gst::Buffer) -> Result<(), SimError> {
        let at = |number: u32| gst::ClockTime::from_nseconds((f64::from(number) / self.fps * 1e9).round() as u64);
        let (from, to) = (at(self.written), at(self.written + 1));
        let timed = buffer.make_mut();
        timed.set_pts(from);
        timed.set_dts(gst::ClockTime::NONE);
        timed.set_duration(to - from);
        let mut pixels = timed.map_writable().map_err(failed)?;
        draw_board(&mut pixels, self.size, self.written as usize);
        drop(pixels);
        self.written += 1;
        self.input.push_buffer(buffer).map_err(|error| self.running.explained(&error.to_string()))?;
        Ok(())
    }

    fn finish(self) -> Result<(), SimError> {
        self.input.end_of_stream().map_err(failed)?;
        self.running.wait_for_end()
    }
}

/// Draws the board into the luma plane of picture `number`, rows of which follow one another without a gap.
fn draw_board(luma: &mut [u8], size: PictureSize, number: usize) {
    let (width, height) = (size.width as usize, size.height as usize);
    let [across, down] = BOARD_PART.map(|part| ((height as f64 * part) as usize).clamp(1, width));
    let left = number * BOARD_STEP_PX % (width - across).max(1);
    let top = height / 2;
    for (y, row) in luma.chunks_exact_mut(width).enumerate().skip(top).take(down) {
        for (x, value) in row[left..left + across].iter_mut().enumerate() {
            *value = BOARD_GREYS[(x / BOARD_FIELD_PX + (y - top) / BOARD_FIELD_PX) % 2];
        }
    }
}

/// A pipeline that stops when dropped.
struct Running(gst::Pipeline);

impl Running {
    fn launch(description: &str) -> Result<Self, SimError> {
        let pipeline = gst::parse::launch(description).map_err(failed)?;
        Ok(Self(pipeline.downcast().map_err(|_| failed("the description made no pipeline"))?))
    }

    fn element<T: IsA<gst::Element>>(&self, name: &str) -> Result<T, SimError> {
        let element = self.0.by_name(name).and_then(|element| element.downcast().ok());
        element.ok_or_else(|| failed(format!("the pipeline has no {name}")))
    }

    fn set_location(&self, name: &str, path: &Path) -> Result<(), SimError> {
        let path = path.to_str().ok_or_else(|| failed(format!("the path {} is not UTF-8", path.display())))?;
        self.element::<gst::Element>(name)?.set_property("location", path);
        Ok(())
    }

    fn play(&self) -> Result<(), SimError> {
        self.0.set_state(gst::State::Playing).map(drop).map_err(|_| self.explained("it does not start"))
    }

    fn wait_for_end(&self) -> Result<(), SimError> {
        let bus = self.0.bus().ok_or_else(|| failed("the pipeline has no bus"))?;
        match bus.timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos, gst::MessageType::Error]) {
            Some(message) => match message.view() {
                gst::MessageView::Error(error) => Err(failed(error.error())),
                _ => Ok(()),
            },
            None => Err(failed("it does not end")),
        }
    }

    /// What the pipeline says went wrong, or `fallback`.
    fn explained(&self, fallback: &str) -> SimError {
        let message = self.0.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => failed(error.error()),
            _ => failed(fallback),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.set_state(gst::State::Null).is_err() {
            tracing::warn!("a pipeline that wrote or read a recording did not stop");
        }
    }
}

fn failed(what: impl fmt::Display) -> SimError {
    SimError::Video { camera: "of the recording".into(), what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_goes_on_from_picture_to_picture() {
        let size = PictureSize::new(640, 512);
        let drawn = |number| {
            let mut luma = vec![128; (size.width * size.height) as usize];
            draw_board(&mut luma, size, number);
            luma
        };
        for number in [0, 1, 49, 50, 1000] {
            let changed = drawn(number).iter().zip(drawn(number + 1)).filter(|(one, other)| **one != *other).count();
            assert!(changed > 1000, "{changed} pixels between {number} and the next");
        }
    }

    #[test]
    fn a_recording_holds_the_pictures_asked_for_and_can_be_transcoded() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, second) = (folder.path().join("first.mp4"), folder.path().join("second.mp4"));
        let config = StreetConfig { size: PictureSize::new(640, 512), fps: 25.0, ..StreetConfig::default() };
        render_recording(&config, 12, &first).expect("rendered");
        assert_eq!(count_decoded(&first).expect("decoded"), 12);
        let larger = StreetConfig { size: PictureSize::new(1280, 720), ..config };
        transcode(&first, &larger, 30, &second).expect("transcoded: the 12 pictures begin anew twice");
        assert_eq!(count_decoded(&second).expect("decoded"), 30);
    }

    #[test]
    fn what_is_no_video_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = folder.path().join("text.mp4");
        std::fs::write(&text, "no video").expect("written");
        assert!(count_decoded(&text).is_err());
        assert!(transcode(&text, &StreetConfig::default(), 3, &folder.path().join("out.mp4")).is_err());
    }
}
