//! Where named scenes play: a street before a pole camera, a square under a hovering drone. Each is drawn from a seed.

use crate::geometry::{Frame, Projector, V2};
use crate::random::Dice;
use crate::render::background::Background;
use crate::render::things::hot_boxes;
use crate::spec::{BlockSpec, CameraSpec, CarSpec, LampSpec, ManholeSpec, OutputSpec, Props, StripSpec, WallSpec};
use patrol_core::{CameraView, Modality, PictureSize, PixelBox};

/// How people come into the picture and leave it. Distances in metres in the stage's frame.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    /// Straight along the walkway from this distance.
    Along(f32),
    /// Straight across it.
    Across(f32),
    /// Round a street corner: along first, then to the left (negative: to the right).
    Corner { along: f32, left: f32 },
}

/// A convex piece of ground without walls or kerbs, in the stage's frame.
#[derive(Debug, Clone)]
pub(crate) struct Walkway {
    pub(crate) along: (f32, f32),
    pub(crate) left: (f32, f32),
    pub(crate) doors: Vec<Door>,
}

impl Walkway {
    /// The way from outside the picture to the local point `to`, in the frame of the stage; `to` itself not included.
    pub(crate) fn approach(&self, door: Door, to: (f32, f32), dice: &mut Dice) -> Vec<(f32, f32)> {
        let aside = |at: f32, (low, high): (f32, f32), dice: &mut Dice| (at + dice.between(-3.0, 3.0)).clamp(low, high);
        match door {
            Door::Along(along) => vec![(along, aside(to.1, self.left, dice))],
            Door::Across(left) => vec![(aside(to.0, self.along, dice), left)],
            Door::Corner { along, left } => vec![(along, left), (along, aside(to.1, self.left, dice))],
        }
    }
}

pub(crate) struct Stage {
    pub(crate) camera: CameraSpec,
    pub(crate) frame: Frame,
    pub(crate) walkways: Vec<Walkway>,
    /// Places people keep clear of: centre and radius.
    pub(crate) obstacles: Vec<(V2, f32)>,
    pub(crate) props: Props,
    pub(crate) projector: Projector,
    /// A quarter of the camera's resolution: enough to tell what hides what.
    pub(crate) coarse: Background,
    pub(crate) hot: Vec<PixelBox>,
}

const SIZE: [u32; 2] = [640, 512];
const COARSE: u32 = 4;

impl Stage {
    fn new(camera: CameraSpec, frame: Frame, walkways: Vec<Walkway>, obstacles: Vec<(V2, f32)>, props: Props, seed: u64) -> Self {
        let view = view_of(&camera);
        let [width, height] = camera.size;
        let projector = Projector::new(&view, camera.at, PictureSize::new(width, height));
        let small = Projector::new(&view, camera.at, PictureSize::new(width / COARSE, height / COARSE));
        let hot = hot_boxes(&props, &projector).into_iter().map(|(_, bbox)| bbox).collect();
        let coarse = Background::thermal(small, &props, seed, false);
        Self { camera, frame, walkways, obstacles, props, projector, coarse, hot }
    }

    /// The same place seen by another camera: people are placed where this one shows them well, too.
    pub(crate) fn seen_by(&self, camera: CameraSpec, seed: u64) -> Self {
        Self::new(camera, self.frame, self.walkways.clone(), self.obstacles.clone(), self.props.clone(), seed)
    }

    /// The same place with other things in it.
    pub(crate) fn furnished(&self, props: Props, seed: u64) -> Self {
        Self::new(self.camera.clone(), self.frame, self.walkways.clone(), self.obstacles.clone(), props, seed)
    }

