//! One session with one camera, as a task on the net thread: DESCRIBE, SETUP, PLAY, then access units into the ring until it breaks.

use super::camera::{Shared, monotonic_ns};
use super::failure::{Stage, Teller, is_of_packets, refuses_tcp};
use super::net::{Counted, Traffic};
use super::wall::{Anchor, Line};
use super::{Credentials, RtspTransport};
use crate::error::IngestError;
use crate::nal::first_slice;
use crate::packed::Packer;
use crate::ring::{Entry, Stretch, Unit, VideoCodec};
use bytes::Bytes;
use futures::StreamExt;
use patrol_core::{CameraId, Clock};
use retina::client::{
    Demuxed, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, Session as RtspSession, SessionGroup, SessionOptions,
    SetupOptions, Stream, TcpTransportOptions, Transport, UdpTransportOptions, UnknownRtcpSsrcPolicy,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef, VideoFrame};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Contract of the feeds: connecting, DESCRIBE, SETUP and PLAY together.
const SETUP_LIMIT: Duration = Duration::from_secs(10);
/// Issue "live feeds": no picture for 20 s restarts the session.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);
/// The same after an RTCP BYE. Not at once: cameras that change their SSRC say it and go on.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
/// Packet type of RTCP BYE (RFC 3550 §12.1).
const RTCP_BYE: u8 = 203;
/// Packets in a row that make no sense before the session is given up: two seconds of a 2 Mbit/s stream.
const DAMAGED_MAX: u32 = 400;
/// Key-frame intervals looked back on.
const KEY_INTERVALS: usize = 8;
/// Seconds from the epoch of NTP (1900) to that of Unix (1970), RFC 5905.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;
const SECOND_NS: i128 = 1_000_000_000;

pub(super) struct Session {
    pub(super) number: u64,
    pub(super) camera: CameraId,
    pub(super) url: url::Url,
    pub(super) credentials: Option<Credentials>,
    pub(super) transport: RtspTransport,
    pub(super) teller: Teller,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) group: Arc<SessionGroup>,
    pub(super) traffic: Arc<Traffic>,
}

/// Runs until the session breaks, and tells the feed why.
pub(super) async fn run(session: Session) {
    let mut ending = Ending { session: &session, why: None };
    ending.why = Some(match session.play().await {
        Ok(playing) => session.read(playing).await,
        Err(why) => why,
    });
}

/// Tells the feed why the session ended, also when what a camera sent made the client panic: its task alone dies of that, and the feed
/// must not wait for ever.
struct Ending<'a> {
    session: &'a Session,
    why: Option<IngestError>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let why = self.why.take().unwrap_or_else(|| self.session.teller.ended("the client could not cope with what the camera sent"));
        self.session.shared.end(self.session.number, why);
    }
}

struct Playing {
    items: Demuxed,
    stream: usize,
    codec: VideoCodec,
    udp: bool,
}

struct Refusal {
    why: IngestError,
    /// The camera does not send packets over TCP; it may over UDP.
    of_tcp: bool,
}

impl Refusal {
    fn why(self) -> IngestError {
        self.why
    }
}

impl Session {
    async fn play(&self) -> Result<Playing, IngestError> {
        let _counted = Counted::beginning(&self.traffic);
        let may_choose = self.transport == RtspTransport::TcpThenUdp;
        let udp = self.transport == RtspTransport::Udp || (may_choose && self.shared.wants_udp.load(Ordering::Relaxed));
        let played = self.play_over(udp).await;
        if udp && may_choose && played.is_err() {
            // What the camera wanted then need not be what it wants now.
            self.shared.wants_udp.store(false, Ordering::Relaxed);
        }
        played
    }

