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

/// A drone drifts until its picture shows the half of him, and back: he is watched where he lies, not where the half of him was.
#[test]
fn the_part_that_the_edge_of_a_moving_picture_leaves_of_him_is_no_place_of_its_own() {
    let body = PixelBox::new(20.0, 100.0, 40.0, 16.0);
    let mut cells = WatchCells::default();
    cells.open(&lying(body, 0), Posture::Lying, &picture(&[(body, 220)], 0), None);
    cells.carry(&PictureTransform::shift(-40.0, 0.0));
    let moved = PixelBox { x: body.x - 40.0, ..body };
    for second in 1..8 {
        let track = lying(moved.clipped(SIZE), second);
        let news = cells.cells[0].judge(&picture(&[(moved, 220)], second), &track, false, &[], |_| None);
        assert_eq!((news, cells.cells[0].state), (CellNews::None, CellState::Found));
    }
    cells.carry(&PictureTransform::shift(40.0, 0.0));
    assert_eq!(cells.cells[0].place, body);
}

const COVERED: (PixelBox, u8) = (PixelBox::new(120.0, 100.0, 60.0, 24.0), 110);
const BESIDE: (PixelBox, u8) = (PixelBox::new(125.0, 78.0, 60.0, 22.0), 112);

/// Nobody is found at the place of one who vanished under a quilt; `things` lie there in each second. What the cell says in the end.
fn vanished(things: impl Fn(u64) -> Vec<(PixelBox, u8)>, seconds: u64) -> (CellNews, CellState) {
    let nothing = |second| picture(&[], second);
    let before = PlacePatch::take(&nothing(1000), &COVERED.0).expect("a patch");
    let resting = Track { stage: TrackStage::Lost, ..lying(COVERED.0, 0) };
    let mut cells = WatchCells::default();
    cells.open_vanished(&resting, &picture(&[COVERED], 0), before.clone());
    let mut news = CellNews::None;
    for second in 1..=seconds {
        news = cells.cells[0].judge(&picture(&things(second), second), &resting, true, &[], |_| Some(before.clone()));
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