    /// A street with pavements, parked cars, lamps and house fronts, before a camera on a pole at the right kerb.
    pub(crate) fn street(id: &str, name: &str, origin: V2, seed: u64) -> Self {
        const ROAD: (f32, f32) = (0.0, 6.2);
        const FRONTS: (f32, f32) = (-6.2, 13.4);
        const CORNER_M: f32 = 45.0;
        let mut dice = Dice::new(seed, id);
        let frame = Frame { origin, heading_deg: dice.between(0.0, 360.0) };
        let camera = CameraSpec {
            id: id.into(),
            name: name.into(),
            at: origin,
            height_m: dice.between(6.2, 7.8),
            tilt_deg: dice.between(21.0, 29.0),
            heading_deg: (frame.heading_deg - dice.between(12.0, 21.0)).rem_euclid(360.0),
            hfov_deg: dice.between(54.0, 64.0),
            size: SIZE,
            fps: 2.0,
            site_class: "00501".into(),
            modality: Modality::Thermal,
            motion: None,
            output: OutputSpec::default(),
        };
        let mut props = Props::default();
        let at = |along: f32, left: f32| frame.point(along, left);
        let end_m = CORNER_M + dice.between(11.0, 13.0);
        let middle = f32::midpoint(ROAD.0, ROAD.1);
        let (road_k, cross_k) = (dice.between(0.5, 0.9), dice.between(0.4, 0.8));
        props.strips.push(StripSpec { from: at(-20.0, middle), to: at(CORNER_M + 6.0, middle), width_m: ROAD.1 - ROAD.0, warm_k: road_k });
        let cross = CORNER_M + 6.0;
        props.strips.push(StripSpec { from: at(cross, -45.0), to: at(cross, 45.0), width_m: 7.0, warm_k: cross_k });
        for (a, b) in [
            ((-10.0, FRONTS.0), (CORNER_M, FRONTS.0)),
            ((-10.0, FRONTS.1), (CORNER_M, FRONTS.1)),
            ((CORNER_M, FRONTS.0), (CORNER_M, -45.0)),
            ((CORNER_M, FRONTS.1), (CORNER_M, 45.0)),
            ((end_m, -45.0), (end_m, dice.between(-4.0, 2.0))),
            ((end_m, 3.0), (end_m, 45.0)),
        ] {
            let height_m = dice.between(8.0, 17.0);
            props.walls.push(WallSpec { from: at(a.0, a.1), to: at(b.0, b.1), height_m });
        }
        let mut obstacles = Vec::new();
        for (first, left) in [(10.0, ROAD.1 + 0.4), (17.0, ROAD.0 - 0.4)] {
            let mut along = first + dice.between(0.0, 4.0);
            while along < CORNER_M {
                props.lamps.push(LampSpec { at: at(along, left), height_m: dice.between(4.2, 5.2), flicker_every_s: None });
                obstacles.push((at(along, left), 0.4));
                along += dice.between(13.0, 17.0);
            }
        }
        let mut along = 11.0 + dice.between(0.0, 4.0);
        while along < CORNER_M - 4.0 {
            // Of the nearer cars one or two came home lately; the engines of the others are cold.
            if dice.chance(0.55) {
                let turned = if dice.chance(0.3) { 180.0 } else { 0.0 };
                let bonnet_k = (along < 32.0 && dice.chance(0.5)).then(|| dice.between(8.0, 15.0));
                let heading_deg = frame.heading_deg + turned + dice.between(-1.5, 1.5);
                props.cars.push(CarSpec {
                    at: at(along, ROAD.1 - 1.05),
                    heading_deg,
                    bonnet_k,
                    path: Vec::new(),
                    at_s: 0.0,
                    speed_m_s: 8.0,
                    headlights: false,
                });
            }
            along += dice.between(5.6, 7.5);
        }
        if let Some(car) = props.cars.first_mut()
            && car.bonnet_k.is_none()
        {
            car.bonnet_k = Some(dice.between(8.0, 15.0));
        }
        let corner = |left: f32, dice: &mut Dice| Door::Corner { along: CORNER_M + dice.between(8.8, 9.6), left };
        let walkways = vec![
            Walkway { along: (5.0, 26.0), left: (ROAD.1 + 1.2, FRONTS.1 - 1.3), doors: vec![Door::Along(-7.0), corner(38.0, &mut dice)] },
            Walkway { along: (5.0, 26.0), left: (FRONTS.0 + 1.3, ROAD.0 - 1.2), doors: vec![Door::Along(-7.0), corner(-38.0, &mut dice)] },
        ];
        Self::new(camera, frame, walkways, obstacles, props, seed)
    }

    /// A car that comes round the corner and drives down the street at `at_s`.
    pub(crate) fn drive(&mut self, at_s: f64, dice: &mut Dice) {
        let at = |along: f32, left: f32| self.frame.point(along, left);
        let path = vec![at(50.0, -40.0), at(50.0, 3.4), at(46.0, 2.2), at(-14.0, 2.2)];
        self.props.cars.push(CarSpec {
            at: path[0],
            heading_deg: 0.0,
            bonnet_k: Some(dice.between(9.0, 14.0)),
            path,
            at_s,
            speed_m_s: dice.between(6.5, 9.5),
            headlights: false,
        });
    }

