//! The named scenes: who is to be where on which stage. Drawn as the structure of a SPEC file.

mod world;

use crate::body::Pose;
use crate::cast::{Cast, Role};
use crate::geometry::V2;
use crate::random::{Dice, mix};
use crate::scene::START;
use crate::spec::{CameraSpec, DetectionSpec, Origin, Props, SceneSpec, Snow};
use crate::stage::Stage;
use patrol_core::{AlertLevel, Weather};

/// Name and one line about each.
pub(crate) const NAMED: &[(&str, &str)] = &[
    ("winter-street", "two street cameras and a drone on a winter night: people down, waiting, walking, cars, lamps"),
    ("nadir-drone", "a drone 42-56 m above a square: two people down among walkers and waiting people"),
    ("empty-street", "a street without people: lamps, warm bonnets, manhole covers, a car that drives through"),
    ("waiting-people", "a street where people stand for minutes and one sits for a while: no leads"),
    ("lying-any-angle", "a street and a square where people lie at all angles to the camera"),
    ("group", "three people down within 2 m of one another: one lead with a head-count; a fourth lies apart"),
    ("two-cameras", "two street cameras that see the same two people down from different sides"),
    ("quilt", "two people under quilts or foil, one lies uncovered"),
    ("doorway", "warm doorways: someone curled up in one, someone who sits in another"),
    ("bus-stop", "a person slumped on a bench among people who wait; a figure in a shop window"),
    ("bending", "people who tie a shoe, pick something up, sweep on their heels: no leads"),
    ("dogs", "dogs that walk, sit, lie and curl up; one person down"),
    ("steam", "warm covers and a vent that steam, drifting with the wind; one person down"),
    ("snow", "snow that falls and settles until the ground has no contrast; one person down"),
    ("wet-night", "wet ground that mirrors people, lamps and walls; one person down"),
    ("headlights", "cars that sweep the street with their lamps, in thermal and in visible light; one person down"),
    ("lamp-flicker", "lamps that fail and strike again, in thermal and in visible light; one person down"),
    ("palettes", "one street through four cameras: black-hot, false colours, bars, marks, gain steps, shutter; two people down"),
    ("visible-night", "a street by its lamps, by infrared, and through an IR-cut filter that swings; one person down"),
    ("ptz-tour", "a PTZ that goes round three presets; one person lies in the first"),
    ("mast-sway", "a mast that sways in the wind, five pictures a second; one person down"),
    ("drone-flight", "a drone that flies over a square to and fro; two people lie there"),
    ("ground-level", "a camera 1.6-2.9 m above the pavement, thermal and infrared; one person down"),
];

/// Stages stand so far apart that none sees another, metres.
const STAGES_APART_M: f32 = 400.0;
/// Names of the two street cameras and the drone, as an operator reads them.
const STREET_NAMES: [&str; 2] = ["延安东路口热像1号", "福州路人行道热像2号"];
const SQUARE_NAME: &str = "人民广场无人机热像";

