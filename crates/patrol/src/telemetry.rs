//! Logs, and metrics in Prometheus' text format. Metric names stand here and nowhere else.

use patrol_core::desk::CameraCondition;
use patrol_core::{Lead, LeadState, LinkStatus, lead::DeliveryState};
use patrol_pipeline::lane::Lane;
use patrol_pipeline::{CameraReading, HistogramReading, LoadReading, TimingReading};
use patrol_store::OutboxCounts;
use patrol_vision::ThermalReading;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Logs go to standard error, `info` and above unless `PATROL_LOG` says otherwise; standard output is for results.
pub(crate) fn start_logging() {
    let filter = EnvFilter::try_from_env("PATROL_LOG").unwrap_or_else(|_| EnvFilter::new("info,ort=warn,retina=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).init();
}

type Reading = fn(&CameraReading) -> f64;
type ThermalValue = fn(&ThermalReading) -> f32;
type LinkReading = fn(&LinkStatus) -> Option<f64>;

/// The whole text of `/metrics`.
pub(crate) fn metrics(
    cameras: &[CameraReading],
    (load, timing): (&LoadReading, &TimingReading),
    leads: &[Lead],
    outbox: &OutboxCounts,
) -> String {
    let mut text = String::new();
    workload(&mut text, cameras, load);
    durations(&mut text, timing);
    family(&mut text, "patrol_looks_total", "counter", "Pictures by camera and outcome.");
    for reading in cameras {
        for (outcome, count) in reading.tally.iter() {
            sample(&mut text, "patrol_looks_total", &[("camera", reading.camera.id.as_str()), ("outcome", outcome.name())], count as f64);
        }
    }
    let gauges: [(&str, &str, Reading); 15] = [
        ("patrol_blind_interval_seconds", "Now minus capture of the newest picture examined or unchanged.", |r| r.blind.as_secs_f64()),
        ("patrol_blind_interval_max_seconds", "The longest blind interval since the start.", |r| r.max_blind.as_secs_f64()),
        ("patrol_unexamined_interval_seconds", "Now minus capture of the newest picture examined.", |r| r.unexamined.as_secs_f64()),
        ("patrol_camera_seeing", "1 while pictures arrive and can be judged.", |r| f64::from(r.condition == CameraCondition::Seeing)),
        ("patrol_fixtures", "Things that never moved and are not told: lamps, bonnets, cold puddles, bus shelters.", |r| {
            f64::from(r.fixtures)
        }),
        ("patrol_watch_cells", "Places where somebody was last found, watched until seen empty.", |r| r.cells.open as f64),
        ("patrol_watch_cells_held", "Of these, kept by the picture of the place alone: no detector finds anybody.", |r| {
            r.cells.held as f64
        }),
        ("patrol_watch_cells_unclear", "Of these, not to be judged at present.", |r| r.cells.unclear as f64),
        ("patrol_watch_cells_dropped_total", "Places left without a watch because a camera had too many.", |r| r.cells.dropped as f64),
        ("patrol_inferences_total", "Runs of a detector.", |r| r.inferences as f64),
        ("patrol_promise_broken_total", "How often the camera went unseen for longer than its limit.", |r| r.broken_promises as f64),
        ("patrol_stretch", "Time from look to look at present, in parts of what was promised.", |r| {
            let promised_s = r.camera.promise.look_every.as_secs_f64();
            if promised_s > 0.0 { r.look_every.as_secs_f64() / promised_s } else { 1.0 }
        }),
        ("patrol_bursts_total", "Times that somebody not understood yet was watched closely.", |r| r.bursts as f64),
        ("patrol_main_evidence_total", "Evidence taken from the main stream while looks read a smaller one.", |r| {
            r.main_stream.shown as f64
        }),
        (
            "patrol_main_evidence_missed_total",
            "Evidence taken from the look because the main stream had not come or showed something else.",
            |r| r.main_stream.missed as f64,
        ),
    ];
    for (name, help, value) in gauges {
        family(&mut text, name, if name.ends_with("_total") { "counter" } else { "gauge" }, help);
        for reading in cameras {
            sample(&mut text, name, &[("camera", reading.camera.id.as_str())], value(reading));
        }
    }
    let of_links: [(&str, &str, LinkReading); 6] = [
        ("patrol_sessions_total", "Sessions of a live camera that came to play.", |link| Some(link.sessions as f64)),
        ("patrol_lost_packets_total", "Packets of a live camera that never came.", |link| Some(link.lost_packets as f64)),
        ("patrol_key_frame_interval_seconds", "The longest time between two key frames seen lately.", |link| link.key_interval_s),
        ("patrol_camera_clock_skew_seconds", "The camera's clock minus ours, by its last sender report.", |link| link.clock_skew_s),
        ("patrol_camera_clock_steps_total", "How often the camera's clock stepped.", |link| Some(link.clock_steps as f64)),
        ("patrol_ring_bytes", "Encoded packets kept for clips.", |link| Some(link.ring_bytes as f64)),
    ];
    for (name, help, value) in of_links {
        family(&mut text, name, if name.ends_with("_total") { "counter" } else { "gauge" }, help);
        for reading in cameras {
            if let Some(value) = reading.link.as_ref().and_then(value) {
                sample(&mut text, name, &[("camera", reading.camera.id.as_str())], value);
            }
        }
    }
    let of_thermal: [(&str, &str, ThermalValue); 2] = [
        ("patrol_masked_fraction", "Part of a thermal picture filled before detectors look: border, text, logos.", |read| {
            read.masked_fraction
        }),
        ("patrol_polarity_confidence", "How sure it is that a thermal picture is read the right way round.", |read| {
            read.polarity_confidence
        }),
    ];
    for (name, help, value) in of_thermal {
        family(&mut text, name, "gauge", help);
        for reading in cameras {
            if let Some(thermal) = &reading.thermal {
                sample(&mut text, name, &[("camera", reading.camera.id.as_str())], f64::from(value(thermal)));
            }
        }
    }
    let mut by_state: BTreeMap<&str, u64> = BTreeMap::new();
    for lead in leads.iter().filter(|lead| lead.state != LeadState::Candidate) {
        *by_state.entry(lead.state.name()).or_default() += 1;
    }
    family(&mut text, "patrol_leads", "gauge", "Leads by state.");
    for (state, count) in by_state {
        sample(&mut text, "patrol_leads", &[("state", state)], count as f64);
    }
    family(&mut text, "patrol_leads_parked", "gauge", "Leads the city refused for good: a person must act.");
    sample(&mut text, "patrol_leads_parked", &[], leads.iter().filter(|lead| lead.delivery == DeliveryState::Parked).count() as f64);
    family(&mut text, "patrol_outbox_rows", "gauge", "Messages to the city by state.");
    for (state, count) in
        [("waiting", outbox.waiting), ("parked", outbox.parked), ("delivered", outbox.delivered), ("superseded", outbox.superseded)]
    {
        sample(&mut text, "patrol_outbox_rows", &[("state", state)], count as f64);
    }
    text
}

fn workload(text: &mut String, cameras: &[CameraReading], load: &LoadReading) {
    family(text, "patrol_load", "gauge", "What all promises take, in parts of what the workers can do; above 1 some are stretched.");
    sample(text, "patrol_load", &[], load.load);
    family(text, "patrol_missing_workers", "gauge", "Workers missing when all promises are stretched to their limits.");
    sample(text, "patrol_missing_workers", &[], load.missing);
    family(text, "patrol_refused_cameras", "gauge", "Cameras whose limits cannot be kept.");
    sample(text, "patrol_refused_cameras", &[], load.refused.len() as f64);
    family(text, "patrol_lane_cameras", "gauge", "Cameras by how their pictures come.");
    for lane in [Lane::OnDemand, Lane::Continuous] {
        let count = cameras.iter().filter(|reading| reading.lane == lane).count();
        sample(text, "patrol_lane_cameras", &[("lane", lane.name())], count as f64);
    }
}

fn durations(text: &mut String, timing: &TimingReading) {
    family(text, "patrol_stage_seconds", "histogram", "Parts of a look beside the detectors.");
    histogram(text, "patrol_stage_seconds", Some("decode"), &timing.decode);
    histogram(text, "patrol_stage_seconds", Some("rest"), &timing.rest);
    family(text, "patrol_inference_seconds", "histogram", "The detectors of one look.");
    histogram(text, "patrol_inference_seconds", None, &timing.inference);
    let help = "From the capture of a picture in which a decision may fall to the commit of what came of it.";
    family(text, "patrol_lead_latency_seconds", "histogram", help);
    histogram(text, "patrol_lead_latency_seconds", None, &timing.lead);
}

fn histogram(text: &mut String, name: &str, stage: Option<&str>, reading: &HistogramReading) {
    let of_stage: Vec<(&str, &str)> = stage.map(|stage| ("stage", stage)).into_iter().collect();
    let mut all = 0;
    for (bound, count) in &reading.cumulative {
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
        let labels: Vec<(&str, &str)> = of_stage.iter().copied().chain([("le", bound.as_str())]).collect();
        sample(text, &format!("{name}_bucket"), &labels, *count as f64);
        all = *count;
    }
    sample(text, &format!("{name}_sum"), &of_stage, reading.sum_s);
    sample(text, &format!("{name}_count"), &of_stage, all as f64);
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ok = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").is_ok();
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ok = writeln!(text, "{name}{labels} {value}").is_ok();
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
