use super::*;
use proptest::prelude::*;

fn stretch() -> Arc<Stretch> {
    Stretch::new(VideoCodec::H264, Bytes::new(), 0, 0)
}

fn unit(stretch: &Arc<Stretch>, pts_ms: i64, key: bool, bytes: usize) -> Entry {
    let data = vec![0; bytes].into();
    Entry::Unit(Unit { data, key, pts_ns: pts_ms * 1_000_000, lost_packets: 0, whole: true, stretch: Arc::clone(stretch) })
}

/// A ring of which everything is decoded.
fn read_ring(total: &Arc<AtomicU64>) -> Ring {
    let mut ring = Ring::new(total);
    ring.start_reading();
    ring
}

/// 25 pictures a second with a key frame every `gop`.
fn filled(seconds: i64, gop: i64, bytes: usize) -> Ring {
    let (mut ring, stretch) = (read_ring(&Arc::default()), stretch());
    for index in 0..seconds * 25 {
        ring.push(unit(&stretch, index * 40, index % gop == 0, bytes));
    }
    ring
}

fn pts_ms(next: &Next) -> Option<i64> {
    match next {
        Next::Entry(Entry::Unit(unit)) => Some(unit.pts_ns / 1_000_000),
        _ => None,
    }
}

#[test]
fn units_come_in_order_while_the_decoder_keeps_up() {
    let (mut ring, stretch) = (read_ring(&Arc::default()), stretch());
    for index in 0..200 {
        ring.push(unit(&stretch, index * 40, index % 50 == 0, 100));
        assert_eq!(pts_ms(&ring.next()), Some(index * 40));
        assert!(matches!(ring.next(), Next::Nothing));
    }
}

#[test]
fn a_late_decoder_jumps_to_the_newest_key_frame_and_is_told_how_many_it_missed() {
    let mut ring = filled(3, 50, 100);
    assert!(matches!(ring.next(), Next::Skipped(50)));
    assert_eq!(pts_ms(&ring.next()), Some(2_000));
}

#[test]
fn without_a_key_frame_ahead_a_late_decoder_goes_on() {
    let mut ring = filled(5, 1_000, 100);
    assert_eq!(pts_ms(&ring.next()), Some(0));
    assert_eq!(pts_ms(&ring.next()), Some(40));
}

#[test]
fn seconds_and_bytes_are_bounded() {
    let mut ring = filled(60, 50, 100);
    assert!((19.9..=20.0).contains(&ring.span().as_secs_f64()), "{:?}", ring.span());
    assert!(matches!(ring.next(), Next::Skipped(1450)));
    let ring = filled(20, 1_000, 100_000);
    assert!((RING_BYTES_MAX - 100_000..=RING_BYTES_MAX).contains(&ring.bytes()));
}

#[test]
fn an_entry_larger_than_the_ring_is_skipped() {
    let (mut ring, stretch) = (read_ring(&Arc::default()), stretch());
    ring.push(unit(&stretch, 0, true, 9 << 20));
    assert_eq!(ring.bytes(), 0);
    assert!(matches!(ring.next(), Next::Skipped(1)));
    assert!(matches!(ring.next(), Next::Nothing));
}

#[test]
fn a_ring_gives_way_step_by_step_and_keeps_what_the_decoder_needs_longest() {
    let total = Arc::new(AtomicU64::new(0));
    let (mut ring, stretch) = (read_ring(&total), stretch());
    for index in 0..120 {
        ring.push(unit(&stretch, index * 10, index % 50 == 0, 100));
        if index < 110 {
            ring.next();
        }
    }
    ring.shrink(Shrink::PresentGroup);
    assert_eq!((ring.bytes(), total.load(Ordering::Relaxed)), (2_000, 2_000));
    ring.shrink(Shrink::Untaken);
    assert_eq!(ring.bytes(), 1_000);
    assert_eq!(pts_ms(&ring.next()), Some(1_100));
    ring.shrink(Shrink::Everything);
    assert!(matches!(ring.next(), Next::Skipped(9)));
    drop(ring);
    assert_eq!(total.load(Ordering::Relaxed), 0);
}

#[test]
fn a_clip_begins_at_the_key_frame_before_and_stays_in_one_stretch() {
    let ring = filled(10, 50, 10);
    let clip = ring.units_between(5_000_000_000, 7_000_000_000);
    assert_eq!((clip.first().map(|unit| unit.pts_ns), clip.last().map(|unit| unit.pts_ns)), (Some(4_000_000_000), Some(7_000_000_000)));
    assert!(ring.units_between(30_000_000_000, 40_000_000_000).is_empty());
    // What lies before the first key frame is not there to be shown.
    let clip = ring.units_between(-5_000_000_000, 1_000_000_000);
    assert_eq!(clip.len(), 26);

    let mut ring = filled(2, 50, 10);
    let other = stretch();
    for index in 50..200 {
        ring.push(unit(&other, index * 40, index % 50 == 0, 10));
    }
    let clip = ring.units_between(1_000_000_000, 8_000_000_000);
    assert_eq!(clip.first().map(|unit| unit.pts_ns), Some(2_000_000_000));
    assert!(clip.iter().all(|unit| Arc::ptr_eq(&unit.stretch, &other)));
}