/// Draws a named scene; the error says what found no place.
pub(crate) fn compose(name: &str, seed: u64, duration_s: f64) -> Result<SceneSpec, &'static str> {
    let mut dice = Dice::new(seed, "plot");
    let street = |number: usize| street(seed, number);
    let square = || square(seed);
    let mut plot = Plot { cast: Cast::new(seed, duration_s), duration_s };
    if let Some(drawn) = world::compose(name, seed, &mut plot, &mut dice) {
        return drawn.map(|drawn| drawn.spec(plot, &mut dice));
    }
    let down = down_pose;
    let stages = match name {
        "winter-street" => {
            let (mut first, second, third) = (street(1), street(2), square());
            first.drive(f64::from(dice.between(0.25, 0.9)) * duration_s, &mut dice);
            let low = if dice.chance(0.5) { Pose::Curl } else { Pose::Slump };
            plot.down(&[&first], Pose::Lie, &mut dice)?;
            plot.down(&[&second], low, &mut dice)?;
            plot.down(&[&third], Pose::Lie, &mut dice)?;
            if dice.chance(0.5) {
                plot.down(&[&first], down(&mut dice), &mut dice)?;
            }
            plot.sits_long(&second, &mut dice)?;
            for stage in [&first, &second, &third] {
                let waiting = dice.whole(1, 2);
                plot.bystanders(stage, waiting, &mut dice)?;
            }
            vec![first, second, third]
        }
        "nadir-drone" => {
            let stage = square();
            plot.down(&[&stage], Pose::Lie, &mut dice)?;
            plot.down(&[&stage], Pose::Lie, &mut dice)?;
            plot.bystanders(&stage, 2, &mut dice)?;
            vec![stage]
        }
        "empty-street" => {
            let mut stage = street(1);
            stage.manholes(&mut dice);
            let mut t_s = 40.0;
            while t_s < duration_s {
                stage.drive(t_s, &mut dice);
                t_s += f64::from(dice.between(90.0, 240.0));
            }
            vec![stage]
        }
        "waiting-people" => {
            let stage = street(1);
            // Shorter than the ten minutes after which someone who sits becomes a lead.
            let rest = Role {
                pose: Pose::SitGround,
                reached_s: (20.0, 60.0),
                held_s: Some(f64::from(dice.between(150.0, 400.0))),
                beside: None,
                spot: None,
            };
            plot.cast.place(&[&stage], rest, &mut dice).ok_or("someone who rests")?;
            plot.bystanders(&stage, 4, &mut dice)?;
            vec![stage]
        }
        "lying-any-angle" => {
            let (first, third) = (street(1), square());
            for _ in 0..2 {
                plot.down(&[&first], Pose::Lie, &mut dice)?;
            }
            for _ in 0..4 {
                plot.down(&[&third], Pose::Lie, &mut dice)?;
            }
            vec![first, third]
        }
        "group" => {
            let stage = street(1);
            let at = plot.down(&[&stage], Pose::SitGround, &mut dice)?;
            plot.beside(&stage, Pose::Lie, at, &mut dice)?;
            plot.beside(&stage, Pose::Slump, at, &mut dice)?;
            plot.down(&[&stage], Pose::Lie, &mut dice)?;
            plot.bystanders(&stage, 1, &mut dice)?;
            vec![stage]
        }
        _ => {
            let first = street(1);
            // Across the street, further down, looking back.
            let across = CameraSpec {
                id: "street-2".into(),
                name: STREET_NAMES[1].into(),
                at: first.frame.point(30.0, 6.8),
                heading_deg: (first.frame.heading_deg + 180.0 + dice.between(-6.0, 6.0)).rem_euclid(360.0),
                ..first.camera.clone()
            };
            let second = first.seen_by(across, seed);
            plot.down(&[&first, &second], Pose::Lie, &mut dice)?;
            plot.down(&[&first, &second], Pose::Curl, &mut dice)?;
            plot.bystanders(&first, 1, &mut dice)?;
            let mut second = second;
            second.props = Props::default();
            vec![first, second]
        }
    };
    let mut drawn = Drawn { cameras: Vec::new(), props: Props::default(), snow: None, is_wet: false };
    for stage in stages {
        drawn.cameras.push(stage.camera);
        drawn.props.append(stage.props);
    }
    Ok(drawn.spec(plot, &mut dice))
}

/// What a scene is besides its people.
struct Drawn {
    cameras: Vec<CameraSpec>,
    props: Props,
    /// 0–1.
    snow: Option<f32>,
    is_wet: bool,
}

