//! What a rendered world must keep whatever is in it: truth covers bodies, pictures depend on nothing but seed and time.

use super::*;
use crate::truth::Seen;
use patrol_core::Posture;

const CAMERA: &str = "[[camera]]\nid = \"c1\"\nname = \"x\"\nat = [0, 0]\nheight_m = 5\ntilt_deg = 22\nhfov_deg = 50\n";

fn spec(head: &str, camera: &str, things: &str) -> Arc<Scene> {
    let text = format!("duration_s = 60\n{head}\n{CAMERA}{camera}\n{things}");
    Arc::new(Scene::from_spec(&text, 5).unwrap_or_else(|error| panic!("{text}\n{error}")))
}

const COLD: &str = "weather = { air_c = -4.0, wind_kmh = 10 }";

fn counts(renderer: &mut Renderer, t_s: f64) -> Vec<u16> {
    let mut out = Vec::new();
    renderer.render_counts(t_s, &mut out);
    out
}

/// Which pixels figure number `number` changes by more than 0.05 K, and by how much: noise is the same in both pictures.
fn changed(renderer: &mut Renderer, number: usize, t_s: f64) -> Vec<(f32, f32, f32)> {
    let with = counts(renderer, t_s);
    renderer.hide(Some(number));
    let without = counts(renderer, t_s);
    renderer.hide(None);
    let width = renderer.camera().size.width as usize;
    let pixels = with.iter().zip(&without).enumerate().filter(|(_, (with, without))| with.abs_diff(**without) > 5);
    pixels
        .map(|(index, (with, without))| {
            let (x, y) = ((index % width) as f32 + 0.5, (index / width) as f32 + 0.5);
            (x, y, (f32::from(*with) - f32::from(*without)) / COUNTS_PER_K)
        })
        .collect()
}

fn is_inside([x, y, w, h]: [f32; 4], (px, py): (f32, f32), slack: f32) -> bool {
    px > x - slack && px < x + w + slack && py > y - slack && py < y + h + slack
}

/// The only person seen, after checking that the truth's box covers what he changes, and is filled by it.
fn covered(scene: &Arc<Scene>, t_s: f64, what: &str) -> (Seen, Vec<f32>) {
    let mut renderer = Renderer::new(Arc::clone(scene), 0);
    let (number, seen) = scene.seen_at(0, t_s).into_iter().next().unwrap_or_else(|| panic!("{what}: nobody is seen"));
    let changed = changed(&mut renderer, number, t_s);
    for (x, y, _) in &changed {
        assert!(is_inside(seen.bbox, (*x, *y), 3.5), "{what} {t_s} s: ({x}, {y}) is outside {:?}", seen.bbox);
    }
    let fill = changed.len() as f32 / (seen.bbox[2] * seen.bbox[3]);
    assert!(fill > 0.3, "{what} {t_s} s: {:?} is filled by {fill} only", seen.bbox);
    (seen, changed.into_iter().map(|(.., warmer_k)| warmer_k).collect())
}

#[test]
fn boxes_and_postures_are_those_of_the_bodies() {
    for (step, posture) in [
        ("do = \"bend\"", Posture::Standing),
        ("do = \"crouch\"", Posture::Standing),
        ("do = \"sit\"", Posture::Sitting),
        ("do = \"sit\", bench = true", Posture::Sitting),
        ("do = \"slump\"", Posture::Slumped),
        ("do = \"slump\", bench = true", Posture::Slumped),
        ("do = \"lie\"", Posture::Lying),
        ("do = \"lie\", cover = \"quilt\"", Posture::Lying),
        ("do = \"curl\", cover = \"quilt\"", Posture::Curled),
        ("do = \"curl\", cover = \"foil\"", Posture::Curled),
    ] {
        for facing_deg in [0, 70, 200] {
            let person = format!("[[person]]\nfrom = [0.5, 11]\nat_s = -10\nsteps = [{{ {step}, facing_deg = {facing_deg} }}]");
            let (seen, _) = covered(&spec(COLD, "", &person), 20.0, step);
            assert_eq!(seen.posture, posture, "{step}");
            let [_, _, w, h] = seen.bbox;
            assert!(posture.is_down() || h > 0.8 * w, "{step}: {w} × {h}");
        }
    }
}

