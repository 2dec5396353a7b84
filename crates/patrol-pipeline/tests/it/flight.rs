//! A camera that flies on: places are where they are on the ground, whatever pixels they had.

use crate::world::{BrightBoxes, SIZE, START, Tape, Told, camera, cold_night};
use patrol_core::{Lead, MediaTime, Picture, PixelBox, PixelFormat, WallEstimate};
use patrol_leads::{Desk, DeskConfig};
use patrol_pipeline::{CameraWatch, DeskRoom, Eyes, MemoryArchive, Offer, ReplayCamera};
use patrol_vision::thermal::{Polarity, ThermalConfig};
use std::time::Duration;

/// How fast it flies, pixels from look to look, and how long it hovers at either end, seconds.
const FLIES_PX: f32 = 40.0;
const HOVERS_S: u64 = 200;

/// Ground with structure at every place, and people on it, as a camera sees it that has gone `gone_px` to the right.
fn picture(number: u64, gone_px: f32, people: &[PixelBox]) -> Picture {
    let (w, h) = (SIZE.width as usize, SIZE.height as usize);
    let level = |x: f32, y: f32| 95.0 + 25.0 * (x * 0.11 + (y * 0.05).sin() * 3.0).sin() + 20.0 * (y * 0.13 + (x * 0.07).sin() * 2.0).sin();
    let mut noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut pixels: Vec<u8> = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let at = (x as f32 + gone_px, y as f32);
            let lies_here = people.iter().any(|body| (body.x..body.right()).contains(&at.0) && (body.y..body.bottom()).contains(&at.1));
            pixels.push(if lies_here { 230 } else { (level(at.0, at.1) + (noise % 4) as f32) as u8 });
        }
    }
    let captured = WallEstimate { at: START + Duration::from_secs(number), error_ms: 0 };
    Picture::from_planes(SIZE, PixelFormat::Gray8, vec![pixels], number, MediaTime::from_secs_f64(number as f64), captured)
        .expect("a picture")
}

/// Hovers, flies `far_px` on, hovers there, and does the same `back`; with a look a second.
fn leads_of(far_px: f32, back: bool, people: &[PixelBox]) -> Vec<Lead> {
    let flies_s = (far_px / FLIES_PX) as u64;
    let flown = |since_s: u64, second: u64| FLIES_PX * second.saturating_sub(since_s).min(flies_s) as f32;
    let returns_s = 2 * HOVERS_S + flies_s;
    let gone_px = |second: u64| flown(HOVERS_S, second) - if back { flown(returns_s, second) } else { 0.0 };
    let seconds = if back { returns_s + flies_s + HOVERS_S } else { returns_s };
    let offers = (0..seconds).map(|number| Ok(Offer::Picture { picture: picture(number, gone_px(number), people), discontinuity: false }));
    let plain = ThermalConfig { polarity: Polarity::WhiteHot, mask_overlays: false, ..ThermalConfig::default() };
    let watch = CameraWatch::new(camera("drone", 1.0), vec![0], 1).with_thermal(plain);
    let mut room = DeskRoom::new(Desk::new(DeskConfig::default(), vec![watch.camera.clone()]), Box::new(MemoryArchive));
    let mut cameras = [ReplayCamera::new(watch, Box::new(Tape(offers.collect())), START)];
    let mut eyes = Eyes::new(vec![Box::new(BrightBoxes)]);
    patrol_pipeline::replay::replay(START, &mut cameras, &mut eyes, &mut room, vec![cold_night()], &mut Told::default()).expect("replayed");
    room.made_leads().into_values().collect()
}

/// He comes to lie at the pixels where the other one was seen last, ten metres before.
#[test]
fn who_lies_where_another_left_the_picture_is_a_lead_of_his_own() {
    let people = [PixelBox::new(100.0, 156.0, 58.0, 20.0), PixelBox::new(324.0, 156.0, 58.0, 20.0)];
    let leads = leads_of(320.0, false, &people);
    assert_eq!(leads.len(), 2, "{leads:#?}");
}

#[test]
fn who_is_seen_again_when_the_camera_comes_back_is_the_same() {
    let leads = leads_of(320.0, true, &[PixelBox::new(100.0, 156.0, 58.0, 20.0)]);
    assert_eq!(leads.len(), 1, "{leads:#?}");
}