impl Drawn {
    fn spec(self, plot: Plot, dice: &mut Dice) -> SceneSpec {
        let mut weather = Weather {
            air_c: dice.between(-7.0, -3.0).round(),
            wind_kmh: Some(dice.between(6.0, 16.0).round()),
            precip_mm_h: 0.0,
            wet_ground: false,
            alert: AlertLevel::None,
            observed_at: START,
        };
        let snow = Snow { rate: self.snow.unwrap_or(0.0), settles: self.snow.is_some() };
        if snow.rate > 0.0 {
            // Water equivalent of heavy snow: 2.5 mm/h.
            (weather.air_c, weather.precip_mm_h) = (weather.air_c * 0.4, (snow.rate * 25.0).round() / 10.0);
        }
        if self.is_wet {
            (weather.air_c, weather.wet_ground) = (weather.air_c + 8.0, true);
        }
        let Plot { cast, duration_s } = plot;
        SceneSpec {
            duration_s,
            origin: Origin::default(),
            weather,
            snow,
            detection: DetectionSpec::default(),
            cameras: self.cameras,
            people: cast.specs,
            props: self.props,
        }
    }
}

fn street(seed: u64, number: usize) -> Stage {
    Stage::street(&format!("street-{number}"), STREET_NAMES[number - 1], origin(number), mix(seed ^ number as u64))
}

fn square(seed: u64) -> Stage {
    Stage::square("drone-1", SQUARE_NAME, origin(3), mix(seed ^ 3))
}

fn down_pose(dice: &mut Dice) -> Pose {
    [Pose::Lie, Pose::Curl, Pose::Slump][dice.whole(0, 2)]
}

fn origin(stage: usize) -> V2 {
    V2::new((stage as f32 - 1.0) * STAGES_APART_M, 0.0)
}

struct Plot {
    cast: Cast,
    duration_s: f64,
}

impl Plot {
    /// When someone goes down, so that a lead is made and answered before the end wherever the scene is long enough.
    fn down_between(&self) -> (f64, f64) {
        let latest = (self.duration_s - 250.0).min(self.duration_s * 0.55).max(8.0);
        (latest.min(22.0), latest)
    }

    fn down(&mut self, stages: &[&Stage], pose: Pose, dice: &mut Dice) -> Result<V2, &'static str> {
        let role = Role { pose, reached_s: self.down_between(), held_s: None, beside: None, spot: None };
        self.cast.place(stages, role, dice).ok_or("a person down")
    }

    fn beside(&mut self, stage: &Stage, pose: Pose, at: V2, dice: &mut Dice) -> Result<V2, &'static str> {
        let role = Role { pose, reached_s: self.down_between(), held_s: None, beside: Some(at), spot: None };
        self.cast.place(&[stage], role, dice).ok_or("a person in a group")
    }

    /// Someone who sits for over eleven minutes, where the scene is long enough.
    fn sits_long(&mut self, stage: &Stage, dice: &mut Dice) -> Result<(), &'static str> {
        if self.duration_s < 900.0 {
            return Ok(());
        }
        let role = Role { pose: Pose::SitGround, reached_s: (20.0, self.duration_s - 720.0), held_s: None, beside: None, spot: None };
        self.cast.place(&[stage], role, dice).map(|_| ()).ok_or("a person who sits")
    }

    /// People who stand and wait for 3 to 8 minutes, and walkers, about one in 80 s.
    fn bystanders(&mut self, stage: &Stage, waiting: usize, dice: &mut Dice) -> Result<(), &'static str> {
        for _ in 0..waiting {
            let held_s = f64::from(dice.between(180.0, 480.0));
            let latest = (self.duration_s - held_s).max(30.0);
            let role = Role { pose: Pose::Stand, reached_s: (15.0, latest), held_s: Some(held_s), beside: None, spot: None };
            self.cast.place(&[stage], role, dice).ok_or("someone who waits")?;
        }
        for walker in 0..((self.duration_s / 80.0) as usize).clamp(2, 40) {
            self.cast.pass(stage, walker as f64 * 80.0 + 5.0, dice);
        }
        Ok(())
    }
}
