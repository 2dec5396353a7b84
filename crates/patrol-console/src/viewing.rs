//! Pictures, and the log without which nobody sees one (State Council Order 799, art. 16: who, what, why).

use crate::reply::Refusal;
use crate::server::Console;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use patrol_core::WallTime;
use patrol_core::lead::{Lead, LeadId};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const COOKIE: &str = "patrol_operator";
/// The longest shift; a name entered once holds that long, and so does a picture in the browser's memory.
const SHIFT: Duration = Duration::from_hours(12);
const NAME_CHARS_MAX: usize = 32;
const REASON_CHARS_MAX: usize = 100;
const REASON_DEFAULT: &str = "线上巡屏复核";
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
}

/// `GET /evidence/{sha256}.jpg?lead=ID[&by=NAME][&reason=WHY]`
pub(crate) async fn evidence(
    State(console): State<Arc<Console>>,
    Path(name): Path<String>,
    Query(query): Query<EvidenceQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let sha256 = checked_sha256(&name)?;
    let lead_id = query.lead.ok_or_else(|| Refusal::bad("lead-missing", "缺少参数 lead", "the lead parameter is missing"))?;
    let by = match query.by {
        Some(by) => checked_name(&by)?,
        None => operator_cookie(&headers).ok_or_else(|| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "name-missing",
                "请先登记姓名或工号,再查看图像",
                "sign in with a name before viewing pictures",
            )
        })?,
    };
    let reason = match query.reason.as_deref().map(str::trim) {
        None | Some("") => REASON_DEFAULT.to_owned(),
        Some(reason) if reason.chars().count() <= REASON_CHARS_MAX && !reason.chars().any(char::is_control) => reason.to_owned(),
        Some(_) => {
            return Err(Refusal::bad("reason-refused", "查看理由过长或含控制字符", "the reason is too long or has control characters"));
        }
    };
    let Some(lead) = console.office.lead(&LeadId(lead_id.clone())) else { return Err(Refusal::no_lead(&lead_id)) };
    let what = kind_of(&lead, &sha256).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "not-of-this-lead",
            format!("该图像不属于线索 {lead_id}"),
            format!("the picture is not one of lead {lead_id}"),
        )
    })?;
    log(&console, lead.id, Viewing { lead: lead_id, by, reason, what }).await?;
    let office = Arc::clone(&console.office);
    let asked = sha256.clone();
    let bytes = tokio::task::spawn_blocking(move || office.evidence(&asked)).await.map_err(|error| store_failed(&error.to_string()))?;
    match bytes {
        Ok(Some(bytes)) => Ok(picture(bytes, &sha256)),
        Ok(None) => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "no-picture",
            "图像不存在或已过 30 天保存期",
            "there is no such picture, or its 30 days are over",
        )),
        Err(why) => Err(store_failed(&why)),
    }
}

/// Which kind of picture of `lead` this is; `None` when it is none of them.
fn kind_of(lead: &Lead, sha256: &str) -> Option<&'static str> {
    if lead.evidence.iter().any(|evidence| evidence.crop_sha256 == sha256) {
        return Some("线索裁剪图");
    }
    let larger = |evidence: &patrol_core::sighting::EvidenceRef| {
        evidence.whole_sha256 == sha256 || evidence.preview_sha256.iter().any(|preview| preview == sha256)
    };
    lead.evidence.iter().any(larger).then_some("线索全图与预览")
}

/// Logs a viewing unless this shift has it already; no log, no picture.
async fn log(console: &Console, lead: LeadId, viewing: Viewing) -> Result<(), Refusal> {
    let now = console.clock.now();
    // Held across the write, so that twenty preview pictures asked for at once make one line.
    let mut viewings = console.viewings.lock().await;
    if viewings.0.get(&viewing).is_some_and(|at| now.since(*at) < SHIFT && *at <= now) {
        return Ok(());
    }
    let office = Arc::clone(&console.office);
    let (by, reason, what) = (viewing.by.clone(), viewing.reason.clone(), viewing.what);
    let logged = tokio::task::spawn_blocking(move || office.log_viewing(&by, &reason, what, Some(&lead))).await;
    match logged.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(()) => {
            console.counters.viewings_logged.fetch_add(1, Ordering::Relaxed);
            if viewings.0.len() >= VIEWINGS_MAX {
                viewings.0.clear();
            }
            viewings.0.insert(viewing, now);
            Ok(())
        }
        Err(why) => {
            console.counters.viewings_refused.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%why, "viewing could not be logged, picture refused");
            Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "log-failed",
                format!("查看登记失败,图像不予显示:{why}"),
                format!("the viewing could not be logged, so the picture is not shown: {why}"),
            ))
        }
    }
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

fn checked_sha256(name: &str) -> Result<String, Refusal> {
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    name.strip_suffix(".jpg").filter(|sha256| is_hex(sha256)).map(str::to_owned).ok_or_else(|| {
        Refusal::bad(
            "bad-picture-name",
            "图像名应为 64 位小写十六进制加 .jpg",
            "a picture is named by 64 lower-case hexadecimal digits and .jpg",
        )
    })
}

/// A name or badge number, trimmed.
pub(crate) fn checked_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Refusal::bad(
            "name-refused",
            format!("姓名或工号应为 1–{NAME_CHARS_MAX} 字,不含控制字符"),
            format!("a name has 1 to {NAME_CHARS_MAX} characters, none of them control characters"),
        ));
    }
    Ok(name.to_owned())
}

/// The operator on duty. The cookie holds the name's UTF-8 in hexadecimal: a cookie may not hold Chinese as it is.
pub(crate) fn operator_cookie(headers: &HeaderMap) -> Option<String> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let value = pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE)?.1;
    let name = String::from_utf8(hex::decode(value).ok()?).ok()?;
    checked_name(&name).ok()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorBody {
    name: String,
}

/// `POST /api/v1/operator {"name"}`: once per shift. An empty name signs off.
pub(crate) async fn sign_in(body: Bytes) -> Result<Response, Refusal> {
    let body: OperatorBody = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad("bad-body", format!("请求内容无效:{error}"), format!("bad body: {error}")))?;
    let (value, age_s) =
        if body.name.trim().is_empty() { (String::new(), 0) } else { (hex::encode(checked_name(&body.name)?), SHIFT.as_secs()) };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_named_by_its_hash_and_nothing_else() {
        let sha256 = "0f".repeat(32);
        assert_eq!(checked_sha256(&format!("{sha256}.jpg")).ok(), Some(sha256.clone()));
        for bad in
            [sha256.clone(), format!("{}.jpg", sha256.to_uppercase()), "../x.jpg".into(), format!("{sha256}0.jpg"), format!("{sha256}.png")]
        {
            assert!(checked_sha256(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_chinese_name_survives_the_cookie() {
        let mut headers = HeaderMap::new();
        let cookie = format!("other=1; {COOKIE}={}", hex::encode("王芳 u1021"));
        headers.insert(header::COOKIE, HeaderValue::from_str(&cookie).unwrap());
        assert_eq!(operator_cookie(&headers).as_deref(), Some("王芳 u1021"));
        headers.insert(header::COOKIE, HeaderValue::from_static("patrol_operator=zz"));
        assert_eq!(operator_cookie(&headers), None);
    }
}
