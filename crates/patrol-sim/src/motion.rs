//! How a camera moves: a mast sways, a PTZ goes round its presets, a drone flies.

use crate::geometry::{Projector, V2};
use crate::random::{mix, value_noise};
use crate::scene::SceneCamera;
use crate::spec::MotionSpec;
use patrol_core::CameraView;

#[derive(Debug, Clone, Default)]
pub(crate) enum Motion {
    #[default]
    Still,
    Sway {
        deg: f32,
        period_s: f64,
    },
    Tour {
        presets: Vec<[f32; 3]>,
        stay_s: f64,
        move_s: f64,
    },
    Flight {
        path: Vec<V2>,
        speed_m_s: f32,
        at_s: f64,
    },
}

/// Where a camera looks from and to at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    pub(crate) projector: Projector,
    pub(crate) view: CameraView,
    pub(crate) foot: V2,
    pub(crate) place: Place,
}

/// What of a sight comes again, so that its background may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Always the same.
    Fixed,
    /// Turned a little from the fixed one, at the same point.
    Swayed,
    Preset(usize),
    /// Between presets, or in flight.
    Free,
}

impl From<Option<&MotionSpec>> for Motion {
    fn from(spec: Option<&MotionSpec>) -> Self {
        match spec.cloned() {
            None => Self::Still,
            Some(MotionSpec::Sway { deg, period_s }) => Self::Sway { deg, period_s },
            Some(MotionSpec::Tour { presets, stay_s, move_s }) => Self::Tour { presets, stay_s, move_s },
            Some(MotionSpec::Flight { path, speed_m_s, at_s }) => Self::Flight { path, speed_m_s, at_s },
        }
    }
}

impl Motion {
    pub(crate) fn is_still(&self) -> bool {
        matches!(self, Self::Still)
    }

    /// The most that a sway turns the camera, degrees.
    pub(crate) fn sway_deg(&self) -> f32 {
        if let Self::Sway { deg, .. } = self { *deg } else { 0.0 }
    }
}

/// The way from `from` to `to`, degrees, the short way round.
fn turn_deg(from: f32, to: f32) -> f32 {
    (to - from + 180.0).rem_euclid(360.0) - 180.0
}

impl SceneCamera {
    pub(crate) fn sight(&self, t_s: f64) -> Sight {
        let (view, foot, place) = match &self.motion {
            Motion::Still => (self.view, self.foot, Place::Fixed),
            Motion::Sway { deg, period_s } => {
                let seed = self.id.as_str().bytes().fold(0, |key, byte| mix(key ^ u64::from(byte)));
                let (phase, gust) = ((t_s / period_s).rem_euclid(1e4) as f32, (t_s / period_s / 2.3).rem_euclid(1e4) as f32);
                let swing = |offset: f32, salt: u64| {
                    let strength = 0.55 + 0.35 * value_noise(gust, 0.5, seed ^ salt);
                    let beat = (std::f32::consts::TAU * (phase + offset)).sin();
                    (strength * beat + 0.10 * value_noise(phase * 2.7, 0.5, seed ^ salt ^ 1)).clamp(-1.0, 1.0)
                };
                let heading_deg = self.view.heading_deg + deg * swing(0.0, 1);
                let tilt_deg = self.view.tilt_deg + 0.5 * deg * swing(0.31, 2);
                (CameraView { heading_deg, tilt_deg, ..self.view }, self.foot, Place::Swayed)
            }
            Motion::Tour { presets, stay_s, move_s } => {
                let round_s = (stay_s + move_s) * presets.len() as f64;
                let into_s = t_s.rem_euclid(round_s);
                let number = ((into_s / (stay_s + move_s)) as usize).min(presets.len() - 1);
                let late_s = into_s - number as f64 * (stay_s + move_s) - stay_s;
                let ([h0, t0, f0], [h1, t1, f1]) = (presets[number], presets[(number + 1) % presets.len()]);
                let k = (late_s / move_s).clamp(0.0, 1.0) as f32;
                let ease = k * k * (3.0 - 2.0 * k);
                let view = CameraView {
                    heading_deg: h0 + turn_deg(h0, h1) * ease,
                    tilt_deg: t0 + (t1 - t0) * ease,
                    hfov_deg: f0 + (f1 - f0) * ease,
                    ..self.view
                };
                (view, self.foot, if late_s <= 0.0 { Place::Preset(number) } else { Place::Free })
            }
            Motion::Flight { path, speed_m_s, at_s } => {
                let mut way_m = ((t_s - at_s).max(0.0) * f64::from(*speed_m_s)) as f32;
                let mut foot = path[path.len() - 1];
                for leg in path.windows(2) {
                    let length_m = leg[0].distance(leg[1]);
                    if way_m < length_m {
                        foot = leg[0].lerp(leg[1], way_m / length_m);
                        break;
                    }
                    way_m -= length_m;
                }
                (self.view, foot, Place::Free)
            }
        };
        Sight { projector: Projector::new(&view, foot, self.size), view, foot, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn camera(motion: &str) -> SceneCamera {
        let spec = format!(
            "duration_s = 600\nweather = {{ air_c = -4.0 }}\n[[camera]]\nid = \"c1\"\nname = \"x\"\nat = [0, 0]\nheight_m = 7\ntilt_deg = 26\nhfov_deg = 58\nmotion = {motion}\n"
        );
        Scene::from_spec(&spec, 1).expect("a scene").cameras()[0].clone()
    }

    #[test]
    fn a_tour_stays_moves_and_returns() {
        let camera = camera("{ kind = \"tour\", stay_s = 10, move_s = 2, presets = [[350, 26, 58], [30, 20, 30]] }");
        assert_eq!(camera.sight(9.9).place, Place::Preset(0));
        let between = camera.sight(11.0);
        assert!(between.place == Place::Free && (between.view.heading_deg - 370.0).abs() < 0.1, "{between:?}");
        let second = camera.sight(12.0);
        assert!(second.place == Place::Preset(1) && second.view.hfov_deg == 30.0);
        assert_eq!(camera.sight(24.5).place, Place::Preset(0));
    }

    #[test]
    fn a_mast_sways_within_its_bounds_and_a_drone_arrives() {
        let mast = camera("{ kind = \"sway\", deg = 0.5, period_s = 3 }");
        let headings: Vec<f32> = (0..200).map(|k| mast.sight(f64::from(k) * 0.37).view.heading_deg).collect();
        assert!(headings.iter().all(|h| h.abs() <= 0.5) && headings.iter().any(|h| *h > 0.2) && headings.iter().any(|h| *h < -0.2));
        let drone = camera("{ kind = \"flight\", path = [[0, 0], [0, 30]], speed_m_s = 3, at_s = 10 }");
        let at = |t_s: f64| drone.sight(t_s).foot;
        assert!(at(5.0) == V2::new(0.0, 0.0) && (at(15.0).n - 15.0).abs() < 0.01 && at(60.0) == V2::new(0.0, 30.0));
    }
}
