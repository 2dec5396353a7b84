use super::fit::{Known, Mark, fit};
use super::*;
use patrol_core::{GroundPoint, PixelPoint};

const SIZE: PictureSize = PictureSize::new(1920, 1080);

/// Numbers that are the same at every run: Steele's SplitMix64.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }
    /// Mean 0, standard deviation 1: twelve equal chances less their mean.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
    fn view(&mut self) -> CameraView {
        CameraView {
            height_m: self.between(3.0, 30.0) as f32,
            tilt_deg: self.between(5.0, 80.0) as f32,
            heading_deg: self.between(0.0, 360.0) as f32,
            hfov_deg: self.between(25.0, 100.0) as f32,
        }
    }
}

/// `count` marks, each in its own part of the picture, down to 5° below the horizon: eleven heights off.
fn marks(view: &CameraView, count: usize, dice: &mut Dice) -> Vec<Mark> {
    let ground_at = |x: f64, y: f64| view.ground_from_pixel(PixelPoint { x: x as f32, y: y as f32 }, 0.0, SIZE);
    let is_near = |y: f64| ground_at(960.0, y).is_some() && view.depression_deg(PixelPoint { x: 960.0, y: y as f32 }, SIZE) > Some(5.0);
    let top = (0..108).map(|step| f64::from(step) * 10.0).find(|y| is_near(*y)).expect("ground in the picture");
    let columns = count / 2;
    let cell = |index: usize, dice: &mut Dice| {
        let (column, row) = ((index % columns) as f64, (index / columns) as f64);
        let x = 1920.0 * (column + dice.between(0.2, 0.8)) / columns as f64;
        (x, top + (1080.0 - top) * (row + dice.between(0.1, 0.9)) / 2.0)
    };
    (0..count)
        .map(|index| {
            let (x, y) = cell(index, dice);
            let ground = ground_at(x, y).expect("below the horizon");
            Mark { px: [x, y], ground_m: [f64::from(ground.east_m), f64::from(ground.north_m)] }
        })
        .collect()
}

fn noisy(marks: &[Mark], sigma_px: f64, dice: &mut Dice) -> Vec<Mark> {
    marks.iter().map(|mark| Mark { px: mark.px.map(|at| at + sigma_px * dice.normal()), ..*mark }).collect()
}

/// Greatest distance, as a part of the range, between a mark and where the view puts its pixel.
fn worst_error(view: &CameraView, marks: &[Mark]) -> f64 {
    let error = |mark: &Mark| {
        let found = view.ground_from_pixel(PixelPoint { x: mark.px[0] as f32, y: mark.px[1] as f32 }, 0.0, SIZE);
        let GroundPoint { east_m, north_m, .. } = found?;
        let [east, north] = mark.ground_m;
        // Under the camera the range is nothing: there a part of the height stands for it.
        let range_m = east.hypot(north).max(f64::from(view.height_m) / 3.0);
        Some((f64::from(east_m) - east).hypot(f64::from(north_m) - north) / range_m)
    };
    marks.iter().map(|mark| error(mark).unwrap_or(f64::INFINITY)).fold(0.0, f64::max)
}

#[test]
fn views_of_every_kind_come_back_through_a_hand_that_errs_by_two_pixels() {
    for (count, is_height_known) in [(4, false), (4, true), (6, false), (6, true), (8, false)] {
        let mut dice = Dice(7);
        for trial in 0..150 {
            let view = dice.view();
            let truth = marks(&view, count, &mut dice);
            let known = Known { height_m: is_height_known.then_some(f64::from(view.height_m)), tilt_deg: None };
            let found = fit(&noisy(&truth, 2.0, &mut dice), SIZE, known).expect("a view").view();
            let error = worst_error(&found, &truth);
            assert!(error < 0.03, "{trial}, {count} marks: {error} of the range, {found:?} of {view:?}");
            assert!(!is_height_known || found.height_m == view.height_m, "the known height is held: {found:?}");
        }
    }
}

