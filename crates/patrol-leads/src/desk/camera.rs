//! Cameras that cannot be relied upon: a lead that can no longer be seen goes to a human at once.

use super::Desk;
use crate::local_time::clock_text;
use patrol_core::desk::{CameraCondition, CameraReport};
use patrol_core::{CameraId, LeadId, WallTime};
use std::time::Duration;

/// Another camera that saw somebody of the lead within this stands in for the lost one.
const STANDS_IN: Duration = Duration::from_mins(1);

impl Desk {
    pub(super) fn on_camera(&mut self, now: WallTime, report: CameraReport) {
        let CameraReport { camera, at, condition } = report;
        let book = self.state.cameras.entry(camera.clone()).or_default();
        if book.condition.as_ref() == Some(&condition) {
            return;
        }
        // After a restart a camera that sees is no news, and one that does not is, as if it had seen until now.
        let was_seeing = book.is_seeing() || book.is_restarted();
        let why = match &condition {
            CameraCondition::Seeing => None,
            blind => Some(blind.in_words().to_owned()),
        };
        book.set(condition, at);
        self.draft.state_changed = true;
        match why {
            Some(why) if was_seeing => self.on_blind(now, &camera, &why),
            None if !was_seeing => self.on_seeing_again(now, &camera),
            _ => {}
        }
    }

    fn on_blind(&mut self, now: WallTime, camera: &CameraId, why: &str) {
        for id in self.open_leads_on(camera) {
            let stands_in =
                self.members(&id).any(|(other, _, person)| other != camera && self.is_seeing(other) && now.since(person.at) <= STANDS_IN);
            let Some(lead) = self.leads.get(&id).filter(|_| !stands_in) else { continue };
            let text = format!(
                "{} {why};最后确认 {},现无法判断",
                self.camera_name(camera),
                clock_text(lead.last_seen, self.config.local_offset_s)
            );
            self.note(&id, now, "camera-lost", "desk", text.clone());
            self.ring(now, &id, "camera-lost", text, false);
        }
        let waiting =
            self.state.persons.get(camera).map_or(0, |persons| persons.values().filter(|p| p.lead.is_none() && p.is_of_concern()).count());
        if waiting > 0 {
            let text = format!("{} {why};画面中另有 {waiting} 人尚未判明", self.camera_name(camera));
            self.ring_house(now, Some(camera.clone()), "camera-lost", text);
        }
    }

    fn on_seeing_again(&mut self, now: WallTime, camera: &CameraId) {
        for id in self.open_leads_on(camera) {
            self.note(&id, now, "camera-back", "desk", format!("{} 恢复", self.camera_name(camera)));
        }
    }

    fn open_leads_on(&self, camera: &CameraId) -> Vec<LeadId> {
        let is_on = |id: &LeadId| self.members(id).any(|(of, _, _)| of == camera);
        let open = self.leads.values().filter(|lead| lead.state.is_open() && (lead.place.camera == *camera || is_on(&lead.id)));
        open.map(|lead| lead.id.clone()).collect()
    }
}
