//! A camera on loopback, as small as it can be: one closure per connection says what it answers and sends. H.264 and H.265 units come from
//! GStreamer's encoders; RTP by RFC 6184 §5.8 and RFC 7798 §4.4.3, interleaved (RFC 2326 §10.12) or over UDP.

use gstreamer as gst;
use gstreamer::prelude::*;
use md5::{Digest, Md5};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// One encoded picture: NAL units without start codes.
#[derive(Clone)]
pub(crate) struct Encoded {
    pub(crate) nals: Vec<Vec<u8>>,
    pub(crate) pts_ms: i64,
}

/// Encodes a moving test pattern at 25 pictures a second; `encode` ends in a parser.
pub(crate) fn encode(pictures: u32, size: (u32, u32), encode: &str) -> Vec<Encoded> {
    let stream = if encode.contains("h265parse") { "video/x-h265" } else { "video/x-h264" };
    let line = format!(
        "videotestsrc num-buffers={pictures} pattern=ball ! video/x-raw,width={},height={},framerate=25/1 ! videoconvert ! \
         video/x-raw,format=I420 ! {encode} config-interval=-1 ! {stream},stream-format=byte-stream,alignment=au ! appsink name=out sync=false",
        size.0, size.1
    );
    units_of(&line)
}

/// The pictures of a recording in MP4 with H.264, in decoding order.
pub(crate) fn recorded(path: &std::path::Path) -> Vec<Encoded> {
    units_of(&format!(
        "filesrc location={} ! qtdemux ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au ! \
         appsink name=out sync=false",
        path.display()
    ))
}

/// Runs a pipeline that ends in the sink `out` and takes its access units.
fn units_of(line: &str) -> Vec<Encoded> {
    gst::init().expect("GStreamer starts");
    let pipeline =
        gst::parse::launch(line).unwrap_or_else(|error| panic!("{line}: {error}")).downcast::<gst::Pipeline>().expect("a pipeline");
    let sink = pipeline.by_name("out").and_downcast::<gstreamer_app::AppSink>().expect("the sink");
    pipeline.set_state(gst::State::Playing).expect("the encoder starts");
    let mut units: Vec<(i64, Encoded)> = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().expect("a unit");
        let bytes = buffer.map_readable().expect("readable");
        let pts = buffer.pts().expect("a time").mseconds() as i64;
        units.push((pts, Encoded { nals: nals(&bytes), pts_ms: pts }));
    }
    pipeline.set_state(gst::State::Null).expect("the encoder stops");
    let first = units.iter().map(|unit| unit.0).min().expect("pictures");
    units.into_iter().map(|(pts, unit)| Encoded { pts_ms: pts - first, ..unit }).collect()
}

pub(crate) fn h264(pictures: u32) -> Vec<Encoded> {
    encode(pictures, (192, 108), "x264enc bframes=0 key-int-max=10 threads=1 bitrate=1500 ! h264parse")
}

fn nals(annex_b: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> = annex_b.windows(3).enumerate().filter(|(_, bytes)| *bytes == [0, 0, 1]).map(|(at, _)| at + 3).collect();
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([annex_b.len()]);
    starts.iter().zip(ends).map(|(start, end)| annex_b[*start..end].to_vec()).map(trimmed).collect()
}

fn trimmed(mut nal: Vec<u8>) -> Vec<u8> {
    while nal.last() == Some(&0) {
        nal.pop();
    }
    nal
}

pub(crate) struct Camera {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    pub(crate) connections: Arc<AtomicU32>,
}

