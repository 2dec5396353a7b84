//! P4: from a picture's last packet to the outbox row it causes, while the machine is busy.
//!
//! Many slow cameras rather than few fast ones: the load is the same, and there are as many more people to tell of as a 99th percentile needs. Somebody is told of
//! once: part of the cameras see black at first and come to see one after another; as one does, another goes black, so that the load stays as it is.

use super::Context;
use super::models::THERMAL;
use super::report::{Figure, Measure};
use super::thermal::{AIR_C, STREAM};
use super::watched::{Plan, ServedStreet, Stream, Watched, watch};
use patrol_sim::street::{StreetDetector, WatchOptions};
use std::ops::RangeInclusive;
use std::time::Duration;

const WHAT: &str = "arrival of a picture's last packet to commit of the outbox row it causes, p99";
const UNIT: &str = "ms";
const AIM: &str = "at most 150 ms at 80 % load";
const SLOW: Stream = Stream { name: "thermal-slow", fps: 2.0, kbps: 300, ..STREAM };
/// Of two cores the street has a share as well.
const CORES_MAX: usize = 2;
/// By how many cameras it is learnt what one takes, how many are tried at most, and how often until the load is met.
const LEARNT_BY: usize = 24;
const CAMERAS_MAX: usize = 400;
const TRIES: usize = 2;
/// Part of the cameras that come to see in the window, as many as go black, and by which part of it the last of them does.
const COMERS_PART: f64 = 0.45;
const _: () = assert!(COMERS_PART <= 0.5, "who comes to see does not go black as well");
/// What all together take when as many see black, in parts of what they take when all see.
const LOAD_PART: f64 = 0.55;
const COME_BY: f64 = 0.95;
/// From the street's start until all sessions play, about.
const SESSIONS: Duration = Duration::from_secs(10);
/// The load that the aim speaks of, and how near to it a run must be.
const LOAD: f64 = 0.8;
const LOAD_RANGE: RangeInclusive<f64> = 0.7..=0.9;
const LATENCY: &str = "patrol_lead_latency_seconds";
const QUANTILE: f64 = 0.99;
const AIM_MS: f64 = 150.0;
/// Of fewer the 99th percentile is the slowest one.
const CHANGES_MIN: u64 = 100;
/// All cameras begin at once, and all their people are told of at once: more than the core can do. That is over by then.
const SETTLE: Duration = Duration::from_secs(90);
const WINDOW: Duration = Duration::from_mins(3);
/// What one camera takes needs no leads.
const LEARN: Duration = Duration::from_secs(30);

pub(super) fn measure(context: &Context) -> Measure {
    if context.short {
        return Measure::without("P4", WHAT, UNIT, AIM, "left out of the short form; run it without --short");
    }
    match loaded_run(context) {
        Ok(run) => latency(&run, load(context, &run)),
        Err(error) => Measure::failed("P4", WHAT, &error),
    }
}

/// As many cameras as fill the cores to [`LOAD`].
fn loaded_run(context: &Context) -> anyhow::Result<Watched> {
    let mut learnt_by = ServedStreet::start(context, SLOW, LEARNT_BY)?;
    let mut run = run_with(context, &mut learnt_by, LEARNT_BY, LEARN)?;
    drop(learnt_by);
    let mut load_part = LOAD_PART;
    for _ in 0..TRIES {
        let cameras = ((LOAD / load_part / load(context, &run) * run.cameras as f64) as usize).clamp(1, CAMERAS_MAX);
        let mut street = ServedStreet::start_with(context, SLOW, cameras, &changes(cameras))?;
        run = run_with(context, &mut street, cameras, WINDOW)?;
        if LOAD_RANGE.contains(&load(context, &run)) {
            break;
        }
        load_part = 1.0;
    }
    Ok(run)
}

/// Which of `cameras` see nothing but black until when, and which from when on, as the street's faults.
fn changes(cameras: usize) -> Vec<String> {
    let count = (COMERS_PART * cameras as f64) as usize;
    let change = |number: usize| {
        let at_s = (SESSIONS + SETTLE + WINDOW.mul_f64(COME_BY * number as f64 / count as f64)).as_secs_f64();
        [format!("{}:black@0+{at_s:.1}", cameras - count + number), format!("{number}:black@{at_s:.1}")]
    };
    (0..count).flat_map(change).collect()
}

