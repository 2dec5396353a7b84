//! Who does what when: steps of a SPEC file become a time line, and a time line answers where a person is.

use crate::body::{Build, Capsule, Doing, Figure, Pose, capsules};
use crate::geometry::V2;
use crate::random::Dice;
use crate::spec::{DogSpec, MannequinSpec, PersonSpec, StepSpec};
use patrol_core::Posture;

#[derive(Debug, Clone, Copy)]
enum Motion {
    Walk { from: V2, to: V2, walked_before_m: f32 },
    Hold { at: V2, facing_deg: f32, pose: Pose },
    Change { at: V2, from_deg: f32, to_deg: f32, from: Pose, to: Pose },
}

#[derive(Debug, Clone, Copy)]
struct Step {
    from_s: f64,
    to_s: f64,
    motion: Motion,
}

#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) build: Build,
    steps: Vec<Step>,
}

/// A person at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: V2,
    pub(crate) facing_deg: f32,
    pub(crate) doing: Doing,
}

impl Moment {
    pub(crate) fn posture(&self) -> Posture {
        match self.doing {
            Doing::Walking { .. } => Posture::Walking,
            Doing::Holding { pose } => pose.posture(),
            Doing::Changing { from, to, k } => if k < 0.5 { from } else { to }.posture(),
        }
    }
}

/// Seconds to get up from the ground.
const RISE_S: f64 = 4.0;
/// Seconds to bend down, and to straighten up.
const BEND_S: f64 = 1.5;

impl Person {
    /// What `spec` leaves open is drawn from `seed`.
    pub(crate) fn from_spec(spec: &PersonSpec, number: usize, seed: u64, duration_s: f64) -> Self {
        let id = spec.id.clone().unwrap_or_else(|| format!("p{}", number + 1));
        let mut dice = Dice::new(seed, &format!("person {number}"));
        // Ranges after `integration.md` §6.3: winter clothing hides 70–90 % of the contrast of bare skin.
        let clothing_k = spec.clothing_k.unwrap_or_else(|| dice.between(3.4, 5.8));
        let build = Build {
            figure: Figure::Person,
            height_m: spec.height_m.unwrap_or_else(|| dice.between(1.58, 1.80)),
            girth: dice.between(0.92, 1.15),
            torso_k: clothing_k,
            legs_k: clothing_k * dice.between(0.78, 0.95),
            face_k: dice.between(13.0, 19.0),
            hands_k: if dice.chance(0.4) { clothing_k } else { dice.between(9.0, 15.0) },
            seed: dice.seed(),
        };
        let steps = followed(spec.at_s, spec.from, &spec.steps, &mut dice, duration_s);
        Self { id, build, steps }
    }

    pub(crate) fn dog(spec: &DogSpec, number: usize, seed: u64, duration_s: f64) -> Self {
        let mut dice = Dice::new(seed, &format!("dog {number}"));
        let build = Build {
            figure: Figure::Dog,
            height_m: spec.length_m,
            girth: 1.0,
            torso_k: spec.warm_k,
            legs_k: spec.warm_k,
            face_k: spec.warm_k + 4.0,
            hands_k: spec.warm_k,
            seed: dice.seed(),
        };
        let steps = followed(spec.at_s, spec.from, &spec.steps, &mut dice, duration_s);
        Self { id: format!("dog{}", number + 1), build, steps }
    }

    pub(crate) fn mannequin(spec: &MannequinSpec, number: usize, seed: u64) -> Self {
        let mut dice = Dice::new(seed, &format!("mannequin {number}"));
        let warm_k = spec.warm_k;
        let build = Build {
            figure: Figure::Mannequin,
            height_m: dice.between(1.66, 1.80),
            girth: dice.between(0.80, 0.92),
            torso_k: warm_k,
            legs_k: warm_k,
            face_k: warm_k,
            hands_k: warm_k,
            seed: dice.seed(),
        };
        let motion = Motion::Hold { at: spec.at, facing_deg: spec.facing_deg, pose: Pose::Stand };
        Self { id: format!("mannequin{}", number + 1), build, steps: vec![Step { from_s: spec.at_s, to_s: f64::MAX, motion }] }
    }

    /// `None` before the first step and after the last.
    pub(crate) fn at(&self, t_s: f64) -> Option<Moment> {
        let step = self.steps.iter().find(|step| step.from_s <= t_s && t_s < step.to_s)?;
        let k = ((t_s - step.from_s) / (step.to_s - step.from_s).max(1e-6)) as f32;
        Some(match step.motion {
            Motion::Walk { from, to, walked_before_m } => Moment {
                at: from.lerp(to, k),
                facing_deg: from.heading_to(to),
                doing: Doing::Walking { walked_m: walked_before_m + from.distance(to) * k },
            },
            Motion::Hold { at, facing_deg, pose } => Moment { at, facing_deg, doing: Doing::Holding { pose } },
            Motion::Change { at, from_deg, to_deg, from, to } => {
                let turn = (to_deg - from_deg + 180.0).rem_euclid(360.0) - 180.0;
                Moment { at, facing_deg: from_deg + turn * k, doing: Doing::Changing { from, to, k } }
            }
        })
    }

    pub(crate) fn capsules(&self, t_s: f64) -> Option<Vec<Capsule>> {
        let moment = self.at(t_s)?;
        Some(capsules(&self.build, moment.doing, moment.at, moment.facing_deg, t_s))
    }

