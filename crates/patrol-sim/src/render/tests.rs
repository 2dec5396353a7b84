use super::*;
use crate::geometry::PixelRect;
use crate::truth::down_of;
use patrol_core::PixelBox;

fn scene(name: &str, seed: u64) -> Arc<Scene> {
    Arc::new(Scene::named(name, seed, 300.0).expect("a scene"))
}

fn counts(renderer: &mut Renderer, t_s: f64) -> Vec<u16> {
    let mut out = Vec::new();
    renderer.render_counts(t_s, &mut out);
    out
}

#[test]
fn pictures_depend_on_seed_and_time_alone() {
    let (first, again) = (scene("winter-street", 4), scene("winter-street", 4));
    for camera in 0..first.cameras().len() {
        let (mut forwards, mut backwards) = (Renderer::new(Arc::clone(&first), camera), Renderer::new(Arc::clone(&again), camera));
        let times = [0.0, 30.5, 150.0, 299.5];
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let mut pictures = Vec::new();
        for t_s in times {
            forwards.render(t_s, &mut one);
            pictures.push(one.clone());
        }
        for (t_s, picture) in times.into_iter().zip(&pictures).rev() {
            backwards.render(t_s, &mut other);
            assert!(other == *picture, "camera {camera} at {t_s} s");
        }
        let mut elsewhere = Renderer::new(scene("winter-street", 5), camera);
        elsewhere.render(150.0, &mut other);
        assert!(other != pictures[2]);
    }
}

/// Every person's warm pixels lie in the box of the truth, and fill it as a body does.
#[test]
fn boxes_enclose_what_a_person_changes() {
    let (mut looked_at, mut down) = (0, 0);
    for seed in 0..4 {
        for name in ["winter-street", "lying-any-angle"] {
            let scene = scene(name, seed);
            for camera in 0..scene.cameras().len() {
                let mut renderer = Renderer::new(Arc::clone(&scene), camera);
                let width = scene.cameras()[camera].size.width as usize;
                for t_s in [40.0, 120.0, 220.0] {
                    let with = counts(&mut renderer, t_s);
                    for (number, seen) in scene.seen_at(camera, t_s).into_iter().filter(|(_, seen)| seen.visible > 0.9) {
                        renderer.hide(Some(number));
                        let without = counts(&mut renderer, t_s);
                        renderer.hide(None);
                        let [x, y, w, h] = seen.bbox;
                        let mut hot = 0;
                        for (index, (with, without)) in with.iter().zip(&without).enumerate() {
                            // Less than a third of a kelvin drowns in noise.
                            if with.abs_diff(*without) > 30 {
                                hot += 1;
                                let (px, py) = ((index % width) as f32 + 0.5, (index / width) as f32 + 0.5);
                                let inside = px > x - 3.0 && px < x + w + 3.0 && py > y - 3.0 && py < y + h + 3.0;
                                assert!(inside, "{name} {seed} camera {camera} {t_s} s: ({px}, {py}) is outside {:?}", seen.bbox);
                            }
                        }
                        let fill = hot as f32 / (w * h);
                        assert!(fill > 0.3, "{name} {seed} camera {camera} {t_s} s: {seen:?} is filled by {fill} only");
                        looked_at += 1;
                        down += usize::from(seen.posture.is_down());
                    }
                }
            }
        }
    }
    assert!(looked_at > 60 && down > 30, "{looked_at} {down}");
}

/// A lying body stands out from the ring around it by far more than noise and ground texture, in counts.
#[test]
fn clothes_stand_out_from_the_ground() {
    for seed in 0..8 {
        let scene = scene("winter-street", seed);
        for camera in 0..scene.cameras().len() {
            let mut renderer = Renderer::new(Arc::clone(&scene), camera);
            let size = scene.cameras()[camera].size;
            let with = counts(&mut renderer, 280.0);
            for (number, seen) in scene.seen_at(camera, 280.0).into_iter().filter(|(_, seen)| seen.posture.is_down()) {
                renderer.hide(Some(number));
                let without = counts(&mut renderer, 280.0);
                renderer.hide(None);
                let [x, y, w, h] = seen.bbox;
                let rect = PixelRect::inside(&PixelBox::new(x, y, w, h).grown(8.0), size).expect("in the picture");
                let (mut body, mut ring) = (Vec::new(), Vec::new());
                for y in rect.y0..rect.y1 {
                    for x in rect.x0..rect.x1 {
                        let pixel = y * size.width as usize + x;
                        let warmer = f32::from(with[pixel]) - f32::from(without[pixel]);
                        if warmer > 100.0 {
                            body.push(warmer);
                        }
                        ring.push(f32::from(without[pixel]));
                    }
                }
                body.sort_by(f32::total_cmp);
                let clothes = body[body.len() / 3];
                let mean = ring.iter().sum::<f32>() / ring.len() as f32;
                let sigma = (ring.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / ring.len() as f32).sqrt();
                assert!(clothes > 4.0 * sigma, "seed {seed} camera {camera}: {clothes} counts over a ring of σ {sigma}");
            }
        }
    }
}

#[test]
fn people_who_wait_are_never_down() {
    for seed in 0..20 {
        let scene = Scene::named("waiting-people", seed, 900.0).expect("a scene");
        assert!(scene.people_expected_as_leads().is_empty(), "seed {seed}");
        assert!(
            scene.people().iter().all(|person| down_of(person, 900.0).is_none_or(|down| down.only_sat && down.to_s - down.from_s < 420.0))
        );
    }
}

#[test]
fn agc_gives_way_to_a_hot_car_and_recovers() {
    let scene = Arc::new(Scene::named("empty-street", 3, 600.0).expect("a scene"));
    let renderer = Renderer::new(Arc::clone(&scene), 0);
    let passage = scene.hot_passages(0)[0];
    let (before, during, after) = (renderer.gain(passage.from_s - 1.0), renderer.gain(passage.to_s), renderer.gain(passage.to_s + 30.0));
    assert!(during.1 > before.1 * 1.15 && after.1 < during.1, "{before:?} {during:?} {after:?}");
}
