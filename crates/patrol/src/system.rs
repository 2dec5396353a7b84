//! What `run`, `demo` and `replay` build alike from a plan.

use crate::config::{CameraPlan, CityPlan, DetectorPlan, Plan};
use crate::faults::Faulty;
use crate::scripted::Scripted;
use patrol_city::{Outlet, OutletConfig, Signer, Site};
use patrol_core::{CameraId, Modality};
use patrol_pipeline::{Eyes, live::MakeEyes};
use patrol_vision::{BatchSession, Detector, Device, HotSpot, OnnxDetector, OnnxRuntime, PoseNetwork};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Track ids of one run; a day at 25 pictures a second with ten new tracks in each uses 2·10⁷.
const TRACK_IDS_PER_RUN: u64 = 1_000_000_000;
/// A city that has not answered by then is asked again.
const CITY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn first_track_id(epoch: u64) -> u64 {
    epoch.saturating_mul(TRACK_IDS_PER_RUN) + 1
}

pub(crate) fn onnx_runtime() -> anyhow::Result<Arc<OnnxRuntime>> {
    let library = OnnxRuntime::find(Path::new("."))
        .ok_or_else(|| anyhow::anyhow!("ONNX Runtime's library was not found; run scripts/setup, or name it in PATROL_ONNXRUNTIME"))?;
    Ok(OnnxRuntime::load(&library)?)
}

pub(crate) fn thermal_or(modality: Modality) -> Modality {
    if modality == Modality::Visible { Modality::Visible } else { Modality::Thermal }
}

/// How every worker makes its detectors. Loads ONNX Runtime once when any detector needs it, and each model on a GPU once for all workers.
pub(crate) fn make_eyes(plan: &Plan) -> Result<MakeEyes, String> {
    let needs_runtime = plan.pose.is_some() || plan.detectors.iter().any(DetectorPlan::needs_onnx_runtime);
    let runtime = if needs_runtime { Some(onnx_runtime().map_err(|error| format!("{error:#}"))?) } else { None };
    let shared: Result<Vec<_>, String> = plan.detectors.iter().map(|detector| shared_session(detector, runtime.as_ref())).collect();
    let (detectors, pose, shared) = (plan.detectors.clone(), plan.pose.clone(), shared?);
    Ok(Arc::new(move || {
        let each = detectors.iter().zip(&shared);
        let made: Result<_, String> = each.map(|(detector, shared)| make_detector(detector, runtime.as_ref(), shared.as_ref())).collect();
        let eyes = Eyes::new(made?);
        Ok(match (&pose, &runtime) {
            (Some(card), Some(runtime)) => eyes.with_pose(Box::new(PoseNetwork::open(runtime, card).map_err(|error| error.to_string())?)),
            _ => eyes,
        })
    }))
}

/// The session of a model that runs on a GPU; `None`: every worker has its own, or needs none.
fn shared_session(plan: &DetectorPlan, runtime: Option<&Arc<OnnxRuntime>>) -> Result<Option<Arc<BatchSession>>, String> {
    match plan {
        DetectorPlan::Onnx { card, device: device @ Device::Cuda { .. }, batch_max, .. } => {
            let runtime = runtime.ok_or("ONNX Runtime was not loaded")?;
            let session = BatchSession::open(runtime, card, *device, *batch_max).map_err(|error| error.to_string())?;
            Ok((session.device() != Device::Cpu).then(|| Arc::new(session)))
        }
        DetectorPlan::Faulty { detector, .. } => shared_session(detector, runtime),
        DetectorPlan::Onnx { .. } | DetectorPlan::HotSpot(_) | DetectorPlan::Scripted { .. } => Ok(None),
    }
}

fn make_detector(
    plan: &DetectorPlan,
    runtime: Option<&Arc<OnnxRuntime>>,
    shared: Option<&Arc<BatchSession>>,
) -> Result<Box<dyn Detector>, String> {
    Ok(match (plan, shared) {
        (DetectorPlan::HotSpot(config), _) => Box::new(HotSpot::new(config.clone())),
        (DetectorPlan::Onnx { min_score, .. }, Some(session)) => {
            Box::new(OnnxDetector::sharing(session, *min_score).map_err(|error| error.to_string())?)
        }
        (DetectorPlan::Onnx { card, min_score, .. }, None) => {
            let runtime = runtime.ok_or("ONNX Runtime was not loaded")?;
            // One thread a session: every worker has a core of its own.
            Box::new(OnnxDetector::open(runtime, card, Device::Cpu, *min_score, 1).map_err(|error| error.to_string())?)
        }
        (DetectorPlan::Scripted { boxes, truth_sha256, .. }, _) => Box::new(Scripted::new(boxes.clone(), truth_sha256.clone())),
        (DetectorPlan::Faulty { detector, faults }, _) => Box::new(Faulty::new(make_detector(detector, runtime, shared)?, faults.clone())),
    })
}

pub(crate) fn outlet(plan: &Plan, city: &CityPlan) -> anyhow::Result<Outlet> {
    let site = Site { system_code: plan.system_code.clone(), region: plan.region.clone(), sensors: sensors(&plan.cameras) };
    Ok(Outlet::new(OutletConfig {
        base: city.base.clone(),
        mapping: city.mapping.clone(),
        signer: Signer::new(city.app_key.clone(), city.secret.clone()),
        site,
        media_base: city.media_base.clone(),
        timeout: CITY_TIMEOUT,
    })?)
}

pub(crate) fn sensors(cameras: &[CameraPlan]) -> BTreeMap<CameraId, Modality> {
    cameras.iter().map(|plan| (plan.camera.id.clone(), plan.camera.modality)).collect()
}

pub(crate) struct Usage {
    /// User and system time of this process.
    pub(crate) cpu_s: f64,
    pub(crate) peak_rss_mb: f64,
}

/// Read from `/proc`; zeros where there is none.
pub(crate) fn resource_usage() -> Usage {
    // Clock ticks a second of /proc/self/stat on every Linux that runs GStreamer (USER_HZ).
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak_kb = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<f64>().ok());
    Usage { cpu_s: ticks / TICKS_PER_SECOND, peak_rss_mb: peak_kb.unwrap_or(0.0) / 1024.0 }
}
