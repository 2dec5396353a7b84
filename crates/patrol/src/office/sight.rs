//! Alarms about cameras: who is not seen in time, who cannot see, whose clock is off.

use super::{Board, lock};
use patrol_core::desk::CameraCondition;
use patrol_core::{CameraId, WallTime};
use patrol_pipeline::{CameraReading, LoadReading};
use std::collections::BTreeMap;
use std::time::Duration;

/// A promise of every picture has a limit of zero; a second late is not late.
const PROMISE_SLACK: Duration = Duration::from_secs(1);
/// So many cameras are named in one alarm.
const NAMED: usize = 5;
/// A camera that stays unseen, or comes and goes, rings again after this long: more often would drown the leads.
const AGAIN_AFTER: Duration = Duration::from_mins(30);
/// A camera whose clock is off rings again after this long: nobody is in danger, somebody should set it.
const CLOCK_AGAIN_AFTER: Duration = Duration::from_hours(1);
/// A camera's clock that is off by more is an alarm: its reports of time are not used then (design §4), and nobody can set its burnt-in
/// clock against another camera's.
const CLOCK_SKEW_MAX_S: f64 = 5.0;

/// There is too much to look at for so long before it rings: a street that comes back after an outage is examined all at once.
const REFUSED_MIN: Duration = Duration::from_secs(30);

impl Board {
    /// Rings about cameras, and about the disk without which nothing is shown; called every second.
    pub(crate) fn watch_cameras(&self) {
        if self.live.get().is_some_and(|(gauge, _)| !gauge.archive_ok()) {
            self.alarm("store-unwritable", "数据写不进磁盘:新线索、判定与上报全部停住,请立即检查磁盘(空间、权限、硬件)".to_owned());
        }
        let readings = self.readings();
        self.watch_promises(&readings);
        self.watch_clocks(&readings);
        if let Some((gauge, _)) = self.live.get() {
            self.watch_load(&gauge.load(), &readings);
        }
    }

    /// Rings when there is more to look at than the workers can do even at the limits, and names who is seen late.
    fn watch_load(&self, load: &LoadReading, readings: &[CameraReading]) {
        let now = self.clock.now();
        let mut rung = lock(&self.overloaded);
        if load.refused_for < REFUSED_MIN || rung.is_some_and(|last| rang_within(last, AGAIN_AFTER, now)) {
            return;
        }
        *rung = Some(now);
        drop(rung);
        let name = |id: &CameraId| readings.iter().find(|reading| reading.camera.id == *id).map(|reading| reading.camera.name.clone());
        let named: Vec<String> = load.refused.iter().take(NAMED).filter_map(name).collect();
        let text = format!(
            "算力不足:{} 路摄像机按最长间隔也看不过来(缺 {:.1} 个核心),将延迟查看:{}",
            load.refused.len(),
            load.missing,
            list(&named, load.refused.len())
        );
        self.ring_house(now, "overload", text);
    }

    /// Rings as soon as cameras are seen later than their promise allows or cannot see: all that are new to it in one alarm.
    pub(super) fn watch_promises(&self, readings: &[CameraReading]) {
        let now = self.clock.now();
        let unseen: Vec<&CameraReading> = readings.iter().filter(|reading| why_unseen(reading).is_some()).collect();
        let fresh = due(&mut lock(&self.unseen), now, AGAIN_AFTER, unseen.iter().map(|reading| &reading.camera.id));
        if fresh.is_empty() {
            return;
        }
        let text = |reading: &&CameraReading| why_unseen(reading).map(|why| format!("{}({why})", reading.camera.name));
        let named: Vec<String> = unseen.iter().filter(|reading| fresh.contains(&reading.camera.id)).take(NAMED).filter_map(text).collect();
        self.ring_house(now, "promise-broken", format!("{} 路摄像机未能按承诺查看:{}", unseen.len(), list(&named, fresh.len())));
    }

