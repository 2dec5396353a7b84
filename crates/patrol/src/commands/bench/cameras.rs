//! P2, P5 and P6: how many cameras one core keeps its promise to, what another one costs, and whether that stays the same when there are many.

use super::clip::{self, FPS, KBPS, SIZE};
use super::models::STREET;
use super::report::{Beside, Figure, Measure};
use super::watched::{Plan, ServedStreet, Stream, Watched, watch};
use super::{Context, Wanted};
use patrol_core::{Modality, PictureSize};
use patrol_sim::street::{StreetDetector, WatchOptions};
use serde_json::json;
use std::time::Duration;

const LOOK_EVERY_S: f64 = 10.0;
/// Between two examinations of a street where nothing changes, as rare as a pipeline may have it.
const RESCAN_EVERY_S: f64 = 120.0;
/// Nobody is on the street. What the network takes for somebody all the same would be watched, and then be examined at every look; no detection reaches
/// this score, at the same cost of the network.
const NOBODY_SCORE: f32 = 0.99;
/// A core is taken to be full at this part of it: the rest is for bursts, leads and the page.
const FULL_LOAD: f64 = 0.85;
const MAIN: Stream = Stream { name: "main", size: SIZE, fps: FPS, kbps: KBPS, empty: true, coded: true };
/// The code at the picture's edge changes from look to look. Until that is known for restlessness, after a minute or two, every look is examined; a short
/// run does without the code.
const MAIN_UNCODED: Stream = Stream { name: "main-uncoded", coded: false, ..MAIN };
const SUB: Stream = Stream { name: "sub", size: PictureSize::new(704, 576), fps: 15.0, kbps: 512, empty: true, coded: true };
/// P5 asks for at most 1 MB, P6 for the same within a tenth.
const AIM_MB: f64 = 1.0;
const AIM_DRIFT: f64 = 0.1;
const COUNT_UNIT: &str = "cameras on one core";

/// One row of P2: the same cameras, so many of them examined at every look.
struct Row {
    what: &'static str,
    stream: Stream,
    /// Looks that are to be examined, as a part of all.
    share: f64,
    counts: &'static [usize],
    counts_short: &'static [usize],
    wanted: usize,
    aim: &'static str,
}

impl Row {
    fn stream(&self, short: bool) -> Stream {
        if short && self.share < 1.0 && self.stream.name == MAIN.name { MAIN_UNCODED } else { self.stream }
    }
}

/// P5 and P6 are read from the second row, where the network does not cover what another camera costs; in the short form from the first, whose cameras
/// need not settle.
const ENDS_ROW: usize = 1;
const ENDS_ROW_SHORT: usize = 0;
/// Runs that would need more cores than this by what a camera cost before are left out: they would end in swapping, not in figures.
const HOPELESS_CORES: f64 = 1.5;

/// Why no more runs of a row were made.
struct Stop {
    why: String,
    /// Something broke; otherwise more cameras are known not to fit.
    failed: bool,
}

const ROWS: [Row; 4] = [
    Row {
        what: "cameras one core keeps its promise to, all looks examined by visible-person-n in one piece",
        stream: MAIN,
        share: 1.0,
        counts: &[25, 100, 200, 250, 300],
        counts_short: &[25, 250],
        wanted: 250,
        aim: "at least 250, no two captures more than 10 s apart",
    },
    Row {
        what: "cameras one core keeps its promise to, about 10 % of looks examined",
        stream: MAIN,
        share: 0.1,
        counts: &[25, 100, 200, 300, 320, 400],
        counts_short: &[320],
        wanted: 320,
        aim: "at least 320, no two captures more than 10 s apart",
    },
    Row {
        what: "cameras one core keeps its promise to, about half of the looks examined",
        stream: MAIN,
        share: 0.5,
        counts: &[100, 200, 300, 400],
        counts_short: &[],
        wanted: 250,
        aim: "none of its own; between the other two (250 to 320)",
    },
    Row {
        what: "cameras one core keeps its promise to, 512 kbit/s sub-streams",
        stream: SUB,
        share: 0.1,
        counts: &[500, 1000],
        counts_short: &[],
        wanted: 1000,
        aim: "at least 1000, no two captures more than 10 s apart",
    },
];

