//! Named scenes about one thing each: what hides people, what looks like them, what the air and the camera do to a picture.

use super::{Drawn, Plot, STREET_NAMES, down_pose, square, street};
use crate::body::Pose;
use crate::cast::Role;
use crate::geometry::V2;
use crate::random::Dice;
use crate::spec::{
    BenchSpec, Borders, CameraSpec, Cover, DogSpec, DoorwaySpec, Light, MannequinSpec, MotionSpec, OutputSpec, Overlay, Props, SteamSpec,
    StepSpec,
};
use crate::stage::Stage;
use patrol_core::Modality;

/// How deep porches are, metres.
const PORCH_DEPTH_M: f32 = 0.8;
/// Places tried for a doorway or a bus stop.
const SPOTS: usize = 16;

/// Draws one of these scenes; `None`: it is not one of them.
pub(super) fn compose(name: &str, seed: u64, plot: &mut Plot, dice: &mut Dice) -> Option<Result<Drawn, &'static str>> {
    Some(match name {
        "quilt" => quilt(seed, plot, dice),
        "doorway" => doorway(seed, plot, dice),
        "bus-stop" => bus_stop(seed, plot, dice),
        "bending" => bending(seed, plot, dice),
        "dogs" => dogs(seed, plot, dice),
        "steam" => steam(seed, plot, dice),
        "snow" => with_one_down(seed, plot, dice, |drawn, dice| drawn.snow = Some(dice.between(0.45, 0.95))),
        "wet-night" => with_one_down(seed, plot, dice, |drawn, _| drawn.is_wet = true),
        "headlights" => headlights(seed, plot, dice),
        "lamp-flicker" => lamp_flicker(seed, plot, dice),
        "palettes" => palettes(seed, plot, dice),
        "visible-night" => visible_night(seed, plot, dice),
        "ptz-tour" => ptz_tour(seed, plot, dice),
        "mast-sway" => mast_sway(seed, plot, dice),
        "drone-flight" => drone_flight(seed, plot, dice),
        "ground-level" => ground_level(seed, plot, dice),
        _ => return None,
    })
}

fn quilt(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let stage = street(seed, 1);
    let second = [Pose::CurlUnder(Cover::Quilt), Pose::LieUnder(Cover::Foil)][dice.whole(0, 1)];
    for pose in [Pose::LieUnder(Cover::Quilt), second, Pose::Lie] {
        plot.down(&[&stage], pose, dice)?;
    }
    plot.bystanders(&stage, 1, dice)?;
    Ok(Drawn::of([stage]))
}

/// Someone who stays at `spot`, looking `facing_deg`.
fn at_spot(plot: &mut Plot, stage: &Stage, pose: Pose, spot: (V2, f32), dice: &mut Dice) -> bool {
    let latest_s = if pose.posture().is_down() { plot.down_between().1 } else { (plot.duration_s - 720.0).max(40.0) };
    let role = Role { pose, reached_s: (15.0, latest_s.max(16.0)), held_s: None, beside: None, spot: Some(spot) };
    plot.cast.place(&[stage], role, dice).is_some()
}

fn doorway(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let base = street(seed, 1);
    // The camera looks at the left fronts.
    let camera = CameraSpec { heading_deg: base.camera.heading_deg - 14.0, ..base.camera.clone() };
    let mut stage = base.seen_by(camera, seed);
    for pose in [Pose::Curl, Pose::SitGround] {
        let mut placed = false;
        for _ in 0..SPOTS {
            let at = stage.frame.point(dice.between(7.5, 23.0), 13.4 - PORCH_DEPTH_M / 2.0 - 0.06);
            let facing_deg = stage.frame.heading_deg + 90.0;
            if stage.props.doorways.iter().any(|other| other.at.distance(at) < 7.0) {
                continue;
            }
            let mut tried = stage.props.clone();
            tried.doorways.push(DoorwaySpec {
                at,
                facing_deg,
                width_m: dice.between(1.9, 2.6),
                depth_m: PORCH_DEPTH_M,
                warm_k: dice.between(1.4, 2.8),
            });
            let tried = stage.furnished(tried, seed);
            // Who sits leans at the door; who is curled up lies along it.
            let lies_deg = if pose == Pose::Curl { facing_deg + 90.0 } else { facing_deg };
            let back = if pose == Pose::Curl { 0.22 } else { 0.12 };
            let (sin, cos) = facing_deg.to_radians().sin_cos();
            let spot = V2::new(at.e + back * sin, at.n + back * cos);
            if at_spot(plot, &tried, pose, (spot, lies_deg), dice) {
                (stage, placed) = (tried, true);
                break;
            }
        }
        if !placed {
            return Err("someone in a doorway");
        }
    }
    plot.bystanders(&stage, 1, dice)?;
    Ok(Drawn::of([stage]))
}

