//! A video file as a feed.

use crate::decoder::{Decoded, Decoder};
use crate::demux::{Demuxer, EncodedUnit};
use crate::error::IngestError;
use crate::timeline::{Timeline, captured};
use crate::units::{PendingUnits, Unit};
use crate::{Feed, FeedEvent, FeedStats, OpenOptions};
use gstreamer as gst;
use patrol_core::{PictureSize, WallTime};
use std::collections::VecDeque;
use std::path::Path;

const NO_PICTURE: &str = "the decoder gave no picture for this access unit";

/// Decodes on the thread that calls [`Feed::next`]; one more thread reads and demuxes, at most a few units ahead.
pub struct VideoFeed {
    demuxer: Demuxer,
    decoder: Decoder,
    threads: u32,
    /// The unit read to find out whether the file is a video.
    first: Option<EncodedUnit>,
    units: PendingUnits,
    timeline: Timeline,
    /// Events made by the unit decoded last; at most what one decoder holds back.
    ready: VecDeque<FeedEvent>,
    start: WallTime,
    size: Option<PictureSize>,
    sequence: u64,
    stats: FeedStats,
    ended: bool,
}

impl VideoFeed {
    /// Opens a file and reads up to its first access unit, so that what is no video is refused here.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, IngestError> {
        // Opened once by ourselves for the operating system's own words.
        std::fs::File::open(path).map_err(|source| IngestError::Read { path: path.to_owned(), source })?;
        gst::init().map_err(|error| IngestError::Gstreamer { what: format!("did not start: {error}") })?;
        let mut demuxer = Demuxer::open(path)?;
        let Some(first) = demuxer.next()? else {
            return Err(IngestError::NoVideoStream { path: path.to_owned(), found: "a video stream without a single picture".to_owned() });
        };
        let decoder = Decoder::new(&first.caps, options.decoder_threads, None)?;
        Ok(Self {
            demuxer,
            decoder,
            threads: options.decoder_threads,
            first: Some(first),
            units: PendingUnits::default(),
            timeline: Timeline::default(),
            ready: VecDeque::new(),
            start: options.start,
            size: None,
            sequence: 0,
            stats: FeedStats::default(),
            ended: false,
        })
    }

    fn decode(&mut self, unit: EncodedUnit) -> Result<(), IngestError> {
        let EncodedUnit { buffer, caps } = unit;
        if !self.decoder.fits(&caps) {
            self.drain();
            self.decoder = Decoder::new(&caps, self.threads, None)?;
        }
        let raw = buffer.pts().or(buffer.dts()).and_then(|time| i64::try_from(time.nseconds()).ok());
        self.units.enter(raw, !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        if let Err(error) = self.decoder.push(buffer, &caps) {
            // The unit stays in the account and is told as undecodable when a later picture overtakes it.
            tracing::debug!(%error, "the decoder refused an access unit");
        }
        self.collect();
        for lost in self.units.overdue() {
            self.lose(lost);
        }
        Ok(())
    }

    fn drain(&mut self) {
        self.decoder.finish();
        self.collect();
        for lost in self.units.drain() {
            self.lose(lost);
        }
    }

    /// Takes what the decoder gave, with what was lost before each picture.
    fn collect(&mut self) {
        while let Some(decoded) = self.decoder.take() {
            for lost in self.units.leave(decoded.raw_ns()) {
                self.lose(lost);
            }
            self.show(decoded);
        }
    }

    fn show(&mut self, decoded: Decoded) {
        self.timeline.set_rate(decoded.fps());
        let size = decoded.size();
        let placed = self.timeline.picture(decoded.raw_ns());
        let captured = captured(self.start, placed.media_time, self.timeline.nominal_ns());
        let sequence = self.sequence;
        self.sequence += 1;
        match decoded.into_picture(sequence, placed.media_time, captured) {
            Ok(picture) => {
                let discontinuity = placed.jumped || self.size.is_some_and(|before| before != size);
                self.size = Some(size);
                self.stats.pictures += 1;
                self.stats.discontinuities += u64::from(discontinuity);
                self.ready.push_back(FeedEvent::Picture { picture, discontinuity });
            }
            Err(why) => {
                self.stats.undecodable += 1;
                self.ready.push_back(FeedEvent::Undecodable { media_time: Some(placed.media_time), why });
            }
        }
    }

    fn lose(&mut self, unit: Unit) {
        self.sequence += 1;
        self.stats.undecodable += 1;
        let media_time = self.timeline.passed(unit.raw_ns);
        self.ready.push_back(FeedEvent::Undecodable { media_time, why: NO_PICTURE.to_owned() });
    }
}

impl Feed for VideoFeed {
    fn next(&mut self) -> Result<FeedEvent, IngestError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.ended {
                return Ok(FeedEvent::End);
            }
            let unit = match self.first.take() {
                Some(unit) => Some(unit),
                None => self.demuxer.next().inspect_err(|_| self.ended = true)?,
            };
            if let Some(unit) = unit {
                self.decode(unit).inspect_err(|_| self.ended = true)?;
            } else {
                self.ended = true;
                self.drain();
            }
        }
    }

    fn stats(&self) -> FeedStats {
        FeedStats { repaired_timestamps: self.timeline.repaired(), ..self.stats }
    }
}
