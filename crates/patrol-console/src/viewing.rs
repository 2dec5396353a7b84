//! Evidence, and the log without which nobody sees a picture (State Council Order 799, art. 16: who, what, why).

use crate::clip;
use crate::officer::{SHIFT, viewer, viewing_reason};
use crate::reply::Refusal;
use crate::server::Console;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use patrol_core::WallTime;
use patrol_core::lead::{Lead, LeadId};
use patrol_core::sighting::EvidenceRef;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Viewings remembered as logged. Beyond it all are forgotten, which only means that some are logged twice.
const VIEWINGS_MAX: usize = 20_000;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Viewing {
    lead: String,
    by: String,
    reason: String,
    what: &'static str,
}

/// What was logged, and when: one line per lead, person, kind of picture and reason in a shift.
#[derive(Default)]
pub(crate) struct Viewings(HashMap<Viewing, WallTime>);

#[derive(Debug, Deserialize)]
pub(crate) struct EvidenceQuery {
    lead: Option<String>,
    by: Option<String>,
    reason: Option<String>,
    /// Clips only: given at all, the clip is to be kept as a file, which is logged each time.
    download: Option<String>,
}

/// `GET /evidence/{sha256}.jpg?lead=ID[&by=NAME][&reason=WHY]`, and `.mp4` for clips, `&download=1` to keep one.
pub(crate) async fn evidence(
    State(console): State<Arc<Console>>,
    Path(name): Path<String>,
    Query(query): Query<EvidenceQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (sha256, kind) = checked_name_of(&name)?;
    let lead_id = query.lead.ok_or_else(|| Refusal::bad("lead-missing", "缺少参数 lead", "the lead parameter is missing"))?;
    let by = viewer(&headers, query.by)?;
    let reason = viewing_reason(query.reason.as_deref())?;
    let Some(lead) = console.office.lead(&LeadId(lead_id.clone())) else { return Err(Refusal::no_lead(&lead_id)) };
    let not_of_this_lead = || {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "not-of-this-lead",
            format!("该图像不属于线索 {lead_id}"),
            format!("the picture is not one of lead {lead_id}"),
        )
    };
    match kind {
        Kind::Picture => {
            let what = picture_of(&lead, &sha256).ok_or_else(not_of_this_lead)?;
            log_once(&console, lead.id, Viewing { lead: lead_id, by, reason, what }).await?;
            Ok(picture(stored(&console, &sha256).await?, &sha256))
        }
        Kind::Clip => {
            let about = clip_of(&lead, &sha256).ok_or_else(not_of_this_lead)?;
            let download = query.download.is_some();
            if download {
                // A copy that leaves: each one counts.
                log(&console, by, reason, "线索录像下载".to_owned(), Some(lead.id.clone())).await?;
            } else {
                log_once(&console, lead.id.clone(), Viewing { lead: lead_id, by, reason, what: "线索录像" }).await?;
            }
            let bytes = stored(&console, &sha256).await?;
            Ok(clip::answer(bytes, &sha256, &clip::file_name(&lead, about), download, &headers))
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    Clip,
}

/// Which kind of picture of `lead` this is; `None` when it is none of them.
fn picture_of(lead: &Lead, sha256: &str) -> Option<&'static str> {
    if lead.evidence.iter().any(|evidence| evidence.crop_sha256 == sha256) {
        return Some("线索裁剪图");
    }
    let larger =
        |evidence: &EvidenceRef| evidence.whole_sha256 == sha256 || evidence.preview_sha256.iter().any(|preview| preview == sha256);
    lead.evidence.iter().any(larger).then_some("线索全图与预览")
}

fn clip_of<'a>(lead: &'a Lead, sha256: &str) -> Option<&'a EvidenceRef> {
    lead.evidence.iter().find(|evidence| evidence.clip_sha256.as_deref() == Some(sha256))
}

