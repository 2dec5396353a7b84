//! Who lies still becomes one lead with evidence; who walks by becomes none; the same pictures give the same leads.

use crate::world::{BRIGHT, BrightBoxes, Otherwise, Takes, Tape, camera, doubtful, faint, replay, replay_read, replay_with};
use patrol_core::PixelBox;
use patrol_vision::thermal::Polarity;
use patrol_vision::{Detector, ThermalConfig};

fn walker(t_s: f64) -> PixelBox {
    PixelBox::new(10.0 + (t_s as f32 * 24.0) % 260.0, 60.0, 20.0, 56.0)
}

/// Walks in for ten seconds and lies down.
fn lies_down(t_s: f64) -> PixelBox {
    if t_s < 10.0 { PixelBox::new(10.0 + t_s as f32 * 9.0, 120.0, 20.0, 56.0) } else { PixelBox::new(90.0, 156.0, 58.0, 20.0) }
}

#[test]
fn a_person_who_lies_down_is_one_lead_with_pictures() {
    let (_, room, told) = replay(vec![(camera("a", 0.5), Tape::of(240.0, 2.0, |t| vec![lies_down(t)]))]);
    let leads = room.made_leads();
    assert_eq!(leads.len(), 1, "{leads:#?}");
    let lead = leads.values().next().expect("one");
    assert!(lead.posture.is_down(), "{:?}", lead.posture);
    assert!(!lead.evidence.is_empty() && told.evidence > 0);
    assert!(lead.evidence[0].preview_sha256.len() <= 20);
    let shown = lead.place.bbox.iou(&PixelBox::new(90.0, 156.0, 58.0, 20.0));
    assert!(shown > 0.7, "the lead shows where the body lies: {:?}", lead.place.bbox);
}

#[test]
fn who_walks_by_is_no_lead() {
    let (_, room, _) = replay(vec![(camera("a", 0.5), Tape::of(240.0, 2.0, |t| vec![walker(t)]))]);
    assert_eq!(room.made_leads().len(), 0);
}

/// A lamp is counted and not told; whoever walked to his place is told although the detector would not say that he is a person.
#[test]
fn what_never_moved_and_looks_like_no_person_is_a_fixture_and_who_walked_in_is_a_lead() {
    let lamp = PixelBox::new(250.0, 30.0, 40.0, 16.0);
    let (cameras, room, _) = replay_with(Box::new(Otherwise(doubtful)), vec![(camera("a", 0.5), Tape::of(240.0, 2.0, |_| vec![lamp]))]);
    assert_eq!((room.made_leads().len(), cameras[0].watch.fixtures), (0, 1));
    let (cameras, room, _) =
        replay_with(Box::new(Otherwise(doubtful)), vec![(camera("a", 0.5), Tape::of(240.0, 2.0, |t| vec![lies_down(t), lamp]))]);
    let leads = room.made_leads();
    assert_eq!((leads.len(), cameras[0].watch.fixtures), (1, 1), "{leads:#?}");
    assert!(leads.values().all(|lead| lead.place.bbox.x < 200.0));
}

/// Networks miss half of those who lie: what one says nothing of is a fixture only where `hot-spot` doubts it as well.
#[test]
fn beside_a_network_what_is_doubted_by_hot_spot_too_is_a_fixture() {
    let found = |network: fn(f64) -> Option<PixelBox>, hot_spot: Box<dyn Detector>, place: fn(f64) -> PixelBox| {
        let tape = Tape::of(840.0, 1.0, |t| vec![place(t)]);
        let detectors: Vec<Box<dyn Detector>> = vec![Box::new(Takes(network)), hot_spot];
        let (cameras, room, _) = replay_read(&ThermalConfig::default(), detectors, vec![(camera("a", 0.5), tape)]);
        (room.made_leads().len(), cameras[0].watch.fixtures)
    };
    let lamp = || Box::new(Otherwise(doubtful));
    let little = || Box::new(Otherwise(faint));
    let now_and_then = |t: f64| (t as u64).is_multiple_of(10).then(|| puddle(t));
    assert_eq!(found(|_| None, lamp(), puddle), (0, 1), "a lamp");
    assert_eq!(found(|_| None, Box::new(BrightBoxes), puddle), (1, 0), "a body for hot-spot");
    assert_eq!(found(|_| None, little(), puddle), (0, 1), "hot-spot makes little of it");
    assert_eq!(found(now_and_then, little(), puddle), (1, 0), "but the network does not, now and then");
    assert_eq!(found(now_and_then, lamp(), puddle), (1, 0), "nor if it has the shape of a lamp");
    assert_eq!(found(|t| Some(puddle(t)), lamp(), puddle), (1, 0), "a person for the network");
    let hardly_ever = |t: f64| (t as u64 % 40 == 20).then(|| puddle(t));
    assert_eq!(found(hardly_ever, lamp(), puddle), (0, 1), "in one look of forty is by mistake");
    assert_eq!(found(|_| None, lamp(), lies_down), (1, 0), "he was seen to come");
}