    /// When the person is in the scene, seconds.
    pub(crate) fn presence(&self) -> Option<(f64, f64)> {
        Some((self.steps.first()?.from_s, self.steps.last()?.to_s))
    }

    /// The stays in one posture class at one place, transitions left out: from, to, posture.
    pub(crate) fn holds(&self) -> impl Iterator<Item = (f64, f64, Pose, V2)> {
        self.steps.iter().filter_map(|step| match step.motion {
            Motion::Hold { pose, at, .. } => Some((step.from_s, step.to_s, pose, at)),
            _ => None,
        })
    }
}

/// The time line of `steps`; what they leave open is drawn.
fn followed(at_s: f64, from: V2, steps: &[StepSpec], dice: &mut Dice, duration_s: f64) -> Vec<Step> {
    let mut line = Line { steps: Vec::new(), t_s: at_s, at: from, facing_deg: 0.0, pose: Pose::Stand, walked_m: 0.0 };
    for step in steps {
        let change_s = f64::from(dice.between(2.0, 4.0));
        let turn_deg = dice.between(0.0, 360.0);
        line.follow(step, change_s, turn_deg, duration_s);
    }
    line.steps
}

struct Line {
    steps: Vec<Step>,
    t_s: f64,
    at: V2,
    facing_deg: f32,
    pose: Pose,
    walked_m: f32,
}

impl Line {
    fn push(&mut self, lasts_s: f64, motion: Motion) {
        self.steps.push(Step { from_s: self.t_s, to_s: self.t_s + lasts_s, motion });
        self.t_s += lasts_s;
    }

    fn become_pose(&mut self, to: Pose, facing_deg: f32, lasts_s: f64) {
        if self.pose != to {
            let motion = Motion::Change { at: self.at, from_deg: self.facing_deg, to_deg: facing_deg, from: self.pose, to };
            self.push(lasts_s, motion);
        }
        (self.pose, self.facing_deg) = (to, facing_deg);
    }

    fn hold(&mut self, for_s: Option<f64>, duration_s: f64) {
        let lasts_s = for_s.unwrap_or(duration_s + 1.0 - self.t_s).max(0.0);
        let motion = Motion::Hold { at: self.at, facing_deg: self.facing_deg, pose: self.pose };
        self.push(lasts_s, motion);
    }

    fn follow(&mut self, step: &StepSpec, change_s: f64, turn_deg: f32, duration_s: f64) {
        let (pose, facing_deg, for_s) = match *step {
            StepSpec::Walk { to, speed_m_s } => {
                let rise_s = if matches!(self.pose, Pose::Bend | Pose::Crouch) { BEND_S } else { RISE_S };
                self.become_pose(Pose::Stand, self.at.heading_to(to), rise_s);
                let way_m = self.at.distance(to);
                self.push(
                    f64::from(way_m / speed_m_s.unwrap_or(1.3).max(0.1)),
                    Motion::Walk { from: self.at, to, walked_before_m: self.walked_m },
                );
                self.walked_m += way_m;
                self.at = to;
                return;
            }
            StepSpec::Stand { for_s, facing_deg } => (Pose::Stand, Some(facing_deg.unwrap_or(self.facing_deg)), for_s),
            StepSpec::Sit { for_s, facing_deg, bench } => (if bench { Pose::SitBench } else { Pose::SitGround }, facing_deg, for_s),
            StepSpec::Bend { for_s, facing_deg } => (Pose::Bend, Some(facing_deg.unwrap_or(self.facing_deg)), for_s),
            StepSpec::Crouch { for_s, facing_deg } => (Pose::Crouch, Some(facing_deg.unwrap_or(self.facing_deg)), for_s),
            StepSpec::Slump { for_s, facing_deg, bench } => (if bench { Pose::SlumpBench } else { Pose::Slump }, facing_deg, for_s),
            StepSpec::Lie { for_s, facing_deg, cover } => (cover.map_or(Pose::Lie, Pose::LieUnder), facing_deg, for_s),
            StepSpec::Curl { for_s, facing_deg, cover } => (cover.map_or(Pose::Curl, Pose::CurlUnder), facing_deg, for_s),
        };
        let change_s = match pose {
            Pose::Stand if matches!(self.pose, Pose::Bend | Pose::Crouch) => BEND_S,
            Pose::Stand => RISE_S,
            Pose::Bend | Pose::Crouch => BEND_S,
            _ => change_s,
        };
        self.become_pose(pose, facing_deg.unwrap_or(turn_deg), change_s);
        self.hold(for_s, duration_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_walked_in_order() {
        let spec: PersonSpec = toml::from_str(
            "from = [0, 0]\nat_s = 10\nsteps = [{ do = \"walk\", to = [0, 13], speed_m_s = 1.3 }, { do = \"lie\", for_s = 100 }, { do = \"walk\", to = [9, 13] }]",
        )
        .expect("a script");
        let person = Person::from_spec(&spec, 0, 1, 600.0);
        assert!(person.at(9.9).is_none());
        assert_eq!(person.at(15.0).map(|m| m.posture()), Some(Posture::Walking));
        assert_eq!(person.at(100.0).map(|m| m.posture()), Some(Posture::Lying));
        let (from_s, to_s, pose, _) = person.holds().next().expect("one stay");
        assert!((22.0..=24.0).contains(&from_s) && (to_s - from_s - 100.0).abs() < 1e-6 && pose == Pose::Lie);
        let (_, gone_s) = person.presence().expect("present");
        assert!(person.at(gone_s + 0.1).is_none());
    }
}
