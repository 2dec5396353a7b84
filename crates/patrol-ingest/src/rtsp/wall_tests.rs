use super::*;
use proptest::prelude::*;

const MS: i64 = 1_000_000;
const S: i64 = SECOND_NS;

/// A camera and the way to us: what it really captured, and what we make of it.
struct Bench {
    line: Line,
    anchor: Anchor,
    /// Monotonic clock at which the camera's RTP time was 0.
    origin_ns: i64,
    /// RTP nanoseconds a real nanosecond.
    speed: f64,
    steps: u32,
}

impl Bench {
    fn new() -> Self {
        Self { line: Line::default(), anchor: Anchor::default(), origin_ns: 7 * S, speed: 1.0, steps: 0 }
    }

    /// A picture captured at `at_ns` that was under way for `delay_ns`: gives its presentation time.
    fn unit(&mut self, at_ns: i64, delay_ns: i64) -> i64 {
        let rtp_ns = ((at_ns - self.origin_ns) as f64 * self.speed) as i64;
        let (pts_ns, stepped) = self.line.place(rtp_ns, at_ns + delay_ns, self.anchor.fastest_ns());
        if stepped {
            self.steps += 1;
            self.anchor.stepped(at_ns + delay_ns);
        }
        self.anchor.unit(pts_ns, at_ns + delay_ns);
        pts_ns
    }

    /// Our estimate minus the truth, milliseconds.
    fn off_ms(&self, pts_ns: i64, at_ns: i64) -> i64 {
        (pts_ns + self.anchor.offset().expect("a unit came").0 - at_ns) / MS
    }

    /// 25 pictures a second from `from_s` to `to_s`, 60–140 ms under way; gives the worst estimate, milliseconds.
    fn run(&mut self, from_s: i64, to_s: i64) -> (i64, i64) {
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for index in 0..(to_s - from_s) * 25 {
            let at = from_s * S + index * 40 * MS;
            let pts = self.unit(at, 60 * MS + (index * 7_919 % 80) * MS);
            let off = self.off_ms(pts, at);
            (low, high) = (low.min(off), high.max(off));
        }
        (low, high)
    }
}

#[test]
fn a_steady_camera_is_placed_at_its_fastest_delay() {
    let mut bench = Bench::new();
    bench.run(100, 110);
    let (low, high) = bench.run(110, 200);
    assert!(low >= 55 && high <= 65, "{low} {high}");
    assert_eq!(bench.steps, 0);
    assert_eq!(bench.anchor.offset().expect("an offset").1, 500);
}

#[test]
fn a_crystal_that_is_off_by_100_ppm_stays_right_over_two_days() {
    for speed in [0.9999, 1.0001] {
        let mut bench = Bench { speed, ..Bench::new() };
        bench.run(100, 200);
        // One picture a second is enough to drift by.
        for second in 200..2 * 86_400 {
            bench.unit(second * S, 60 * MS);
        }
        let (low, high) = bench.run(2 * 86_400, 2 * 86_400 + 60);
        assert!(low >= 40 && high <= 80, "{speed}: {low} {high}");
    }
}

#[test]
fn a_camera_that_stamps_by_a_nominal_rate_is_followed() {
    // 25 per second in the timestamps, 24.7 in truth.
    let mut bench = Bench { speed: 24.7 / 25.0, ..Bench::new() };
    bench.run(100, 1_000);
    let (low, high) = bench.run(1_000, 1_100);
    // Within the declared error: at most one window behind.
    assert!(low > -1_000 && high < 150, "{low} {high}");
}

#[test]
fn old_pictures_that_come_in_a_burst_keep_their_age() {
    let mut bench = Bench::new();
    bench.run(100, 200);
    for index in 0..250 {
        let at = 200 * S + index * 40 * MS;
        // All of them within 50 ms, ten seconds after the first was taken.
        let pts = bench.unit(at, 210 * S + index * MS / 5 - at);
        let off = bench.off_ms(pts, at);
        assert!((0..=100).contains(&off), "picture {index} is {off} ms off");
    }
    assert_eq!(bench.steps, 0);
}

#[test]
fn a_cache_sent_at_the_start_is_known_as_old_once_it_has_come() {
    let mut bench = Bench::new();
    let placed: Vec<(i64, i64)> = (0..50)
        .map(|index| (index, 100 * S + index * 40 * MS))
        .map(|(index, at)| (bench.unit(at, 102 * S + index * MS / 10 - at), at))
        .collect();
    for (pts, at) in placed {
        assert!(bench.off_ms(pts, at) <= 60, "{}", bench.off_ms(pts, at));
    }
}

#[test]
fn a_step_of_rtp_time_is_one_step_and_captured_goes_on() {
    for jump_s in [-3_600, -5, 5, 3_600, 20_000] {
        let mut bench = Bench::new();
        bench.run(100, 200);
        bench.origin_ns -= jump_s * S;
        let (low, high) = bench.run(200, 260);
        assert_eq!(bench.steps, 1, "{jump_s}");
        assert!(low >= -50 && high <= 160, "{jump_s}: {low} {high}");
    }
}

