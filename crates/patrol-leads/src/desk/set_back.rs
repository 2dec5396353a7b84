//! The machine's clock was set back: what is said to have happened at a time that has not come yet happened now at the latest.
//!
//! Without this every clock of the desk would stand still until the old time comes round: nobody would be rung for, urged or pushed for hours.

use super::state::{CameraBook, LeadBook, Person};
use super::{Desk, DeskEvent};
use super::{suppression, watch};
use crate::local_time::next_local_hour;
use patrol_core::{Lead, WallTime};
use std::collections::BTreeMap;
use std::time::Duration;

/// Less is the slewing of a time service, which ends by itself: the desk's time waits for it.
const STEP_MIN: Duration = Duration::from_secs(5);

impl Desk {
    /// The desk's time at this tick: it never goes back, but with the machine's clock by a step.
    pub(super) fn settle(&mut self, now: WallTime) -> WallTime {
        let ahead = self.state.now.since(now);
        if ahead < STEP_MIN {
            return now.max(self.state.now);
        }
        let state = &mut self.state;
        for person in state.persons.values_mut().flat_map(BTreeMap::values_mut) {
            settle_person(person, now);
        }
        for camera in state.cameras.values_mut() {
            settle_camera(camera, now);
        }
        for book in state.books.values_mut() {
            settle_book(book, now);
            if let Some(watch) = &mut book.watch {
                settle_all([&mut watch.since, &mut watch.revisited_at], now);
                watch.until = watch.until.min(next_local_hour(now, watch::NIGHT_ENDS_HOUR, self.config.local_offset_s));
            }
        }
        for entry in &mut state.suppressed {
            settle_all([&mut entry.since].into_iter().chain(&mut entry.last_hit), now);
            entry.until = entry.until.min(now + suppression::LASTS);
        }
        settle_all(
            state
                .timeout_pushes
                .iter_mut()
                .chain([&mut state.written_at])
                .chain(state.weather.as_mut().map(|weather| &mut weather.observed_at)),
            now,
        );
        for (id, lead) in &mut self.leads {
            if settle_lead(lead, now) {
                self.draft.changed.insert(id.clone());
            }
        }
        let text = format!("本机时钟被拨回约 {} 秒,计时从现在重新开始,请检查校时", ahead.as_secs());
        self.ring_house(now, None, "clock-set-back", text);
        now
    }
}

/// The same of what is told to the desk: pictures may still carry the time of before.
pub(super) fn settle_event(event: &mut DeskEvent, now: WallTime) {
    let is_ahead = |at: WallTime| at.since(now) >= STEP_MIN;
    match event {
        DeskEvent::Sighting(sighting) if is_ahead(sighting.captured.at) => {
            let sighting = sighting.as_mut();
            let times = [&mut sighting.captured.at, &mut sighting.first_seen, &mut sighting.posture_since];
            settle_all(times.into_iter().chain(&mut sighting.still_since), now);
        }
        DeskEvent::Absence(absence) if is_ahead(absence.at) => absence.at = now,
        DeskEvent::Camera(report) if is_ahead(report.at) => report.at = now,
        _ => {}
    }
}

fn settle_all<'a>(times: impl IntoIterator<Item = &'a mut WallTime>, now: WallTime) {
    for time in times {
        *time = (*time).min(now);
    }
}

fn settle_person(person: &mut Person, now: WallTime) {
    let Person { at, first_seen, track_since, posture_since, still_since, held_since, .. } = person;
    settle_all([at, first_seen, track_since, posture_since].into_iter().chain(still_since).chain(held_since), now);
}

fn settle_camera(camera: &mut CameraBook, now: WallTime) {
    let CameraBook { since, frame_at, blind, .. } = camera;
    settle_all([since, frame_at].into_iter().chain(blind.iter_mut().flat_map(|(from, to)| [from, to])), now);
}

fn settle_book(book: &mut LeadBook, now: WallTime) {
    let LeadBook {
        review_since,
        acknowledged_at,
        pushed_at,
        first_reported_at,
        handled_at,
        present_at,
        down_at,
        moved_at,
        left_from,
        emitted_at,
        ..
    } = book;
    let sometimes = [acknowledged_at, pushed_at, first_reported_at, handled_at, down_at, moved_at].into_iter().flatten();
    settle_all([review_since, present_at, emitted_at].into_iter().chain(sometimes).chain(left_from.as_mut().map(|(_, at)| at)), now);
}

/// Whether anything of it had to be settled.
fn settle_lead(lead: &mut Lead, now: WallTime) -> bool {
    let newest = [lead.last_seen, lead.state_since, lead.made_at].into_iter().max();
    let is_ahead = newest > Some(now) || lead.ringing.as_ref().is_some_and(|ringing| ringing.last > now);
    let Lead { first_seen, last_seen, made_at, state_since, still_since, ringing, case, review, .. } = lead;
    let rang = ringing.as_mut().into_iter().flat_map(|ringing| [&mut ringing.since, &mut ringing.last]);
    settle_all(
        [first_seen, last_seen, made_at, state_since]
            .into_iter()
            .chain(still_since)
            .chain(rang)
            .chain(&mut case.last_at)
            .chain(review.as_mut().map(|review| &mut review.at)),
        now,
    );
    is_ahead
}