#[test]
fn a_clip_has_no_pictures_that_refer_to_what_it_leaves_out() {
    let (mut ring, stretch) = (read_ring(&Arc::default()), stretch());
    // Decoding order: the key frame at 120 ms is followed by two pictures to be shown before it.
    for (pts_ms, key) in [(0, true), (120, true), (40, false), (80, false), (160, false)] {
        ring.push(unit(&stretch, pts_ms, key, 10));
    }
    let clip = ring.units_between(130_000_000, 200_000_000);
    assert_eq!(clip.iter().map(|unit| unit.pts_ns / 1_000_000).collect::<Vec<_>>(), [120, 160]);
}

#[test]
fn a_new_session_leaves_the_old_one_to_clips() {
    let mut ring = filled(1, 25, 10);
    ring.start_session();
    assert!(matches!(ring.next(), Next::Nothing));
    assert_eq!(ring.units_between(0, 1_000_000_000).len(), 25);
}

#[derive(Debug, Clone)]
enum Step {
    Push { key: bool, bytes: usize, step_ms: i64 },
    Damage,
    Take(usize),
    Shrink(Shrink),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::bool::weighted(0.1), 0_usize..2_000_000, -100_i64..4_000).prop_map(|(key, bytes, step_ms)| Step::Push { key, bytes, step_ms }),
        1 => Just(Step::Damage),
        3 => (1_usize..6).prop_map(Step::Take),
        1 => prop::sample::select(vec![Shrink::PresentGroup, Shrink::Untaken, Shrink::Everything]).prop_map(Step::Shrink),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn every_unit_is_taken_or_skipped_once_and_the_bounds_hold(steps in prop::collection::vec(step(), 1..120)) {
        let total = Arc::new(AtomicU64::new(0));
        let (mut ring, stretch) = (read_ring(&total), stretch());
        let (mut pushed, mut told, mut pts, mut last) = (0_u64, 0_u64, 0_i64, -1_i64);
        let mut order = 0_i64;
        let mut take = |ring: &mut Ring| -> Result<bool, TestCaseError> {
            match ring.next() {
                Next::Entry(Entry::Unit(unit)) => {
                    told += 1;
                    let index = i64::from(unit.lost_packets);
                    prop_assert!(index > last, "units come in order of arrival");
                    last = index;
                }
                Next::Skipped(count) => told += count,
                Next::Entry(Entry::Damage { .. }) => {}
                Next::Nothing => return Ok(false),
            }
            Ok(true)
        };
        for step in steps {
            match step {
                Step::Push { key, bytes, step_ms } => {
                    pts += step_ms;
                    pushed += 1;
                    let mut entry = unit(&stretch, pts, key, bytes);
                    if let Entry::Unit(unit) = &mut entry {
                        unit.lost_packets = order as u32;
                    }
                    order += 1;
                    ring.push(entry);
                }
                Step::Damage => ring.push(Entry::Damage { why: "x".into() }),
                Step::Take(count) => {
                    for _ in 0..count {
                        take(&mut ring)?;
                    }
                }
                Step::Shrink(how) => ring.shrink(how),
            }
            prop_assert!(ring.bytes() <= RING_BYTES_MAX && ring.entries.len() <= ITEMS_MAX);
            prop_assert!(ring.span() <= KEPT_MAX + Duration::from_secs(4));
            prop_assert_eq!(ring.bytes(), total.load(Ordering::Relaxed));
            prop_assert!(ring.cursor <= ring.entries.len());
        }
        while take(&mut ring)? {}
        prop_assert_eq!(pushed, told);
    }
}

#[test]
fn whoever_begins_to_read_begins_at_the_newest_key_frame_of_this_session() {
    let (mut ring, stretch) = (Ring::new(&Arc::default()), stretch());
    ring.start_session();
    for index in 0..120 {
        ring.push(unit(&stretch, index * 40, index % 50 == 0, 100));
        assert!(matches!(ring.next(), Next::Nothing), "nobody reads: nothing waits, and nothing is skipped");
    }
    ring.start_reading();
    assert_eq!(pts_ms(&ring.next()), Some(4_000));
    ring.stop_reading();
    assert!(matches!(ring.next(), Next::Nothing));
    ring.start_session();
    ring.push(unit(&stretch, 5_000, false, 100));
    ring.start_reading();
    assert_eq!(pts_ms(&ring.next()), Some(5_000), "the session before has a key frame, but it is over");
}
