//! Gives people places, ways and times on a stage so that what must be seen can be seen, and nobody walks through anybody.

use crate::body::{Capsule, Doing, Pose, box_of, capsules};
use crate::geometry::V2;
use crate::random::Dice;
use crate::render::raster::visible;
use crate::script::Person;
use crate::spec::{PersonSpec, StepSpec};
use crate::stage::Stage;
use patrol_core::PixelBox;

/// People down are at least so far apart, metres: each is a lead of his own.
pub(crate) const DOWN_APART_M: f32 = 5.5;
/// Everyone of a group is at most so far from everyone else, metres (design §2: 2 m).
const GROUP_M: f32 = 1.95;
/// A person down is at least so long in the picture, pixels; and so far from its edges.
pub(crate) const LONG_MIN_PX: f32 = 24.0;
const NADIR_LONG_MIN_PX: f32 = 21.0;
const EDGE_PX: f32 = 14.0;
/// Clear of the middle of a person down, of one who stands or sits, of one who walks, metres.
pub(crate) const CLEAR_OF_DOWN_M: f32 = 2.1;
const CLEAR_OF_STILL_M: f32 = 1.3;
const CLEAR_OF_WALKER_M: f32 = 0.9;
/// A passer-by covers a person down for at most so long, seconds.
const COVERED_MAX_S: f64 = 4.0;
const SAMPLE_S: f64 = 0.5;
const TRIES: usize = 400;

/// A place in the cast that has to be filled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role {
    pub(crate) pose: Pose,
    /// When the pose is reached: earliest and latest, seconds.
    pub(crate) reached_s: (f64, f64),
    /// How long it is held; `None`: to the end.
    pub(crate) held_s: Option<f64>,
    /// A group: at this point, 0.8–1.9 m off.
    pub(crate) beside: Option<V2>,
    /// Exactly here, looking there (degrees): in a doorway, on a bench. Who comes, comes from the front.
    pub(crate) spot: Option<(V2, f32)>,
}

pub(crate) struct Cast {
    pub(crate) specs: Vec<PersonSpec>,
    people: Vec<Person>,
    seed: u64,
    duration_s: f64,
}

impl Cast {
    pub(crate) fn new(seed: u64, duration_s: f64) -> Self {
        Self { specs: Vec::new(), people: Vec::new(), seed, duration_s }
    }

    /// Someone who comes, takes a pose and holds it. Every stage in `stages` must see him well. Returns his place; `None`: there is no room.
    pub(crate) fn place(&mut self, stages: &[&Stage], role: Role, dice: &mut Dice) -> Option<V2> {
        let stage = stages[0];
        for _ in 0..TRIES {
            let walkway = &stage.walkways[dice.whole(0, stage.walkways.len() - 1)];
            let mut local = (dice.between(walkway.along.0, walkway.along.1), dice.between(walkway.left.0, walkway.left.1));
            if let Some(beside) = role.beside {
                let (angle, off) = (dice.between(0.0, std::f32::consts::TAU), dice.between(1.2, 1.9));
                let (along, left) = stage.frame.local(beside);
                local = (along + off * angle.cos(), left + off * angle.sin());
            }
            let mut facing_deg = dice.between(0.0, 360.0);
            if let Some((spot, deg)) = role.spot {
                (local, facing_deg) = (stage.frame.local(spot), deg);
            }
            let at = stage.frame.point(local.0, local.1);
            let door = walkway.doors[dice.whole(0, walkway.doors.len() - 1)];
            let mut way: Vec<V2> = walkway.approach(door, local, dice).into_iter().map(|(a, l)| stage.frame.point(a, l)).collect();
            if role.spot.is_some() {
                // The street is where the middle of the walkway is.
                let middle = f32::midpoint(walkway.left.0, walkway.left.1);
                way.push(stage.frame.point(local.0, local.1 + (middle - local.1).clamp(-1.5, 1.5)));
            }
            way.push(at);
            let reached_s = role.reached_s.0 + (role.reached_s.1 - role.reached_s.0) * f64::from(dice.between(0.0, 1.0));
            let pause_s = if role.pose.is_upright() { 0.0 } else { f64::from(dice.between(2.0, 12.0)) };
            let speed_m_s = dice.between(1.1, 1.45);
            let mut steps: Vec<StepSpec> = way[1..].iter().map(|to| StepSpec::Walk { to: *to, speed_m_s: Some(speed_m_s) }).collect();
            if pause_s > 0.0 {
                steps.push(StepSpec::Stand { for_s: Some(pause_s), facing_deg: None });
            }
            let (for_s, facing) = (role.held_s, Some(facing_deg));
            steps.push(match role.pose {
                Pose::Stand => StepSpec::Stand { for_s, facing_deg: facing },
                Pose::SitGround | Pose::SitBench => StepSpec::Sit { for_s, facing_deg: facing, bench: role.pose == Pose::SitBench },
                Pose::Bend => StepSpec::Bend { for_s, facing_deg: facing },
                Pose::Crouch => StepSpec::Crouch { for_s, facing_deg: facing },
                Pose::Slump | Pose::SlumpBench => StepSpec::Slump { for_s, facing_deg: facing, bench: role.pose == Pose::SlumpBench },
                Pose::Lie | Pose::LieUnder(_) => StepSpec::Lie { for_s, facing_deg: facing, cover: role.pose.cover() },
                Pose::Curl | Pose::CurlUnder(_) => StepSpec::Curl { for_s, facing_deg: facing, cover: role.pose.cover() },
            });
            if role.held_s.is_some() {
                let leave = walkway.approach(walkway.doors[dice.whole(0, walkway.doors.len() - 1)], local, dice);
                steps.extend(
                    leave.into_iter().rev().map(|(a, l)| StepSpec::Walk { to: stage.frame.point(a, l), speed_m_s: Some(speed_m_s) }),
                );
            }
            let length_m: f32 = way.windows(2).map(|leg| leg[0].distance(leg[1])).sum();
            // Three seconds: the mean time to change the pose.
            let at_s = reached_s - f64::from(length_m / speed_m_s) - pause_s - 3.0;
            let spec = PersonSpec { id: None, at_s, from: way[0], height_m: None, clothing_k: None, steps };
            let person = Person::from_spec(&spec, self.specs.len(), self.seed, self.duration_s);
            let seen_well = stages.iter().all(|stage| self.seen_well(stage, &person, role, facing_deg, at));
            if seen_well && self.way_is_clear(stage, &person, role.beside) {
                self.specs.push(spec);
                self.people.push(person);
                return Some(at);
            }
        }
        None
    }