fn bus_stop(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let base = street(seed, 1);
    for _ in 0..SPOTS {
        let at = base.frame.point(dice.between(10.0, 20.0), 8.3);
        let facing_deg = base.frame.heading_deg + 90.0;
        let mut props = base.props.clone();
        // A car would stand between.
        props.cars.retain(|car| car.at.distance(at) > 6.0);
        props.benches.push(BenchSpec { at, facing_deg, shelter: dice.chance(0.5) });
        let window = base.frame.point(dice.between(12.0, 22.0), 12.9);
        props.mannequins.push(MannequinSpec {
            at_s: 0.0,
            at: window,
            facing_deg: facing_deg + dice.between(-20.0, 20.0),
            warm_k: dice.between(-0.2, 1.2),
        });
        let stage = base.furnished(props, seed);
        let (sin, cos) = (facing_deg + 90.0).to_radians().sin_cos();
        let seat = V2::new(at.e + 0.45 * sin, at.n + 0.45 * cos);
        if at_spot(plot, &stage, Pose::SlumpBench, (seat, facing_deg), dice) {
            // Others wait beside the bench and do not look.
            plot.bystanders(&stage, 3, dice)?;
            return Ok(Drawn::of([stage]));
        }
    }
    Err("someone on a bench")
}

fn bending(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let stage = street(seed, 1);
    let last_s = (plot.duration_s - 60.0).max(30.0);
    for number in 0..((plot.duration_s / 60.0) as usize).clamp(3, 12) {
        let (pose, held_s) =
            if number % 3 == 2 { (Pose::Crouch, dice.between(45.0, 110.0)) } else { (Pose::Bend, dice.between(4.0, 11.0)) };
        let role = Role { pose, reached_s: (12.0, last_s), held_s: Some(f64::from(held_s)), beside: None, spot: None };
        plot.cast.place(&[&stage], role, dice).ok_or("someone who bends")?;
    }
    plot.bystanders(&stage, 1, dice)?;
    Ok(Drawn::of([stage]))
}

fn dogs(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let mut stage = street(seed, 1);
    plot.down(&[&stage], down_pose(dice), dice)?;
    plot.bystanders(&stage, 1, dice)?;
    for number in 0..3 {
        let walkway = stage.walkways[number % 2].clone();
        let place = |dice: &mut Dice| {
            let mut at = || stage.frame.point(dice.between(8.0, 22.0), dice.between(walkway.left.0, walkway.left.1));
            let tries: Vec<V2> = (0..SPOTS).map(|_| at()).collect();
            tries.iter().copied().find(|at| plot.cast.is_clear_of_stays(*at, 4.0)).unwrap_or(tries[0])
        };
        let mut steps = Vec::new();
        let mut left_s = plot.duration_s;
        while left_s > 0.0 {
            for _ in 0..dice.whole(1, 3) {
                steps.push(StepSpec::Walk { to: place(dice), speed_m_s: Some(dice.between(0.7, 2.4)) });
                left_s -= 8.0;
            }
            let for_s = f64::from(dice.between(15.0, 110.0));
            left_s -= for_s;
            steps.push(match dice.whole(0, 3) {
                0 => StepSpec::Stand { for_s: Some(for_s), facing_deg: None },
                1 => StepSpec::Sit { for_s: Some(for_s), facing_deg: None, bench: false },
                2 => StepSpec::Lie { for_s: Some(for_s), facing_deg: None, cover: None },
                _ => StepSpec::Curl { for_s: Some(for_s), facing_deg: None, cover: None },
            });
        }
        let from = place(dice);
        let dog = DogSpec {
            at_s: f64::from(dice.between(-5.0, 10.0)),
            from,
            length_m: dice.between(0.6, 1.0),
            warm_k: dice.between(2.5, 5.0),
            steps,
        };
        stage.props.dogs.push(dog);
    }
    Ok(Drawn::of([stage]))
}

fn steam(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let mut stage = street(seed, 1);
    stage.manholes(dice);
    for manhole in stage.props.manholes.clone() {
        stage.props.steam.push(SteamSpec {
            at: manhole.at,
            warm_k: manhole.warm_k + dice.between(3.0, 7.0),
            height_m: dice.between(1.6, 3.2),
        });
    }
    // And a vent at the foot of a front.
    let vent = stage.frame.point(dice.between(13.0, 24.0), 13.2);
    stage.props.steam.push(SteamSpec { at: vent, warm_k: dice.between(5.0, 10.0), height_m: dice.between(1.5, 2.5) });
    plot.down(&[&stage], Pose::Lie, dice)?;
    plot.bystanders(&stage, 1, dice)?;
    Ok(Drawn::of([stage]))
}

