//! P1: the whole path over every picture of a recording, beside the least it can cost and beside a plain script.

use super::child;
use super::clip::Clip;
use super::report::{Beside, Figure, Measure};
use super::{Context, models};
use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::Path;

const WHAT: &str = "whole path, every picture, 1920×1080 H.264, one core";
const UNIT: &str = "ms of CPU a picture";
const AIM: &str = "at most 1.08 × (avdec_h264 max-threads=1 ! fakesink + Python onnxruntime with one thread)";
const AIM_RATIO: f64 = 1.08;
/// Each is run so often, in turn, and its least is taken: whatever else the machine does only adds.
const ROUNDS_SHORT: u32 = 2;
const ROUNDS_FULL: u32 = 3;

#[derive(Deserialize)]
struct Infer {
    cpu_s: f64,
}

#[derive(Deserialize)]
struct Whole {
    pictures: u64,
    cpu_s: f64,
    tracker: bool,
}

/// What `patrol replay` made of the recording.
struct Replayed {
    pictures: u64,
    examined: u64,
    inferences: u64,
}

/// The least CPU times of all rounds, seconds.
#[derive(Default)]
struct Times {
    ours: Option<f64>,
    decode: Option<f64>,
}

pub(super) fn measure(context: &Context) -> anyhow::Result<Measure> {
    let network = match models::ready(models::PEERS) {
        Ok(network) => network,
        Err(why) => return Ok(Measure::without("P1", WHAT, UNIT, AIM, why)),
    };
    let clip = context.clip()?;
    let rounds = if context.short { ROUNDS_SHORT } else { ROUNDS_FULL };
    let (mut times, mut replayed) = (Times::default(), None);
    let (mut infer, mut plain): (Figure, Figure) = (Figure::NotMeasured("never tried".into()), Figure::NotMeasured("never tried".into()));
    let mut has_tracker = false;
    for round in 1..=rounds {
        eprintln!("P1: round {round} of {rounds}: {} pictures through patrol, decoder, network and script", clip.pictures);
        let (cpu_s, said) = replay(context, clip)?;
        lower(&mut times.ours, cpu_s);
        lower(&mut times.decode, super::clip::decode_cpu_s(context, clip)?);
        let runs = said.inferences;
        replayed = Some(said);
        let args = |words: &[&str]| -> Vec<OsString> { words.iter().map(OsString::from).collect() };
        let onnx = network.to_string_lossy();
        let once = context.python(|python| {
            let infer_args = args(&["infer", &onnx, "--runs", &runs.to_string()]);
            python.plain(context.core, &infer_args).map(|(said, _): (Infer, f64)| said.cpu_s)
        });
        take_least(&mut infer, once);
        let once = context.python(|python| {
            let whole_args = args(&["whole", &clip.path.to_string_lossy(), &onnx]);
            let (said, _): (Whole, f64) = python.plain(context.core, &whole_args)?;
            has_tracker = said.tracker;
            if said.pictures == clip.pictures {
                Ok(said.cpu_s)
            } else {
                Err(format!("OpenCV read {} of {} pictures", said.pictures, clip.pictures))
            }
        });
        take_least(&mut plain, once);
    }
    let replayed = replayed.context("no round was run")?;
    let ours_s = times.ours.context("no round was run")?;
    let decode_s = times.decode.context("no round was run")?;
    let per_picture = |seconds: f64| 1e3 * seconds / clip.pictures as f64;
    let limit = match &infer {
        Figure::Measured(infer_s) => Figure::Measured(per_picture(decode_s + infer_s)),
        Figure::NotMeasured(why) => Figure::NotMeasured(why.clone()),
    };
    let met = limit.value().map(|limit| per_picture(ours_s) <= AIM_RATIO * limit);
    let plain = match plain {
        Figure::Measured(cpu_s) => Figure::Measured(per_picture(cpu_s)),
        not @ Figure::NotMeasured(_) => not,
    };
    let script = if has_tracker { "plain Python script, ByteTrack" } else { "plain Python script, no tracker" };
    Ok(Measure {
        id: "P1",
        what: WHAT.into(),
        unit: UNIT,
        ours: per_picture(ours_s).into(),
        beside: vec![
            Beside { what: "limit: decoder + network alone".into(), figure: limit },
            Beside { what: script.into(), figure: plain },
        ],
        aim: AIM,
        met,
        with: format!(
            "{} pictures of {}, {}; {:.1} % of them examined, the others found unchanged, {} inferences, as many as in the limit; \
             least of {rounds} rounds; the start of the process is counted in ours and in the decoder's, not in what Python does",
            clip.pictures,
            clip.origin,
            models::PEERS,
            100.0 * replayed.examined as f64 / replayed.pictures.max(1) as f64,
            replayed.inferences,
        ),
        details: json!({
            "pictures": clip.pictures, "examined": replayed.examined, "inferences": replayed.inferences, "model": models::PEERS,
            "ours_cpu_s": ours_s, "decode_cpu_s": decode_s, "infer_cpu_s": infer.value(),
        }),
        failed: false,
    })
}

