//! The server behind the street: one thread, one runtime, a task per connection and per camera.

use super::camera::{Camera, Client, Out};
use super::fault::{Fault, FaultPlan};
use super::library::Library;
use super::sent::SentLog;
use super::session::serve;
use super::{StreetConfig, StreetStats};
use crate::error::SimError;
use crate::random::{Dice, mix};
use patrol_core::{Clock, SystemClock};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

/// What the kernel keeps for a client: little, so that one that does not read is noticed.
const SEND_BUFFER_BYTES: u32 = 512 * 1024;
const BACKLOG: u32 = 1024;

pub(super) struct Server {
    pub(super) config: StreetConfig,
    pub(super) address: SocketAddr,
    pub(super) nonce: String,
    /// In session ids: those of an earlier street are no longer good.
    pub(super) salt: u32,
    pub(super) udp_rtp: UdpSocket,
    pub(super) udp_rtcp: UdpSocket,
    library: Library,
    clock: SystemClock,
    cameras: Vec<Mutex<Camera>>,
    sent: Option<SentLog>,
    /// Where RTCP of UDP clients comes from, and whom it keeps alive.
    rtcp_from: Mutex<HashMap<SocketAddr, Arc<AtomicU64>>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    sessions: AtomicU64,
    pictures: AtomicU64,
    bytes: AtomicU64,
    packets_lost: AtomicU64,
    clients_dropped: AtomicU64,
}