    async fn play_over(&self, mut udp: bool) -> Result<Playing, IngestError> {
        let began = self.clock.monotonic();
        let credentials = self
            .credentials
            .as_ref()
            .map(|own| retina::client::Credentials { username: own.user.clone(), password: own.password.reveal().to_owned() });
        let options =
            SessionOptions::default().creds(credentials).session_group(Arc::clone(&self.group)).user_agent("screen-patrol".to_owned());
        let describe = RtspSession::describe(self.url.clone(), options);
        let mut described = self.step(Stage::Describe, began, describe).await.map_err(Refusal::why)?;

        let ours = |stream: &Stream| if stream.media() == "video" { codec_of(stream.encoding_name()) } else { None };
        let chosen = described.streams().iter().enumerate().find_map(|(at, stream)| ours(stream).map(|codec| (at, codec)));
        let Some((stream, codec)) = chosen else {
            let found: Vec<String> =
                described.streams().iter().map(|stream| format!("{} {}", stream.media(), stream.encoding_name())).collect();
            let found = if found.is_empty() { "no stream".to_owned() } else { self.teller.clean(&found.join(", ")) };
            return Err(IngestError::NoUsableStream { url: self.teller.url.clone(), found });
        };

        match self.step(Stage::Setup, began, described.setup(stream, setup_options(udp))).await {
            Ok(()) => {}
            Err(Refusal { why, of_tcp: true }) if !udp && self.transport == RtspTransport::TcpThenUdp => {
                tracing::warn!(camera = %self.camera, %why, "no packets over tcp, trying udp");
                // Should the camera hang up on being asked twice, the next session begins with UDP.
                self.shared.wants_udp.store(true, Ordering::Relaxed);
                udp = true;
                self.step(Stage::Setup, began, described.setup(stream, setup_options(udp))).await.map_err(Refusal::why)?;
            }
            Err(refusal) => return Err(refusal.why),
        }

        // Cameras announce wrong first sequence numbers and times: the first packet says it.
        let policy = PlayOptions::default()
            .initial_timestamp(InitialTimestampPolicy::Ignore)
            .initial_seq(InitialSequenceNumberPolicy::Ignore)
            .unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::DropPackets);
        let played = self.step(Stage::Play, began, described.play(policy)).await.map_err(Refusal::why)?;
        let items = played.demuxed().map_err(|error| self.teller.setup(Stage::Describe, &error))?;
        let transport = if udp { "UDP" } else { "TCP" };
        self.shared.push(self.number, None, |link| {
            link.sessions += 1;
            link.key_interval_s = None;
            transport.clone_into(&mut link.transport);
            codec.name().clone_into(&mut link.codec);
        });
        Ok(Playing { items, stream, codec, udp })
    }

    /// One request, in what is left of the time.
    async fn step<T>(&self, stage: Stage, began: Duration, request: impl Future<Output = Result<T, retina::Error>>) -> Result<T, Refusal> {
        let left = SETUP_LIMIT.saturating_sub(self.clock.monotonic().saturating_sub(began));
        match tokio::time::timeout(self.clock.real_wait(left), request).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Refusal { why: self.teller.setup(stage, &error), of_tcp: stage == Stage::Setup && refuses_tcp(&error) }),
            Err(_) => {
                let url = self.teller.url.clone();
                let why = IngestError::SlowSetup { url, stage: stage.name(), seconds: SETUP_LIMIT.as_secs() };
                Err(Refusal { why, of_tcp: false })
            }
        }
    }

    async fn read(&self, playing: Playing) -> IngestError {
        let Playing { mut items, stream, codec, udp } = playing;
        let _counted = Counted::new(&self.traffic, udp);
        let mut reading = Reading::new(self, codec);
        let mut newest = self.clock.monotonic();
        let mut damaged = 0_u32;
        let mut patience = SILENCE_LIMIT;
        let mut alarm = Box::pin(tokio::time::sleep(self.clock.real_wait(SILENCE_LIMIT)));
        loop {
            let item = tokio::select! {
                biased;
                item = items.next() => item,
                () = &mut alarm => {
                    let left = patience.saturating_sub(self.clock.monotonic().saturating_sub(newest));
                    if left.is_zero() && patience == FAREWELL_LIMIT {
                        return self.teller.ended("the camera said goodbye");
                    }
                    if left.is_zero() {
                        return IngestError::NoPicturesArrive { url: self.teller.url.clone(), seconds: SILENCE_LIMIT.as_secs() };
                    }
                    alarm.set(tokio::time::sleep(self.clock.real_wait(left)));
                    continue;
                }
            };
            let goes_on = match item {
                None => return self.teller.ended("the camera closed the connection"),
                Some(Ok(CodecItem::VideoFrame(frame))) => {
                    (newest, damaged, patience) = (self.clock.monotonic(), 0, SILENCE_LIMIT);
                    let parameters = items.streams().get(stream).and_then(Stream::parameters);
                    if let Some(ParametersRef::Video(video)) = parameters.filter(|_| reading.has_to_learn_parameters(&frame)) {
                        reading.learn_parameters(video.extra_data());
                    }
                    reading.frame(&frame)
                }
                Some(Ok(CodecItem::Rtcp(packet))) => {
                    if packet.pkts().any(|part| part.payload_type() == RTCP_BYE) {
                        patience = FAREWELL_LIMIT;
                        alarm.set(tokio::time::sleep(self.clock.real_wait(FAREWELL_LIMIT)));
                    }
                    reading.report(&packet)
                }
                Some(Ok(_)) => true,
                Some(Err(error)) if is_of_packets(&error) && damaged < DAMAGED_MAX => {
                    damaged += 1;
                    reading.damage(&error)
                }
                Some(Err(error)) => return self.teller.ended(&error.to_string()),
            };
            if !goes_on {
                return self.teller.ended("another session with the camera has begun");
            }
        }
    }
}

