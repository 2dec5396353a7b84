//! What the store kept of a camera, altered: a memory with somebody under watch, in which values are replaced by others.
//!
//! Input: edits, a line each: the number of a value of the memory, a blank, and the JSON that stands there now. What begins with `{` is a memory of its own.

use patrol_core::{
    Camera, CameraId, MediaTime, Modality, Picture, PictureSize, PixelBox, PixelFormat, Promise, WallEstimate, WallTime, Weather,
};
use patrol_core::{Detection, DetectionSource};
use patrol_pipeline::look::{WeatherNow, look};
use patrol_pipeline::slot::Waiting;
use patrol_pipeline::{CameraWatch, Eyes};
use patrol_vision::{DetectContext, Detector, VisionError};
use serde_json::Value;
use std::sync::OnceLock;
use std::time::Duration;

const SIZE: PictureSize = PictureSize { width: 160, height: 128 };
const LIES: PixelBox = PixelBox { x: 60.0, y: 70.0, w: 30.0, h: 12.0 };
/// After so many looks, one a second, his place is under watch.
const LOOKS: u64 = 90;

pub fn recalled(bytes: &[u8]) {
    static SEED: OnceLock<Value> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let memory = if text.starts_with('{') {
        text.to_owned()
    } else {
        let mut memory = SEED.get_or_init(kept).clone();
        for line in text.lines() {
            let Some((number, value)) = line.split_once(' ') else { continue };
            let (Ok(mut number), Ok(value)) = (number.parse::<usize>(), serde_json::from_str::<Value>(value)) else { continue };
            replace(&mut memory, &mut number, &value);
        }
        memory.to_string()
    };
    let mut watch = watch();
    if watch.recall(&memory).is_ok() {
        let mut eyes = eyes();
        for number in 0..3 {
            look_at(&mut watch, &mut eyes, LOOKS + number);
        }
        watch.memory();
    }
}

fn kept() -> Value {
    let (mut watch, mut eyes) = (watch(), eyes());
    for number in 0..LOOKS {
        look_at(&mut watch, &mut eyes, number);
    }
    assert_eq!(watch.cells().open, 1, "he is watched");
    serde_json::from_str(&watch.memory()).expect("JSON")
}

/// Puts `value` in place of the `number`th leaf.
fn replace(within: &mut Value, number: &mut usize, value: &Value) -> bool {
    match within {
        Value::Array(all) => all.iter_mut().any(|one| replace(one, number, value)),
        Value::Object(all) => all.values_mut().any(|one| replace(one, number, value)),
        leaf if *number == 0 => {
            *leaf = value.clone();
            true
        }
        _ => {
            *number -= 1;
            false
        }
    }
}

fn watch() -> CameraWatch {
    let look_every = Duration::from_secs(1);
    let camera = Camera {
        id: CameraId::new("one"),
        name: "one".to_owned(),
        code: None,
        modality: Modality::Thermal,
        promise: Promise { look_every, look_limit: look_every * 3, rescan_every: Duration::from_secs(60) },
        position: None,
        view: None,
        address: None,
        street: None,
        grid: None,
        site_prior: 0.3,
    };
    CameraWatch::new(camera, vec![0], 1)
}

fn eyes() -> Eyes {
    Eyes::new(vec![Box::new(Finds)])
}

/// Finds him in every picture.
struct Finds;

impl Detector for Finds {
    fn detect(&mut self, _: &Picture, _: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        out.push(Detection { bbox: LIES, score: 0.9, source: DetectionSource::Network, resolved: true, blob: None });
        Ok(())
    }
    fn name(&self) -> &str {
        "finds"
    }
    fn model_sha256(&self) -> &str {
        ""
    }
}

fn look_at(watch: &mut CameraWatch, eyes: &mut Eyes, number: u64) {
    let mut noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let pixel = |(x, y): (u32, u32)| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        let at = (x as f32 + 0.5 - LIES.x, y as f32 + 0.5 - LIES.y);
        let is_warm = (0.0..LIES.w).contains(&at.0) && (0.0..LIES.h).contains(&at.1);
        60 + ((x / 16 + y / 16) % 3) as u8 * 6 + (noise % 4) as u8 + if is_warm { 120 } else { 0 }
    };
    let pixels: Vec<u8> = (0..SIZE.height).flat_map(|y| (0..SIZE.width).map(move |x| (x, y))).map(pixel).collect();
    let captured = WallEstimate { at: WallTime::from_unix_secs(1_767_225_600 + number as i64), error_ms: 0 };
    let media_time = MediaTime::from_secs_f64(number as f64);
    let picture = Picture::from_planes(SIZE, PixelFormat::Gray8, vec![pixels], number, media_time, captured).expect("a picture");
    let weather: Weather = serde_json::from_str("{\"air_c\":-8}").expect("weather");
    let weather = WeatherNow { weather, assumed: true };
    look(&Waiting { picture, discontinuity: false, asked: false }, watch, eyes, &weather, &mut Vec::new());
}