#[test]
fn a_quilt_hides_most_of_the_warmth_and_foil_is_cold() {
    let warmth = |cover: &str| {
        let person = format!("[[person]]\nfrom = [0.5, 11]\nat_s = -10\nsteps = [{{ do = \"lie\", facing_deg = 80{cover} }}]");
        let (_, mut changed) = covered(&spec(COLD, "", &person), 20.0, cover);
        changed.sort_by(f32::total_cmp);
        changed[changed.len() / 2]
    };
    let (bare, quilt, foil) = (warmth(""), warmth(", cover = \"quilt\""), warmth(", cover = \"foil\""));
    assert!(bare > 3.0 && (0.2..0.5 * bare).contains(&quilt) && foil < -1.0, "{bare} {quilt} {foil}");
}

#[test]
fn dogs_and_figures_are_among_the_others_where_they_are_drawn() {
    let dog = "[[dog]]\nfrom = [0, 10]\nat_s = -5\nlength_m = 0.9\nsteps = [{ do = \"walk\", to = [3, 10], speed_m_s = 0.2 }, { do = \"lie\" }]\n";
    let scene = spec(COLD, "", &format!("{dog}[[mannequin]]\nat = [-2, 12]\nwarm_k = 1.5"));
    let truth = scene.truth();
    assert!(truth.people.is_empty());
    let mut renderer = Renderer::new(Arc::clone(&scene), 0);
    for (number, kind, t_s) in [(0, "dog", 4.0), (0, "dog", 55.0), (1, "mannequin", 30.0)] {
        let there = |other: &&crate::truth::TruthOther| {
            other.kind == kind && other.from_s.is_none_or(|from_s| from_s <= t_s) && other.to_s.is_none_or(|to_s| t_s < to_s)
        };
        let told: Vec<_> = truth.others.iter().filter(there).collect();
        assert_eq!(told.len(), 1, "{kind} at {t_s} s");
        let changed = changed(&mut renderer, number, t_s);
        assert!(changed.len() > 60, "{kind} at {t_s} s: {}", changed.len());
        assert!(changed.iter().all(|(x, y, _)| is_inside(told[0].bbox, (*x, *y), 4.0)), "{kind} at {t_s} s: {:?}", told[0].bbox);
    }
}

#[test]
fn a_figure_is_there_from_when_it_is_carried_in() {
    let scene = spec(COLD, "", "[[mannequin]]\nat = [-2, 12]\nwarm_k = 1.5\nat_s = 12.4");
    let from_s: Vec<_> = scene.truth().others.iter().filter(|other| other.kind == "mannequin").map(|other| other.from_s).collect();
    assert_eq!(from_s, [Some(12.4)]);
    let mut renderer = Renderer::new(Arc::clone(&scene), 0);
    assert!(changed(&mut renderer, 0, 12.3).is_empty());
    assert!(changed(&mut renderer, 0, 12.5).len() > 60);
}

#[test]
fn grey_noise_of_a_thermal_camera_is_fresh_in_every_picture() {
    let picture = |output: &str, t_s: f64| {
        let scene = spec(COLD, &format!("[camera.output]\nnoise_k = 0.0\n{output}"), "");
        let mut out = Vec::new();
        Renderer::new(scene, 0).render(t_s, &mut out);
        out
    };
    let differences = |a: &[u8], b: &[u8]| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| f32::from(*a) - f32::from(*b)).collect() };
    let deviation = |all: &[f32]| (all.iter().map(|v| v * v).sum::<f32>() / all.len() as f32).sqrt();
    let (clean, noisy, next) = (picture("", 10.0), picture("noise_grey = 6.0", 10.0), picture("noise_grey = 6.0", 10.5));
    let added = deviation(&differences(&noisy, &clean));
    assert!((added - 6.0).abs() < 0.5, "{added}");
    // Two draws of the same σ, and hardly anything else.
    let between = deviation(&differences(&noisy, &next));
    assert!((between - 6.0 * 2.0_f32.sqrt()).abs() < 0.8, "{between}");
}