impl Server {
    /// Binds; nothing is served before [`Server::run`].
    pub(super) async fn bind(config: StreetConfig, library: Library) -> Result<(Arc<Self>, TcpListener), SimError> {
        let failed = |what: &str, error: &std::io::Error| SimError::Street(format!("{what}: {error}"));
        let listen = config.listen;
        let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let bound = socket.and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
            socket.bind(listen)?;
            socket.listen(BACKLOG)
        });
        let listener = bound.map_err(|error| failed(&format!("cannot listen on {listen}"), &error))?;
        let address = listener.local_addr().map_err(|error| failed("no address", &error))?;
        let (udp_rtp, udp_rtcp) = udp_pair(address.ip()).await.map_err(|error| failed("no UDP ports", &error))?;
        let cameras = (0..config.cameras).map(|index| Camera::new(index, &config, &library).map(Mutex::new)).collect::<Result<_, _>>()?;
        let clock = SystemClock::new();
        let salt = mix(clock.now().0 as u64);
        let sent = config.sent.as_deref().map(SentLog::create).transpose()?;
        let server = Self {
            address,
            nonce: format!("{salt:016x}"),
            salt: salt as u32,
            udp_rtp,
            udp_rtcp,
            library,
            clock,
            cameras,
            sent,
            rtcp_from: Mutex::default(),
            counts: Counts::default(),
            config,
        };
        Ok((Arc::new(server), listener))
    }

    /// Serves until `stop` turns true.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener, mut stop: tokio::sync::watch::Receiver<bool>) {
        let start = Instant::now();
        for camera in 0..self.cameras.len() {
            tokio::spawn(Arc::clone(&self).pace(camera, start));
        }
        for plan in self.config.faults.clone() {
            tokio::spawn(Arc::clone(&self).befall(plan, start));
        }
        tokio::spawn(Arc::clone(&self).hear_rtcp());
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let number = self.counts.connections.fetch_add(1, Ordering::Relaxed);
                        if let Err(error) = stream.set_nodelay(true) {
                            tracing::debug!(%peer, %error, "no TCP_NODELAY");
                        }
                        tokio::spawn(serve(Arc::clone(&self), stream, peer, number));
                    }
                    Err(error) => {
                        // Out of descriptors, in general: clients come again.
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                // A sender that is gone is a stop too.
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        if let Some(sent) = &self.sent {
            sent.flush();
        }
    }

    /// One picture of `camera` after another.
    async fn pace(self: Arc<Self>, camera: usize, start: Instant) {
        let period = Duration::from_secs_f64(1.0 / self.config.fps);
        let phase = period.mul_f64(f64::from(Dice::new(self.config.seed, &format!("street phase {camera}")).between(0.0, 1.0)));
        let mut interval = interval_at(start + phase, period);
        // Late pictures are sent at once: a camera's clock does not wait.
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            interval.tick().await;
            let now = self.clock.now();
            let tick = self.camera(camera).tick(now);
            self.counts.packets_lost.fetch_add(tick.lost_packets, Ordering::Relaxed);
            self.counts.clients_dropped.fetch_add(tick.dropped_clients, Ordering::Relaxed);
            self.counts.bytes.fetch_add(tick.bytes, Ordering::Relaxed);
            if let Some(picture) = tick.sent {
                self.counts.pictures.fetch_add(1, Ordering::Relaxed);
                if let Some(sent) = &self.sent {
                    sent.write(camera, &picture, now);
                }
            }
        }
    }

    async fn befall(self: Arc<Self>, plan: FaultPlan, start: Instant) {
        let mut from = start + plan.start;
        loop {
            sleep_until(from).await;
            self.set_fault_of(&plan, Some(plan.fault));
            let Some(lasts) = plan.lasts else { return };
            sleep_until(from + lasts).await;
            self.set_fault_of(&plan, None);
            let Some(every) = plan.every else { return };
            from += every;
        }
    }

    fn set_fault_of(&self, plan: &FaultPlan, fault: Option<Fault>) {
        for camera in plan.cameras(self.cameras.len()) {
            // The end of a plan ends only its own fault.
            if fault.is_none() && self.fault(camera) != Some(plan.fault) {
                continue;
            }
            tracing::debug!(camera, ?fault, "fault");
            if let Err(error) = self.set_fault(camera, fault) {
                tracing::warn!(camera, %error, "a fault was not set");
            }
        }
    }

    async fn hear_rtcp(self: Arc<Self>) {
        let mut packet = [0; 2048];
        loop {
            match self.udp_rtcp.recv_from(&mut packet).await {
                Ok((_, from)) => {
                    if let Some(heard) = lock(&self.rtcp_from).get(&from) {
                        heard.store(self.elapsed_ms(), Ordering::Relaxed);
                    }
                }
                // ICMP told that a port is closed.
                Err(error) => tracing::trace!(%error, "RTCP"),
            }
        }
    }

    fn camera(&self, camera: usize) -> MutexGuard<'_, Camera> {
        lock(&self.cameras[camera])
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        self.clock.monotonic().as_millis() as u64
    }

    pub(super) fn fault(&self, camera: usize) -> Option<Fault> {
        self.cameras.get(camera).and_then(|camera| lock(camera).fault())
    }

    pub(super) fn set_fault(&self, camera: usize, fault: Option<Fault>) -> Result<(), SimError> {
        self.known(camera)?;
        let fault = fault.map(Fault::check).transpose().map_err(SimError::Street)?;
        // Encoded here, not under the camera's lock.
        self.library.prepare(camera, fault)?;
        self.camera(camera).set_fault(fault, &self.library)
    }

    fn known(&self, camera: usize) -> Result<(), SimError> {
        let found = self.cameras.len();
        if camera < found { Ok(()) } else { Err(SimError::NoCamera { wanted: camera, found }) }
    }

    pub(super) fn clients(&self, camera: usize) -> usize {
        self.cameras.get(camera).map_or(0, |camera| lock(camera).clients())
    }

    pub(super) fn described_sets(&self, camera: usize) -> Vec<Arc<[u8]>> {
        self.camera(camera).described_sets().to_vec()
    }

    pub(super) fn ssrc(&self, camera: usize) -> u32 {
        self.camera(camera).ssrc()
    }

    /// Takes up `client`; its queue gets the reply that `reply` makes of the first sequence number and RTP time. `false`: the queue is full.
    pub(super) fn join(&self, camera: usize, client: Client, reply: impl FnOnce(u16, u32) -> Vec<u8>) -> bool {
        let mut camera = self.camera(camera);
        let queue = client.queue.clone();
        self.counts.sessions.fetch_add(1, Ordering::Relaxed);
        let (sequence, timestamp) = camera.join(client);
        queue.try_send(Out::Reply(reply(sequence, timestamp))).is_ok()
    }

    pub(super) fn leave(&self, camera: usize, client: u64) {
        self.camera(camera).leave(client);
    }

    pub(super) fn url_of(&self, camera: usize) -> String {
        format!("rtsp://{}/cam/{camera:03}", self.address)
    }

    pub(super) fn udp_ports(&self) -> (u16, u16) {
        let port = |socket: &UdpSocket| socket.local_addr().map_or(0, |address| address.port());
        (port(&self.udp_rtp), port(&self.udp_rtcp))
    }

    pub(super) fn expect_rtcp(&self, from: SocketAddr, heard_ms: &Arc<AtomicU64>) {
        lock(&self.rtcp_from).insert(from, Arc::clone(heard_ms));
    }

    pub(super) fn forget_rtcp(&self, from: SocketAddr) {
        lock(&self.rtcp_from).remove(&from);
    }

    pub(super) fn stats(&self) -> StreetStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        if let Some(sent) = &self.sent {
            sent.flush();
        }
        StreetStats {
            clients: (0..self.cameras.len()).map(|camera| self.clients(camera)).sum(),
            sessions: read(&self.counts.sessions),
            pictures: read(&self.counts.pictures),
            bytes: read(&self.counts.bytes),
            packets_lost: read(&self.counts.packets_lost),
            clients_dropped: read(&self.counts.clients_dropped),
        }
    }
}

/// An even port and the one above it (RFC 3550 §11).
async fn udp_pair(ip: IpAddr) -> std::io::Result<(UdpSocket, UdpSocket)> {
    const TRIES: u32 = 64;
    let mut last = None;
    for _ in 0..TRIES {
        let first = UdpSocket::bind((ip, 0)).await?;
        let port = first.local_addr()?.port();
        if port % 2 == 1 || port == u16::MAX {
            continue;
        }
        match UdpSocket::bind((ip, port + 1)).await {
            Ok(second) => return Ok((first, second)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("no even port is free")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
