//! What becomes of a place when its picture changes.

use super::*;
use patrol_core::{DetectionSource, PictureSize, PixelFormat, PixelPoint, WallEstimate, WallTime};

const SIZE: PictureSize = PictureSize { width: 320, height: 240 };

fn lying(bbox: PixelBox, second: u64) -> Track {
    let now = MediaTime::from_secs_f64(second as f64);
    Track {
        id: TrackId(7),
        stage: TrackStage::Confirmed,
        bbox,
        score: 0.9,
        score_mean: 0.9,
        source: DetectionSource::HotSpot,
        resolved: true,
        blob: None,
        first_seen: MediaTime::ZERO,
        last_seen: now,
        hits: 9,
        looks: 9,
        still_since: Some(MediaTime::ZERO),
        speed_px_s: 0.0,
        entered_at: PixelPoint { x: 0.0, y: 0.0 },
    }
}

/// Ground with noise, and things on it, each of a level.
fn picture(things: &[(PixelBox, u8)], second: u64) -> Picture {
    let mut noise = second.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let level = |at: u32| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        let (x, y) = ((at % SIZE.width) as f32 + 0.5, (at / SIZE.width) as f32 + 0.5);
        let here = |thing: &PixelBox| (thing.x..thing.right()).contains(&x) && (thing.y..thing.bottom()).contains(&y);
        things.iter().find(|(thing, _)| here(thing)).map_or(90, |(_, level)| *level) + (noise % 4) as u8
    };
    let pixels = (0..SIZE.width * SIZE.height).map(level).collect();
    let captured = WallEstimate { at: WallTime(0) + Duration::from_secs(second), error_ms: 0 };
    let at = MediaTime::from_secs_f64(second as f64);
    Picture::from_planes(SIZE, PixelFormat::Gray8, vec![pixels], second, at, captured).expect("a picture")
}

const AT_LEFT: PixelBox = PixelBox::new(20.0, 100.0, 40.0, 16.0);

/// The place of one who lies at [`AT_LEFT`], and where he is once the camera has drifted so many pixels to the right.
fn drifted(by_px: f32) -> (WatchCells, PixelBox) {
    let mut cells = WatchCells::default();
    cells.open(&lying(AT_LEFT, 0), Posture::Lying, &picture(&[(AT_LEFT, 220)], 0), None);
    cells.carry(&PictureTransform::shift(-f64::from(by_px), 0.0));
    (cells, PixelBox { x: AT_LEFT.x - by_px, ..AT_LEFT })
}

/// A drone drifts until its picture shows the half of him, and back: he is watched where he lies, not where the half of him was.
#[test]
fn the_part_that_the_edge_of_a_moving_picture_leaves_of_him_is_no_place_of_its_own() {
    let (mut cells, moved) = drifted(40.0);
    for second in 1..8 {
        let track = lying(moved.clipped(SIZE), second);
        let news = cells.cells[0].judge(&picture(&[(moved, 220)], second), &track, false, &[], |_| None);
        assert_eq!((news, cells.cells[0].state), (CellNews::None, CellState::Found));
    }
    cells.carry(&PictureTransform::shift(40.0, 0.0));
    assert_eq!(cells.cells[0].place, AT_LEFT);
}

const COVERED: (PixelBox, u8) = (PixelBox::new(120.0, 100.0, 60.0, 24.0), 110);
const BESIDE: (PixelBox, u8) = (PixelBox::new(125.0, 78.0, 60.0, 22.0), 112);

/// The place of one who has just vanished under a quilt.
fn covered() -> WatchCells {
    let before = PlacePatch::take(&picture(&[], 1000), &COVERED.0).expect("a patch");
    let mut cells = WatchCells::default();
    cells.open_vanished(&Track { stage: TrackStage::Lost, ..lying(COVERED.0, 0) }, &picture(&[COVERED], 0), before);
    cells
}

/// Nobody is found at the place of one who vanished under a quilt; `things` lie there in each second. What the cell says in the end.
fn vanished(things: impl Fn(u64) -> Vec<(PixelBox, u8)>, seconds: u64) -> (CellNews, CellState) {
    let resting = Track { stage: TrackStage::Lost, ..lying(COVERED.0, 0) };
    let mut cells = covered();
    let mut news = CellNews::None;
    for second in 1..=seconds {
        news = cells.cells[0].judge(&picture(&things(second), second), &resting, true, &[], |_| None);
        if news != CellNews::None {
            break;
        }
    }
    (news, cells.cells[0].state)
}

#[test]
fn who_lies_under_a_quilt_is_kept_when_another_lies_down_beside_him() {
    let another_from_30 = |second| if second < 30 { vec![COVERED] } else { vec![COVERED, BESIDE] };
    assert_eq!(vanished(another_from_30, 400), (CellNews::None, CellState::Held));
}

#[test]
fn who_gets_up_from_under_a_quilt_is_not_kept_for_another_beside_him() {
    let only_the_other_from_30 = |second| if second < 30 { vec![COVERED] } else { vec![BESIDE] };
    let (news, _) = vanished(only_the_other_from_30, 400);
    assert!(matches!(news, CellNews::Lost | CellNews::SeenEmpty), "{news:?}");
}