/// Whatever a camera does, the truth's box is where the body is.
#[test]
fn boxes_follow_cameras_that_move() {
    let person = "[[person]]\nfrom = [1, 13]\nat_s = -10\nsteps = [{ do = \"lie\", facing_deg = 80 }]";
    for motion in [
        "motion = { kind = \"sway\", deg = 1.5, period_s = 3.1 }",
        "motion = { kind = \"tour\", stay_s = 8, move_s = 3, presets = [[0, 22, 50], [12, 26, 34]] }",
        "motion = { kind = \"flight\", path = [[0, -2], [2, 3]], speed_m_s = 0.4 }",
    ] {
        let scene = spec(COLD, motion, person);
        let boxes: Vec<_> = [2.0, 9.3, 12.7, 31.1].map(|t_s| covered(&scene, t_s, motion).0.bbox).into();
        assert!(boxes.windows(2).any(|pair| (pair[0][0] - pair[1][0]).abs() > 2.0), "{motion}: {boxes:?} stand still");
        assert_eq!(scene.truth().cameras["c1"].views.len(), 60);
    }
}

#[test]
fn every_scene_depends_on_seed_and_time_alone() {
    for (name, _) in Scene::list() {
        let scenes = [(); 2].map(|()| Arc::new(Scene::named(name, 6, 60.0).expect("a scene")));
        for camera in 0..scenes[0].cameras().len() {
            let [mut forwards, mut backwards] = scenes.clone().map(|scene| Renderer::new(scene, camera));
            let mut pictures: Vec<Vec<u8>> = vec![Vec::new(); 3];
            let times = [3.0, 17.5, 40.5];
            times.iter().zip(&mut pictures).for_each(|(t_s, out)| forwards.render_i420(*t_s, out));
            assert!(pictures[0] != pictures[1] && pictures[1] != pictures[2], "{name}");
            let mut again = Vec::new();
            for (t_s, picture) in times.iter().zip(&pictures).rev() {
                backwards.render_i420(*t_s, &mut again);
                assert!(again == *picture, "{name}, camera {camera} at {t_s} s");
            }
            let size = forwards.camera().size;
            assert_eq!(again.len(), (size.width * size.height * 3 / 2) as usize, "{name}");
        }
    }
}

#[test]
fn palettes_colour_and_borders_hide() {
    let person = "[[person]]\nfrom = [-3.5, 11]\nat_s = -10\nsteps = [{ do = \"stand\" }]";
    let picture = |output: &str| {
        let scene = spec(COLD, &format!("[camera.output]\n{output}"), person);
        let mut out = Vec::new();
        let mut renderer = Renderer::new(Arc::clone(&scene), 0);
        renderer.render_i420(20.0, &mut out);
        (out, renderer.is_colour(), scene)
    };
    let pixels = 640 * 512;
    let (white, is_colour, plain) = picture("palette = \"white-hot\"");
    assert!(!is_colour && white[pixels..].iter().all(|chroma| *chroma == 128));
    let (black, is_colour, _) = picture("palette = \"black-hot\"");
    assert!(!is_colour && white[..pixels].iter().zip(&black).all(|(white, black)| *white == 255 - *black));
    let (twice, ..) = picture("palette = \"black-hot\"\nblack_hot = true");
    assert!(twice == white);
    let (iron, is_colour, _) = picture("palette = \"iron\"");
    assert!(is_colour && iron[pixels..].iter().filter(|chroma| chroma.abs_diff(128) > 20).count() > pixels / 4);
    // He stands at the left edge, and half of him is under the bar.
    let whole = plain.seen_at(0, 20.0)[0].1.clone();
    let left = (whole.bbox[0] + whole.bbox[2] / 2.0) as usize;
    let (framed, _, scene) = picture(&format!("borders = {{ left = {left}, top = 30 }}"));
    assert!((0..512).all(|y| framed[y * 640..y * 640 + left].iter().all(|v| *v == 0)) && framed[..30 * 640].iter().all(|v| *v == 0));
    let part = scene.seen_at(0, 20.0)[0].1.clone();
    assert!(part.bbox[0] == left as f32 && part.bbox[2] < whole.bbox[2] && (0.2..0.8).contains(&part.visible), "{part:?}");
}