#[test]
fn reordered_pictures_and_gaps_are_no_steps() {
    let mut bench = Bench::new();
    bench.run(100, 110);
    // I P B B at 5 per second: decoding order.
    for group in 0..20_i64 {
        for shown in [0, 3, 1, 2] {
            let at = 110 * S + (group * 4 + shown) * 200 * MS;
            bench.unit(at, 60 * MS + (3 - shown) * 200 * MS);
        }
    }
    bench.run(145, 150);
    // Ten seconds lost, a second of old pictures, then live again.
    bench.unit(150 * S, 10 * S);
    bench.unit(150 * S + 40 * MS, 10 * S);
    bench.run(160, 170);
    assert_eq!(bench.steps, 0);
}

#[test]
fn reports_that_agree_are_approached_slowly_and_never_passed_by_arrival() {
    for (camera_ahead_ms, expected) in [(0_i64, -5..=5_i64), (-3_000, -3_005..=-2_995), (3_000, 55..=65), (20_000, 55..=65)] {
        let mut bench = Bench::new();
        let mut before: Option<i64> = None;
        for index in 0..5_000 {
            let at = 100 * S + index * 40 * MS;
            let pts = bench.unit(at, 60 * MS + (index * 7_919 % 80) * MS);
            if index % 125 == 5 {
                let told = bench.anchor.report(pts, 1_000_000 * S + at + camera_ahead_ms * MS, 1_000_000 * S + at + 60 * MS, at + 60 * MS);
                assert_eq!(told.skew_ns / MS, camera_ahead_ms - 60);
                assert!(!told.stepped);
            }
            let off = bench.off_ms(pts, at);
            if index > 50 {
                assert!(before.is_none_or(|before| (off - before).abs() <= 7), "{camera_ahead_ms}: from {before:?} to {off}");
            }
            before = Some(off);
        }
        let off = before.expect("pictures came");
        assert!(expected.contains(&off), "{camera_ahead_ms}: {off}");
        let (_, error_ms) = bench.anchor.offset().expect("an offset");
        assert!(i64::from(error_ms) >= off.abs().min(500), "{camera_ahead_ms}: {off} but {error_ms}");
    }
}

#[test]
fn a_step_of_the_cameras_wall_clock_is_told_once_and_does_not_move_captured() {
    for step_s in [-3_600, -3, 3, 3_600] {
        let mut bench = Bench::new();
        let (mut steps, mut before, mut ahead) = (0, 0_i64, 0);
        for index in 0..5_000 {
            let at = 100 * S + index * 40 * MS;
            if index == 2_500 {
                ahead = step_s * S;
            }
            let pts = bench.unit(at, 60 * MS);
            if index % 125 == 5 {
                steps += u32::from(bench.anchor.report(pts, at + ahead, at + 60 * MS, at + 60 * MS).stepped);
            }
            let off = bench.off_ms(pts, at);
            assert!(index < 50 || (off - before).abs() <= 3, "{step_s}: {before} to {off}");
            before = off;
        }
        assert_eq!(steps, 1, "{step_s}");
    }
}

#[test]
fn our_own_clock_stepping_is_not_the_cameras_step() {
    let mut bench = Bench::new();
    let pts = bench.unit(100 * S, 60 * MS);
    bench.anchor.report(pts, 500 * S, 500 * S, 100 * S + 60 * MS);
    let pts = bench.unit(105 * S, 60 * MS);
    let told = bench.anchor.report(pts, 505 * S, 4_105 * S, 105 * S + 60 * MS);
    assert!(!told.stepped);
    assert_eq!(told.skew_ns / S, -3_600);
    assert!((0..=65).contains(&bench.off_ms(pts, 105 * S)));
}

proptest! {
    #[test]
    fn captured_is_never_after_arrival_and_nothing_overflows(
        units in prop::collection::vec((any::<i64>(), 0_i64..5 * S, prop::option::of(any::<(i64, i64)>())), 1..80)
    ) {
        let (mut line, mut anchor, mut arrival) = (Line::default(), Anchor::default(), 0_i64);
        for (rtp, passed, report) in units {
            arrival += passed;
            // RTP time is 32 bits of 90 kHz and its wraps.
            let rtp = rtp / 4;
            let (pts, stepped) = line.place(rtp, arrival, anchor.fastest_ns());
            if stepped {
                anchor.stepped(arrival);
            }
            anchor.unit(pts, arrival);
            if let Some((camera, ours)) = report {
                anchor.report(line.look_up(rtp).expect("a unit came"), camera / 4, ours / 4, arrival);
            }
            let (offset, _) = anchor.offset().expect("a unit came");
            prop_assert!(pts.saturating_add(offset) <= arrival);
        }
    }
}
