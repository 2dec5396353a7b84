//! A session as a feed: units out of the ring, through gate and decoder, to pictures in media time.

use super::camera::{Found, RtspCamera, WallNow};
use super::gate::{Gate, Passage};
use crate::concealed;
use crate::decoder::{Decoded, Decoder};
use crate::error::IngestError;
use crate::ring::{Entry, Next, Stretch, Unit};
use crate::units::PendingUnits;
use crate::{Feed, FeedEvent, FeedStats};
use bytes::Bytes;
use gstreamer as gst;
use patrol_core::{MediaTime, PictureSize, WallEstimate};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long one call waits before it says that nothing came.
const PATIENCE: Duration = Duration::from_millis(250);
/// Units remembered while the decoder holds them: as many as the account of units waits for, and some.
const IN_DECODER_MAX: usize = 96;
/// Advance of media time where two pictures claim the same time.
const LEAST_STEP_NS: i64 = 1_000_000;
const CONCEALED: &str = "parts of a picture could not be decoded";
const NO_PICTURE: &str = "the decoder gave no picture for this access unit";

/// All pictures of one session with a camera. Decodes on the thread that calls [`Feed::next`].
pub struct RtspFeed {
    camera: Arc<RtspCamera>,
    session: u64,
    /// The session was begun for this feed alone and ends with it.
    owns_session: bool,
    gate: Gate,
    decoder: Option<(Decoder, gst::Caps)>,
    units: PendingUnits,
    /// Presentation time of the unit whose picture the decoder made up in part; after it the gate is closed.
    concealed: Option<i64>,
    /// The stream sends no key frames and is decoded all the same.
    keyless: bool,
    /// Whose clock a unit in the decoder goes by, in decoding order.
    in_decoder: VecDeque<(i64, Arc<Stretch>)>,
    ready: VecDeque<FeedEvent>,
    failure: Option<IngestError>,
    ended: bool,
    place: Place,
    /// Size of the picture given last.
    shown: Option<PictureSize>,
    stats: FeedStats,
}

/// Presentation times to media time that starts at 0, with the session where its key frames were told too, and strictly increases.
#[derive(Debug, Default)]
struct Place {
    origin_ns: Option<i64>,
    last: Option<MediaTime>,
    repaired: u64,
}

impl Place {
    fn picture(&mut self, pts_ns: i64) -> MediaTime {
        let origin = *self.origin_ns.get_or_insert(pts_ns);
        let by_pts = pts_ns.saturating_sub(origin).max(0);
        let least = self.last.map_or(0, |last| last.0.saturating_add(LEAST_STEP_NS));
        // Anything later than the picture before is an orderly time.
        let follows = self.last.is_none_or(|last| by_pts > last.0);
        self.repaired += u64::from(!follows);
        let media_time = MediaTime(if follows { by_pts } else { least });
        self.last = Some(media_time);
        media_time
    }

    /// Where something that gave no picture belongs, if that is after everything told so far.
    fn passed(&mut self, pts_ns: i64) -> Option<MediaTime> {
        let media_time = MediaTime(pts_ns.saturating_sub(self.origin_ns?));
        if self.last.is_some_and(|last| media_time <= last) {
            return None;
        }
        self.last = Some(media_time);
        Some(media_time)
    }
}

impl RtspFeed {
    pub(super) fn new(camera: Arc<RtspCamera>, session: u64, owns_session: bool) -> Self {
        Self {
            camera,
            session,
            owns_session,
            gate: Gate::default(),
            decoder: None,
            units: PendingUnits::default(),
            concealed: None,
            keyless: false,
            in_decoder: VecDeque::new(),
            ready: VecDeque::new(),
            failure: None,
            ended: false,
            place: Place::default(),
            shown: None,
            stats: FeedStats::default(),
        }
    }

    fn unit(&mut self, unit: Unit) -> Result<(), IngestError> {
        match self.gate.unit(&unit) {
            Passage::Decode => self.decode(unit, false),
            Passage::DecodeAfresh { bare } => {
                // A decoder of its own for each run of units that hang together: pictures that refer to what was lost cannot come out.
                self.drain();
                let caps = caps_of(&unit.stretch);
                self.decoder = Some((Decoder::live(&caps, &self.camera.options.decoders)?, caps));
                (self.keyless, self.concealed) = (bare, None);
                self.decode(unit, bare);
            }
            Passage::Undecodable(why) => {
                self.drain();
                self.undecodable(Some(unit.pts_ns), why);
            }
            Passage::Skipped => {
                self.drain();
                self.skipped(1);
            }
        }
        Ok(())
    }