#[test]
fn overlays_are_burnt_in_and_the_clock_runs() {
    let picture = |output: &str, t_s: f64| {
        let mut out = Vec::new();
        // Without noise, and with a shutter that holds what is behind the overlays.
        let output = format!("[camera.output]\nnoise_k = 0.0\nshutter_every_s = 20\n{output}");
        Renderer::new(spec(COLD, &output, ""), 0).render(t_s, &mut out);
        out
    };
    let differ = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    let bare = picture("", 20.0);
    for overlay in ["clock", "name", "logo", "crosshair", "scale", "spot"] {
        let with = picture(&format!("overlays = [\"{overlay}\"]"), 20.0);
        assert!((40..30_000).contains(&differ(&bare, &with)), "{overlay}: {}", differ(&bare, &with));
    }
    let clock = |t_s: f64| picture("overlays = [\"clock\"]", t_s);
    assert_eq!(differ(&clock(20.05), &clock(20.5)), 0);
    // A second on, the shutter is open again.
    assert!(differ(&clock(20.05), &clock(21.05)) > 30);
    assert_eq!(differ(&bare, &picture("", 20.5)), 0);
}

#[test]
fn gain_steps_and_noise_are_as_written() {
    let camera = |output: &str| Renderer::new(spec(COLD, &format!("[camera.output]\n{output}"), ""), 0);
    let stepping = camera("agc_step_every_s = 10");
    let span = |t_s: f64| stepping.gain(t_s).1 - stepping.gain(t_s).0;
    let spans: Vec<f32> = (0..6).map(|step| span(f64::from(step) * 10.0 + 5.0)).collect();
    let (least, most) = spans.iter().fold((f32::MAX, 0.0f32), |(least, most), span| (least.min(*span), most.max(*span)));
    assert!(most > 1.15 * least && (span(9.9) - span(10.1)).abs() > 5.0 * (span(9.7) - span(9.9)).abs(), "{spans:?}");
    let noise = |noise_k: f32| {
        let mut renderer = camera(&format!("noise_k = {noise_k}"));
        let (a, b) = (counts(&mut renderer, 1.0), counts(&mut renderer, 2.0));
        let squares: f32 = a.iter().zip(&b).map(|(a, b)| (f32::from(*a) - f32::from(*b)).powi(2)).sum();
        (squares / a.len() as f32 / 2.0).sqrt() / COUNTS_PER_K
    };
    assert!((noise(0.05) - 0.05).abs() < 0.005 && (noise(0.3) - 0.3).abs() < 0.02, "{} {}", noise(0.05), noise(0.3));
}

#[test]
fn wet_ground_mirrors_people_and_the_truth_says_so() {
    let person = "[[person]]\nfrom = [0, 12]\nat_s = -10\nsteps = [{ do = \"stand\" }]";
    let wet = spec("weather = { air_c = 2.0, wet_ground = true }", "", person);
    let mut renderer = Renderer::new(Arc::clone(&wet), 0);
    let body = wet.seen_at(0, 20.0)[0].1.bbox;
    let truth = wet.truth();
    let image = truth.others.iter().find(|other| other.kind == "reflection").expect("a reflection");
    let changed = changed(&mut renderer, 0, 20.0);
    let below: Vec<_> = changed.iter().filter(|(x, y, _)| !is_inside(body, (*x, *y), 3.5)).collect();
    assert!(below.len() > 40 && below.iter().all(|(x, y, _)| is_inside(image.bbox, (*x, *y), 3.5)), "{} {:?}", below.len(), image.bbox);
    let warmest = below.iter().map(|(.., k)| *k).fold(0.0, f32::max);
    assert!((0.2..4.0).contains(&warmest), "{warmest}");
}