/// All rows that are wanted, P2 first.
pub(super) fn measure(context: &Context, wanted: Wanted) -> Vec<Measure> {
    let mut measures = Vec::new();
    let peer = if wanted.p2 { full_decode(context) } else { Figure::NotMeasured("P2 was not asked for".into()) };
    let mut street: Option<(&'static str, ServedStreet)> = None;
    let ends_row = if context.short { ENDS_ROW_SHORT } else { ENDS_ROW };
    for (number, row) in ROWS.iter().enumerate() {
        if number != ends_row && !wanted.p2 {
            continue;
        }
        let counts = counts_of(context, row);
        if counts.is_empty() {
            measures.push(Measure::without("P2", row.what, COUNT_UNIT, row.aim, "left out of the short form; run it without --short"));
            continue;
        }
        // What a camera costs where all looks are examined says little about where few are.
        let mut cost = None;
        let (runs, stop) = run_row(context, row, &counts, &mut street, &mut cost);
        if wanted.p2 {
            measures.push(how_many(row, &runs, stop.as_ref(), &peer));
        }
        if number == ends_row {
            let why = stop.as_ref().map(|stop| stop.why.as_str());
            measures.extend(wanted.p5.then(|| memory(&runs, why)));
            measures.extend(wanted.p6.then(|| evenness(&runs, why)));
        }
    }
    measures
}

fn counts_of(context: &Context, row: &Row) -> Vec<usize> {
    let built_in = if context.short { row.counts_short } else { row.counts };
    match &context.cameras {
        Some(asked) if !built_in.is_empty() => asked.clone(),
        _ => built_in.to_vec(),
    }
}

/// Runs one after another, from few cameras to many, until one goes wrong or more are hopeless. `cost`: cores that a camera takes for each kbit/s, by the
/// last run.
fn run_row(
    context: &Context,
    row: &Row,
    counts: &[usize],
    street: &mut Option<(&'static str, ServedStreet)>,
    cost: &mut Option<f64>,
) -> (Vec<Watched>, Option<Stop>) {
    let mut runs = Vec::new();
    for count in counts {
        let load = *count as f64 * f64::from(row.stream.kbps);
        if let Some(cores) = cost.map(|cost| cost * load).filter(|cores| *cores > HOPELESS_CORES) {
            let why = format!("{count} cameras would need {cores:.1} cores and more by what a camera cost before");
            return (runs, Some(Stop { why, failed: false }));
        }
        eprintln!("P2: {count} cameras, {} kbit/s each, {:.0} % of looks to be examined", row.stream.kbps, 100.0 * row.share);
        match run_once(context, row, *count, street) {
            Ok(watched) => {
                eprintln!("    {}", watched.words());
                *cost = Some(watched.core_share() / load);
                runs.push(watched);
            }
            Err(error) => return (runs, Some(Stop { why: format!("{count} cameras: {error:#}"), failed: true })),
        }
    }
    (runs, None)
}

fn run_once(context: &Context, row: &Row, count: usize, street: &mut Option<(&'static str, ServedStreet)>) -> anyhow::Result<Watched> {
    // One street serves all rows of its stream; cameras that nobody watches cost it nothing.
    let stream = row.stream(context.short);
    let fits = street.as_ref().is_some_and(|(name, street)| *name == stream.name && street.config.cameras >= count);
    if !fits {
        *street = None;
        let alike = ROWS.iter().filter(|other| other.stream(context.short).name == stream.name);
        let most = alike.flat_map(|other| counts_of(context, other)).max().unwrap_or(count);
        *street = Some((stream.name, ServedStreet::start(context, stream, most.max(count))?));
    }
    let Some((_, street)) = street else { anyhow::bail!("there is no street") };
    let plan = Plan {
        watch: WatchOptions {
            cameras: Some(count),
            modality: Modality::Visible,
            detector: StreetDetector::Onnx(STREET.into()),
            // A look that is not owed in full sees the whole picture; here every examination stands for one of those.
            tiles: Some("never"),
            look_limit_s: Some(LOOK_EVERY_S),
            rescan_every_s: Some(RESCAN_EVERY_S),
            min_score: Some(NOBODY_SCORE),
            always_examined: always_examined(context.short, row.share),
            workers: Some(1),
            placed: true,
            ..WatchOptions::default()
        },
        look_every_s: LOOK_EVERY_S,
        cores: vec![context.core],
        settle: settle(context.short, row.share),
        window: Duration::from_secs(if context.short { 30 } else { 180 }),
        looks_logged: true,
    };
    watch(context, street, &plan)
}

/// The part of the cameras that are examined at every look, so that with the rescans of the others `share` of all looks are. A short run ends before
/// the others' rescans come due.
fn always_examined(short: bool, share: f64) -> f64 {
    let by_rescan = if short { 0.0 } else { LOOK_EVERY_S / RESCAN_EVERY_S };
    ((share - by_rescan) / (1.0 - by_rescan)).clamp(0.0, 1.0)
}

/// A camera's first four looks are examined whatever they show, and so are those after a change; cameras that are always examined have nothing to wait
/// for but their first looks.
fn settle(short: bool, share: f64) -> Duration {
    let looks = match (short, share < 1.0) {
        (true, true) => 4.0,
        // Until the code is known for what it is.
        (false, true) => 15.0,
        // All begin at once.
        (_, false) => 3.0,
    };
    Duration::from_secs_f64(looks * LOOK_EVERY_S)
}

/// Cameras of one core when every picture is decoded and nothing else is done.
fn full_decode(context: &Context) -> Figure {
    let cameras = context.clip().and_then(|clip| {
        let cpu_s = clip::decode_cpu_s(context, clip)?;
        Ok(clip.pictures as f64 / cpu_s / FPS)
    });
    cameras.into()
}

fn how_many(row: &Row, runs: &[Watched], stop: Option<&Stop>, peer: &Figure) -> Measure {
    let kept = runs.iter().filter(|run| is_kept(run)).map(|run| run.cameras).max();
    let unlogged = runs.iter().find_map(|run| run.audit.as_ref().err());
    let ours = match (kept, runs.is_empty(), unlogged) {
        (_, true, _) => Figure::NotMeasured(stop.map_or_else(|| "no run".to_owned(), |stop| stop.why.clone())),
        (None, false, Some(why)) => Figure::NotMeasured(format!("no run told its looks: {why}")),
        (kept, ..) => Figure::Measured(kept.unwrap_or(0) as f64),
    };
    let most_tried = runs.iter().map(|run| run.cameras).max().unwrap_or(0);
    // A run with fewer cameras than the aim cannot tell that more would not do.
    let met = match ours.value() {
        Some(value) if value >= row.wanted as f64 => Some(true),
        Some(value) if most_tried < row.wanted && value == most_tried as f64 && stop.is_none_or(|stop| stop.failed) => None,
        Some(_) if runs.iter().any(|run| !is_kept(run) && run.is_disturbed()) => None,
        Some(_) => Some(false),
        None => None,
    };
    // One that does not keep up does not show what a camera costs.
    let projected = runs.iter().rev().find(|run| is_kept(run)).map(|run| FULL_LOAD * run.cameras as f64 / run.core_share());
    let mut with: Vec<String> = runs.iter().map(Watched::words).collect();
    with.extend(stop.map(|stop| format!("no more runs: {}", stop.why)));
    with.extend(projected.map(|count| {
        format!("at the cost of the last run that kept its promise {count:.0} cameras fill {:.0} % of the core", 100.0 * FULL_LOAD)
    }));
    with.push("with codes in the pictures the patrol also writes the strips it is audited by".into());
    Measure {
        id: "P2",
        what: format!("{}, {}×{}, {} kbit/s", row.what, row.stream.size.width, row.stream.size.height, row.stream.kbps),
        unit: COUNT_UNIT,
        ours,
        beside: vec![Beside { what: "decoding every picture of 1920×1080".into(), figure: peer.clone() }],
        aim: row.aim,
        met,
        with: with.join(". "),
        details: json!({ "runs": runs.iter().map(Watched::json).collect::<Vec<_>>(), "projected_cameras": projected }),
        failed: stop.is_some_and(|stop| stop.failed),
    }
}

fn is_kept(run: &Watched) -> bool {
    run.audit.as_ref().is_ok_and(|audit| audit.is_well(run.cameras))
}

/// The first run and the last, where they differ in cameras.
fn ends<'a>(runs: &'a [Watched], failed: Option<&str>) -> Result<(&'a Watched, &'a Watched), String> {
    match (runs.first(), runs.last()) {
        (Some(few), Some(many)) if many.cameras > few.cameras => Ok((few, many)),
        _ => Err(failed.map_or_else(|| "needs runs with two numbers of cameras".to_owned(), str::to_owned)),
    }
}

fn memory(runs: &[Watched], failed: Option<&str>) -> Measure {
    const WHAT: &str = "resident memory of another camera, looked at every 10 s, rings not counted";
    const AIM: &str = "at most 1 MB";
    match ends(runs, failed) {
        Err(why) => Measure::without("P5", WHAT, "MB", AIM, why),
        Ok((few, many)) => {
            let each = another_mb(few, many);
            Measure {
                id: "P5",
                what: WHAT.into(),
                unit: "MB",
                ours: each.into(),
                beside: Vec::new(),
                aim: AIM,
                met: Some(each <= AIM_MB),
                with: format!("{} cameras {:.0} MB, {} cameras {:.0} MB", few.cameras, few.own_mb(), many.cameras, many.own_mb()),
                details: json!({"few": few.json(), "many": many.json()}),
                failed: false,
            }
        }
    }
}

/// What each camera beyond those of `few` takes, MB.
pub(super) fn another_mb(few: &Watched, many: &Watched) -> f64 {
    (many.own_mb() - few.own_mb()) / (many.cameras - few.cameras).max(1) as f64
}

fn evenness(runs: &[Watched], failed: Option<&str>) -> Measure {
    const WHAT: &str = "CPU time of a camera among many over that of one among few";
    const UNIT: &str = "×";
    const AIM: &str = "1 within 10 %";
    match ends(runs, failed) {
        Err(why) => Measure::without("P6", WHAT, UNIT, AIM, why),
        Ok((few, many)) => {
            let drift = many.ms_per_camera_second() / few.ms_per_camera_second();
            Measure {
                id: "P6",
                what: WHAT.into(),
                unit: UNIT,
                ours: drift.into(),
                beside: Vec::new(),
                aim: AIM,
                met: Some(is_even(drift)),
                with: format!(
                    "{} cameras {:.3} ms, {} cameras {:.3} ms of CPU a camera and second; {:.0} % and {:.0} % of looks examined",
                    few.cameras,
                    few.ms_per_camera_second(),
                    many.cameras,
                    many.ms_per_camera_second(),
                    100.0 * few.share_examined(),
                    100.0 * many.share_examined(),
                ),
                details: serde_json::Value::Null,
                failed: false,
            }
        }
    }
}

/// Many cameras may be cheaper each, as what is done once is shared; that is no drift.
fn is_even(drift: f64) -> bool {
    drift <= 1.0 + AIM_DRIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::audit::{Audit, By};

    fn run(cameras: usize, broken: usize) -> Watched {
        let audit = Audit { cameras, max_between_captures_s: 8.0, max_blind_s: 8.1, broken, wrong: 0, unreadable: 0, by: By::Codes };
        Watched::example(cameras, Ok(audit))
    }

    #[test]
    fn the_most_cameras_that_all_were_seen_in_time_count() {
        let peer = Figure::Measured(9.0);
        let kept = how_many(&ROWS[1], &[run(100, 0), run(320, 0), run(400, 3)], None, &peer);
        assert_eq!((kept.ours, kept.met), (Figure::Measured(320.0), Some(true)));
        let fewer = how_many(&ROWS[1], &[run(100, 0), run(320, 1)], None, &peer);
        assert_eq!((fewer.ours, fewer.met), (Figure::Measured(100.0), Some(false)));
    }

    #[test]
    fn what_was_not_tried_is_not_told() {
        let peer = Figure::Measured(9.0);
        assert_eq!(how_many(&ROWS[0], &[run(8, 0)], None, &peer).met, None, "8 kept of 8 tried says nothing of 320");
        let mut disturbed = run(320, 1);
        (disturbed.cpu_s, disturbed.others_cpu_s) = (8.0, 10.0);
        assert_eq!(how_many(&ROWS[1], &[disturbed], None, &peer).met, None, "others filled the machine");
        let broke = Stop { why: "25 cameras: no room".into(), failed: true };
        let none = how_many(&ROWS[0], &[], Some(&broke), &peer);
        assert_eq!((none.ours.why_not(), none.met, none.failed), (Some("25 cameras: no room"), None, true));
        let hopeless = Stop { why: "320 cameras would need 32 cores".into(), failed: false };
        let few = how_many(&ROWS[0], &[run(8, 0)], Some(&hopeless), &peer);
        assert_eq!((few.met, few.failed), (Some(false), false), "more are known not to fit");
        let unaudited = how_many(&ROWS[0], &[Watched::example(320, Err("no looks".into()))], None, &peer);
        assert!(unaudited.ours.why_not().is_some_and(|why| why.contains("no looks")));
    }

    #[test]
    fn rescans_count_towards_the_share_examined() {
        assert_eq!((always_examined(true, 0.1), always_examined(false, 1.0)), (0.1, 1.0));
        let always = always_examined(false, 0.5);
        assert!((always + (1.0 - always) / 12.0 - 0.5).abs() < 1e-9);
        assert_eq!(always_examined(false, 0.01), 0.0);
    }

    #[test]
    fn memory_and_evenness_need_two_numbers_of_cameras() {
        assert!(memory(&[run(8, 0)], None).ours.why_not().is_some());
        let (few, many) = (run(10, 0), run(20, 0));
        assert!((another_mb(&few, &many) - 1.0).abs() < 1e-9, "the example takes 1 MB a camera");
        assert_eq!(evenness(&[few, many], None).met, Some(true));
        assert!(is_even(0.7) && !is_even(1.11));
    }
}
