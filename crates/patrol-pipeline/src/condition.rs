//! Whether a camera can be relied upon, and whether the desk knows.

use patrol_core::desk::{CameraCondition, CameraReport};
use patrol_core::{CameraId, WallTime};

/// What the feed and the looks say of a camera, and what was told last. The desk is told of changes, and of the first state:
/// after a restart it takes no camera for granted.
#[derive(Debug, Default)]
pub struct Reliance {
    /// Pictures arrive.
    feed_up: bool,
    /// Why they cannot be judged.
    cannot_see: Option<String>,
    told: Option<CameraCondition>,
}

impl Reliance {
    pub fn feed(&mut self, is_up: bool) {
        self.feed_up = is_up;
    }
    pub fn sight(&mut self, cannot_see: Option<String>) {
        self.cannot_see = cannot_see;
    }

    pub fn condition(&self) -> CameraCondition {
        match &self.cannot_see {
            _ if !self.feed_up => CameraCondition::Lost,
            Some(why) => CameraCondition::CannotSee { why: why.clone() },
            None => CameraCondition::Seeing,
        }
    }

    /// A report when the condition is other than the one last told.
    pub fn report(&mut self, camera: &CameraId, at: WallTime) -> Option<CameraReport> {
        let condition = self.condition();
        if self.told.as_ref() == Some(&condition) {
            return None;
        }
        self.told = Some(condition.clone());
        Some(CameraReport { camera: camera.clone(), at, condition })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_state_and_every_change_are_told_once() {
        let camera = CameraId::new("a");
        let mut reliance = Reliance::default();
        let told = |reliance: &mut Reliance| reliance.report(&camera, WallTime(0)).map(|report| report.condition);
        assert_eq!(told(&mut reliance), Some(CameraCondition::Lost));
        reliance.feed(true);
        assert_eq!(told(&mut reliance), Some(CameraCondition::Seeing));
        assert_eq!(told(&mut reliance), None);
        reliance.sight(Some("dark".into()));
        reliance.feed(false);
        assert_eq!(told(&mut reliance), Some(CameraCondition::Lost));
        reliance.feed(true);
        assert_eq!(told(&mut reliance), Some(CameraCondition::CannotSee { why: "dark".into() }), "still dark when it comes back");
    }
}
