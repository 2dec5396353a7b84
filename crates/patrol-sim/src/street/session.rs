//! One connection: an RTSP conversation, and the packets that go out on it.

use super::auth::{admits, challenge};
use super::camera::{Client, Out};
use super::clip::StreetCodec;
use super::fault::Fault;
use super::request::{Request, Said, Transport, take, transport};
use super::rtp::{Burst, PAYLOAD_TYPE};
use super::server::Server;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Bursts and replies in a client's queue; its bytes are bounded besides.
const QUEUE_MAX: usize = 4096;
/// Packets sent over UDP without a pause: a socket's usual receive buffer takes about ninety.
const UDP_AT_ONCE: usize = 24;

const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN";

/// What a connection has set up.
struct Session {
    id: String,
    camera: usize,
    transport: Transport,
    playing: bool,
}

pub(super) struct Connection {
    server: Arc<Server>,
    peer: SocketAddr,
    number: u64,
    replies: Sender<Out>,
    queued: Arc<AtomicUsize>,
    cut: Arc<Notify>,
    /// Milliseconds of the server's clock when the client was last heard, over TCP or by RTCP over UDP.
    heard_ms: Arc<AtomicU64>,
    /// Told to the writer when UDP is set up.
    udp: tokio::sync::watch::Sender<Option<Transport>>,
    session: Option<Session>,
}

/// Why a connection ends.
struct Ended;

/// Serves one client until it leaves, falls silent, or is cut.
pub(super) async fn serve(server: Arc<Server>, stream: TcpStream, peer: SocketAddr, number: u64) {
    let (mut from_client, to_client) = stream.into_split();
    let (replies, outgoing) = channel(QUEUE_MAX);
    let (udp, transport) = tokio::sync::watch::channel(None);
    let queued = Arc::new(AtomicUsize::new(0));
    let writer = tokio::spawn(write(Arc::clone(&server), to_client, outgoing, Arc::clone(&queued), transport, peer));
    let cut = Arc::new(Notify::new());
    let heard_ms = Arc::new(AtomicU64::new(server.elapsed_ms()));
    let mut connection = Connection { server, peer, number, replies, queued, cut: Arc::clone(&cut), heard_ms, udp, session: None };
    let mut bytes = Vec::with_capacity(4096);
    loop {
        let silence = connection.silence_left();
        tokio::select! {
            read = from_client.read_buf(&mut bytes) => match read {
                Ok(1..) => connection.heard(),
                _ => break,
            },
            () = cut.notified() => break,
            () = tokio::time::sleep(silence) => {
                if connection.silence_left().is_zero() {
                    tracing::debug!(peer = %connection.peer, "a client fell silent");
                    break;
                }
            }
        }
        if connection.listen(&mut bytes).await.is_err() {
            break;
        }
    }
    connection.end_session();
    drop(connection);
    // What is queued may still go out, but a client that does not read holds nobody.
    let abort = writer.abort_handle();
    if tokio::time::timeout(Duration::from_millis(200), writer).await.is_err() {
        abort.abort();
    }
}

impl Connection {
    fn heard(&self) {
        self.heard_ms.store(self.server.elapsed_ms(), Ordering::Relaxed);
    }

    fn silence_left(&self) -> Duration {
        let silent_ms = self.server.elapsed_ms().saturating_sub(self.heard_ms.load(Ordering::Relaxed));
        Duration::from_secs(self.server.config.session_timeout_s.into()).saturating_sub(Duration::from_millis(silent_ms))
    }

    async fn listen(&mut self, bytes: &mut Vec<u8>) -> Result<(), Ended> {
        loop {
            match take(bytes) {
                Ok(Some(Said::Request(request))) => self.answer(&request).await?,
                Ok(Some(Said::Interleaved)) => {}
                Ok(None) => return Ok(()),
                Err(what) => {
                    tracing::debug!(peer = %self.peer, what, "a client does not speak RTSP");
                    return Err(Ended);
                }
            }
        }
    }