    /// A square with paths, trees in tubs, a kiosk and a row of parked cars, under a drone that hovers.
    pub(crate) fn square(id: &str, name: &str, origin: V2, seed: u64) -> Self {
        let mut dice = Dice::new(seed, id);
        let camera = CameraSpec {
            id: id.into(),
            name: name.into(),
            at: origin,
            height_m: dice.between(42.0, 56.0),
            tilt_deg: 90.0,
            heading_deg: dice.between(0.0, 360.0),
            hfov_deg: dice.between(34.0, 40.0),
            size: SIZE,
            fps: 2.0,
            site_class: "00103".into(),
            modality: Modality::Thermal,
            motion: None,
            output: OutputSpec::default(),
        };
        let frame = Frame { origin, heading_deg: camera.heading_deg };
        let half_w = camera.height_m * (camera.hfov_deg.to_radians() / 2.0).tan();
        let half_h = half_w * SIZE[1] as f32 / SIZE[0] as f32;
        let at = |along: f32, left: f32| frame.point(along, left);
        let mut props = Props::default();
        let mut obstacles = Vec::new();
        let tilt = dice.between(-8.0, 8.0);
        props.strips.push(StripSpec { from: at(-40.0, -tilt), to: at(40.0, tilt), width_m: 3.4, warm_k: 0.45 });
        props.strips.push(StripSpec { from: at(tilt * 0.5, -40.0), to: at(-tilt * 0.5, 40.0), width_m: 3.0, warm_k: 0.4 });
        // The road and its parked cars lie along one edge of the picture.
        let edge = if dice.chance(0.5) { 1.0 } else { -1.0 };
        let road = edge * (half_h - 1.2);
        props.strips.push(StripSpec { from: at(road, -60.0), to: at(road, 60.0), width_m: 5.6, warm_k: 0.7 });
        let mut left = -half_w + dice.between(2.5, 6.0);
        while left < half_w - 3.0 {
            if dice.chance(0.45) {
                let bonnet_k = dice.chance(0.6).then(|| dice.between(8.0, 15.0));
                let heading_deg = frame.heading_deg + if dice.chance(0.5) { 90.0 } else { -90.0 };
                props.cars.push(CarSpec {
                    at: at(road - edge * 1.5, left),
                    heading_deg,
                    bonnet_k,
                    path: Vec::new(),
                    at_s: 0.0,
                    speed_m_s: 8.0,
                    headlights: false,
                });
            }
            left += dice.between(5.5, 8.0);
        }
        for _ in 0..dice.whole(3, 6) {
            let place = at(dice.between(-half_h, half_h * 0.4) * edge, dice.between(-half_w, half_w));
            let across = dice.between(1.2, 1.8);
            props.blocks.push(BlockSpec { at: place, heading_deg: frame.heading_deg + 20.0, size: [across, across, 0.6], warm_k: -0.4 });
            obstacles.push((place, 1.2));
        }
        let kiosk =
            at(-edge * dice.between(3.0, half_h - 3.0), dice.between(4.0, half_w - 3.0) * if dice.chance(0.5) { 1.0 } else { -1.0 });
        let heading_deg = frame.heading_deg + dice.between(-30.0, 30.0);
        props.blocks.push(BlockSpec { at: kiosk, heading_deg, size: [3.6, 2.6, 2.8], warm_k: 1.2 });
        obstacles.push((kiosk, 2.6));
        for _ in 0..2 {
            let place = at(dice.between(-half_h, half_h), dice.between(-half_w, half_w));
            props.lamps.push(LampSpec { at: place, height_m: 5.5, flicker_every_s: None });
            obstacles.push((place, 0.8));
        }
        let kerb = edge * (half_h - 5.5);
        let walkways = vec![Walkway {
            along: ((-edge * (half_h - 1.6)).min(kerb), (-edge * (half_h - 1.6)).max(kerb)),
            left: (-half_w + 1.6, half_w - 1.6),
            doors: vec![Door::Along(-edge * (half_h + 6.0)), Door::Across(half_w + 4.0), Door::Across(-half_w - 4.0)],
        }];
        Self::new(camera, frame, walkways, obstacles, props, seed)
    }

    /// Warm manhole covers in the road: person-sized to no one, warm to every detector.
    pub(crate) fn manholes(&mut self, dice: &mut Dice) {
        for along in [9.0, 21.0] {
            let at = self.frame.point(along + dice.between(0.0, 5.0), dice.between(1.5, 3.0));
            self.props.manholes.push(ManholeSpec { at, warm_k: dice.between(3.0, 7.0) });
        }
    }
}

pub(crate) fn view_of(camera: &CameraSpec) -> CameraView {
    CameraView { height_m: camera.height_m, tilt_deg: camera.tilt_deg, heading_deg: camera.heading_deg, hfov_deg: camera.hfov_deg }
}