#[test]
fn exact_marks_give_the_view_itself() {
    let mut dice = Dice(3);
    for (height_m, tilt_deg, heading_deg, hfov_deg) in
        [(6.0, 25.0, 80.0, 62.0), (3.0, 5.0, 359.0, 100.0), (120.0, 45.0, 181.0, 12.0), (30.0, 80.0, 270.0, 90.0), (0.8, 1.0, 10.0, 60.0)]
    {
        let view = CameraView { height_m, tilt_deg, heading_deg, hfov_deg };
        let fitted = fit(&marks(&view, 4, &mut dice), SIZE, Known::default()).expect("a view");
        let found = fitted.view();
        let heading_off_deg = (found.heading_deg - heading_deg + 540.0).rem_euclid(360.0) - 180.0;
        assert!(fitted.rms_px < 0.05 && heading_off_deg.abs() < 0.1, "{fitted:?}");
        assert!((found.height_m / height_m - 1.0).abs() < 0.01, "{found:?} of {view:?}");
        assert!((found.tilt_deg - tilt_deg).abs() < 0.1 && (found.hfov_deg - hfov_deg).abs() < 0.3, "{found:?} of {view:?}");
    }
}

#[test]
fn a_camera_that_looks_straight_down_needs_its_height() {
    let view = CameraView { height_m: 12.0, tilt_deg: 90.0, heading_deg: 200.0, hfov_deg: 70.0 };
    let mut dice = Dice(1);
    let truth = marks(&view, 6, &mut dice);
    for _ in 0..20 {
        let marked = noisy(&truth, 2.0, &mut dice);
        let table = |height_m| MarksTable { marks: Some(marked.clone()), marks_size: Some([1920, 1080]), height_m };
        let mut problems = Problems::default();
        let found = super::view(&table(Some(12.0)), "camera[0]", &mut problems).expect("a view");
        assert!(problems.0.is_empty() && found.tilt_deg <= 90.0 && worst_error(&found, &truth) < 0.03, "{found:?} {problems}");
        assert!(super::view(&table(None), "camera[0]", &mut problems).is_none());
        assert!(problems.0[0].hint.contains("height_m"), "{problems}");
    }
}

/// The example of the README.
const EXAMPLE: [([f64; 2], [f64; 2]); 6] = [
    ([240.0, 930.0], [6.6, 5.4]),
    ([1010.0, 880.0], [7.9, 1.1]),
    ([1700.0, 940.0], [8.0, -2.9]),
    ([430.0, 400.0], [15.2, 8.6]),
    ([1050.0, 290.0], [20.7, 2.4]),
    ([1530.0, 360.0], [18.7, -3.5]),
];

fn written(marks: &[([f64; 2], [f64; 2])]) -> String {
    let marks: Vec<String> = marks.iter().map(|(px, ground_m)| format!("{{ px = {px:?}, ground_m = {ground_m:?} }}")).collect();
    format!("marks = [{}]\n", marks.join(", "))
}

/// What the file says of a camera with these keys, and its problems in words.
fn read(keys: &str) -> (Option<written::CameraTable>, Problems) {
    let text = format!("[[camera]]\nid = \"a\"\nsource = \"a.mp4\"\nmodality = \"thermal\"\ndetectors = [\"warm\"]\n{keys}");
    let mut problems = Problems::default();
    let file = written::read(&text, &mut problems).expect("TOML");
    (file.cameras.into_iter().next().flatten(), problems)
}

/// Of a mark with this number: its pixel and its point.
type Change<'a> = &'a dyn Fn(usize, &mut [f64; 2], &mut [f64; 2]);

const WITH_SIZE: &str = "marks_size = [1920, 1080]\n";

#[test]
fn a_table_with_marks_has_a_view() {
    let (camera, problems) = read(&(written(&EXAMPLE) + WITH_SIZE));
    let camera = camera.expect("a camera");
    let (height_m, tilt_deg, hfov_deg) = (camera.height_m.unwrap(), camera.tilt_deg.unwrap(), camera.hfov_deg.unwrap());
    assert!(problems.0.is_empty(), "{problems}");
    assert!((height_m - 6.0).abs() < 0.2 && (tilt_deg - 25.0).abs() < 1.0, "{camera:?}");
    assert!((hfov_deg - 62.0).abs() < 1.5 && (camera.heading_deg - 80.0).abs() < 1.0, "{camera:?}");
    let (camera, problems) = read(&(written(&EXAMPLE[..5]) + WITH_SIZE + "height_m = 6"));
    assert!(problems.0.is_empty() && camera.is_some_and(|camera| camera.height_m == Some(6.0)), "{problems}");
}

/// One error, at `place`, whose words hold `words`; and no view.
fn check_refused(keys: &str, place: &str, words: &str) {
    let (camera, problems) = read(keys);
    let [problem] = problems.0.as_slice() else { panic!("{words}: {problems}") };
    assert!(problem.place == place && !problem.warning && problem.to_string().contains(words), "{words}: {problem}");
    assert!(camera.is_none_or(|camera| (camera.height_m, camera.tilt_deg, camera.hfov_deg) == (None, None, None)));
}

