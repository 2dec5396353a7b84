//! `POST /api/v1/cameras/{id}/look`: a fresh look at a camera, asked by an officer.

use crate::commands::parsed;
use crate::office::{LOOK_NOW_MAX, SeenPerson};
use crate::officer::{viewer, viewing_reason};
use crate::reply::Refusal;
use crate::server::Console;
use crate::viewing;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use patrol_core::camera::CameraId;
use patrol_core::geometry::PictureSize;
use patrol_core::lead::LeadId;
use patrol_core::time::WallTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Looks asked by people that may wait at once: each takes a decoder and a worker from the promises.
pub(crate) const LOOKS_MAX: usize = 8;
/// The office answers in time by itself; this is for one that does not.
const GRACE: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookBody {
    by: Option<String>,
    #[serde(default)]
    reason: String,
    /// The lead it is asked for, if any; goes into the log.
    lead: Option<LeadId>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Looked {
    camera: CameraId,
    camera_name: String,
    /// JPEG, base64: no second request that could fail or be logged twice.
    picture: String,
    size: PictureSize,
    captured: WallTime,
    age_s: f64,
    outcome: String,
    people: Vec<SeenPerson>,
}

pub(crate) async fn look(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Looked>, Refusal> {
    let body: LookBody = parsed(&headers, &body)?;
    let camera = seen_camera(&console, &id, body.lead.as_ref())?;
    let by = viewer(&headers, body.by)?;
    let reason = viewing_reason(Some(&body.reason))?;
    let _waiting = console.looks.try_acquire().map_err(|_| {
        Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-looks",
            format!("已有 {LOOKS_MAX} 个“立即查看”在等待,请稍候再试"),
            format!("{LOOKS_MAX} looks are waiting already, try again in a moment"),
        )
    })?;
    let fresh = tokio::time::timeout(LOOK_NOW_MAX + GRACE, console.office.look_now(&camera.id)).await.unwrap_or_else(|_| {
        tracing::error!(camera = %camera.id, wait_s = LOOK_NOW_MAX.as_secs(), "a look asked by a person was not answered");
        Err(format!("{} 秒内没有得到新画面", LOOK_NOW_MAX.as_secs()))
    });
    let fresh = fresh.map_err(|words| {
        console.counters.looks_refused.fetch_add(1, Ordering::Relaxed);
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "look-failed", format!("未能查看:{words}"), format!("no fresh look: {words}"))
    })?;
    viewing::log(&console, by, reason, format!("立即查看 {}({})", camera.name, camera.id), body.lead).await?;
    console.counters.looks_shown.fetch_add(1, Ordering::Relaxed);
    Ok(Json(Looked {
        camera: camera.id,
        camera_name: camera.name,
        picture: BASE64.encode(&fresh.jpeg),
        size: fresh.size,
        captured: fresh.captured,
        age_s: console.clock.now().since(fresh.captured).as_secs_f64(),
        outcome: fresh.outcome,
        people: fresh.people,
    }))
}

pub(crate) struct SeenCamera {
    pub(crate) id: CameraId,
    pub(crate) name: String,
}

/// The camera `id`, which must be there, and must be the one of `lead` where a lead is given.
pub(crate) fn seen_camera(console: &Console, id: &str, lead: Option<&LeadId>) -> Result<SeenCamera, Refusal> {
    let id = CameraId::new(id);
    let Some(camera) = console.office.cameras().into_iter().find(|camera| camera.id == id) else { return Err(Refusal::no_camera(&id)) };
    if let Some(lead_id) = lead {
        let Some(lead) = console.office.lead(lead_id) else { return Err(Refusal::no_lead(&lead_id.0)) };
        if lead.place.camera != id && lead.evidence.iter().all(|evidence| evidence.camera != id) {
            return Err(Refusal::bad(
                "not-of-this-lead",
                format!("摄像机 {id} 没有拍到线索 {lead_id}"),
                format!("camera {id} did not see lead {lead_id}"),
            ));
        }
    }
    Ok(SeenCamera { id, name: camera.name })
}
