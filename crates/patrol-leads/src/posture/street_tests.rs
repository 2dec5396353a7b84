//! The street: cameras on masts of 4, 7 and 12 m, and the poses that a street shows, rendered and judged; confusions by depression.

use super::dice::Dice;
use super::rendered::{Pose, Shot, photograph};
use super::tests::track;
use super::*;
use patrol_core::GroundPoint;
use std::collections::BTreeMap;

/// Not the seed 20 261 128 that the constants were chosen on.
const SEED: u64 = 977;
/// Field of view, degrees, picture, and how far to look, metres: as in `benches/motionless/posture.py`.
const CAMERAS: [(f32, PictureSize, f32); 3] =
    [(45.0, PictureSize::new(640, 512), 60.0), (25.0, PictureSize::new(640, 512), 110.0), (60.0, PictureSize::new(1920, 1080), 110.0)];
const HEIGHTS_M: [f32; 3] = [4.0, 7.0, 12.0];
const UPRIGHT: [Pose; 6] = [Pose::Standing, Pose::Walking, Pose::Sitting, Pose::Bench, Pose::Crouching, Pose::Bending];
const DOGS: [Pose; 4] = [Pose::DogStanding, Pose::DogSitting, Pose::DogLying, Pose::DogCurled];

/// By pose, band of depression and detector: how many were called what.
type Table = BTreeMap<(String, &'static str, &'static str), BTreeMap<String, f32>>;

fn band(depression_deg: f32) -> &'static str {
    match depression_deg {
        ..10.0 => "0–10°",
        10.0..20.0 => "10–20°",
        20.0..35.0 => "20–35°",
        _ => "35–60°",
    }
}

/// Judges one who is `away_m` from the mast and turned by `turn_deg` from the line of sight.
fn judged(pose: Pose, camera: &(f32, PictureSize, f32), height_m: f32, away_m: f32, turn_deg: f32, dice: &mut Dice, table: &mut Table) {
    let (hfov_deg, size, far_m) = *camera;
    let half_tall = size.height as f32 / size.width as f32 * (hfov_deg.to_radians() / 2.0).tan();
    let tilt_deg = half_tall.atan().to_degrees() + ((height_m - 1.9) / far_m).atan().to_degrees();
    let view = CameraView { height_m, tilt_deg, heading_deg: dice.between(0.0, 360.0), hfov_deg };
    let bearing_deg = view.heading_deg + hfov_deg * dice.between(-0.4, 0.4);
    let (sin, cos) = bearing_deg.to_radians().sin_cos();
    let ground = GroundPoint { east_m: away_m * sin, north_m: away_m * cos, error_m: 0.0 };
    let Some((bbox, blob)) = photograph(pose, &Shot { size, view, ground, facing_deg: bearing_deg + turn_deg }, dice) else { return };
    // As the system believes it to be: 2 % of height and 0.5° of tilt wrong, 1 σ.
    let believed = CameraView { height_m: height_m * (1.0 + 0.02 * dice.normal()), tilt_deg: tilt_deg + 0.5 * dice.normal(), ..view };
    let by_box = bbox.grown(-0.6);
    let name = if pose == Pose::Lying { format!("Lying {turn_deg:2}°") } else { format!("{pose:?}") };
    for (detector, track) in [("blob", track(bbox, Some(blob), 0.0)), ("box", track(by_box, None, 0.0))] {
        let judged = judge(&PostureInput { track: &track, size, view: Some(&believed), learnt_upright_px: None, joints: None });
        let called = if judged.posture == Posture::Unknown { judged.why.to_owned() } else { format!("{:?}", judged.posture) };
        if judged.why != TOO_SMALL {
            let row = table.entry((name.clone(), band((height_m / away_m).atan().to_degrees()), detector)).or_default();
            *row.entry(called).or_default() += 1.0;
        }
    }
}

fn table() -> Table {
    let (mut dice, mut table) = (Dice(SEED), Table::new());
    for camera in &CAMERAS {
        for height_m in HEIGHTS_M {
            let mut away_m = 3.0;
            while away_m < camera.2 {
                for _ in 0..2 {
                    for turn_deg in [0.0, 45.0, 90.0] {
                        judged(Pose::Lying, camera, height_m, away_m, turn_deg, &mut dice, &mut table);
                    }
                    for pose in UPRIGHT.into_iter().chain([Pose::Curled]).chain(DOGS) {
                        let turn_deg = dice.between(0.0, 360.0);
                        judged(pose, camera, height_m, away_m, turn_deg, &mut dice, &mut table);
                    }
                }
                away_m *= 1.08;
            }
        }
    }
    table
}

/// Parts of one that are called so.
fn part(called: &BTreeMap<String, f32>, names: &[&str]) -> f32 {
    names.iter().filter_map(|name| called.get(*name)).sum::<f32>() / called.values().sum::<f32>()
}

const DOWN: [&str; 3] = ["Lying", "Curled", "Slumped"];

/// The least that is asked of a row, and the most of what is wrong in it: lying, or upright where somebody lies.
fn is_right(pose: &str, band: &str, detector: &str, called: &BTreeMap<String, f32>) -> bool {
    let (lying, down, upright) = (part(called, &["Lying"]), part(called, &DOWN), part(called, &["Standing", "Walking"]));
    let is_far = matches!(band, "0–10°" | "10–20°");
    match pose {
        "Lying 45°" | "Lying 90°" => lying >= 0.97,
        // Nearer than that one who lies along the line of sight is as high and wide as one who sits there: unknown, at least by the box alone.
        "Lying  0°" if is_far => lying >= 0.96 && upright == 0.0,
        "Lying  0°" if band == "20–35°" && detector == "blob" => lying >= 0.65 && upright <= 0.01,
        "Lying  0°" => part(called, &["Sitting"]) <= 0.03,
        "Curled" => down >= if is_far || band == "20–35°" { 0.95 } else { 0.60 },
        // Of those nearest there are but twenty: one is 5 %.
        "Standing" | "Walking" | "Bench" => down <= if band == "35–60°" { 0.05 } else { 0.02 },
        "Sitting" | "Bending" | "Crouching" if is_far => down <= 0.02,
        "Sitting" => down <= if band == "20–35°" { 0.15 } else { 0.30 },
        // For seconds or minutes, and on his feet in between.
        "Bending" | "Crouching" => down <= 0.40,
        // What stands is longer than what lies there, and a small person curled up is as long as a large dog.
        "DogLying" | "DogCurled" if band != "0–10°" => down <= 0.27,
        _ => true,
    }
}

#[test]
fn who_lies_in_the_street_lies_and_nobody_else_does() {
    let mut failures = Vec::new();
    for ((pose, band, detector), called) in table() {
        let total: f32 = called.values().sum();
        let parts: Vec<String> = called.iter().map(|(name, count)| format!("{name} {:.1} %", 100.0 * count / total)).collect();
        println!("{pose:11} {band:6} {detector:4} of {total:3}: {}", parts.join(", "));
        if !is_right(&pose, band, detector, &called) {
            failures.push(format!("{pose} {band} {detector}: {}", parts.join(", ")));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
