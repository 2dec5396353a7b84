//! P3 and the continuous half of P5: thermal cameras of which every picture is examined.

use super::cameras::another_mb;
use super::models::THERMAL;
use super::report::Measure;
use super::watched::{Plan, ServedStreet, Stream, Watched, watch};
use super::{Context, Wanted};
use patrol_core::PictureSize;
use patrol_sim::street::{StreetDetector, WatchOptions};
use std::time::Duration;

pub(super) const STREAM: Stream =
    Stream { name: "thermal", size: PictureSize::new(640, 512), fps: 25.0, kbps: 1000, empty: false, coded: true };
/// Streams that the aim asks for, those tried, and few enough that the difference is memory of cameras.
const WANTED_STREAMS: usize = 8;
const STREAMS: [usize; 4] = [4, 8, 12, 16];
const STREAMS_SHORT: [usize; 2] = [4, 8];
const CORES: usize = 2;
/// People are told of as soon as they are seen down: the sooner, the more leads there are to be timed.
pub(super) const AIR_C: f32 = -25.0;
const AIM_CONTINUOUS_MB: f64 = 12.0;
/// Pictures found unchanged are answered without the network; a stream of which more than this part was, was not examined in full.
const EXAMINED_MIN: f64 = 0.999;

pub(super) fn measure(context: &Context, wanted: Wanted) -> Vec<Measure> {
    let (runs, failed) = runs(context);
    let mut measures = Vec::new();
    measures.extend(wanted.p3.then(|| streams(&runs, failed.as_deref())));
    measures.extend(wanted.p5.then(|| memory(&runs, failed.as_deref())));
    measures
}

fn runs(context: &Context) -> (Vec<Watched>, Option<String>) {
    let counts: &[usize] = if context.short { &STREAMS_SHORT } else { &STREAMS };
    let mut runs = Vec::new();
    let most = counts.last().copied().unwrap_or(WANTED_STREAMS);
    let mut street = match ServedStreet::start(context, STREAM, most) {
        Ok(street) => street,
        Err(error) => return (runs, Some(format!("{error:#}"))),
    };
    for count in counts.iter().copied() {
        eprintln!("P3: {count} thermal streams of 640×512 at 25 pictures a second");
        let plan = Plan {
            watch: WatchOptions {
                cameras: Some(count),
                detector: StreetDetector::Onnx(THERMAL.into()),
                rescan_every_s: Some(1.0),
                always_examined: 1.0,
                workers: Some(CORES),
                air_c: Some(AIR_C),
                placed: false,
                ..WatchOptions::default()
            },
            look_every_s: 0.0,
            cores: context.all_cores.iter().copied().take(CORES).collect(),
            settle: Duration::from_secs(if context.short { 5 } else { 30 }),
            window: Duration::from_secs(if context.short { 10 } else { 120 }),
            looks_logged: false,
        };
        match watch(context, &mut street, &plan) {
            Ok(run) => {
                eprintln!("    {}", words(&run));
                runs.push(run);
            }
            Err(error) => return (runs, Some(format!("{count} streams: {error:#}"))),
        }
    }
    (runs, None)
}

fn words(run: &Watched) -> String {
    let look_s = run.cpu_s / run.looks().max(1.0);
    format!(
        "{} streams: {:.0} pictures in {:.0} s, {:.0} stale, {:.1} % examined, {:.0} inferences, {:.0} % of a core, {:.1} ms of CPU a look (so that \
         {:.1} streams fill {CORES} cores); street {:.0} %, others {:.0} %",
        run.cameras,
        run.pictures(),
        run.window_s,
        run.ended("stale"),
        100.0 * run.ended("examined") / run.pictures().max(1.0),
        run.inferences(),
        100.0 * run.core_share(),
        1e3 * look_s,
        CORES as f64 / (look_s * STREAM.fps).max(f64::MIN_POSITIVE),
        100.0 * run.street_cpu_s / run.window_s,
        100.0 * run.others_cpu_s / run.window_s,
    )
}

/// Nothing was missed: every picture that came was looked at.
fn is_well(run: &Watched) -> bool {
    let came = STREAM.fps * run.window_s * run.cameras as f64;
    // Two pictures of each camera may be under way at either end.
    run.ended("stale") == 0.0 && run.looks() >= came - 2.0 * run.cameras as f64
}

fn streams(runs: &[Watched], failed: Option<&str>) -> Measure {
    const WHAT: &str = "thermal streams of 640×512 at 25 pictures a second on two cores, every picture looked at";
    const UNIT: &str = "streams, none missed";
    const AIM: &str = "at least 8, every picture examined by thermal-person-n";
    if runs.is_empty() {
        return Measure::without("P3", WHAT, UNIT, AIM, failed.unwrap_or("no run"));
    }
    let kept = runs.iter().filter(|run| is_well(run)).max_by_key(|run| run.cameras);
    let examined = kept.map_or(0.0, |run| run.ended("examined") / run.pictures().max(1.0));
    let ours = kept.map_or(0, |run| run.cameras);
    let mut with: Vec<String> = runs.iter().map(words).collect();
    if kept.is_some() && examined < EXAMINED_MIN {
        with.push("pictures that show no change are answered without the network, once a second at most".into());
    }
    with.extend(failed.map(|why| format!("stopped at {why}")));
    Measure {
        id: "P3",
        what: WHAT.into(),
        unit: UNIT,
        ours: (ours as f64).into(),
        beside: Vec::new(),
        aim: AIM,
        met: if ours < WANTED_STREAMS && runs.iter().any(|run| !is_well(run) && run.is_disturbed()) {
            None
        } else {
            Some(ours >= WANTED_STREAMS && examined >= EXAMINED_MIN)
        },
        with: with.join(". "),
        details: runs.iter().map(Watched::json).collect(),
        failed: failed.is_some(),
    }
}

fn memory(runs: &[Watched], failed: Option<&str>) -> Measure {
    const WHAT: &str = "resident memory of another camera, decoded continuously at 640×512, rings not counted";
    const AIM: &str = "at most 12 MB";
    let (Some(few), Some(many)) = (runs.first(), runs.last()) else {
        return Measure::without("P5", WHAT, "MB", AIM, failed.unwrap_or("no run"));
    };
    if few.cameras == many.cameras {
        return Measure::without("P5", WHAT, "MB", AIM, failed.unwrap_or("needs runs with two numbers of cameras"));
    }
    let each = another_mb(few, many);
    Measure {
        id: "P5",
        what: WHAT.into(),
        unit: "MB",
        ours: each.into(),
        beside: Vec::new(),
        aim: AIM,
        met: Some(each <= AIM_CONTINUOUS_MB),
        with: format!("{} streams {:.0} MB, {} streams {:.0} MB", few.cameras, few.own_mb(), many.cameras, many.own_mb()),
        details: serde_json::Value::Null,
        failed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::report::Figure;

    #[test]
    fn streams_whose_pictures_never_came_are_missed() {
        let run = Watched::example(8, Err("not asked for".into()));
        let measure = streams(&[run], None);
        assert_eq!((measure.ours, measure.met), (Figure::Measured(0.0), Some(false)));
        assert_eq!(streams(&[], Some("no street")).ours.why_not(), Some("no street"));
    }

    #[test]
    fn memory_is_that_of_the_cameras_between() {
        let run = |cameras| Watched::example(cameras, Err("not asked for".into()));
        let measure = memory(&[run(4), run(8)], None);
        assert_eq!((measure.ours, measure.met), (Figure::Measured(1.0), Some(true)));
        assert!(memory(&[run(4)], None).ours.why_not().is_some());
    }
}