fn with_one_down(seed: u64, plot: &mut Plot, dice: &mut Dice, change: impl Fn(&mut Drawn, &mut Dice)) -> Result<Drawn, &'static str> {
    let stage = street(seed, 1);
    plot.down(&[&stage], down_pose(dice), dice)?;
    plot.bystanders(&stage, 2, dice)?;
    let mut drawn = Drawn::of([stage]);
    change(&mut drawn, dice);
    Ok(drawn)
}

/// The same place and view, in visible light.
fn visible_twin(stage: &Stage, id: &str, name: &str, output: OutputSpec) -> CameraSpec {
    CameraSpec { id: id.into(), name: name.into(), modality: Modality::Visible, output, ..stage.camera.clone() }
}

fn headlights(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let mut stage = street(seed, 1);
    let mut t_s = 20.0;
    while t_s < plot.duration_s {
        stage.drive(t_s, dice);
        t_s += f64::from(dice.between(35.0, 80.0));
    }
    for car in stage.props.cars.iter_mut().filter(|car| !car.path.is_empty()) {
        car.headlights = true;
    }
    plot.down(&[&stage], down_pose(dice), dice)?;
    plot.bystanders(&stage, 1, dice)?;
    let twin = visible_twin(&stage, "street-1-visible", STREET_NAMES[1], OutputSpec::default());
    Ok(Drawn::of([stage]).and(twin))
}

fn lamp_flicker(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let mut stage = street(seed, 1);
    plot.down(&[&stage], down_pose(dice), dice)?;
    plot.bystanders(&stage, 1, dice)?;
    for lamp in stage.props.lamps.iter_mut().take(2) {
        lamp.flicker_every_s = Some(f64::from(dice.between(5.0, 14.0)));
    }
    let twin = visible_twin(&stage, "street-1-visible", STREET_NAMES[1], OutputSpec::default());
    Ok(Drawn::of([stage]).and(twin))
}

fn palettes(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    const NAMED: [&str; 6] = ["iron", "rainbow", "lava", "arctic", "green", "amber"];
    let mut stage = street(seed, 1);
    let first = dice.whole(0, 5);
    let random = format!("random-{}", dice.whole(0, 999_999));
    let bar = |dice: &mut Dice| dice.whole(16, 60) as u32;
    let outputs = [
        OutputSpec {
            palette: Some("black-hot".into()),
            agc_step_every_s: Some(f64::from(dice.between(20.0, 60.0))),
            overlays: vec![Overlay::Clock, Overlay::Crosshair],
            ..OutputSpec::default()
        },
        OutputSpec {
            palette: Some(NAMED[first].into()),
            overlays: vec![Overlay::Clock, Overlay::Logo, Overlay::Scale, Overlay::Spot],
            shutter_every_s: Some(60.0),
            ..OutputSpec::default()
        },
        OutputSpec {
            palette: Some(random),
            borders: Borders { top: bar(dice), bottom: bar(dice), ..Borders::default() },
            overlays: vec![Overlay::Logo, Overlay::Name],
            ..OutputSpec::default()
        },
        OutputSpec {
            palette: Some(NAMED[(first + dice.whole(1, 5)) % 6].into()),
            black_hot: true,
            noise_k: Some(dice.between(0.05, 0.16)),
            borders: Borders { left: bar(dice), right: bar(dice), ..Borders::default() },
            overlays: vec![Overlay::Clock, Overlay::Name, Overlay::Scale, Overlay::Crosshair, Overlay::Spot],
            ..OutputSpec::default()
        },
    ];
    let place = stage.camera.clone();
    let [black, named, random, inverted] = outputs;
    // Nobody lies under a bar of any of them.
    let barred = [&random, &inverted].map(|output| stage.seen_by(CameraSpec { output: output.clone(), ..place.clone() }, seed));
    let all = [&stage, &barred[0], &barred[1]];
    plot.down(&all, Pose::Lie, dice)?;
    plot.down(&all, down_pose(dice), dice)?;
    plot.bystanders(&stage, 1, dice)?;
    stage.camera = CameraSpec { id: "black-hot".into(), output: black, ..place.clone() };
    let more = [("named", named), ("random", random), ("inverted", inverted)];
    let more = more.map(|(id, output)| CameraSpec { id: id.into(), name: STREET_NAMES[1].into(), output, ..place.clone() });
    Ok(more.into_iter().fold(Drawn::of([stage]), Drawn::and))
}

