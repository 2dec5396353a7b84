//! How well intensity is read from thermal video: against the true intensity of each picture, and what `hot-spot` finds in it.
//!
//! `cargo run -p patrol-vision --example thermal_figures LIST OUT`. Each line of LIST: case, width, height, a file of raw I420 as a decoder
//! gives it, and a grey picture of the true intensity (the same size), separated by spaces; the pictures of a case are one camera's, in
//! order. OUT takes the pictures as read (PNG) and `found.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench that prints its figures")]

use patrol_core::{Clock, MediaTime, Modality, Picture, PictureSize, PixelFormat, SystemClock, WallEstimate, WallTime};
use patrol_vision::thermal::Polarity;
use patrol_vision::{DetectContext, Detector, HotSpot, HotSpotConfig, ThermalConfig, ThermalNormaliser};
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Default)]
struct Figures {
    pictures: usize,
    error: f64,
    rank: f64,
    rank_least: f64,
    masked: f64,
    ms: Vec<f64>,
    black_hot: usize,
    palettes: BTreeMap<&'static str, usize>,
    residual: f64,
    last: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [list, out] = arguments.as_slice() else {
        println!("wanted: LIST OUT");
        return;
    };
    let clock = SystemClock::new();
    let every: u64 = std::env::var("EVERY_MS").map_or(5000, |text| text.parse().expect("milliseconds"));
    // Black-hot as configured, or all found from the pictures.
    let polarity = if std::env::var_os("BLACK_HOT").is_some() { Polarity::BlackHot } else { Polarity::Auto };
    let config = ThermalConfig { polarity, ..ThermalConfig::default() };
    let mut figures: BTreeMap<String, Figures> = BTreeMap::new();
    let mut found_in = Vec::new();
    let mut camera: Option<(String, ThermalNormaliser, u64)> = None;
    let mut hot_spot = HotSpot::new(HotSpotConfig { min_score: 0.02, ..HotSpotConfig::default() });
    for line in std::fs::read_to_string(list).expect("the list").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [case, width, height, file, truth] = fields.as_slice() else { panic!("{line}") };
        if camera.as_ref().is_none_or(|(of, ..)| of != case) {
            camera = Some(((*case).to_owned(), ThermalNormaliser::new(&config), 0));
        }
        let (_, normaliser, count) = camera.as_mut().expect("set above");
        let size = PictureSize::new(width.parse().unwrap(), height.parse().unwrap());
        let picture = read(Path::new(file), size, *count, MediaTime((*count * every) as i64 * 1_000_000));
        *count += 1;
        let before = clock.monotonic();
        let seen = normaliser.normalise(&picture).expect("read");
        let spent = clock.monotonic().saturating_sub(before);
        let figures = figures.entry((*case).to_owned()).or_insert_with(|| Figures { rank_least: 1.0, ..Figures::default() });
        let reading = normaliser.reading();
        figures.pictures += 1;
        figures.ms.push(spent.as_secs_f64() * 1e3);
        figures.masked += f64::from(reading.masked_fraction);
        figures.black_hot += usize::from(reading.polarity == Polarity::BlackHot);
        figures.residual += f64::from(reading.palette_residual);
        *figures.palettes.entry(reading.palette).or_default() += 1;
        let border = reading.border;
        figures.last = format!(
            "border {} {} {} {} r{} overlays {} {:?} {:.2} {}",
            border.left,
            border.top,
            border.right,
            border.bottom,
            border.corner_px,
            reading.overlays.len(),
            reading.polarity,
            reading.polarity_confidence,
            reading.polarity_reason
        );
        let levels: Vec<f32> = (0..size.height as usize).flat_map(|y| seen.row(0, y).to_vec()).map(f32::from).collect();
        if *truth != "-" {
            let truth = image::open(truth).expect("the true intensity").into_luma8();
            let wanted: Vec<f32> = truth.as_raw().iter().map(|value| f32::from(*value)).collect();
            let mean = levels.iter().zip(&wanted).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / wanted.len() as f64;
            let rank = rank_correlation(&levels, &wanted);
            figures.error += mean;
            figures.rank += rank;
            figures.rank_least = figures.rank_least.min(rank);
        }
        let mut found = Vec::new();
        hot_spot
            .detect(&seen, &DetectContext { modality: Modality::Thermal, view: None, gsd_m: None, in_full: Some(0) }, &mut found)
            .expect("detected");
        let boxes: Vec<_> = found.iter().map(|d| (d.bbox.x, d.bbox.y, d.bbox.w, d.bbox.h, d.score)).collect();
        found_in.push(serde_json::json!({"case": case, "file": file, "found": boxes}));
        if figures.pictures <= 2 || figures.pictures.is_multiple_of(20) {
            let name = format!("{case}_{:03}.png", figures.pictures);
            let pixels = levels.iter().map(|value| *value as u8).collect();
            image::GrayImage::from_raw(size.width, size.height, pixels).unwrap().save(Path::new(out).join(name)).expect("written");
        }
    }
    std::fs::write(Path::new(out).join("found.json"), serde_json::to_vec(&found_in).unwrap()).expect("written");
    for (case, mut figures) in figures {
        figures.ms.sort_by(f64::total_cmp);
        let n = figures.pictures as f64;
        println!(
            "{case:24} {:4} pictures, error {:6.2}, rank {:.4} (least {:.4}), {:.2} ms (median {:.2}, longest {:.1}), black-hot {:.2}, masked {:.4}, residual {:.1}, {:?}, {}",
            figures.pictures,
            figures.error / n,
            figures.rank / n,
            figures.rank_least,
            figures.ms.iter().sum::<f64>() / n,
            figures.ms[figures.ms.len() / 2],
            figures.ms[figures.ms.len() - 1],
            figures.black_hot as f64 / n,
            figures.masked / n,
            figures.residual / n,
            figures.palettes,
            figures.last
        );
    }
}

fn read(file: &Path, size: PictureSize, sequence: u64, at: MediaTime) -> Picture {
    let bytes = std::fs::read(file).expect("raw I420");
    let whole = (size.width * size.height) as usize;
    let quarter = (size.width.div_ceil(2) * size.height.div_ceil(2)) as usize;
    let planes =
        vec![bytes[..whole].to_vec(), bytes[whole..whole + quarter].to_vec(), bytes[whole + quarter..whole + 2 * quarter].to_vec()];
    let captured = WallEstimate { at: WallTime(at.0), error_ms: 0 };
    Picture::from_planes(size, PixelFormat::I420, planes, sequence, at, captured).expect("good")
}

/// Spearman's, over every fifth pixel.
fn rank_correlation(a: &[f32], b: &[f32]) -> f64 {
    let ranks = |values: &[f32]| {
        let mut counts = [0_u32; 256];
        for value in values.iter().step_by(5) {
            counts[*value as usize] += 1;
        }
        let mut below = 0;
        let middle = counts.map(|count| {
            below += count;
            f64::from(below) - f64::from(count) / 2.0
        });
        values.iter().step_by(5).map(|value| middle[*value as usize]).collect::<Vec<f64>>()
    };
    let (a, b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    ab / (aa * bb).sqrt().max(1e-9)
}
