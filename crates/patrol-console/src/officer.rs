//! The officer on duty: who asks, and why.

use crate::reply::Refusal;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::time::Duration;

const COOKIE: &str = "patrol_operator";
/// The longest shift; a name entered once holds that long, and so does a picture in the browser's memory.
pub(crate) const SHIFT: Duration = Duration::from_hours(12);
const NAME_CHARS_MAX: usize = 32;
const VIEWING_REASON_CHARS_MAX: usize = 100;
const VIEWING_REASON_DEFAULT: &str = "线上巡屏复核";

/// The officer: from the request, or from the shift's cookie. Where both are given they must agree.
pub(crate) fn named(headers: &HeaderMap, by: Option<String>) -> Result<String, Refusal> {
    let cookie = operator_cookie(headers);
    match (by, cookie) {
        (Some(by), Some(cookie)) if by.trim() != cookie => Err(Refusal::bad(
            "name-differs",
            format!("操作人“{}”与本班登记人“{cookie}”不一致,请重新登记", by.trim()),
            "the name in the request is not the one on duty, sign in again",
        )),
        (Some(by), _) => checked_name(&by),
        (None, Some(cookie)) => Ok(cookie),
        (None, None) => Err(Refusal::bad("name-missing", "请先登记姓名或工号", "sign in with a name first")),
    }
}

/// The officer who wants to see a picture.
pub(crate) fn viewer(headers: &HeaderMap, by: Option<String>) -> Result<String, Refusal> {
    if by.is_none() && operator_cookie(headers).is_none() {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "name-missing",
            "请先登记姓名或工号,再查看图像",
            "sign in with a name before viewing pictures",
        ));
    }
    named(headers, by)
}

/// Why pictures are viewed, trimmed; the shift's ordinary reason where none is given.
pub(crate) fn viewing_reason(reason: Option<&str>) -> Result<String, Refusal> {
    match reason.map(str::trim) {
        None | Some("") => Ok(VIEWING_REASON_DEFAULT.to_owned()),
        Some(reason) if reason.chars().count() <= VIEWING_REASON_CHARS_MAX && !reason.chars().any(char::is_control) => {
            Ok(reason.to_owned())
        }
        Some(_) => Err(Refusal::bad("reason-refused", "查看理由过长或含控制字符", "the reason is too long or has control characters")),
    }
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
    use axum::http::HeaderValue;

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
