//! Officers' commands. Each waits until the desk has committed, so that what the page shows as done is done.

use crate::leads::LeadDetail;
use crate::officer::named;
use crate::reply::Refusal;
use crate::server::Console;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use patrol_core::camera::CameraId;
use patrol_core::desk::{OfficerAction, OfficerCommand};
use patrol_core::geometry::{PictureSize, PixelBox};
use patrol_core::lead::{Decision, LeadId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A commit takes milliseconds; past this the officer must know that he does not know.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const REASON_CHARS_MAX: usize = 500;

/// What stands in every command's body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plain {
    by: Option<String>,
    #[serde(default)]
    reason: String,
    revision: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewBody {
    decision: Decision,
    by: Option<String>,
    #[serde(default)]
    reason: String,
    /// The revision that was on the screen.
    revision: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeBody {
    into: LeadId,
    by: Option<String>,
    #[serde(default)]
    reason: String,
    revision: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBody {
    camera: CameraId,
    bbox: PixelBox,
    /// Of the picture it was drawn in.
    size: Option<PictureSize>,
    people: u32,
    by: Option<String>,
    #[serde(default)]
    reason: String,
}

/// The newest snapshot after a command.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    lead: Option<LeadDetail>,
    /// The lead was no longer as it had been shown when the officer decided.
    changed_since: bool,
}

pub(crate) async fn review(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Refusal> {
    let body: ReviewBody = parsed(&headers, &body)?;
    let words = match body.decision {
        Decision::Confirmed => "确认派单",
        Decision::Object => "驳回:物体",
        Decision::Animal => "驳回:动物",
        Decision::Worker => "驳回:工作人员",
        Decision::PasserBy => "驳回:路人",
        Decision::Timeout => {
            return Err(Refusal::bad("decision-refused", "“超时”不是人的决定", "timeout is not a person's decision"));
        }
    };
    let reason = if body.reason.trim().is_empty() { words.to_owned() } else { body.reason };
    let lead = LeadId(id);
    let action = OfficerAction::Review { lead: lead.clone(), decision: body.decision };
    on_lead(&console, &headers, body.by, reason, body.revision, lead, action).await
}

pub(crate) async fn merge(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Refusal> {
    let body: MergeBody = parsed(&headers, &body)?;
    let from = LeadId(id);
    if from == body.into {
        return Err(Refusal::bad("merge-refused", "不能并入自身", "a lead cannot be merged into itself"));
    }
    if console.office.lead(&body.into).is_none() {
        return Err(Refusal::no_lead(&body.into.0));
    }
    let action = OfficerAction::Merge { from: from.clone(), into: body.into };
    on_lead(&console, &headers, body.by, body.reason, body.revision, from, action).await
}

pub(crate) async fn split(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Refusal> {
    let body: Plain = parsed(&headers, &body)?;
    let lead = LeadId(id);
    on_lead(&console, &headers, body.by, body.reason, body.revision, lead.clone(), OfficerAction::Split { lead }).await
}

pub(crate) async fn undo(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Refusal> {
    let body: Plain = parsed(&headers, &body)?;
    let lead = LeadId(id);
    on_lead(&console, &headers, body.by, body.reason, body.revision, lead.clone(), OfficerAction::Undo { lead }).await
}

pub(crate) async fn acknowledge(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Refusal> {
    let body: Plain = parsed(&headers, &body)?;
    let lead = LeadId(id);
    on_lead(&console, &headers, body.by, body.reason, body.revision, lead.clone(), OfficerAction::Acknowledge { lead }).await
}

pub(crate) async fn new(State(console): State<Arc<Console>>, headers: HeaderMap, body: Bytes) -> Result<Json<Done>, Refusal> {
    let body: NewBody = parsed(&headers, &body)?;
    if !body.bbox.is_finite() || body.bbox.w < 1.0 || body.bbox.h < 1.0 {
        return Err(Refusal::bad("box-refused", "框太小或无效,请在画面上重新画框", "the box is too small or not a number, draw it again"));
    }
    if body.size.is_some_and(|size| size.width == 0 || size.height == 0) {
        return Err(Refusal::bad("size-refused", "画面尺寸无效:宽和高应大于 0", "the size of the picture must be above 0"));
    }
    if body.people == 0 || body.people > 99 {
        return Err(Refusal::bad("people-refused", format!("人数应为 1–99,收到 {}", body.people), "people must be 1 to 99"));
    }
    if !console.office.cameras().iter().any(|camera| camera.id == body.camera) {
        return Err(Refusal::no_camera(&body.camera));
    }
    let command = OfficerCommand {
        by: named(&headers, body.by)?,
        reason: checked_reason(&body.reason)?,
        action: OfficerAction::New { camera: body.camera, bbox: body.bbox, size: body.size, people: body.people },
    };
    answered(&console, command).await?;
    Ok(Json(Done { lead: None, changed_since: false }))
}

async fn on_lead(
    console: &Console,
    headers: &HeaderMap,
    by: Option<String>,
    reason: String,
    shown: Option<u32>,
    lead: LeadId,
    action: OfficerAction,
) -> Result<Json<Done>, Refusal> {
    let by = named(headers, by)?;
    let reason = checked_reason(&reason)?;
    let Some(before) = console.office.lead(&lead) else { return Err(Refusal::no_lead(&lead.0)) };
    answered(console, OfficerCommand { by, reason, action }).await?;
    Ok(Json(Done {
        changed_since: shown.is_some_and(|shown| shown != before.revision),
        lead: console.office.lead(&lead).map(LeadDetail::of),
    }))
}

async fn answered(console: &Console, command: OfficerCommand) -> Result<(), Refusal> {
    match tokio::time::timeout(ANSWER_WITHIN, console.office.command(command)).await {
        Ok(Ok(())) => {
            console.counters.commands_done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Ok(Err(words)) => {
            console.counters.commands_refused.fetch_add(1, Ordering::Relaxed);
            Err(Refusal::new(StatusCode::CONFLICT, "command-refused", words.clone(), words))
        }
        Err(_) => {
            console.counters.commands_unanswered.fetch_add(1, Ordering::Relaxed);
            tracing::error!(wait_s = ANSWER_WITHIN.as_secs(), "desk did not answer a command");
            Err(Refusal::new(
                StatusCode::GATEWAY_TIMEOUT,
                "no-answer",
                format!("{} 秒内没有得到答复,尚不知是否生效:请刷新后再看该线索", ANSWER_WITHIN.as_secs()),
                format!("no answer within {} s, it is not known whether it took effect: reload and look again", ANSWER_WITHIN.as_secs()),
            ))
        }
    }
}

/// JSON by its own name only: a form of another page cannot send that type.
pub(crate) fn parsed<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            format!("Content-Type 应为 application/json,收到“{kind}”"),
            format!("content type: found {kind:?}, wanted application/json"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::bad("bad-body", format!("请求内容无效:{error}"), format!("bad body: {error}")))
}

fn checked_reason(reason: &str) -> Result<String, Refusal> {
    if reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Refusal::bad(
            "reason-refused",
            format!("理由最多 {REASON_CHARS_MAX} 字,不含控制字符"),
            format!("a reason has at most {REASON_CHARS_MAX} characters, none of them control characters"),
        ));
    }
    Ok(reason.trim().to_owned())
}
