//! CLEAR MOT (Bernardin and Stiefelhagen 2008) and identity measures (Ristani et al. 2016) from MOTChallenge text; agrees with `motmetrics`.
//!
//! Lines are `frame,id,x,y,w,h[,confidence[,…]]`. Lines of the truth with confidence 0 are not asked for and left out.

use super::{read_text, tell};
use anyhow::{Context as _, Result, bail};
use patrol_core::PixelBox;
use patrol_track::assignment;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Args {
    /// MOTChallenge ground truth.
    #[arg(long)]
    truth: PathBuf,
    /// MOTChallenge tracks.
    #[arg(long)]
    results: PathBuf,
    /// Overlap from which a track is on a person.
    #[arg(long, default_value_t = 0.5)]
    iou: f32,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// What `patrol eval track --json` writes. A share that has no denominator is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct TrackScore {
    /// Share of boxes with the right identity, when every person is given the one track that serves him best.
    idf1: Option<f64>,
    /// 1 less (missed + false + switches) per true box.
    mota: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    /// Times a person's track became another one.
    id_switches: usize,
    false_positives: usize,
    false_negatives: usize,
    frames: usize,
    true_boxes: usize,
    true_people: usize,
    track_boxes: usize,
    tracks: usize,
}

/// Boxes by frame.
type Boxes = BTreeMap<u64, Vec<(u64, PixelBox)>>;

pub(super) fn run(args: &Args) -> Result<()> {
    if !(args.iou > 0.0 && args.iou <= 1.0) {
        bail!("--iou: wanted above 0 and at most 1, found {}", args.iou);
    }
    let truth = parse(&read_text(&args.truth)?, &args.truth, true)?;
    let tracks = parse(&read_text(&args.results)?, &args.results, false)?;
    tell(&score(&truth, &tracks, args.iou), args.json)
}

fn parse(text: &str, path: &Path, is_truth: bool) -> Result<Boxes> {
    let mut boxes = Boxes::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}, line {}: wanted frame,id,x,y,w,h, found {line:?}", path.display(), number + 1);
        let fields: Vec<f64> = line.split(',').map(|field| field.trim().parse()).collect::<Result<_, _>>().with_context(place)?;
        let [frame, id, x, y, w, h, ref more @ ..] = fields[..] else { bail!(place()) };
        if fields[..6].iter().any(|field| !field.is_finite()) || frame < 0.0 || id < 0.0 {
            bail!(place());
        }
        if is_truth && more.first() == Some(&0.0) {
            continue;
        }
        let bbox = PixelBox::new(x as f32, y as f32, w as f32, h as f32);
        boxes.entry(frame as u64).or_default().push((id as u64, bbox));
    }
    Ok(boxes)
}

#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(text: &str) {
    let read = |is_truth| parse(text, Path::new("gt.txt"), is_truth);
    if let (Ok(truth), Ok(tracks)) = (read(true), read(false)) {
        score(&truth, &tracks, 0.5);
    }
}

fn score(truth: &Boxes, tracks: &Boxes, iou_min: f32) -> TrackScore {
    let (mut missed, mut wrong, mut switches, mut matched) = (0, 0, 0, 0);
    // The track each person was matched with last.
    let mut last: HashMap<u64, u64> = HashMap::new();
    let mut together: HashMap<(u64, u64), u32> = HashMap::new();
    let frames: HashSet<u64> = truth.keys().chain(tracks.keys()).copied().collect();
    let mut ordered: Vec<u64> = frames.iter().copied().collect();
    ordered.sort_unstable();
    for frame in &ordered {
        let people = truth.get(frame).map_or(&[][..], Vec::as_slice);
        let said = tracks.get(frame).map_or(&[][..], Vec::as_slice);
        let mut costs: Vec<f32> = Vec::with_capacity(people.len() * said.len());
        for (person, a) in people {
            for (track, b) in said {
                let iou = a.iou(b);
                costs.push(if iou >= iou_min { 1.0 - iou } else { f32::INFINITY });
                if iou >= iou_min {
                    *together.entry((*person, *track)).or_default() += 1;
                }
            }
        }
        let mut pairs: Vec<Option<usize>> = vec![None; people.len()];
        // A pair of the frames before stands while it is allowed.
        for (row, (person, _)) in people.iter().enumerate() {
            let column = last.get(person).and_then(|track| said.iter().position(|(id, _)| id == track));
            pairs[row] = column.filter(|column| costs[row * said.len() + column].is_finite() && !pairs.contains(&Some(*column)));
        }
        for (row, pair) in pairs.iter().enumerate() {
            for column in 0..said.len() {
                if pair.is_some() || pairs.contains(&Some(column)) {
                    costs[row * said.len() + column] = f32::INFINITY;
                }
            }
        }
        for (row, column) in assignment::solve(&costs, people.len(), said.len()).into_iter().enumerate() {
            let Some(column) = column else { continue };
            let (person, track) = (people[row].0, said[column].0);
            switches += usize::from(last.get(&person).is_some_and(|before| *before != track));
            pairs[row] = Some(column);
        }
        for (row, column) in pairs.iter().enumerate() {
            if let Some(column) = column {
                last.insert(people[row].0, said[*column].0);
            }
        }
        let hits = pairs.iter().flatten().count();
        matched += hits;
        missed += people.len() - hits;
        wrong += said.len() - hits;
    }
    let (true_boxes, track_boxes) = (count(truth), count(tracks));
    let (true_people, said_tracks) = (ids(truth), ids(tracks));
    let right = right_identities(&together, &true_people, &said_tracks);
    let share = |part: f64, whole: usize| (whole > 0).then(|| part / whole as f64);
    TrackScore {
        idf1: share(2.0 * f64::from(right), true_boxes + track_boxes),
        mota: share(true_boxes as f64 - (missed + wrong + switches) as f64, true_boxes),
        precision: share(matched as f64, track_boxes),
        recall: share(matched as f64, true_boxes),
        id_switches: switches,
        false_positives: wrong,
        false_negatives: missed,
        frames: frames.len(),
        true_boxes,
        true_people: true_people.len(),
        track_boxes,
        tracks: said_tracks.len(),
    }
}

