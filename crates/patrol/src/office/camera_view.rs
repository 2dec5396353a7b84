//! A person looks through a camera: at once, or for a while.

use patrol_console::{FreshLook, LOOK_NOW_MAX, LivePicture, LiveView, SeenPerson};
use patrol_core::{CameraId, Picture};
use patrol_pipeline::live::{self, AskError, LiveGauge};
use patrol_vision::{VisionError, jpeg};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// Pictures on a screen: wider ones are scaled down to this.
const FRESH_WIDTH_PX: u32 = 1280;
const FRESH_QUALITY: u8 = 85;
/// Five a second of these are encoded on the feed's thread.
const LIVE_WIDTH_PX: u32 = 960;
const LIVE_QUALITY: u8 = 70;

const UNKNOWN: &str = "没有这路摄像机";

pub(super) fn look_now(gauge: &LiveGauge, camera: &CameraId) -> Pin<Box<dyn Future<Output = Result<FreshLook, String>> + Send>> {
    let (tell, told) = oneshot::channel();
    // Encoded on the worker's thread that looked; whoever has gone away does not hear it.
    let asked = gauge.look_now(camera, Box::new(move |fresh| drop(tell.send(encode(fresh)))));
    Box::pin(async move {
        asked.map_err(|error| words(error, "人同时要求查看这路摄像机,请稍候"))?;
        match tokio::time::timeout(LOOK_NOW_MAX, told).await {
            Ok(Ok(fresh)) => fresh.map_err(|error| format!("画面无法编码:{error}")),
            Ok(Err(_)) => Err("摄像机已被移除或系统正在停止".to_owned()),
            Err(_) => Err(format!("{} 秒内没有新画面:摄像机可能中断,请看摄像机列表", LOOK_NOW_MAX.as_secs())),
        }
    })
}

pub(super) fn live_view(gauge: &LiveGauge, camera: &CameraId) -> Result<LiveView, String> {
    let (show, pictures) = watch::channel(None);
    let on_picture = move |picture: &Picture| {
        if show.is_closed() {
            return false;
        }
        match jpeg::whole(picture, None, LIVE_WIDTH_PX, LIVE_QUALITY) {
            Ok(jpeg) => show.send(Some(LivePicture { jpeg: Arc::from(jpeg), captured: picture.captured.at })).is_ok(),
            Err(error) => {
                tracing::warn!(%error, "a picture could not be shown live");
                true
            }
        }
    };
    gauge.view(camera, Box::new(on_picture)).map_err(|error| words(error, "人正在看这路实时画面,请稍后再试"))?;
    Ok(LiveView { pictures })
}

fn words(error: AskError, too_many: &str) -> String {
    match error {
        AskError::UnknownCamera => UNKNOWN.to_owned(),
        AskError::TooMany { limit } => format!("已有 {limit} {too_many}"),
    }
}

fn encode(fresh: live::FreshLook) -> Result<FreshLook, VisionError> {
    let live::FreshLook { picture, outcome, people } = fresh;
    let people = people.into_iter().map(|seen| SeenPerson {
        bbox: seen.bbox,
        posture: seen.posture,
        confidence: seen.confidence,
        still_s: seen.still.map(|still| still.as_secs_f64()),
    });
    Ok(FreshLook {
        jpeg: Arc::from(jpeg::whole(&picture, None, FRESH_WIDTH_PX, FRESH_QUALITY)?),
        size: picture.size(),
        captured: picture.captured.at,
        outcome: outcome.name().to_owned(),
        people: people.collect(),
    })
}
