//! Whether a camera can be relied upon, and whether the desk knows.

use patrol_core::desk::{CameraCondition, CameraReport};
use patrol_core::{CameraId, WallTime};

/// What the feed and the looks say of a camera, and what was told last. The desk is told of changes, and of the first state:
/// after a restart it takes no camera for granted.
#[derive(Debug, Default)]
pub struct Reliance {
    /// Pictures arrive.
    feed_up: bool,
    /// Why none has come for long although the link stands: said by the feed.
    silent: Option<&'static str>,
    /// Why they cannot be judged: said by the looks.
    cannot_see: Option<String>,
    told: Option<CameraCondition>,
}

impl Reliance {
    pub fn feed(&mut self, is_up: bool) {
        self.feed_up = is_up;
    }
    /// The link stands and no picture comes, or none that can be decoded.
    pub fn silent(&mut self, why: Option<&'static str>) {
        self.silent = why;
    }
    pub fn sight(&mut self, cannot_see: Option<String>) {
        self.cannot_see = cannot_see;
    }

    pub fn condition(&self) -> CameraCondition {
        if !self.feed_up {
            return CameraCondition::Lost;
        }
        match self.silent.map(str::to_owned).or_else(|| self.cannot_see.clone()) {
            Some(why) => CameraCondition::CannotSee { why },
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
        reliance.silent(Some("stalled"));
        reliance.sight(None);
        assert_eq!(
            told(&mut reliance),
            Some(CameraCondition::CannotSee { why: "stalled".into() }),
            "a look that ends late does not hide it"
        );
        reliance.silent(None);
        assert_eq!(told(&mut reliance), Some(CameraCondition::Seeing));
    }
}
