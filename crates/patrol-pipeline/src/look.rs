//! The path of a look: one examination of one picture of one camera, from the slot to the desk.
//!
//! ```text
//! slot ─► usable? ─► read ─► which view? ─► unchanged? ─► detect ─► track ─► watched places ─► assess ─► tell the desk
//!                                               └─────────── whoever is there stays ─────────────┘
//! ```
//! Nothing here waits, reads a clock or touches a disk: the same pictures give the same events, live and in replay.

use crate::eyes::Eyes;
use crate::link_view::LinkView;
use crate::sight::View;
use crate::slot::Waiting;
use crate::views::Glance;
use crate::watch::CameraWatch;
use patrol_core::desk::Absence;
use patrol_core::outcome::FailureKind;
use patrol_core::{Outcome, Picture, Sighting, UnusableKind, Weather};
use patrol_leads::{DeskEvent, exposure};
use std::time::Duration;

/// Sightings of a camera are told at most this often, unless a decision may fall: the desk's tick is one second.
const TELL_EVERY: Duration = Duration::from_millis(900);

/// The weather as the desk counts it, and whether it is an assumption.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeatherNow {
    pub weather: Weather,
    pub assumed: bool,
}

/// Looks once. Appends what the desk must know to `events`; the caller counts the outcome and reports the camera's condition.
pub fn look(waiting: &Waiting, watch: &mut CameraWatch, eyes: &mut Eyes, weather: &WeatherNow, events: &mut Vec<DeskEvent>) -> Outcome {
    let outcome = examine(waiting, watch, eyes, weather, events);
    watch.judge_sight(outcome);
    watch.broke_off = false;
    outcome
}

fn examine(waiting: &Waiting, watch: &mut CameraWatch, eyes: &mut Eyes, weather: &WeatherNow, events: &mut Vec<DeskEvent>) -> Outcome {
    let picture = &waiting.picture;
    watch.begin(picture);

    let mut unusable = watch.sight.judge(picture);
    if unusable.is_some_and(|kind| kind != UnusableKind::SceneChange) {
        watch.restart_later |= waiting.discontinuity;
        return unusable.map_or(Outcome::Examined, Outcome::Unusable);
    }
    let seen = match watch.sight.read(picture) {
        Ok(seen) => seen,
        Err(error) => {
            tracing::warn!(camera = %watch.camera.id, sequence = picture.sequence, %error, "thermal picture cannot be read");
            watch.last_error = Some(error.to_string());
            return Outcome::Failed(FailureKind::Unsupported);
        }
    };
    let jumped = std::mem::take(&mut watch.restart_later) || waiting.discontinuity;
    let (view, glance) = watch.follow_camera(picture, &seen, unusable.is_some());
    match (view, glance) {
        // Nothing is concluded from this picture: what its boxes would be compared with may be another place.
        (_, Glance::Doubtful) => {
            watch.restart_later |= jumped;
            return Outcome::Unusable(UnusableKind::SceneChange);
        }
        // The whole picture changed because the camera moved, and it is known where to.
        (View::Moved { .. }, _) | (_, Glance::Other) => unusable = None,
        (View::Same, Glance::Same) if unusable.is_some() || jumped => watch.restart_motion(&seen),
        (View::Same | View::Lost, Glance::Same) => {}
    }

    let tells_cold = watch.sight.tells_cold(picture.media_time);
    if !tells_cold {
        watch.stage.forget_cold();
    }
    if !waiting.asked && watch.is_unchanged(picture.media_time) {
        watch.stage.stay(picture.media_time);
        let told = assess(picture, watch, eyes, weather);
        tell(told, picture, watch, events);
        return Outcome::Unchanged;
    }
    if let Err(error) = watch.detect(&seen, waiting.asked, eyes) {
        tracing::warn!(camera = %watch.camera.id, sequence = picture.sequence, %error, "detector failed");
        watch.last_error = Some(error.to_string());
        return Outcome::Failed(FailureKind::Detector);
    }
    watch.examined(&seen);
    watch.stage.part_from_things(&watch.detections);
    let view = watch.view_here(seen.size());
    watch.stage.follow(&seen, &watch.detections, view.as_ref());
    if watch.sight.reading().is_some() {
        watch.sight.notice_walkers(watch.stage.warm_walkers(&seen));
    }
    if tells_cold {
        watch.stage.judge_warmth(&seen);
    }
    let told = assess(picture, watch, eyes, weather);
    for (index, (sighting, _)) in &told {
        watch.stage.watch_place(*index, sighting.posture, &seen);
    }
    tell(told, picture, watch, events);

    unusable.map_or(Outcome::Examined, Outcome::Unusable)
}

/// A sighting of one track, `true` beside it: tell at once. By the track's index.
type Told = (usize, (Sighting, bool));

/// Makes a sighting of everyone who is here, with evidence where a decision may fall.
fn assess(picture: &Picture, watch: &mut CameraWatch, eyes: &Eyes, weather: &WeatherNow) -> Vec<Told> {
    let mut told = Vec::new();
    let link = LinkView::new(watch.link.clone(), picture);
    (watch.fixtures, watch.pressing) = (0, false);
    for index in 0..watch.stage.tracks.len() {
        if !watch.stage.is_here(&watch.stage.tracks[index]) {
            continue;
        }
        if watch.stage.is_fixture(index, eyes, &watch.detectors) {
            watch.fixtures += 1;
            continue;
        }
        let mut sighting = watch.sighting(index, picture);
        let input = exposure::ExposureInput::of(&sighting, watch.camera.site_prior);
        let score = exposure::score(&input, &weather.weather, weather.assumed);
        let due = exposure::lead_due(&sighting, &score);
        if due && watch.wants_evidence(&sighting, score.tier) {
            let bbox = watch.stage.tracks[index].bbox;
            match watch.take_evidence(&sighting, score.tier, &bbox, picture, &link, eyes) {
                Ok(evidence) => sighting.evidence = Some(evidence),
                Err(error) => {
                    tracing::warn!(camera = %watch.camera.id, %error, "no evidence could be made of a sighting");
                    watch.last_error = Some(error.to_string());
                }
            }
        }
        let changed = watch.remember(&sighting, score.tier);
        watch.pressing |= watch.is_untold(&sighting);
        told.push((index, (sighting, changed)));
    }
    watch.pressing |= watch.has_arrival();
    watch.keep_preview(picture, told.iter().map(|(_, (sighting, _))| sighting));
    watch.keep_packets(!told.is_empty());
    told
}

/// Hands sightings and partings to the desk: all people of one look together, so that the desk can count heads.
fn tell(told: Vec<Told>, picture: &Picture, watch: &mut CameraWatch, events: &mut Vec<DeskEvent>) {
    let urgent = told.iter().any(|(_, (sighting, changed))| *changed || sighting.evidence.is_some());
    let quiet = watch.last_told.is_some_and(|last| picture.media_time.since(last) < TELL_EVERY);
    if urgent || !quiet {
        watch.last_told = Some(picture.media_time);
        events.extend(told.into_iter().map(|(_, (sighting, _))| DeskEvent::Sighting(Box::new(sighting))));
    }
    for (track, why) in watch.stage.partings() {
        let camera = watch.camera.id.clone();
        events.push(DeskEvent::Absence(Absence { camera, track, media_time: picture.media_time, at: picture.captured.at, why }));
    }
}