fn setup_options(udp: bool) -> SetupOptions {
    let transport = if udp { Transport::Udp(UdpTransportOptions::default()) } else { Transport::Tcp(TcpTransportOptions::default()) };
    SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE)
}

fn codec_of(encoding: &str) -> Option<VideoCodec> {
    match encoding {
        "h264" => Some(VideoCodec::H264),
        "h265" => Some(VideoCodec::H265),
        _ => None,
    }
}

/// What a running session knows.
struct Reading<'a> {
    session: &'a Session,
    codec: VideoCodec,
    line: Line,
    anchor: Anchor,
    parameters: Option<Bytes>,
    packer: Packer,
    stretch: Option<Arc<Stretch>>,
    /// Packets lost in front of units that held no picture.
    lost_packets: u32,
    newest_key_ns: Option<i64>,
    key_intervals_ns: VecDeque<i64>,
}

impl<'a> Reading<'a> {
    fn new(session: &'a Session, codec: VideoCodec) -> Self {
        Self {
            session,
            codec,
            line: Line::default(),
            anchor: Anchor::default(),
            parameters: None,
            packer: Packer::default(),
            stretch: None,
            lost_packets: 0,
            newest_key_ns: None,
            key_intervals_ns: VecDeque::new(),
        }
    }

    fn has_to_learn_parameters(&self, frame: &VideoFrame) -> bool {
        self.parameters.is_none() || frame.has_new_parameters()
    }

    fn learn_parameters(&mut self, parameters: &[u8]) {
        if self.parameters.as_deref() != Some(parameters) {
            self.parameters = Some(Bytes::copy_from_slice(parameters));
            self.stretch = None;
        }
    }

    /// `false` when another session is in charge.
    fn frame(&mut self, frame: &VideoFrame) -> bool {
        let arrival_ns = monotonic_ns(self.session.clock.as_ref());
        let lost = u32::from(frame.loss());
        self.lost_packets = self.lost_packets.saturating_add(lost);
        let Some(slice) = first_slice(self.codec, frame.data()) else {
            // Parameter sets or messages alone are no picture.
            return self.session.shared.push(self.session.number, None, |link| link.lost_packets += u64::from(lost));
        };
        let rtp_ns = nanoseconds(frame.timestamp());
        let (pts_ns, stepped) = self.line.place(rtp_ns, arrival_ns, self.anchor.fastest_ns());
        if stepped {
            tracing::warn!(camera = %self.session.camera, "the camera's rtp time stepped");
            self.anchor.stepped(arrival_ns);
            self.stretch = None;
            self.newest_key_ns = None;
        }
        self.anchor.unit(pts_ns, arrival_ns);
        let (offset_ns, error_ms) = self.anchor.offset().unwrap_or_default();
        let (codec, parameters) = (self.codec, self.parameters.clone().unwrap_or_default());
        let stretch = self.stretch.get_or_insert_with(|| Stretch::new(codec, parameters, offset_ns, error_ms));
        stretch.set_clock(offset_ns, error_ms);
        // The client knows key frames by IDR alone and takes the parameter sets away from all others; H.265 has more kinds.
        let lacks_parameters = slice.key && !frame.is_random_access_point();
        let parameters = if lacks_parameters { stretch.parameters.as_ref() } else { &[] };
        let unit = Unit {
            key: slice.key,
            pts_ns,
            lost_packets: std::mem::take(&mut self.lost_packets),
            whole: slice.at_start,
            stretch: Arc::clone(stretch),
            data: self.packer.pack([parameters, frame.data()]),
        };
        let key_interval_s = self.key_interval_s(&unit);
        self.session.shared.push(self.session.number, Some(Entry::Unit(unit)), |link| {
            link.lost_packets += u64::from(lost);
            link.clock_steps += u64::from(stepped);
            link.key_interval_s = key_interval_s.or(link.key_interval_s);
        })
    }