    async fn answer(&mut self, request: &Request) -> Result<(), Ended> {
        let camera = request.camera().or(self.session.as_ref().map(|session| session.camera));
        let fault = camera.and_then(|camera| self.server.fault(camera));
        if fault == Some(Fault::Down) {
            return Err(Ended);
        }
        if request.method == "OPTIONS" {
            return self.reply(request, "200 OK", &format!("Public: {METHODS}\r\n"), "").await;
        }
        let auth = self.server.config.auth.as_ref();
        let admitted = fault != Some(Fault::Unauthorised) && auth.is_none_or(|auth| admits(auth, &self.server.nonce, request));
        if !admitted {
            let scheme = auth.map_or(super::AuthScheme::Digest, |auth| auth.scheme);
            let header = format!("WWW-Authenticate: {}\r\n", challenge(scheme, &self.server.nonce));
            return self.reply(request, "401 Unauthorized", &header, "").await;
        }
        let known = camera.filter(|camera| *camera < self.server.config.cameras);
        let Some(camera) = known else { return self.reply(request, "404 Not Found", "", "").await };
        match request.method.as_str() {
            "DESCRIBE" => {
                let headers = format!("Content-Base: {}/\r\nContent-Type: application/sdp\r\n", request.url.trim_end_matches('/'));
                let sdp = self.sdp(camera);
                self.reply(request, "200 OK", &headers, &sdp).await
            }
            "SETUP" => self.setup(request, camera, fault).await,
            "PLAY" | "GET_PARAMETER" | "SET_PARAMETER" | "TEARDOWN" => {
                let named = request.header("Session").map(|id| id.split(';').next().unwrap_or(id).trim());
                let right = self.session.as_ref().is_some_and(|session| named.is_none_or(|named| named == session.id));
                if !right && request.method != "GET_PARAMETER" {
                    return self.reply(request, "454 Session Not Found", "", "").await;
                }
                match request.method.as_str() {
                    "PLAY" => self.play(request).await,
                    "TEARDOWN" => {
                        self.end_session();
                        self.reply(request, "200 OK", "", "").await
                    }
                    _ => self.reply(request, "200 OK", "", "").await,
                }
            }
            _ => self.reply(request, "405 Method Not Allowed", &format!("Allow: {METHODS}\r\n"), "").await,
        }
    }

    async fn setup(&mut self, request: &Request, camera: usize, fault: Option<Fault>) -> Result<(), Ended> {
        if let Some(Fault::SlowSetup { seconds }) = fault {
            tokio::time::sleep(Duration::from_secs(seconds.into())).await;
        }
        if self.session.as_ref().is_some_and(|session| session.playing) {
            return self.reply(request, "455 Method Not Valid In This State", "", "").await;
        }
        let offered = request.header("Transport").unwrap_or_default();
        let Some(transport) = transport(offered, fault != Some(Fault::UdpOnly)) else {
            return self.reply(request, "461 Unsupported Transport", "", "").await;
        };
        let id = format!("{:08X}{:08X}", self.number, self.server.salt);
        let header = match transport {
            Transport::Tcp { channel } => format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel.wrapping_add(1)),
            Transport::Udp { rtp, rtcp } => {
                let (server_rtp, server_rtcp) = self.server.udp_ports();
                self.udp.send_replace(Some(transport));
                self.server.expect_rtcp(SocketAddr::new(self.peer.ip(), rtcp), &self.heard_ms);
                format!("RTP/AVP;unicast;client_port={rtp}-{rtcp};server_port={server_rtp}-{server_rtcp}")
            }
        };
        let ssrc = self.server.ssrc(camera);
        let headers = format!("Transport: {header};ssrc={ssrc:08X}\r\nSession: {id};timeout={}\r\n", self.server.config.session_timeout_s);
        self.udp.send_replace(Some(transport));
        self.session = Some(Session { id, camera, transport, playing: false });
        self.reply(request, "200 OK", &headers, "").await
    }

    async fn play(&mut self, request: &Request) -> Result<(), Ended> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if session.playing {
            return self.reply(request, "200 OK", "Range: npt=now-\r\n", "").await;
        }
        session.playing = true;
        let camera = session.camera;
        let client = Client { id: self.number, queue: self.replies.clone(), queued: Arc::clone(&self.queued), cut: Arc::clone(&self.cut) };
        // The reply goes into the queue before the first picture can: both under the camera's lock.
        let url = format!("{}/trackID=0", self.server.url_of(camera));
        let text = self.server.join(camera, client, |sequence, timestamp| {
            let headers = format!("Range: npt=now-\r\nRTP-Info: url={url};seq={sequence};rtptime={timestamp}\r\n");
            self.reply_text(request, "200 OK", &headers, "")
        });
        if text { Ok(()) } else { Err(Ended) }
    }

    fn end_session(&mut self) {
        let Some(session) = self.session.take() else { return };
        self.server.leave(session.camera, self.number);
        if let Transport::Udp { rtcp, .. } = session.transport {
            self.server.forget_rtcp(SocketAddr::new(self.peer.ip(), rtcp));
        }
    }

    fn reply_text(&self, request: &Request, status: &str, headers: &str, body: &str) -> Vec<u8> {
        let mut text = format!("RTSP/1.0 {status}\r\nCSeq: {}\r\nServer: patrol-sim-street\r\n", request.header("CSeq").unwrap_or("0"));
        if let Some(session) = self.session.as_ref().filter(|_| !headers.contains("Session:")) {
            text = format!("{text}Session: {};timeout={}\r\n", session.id, self.server.config.session_timeout_s);
        }
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        (text + headers + &length + "\r\n" + body).into_bytes()
    }

    async fn reply(&self, request: &Request, status: &str, headers: &str, body: &str) -> Result<(), Ended> {
        let text = self.reply_text(request, status, headers, body);
        self.replies.send(Out::Reply(text)).await.map_err(|_| Ended)
    }

    fn sdp(&self, camera: usize) -> String {
        let sets = self.server.described_sets(camera);
        let encoded = |number: usize| sets.get(number).map(|set| STANDARD.encode(set)).unwrap_or_default();
        let (name, format) = match self.server.config.codec {
            StreetCodec::H264 => {
                let profile = sets.first().and_then(|sps| sps.get(1..4)).map(hex::encode_upper).unwrap_or_default();
                ("H264", format!("packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={},{}", encoded(0), encoded(1)))
            }
            StreetCodec::H265 => ("H265", format!("sprop-vps={};sprop-sps={};sprop-pps={}", encoded(0), encoded(1), encoded(2))),
        };
        let (salt, ip, fps) = (self.server.salt, self.server.address.ip(), self.server.config.fps);
        [
            "v=0".into(),
            format!("o=- {salt} 1 IN IP4 {ip}"),
            "s=patrol sim street".into(),
            format!("c=IN IP4 {ip}"),
            "t=0 0".into(),
            "a=control:*".into(),
            "a=range:npt=now-".into(),
            format!("m=video 0 RTP/AVP {PAYLOAD_TYPE}"),
            format!("a=rtpmap:{PAYLOAD_TYPE} {name}/90000"),
            format!("a=fmtp:{PAYLOAD_TYPE} {format}"),
            format!("a=framerate:{fps}"),
            "a=control:trackID=0\r\n".into(),
        ]
        .join("\r\n")
    }
}