    /// Rings as soon as a camera's clock is off, and again while it is.
    fn watch_clocks(&self, readings: &[CameraReading]) {
        let now = self.clock.now();
        let skew =
            |reading: &CameraReading| reading.link.as_ref().and_then(|link| link.clock_skew_s).filter(|s| s.abs() > CLOCK_SKEW_MAX_S);
        let off: Vec<(&CameraReading, f64)> = readings.iter().filter_map(|reading| Some((reading, skew(reading)?))).collect();
        let fresh = due(&mut lock(&self.clocks_off), now, CLOCK_AGAIN_AFTER, off.iter().map(|(reading, _)| &reading.camera.id));
        if fresh.is_empty() {
            return;
        }
        let named = off.iter().filter(|(reading, _)| fresh.contains(&reading.camera.id)).take(NAMED);
        let named: Vec<String> = named.map(|(reading, skew_s)| format!("{}({skew_s:+.0} 秒)", reading.camera.name)).collect();
        let text = format!("{} 路摄像机时钟偏差超过 {CLOCK_SKEW_MAX_S} 秒,请校时:{}", off.len(), list(&named, fresh.len()));
        self.ring_house(now, "camera-clock", text);
    }
}

/// Whether it rang less than `again_after` ago; what rang at a time that has not come yet rang before our clock was set back, and is forgotten.
pub(super) fn rang_within(last: WallTime, again_after: Duration, now: WallTime) -> bool {
    last <= now && now.since(last) < again_after
}

/// The first few of so many names.
fn list(named: &[String], of: usize) -> String {
    format!("{}{}", named.join("、"), if of > named.len() { " 等" } else { "" })
}

/// Why nobody could be seen there in time, in an officer's words; `None` while all is well.
fn why_unseen(reading: &CameraReading) -> Option<String> {
    if reading.ended {
        return None;
    }
    if let CameraCondition::CannotSee { .. } = &reading.condition {
        return Some(reading.condition.in_words().to_owned());
    }
    let late = reading.blind > reading.camera.promise.look_limit.max(PROMISE_SLACK);
    late.then(|| format!("{:.0} 秒未查看", reading.blind.as_secs_f64()))
}

/// Those of `cameras` that have not rung for `again_after`; notes that they ring now. Who has been well for long is forgotten.
fn due<'a>(
    rung: &mut BTreeMap<CameraId, WallTime>,
    now: WallTime,
    again_after: Duration,
    cameras: impl Iterator<Item = &'a CameraId>,
) -> Vec<CameraId> {
    rung.retain(|_, last| rang_within(*last, again_after, now));
    let fresh: Vec<CameraId> = cameras.filter(|id| !rung.contains_key(id)).cloned().collect();
    rung.extend(fresh.iter().map(|id| (id.clone(), now)));
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_names_some_of_many_says_so() {
        let named = ["东门".to_owned(), "西门".to_owned()];
        assert_eq!(list(&named, 2), "东门、西门");
        assert_eq!(list(&named, 7), "东门、西门 等");
    }

    #[test]
    fn each_camera_rings_at_once_and_then_every_half_hour() {
        let (a, b) = (CameraId::new("a"), CameraId::new("b"));
        let mut rung = BTreeMap::new();
        let mut at = |minute: u64, cameras: &[&CameraId]| {
            let now = WallTime(0) + Duration::from_mins(minute);
            due(&mut rung, now, AGAIN_AFTER, cameras.iter().copied()).iter().map(ToString::to_string).collect::<String>()
        };
        assert_eq!(at(0, &[&a]), "a");
        assert_eq!(at(1, &[&a]), "");
        assert_eq!(at(2, &[&a, &b]), "b", "the second is not held back by the first");
        assert_eq!(at(10, &[]), "");
        assert_eq!(at(11, &[&a]), "", "it comes and goes");
        assert_eq!(at(30, &[&a, &b]), "a");
        assert_eq!(at(5, &[&a]), "a", "our clock was set back");
        assert_eq!(at(31, &[&a, &b]), "");
        assert_eq!(at(32, &[&a, &b]), "b");
    }
}