/// A detector's slip in a crowd is no quilt.
#[test]
fn whoever_is_hidden_as_soon_as_he_vanished_is_not_waited_for() {
    let hidden =
        |second| if second < 4 { vec![COVERED] } else { vec![(PixelBox::new(110.0 + (second % 7) as f32, 60.0, 50.0, 70.0), 200)] };
    assert_eq!(vanished(hidden, 60).0, CellNews::Lost);
}

/// Part of the other lies over him.
const OVER_HIM: (PixelBox, u8) = (PixelBox::new(125.0, 78.0, 60.0, 26.0), 150);

#[test]
fn who_lies_under_a_quilt_is_kept_when_the_other_goes_again() {
    let another = |second| if (30..100).contains(&second) { vec![OVER_HIM, COVERED] } else { vec![COVERED] };
    assert_eq!(vanished(another, 99), (CellNews::None, CellState::Held));
    assert_eq!(vanished(another, 400), (CellNews::None, CellState::Held));
}

#[test]
fn who_gets_up_beside_another_who_stays_is_not_kept_for_him() {
    let another = |second| match second {
        0..30 => vec![COVERED],
        30..100 => vec![OVER_HIM, COVERED],
        _ => vec![OVER_HIM],
    };
    assert_eq!(vanished(another, 99), (CellNews::None, CellState::Held));
    let (news, _) = vanished(another, 400);
    assert!(matches!(news, CellNews::Lost | CellNews::SeenEmpty), "{news:?}");
}

/// Bonnet and windscreen, before all of his place.
const VAN: [(PixelBox, u8); 2] = [(PixelBox::new(90.0, 60.0, 50.0, 90.0), 200), (PixelBox::new(140.0, 60.0, 80.0, 90.0), 140)];

/// People stand before one who vanished: if he was told of, somebody is asked when nobody could judge for long, and he is not given up.
#[test]
fn who_vanished_and_was_told_of_is_not_given_up() {
    for (told, wanted) in [(false, CellNews::Lost), (true, CellNews::Unjudged)] {
        let mut cells = covered();
        cells.cells[0].told = told;
        let resting = Track { stage: TrackStage::Lost, ..lying(COVERED.0, 0) };
        let mut judge = |things: &[(PixelBox, u8)], second| cells.cells[0].judge(&picture(things, second), &resting, true, &[], |_| None);
        assert!((1..90).all(|second| judge(&[COVERED], second) == CellNews::None));
        // People before it come and go.
        let hidden = |second: u64| [(PixelBox::new(105.0 + (second % 7) as f32, 60.0, 85.0, 80.0), 200)];
        assert_eq!((90..800).map(|second| judge(&hidden(second), second)).find(|news| *news != CellNews::None), Some(wanted));
        assert_eq!(judge(&[COVERED], 800), CellNews::None);
    }
}

/// A camera that looks here only now and then, and finds him hidden in one look, has not waited for him.
#[test]
fn one_hidden_look_after_a_long_time_is_no_reason_to_give_him_up() {
    let mut cells = covered();
    let resting = Track { stage: TrackStage::Lost, ..lying(COVERED.0, 0) };
    let mut judge = |things: &[(PixelBox, u8)], second| cells.cells[0].judge(&picture(things, second), &resting, true, &[], |_| None);
    assert!((1..20).all(|second| judge(&[COVERED], second) == CellNews::None));
    assert_eq!(judge(&VAN, 500), CellNews::None);
    assert_eq!(judge(&[COVERED], 505), CellNews::None);
    assert_eq!(cells.cells[0].state, CellState::Held);
}

/// His quilt slips, and he is found lying: from then on a person is asked before he is given up.
#[test]
fn who_vanished_and_was_found_lying_is_waited_for_like_anybody_who_lies() {
    let mut cells = covered();
    let hidden = Track { stage: TrackStage::Lost, ..lying(COVERED.0, 0) };
    for second in 1..20 {
        cells.cells[0].judge(&picture(&[COVERED], second), &hidden, true, &[], |_| None);
    }
    for second in 20..30 {
        cells.open(&lying(COVERED.0, second), Posture::Lying, &picture(&[COVERED], second), None);
        cells.cells[0].judge(&picture(&[COVERED], second), &lying(COVERED.0, second), true, &[], |_| None);
    }
    let hidden = Track { stage: TrackStage::Lost, ..lying(COVERED.0, 29) };
    let mut misses = |things: &[(PixelBox, u8)], second| cells.cells[0].judge(&picture(things, second), &hidden, true, &[], |_| None);
    assert!((30..50).all(|second| misses(&[COVERED], second) == CellNews::None));
    let told: Vec<CellNews> = (50..720).map(|second| misses(&VAN, second)).filter(|news| *news != CellNews::None).collect();
    assert_eq!(told, [CellNews::Unjudged]);
}

/// At the edge of a picture that moves he stirs: a part of him is where a part of his place is.
#[test]
fn who_stirs_at_the_edge_has_not_left_his_place() {
    let (mut cells, moved) = drifted(50.0);
    let stirs = Track { still_since: None, ..lying(moved.clipped(SIZE), 1) };
    assert_eq!(cells.cells[0].judge(&picture(&[(moved, 220)], 1), &stirs, false, &[], |_| None), CellNews::None);
}
