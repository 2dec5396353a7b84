//! Refusals as JSON: a stable code, words for people in Chinese, and the same in English.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use patrol_core::CameraId;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    #[serde(skip)]
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) error: String,
    pub(crate) error_en: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, error: impl Into<String>, error_en: impl Into<String>) -> Self {
        Self { status, code, error: error.into(), error_en: error_en.into() }
    }

    pub(crate) fn bad(code: &'static str, error: impl Into<String>, error_en: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, error, error_en)
    }

    pub(crate) fn no_lead(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no-such-lead",
            format!("没有线索 {id}:可能已过保存期,请刷新队列"),
            format!("no lead {id}: it may have been forgotten; reload the queue"),
        )
    }

    pub(crate) fn no_camera(id: &CameraId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-camera", format!("没有摄像机 {id}"), format!("no camera {id}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}