#[test]
fn snow_settles_and_takes_the_contrast_of_the_ground() {
    let strip = "[[strip]]\nfrom = [0, -5]\nto = [0, 60]\nwidth_m = 6.0\nwarm_k = 1.2";
    let text = format!("duration_s = 2000\n{COLD}\nsnow = {{ rate = 0.9, settles = true }}\n{CAMERA}{strip}");
    let mut renderer = Renderer::new(Arc::new(Scene::from_spec(&text, 5).expect("a scene")), 0);
    let mut spread = |t_s: f64| {
        let mut near: Vec<u16> = counts(&mut renderer, t_s)[640 * 300..].to_vec();
        near.sort_unstable();
        f32::from(near[near.len() * 9 / 10] - near[near.len() / 10])
    };
    let (early, late) = (spread(5.0), spread(1900.0));
    assert!(late < 0.5 * early, "{early} {late}");
}

#[test]
fn light_comes_and_goes_in_visible_pictures() {
    let lit = |head: &str, things: &str, t_s: f64| {
        let mut out = Vec::new();
        let mut renderer = Renderer::new(spec(COLD, &format!("modality = \"visible\"\n{head}"), things), 0);
        renderer.render_rgb(t_s, &mut out);
        assert!(renderer.is_colour());
        out
    };
    let mean = |rgb: &[u8]| rgb.iter().map(|v| f64::from(*v)).sum::<f64>() / rgb.len() as f64;
    let car = "[[lamp]]\nat = [-9, 30]\nheight_m = 5\n[[car]]\npath = [[2, 40], [2, -20]]\nat_s = 5\nspeed_m_s = 3\nheadlights = true";
    assert!(mean(&lit("", car, 12.0)) > mean(&lit("", car, 1.0)) + 3.0);
    let lamp = "[[lamp]]\nat = [1, 12]\nheight_m = 5\nflicker_every_s = 4";
    // The exposure follows the light, hence the road below the lamp against the rest.
    let pool = |rgb: &[u8]| mean(&rgb[640 * 3 * 250..640 * 3 * 330]) - mean(&rgb[640 * 3 * 440..]);
    let levels: Vec<f64> = (0..14).map(|slot| pool(&lit("", lamp, f64::from(slot) * 4.0 + 3.0))).collect();
    let (low, high) = levels.iter().fold((f64::MAX, f64::MIN), |(low, high), level| (low.min(*level), high.max(*level)));
    assert!(high > low + 10.0, "{levels:?}");
    let grey = |rgb: &[u8]| rgb.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    let swings = "[camera.output]\nir_cut_at_s = 30";
    assert!(!grey(&lit(swings, lamp, 20.0)) && grey(&lit(swings, lamp, 40.0)));
}

#[test]
fn steam_drifts_within_the_box_of_the_truth() {
    let steam = "[[steam]]\nat = [0, 11]\nwarm_k = 9.0\nheight_m = 2.0";
    let (with, without) = (spec(COLD, "", steam), spec(COLD, "", ""));
    let others = with.truth().others;
    let plume = others.iter().find(|other| other.kind == "steam").expect("told");
    let [mut with, mut without] = [with, without].map(|scene| Renderer::new(scene, 0));
    let mut shapes = Vec::new();
    for t_s in [5.0, 20.0, 41.0] {
        let warm: Vec<usize> = counts(&mut with, t_s)
            .iter()
            .zip(&counts(&mut without, t_s))
            .enumerate()
            .filter(|(_, (with, without))| with.saturating_sub(**without) > 100)
            .map(|(index, _)| index)
            .collect();
        let inside = warm.iter().filter(|i| is_inside(plume.bbox, ((**i % 640) as f32, (**i / 640) as f32), 12.0)).count();
        assert!(warm.len() > 50 && inside * 10 > warm.len() * 9, "{t_s} s: {inside} of {}", warm.len());
        shapes.push(warm);
    }
    assert!(shapes[0] != shapes[1] && shapes[1] != shapes[2]);
}