    fn decode(&mut self, unit: Unit, bare: bool) {
        let Some((decoder, caps)) = &mut self.decoder else { return };
        let mut buffer = if bare { unit.to_buffer(&unit.stretch.parameters) } else { unit.to_buffer(&Bytes::new()) };
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(unit.pts_ns.max(0) as u64));
        }
        self.units.enter(Some(unit.pts_ns), unit.key);
        self.in_decoder.push_back((unit.pts_ns, unit.stretch));
        while self.in_decoder.len() > IN_DECODER_MAX {
            self.in_decoder.pop_front();
        }
        let pts_ns = unit.pts_ns;
        let began = self.camera.net.clock.monotonic();
        let (pushed, concealed) = concealed::during(|| decoder.push(buffer, caps));
        let spent = self.camera.net.clock.monotonic().saturating_sub(began);
        self.camera.shared.decode_ns.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
        // A stream without key frames builds its first pictures up piece by piece, and nothing would open the gate again.
        if concealed && !self.keyless {
            self.concealed = Some(pts_ns);
            self.gate.damage(&CONCEALED.into());
        }
        if let Err(error) = pushed {
            // The unit stays in the account and is told as undecodable when a later picture overtakes it.
            tracing::debug!(camera = %self.camera.options.camera, %error, "the decoder refused an access unit");
        }
        self.collect();
        for lost in self.units.overdue() {
            self.undecodable(lost.raw_ns, NO_PICTURE.to_owned());
        }
    }

    /// Takes what the decoder still holds and lets it go: what was decoded is shown before what could not be.
    fn drain(&mut self) {
        if let Some((decoder, _)) = &mut self.decoder {
            decoder.finish();
            self.collect();
        }
        self.decoder = None;
        for lost in self.units.drain() {
            self.undecodable(lost.raw_ns, NO_PICTURE.to_owned());
        }
        self.in_decoder.clear();
    }

    fn collect(&mut self) {
        while let Some(decoded) = self.decoder.as_ref().and_then(|(decoder, _)| decoder.take()) {
            for lost in self.units.leave(decoded.raw_ns()) {
                self.undecodable(lost.raw_ns, NO_PICTURE.to_owned());
            }
            self.show(decoded);
        }
    }

    fn show(&mut self, decoded: Decoded) {
        let of = |at: &(i64, Arc<Stretch>)| Some(at.0) == decoded.raw_ns();
        let index = self.in_decoder.iter().position(of).unwrap_or(0);
        let Some((pts_ns, stretch)) = self.in_decoder.remove(index) else { return };
        let size = decoded.size();
        if self.place.origin_ns.is_none() && !self.owns_session {
            // Key frames of this session may have been told before: theirs is the same time line.
            self.place.origin_ns = self.camera.shared.origin_ns(self.session);
        }
        let media_time = self.place.picture(pts_ns);
        if self.concealed == Some(pts_ns) {
            self.concealed = None;
            self.camera.shared.pictures.fetch_add(1, Ordering::Relaxed);
            self.stats.undecodable += 1;
            self.ready.push_back(FeedEvent::Undecodable { media_time: Some(media_time), why: CONCEALED.to_owned() });
            return;
        }
        let captured_ns = pts_ns.saturating_add(stretch.offset_ns());
        let captured = WallEstimate { at: WallNow::of(self.camera.net.clock.as_ref()).wall(captured_ns), error_ms: stretch.error_ms() };
        let sequence = self.camera.shared.pictures.fetch_add(1, Ordering::Relaxed);
        match decoded.into_picture(sequence, media_time, captured) {
            Ok(picture) => {
                // Other parameter sets and a step of RTP time leave media time and scene as they were: who lies still goes on lying still.
                let discontinuity = self.shown.is_some_and(|before| before != size);
                self.shown = Some(size);
                self.stats.pictures += 1;
                self.stats.discontinuities += u64::from(discontinuity);
                self.ready.push_back(FeedEvent::Picture { picture, discontinuity });
            }
            Err(why) => {
                self.stats.undecodable += 1;
                self.ready.push_back(FeedEvent::Undecodable { media_time: Some(media_time), why });
            }
        }
    }

    fn undecodable(&mut self, pts_ns: Option<i64>, why: String) {
        self.camera.shared.pictures.fetch_add(1, Ordering::Relaxed);
        self.stats.undecodable += 1;
        let media_time = pts_ns.and_then(|pts| self.place.passed(pts));
        self.ready.push_back(FeedEvent::Undecodable { media_time, why });
    }

    fn skipped(&mut self, pictures: u64) {
        self.camera.shared.pictures.fetch_add(pictures, Ordering::Relaxed);
        if let Some(FeedEvent::Skipped { pictures: told }) = self.ready.back_mut() {
            *told += pictures;
        } else {
            self.ready.push_back(FeedEvent::Skipped { pictures });
        }
    }
}

pub(super) fn caps_of(stretch: &Stretch) -> gst::Caps {
    gst::Caps::builder(stretch.codec.stream()).field("stream-format", "byte-stream").field("alignment", "au").build()
}

impl Feed for RtspFeed {
    fn next(&mut self) -> Result<FeedEvent, IngestError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.ended {
                return Ok(FeedEvent::End);
            }
            match self.camera.shared.next(self.session, PATIENCE) {
                Found::Next(Next::Entry(Entry::Unit(unit))) => {
                    if let Err(failure) = self.unit(unit) {
                        (self.failure, self.ended) = (Some(failure), true);
                    }
                }
                Found::Next(Next::Entry(Entry::Damage { why })) => {
                    self.gate.damage(&why);
                    self.undecodable(None, why.to_string());
                }
                Found::Next(Next::Skipped(pictures)) => {
                    self.gate.skip();
                    self.drain();
                    self.skipped(pictures);
                }
                Found::Next(Next::Nothing) | Found::Idle => return Ok(FeedEvent::Idle),
                Found::Ended(failure) => {
                    self.ended = true;
                    self.drain();
                    self.failure = failure;
                }
            }
        }
    }

    fn stats(&self) -> FeedStats {
        FeedStats { repaired_timestamps: self.place.repaired, ..self.stats }
    }
}

impl Drop for RtspFeed {
    fn drop(&mut self) {
        if self.owns_session {
            self.camera.end_session(self.session);
        } else {
            self.camera.shared.stop_reading(self.session);
        }
    }
}