fn visible_night(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let mut stage = street(seed, 1);
    plot.down(&[&stage], down_pose(dice), dice)?;
    plot.bystanders(&stage, 2, dice)?;
    let overlays = vec![Overlay::Clock, Overlay::Name];
    let by = |light: Light, ir_cut_at_s: Option<f64>| OutputSpec {
        light: Some(light),
        ir_cut_at_s,
        overlays: overlays.clone(),
        ..OutputSpec::default()
    };
    let infrared = visible_twin(&stage, "street-ir", STREET_NAMES[1], by(Light::Ir, None));
    // The filter swings once, in the middle.
    let swings = visible_twin(&stage, "street-swings", "福州路低照度3号", by(Light::Lamps, Some(plot.duration_s / 2.0)));
    stage.camera = visible_twin(&stage, "street-lamps", "延安东路口可见光1号", by(Light::Lamps, None));
    Ok(Drawn::of([stage]).and(infrared).and(swings))
}

fn ptz_tour(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let mut stage = street(seed, 1);
    plot.down(&[&stage], Pose::Lie, dice)?;
    plot.bystanders(&stage, 2, dice)?;
    let camera = &stage.camera;
    let wide = [camera.heading_deg, camera.tilt_deg, camera.hfov_deg];
    let left = [camera.heading_deg - dice.between(14.0, 26.0), camera.tilt_deg - 6.0, camera.hfov_deg * 0.6];
    let right = [camera.heading_deg + dice.between(12.0, 22.0), camera.tilt_deg + 4.0, camera.hfov_deg * 0.75];
    let (stay_s, move_s) = (f64::from(dice.between(15.0, 30.0).round()), 2.0);
    stage.camera.motion = Some(MotionSpec::Tour { presets: vec![wide, left, right], stay_s, move_s });
    Ok(Drawn::of([stage]))
}

fn mast_sway(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let base = street(seed, 1);
    let mast = CameraSpec { height_m: dice.between(8.0, 10.0), tilt_deg: dice.between(26.0, 33.0), ..base.camera.clone() };
    let mut stage = base.seen_by(mast, seed);
    plot.down(&[&stage], down_pose(dice), dice)?;
    plot.bystanders(&stage, 2, dice)?;
    stage.camera.motion = Some(MotionSpec::Sway { deg: dice.between(0.25, 0.6), period_s: f64::from(dice.between(2.2, 4.5)) });
    stage.camera.fps = 5.0;
    Ok(Drawn::of([stage]))
}

fn drone_flight(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let mut stage = square(seed);
    plot.down(&[&stage], Pose::Lie, dice)?;
    plot.down(&[&stage], Pose::Lie, dice)?;
    plot.bystanders(&stage, 2, dice)?;
    // In from afar, then to and fro over the square, as slowly as one looks for someone.
    let speed_m_s = dice.between(1.0, 2.0);
    let mut path = vec![stage.frame.point(-24.0, dice.between(-8.0, 8.0))];
    let mut length_m = 0.0;
    while length_m < plot.duration_s as f32 * speed_m_s {
        let next = stage.frame.point(dice.between(-5.0, 5.0), dice.between(-5.0, 5.0));
        if next.distance(path[path.len() - 1]) > 2.0 {
            length_m += next.distance(path[path.len() - 1]);
            path.push(next);
        }
    }
    stage.camera.motion = Some(MotionSpec::Flight { path, speed_m_s, at_s: 0.0 });
    Ok(Drawn::of([stage]))
}

fn ground_level(seed: u64, plot: &mut Plot, dice: &mut Dice) -> Result<Drawn, &'static str> {
    let base = street(seed, 1);
    let low = CameraSpec {
        height_m: dice.between(1.6, 2.9),
        tilt_deg: dice.between(4.0, 10.0),
        heading_deg: base.camera.heading_deg - dice.between(0.0, 12.0),
        // At the left kerb, where no car stands before the pavement.
        at: base.frame.point(0.0, 8.0),
        ..base.camera.clone()
    };
    let mut props = base.props.clone();
    props.lamps.retain(|lamp| lamp.at.distance(low.at) > 4.0);
    let mut stage = base.seen_by(low, seed).furnished(props, seed);
    stage.walkways.truncate(1);
    plot.down(&[&stage], down_pose(dice), dice)?;
    plot.bystanders(&stage, 2, dice)?;
    let twin = visible_twin(&stage, "street-1-visible", STREET_NAMES[1], OutputSpec { light: Some(Light::Ir), ..OutputSpec::default() });
    Ok(Drawn::of([stage]).and(twin))
}

impl Drawn {
    fn of<const N: usize>(stages: [Stage; N]) -> Self {
        let mut drawn = Self { cameras: Vec::new(), props: Props::default(), snow: None, is_wet: false };
        for stage in stages {
            drawn.cameras.push(stage.camera);
            drawn.props.append(stage.props);
        }
        drawn
    }

    /// One more camera.
    fn and(mut self, camera: CameraSpec) -> Self {
        self.cameras.push(camera);
        self
    }
}