fn count(boxes: &Boxes) -> usize {
    boxes.values().map(Vec::len).sum()
}

fn ids(boxes: &Boxes) -> Vec<u64> {
    let mut ids: Vec<u64> = boxes.values().flatten().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Boxes of the right identity when each person is given at most one track and each track at most one person, so that they are most.
fn right_identities(together: &HashMap<(u64, u64), u32>, people: &[u64], tracks: &[u64]) -> u32 {
    let shared = |person: &u64, track: &u64| together.get(&(*person, *track)).copied().unwrap_or(0);
    let costs: Vec<f32> = people.iter().flat_map(|person| tracks.iter().map(move |track| -(shared(person, track) as f32))).collect();
    let pairs = assignment::solve(&costs, people.len(), tracks.len());
    pairs.iter().enumerate().filter_map(|(row, column)| column.map(|column| shared(&people[row], &tracks[column]))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_it_panic(lines in prop::collection::vec("(-?[0-9]{1,25}(\\.[0-9]+)?(e[0-9]{1,3})?|NaN|inf|[a-z]?)(,(-?[0-9]{1,3}|NaN|1e39)){4,8}", 0..12)) {
            let text = lines.join("\n");
            if let Ok(boxes) = parse(&text, Path::new("t"), false) {
                let score = score(&boxes, &boxes, 0.5);
                prop_assert!(score.false_positives + score.false_negatives <= 2 * count(&boxes));
            }
        }
    }
    use std::fmt::Write as _;

    fn check(truth: &str, tracks: &str) -> TrackScore {
        let path = Path::new("test");
        score(&parse(truth, path, true).unwrap(), &parse(tracks, path, false).unwrap(), 0.5)
    }

    #[test]
    fn an_identity_switch_costs_mota_once_and_idf1_by_its_length() {
        let (mut truth, mut tracks) = (String::new(), String::new());
        for f in 1..=10 {
            writeln!(truth, "{f},1,{},10,20,40,1,1,1\n{f},9,500,10,20,40,0,1,1", f * 2).unwrap();
            writeln!(tracks, "{f},{},{},10,20,40,0.9", if f <= 6 { 4 } else { 5 }, f * 2).unwrap();
        }
        let score = check(&truth, &tracks);
        assert_eq!((score.id_switches, score.false_positives, score.false_negatives), (1, 0, 0));
        assert!((score.mota.unwrap() - 0.9).abs() < 1e-12 && (score.idf1.unwrap() - 0.6).abs() < 1e-12, "{score:?}");
    }

    #[test]
    fn missed_and_false_boxes_are_counted() {
        let score = check("1,1,0,0,10,10\n2,1,0,0,10,10\n", "1,1,0,0,10,10,0.5\n1,2,50,0,10,10,0.5\n");
        assert_eq!((score.false_positives, score.false_negatives, score.precision, score.recall), (1, 1, Some(0.5), Some(0.5)));
        assert_eq!(check("", "").mota, None);
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = parse("1,1,0,0,10,10\n1,x,0\n", Path::new("gt.txt"), true).unwrap_err();
        assert!(format!("{error:#}").contains("gt.txt, line 2"), "{error:#}");
    }
}