/// Sends what is queued, in order, until the queue is closed or the client is gone.
async fn write(
    server: Arc<Server>,
    mut stream: OwnedWriteHalf,
    mut queue: Receiver<Out>,
    queued: Arc<AtomicUsize>,
    transport: tokio::sync::watch::Receiver<Option<Transport>>,
    peer: SocketAddr,
) {
    while let Some(out) = queue.recv().await {
        let written = match out {
            Out::Reply(text) => stream.write_all(&text).await.is_ok(),
            Out::Media(burst) => {
                let transport = *transport.borrow();
                let written = match transport {
                    Some(Transport::Udp { rtp, rtcp }) => {
                        let port = if burst.is_rtcp { rtcp } else { rtp };
                        send_udp(&server, &burst, SocketAddr::new(peer.ip(), port)).await;
                        true
                    }
                    Some(Transport::Tcp { channel: channel @ 1.. }) => {
                        let mut bytes = burst.bytes.clone();
                        for start in &burst.starts {
                            bytes[start + 1] = bytes[start + 1].wrapping_add(channel);
                        }
                        stream.write_all(&bytes).await.is_ok()
                    }
                    _ => stream.write_all(&burst.bytes).await.is_ok(),
                };
                queued.fetch_sub(burst.bytes.len(), Ordering::Relaxed);
                written
            }
        };
        if !written {
            return;
        }
    }
}

async fn send_udp(server: &Server, burst: &Burst, to: SocketAddr) {
    let socket = if burst.is_rtcp { &server.udp_rtcp } else { &server.udp_rtp };
    for (number, packet) in burst.packets().enumerate() {
        if number % UDP_AT_ONCE == UDP_AT_ONCE - 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if let Err(error) = socket.send_to(packet, to).await {
            // A client that has closed its port: its session ends by silence.
            tracing::trace!(%to, %error, "a packet was not sent");
        }
    }
}
