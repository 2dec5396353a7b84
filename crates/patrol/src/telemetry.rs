//! Logs, and metrics in Prometheus' text format. Metric names stand here and nowhere else.

use patrol_core::desk::CameraCondition;
use patrol_core::{Lead, LeadState, lead::DeliveryState};
use patrol_pipeline::CameraReading;
use patrol_store::OutboxCounts;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Logs go to standard error, `info` and above unless `PATROL_LOG` says otherwise; standard output is for results.
pub(crate) fn start_logging() {
    let filter = EnvFilter::try_from_env("PATROL_LOG").unwrap_or_else(|_| EnvFilter::new("info,ort=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).init();
}

type Reading = fn(&CameraReading) -> f64;

/// The whole text of `/metrics`.
pub(crate) fn metrics(cameras: &[CameraReading], leads: &[Lead], outbox: &OutboxCounts) -> String {
    let mut text = String::new();
    family(&mut text, "patrol_looks_total", "counter", "Pictures by camera and outcome.");
    for reading in cameras {
        for (outcome, count) in reading.tally.iter() {
            sample(&mut text, "patrol_looks_total", &[("camera", reading.camera.id.as_str()), ("outcome", outcome.name())], count as f64);
        }
    }
    let gauges: [(&str, &str, Reading); 6] = [
        ("patrol_blind_interval_seconds", "Now minus capture of the newest picture examined or unchanged.", |r| r.blind.as_secs_f64()),
        ("patrol_blind_interval_max_seconds", "The longest blind interval since the start.", |r| r.max_blind.as_secs_f64()),
        ("patrol_unexamined_interval_seconds", "Now minus capture of the newest picture examined.", |r| r.unexamined.as_secs_f64()),
        ("patrol_camera_seeing", "1 while pictures arrive and can be judged.", |r| f64::from(r.condition == CameraCondition::Seeing)),
        ("patrol_fixtures", "Warm things that never moved and are not told: lamps, bonnets.", |r| f64::from(r.fixtures)),
        ("patrol_inferences_total", "Runs of a detector.", |r| r.inferences as f64),
    ];
    for (name, help, value) in gauges {
        family(&mut text, name, if name.ends_with("_total") { "counter" } else { "gauge" }, help);
        for reading in cameras {
            sample(&mut text, name, &[("camera", reading.camera.id.as_str())], value(reading));
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
