//! A tiny RTSP client, written for tests: one connection, blocking, H.264 back to pictures.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_video as gst_video;
use patrol_sim::street::{BlockCode, read_code};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

/// Longest wait for anything: far above what a healthy street needs.
const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) url: String,
    bytes: Vec<u8>,
    sequence: u32,
    session: Option<String>,
    /// Put into every request.
    pub(crate) authorization: Option<String>,
    udp: Option<(UdpSocket, UdpSocket)>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()))
    }
}

/// One RTP or RTCP packet.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) is_rtcp: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Packet {
    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"))
    }
    pub(crate) fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }
    pub(crate) fn timestamp(&self) -> u32 {
        self.word(4)
    }
    pub(crate) fn ends_picture(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }
    /// NTP time of a sender report, Unix seconds, and its RTP time.
    pub(crate) fn report(&self) -> (f64, u32) {
        assert_eq!(self.bytes[1], 200, "a sender report");
        (f64::from(self.word(8)) - 2_208_988_800.0 + f64::from(self.word(12)) / 4_294_967_296.0, self.word(16))
    }
}

/// One picture, still encoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unit {
    /// With start codes.
    pub(crate) bytes: Vec<u8>,
    pub(crate) nal_types: Vec<u8>,
    pub(crate) timestamp: u32,
    /// Packets that are missing before its end, by their numbers.
    pub(crate) lost: u32,
}

impl Unit {
    pub(crate) fn is_key(&self) -> bool {
        self.nal_types.contains(&5)
    }
    fn start(&mut self, nal: &[u8]) {
        self.nal_types.push(nal[0] & 31);
        self.bytes.extend_from_slice(&[0, 0, 0, 1]);
        self.bytes.extend_from_slice(nal);
    }
    fn take(&mut self, payload: &[u8]) {
        match payload[0] & 31 {
            24 => {
                let mut rest = &payload[1..];
                while let [high, low, more @ ..] = rest {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    self.start(&more[..length]);
                    rest = &more[length..];
                }
            }
            28 if payload[1] & 0x80 != 0 => {
                self.start(&[payload[0] & 0xE0 | payload[1] & 31]);
                self.bytes.extend_from_slice(&payload[2..]);
            }
            28 => self.bytes.extend_from_slice(&payload[2..]),
            _ => self.start(payload),
        }
    }
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let address = url.trim_start_matches("rtsp://").split('/').next().expect("an address");
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream, url: url.into(), bytes: Vec::new(), sequence: 0, session: None, authorization: None, udp: None }
    }

    /// DESCRIBE, SETUP over TCP, PLAY; returns the SDP.
    pub(crate) fn watching(url: &str) -> Self {
        let mut client = Self::new(url);
        client.watch();
        client
    }

    pub(crate) fn watch(&mut self) -> (String, Reply) {
        let described = self.ask("DESCRIBE", "", "");
        assert_eq!(described.status, 200, "{described:?}");
        let setup = self.setup("RTP/AVP/TCP;unicast;interleaved=0-1");
        assert_eq!(setup.status, 200, "{setup:?}");
        let play = self.ask("PLAY", "", "");
        assert_eq!(play.status, 200, "{play:?}");
        (described.body, play)
    }

    /// Like [`Self::watch`] over UDP.
    pub(crate) fn watch_udp(&mut self) {
        let (rtp, rtcp) = (0..50)
            .find_map(|_| {
                let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
                let port = rtp.local_addr().expect("an address").port();
                UdpSocket::bind(("127.0.0.1", port.checked_add(1)?)).ok().map(|rtcp| (rtp, rtcp))
            })
            .expect("two ports");
        let port = rtp.local_addr().expect("an address").port();
        for socket in [&rtp, &rtcp] {
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        }
        let setup = self.setup(&format!("RTP/AVP;unicast;client_port={port}-{}", port + 1));
        assert_eq!(setup.status, 200, "{setup:?}");
        assert!(setup.header("Transport").is_some_and(|transport| transport.contains("server_port=")), "{setup:?}");
        self.udp = Some((rtp, rtcp));
        assert_eq!(self.ask("PLAY", "", "").status, 200);
    }

    pub(crate) fn setup(&mut self, transport: &str) -> Reply {
        let reply = self.ask("SETUP", "/trackID=0", &format!("Transport: {transport}\r\n"));
        self.session = reply.header("Session").map(|session| session.split(';').next().unwrap_or(session).to_owned());
        reply
    }

    pub(crate) fn ask(&mut self, method: &str, below: &str, headers: &str) -> Reply {
        self.try_ask(method, below, headers).expect("a reply")
    }

    /// `None`: the connection was closed.
    pub(crate) fn try_ask(&mut self, method: &str, below: &str, headers: &str) -> Option<Reply> {
        self.sequence += 1;
        let session = self.session.as_ref().map_or(String::new(), |session| format!("Session: {session}\r\n"));
        let authorization = self.authorization.as_ref().map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
        let text = format!("{method} {}{below} RTSP/1.0\r\nCSeq: {}\r\n{session}{authorization}{headers}\r\n", self.url, self.sequence);
        self.stream.write_all(text.as_bytes()).ok()?;
        let wanted = format!("CSeq: {}\r\n", self.sequence);
        // Packets on the way are skipped.
        loop {
            if self.bytes.first() == Some(&b'$') {
                self.packet_in_stream()?;
                continue;
            }
            if let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.bytes.drain(..end + 4).collect()).expect("text");
                assert!(head.contains(&wanted), "{head}");
                let status = head[9..12].parse().expect("a status");
                let mut reply = Reply { status, head, body: String::new() };
                let length: usize = reply.header("Content-Length").map_or(0, |length| length.parse().expect("a length"));
                while self.bytes.len() < length {
                    self.more()?;
                }
                reply.body = String::from_utf8(self.bytes.drain(..length).collect()).expect("text");
                return Some(reply);
            }
            self.more()?;
        }
    }

    /// `None`: closed, or nothing came in time.
    fn more(&mut self) -> Option<()> {
        let mut piece = [0; 16_384];
        let read = self.stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        self.bytes.extend_from_slice(&piece[..read]);
        Some(())
    }

    fn packet_in_stream(&mut self) -> Option<Packet> {
        loop {
            if let [b'$', channel, high, low, ..] = self.bytes[..] {
                let end = 4 + usize::from(u16::from_be_bytes([high, low]));
                if self.bytes.len() >= end {
                    let bytes = self.bytes.drain(..end).skip(4).collect();
                    return Some(Packet { is_rtcp: channel == 1, bytes });
                }
            }
            self.more()?;
        }
    }

    pub(crate) fn packet(&mut self) -> Option<Packet> {
        if let Some((rtp, _)) = &self.udp {
            let mut bytes = vec![0; 2048];
            let read = rtp.recv(&mut bytes).ok()?;
            bytes.truncate(read);
            return Some(Packet { is_rtcp: false, bytes });
        }
        self.packet_in_stream()
    }

    pub(crate) fn report(&mut self) -> (f64, u32) {
        if let Some((_, rtcp)) = &self.udp {
            let mut bytes = vec![0; 2048];
            let read = rtcp.recv(&mut bytes).expect("a report");
            bytes.truncate(read);
            return Packet { is_rtcp: true, bytes }.report();
        }
        std::iter::repeat_with(|| self.packet().expect("a packet")).find(|packet| packet.is_rtcp).expect("a report").report()
    }

    /// The next whole picture; `None` where the connection ended.
    pub(crate) fn unit(&mut self) -> Option<Unit> {
        let mut unit = Unit::default();
        let mut before: Option<u16> = None;
        loop {
            let packet = self.packet()?;
            if packet.is_rtcp {
                continue;
            }
            if let Some(before) = before {
                unit.lost += u32::from(packet.sequence().wrapping_sub(before).wrapping_sub(1));
            }
            before = Some(packet.sequence());
            unit.timestamp = packet.timestamp();
            unit.take(&packet.bytes[12..]);
            if packet.ends_picture() {
                return Some(unit);
            }
        }
    }

    pub(crate) fn units(&mut self, count: usize) -> Vec<Unit> {
        (0..count).map(|_| self.unit().expect("a picture")).collect()
    }

    pub(crate) fn is_closed(&mut self) -> bool {
        std::iter::repeat_with(|| self.packet()).take(10_000).any(|packet| packet.is_none())
    }

    /// Nothing arrives for so long.
    pub(crate) fn is_silent_for(&mut self, silence: Duration) -> bool {
        self.stream.set_read_timeout(Some(silence)).expect("a timeout");
        let mut piece = [0; 1];
        let silent = self.bytes.is_empty()
            && self
                .stream
                .peek(&mut piece)
                .is_err_and(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        silent
    }
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) luma: Vec<u8>,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Seen {
    pub(crate) fn code(&self) -> Option<BlockCode> {
        read_code(&self.luma, self.width, self.width, self.height)
    }
    pub(crate) fn mean(&self) -> f64 {
        self.luma.iter().map(|value| f64::from(*value)).sum::<f64>() / self.luma.len() as f64
    }
    pub(crate) fn spread(&self) -> f64 {
        let mean = self.mean();
        (self.luma.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / self.luma.len() as f64).sqrt()
    }
}

