//! The console over a made-up night, to look at: `cargo run -p patrol-console --example console_fake [PORT] [SPEED]`.
//!
//! cam-1 to cam-3 have live pictures (cam-2 stops for 8 s of every 16). With ffmpeg at hand the leads have clips, H.264 and H.265.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a thing to look at, not to run")]

#[path = "../tests/it/fake.rs"]
mod fake;

use fake::FakeOffice;
use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, Luma};
use patrol_console::{ChangeKind, ConsoleConfig, LivePicture, Office, serve};
use patrol_core::desk::Ring;
use patrol_core::lead::{Decision, DeliveryState, Lead, LeadState, Review, Ringing};
use patrol_core::{CameraId, Clock, PictureSize, PixelBox, Posture, ScaledClock, Tier, WallTime};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A thermal-like night: a cold gradient with noise, warm lamps, and a warm ellipse in `bbox`, `shift` pixels aside.
fn night(size: PictureSize, bbox: PixelBox, seed: u32, shift: f32) -> GrayImage {
    let mut state = seed | 1;
    GrayImage::from_fn(size.width, size.height, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 28) as f32 - 8.0;
        let ground = 34.0 + 44.0 * y as f32 / size.height as f32;
        let kerb = if (y as f32 - 180.0 - x as f32 * 0.12).abs() < 5.0 { 26.0 } else { 0.0 };
        let wall = if x < 130 && y < 260 { 22.0 } else { 0.0 };
        let centre = bbox.centre();
        let reach = ((x as f32 - centre.x - shift) / (bbox.w * 0.46)).powi(2) + ((y as f32 - centre.y) / (bbox.h * 0.42)).powi(2);
        let body = 150.0 * (1.25 - reach).clamp(0.0, 0.9);
        Luma([(ground + kerb + wall + body + noise).clamp(0.0, 255.0) as u8])
    })
}

fn jpeg(picture: &GrayImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(picture).unwrap();
    bytes
}

fn photograph(office: &FakeOffice, lead: &Lead) {
    let mut pictures = office.pictures.lock().unwrap();
    for (seed, evidence) in lead.evidence.iter().enumerate() {
        let whole = night(evidence.size, evidence.bbox, seed as u32 + 7, 0.0);
        let around = evidence.bbox.grown(34.0).clipped(evidence.size);
        let (x, y, w, h) = (around.x as u32, around.y as u32, around.w as u32, around.h as u32);
        let crop = image::imageops::crop_imm(&whole, x, y, w, h).to_image();
        pictures.insert(evidence.crop_sha256.clone(), jpeg(&crop));
        for (index, preview) in evidence.preview_sha256.iter().enumerate() {
            let shift = -(12 - index as i32).max(0) as f32 * 6.0;
            let small = image::imageops::thumbnail(&night(evidence.size, evidence.bbox, index as u32, shift), 320, 256);
            pictures.insert(preview.clone(), jpeg(&small));
        }
        pictures.insert(evidence.whole_sha256.clone(), jpeg(&whole));
    }
}