/// Somebody walks up to a lamp, hides it for longer than its track is kept, and walks on: what is found there next came with him, it seems, and a network sees
/// him there once.
#[test]
fn a_lamp_that_somebody_hid_is_a_fixture_beside_a_network() {
    let hides = |t: f64| {
        let way = |since: f64| (t - since) as f32 * 8.0;
        let x = if t < 300.0 { (137.0 + way(200.0)).min(262.0) } else { 262.0 - way(300.0) };
        (200.0..330.0).contains(&t).then(|| PixelBox::new(x, 106.0, 18.0, 40.0))
    };
    let lamp = |t: f64| (!(210.0..306.0).contains(&t)).then(|| puddle(t));
    let tape = Tape::of(700.0, 1.0, |t| hides(t).into_iter().chain(lamp(t)).filter(|place| place.x > 0.0).collect());
    let network = move |t: f64| hides(t).filter(|place| place.x > 0.0).or_else(|| (t as u64 == 340).then(|| puddle(t)));
    let detectors: Vec<Box<dyn Detector>> = vec![Box::new(Takes(network)), Box::new(Otherwise(doubtful))];
    let (cameras, room, _) = replay_read(&ThermalConfig::default(), detectors, vec![(camera("a", 0.5), tape)]);
    assert_eq!((room.made_leads().len(), cameras[0].watch.fixtures), (0, 1), "{:#?}", room.made_leads());
}

/// Whom `hot-spot` took for a lamp was somebody: whoever lies down there after him is told of, too.
#[test]
fn a_place_where_somebody_was_told_of_is_no_lamps_any_more() {
    let walks = |t: f64| (420.0..450.0).contains(&t).then(|| PixelBox::new(130.0 + (t as f32 - 420.0) * 4.0, 106.0, 18.0, 40.0));
    let lies = |t: f64| (!(330.0..450.0).contains(&t)).then(|| puddle(t));
    let tape = Tape::of(560.0, 1.0, |t| walks(t).into_iter().chain(lies(t)).collect());
    let network = move |t: f64| walks(t).or_else(|| (100.0..330.0).contains(&t).then(|| puddle(t)));
    let detectors: Vec<Box<dyn Detector>> = vec![Box::new(Takes(network)), Box::new(Otherwise(doubtful))];
    let (cameras, room, _) = replay_read(&ThermalConfig::default(), detectors, vec![(camera("a", 0.5), tape)]);
    assert!(!room.made_leads().is_empty(), "the first");
    assert_eq!(cameras[0].watch.fixtures, 0, "the second");
}

fn puddle(_: f64) -> PixelBox {
    PixelBox::new(250.0, 130.0, 40.0, 16.0)
}

/// Leads and fixtures after four minutes of a network that takes what is at a place for a person, and what is there has a level at each time.
fn taken(polarity: Polarity, place: fn(f64) -> PixelBox, level: fn(f64) -> u8) -> (usize, u32) {
    let tape = Tape::with(level, 240.0, 2.0, |t| vec![place(t)]);
    let thermal = ThermalConfig { polarity, ..ThermalConfig::default() };
    let (cameras, room, _) = replay_read(&thermal, vec![Box::new(Takes(move |t| Some(place(t))))], vec![(camera("a", 0.5), tape)]);
    (room.made_leads().len(), cameras[0].watch.fixtures)
}

const COLD: u8 = 30;
const WARM: u8 = 110;

/// A network that must find people in black-hot pictures, too, takes a puddle for one.
#[test]
fn a_cold_thing_that_a_network_takes_for_somebody_is_a_fixture() {
    assert_eq!(taken(Polarity::WhiteHot, puddle, |_| COLD), (0, 1));
    assert_eq!(taken(Polarity::WhiteHot, puddle, |_| WARM), (1, 0), "a warm one is not");
    assert_eq!(taken(Polarity::WhiteHot, lies_down, |_| COLD), (1, 0), "nor one that was seen to come");
}