    /// Someone who walks through at about `at_s`; left out when every way crosses somebody's.
    pub(crate) fn pass(&mut self, stage: &Stage, at_s: f64, dice: &mut Dice) {
        for _ in 0..40 {
            let walkway = &stage.walkways[dice.whole(0, stage.walkways.len() - 1)];
            let from = dice.whole(0, walkway.doors.len() - 1);
            let to = (from + dice.whole(1, walkway.doors.len() - 1)) % walkway.doors.len();
            let local = (dice.between(walkway.along.0, walkway.along.1), dice.between(walkway.left.0, walkway.left.1));
            let mut way = walkway.approach(walkway.doors[from], local, dice);
            way.push(local);
            way.extend(walkway.approach(walkway.doors[to], local, dice).into_iter().rev());
            let way: Vec<V2> = way.into_iter().map(|(along, left)| stage.frame.point(along, left)).collect();
            let speed_m_s = dice.between(1.1, 1.5);
            let steps = way[1..].iter().map(|to| StepSpec::Walk { to: *to, speed_m_s: Some(speed_m_s) }).collect();
            let at_s = at_s + f64::from(dice.between(-15.0, 15.0));
            let spec = PersonSpec { id: None, at_s, from: way[0], height_m: None, clothing_k: None, steps };
            let person = Person::from_spec(&spec, self.specs.len(), self.seed, self.duration_s);
            if self.way_is_clear(stage, &person, None) {
                self.specs.push(spec);
                self.people.push(person);
                return;
            }
        }
    }

    /// Whole, long enough, away from the edges, from hot things and from others who stay.
    fn seen_well(&self, stage: &Stage, person: &Person, role: Role, facing_deg: f32, at: V2) -> bool {
        let Some((from_s, to_s, _, _)) = person.holds().last() else { return false };
        let held = capsules(&person.build, Doing::Holding { pose: role.pose }, at, facing_deg, from_s);
        let Some(bbox) = box_of(&held, &stage.projector) else { return false };
        let size = stage.projector.size;
        let borders = stage.camera.output.borders;
        let inside = bbox.x > EDGE_PX + borders.left as f32
            && bbox.y > EDGE_PX + borders.top as f32
            && bbox.right() < (size.width - borders.right) as f32 - EDGE_PX
            && bbox.bottom() < (size.height - borders.bottom) as f32 - EDGE_PX;
        let nadir = stage.camera.tilt_deg > 80.0;
        let (long, short) = (bbox.w.max(bbox.h), bbox.w.min(bbox.h));
        let large = match (role.pose, nadir) {
            (pose, _) if pose.is_upright() => true,
            (Pose::SitGround | Pose::SitBench, true) => long >= 8.0,
            (_, true) => long >= NADIR_LONG_MIN_PX,
            (_, false) => long >= LONG_MIN_PX && short >= 9.0,
        };
        if !inside || !large || stage.hot.iter().any(|hot| hot.grown(10.0).intersection(&bbox) > 0.0) {
            return false;
        }
        if stage.obstacles.iter().any(|(centre, radius)| centre.distance(at) < radius + 1.2) {
            return false;
        }
        for (other, other_from_s, other_to_s, other_pose, other_at) in self.stays() {
            let beside = role.beside.is_some_and(|beside| other_at.distance(beside) < 2.5);
            let both_down = !role.pose.is_upright() && !other_pose.is_upright();
            let apart_m = if beside {
                0.9
            } else if both_down {
                DOWN_APART_M
            } else {
                2.5
            };
            let in_group = beside && both_down;
            if other_at.distance(at) < apart_m || (in_group && other_at.distance(at) > GROUP_M) {
                return false;
            }
            let together = from_s < other_to_s + 5.0 && other_from_s < to_s + 5.0;
            let Some(other_box) = hold_box(other, other_from_s, stage) else { continue };
            if !beside && together && other_box.grown(8.0).intersection(&bbox.grown(4.0)) > 0.0 {
                return false;
            }
        }
        let quarter: Option<PixelBox> = box_of(&held, &stage.coarse.projector);
        // A jamb or an arm-rest may hide a hand.
        let visible_min = if role.spot.is_some() { 0.85 } else { 0.985 };
        quarter.is_some_and(|quarter| visible(&held, &quarter, &[], &stage.coarse) > visible_min)
    }