/// Six seconds of test picture, as a camera would have sent it; `None` without ffmpeg.
fn clip(codec: &str) -> Option<Vec<u8>> {
    let source = "testsrc2=size=640x512:rate=12:duration=6";
    let asked = ["-loglevel", "error", "-f", "lavfi", "-i", source, "-c:v", codec, "-pix_fmt", "yuv420p", "-preset", "ultrafast"];
    let to_pipe = ["-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "-"];
    let made = std::process::Command::new("ffmpeg").args(asked).args(to_pipe).output().ok()?;
    made.status.success().then_some(made.stdout)
}

/// Live pictures at 5 a second while somebody looks on, and a fresh look at any time.
async fn film(office: Arc<FakeOffice>, clock: Arc<dyn Clock>) {
    let size = PictureSize::new(640, 512);
    let bbox = PixelBox::new(268.0, 300.0, 112.0, 44.0);
    for number in 0_u32.. {
        let shift = 60.0 * (number as f32 / 10.0).sin();
        let picture = jpeg(&night(size, bbox, number + 3, shift));
        let captured = clock.now();
        for (camera, stops) in [("cam-1", false), ("cam-2", true), ("cam-3", false)] {
            let live = office.live(camera);
            if live.receiver_count() > 0 && !(stops && number / 40 % 2 == 1) {
                live.send_replace(Some(LivePicture { jpeg: picture.as_slice().into(), captured }));
            }
        }
        let mut fresh = fake::fresh_look(&picture, captured);
        fresh.people[0].bbox.x += shift;
        *office.fresh.lock().unwrap() = Some(Ok(fresh));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn place(mut lead: Lead, camera: &str, name: &str, address: &str, bbox: PixelBox) -> Lead {
    lead.place.camera = CameraId::new(camera);
    name.clone_into(&mut lead.camera_name);
    lead.address = Some(address.to_owned());
    lead.place.bbox = bbox;
    for evidence in &mut lead.evidence {
        evidence.bbox = bbox;
    }
    lead
}

fn leads(now: WallTime) -> Vec<Lead> {
    let ago = |seconds: u64| now - Duration::from_secs(seconds);
    let mut first = fake::lead(317, Tier::A, 78.4, 0.74, now);
    first.state_since = ago(48);
    first.ringing = Some(Ringing { since: ago(48), last: ago(3), why: "新线索 A 级,静止超过 20 分钟".to_owned(), leader: false });
    let mut second = place(
        fake::lead(318, Tier::A, 71.0, 0.61, now),
        "cam-4",
        "烂尾楼北门",
        "四川中路 88 号工地",
        PixelBox::new(400.0, 220.0, 60.0, 40.0),
    );
    (second.people, second.posture, second.score.weather_assumed) = (3, Posture::Curled, true);
    let mut third = place(
        fake::lead(311, Tier::B, 58.2, 0.83, now),
        "cam-3",
        "河南路公交站",
        "河南中路/福州路",
        PixelBox::new(180.0, 200.0, 46.0, 80.0),
    );
    (third.posture, third.still_since) = (Posture::Sitting, Some(ago(780)));
    third.linked = vec![fake::lead(207, Tier::C, 40.0, 0.5, now).id];
    let mut fourth = place(
        fake::lead(309, Tier::C, 41.9, 0.38, now),
        "cam-2",
        "外滩桥洞东侧",
        "外白渡桥东侧桥洞",
        PixelBox::new(420.0, 330.0, 70.0, 38.0),
    );
    (fourth.resolved, fourth.posture, fourth.position, fourth.place.position) = (false, Posture::Unknown, None, None);
    fourth.state_since = ago(900);
    let mut watched = place(
        fake::lead(319, Tier::B, 52.0, 0.7, now),
        "cam-1",
        "人民路地下通道1号口热像",
        "人民路/河南路 地下通道1号口",
        PixelBox::new(60.0, 280.0, 96.0, 40.0),
    );
    watched.state = LeadState::Candidate;
    let mut under_way = place(
        fake::lead(305, Tier::B, 63.0, 0.8, now),
        "cam-3",
        "河南路公交站",
        "河南中路/福州路",
        PixelBox::new(300.0, 260.0, 90.0, 40.0),
    );
    (under_way.state, under_way.delivery, under_way.state_since) = (LeadState::Dispatched, DeliveryState::Delivered, ago(640));
    under_way.review =
        Some(Review { decision: Decision::Confirmed, by: "王芳".to_owned(), at: ago(1000), reason: "确认派单".to_owned() });
    under_way.case.case_id = Some("2026010500431".to_owned());
    under_way.case.unit = Some("人民街道救助小组".to_owned());
    let mut parked = place(
        fake::lead(302, Tier::B, 60.0, 0.8, now),
        "cam-2",
        "外滩桥洞西侧",
        "外白渡桥西侧桥洞",
        PixelBox::new(220.0, 300.0, 80.0, 44.0),
    );
    (parked.state, parked.delivery) = (LeadState::Pushed, DeliveryState::Parked);
    parked.review.clone_from(&under_way.review);
    let mut closed = place(
        fake::lead(288, Tier::B, 55.0, 0.8, now),
        "cam-3",
        "河南路公交站",
        "河南中路/福州路",
        PixelBox::new(300.0, 260.0, 90.0, 40.0),
    );
    (closed.state, closed.delivery) = (LeadState::Closed, DeliveryState::Delivered);
    closed.case.result = Some("ESCORTED_STATION".to_owned());
    vec![first, second, third, fourth, watched, under_way, parked, closed]
}

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8477);
    let speed: f64 = std::env::args().nth(2).and_then(|speed| speed.parse().ok()).unwrap_or(1.0);
    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(WallTime::from_unix_secs(1_767_550_361), speed));
    let office = FakeOffice::new(Arc::clone(&clock), leads(clock.now()));
    for (lead, codec) in [(317, "libx264"), (318, "libx265")] {
        let Some(bytes) = clip(codec) else { continue };
        office.pictures.lock().unwrap().insert(fake::sha(lead), bytes);
        let mut leads = office.leads.lock().unwrap();
        for with_clip in leads.iter_mut().filter(|other| other.id.0.ends_with(&lead.to_string())) {
            with_clip.evidence[0].clip_sha256 = Some(fake::sha(lead));
        }
    }
    for lead in office.leads() {
        photograph(&office, &lead);
    }
    *office.look_takes.lock().unwrap() = Duration::from_millis(700);
    tokio::spawn(film(Arc::clone(&office), Arc::clone(&clock)));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let config =
        ConsoleConfig { listen: listener.local_addr().unwrap(), site_name: "黄浦区线上巡屏".to_owned(), now: Arc::clone(&clock) };
    println!("http://127.0.0.1:{port}/");
    let (_keep, stop) = watch::channel(false);
    let told = Arc::clone(&office);
    let ring_clock = Arc::clone(&clock);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        told.tell(ChangeKind::Ring(Ring {
            at: ring_clock.now(),
            lead: None,
            camera: Some(CameraId::new("cam-4")),
            kind: "camera-lost".to_owned(),
            text: "烂尾楼北门:无画面 3 分钟,此处有未结线索".to_owned(),
            leader: false,
        }));
        // A worse case than any comes in while the operator looks at another.
        tokio::time::sleep(Duration::from_secs(6)).await;
        let now = ring_clock.now();
        let mut worst = fake::lead(330, Tier::A, 93.0, 0.9, now);
        worst.state_since = now;
        worst.ringing = Some(Ringing { since: now, last: now, why: "新线索 A 级".to_owned(), leader: false });
        photograph(&told, &worst);
        told.put(worst);
    });
    serve(config, listener, office, stop).await.unwrap();
}