async fn stored(console: &Console, sha256: &str) -> Result<Vec<u8>, Refusal> {
    let office = Arc::clone(&console.office);
    let asked = sha256.to_owned();
    let bytes = tokio::task::spawn_blocking(move || office.evidence(&asked)).await.map_err(|error| store_failed(&error.to_string()))?;
    bytes.map_err(|why| store_failed(&why))?.ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "no-picture",
            "图像不存在或已过 30 天保存期",
            "there is no such picture, or its 30 days are over",
        )
    })
}

/// Logs a viewing unless this shift has it already; no log, no picture.
async fn log_once(console: &Console, lead: LeadId, viewing: Viewing) -> Result<(), Refusal> {
    let now = console.clock.now();
    // Held across the write, so that twenty preview pictures asked for at once make one line.
    let mut viewings = console.viewings.lock().await;
    if viewings.0.get(&viewing).is_some_and(|at| now.since(*at) < SHIFT && *at <= now) {
        return Ok(());
    }
    log(console, viewing.by.clone(), viewing.reason.clone(), viewing.what.to_owned(), Some(lead)).await?;
    if viewings.0.len() >= VIEWINGS_MAX {
        viewings.0.clear();
    }
    viewings.0.insert(viewing, now);
    Ok(())
}

/// Logs a viewing; returns once it is on disk. No log, no picture.
pub(crate) async fn log(console: &Console, by: String, reason: String, what: String, lead: Option<LeadId>) -> Result<(), Refusal> {
    let office = Arc::clone(&console.office);
    let logged = tokio::task::spawn_blocking(move || office.log_viewing(&by, &reason, &what, lead.as_ref())).await;
    let why = match logged {
        Ok(Ok(())) => {
            console.counters.viewings_logged.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        Ok(Err(why)) => why,
        Err(broken) => broken.to_string(),
    };
    console.counters.viewings_refused.fetch_add(1, Ordering::Relaxed);
    tracing::error!(%why, "viewing could not be logged, picture refused");
    Err(Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "log-failed",
        format!("查看登记失败,图像不予显示:{why}"),
        format!("the viewing could not be logged, so the picture is not shown: {why}"),
    ))
}

fn store_failed(why: &str) -> Refusal {
    tracing::error!(%why, "evidence could not be read");
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "store-failed",
        format!("读取图像失败:{why}"),
        format!("the picture could not be read: {why}"),
    )
}

fn picture(bytes: Vec<u8>, sha256: &str) -> Response {
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    // Named by its content, so it never changes; kept for a shift only, because evidence must be deletable, and for one
    // operator only, because the next one's viewing must be logged.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=43200, immutable"));
    headers.insert(header::VARY, HeaderValue::from_static("Cookie"));
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{sha256}\"")) {
        headers.insert(header::ETAG, etag);
    }
    response
}

fn checked_name_of(name: &str) -> Result<(String, Kind), Refusal> {
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    name.split_once('.')
        .filter(|(sha256, _)| is_hex(sha256))
        .and_then(|(sha256, ending)| match ending {
            "jpg" => Some((sha256.to_owned(), Kind::Picture)),
            "mp4" => Some((sha256.to_owned(), Kind::Clip)),
            _ => None,
        })
        .ok_or_else(|| {
            Refusal::bad(
                "bad-picture-name",
                "图像名应为 64 位小写十六进制加 .jpg 或 .mp4",
                "a picture is named by 64 lower-case hexadecimal digits and .jpg, a clip by the same and .mp4",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_named_by_its_hash_and_nothing_else() {
        let sha256 = "0f".repeat(32);
        assert_eq!(checked_name_of(&format!("{sha256}.jpg")).ok(), Some((sha256.clone(), Kind::Picture)));
        assert_eq!(checked_name_of(&format!("{sha256}.mp4")).ok(), Some((sha256.clone(), Kind::Clip)));
        for bad in
            [sha256.clone(), format!("{}.jpg", sha256.to_uppercase()), "../x.jpg".into(), format!("{sha256}0.jpg"), format!("{sha256}.png")]
        {
            assert!(checked_name_of(&bad).is_err(), "{bad}");
        }
    }
}
