//! The path of a look: one examination of one picture of one camera, from the slot to the desk.
//!
//! ```text
//! slot ─► usable? ─► read ─► camera moved? ─► detect ─► track ─► assess ─► tell the desk
//! ```
//! Nothing here waits, reads a clock or touches a disk: the same pictures give the same events, live and in replay.
//! Whether a picture has *changed* since the last examined one is asked nowhere yet: every look is examined in full.

use crate::eyes::Eyes;
use crate::sight::View;
use crate::slot::Waiting;
use crate::watch::CameraWatch;
use patrol_core::desk::Absence;
use patrol_core::outcome::FailureKind;
use patrol_core::{Outcome, Picture, Sighting, TrackStage, UnusableKind, Weather};
use patrol_leads::{DeskEvent, exposure};
use patrol_vision::DetectContext;
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
    outcome
}

fn examine(waiting: &Waiting, watch: &mut CameraWatch, eyes: &mut Eyes, weather: &WeatherNow, events: &mut Vec<DeskEvent>) -> Outcome {
    let picture = &waiting.picture;
    if waiting.discontinuity {
        watch.restart_motion();
    }

    let mut unusable = watch.sight.judge(picture);
    if unusable.is_some_and(|kind| kind != UnusableKind::SceneChange) {
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
    match watch.follow_camera(picture) {
        // The whole picture changed because the camera moved, and it is known how.
        View::Moved { .. } => unusable = None,
        View::Same if unusable.is_some() => watch.restart_motion(),
        View::Same | View::Lost => {}
    }

    let context = DetectContext { modality: watch.camera.modality, view: watch.camera.view.as_ref(), gsd_m: None };
    match eyes.examine(&watch.detectors, &seen, &context, &mut watch.detections) {
        Ok(inferences) => watch.inferences += inferences,
        Err(error) => {
            tracing::warn!(camera = %watch.camera.id, sequence = picture.sequence, %error, "detector failed");
            watch.last_error = Some(error.to_string());
            return Outcome::Failed(FailureKind::Detector);
        }
    }

    watch.follow(picture);
    let told = assess(picture, watch, eyes, weather);
    tell(told, picture, watch, events);

    unusable.map_or(Outcome::Examined, Outcome::Unusable)
}

/// Makes a sighting of every confirmed track, with evidence where a decision may fall. `true` beside it: tell at once.
fn assess(picture: &Picture, watch: &mut CameraWatch, eyes: &Eyes, weather: &WeatherNow) -> Vec<(Sighting, bool)> {
    let mut told = Vec::new();
    watch.fixtures = 0;
    for index in 0..watch.tracks.len() {
        if watch.tracks[index].stage != TrackStage::Confirmed {
            continue;
        }
        if watch.is_fixture(index, eyes) {
            watch.fixtures += 1;
            continue;
        }
        let mut sighting = watch.sighting(index, picture);
        let input = exposure::ExposureInput::of(&sighting, watch.camera.site_prior);
        let score = exposure::score(&input, &weather.weather, weather.assumed);
        let due = exposure::lead_due(&sighting, &score);
        if due && watch.wants_evidence(&sighting, score.tier) {
            match watch.take_evidence(&sighting, picture, eyes) {
                Ok(evidence) => sighting.evidence = Some(evidence),
                Err(error) => {
                    tracing::warn!(camera = %watch.camera.id, %error, "no evidence could be made of a sighting");
                    watch.last_error = Some(error.to_string());
                }
            }
        }
        let changed = watch.remember(&sighting, score.tier);
        told.push((sighting, changed));
    }
    watch.keep_preview(picture, &told);
    watch.keep_packets(!told.is_empty());
    told
}

/// Hands sightings and endings to the desk: all people of one look together, so that the desk can count heads.
fn tell(told: Vec<(Sighting, bool)>, picture: &Picture, watch: &mut CameraWatch, events: &mut Vec<DeskEvent>) {
    let urgent = told.iter().any(|(sighting, changed)| *changed || sighting.evidence.is_some());
    let quiet = watch.last_told.is_some_and(|last| picture.media_time.since(last) < TELL_EVERY);
    if urgent || !quiet {
        watch.last_told = Some(picture.media_time);
        events.extend(told.into_iter().map(|(sighting, _)| DeskEvent::Sighting(Box::new(sighting))));
    }
    for ended in watch.forget_ended() {
        events.push(DeskEvent::Absence(Absence {
            camera: watch.camera.id.clone(),
            track: ended.track.id,
            media_time: picture.media_time,
            at: picture.captured.at,
            walked_out: ended.walked_out,
            seen_empty: false,
        }));
    }
}