fn lower(least: &mut Option<f64>, value: f64) {
    *least = Some(least.map_or(value, |least| least.min(value)));
}

fn take_least(least: &mut Figure, once: Result<f64, String>) {
    *least = match (&*least, once) {
        (Figure::Measured(before), Ok(value)) => Figure::Measured(before.min(value)),
        (Figure::Measured(before), Err(_)) => Figure::Measured(*before),
        (_, once) => once.into(),
    };
}

fn replay(context: &Context, clip: &Clip) -> anyhow::Result<(f64, Replayed)> {
    let folder = context.folder("whole-path")?;
    let out = folder.join("out");
    std::fs::write(folder.join("pipeline.toml"), pipeline(&clip.path))?;
    let mut command = child::patrol(&[context.core])?;
    command.arg("replay").arg(&folder).arg("--out").arg(&out).env("PATROL_LOG", "warn");
    let ended = child::run_well(&mut command, &folder.join("replay.log"))?;
    let summary = out.join("summary.json");
    let text = std::fs::read_to_string(&summary).with_context(|| summary.display().to_string())?;
    let replayed = replayed(&serde_json::from_str(&text)?).with_context(|| format!("{}: no camera c1 in it", summary.display()))?;
    Ok((ended.cpu_s, replayed))
}

/// Every picture is due; one that shows no change is still not examined more than once a second, which the report tells.
fn pipeline(clip: &Path) -> String {
    let source = toml::Value::from(clip.display().to_string());
    let name = models::PEERS;
    format!(
        "[site]\nname = \"bench\"\n\n[weather]\nair_c = -2.0\n\n[[detector]]\nname = \"person\"\nkind = \"onnx\"\nmodel = \"{name}\"\n\n[[camera]]\n\
         id = \"c1\"\nname = \"bench\"\nsource = {source}\nmodality = \"visible\"\ndetectors = [\"person\"]\nlook_every_s = 0.0\n\
         rescan_every_s = 1.0\n"
    )
}

fn replayed(summary: &Value) -> Option<Replayed> {
    let camera = &summary["cameras"]["c1"];
    Some(Replayed {
        pictures: camera["pictures"].as_u64()?,
        examined: camera["outcomes"]["examined"].as_u64().unwrap_or(0),
        inferences: camera["inferences"].as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read() {
        let summary =
            json!({"cameras": {"c1": {"pictures": 10, "outcomes": {"examined": 9, "unchanged": 1}, "inferences": 9}}, "leads": 0});
        let read = replayed(&summary).expect("a camera");
        assert_eq!((read.pictures, read.examined, read.inferences), (10, 9, 9));
        assert!(replayed(&json!({"cameras": {}})).is_none());
    }

    #[test]
    fn the_least_of_all_rounds_counts_and_one_failure_does_not() {
        let mut least = Figure::NotMeasured("never tried".into());
        for once in [Ok(3.0), Err("busy".to_owned()), Ok(2.0), Ok(4.0)] {
            take_least(&mut least, once);
        }
        assert_eq!(least, Figure::Measured(2.0));
        let mut none = Figure::NotMeasured("never tried".into());
        take_least(&mut none, Err("no cv2".into()));
        assert_eq!(none.why_not(), Some("no cv2"));
    }
}