    /// The longest of the last intervals, the one that is still running included.
    fn key_interval_s(&mut self, unit: &Unit) -> Option<f64> {
        let running_ns = self.newest_key_ns.map(|newest| unit.pts_ns.saturating_sub(newest));
        if unit.key {
            self.newest_key_ns = Some(unit.pts_ns);
            if let Some(interval) = running_ns {
                self.key_intervals_ns.push_back(interval);
                while self.key_intervals_ns.len() > KEY_INTERVALS {
                    self.key_intervals_ns.pop_front();
                }
            }
        }
        let longest = self.key_intervals_ns.iter().copied().max();
        longest.map(|longest| longest.max(running_ns.unwrap_or(0)) as f64 / 1e9)
    }

    fn report(&mut self, packet: &retina::rtcp::ReceivedCompoundPacket) -> bool {
        let report = packet.pkts().find_map(|part| part.as_sender_report().ok().flatten().map(|report| report.ntp_timestamp().0));
        let (Some(ntp), Some(at)) = (report.filter(|ntp| *ntp != 0), packet.rtp_timestamp()) else { return true };
        let Some(pts_ns) = self.line.look_up(nanoseconds(at)) else { return true };
        let clock = self.session.clock.as_ref();
        let told = self.anchor.report(pts_ns, unix_ns(ntp), clock.now().0, monotonic_ns(clock));
        if told.stepped {
            // Neither pictures nor RTP time know of it; the anchor stops believing the clock.
            tracing::warn!(camera = %self.session.camera, skew_s = told.skew_ns as f64 / 1e9, "the camera's clock stepped");
        }
        self.session.shared.push(self.session.number, None, |link| {
            link.clock_skew_s = Some(told.skew_ns as f64 / 1e9);
            link.clock_steps += u64::from(told.stepped);
        })
    }

    fn damage(&mut self, error: &retina::Error) -> bool {
        let why = self.session.teller.clean(&error.to_string());
        tracing::debug!(camera = %self.session.camera, why, "packets make no sense");
        self.session.shared.push(self.session.number, Some(Entry::Damage { why: why.into() }), |_| {})
    }
}

fn nanoseconds(at: retina::Timestamp) -> i64 {
    let ns = i128::from(at.elapsed()) * SECOND_NS / i128::from(at.clock_rate().get());
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

/// 32.32 fixed-point seconds since 1900 (RFC 3550) to nanoseconds since 1970.
fn unix_ns(ntp: u64) -> i64 {
    let seconds = (ntp >> 32) as i64 - NTP_TO_UNIX_S;
    seconds.saturating_mul(SECOND_NS as i64).saturating_add((((ntp & 0xffff_ffff) * SECOND_NS as u64) >> 32) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_time_is_that_of_rfc_5905() {
        // 1970-01-01, and 2016-06-08T09:45:15.5.
        assert_eq!(unix_ns(2_208_988_800 << 32), 0);
        assert_eq!(unix_ns((3_674_367_915 << 32) | 0x8000_0000), 1_465_379_115_500_000_000);
    }
}