/// In a picture that may be black-hot people are dark.
#[test]
fn who_is_dark_is_told_of_until_it_is_known_that_bright_is_warm() {
    assert_eq!(taken(Polarity::Auto, puddle, |_| COLD), (1, 0));
    assert_eq!(taken(Polarity::BlackHot, puddle, |_| COLD), (1, 0));
}

/// People who walk by and are bright say that bright is warm; where they are dark a dark person stays one.
#[test]
fn a_cold_thing_is_a_fixture_once_warm_people_have_walked_by() {
    let passer = |t: f64| (t < 20.0).then(|| PixelBox::new(290.0 - t as f32 * 14.0, 60.0, 20.0, 56.0));
    let leads = |level: u8| {
        let seen = move |t: f64| [(puddle(t), COLD)].into_iter().chain(passer(t).map(|place| (place, level))).collect();
        let network: Box<dyn Detector> = Box::new(Takes(move |t| passer(t).or_else(|| Some(puddle(t)))));
        let tape = Tape::of_levels(280.0, 2.0, seen);
        let (cameras, room, _) =
            replay_read(&ThermalConfig::default(), vec![network, Box::new(BrightBoxes)], vec![(camera("a", 0.5), tape)]);
        (room.made_leads().len(), cameras[0].watch.fixtures)
    };
    assert_eq!(leads(BRIGHT), (0, 1));
    assert_eq!(leads(COLD), (1, 0));
}

/// He crouches, pulls a quilt over himself that is larger than he was, and no detector finds him any more.
#[test]
fn who_vanishes_under_a_wide_quilt_is_told_of() {
    // As grainy as the ground.
    let grain = |x: usize, y: usize| ((x * 7919 + y * 104_729) % 1009 % 24) as u8;
    let quilt = |warmer: u8| {
        let cell =
            move |x: usize, y: usize| (PixelBox::new(108.0 + 4.0 * x as f32, 92.0 + 4.0 * y as f32, 4.0, 4.0), 60 + warmer + grain(x, y));
        (0..25).flat_map(move |x| (0..21).map(move |y| cell(x, y))).collect()
    };
    let leads = |upright: f32, warmer: u8| {
        let seen = move |t: f64| match t {
            t if t < 12.0 => vec![(PixelBox::new(10.0 + t as f32 * 12.0, 146.0 - upright, 20.0, upright), BRIGHT)],
            t if t < 15.5 => {
                let height = (upright - (t as f32 - 12.0) * 12.0).max(24.0);
                vec![(PixelBox::new(146.0, 146.0 - height, 24.0, height), BRIGHT)]
            }
            _ if warmer > 0 => quilt(warmer),
            _ => Vec::new(),
        };
        replay(vec![(camera("a", 0.5), Tape::of_levels(720.0, 2.0, seen))]).1.made_leads().len()
    };
    assert_eq!(leads(56.0, 18), 1);
    assert_eq!(leads(56.0, 0), 0, "who is gone without a trace");
    // From straight above everybody is as wide as high all the time: what changes around him is not taken for his.
    assert_eq!(leads(24.0, 18), 0, "who was never higher");
}

/// One goes down close to somebody who rests, gets up unseen and is gone: the other is no trace of him.
#[test]
fn who_is_gone_beside_somebody_who_rests_is_not_kept_for_his_sake() {
    let other = |t: f64| {
        let height = (56.0 - (t as f32 - 40.0) * 16.0).max(20.0);
        match t {
            t if t < 40.0 => PixelBox::new(290.0 - t as f32 * 2.7, 92.0, 24.0, 56.0),
            _ if height > 20.0 => PixelBox::new(182.0, 148.0 - height, 24.0, height),
            _ => PixelBox::new(172.0, 128.0, 56.0, 20.0),
        }
    };
    let one = |t: f64| match t - 60.0 {
        t if t < 0.0 => None,
        t if t < 12.0 => Some(PixelBox::new(10.0 + t as f32 * 11.0, 90.0, 20.0, 56.0)),
        t if t < 15.5 => {
            let height = (56.0 - (t as f32 - 12.0) * 12.0).max(24.0);
            Some(PixelBox::new(142.0, 146.0 - height, 24.0, height))
        }
        _ => None,
    };
    let seen = |t: f64| one(t).into_iter().chain([other(t)]).collect();
    let leads = replay(vec![(camera("a", 0.5), Tape::of(720.0, 2.0, seen))]).1.made_leads();
    assert_eq!(leads.values().map(|lead| (lead.people, lead.place.bbox.x as i32)).collect::<Vec<_>>(), [(1, 172)]);
}

