//! Key frames to planes, one at a time, on the thread that asks: libavcodec without anything around it.
//!
//! Key frames of many cameras are most of what a patrol without a GPU computes, and a fifth of that is the loop filter, which smooths the edges of
//! blocks. Only libavcodec itself can be told to leave it out: nothing is predicted from a key frame that is decoded alone, so nothing drifts.

use crate::concealed;
use crate::error::IngestError;
use crate::packed::Packed;
use crate::ring::VideoCodec;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::Discard;
use ffmpeg_next::codec::{Id, decoder, threading};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::packet::{Flags, Packet};
use ffmpeg_next::software::scaling;
use patrol_core::picture::PixelBuffer;
use patrol_core::{MediaTime, Picture, PictureSize, PixelFormat, WallEstimate};
use std::sync::Arc;

/// A decoder for key frames of any number of streams of one codec, in turn.
pub(crate) struct KeyDecoder {
    decoder: decoder::Video,
    /// Units given to it so far: the mark by which a picture is known to be that of its unit.
    units: i64,
    to_i420: Option<scaling::Context>,
}

fn failed(what: impl std::fmt::Display) -> IngestError {
    IngestError::KeyFrame { why: what.to_string() }
}

impl KeyDecoder {
    pub(crate) fn new(codec: VideoCodec) -> Result<Self, IngestError> {
        concealed::listen()?;
        let id = match codec {
            VideoCodec::H264 => Id::H264,
            VideoCodec::H265 => Id::HEVC,
        };
        let found = decoder::find(id).ok_or_else(|| failed(format!("FFmpeg has no decoder for {}", codec.name())))?;
        let mut context = ffmpeg::codec::Context::new_with_codec(found);
        // With frame threads pictures would come late, and `concealed` hears only the thread that decodes.
        context.set_threading(threading::Config::count(1));
        let decoder =
            context.decoder().video().map_err(|error| failed(format!("FFmpeg's decoder for {} did not open: {error}", codec.name())))?;
        Ok(Self { decoder, units: 0, to_i420: None })
    }

    /// The one picture of `unit`, which brings its own parameter sets. `deblock` smooths it as the standard says; without, it is a little blocky.
    /// After an error this decoder is not to be used again.
    pub(crate) fn decode(&mut self, unit: &Packed, deblock: bool) -> Result<Decoded, IngestError> {
        self.decoder.skip_loop_filter(if deblock { Discard::Default } else { Discard::All });
        self.units += 1;
        let mut packet = Packet::new(unit.len());
        if let Some(bytes) = packet.data_mut() {
            unit.copy_to(bytes);
        }
        packet.set_flags(Flags::KEY);
        packet.set_pts(Some(self.units));
        let (frame, concealed) = concealed::during(|| self.only_picture(&packet));
        let frame = frame?;
        if concealed || frame.has_decode_errors() || frame.is_corrupt() {
            return Err(failed("parts of it could not be decoded"));
        }
        if frame.pts() != Some(self.units) {
            return Err(failed("the decoder gave another picture than this one"));
        }
        self.planes(frame)
    }

    /// Drained after each unit: where a stream allows reordering a decoder holds its picture back until the next unit comes, which is another camera's.
    fn only_picture(&mut self, packet: &Packet) -> Result<Frame, IngestError> {
        let refused = |error| failed(format!("the decoder refused it: {error}"));
        self.decoder.send_packet(packet).map_err(refused)?;
        self.decoder.send_eof().map_err(refused)?;
        let mut frame = Frame::empty();
        self.decoder.receive_frame(&mut frame).map_err(|_| failed("the decoder gave no picture"))?;
        if self.decoder.receive_frame(&mut Frame::empty()).is_ok() {
            return Err(failed("the decoder gave more pictures than one"));
        }
        self.decoder.flush();
        Ok(frame)
    }

    /// Passes planes on as they are where looks can read them; other kinds (4:2:2, 10 bits) become I420.
    fn planes(&mut self, frame: Frame) -> Result<Decoded, IngestError> {
        let format = match frame.format() {
            Pixel::YUV420P | Pixel::YUVJ420P => PixelFormat::I420,
            Pixel::NV12 => PixelFormat::Nv12,
            Pixel::GRAY8 => PixelFormat::Gray8,
            other => return self.converted(&frame, other),
        };
        Ok(Decoded { frame, format })
    }

    fn converted(&mut self, frame: &Frame, format: Pixel) -> Result<Decoded, IngestError> {
        let cannot = |error| failed(format!("planes of format {format:?} could not be converted: {error}"));
        let (width, height) = (frame.width(), frame.height());
        let wanted = scaling::context::Definition { format, width, height };
        if self.to_i420.as_ref().is_none_or(|context| *context.input() != wanted) {
            let context =
                scaling::Context::get(format, width, height, Pixel::YUV420P, width, height, scaling::Flags::POINT).map_err(cannot)?;
            self.to_i420 = Some(context);
        }
        let mut i420 = Frame::empty();
        if let Some(context) = &mut self.to_i420 {
            context.run(frame, &mut i420).map_err(cannot)?;
        }
        Ok(Decoded { frame: i420, format: PixelFormat::I420 })
    }
}

/// A decoded picture before it has its place in time.
pub(crate) struct Decoded {
    frame: Frame,
    format: PixelFormat,
}

impl Decoded {
    /// The picture, sharing the decoder's memory.
    pub(crate) fn into_picture(self, sequence: u64, media_time: MediaTime, captured: WallEstimate) -> Result<Picture, IngestError> {
        let (size, format) = (PictureSize::new(self.frame.width(), self.frame.height()), self.format);
        let strides: Vec<usize> = (0..format.planes().min(self.frame.planes())).map(|plane| self.frame.stride(plane)).collect();
        Picture::new(size, format, &strides, Arc::new(Planes(self.frame)), sequence, media_time, captured).map_err(failed)
    }
}

/// A decoder's buffer, which goes back to it when the last picture that shares it is gone.
struct Planes(Frame);

impl PixelBuffer for Planes {
    fn plane(&self, index: usize) -> &[u8] {
        if index < self.0.planes() { self.0.data(index) } else { &[] }
    }
}
