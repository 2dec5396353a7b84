//! Who needed a lead, and which lead is about whom.

use super::truth::{Need, Seen, Truth, TruthPerson};
use patrol_core::{Crs, Lead, PictureSize, PixelBox, Position, WallTime};

/// Design §5: a lead is made at the earliest after 2 min lying, 10 min sitting.
pub(super) const DOWN_S: f64 = 120.0;
pub(super) const SITTING_S: f64 = 600.0;
/// One who comes to need a lead later than this before the truth ends is not asked for: two looks at the usual promise of 10 s.
const ANSWER_S: f64 = 20.0;
/// Less of a person than this in view cannot be asked for.
const VISIBLE_MIN: f64 = 0.25;
/// Farther apart than this, or than 2.5 times the usual step of the truth, two moments in view are not one stay in view.
const STEP_MAX_S: f64 = 30.0;
/// Design §2: people down within 2 m of one another are a group.
const GROUP_M: f64 = 2.0;
/// Lead and truth may differ in time by a look at the usual promise.
const TIME_SLACK_S: f64 = 10.0;
const IOU_MIN: f64 = 0.1;
const CENTRE_MAX_BOXES: f64 = 1.5;
const GROUND_MAX_M: f64 = 3.0;

/// A person who was down or sat, at some time and in some camera's view.
pub(super) struct Needy<'a> {
    pub(super) person: &'a TruthPerson,
    /// When the time down or sitting in view first was long enough for a lead, seconds; `None` when it never was.
    pub(super) due_s: Option<f64>,
    /// When that time began, seconds; without it, when he first was down or sat.
    pub(super) from_s: f64,
    /// Moments down or sitting of which a camera saw anything, in order of time.
    pub(super) seen: Vec<&'a Seen>,
}

impl Needy<'_> {
    /// Until when he needed help, seconds.
    pub(super) fn to_s(&self) -> f64 {
        self.person.down_to_s.or_else(|| Some(self.seen.last()?.t_s)).unwrap_or(self.from_s)
    }
}

/// People down together, who share one lead: indices of [`Needy`].
pub(super) type Group = Vec<usize>;

pub(super) fn needy(truth: &Truth) -> Vec<Needy<'_>> {
    let end_s = truth.people.iter().flat_map(|person| &person.seen).map(|seen| seen.t_s).fold(f64::NEG_INFINITY, f64::max);
    truth
        .people
        .iter()
        .filter_map(|person| {
            let mut seen: Vec<&Seen> = person.seen.iter().filter(|seen| seen.visible > 0.0 && seen.t_s.is_finite()).collect();
            seen.sort_by(|a, b| a.t_s.total_cmp(&b.t_s));
            let in_view: Vec<&Seen> = seen.iter().copied().filter(|seen| seen.visible >= VISIBLE_MIN).collect();
            let due = due(&in_view).filter(|(_, due_s)| due_s + ANSWER_S <= end_s);
            seen.retain(|seen| seen.need() != Need::None);
            let from_s = due.map(|(from_s, _)| from_s).or_else(|| Some(seen.first()?.t_s))?;
            Some(Needy { person, due_s: due.map(|(_, due_s)| due_s), from_s, seen })
        })
        .collect()
}

/// When one seen so, in order of time and by any camera, has been down or has sat in view for long enough, and since when he was. Time out of view
/// does not count and does not start the clock anew; getting up in view does. Sitting and lying in turn is the longer of both clocks.
fn due(in_view: &[&Seen]) -> Option<(f64, f64)> {
    let mut steps: Vec<f64> = in_view.windows(2).map(|pair| pair[1].t_s - pair[0].t_s).filter(|step| *step > 0.0).collect();
    steps.sort_by(f64::total_cmp);
    let step_max_s = steps.get(steps.len() / 2).map_or(STEP_MAX_S, |median| (2.5 * median).max(STEP_MAX_S));
    let (mut down_s, mut low_s) = (0.0, 0.0);
    let (mut down_from_s, mut low_from_s) = (0.0, 0.0);
    for pair in in_view.windows(2) {
        let step_s = pair[1].t_s - pair[0].t_s;
        let counted_s = if step_s <= step_max_s { step_s } else { 0.0 };
        if down_s == 0.0 {
            down_from_s = pair[0].t_s;
        }
        if low_s == 0.0 {
            low_from_s = pair[0].t_s;
        }
        match (pair[0].need(), pair[1].need()) {
            (Need::Down, Need::Down) => (down_s, low_s) = (down_s + counted_s, low_s + counted_s),
            (Need::None, _) | (_, Need::None) => (down_s, low_s) = (0.0, 0.0),
            _ => (down_s, low_s) = (0.0, low_s + counted_s),
        }
        if down_s >= DOWN_S || low_s >= SITTING_S {
            let from_s = if down_s >= DOWN_S { down_from_s } else { low_from_s };
            return Some((from_s, pair[1].t_s));
        }
    }
    None
}