/// Decodes pictures in a row, display order.
pub(crate) fn decoded(units: &[Unit]) -> Vec<Seen> {
    gst::init().expect("GStreamer");
    let description = "appsrc name=in max-bytes=0 caps=video/x-h264,stream-format=byte-stream ! h264parse ! avdec_h264 max-threads=1 \
                       ! video/x-raw,format=I420 ! appsink name=out sync=false";
    let pipeline = gst::parse::launch(description).expect("a pipeline").downcast::<gst::Pipeline>().expect("a pipeline");
    let input = pipeline.by_name("in").expect("in").downcast::<AppSrc>().expect("appsrc");
    let sink = pipeline.by_name("out").expect("out").downcast::<AppSink>().expect("appsink");
    pipeline.set_state(gst::State::Playing).expect("playing");
    let stream: Vec<u8> = units.iter().flat_map(|unit| unit.bytes.iter().copied()).collect();
    input.push_buffer(gst::Buffer::from_slice(stream)).expect("pushed");
    input.end_of_stream().expect("ended");
    let mut pictures = Vec::new();
    while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(10)) {
        let info = gst_video::VideoInfo::from_caps(sample.caps().expect("caps")).expect("video");
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().expect("a buffer"), &info).expect("a frame");
        let (width, height, stride) = (info.width() as usize, info.height() as usize, info.stride()[0] as usize);
        let plane = frame.plane_data(0).expect("luma");
        pictures.push(Seen { luma: (0..height).flat_map(|y| &plane[y * stride..y * stride + width]).copied().collect(), width, height });
    }
    pipeline.set_state(gst::State::Null).expect("stopped");
    pictures
}
