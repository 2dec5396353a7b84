//! The order in which the events of one tick are taken: by what they are, then media time, camera, track; never by arrival.

use super::DeskEvent;
use patrol_core::Sighting;

/// Sorts by a key that differs for all events that differ: the weather and the cameras first, since they judge what is seen;
/// what was seen; what the city says; what officers ask.
pub(super) fn sort(events: &mut [DeskEvent]) {
    events.sort_by_cached_key(key);
}

pub(super) fn is_same_picture(first: &Sighting, next: &DeskEvent) -> bool {
    matches!(next, DeskEvent::Sighting(next) if next.place.camera == first.place.camera && next.media_time == first.media_time)
}

/// Kind, time, camera or lead, number, and the whole content for what is left.
type Key = (u8, i64, String, u64, String);

fn key(event: &DeskEvent) -> Key {
    match event {
        DeskEvent::Weather(weather) => (0, weather.observed_at.0, String::new(), 0, format!("{weather:?}")),
        DeskEvent::Camera(report) => (1, report.at.0, report.camera.to_string(), 0, format!("{report:?}")),
        DeskEvent::Sighting(s) => {
            let place = format!("{:?}{:?}", s.place.bbox, s.posture);
            (2, s.media_time.0, format!("{}\u{0}0", s.place.camera), s.track.0, place)
        }
        // After the sightings of the same picture: who is still there is known before somebody is missed.
        DeskEvent::Absence(a) => (2, a.media_time.0, format!("{}\u{0}1", a.camera), a.track.0, format!("{:?}", a.why)),
        DeskEvent::Delivery(d) => (3, d.at.0, d.lead.0.clone(), u64::from(d.revision), format!("{d:?}")),
        DeskEvent::Callback(c) => (4, c.seq, c.event_id.0.clone(), c.at.0 as u64, format!("{c:?}")),
        DeskEvent::Officer { request, command } => (5, 0, String::new(), *request, format!("{command:?}")),
        DeskEvent::Tick => (6, 0, String::new(), 0, String::new()),
    }
}