/// Groups of people down at one time within 2 m of one another, directly or through others. Everyone is in exactly one.
pub(super) fn groups(truth: &Truth, needy: &[Needy]) -> Vec<Group> {
    let mut group_of: Vec<usize> = (0..needy.len()).collect();
    for a in 0..needy.len() {
        for b in a + 1..needy.len() {
            if group_of[a] != group_of[b] && together(truth, &needy[a], &needy[b]) {
                let (from, into) = (group_of[b], group_of[a]);
                group_of.iter_mut().filter(|group| **group == from).for_each(|group| *group = into);
            }
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for root in 0..needy.len() {
        let members: Group = (0..needy.len()).filter(|index| group_of[*index] == root).collect();
        if !members.is_empty() {
            groups.push(members);
        }
    }
    groups
}

fn together(truth: &Truth, a: &Needy, b: &Needy) -> bool {
    a.seen.iter().filter(|seen| seen.need() == Need::Down).any(|one| {
        // Ordered by time: only those of the same seconds can be together with this one.
        let from = b.seen.partition_point(|other| other.t_s < one.t_s - 1.0);
        b.seen[from..]
            .iter()
            .take_while(|other| other.t_s <= one.t_s + 1.0)
            .any(|other| other.need() == Need::Down && ground_distance_m(truth, one, other).is_some_and(|metres| metres <= GROUP_M))
    })
}

fn ground_distance_m(truth: &Truth, a: &Seen, b: &Seen) -> Option<f64> {
    if a.camera == b.camera {
        let (a, b) = (a.ground_m?, b.ground_m?);
        return Some((a[0] - b[0]).hypot(a[1] - b[1]));
    }
    Some(position_of(truth, a)?.distance_m(&position_of(truth, b)?))
}

fn position_of(truth: &Truth, seen: &Seen) -> Option<Position> {
    let (camera, ground) = (truth.cameras.get(&seen.camera)?.position?, seen.ground_m?);
    let at = Position { lon: camera.lon, lat: camera.lat, crs: Crs::Wgs84, error_m: 0.0 };
    Some(at.offset(&patrol_core::GroundPoint { east_m: ground[0] as f32, north_m: ground[1] as f32, error_m: 0.0 }))
}

/// How near `lead` is to `needy` where they agree best, 0 (the same) to 1; `None` when the lead is not about that person.
pub(super) fn nearness(truth: &Truth, needy: &Needy, lead: &Lead, start: WallTime) -> Option<f64> {
    let (first_s, last_s) = (lead.first_seen.seconds_since(start), lead.last_seen.seconds_since(start));
    let mut best: Option<f64> = None;
    let mut take = |near: Option<f64>| best = [best, near].into_iter().flatten().min_by(f64::total_cmp);
    for evidence in &lead.evidence {
        let at_s = evidence.captured.at.seconds_since(start);
        for seen in during(needy, at_s, at_s).filter(|seen| seen.camera == evidence.camera.as_str()) {
            take(box_nearness(truth, seen, &evidence.bbox, evidence.size));
        }
    }
    let place = &lead.place;
    for seen in during(needy, first_s, last_s) {
        if seen.camera == place.camera.as_str() {
            take(box_nearness(truth, seen, &place.bbox, place.size));
            if let (Some(ground), Some(true_ground)) = (place.ground, seen.ground_m) {
                take(ground_nearness((true_ground[0] - f64::from(ground.east_m)).hypot(true_ground[1] - f64::from(ground.north_m))));
            }
        } else if let (Some(position), Some(true_position)) = (place.position, position_of(truth, seen)) {
            take(ground_nearness(position.to_wgs84().distance_m(&true_position)));
        }
    }
    best
}

/// Moments of `needy` between two times, with slack.
fn during<'a>(needy: &'a Needy<'a>, from_s: f64, to_s: f64) -> impl Iterator<Item = &'a Seen> {
    let from = needy.seen.partition_point(|seen| seen.t_s < from_s - TIME_SLACK_S);
    needy.seen[from..].iter().copied().take_while(move |seen| seen.t_s <= to_s + TIME_SLACK_S)
}

fn ground_nearness(metres: f64) -> Option<f64> {
    (metres <= GROUND_MAX_M).then_some(metres / GROUND_MAX_M)
}

/// A box of the truth in pixels of a picture of `size`: the truth may be measured on the main stream and the lead on the sub-stream.
pub(super) fn true_box(truth: &Truth, camera: &str, [x, y, w, h]: [f64; 4], size: PictureSize) -> PixelBox {
    let scale = truth.cameras.get(camera).and_then(|camera| camera.size).filter(|size| size[0] > 0.0 && size[1] > 0.0);
    let (sx, sy) = scale.map_or((1.0, 1.0), |true_size| (f64::from(size.width) / true_size[0], f64::from(size.height) / true_size[1]));
    PixelBox::new((x * sx) as f32, (y * sy) as f32, (w * sx) as f32, (h * sy) as f32)
}

/// By overlap, or by the distance of the centres in long sides of the true box.
pub(super) fn box_nearness(truth: &Truth, seen: &Seen, said: &PixelBox, size: PictureSize) -> Option<f64> {
    let bbox = true_box(truth, &seen.camera, seen.bbox, size);
    let iou = f64::from(bbox.iou(said));
    let (p, q) = (bbox.centre(), said.centre());
    let off = f64::from((p.x - q.x).hypot(p.y - q.y)) / f64::from(bbox.w.max(bbox.h)).max(1.0);
    (iou > IOU_MIN || off <= CENTRE_MAX_BOXES).then(|| (1.0 - iou).min(1.0) * 0.5 + 0.5 * (off / CENTRE_MAX_BOXES).min(1.0))
}