impl Camera {
    /// Serves each connection with `behave(connection number, peer)`, on a thread of its own.
    pub(crate) fn start(behave: impl Fn(u32, &mut Peer) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stopping, connections, behave) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), Arc::new(behave));
        let (stop, count) = (Arc::clone(&stopping), Arc::clone(&connections));
        let accept = move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let number = count.fetch_add(1, Ordering::SeqCst);
                let behave = Arc::clone(&behave);
                let serve = move || {
                    if let Ok(mut peer) = Peer::new(stream) {
                        // A client that goes away is the usual end.
                        behave(number, &mut peer).unwrap_or_default();
                    }
                };
                std::thread::Builder::new().name("camera-peer".into()).spawn(serve).expect("a thread");
            }
        };
        std::thread::Builder::new().name("camera".into()).spawn(accept).expect("a thread");
        Self { address, stopping, connections }
    }

    pub(crate) fn url(&self) -> String {
        format!("rtsp://{}/live?token=geheim", self.address)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

pub(crate) struct Request {
    pub(crate) method: String,
    uri: String,
    cseq: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// How a camera asks for a password.
#[derive(Clone, Copy)]
pub(crate) enum Auth {
    Open,
    Basic,
    Digest,
}

/// One connection, seen from the camera.
pub(crate) struct Peer {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    udp: Option<(UdpSocket, SocketAddr)>,
    sequence: u16,
    pub(crate) auth: Auth,
    pub(crate) refuses_tcp: bool,
    pub(crate) refused: u32,
    pub(crate) h265: bool,
}

impl Peer {
    fn new(stream: TcpStream) -> std::io::Result<Self> {
        let reader = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, reader, udp: None, sequence: 7_000, auth: Auth::Open, refuses_tcp: false, refused: 0, h265: false })
    }

    pub(crate) fn request(&mut self) -> std::io::Result<Request> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut words = lines.first().cloned().unwrap_or_default().split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter();
        let headers: Vec<(String, String)> = lines
            .iter()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut request = Request { method, uri, cseq: String::new(), headers };
        request.cseq = request.header("CSeq").unwrap_or("0").to_owned();
        Ok(request)
    }

    pub(crate) fn answer(&mut self, request: &Request, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        write!(self.stream, "RTSP/1.0 {status}\r\nCSeq: {}\r\n{headers}{length}\r\n{body}", request.cseq)
    }

    fn is_allowed(&self, request: &Request) -> bool {
        let given = request.header("Authorization").unwrap_or_default();
        let md5 = |text: String| hex::encode(Md5::digest(text.as_bytes()));
        match self.auth {
            Auth::Open => true,
            // admin:geheim
            Auth::Basic => given == "Basic YWRtaW46Z2VoZWlt",
            Auth::Digest => {
                let (a1, a2) = (md5("admin:cam:geheim".to_owned()), md5(format!("{}:{}", request.method, request.uri)));
                given.starts_with("Digest ") && given.contains(&md5(format!("{a1}:n0nce:{a2}")))
            }
        }
    }

    /// Answers everything up to PLAY.
    pub(crate) fn play(&mut self) -> std::io::Result<()> {
        loop {
            let request = self.request()?;
            if !self.is_allowed(&request) {
                let how = if matches!(self.auth, Auth::Basic) { "Basic realm=\"cam\"" } else { "Digest realm=\"cam\", nonce=\"n0nce\"" };
                self.answer(&request, "401 Unauthorized", &format!("WWW-Authenticate: {how}\r\n"), "")?;
                continue;
            }
            match request.method.as_str() {
                "DESCRIBE" => {
                    let name = if self.h265 { "H265" } else { "H264" };
                    let sdp = format!(
                        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\na=control:a\r\nm=video 0 RTP/AVP 96\r\n\
                         a=rtpmap:96 {name}/90000\r\na=control:v\r\n"
                    );
                    self.answer(&request, "200 OK", "Content-Type: application/sdp\r\n", &sdp)?;
                }
                "SETUP" => self.set_up(&request)?,
                "PLAY" => return self.answer(&request, "200 OK", "Session: 1\r\n", ""),
                _ => self.answer(&request, "200 OK", "Session: 1\r\n", "")?,
            }
        }
    }

    fn set_up(&mut self, request: &Request) -> std::io::Result<()> {
        let transport = request.header("Transport").unwrap_or_default().to_owned();
        if transport.contains("TCP") {
            if self.refuses_tcp {
                self.refused += 1;
                return self.answer(request, "461 Unsupported Transport", "", "");
            }
            return self.answer(request, "200 OK", &format!("Session: 1;timeout=60\r\nTransport: {transport}\r\n"), "");
        }
        let port: u16 = transport.split("client_port=").nth(1).and_then(|ports| ports.split('-').next()?.parse().ok()).expect("a port");
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let own = socket.local_addr()?.port();
        self.udp = Some((socket, SocketAddr::from(([127, 0, 0, 1], port))));
        self.answer(request, "200 OK", &format!("Session: 1\r\nTransport: {transport};server_port={own}-{}\r\n", own.saturating_add(1)), "")
    }

    /// Sends pictures; `lose(packet of the call)` says which packets do not arrive, `at_ms` is added to their times.
    pub(crate) fn send(&mut self, pictures: &[Encoded], at_ms: i64, lose: impl Fn(usize) -> bool) -> std::io::Result<()> {
        let mut count = 0;
        for picture in pictures {
            let payloads: Vec<Vec<u8>> = picture.nals.iter().flat_map(|nal| self.payloads(nal)).collect();
            for (at, payload) in payloads.iter().enumerate() {
                let mark = at + 1 == payloads.len();
                if !lose(count) {
                    self.packet(payload, (picture.pts_ms + at_ms) * 90, mark)?;
                }
                self.sequence = self.sequence.wrapping_add(1);
                count += 1;
            }
        }
        Ok(())
    }

    fn payloads(&self, nal: &[u8]) -> Vec<Vec<u8>> {
        if nal.len() <= 1_400 {
            return vec![nal.to_vec()];
        }
        let (header, body) = nal.split_at(if self.h265 { 2 } else { 1 });
        let parts: Vec<&[u8]> = body.chunks(1_400).collect();
        let part = |(at, bytes): (usize, &&[u8])| {
            let ends = (u8::from(at == 0) << 7) | (u8::from(at + 1 == parts.len()) << 6);
            let mut payload = if self.h265 {
                vec![(header[0] & 0x81) | (49 << 1), header[1], ends | ((header[0] >> 1) & 0x3f)]
            } else {
                vec![(header[0] & 0xe0) | 0x1c, ends | (header[0] & 0x1f)]
            };
            payload.extend_from_slice(bytes);
            payload
        };
        parts.iter().enumerate().map(part).collect()
    }

    pub(crate) fn packet(&mut self, payload: &[u8], rtp_time: i64, mark: bool) -> std::io::Result<()> {
        let mut packet = vec![0x80, 0x60 | (u8::from(mark) << 7)];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&(rtp_time as u32).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 1]);
        packet.extend_from_slice(payload);
        self.emit(0, &packet)
    }

    /// As if so many packets had been lost.
    pub(crate) fn lose(&mut self, packets: u16) {
        self.sequence = self.sequence.wrapping_add(packets);
    }

    /// A sender report: at `rtp_time` the camera's clock shows `unix_ns`.
    pub(crate) fn report(&mut self, rtp_time: i64, unix_ns: i64) -> std::io::Result<()> {
        let seconds = unix_ns.div_euclid(1_000_000_000) + 2_208_988_800;
        let ntp = ((seconds as u64) << 32) | (((unix_ns.rem_euclid(1_000_000_000) as u64) << 32) / 1_000_000_000);
        let mut packet = vec![0x80, 200, 0, 6, 0, 0, 0, 1];
        packet.extend_from_slice(&ntp.to_be_bytes());
        packet.extend_from_slice(&(rtp_time as u32).to_be_bytes());
        packet.extend_from_slice(&[0; 8]);
        self.emit(1, &packet)
    }

    fn emit(&mut self, channel: u8, packet: &[u8]) -> std::io::Result<()> {
        if let Some((socket, to)) = &self.udp {
            return socket.send_to(packet, to).map(|_| ());
        }
        let mut framed = vec![b'$', channel];
        framed.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        framed.extend_from_slice(packet);
        self.stream.write_all(&framed)
    }

    /// Says nothing more until the client goes; answers nothing either. Gives what the client still sent.
    pub(crate) fn hold(&mut self) -> std::io::Result<String> {
        let mut rest = String::new();
        self.reader.read_to_string(&mut rest)?;
        Ok(rest)
    }
}