#[test]
fn marks_that_give_no_view_are_refused_with_reasons() {
    let with = |marks: &[([f64; 2], [f64; 2])]| written(marks) + WITH_SIZE;
    check_refused(&with(&EXAMPLE[..3]), "camera[0].marks", "found 3; wanted 4 to 64 marks");
    check_refused(&written(&EXAMPLE), "camera[0].marks_size", "found nothing");
    check_refused(WITH_SIZE, "camera[0].marks", "found nothing");
    check_refused(&(written(&EXAMPLE) + "marks_size = [0, 1080]"), "camera[0].marks_size", "found 0");
    check_refused(&(with(&EXAMPLE) + "tilt_deg = 20\nheading_deg = 0"), "camera[0].marks", "found tilt_deg, heading_deg beside marks");
    check_refused(&(with(&EXAMPLE) + "height_m = 6\nhfov_deg = 60"), "camera[0].marks", "found hfov_deg beside marks");
    check_refused(&(with(&EXAMPLE) + "height_m = 0.1"), "camera[0].height_m", "found 0.1");
    check_refused(&with(&EXAMPLE).replace("240.0, 930.0", "240, \"930\""), "camera[0].marks[0].px[1]", "string");
    check_refused(&with(&EXAMPLE).replace("930.0", "1200.0"), "camera[0].marks[0].px", "within marks_size, 1920 x 1080");
    check_refused(&with(&EXAMPLE).replace("20.7", "nan"), "camera[0].marks[4].ground_m", "found NaN");

    let changed = |change: Change<'_>| {
        let mut marks = EXAMPLE;
        marks.iter_mut().enumerate().for_each(|(index, (px, ground_m))| change(index, px, ground_m));
        with(&marks)
    };
    let check = |change: Change<'_>, words: &str| check_refused(&changed(change), "camera[0].marks", words);
    check(&|_, _, ground_m| ground_m[1] = 2.0 + ground_m[0] / 9.0, "marks in one line");
    check(&|index, px, _| *px = [300.0 + 200.0 * index as f64, 800.0 - 50.0 * index as f64 + px[0] % 7.0], "marks in one line");
    check(&|_, px, _| *px = px.map(|at| 500.0 + at / 50.0), "marks at one place");
    check(&|_, _, ground_m| *ground_m = ground_m.map(|at| 5.0 + at / 200.0), "marks at one place");
    check(&|_, _, ground_m| ground_m.reverse(), "are east and north exchanged?");
    check(&|_, px, _| px[0] = 1920.0 - px[0], "px (root mean square), 1 % of the picture's width");
    check(&|_, _, ground_m| *ground_m = ground_m.map(|at| at * 1000.0 / 21.0 * 7.0), "marks that give a height of");
    check_refused(&changed(&|index, px, _| *px = if index == 2 { [240.0, 930.0] } else { *px }), "camera[0].marks[2]", "of marks[0] again");
}

#[test]
fn one_wrong_mark_is_named() {
    for wrong in 0..EXAMPLE.len() {
        let mut marks = EXAMPLE;
        marks[wrong].1[1] += 3.0;
        check_refused(&(written(&marks) + WITH_SIZE), "camera[0].marks", &format!("marks[{wrong}] is worst, "));
    }
}

#[test]
fn marks_that_cannot_tell_height_from_zoom_are_warned_of() {
    let view = CameraView { height_m: 20.0, tilt_deg: 80.0, heading_deg: 80.0, hfov_deg: 20.0 };
    let mut dice = Dice(5);
    let marked = noisy(&marks(&view, 6, &mut dice), 2.0, &mut dice);
    for (height_m, warnings) in [(None, 1), (Some(20.0), 0)] {
        let mut problems = Problems::default();
        let table = MarksTable { marks: Some(marked.clone()), marks_size: Some([1920, 1080]), height_m };
        assert!(super::view(&table, "camera[0]", &mut problems).is_some());
        assert_eq!((problems.errors(), problems.0.len()), (0, warnings), "{problems}");
    }
}

#[test]
fn a_slip_of_the_hand_is_told() {
    let (_, problems) = read("markes = []");
    assert_eq!(problems.0[0].hint, "did you mean `marks`?");
}
