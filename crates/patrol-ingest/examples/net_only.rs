//! Takes in many network cameras and decodes none: what the network side alone costs. Used by `benches/rtsp/measure.py`.
//!
//! ```text
//! net_only SECONDS URL…
//! ```
//! Prints `ready` when all sessions play. Then the rings fill and give way as in a patrol whose decoders do not come to them. At the end one
//! JSON line: sessions, lost packets, bytes and shortest span of the rings.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a tool that prints what it found, by real time")]

use patrol_core::{CameraId, SystemClock};
use patrol_ingest::{Decoders, RtspCamera, RtspNet, RtspOptions, RtspTransport};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

const RINGS_BYTES_MAX: u64 = 1 << 30;
const START_MAX: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().ok_or("wanted SECONDS URL…")?.parse()?;
    let net = RtspNet::start(Arc::new(SystemClock::new()), RINGS_BYTES_MAX)?;
    let cameras: Vec<Arc<RtspCamera>> = arguments
        .enumerate()
        .map(|(index, url)| {
            let camera = CameraId::new(&index.to_string());
            RtspCamera::new(
                &net,
                RtspOptions { camera, url, credentials: None, transport: RtspTransport::Tcp, decoders: Decoders::default() },
            )
        })
        .collect::<Result<_, _>>()?;
    let feeds: Vec<_> = cameras.iter().map(RtspCamera::open).collect();
    let began = Instant::now();
    while cameras.iter().any(|camera| camera.link().ring_bytes == 0) {
        if began.elapsed() > START_MAX {
            return Err("not all cameras send".into());
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    println!("ready");
    std::thread::park_timeout(Duration::from_secs_f64(seconds));
    let links: Vec<_> = cameras.iter().map(|camera| camera.link()).collect();
    let shortest_s = links.iter().map(|link| link.ring_s).fold(f64::INFINITY, f64::min);
    println!(
        "{{\"sessions\":{},\"lost_packets\":{},\"ring_bytes\":{},\"ring_shortest_s\":{shortest_s:.2}}}",
        links.iter().map(|link| link.sessions).sum::<u64>(),
        links.iter().map(|link| link.lost_packets).sum::<u64>(),
        links.iter().map(|link| link.ring_bytes).sum::<u64>(),
    );
    drop(feeds);
    Ok(())
}