    /// Whether nobody stays within `apart_m` of `at`.
    pub(crate) fn is_clear_of_stays(&self, at: V2, apart_m: f32) -> bool {
        self.stays().all(|(.., place)| place.distance(at) >= apart_m)
    }

    /// Every stay of everyone placed so far that lasts: person, from, to, pose, place.
    fn stays(&self) -> impl Iterator<Item = (&Person, f64, f64, Pose, V2)> {
        self.people
            .iter()
            .flat_map(|person| person.holds().map(move |(from_s, to_s, pose, at)| (person, from_s, to_s, pose, at)))
            .filter(|(_, from_s, to_s, _, _)| to_s - from_s > 20.0)
    }

    fn way_is_clear(&self, stage: &Stage, person: &Person, beside: Option<V2>) -> bool {
        let Some((from_s, to_s)) = person.presence() else { return false };
        let (from_s, to_s) = (from_s.max(0.0), to_s.min(self.duration_s));
        let samples = ((to_s - from_s) / SAMPLE_S).max(0.0) as usize;
        let mut covered_s = vec![0.0; self.people.len()];
        for sample in 0..=samples {
            let t_s = from_s + sample as f64 * SAMPLE_S;
            let Some(mine) = person.at(t_s) else { continue };
            let walking = matches!(mine.doing, Doing::Walking { .. });
            if walking && stage.obstacles.iter().any(|(centre, radius)| centre.distance(mine.at) < radius + 0.5) {
                return false;
            }
            for (number, other) in self.people.iter().enumerate() {
                let Some(theirs) = other.at(t_s) else { continue };
                let away_m = mine.at.distance(theirs.at);
                if away_m > 60.0 {
                    continue;
                }
                let friends = beside.is_some_and(|beside| theirs.at.distance(beside) < 2.5);
                let still = |doing: Doing| match doing {
                    Doing::Walking { .. } => CLEAR_OF_WALKER_M,
                    Doing::Holding { pose } | Doing::Changing { to: pose, .. } if pose.posture().is_down() => CLEAR_OF_DOWN_M,
                    _ => CLEAR_OF_STILL_M,
                };
                let wanted_m = if friends { 0.8 } else { still(mine.doing).max(still(theirs.doing)) };
                if away_m < wanted_m {
                    return false;
                }
                let (their_pose, my_pose) = (held(theirs.doing), held(mine.doing));
                let (walker, down) = match (my_pose, their_pose) {
                    (None, Some(pose)) if !pose.is_upright() => (mine.at, other),
                    (Some(pose), None) if !pose.is_upright() => (theirs.at, person),
                    _ => continue,
                };
                let covers = upright_box(walker, stage)
                    .zip(down.capsules(t_s).and_then(|capsules: Vec<Capsule>| box_of(&capsules, &stage.projector)))
                    .is_some_and(|(walker, down)| walker.intersection(&down) > 0.0);
                if covers {
                    covered_s[number] += SAMPLE_S;
                    if covered_s[number] > COVERED_MAX_S {
                        return false;
                    }
                }
            }
        }
        true
    }
}

fn held(doing: Doing) -> Option<Pose> {
    match doing {
        Doing::Walking { .. } => None,
        Doing::Holding { pose } | Doing::Changing { to: pose, .. } => Some(pose),
    }
}

fn hold_box(person: &Person, from_s: f64, stage: &Stage) -> Option<PixelBox> {
    box_of(&person.capsules(from_s + 0.1)?, &stage.projector)
}

/// About the box of someone upright at `at`.
fn upright_box(at: V2, stage: &Stage) -> Option<PixelBox> {
    let corners = [(-0.3, 0.0), (0.3, 0.0), (0.0, -0.3), (0.0, 0.3)];
    stage.projector.box_around(corners.iter().flat_map(|(e, n)| [0.0, 1.8].map(|z| V2::new(at.e + e, at.n + n).up(z))))
}