fn run_with(context: &Context, street: &mut ServedStreet, cameras: usize, window: Duration) -> anyhow::Result<Watched> {
    eprintln!("P4: {cameras} thermal streams of 640×512 at {} pictures a second", SLOW.fps);
    let plan = Plan {
        watch: WatchOptions {
            cameras: Some(cameras),
            detector: StreetDetector::Onnx(THERMAL.into()),
            rescan_every_s: Some(1.0),
            always_examined: 1.0,
            workers: Some(cores(context).len()),
            air_c: Some(AIR_C),
            placed: false,
            ..WatchOptions::default()
        },
        look_every_s: 0.0,
        cores: cores(context),
        settle: SETTLE,
        window,
        looks_logged: false,
    };
    let run = watch(context, street, &plan)?;
    let latency = run.after.quantile_since(&run.before, LATENCY, QUANTILE);
    eprintln!(
        "    {:.0} % of a core, {:.0} of {:.0} pictures stale, {} changes of leads, 99th percentile {}; street {:.0} %, others {:.0} %",
        100.0 * run.core_share(),
        run.ended("stale"),
        run.pictures(),
        latency.map_or(0, |(_, count)| count),
        latency.map_or("unknown".to_owned(), |(seconds, _)| format!("{:.0} ms", 1e3 * seconds)),
        100.0 * run.street_cpu_s / run.window_s,
        100.0 * run.others_cpu_s / run.window_s,
    );
    Ok(run)
}

fn cores(context: &Context) -> Vec<u32> {
    context.all_cores.iter().copied().take(CORES_MAX).collect()
}

/// Part of the cores that was used, by the street too where it runs there.
fn load(context: &Context, run: &Watched) -> f64 {
    let cores = cores(context);
    let street = if context.street_cores.iter().any(|core| cores.contains(core)) { run.street_cpu_s / run.window_s } else { 0.0 };
    (run.core_share() + street) / cores.len().max(1) as f64
}

fn latency(run: &Watched, load: f64) -> Measure {
    let without = |why: String| Measure::without("P4", WHAT, UNIT, AIM, why);
    if run.after.buckets_of(LATENCY) == 0 {
        return without(format!("this patrol's /metrics has no histogram {LATENCY}"));
    }
    let Some((seconds, count)) = run.after.quantile_since(&run.before, LATENCY, QUANTILE) else {
        return without(format!("{LATENCY} counted nothing: no lead was changed in {:.0} s", run.window_s));
    };
    let tells = LOAD_RANGE.contains(&load) && count >= CHANGES_MIN && !run.is_disturbed();
    Measure {
        id: "P4",
        what: WHAT.into(),
        unit: UNIT,
        ours: Figure::Measured(1e3 * seconds),
        beside: Vec::new(),
        aim: AIM,
        met: tells.then_some(1e3 * seconds <= AIM_MS),
        with: format!(
            "{count} changes of leads, {} streams of {} pictures a second, {:.0} % load, {:.0} of {:.0} pictures replaced by newer ones; from a histogram, linear \
             within a bucket",
            run.cameras,
            SLOW.fps,
            100.0 * load,
            run.ended("stale"),
            run.pictures()
        ),
        details: run.json(),
        failed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cameras_come_to_see_one_after_another_while_the_first_go_black() {
        let changes = changes(100);
        assert_eq!((changes.len(), changes[0].as_str(), changes[1].as_str()), (90, "55:black@0+100.0", "0:black@100.0"));
        assert_eq!(changes[88..], ["99:black@0+267.2", "44:black@267.2"]);
    }

    #[test]
    fn without_a_histogram_the_latency_is_not_measured() {
        let measure = latency(&Watched::example(8, Err("not asked for".into())), 0.8);
        assert!(measure.ours.why_not().is_some_and(|why| why.contains(LATENCY)), "{measure:?}");
    }
}