/// Somebody whose warmth was seen covers himself, so that he is colder than the ground in two looks of five.
#[test]
fn who_was_seen_by_his_warmth_is_not_doubted_for_being_cold_now_and_then() {
    let level = |t: f64| match t {
        t if t < 10.0 => BRIGHT,
        t if (t * 2.0) as u64 % 5 < 2 => COLD,
        _ => WARM,
    };
    let leads = |warm_first: bool| {
        let tape = Tape::of_levels(280.0, 2.0, move |t| vec![(puddle(t), if warm_first { level(t) } else { level(t + 10.0) })]);
        let detectors: Vec<Box<dyn Detector>> = vec![Box::new(Takes(|t| Some(puddle(t)))), Box::new(BrightBoxes)];
        let thermal = ThermalConfig { polarity: Polarity::WhiteHot, ..ThermalConfig::default() };
        replay_read(&thermal, detectors, vec![(camera("a", 0.5), tape)]).1.made_leads().len()
    };
    assert_eq!((leads(true), leads(false)), (1, 0));
}

#[test]
fn who_throws_off_what_hid_him_is_told_of_and_who_has_been_told_of_is_not_doubted() {
    assert_eq!(taken(Polarity::WhiteHot, puddle, |t| if t < 60.0 { COLD } else { WARM }), (1, 0));
    // Snow covers him, or he cools.
    assert_eq!(taken(Polarity::WhiteHot, puddle, |t| if t < 180.0 { WARM } else { COLD }), (1, 0));
}

/// A network takes a bench for somebody; then somebody walks up and lies down on it. His clocks are not the bench's.
#[test]
fn who_lies_down_on_a_bench_is_told_of_by_his_own_clock() {
    let bench = PixelBox::new(200.0, 126.0, 70.0, 32.0);
    let seen = |t: f64| match t {
        t if t < 30.0 => bench,
        t if t < 40.0 => PixelBox::new(50.0 + (t as f32 - 30.0) * 15.0, 100.0, 20.0, 56.0),
        _ => PixelBox::new(206.0, 130.0, 58.0, 26.0),
    };
    let leads = |seconds: f64| {
        let tape = Tape::with(|t| if t < 30.0 { COLD } else { BRIGHT }, seconds, 2.0, |t| vec![seen(t)]);
        let detectors: Vec<Box<dyn Detector>> = vec![Box::new(Takes(move |_| Some(bench))), Box::new(BrightBoxes)];
        let thermal = ThermalConfig { polarity: Polarity::WhiteHot, ..ThermalConfig::default() };
        replay_read(&thermal, detectors, vec![(camera("a", 0.5), tape)]).1.made_leads().len()
    };
    assert_eq!((leads(155.0), leads(180.0)), (0, 1));
}

/// Somebody walks by a cold bench, so that both are one box for a moment: the bench is a bench before and after.
#[test]
fn a_bench_that_somebody_passes_is_a_fixture_still() {
    let bench = PixelBox::new(200.0, 126.0, 70.0, 32.0);
    let passer = |t: f64| (30.0..60.0).contains(&t).then(|| PixelBox::new(10.0 + (t as f32 - 30.0) * 10.0, 106.0, 24.0, 56.0));
    let seen = move |t: f64| [(bench, COLD)].into_iter().chain(passer(t).map(|place| (place, BRIGHT))).collect();
    let detectors: Vec<Box<dyn Detector>> = vec![Box::new(Takes(move |_| Some(bench))), Box::new(BrightBoxes)];
    let thermal = ThermalConfig { polarity: Polarity::WhiteHot, ..ThermalConfig::default() };
    let (cameras, room, _) = replay_read(&thermal, detectors, vec![(camera("a", 0.5), Tape::of_levels(900.0, 2.0, seen))]);
    assert_eq!((room.made_leads().len(), cameras[0].watch.fixtures), (0, 1), "{:#?}", room.made_leads());
}

#[test]
fn the_same_pictures_give_the_same_leads() {
    let run = || {
        let scene = |t: f64| if t < 60.0 { vec![walker(t)] } else { vec![lies_down(t - 60.0)] };
        let (_, room, told) =
            replay(vec![(camera("a", 0.5), Tape::of(300.0, 2.0, scene)), (camera("b", 1.0), Tape::of(300.0, 4.0, |t| vec![lies_down(t)]))]);
        (format!("{:?}", room.made_leads()), told.outcomes)
    };
    assert_eq!(run(), run());
}
