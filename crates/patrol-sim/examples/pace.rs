//! Milliseconds per rendered picture and per picture through the codec, for each camera of a scene: `pace [SCENE]`.

use patrol_core::{Clock, SystemClock};
use patrol_sim::{Renderer, Scene, SceneStream};
use std::io::Write;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const PICTURES: u32 = 200;
    let name = std::env::args().nth(1).unwrap_or_else(|| "winter-street".into());
    let clock = SystemClock::new();
    let now_s = || clock.monotonic().as_secs_f64();
    let scene = Arc::new(Scene::named(&name, 1, 1200.0)?);
    writeln!(std::io::stdout(), "scene {:.0} ms", now_s() * 1e3)?;
    for camera in 0..scene.cameras().len() {
        let began = now_s();
        let mut renderer = Renderer::new(Arc::clone(&scene), camera);
        let ready = now_s();
        let mut out = Vec::new();
        for frame in 0..PICTURES {
            renderer.render(f64::from(frame) / 2.0, &mut out);
        }
        let rendered = now_s();
        let mut stream = SceneStream::new(Arc::clone(&scene), camera)?;
        let started = now_s();
        for _ in 0..PICTURES {
            stream.next()?;
        }
        let each = |seconds: f64| seconds * 1e3 / f64::from(PICTURES);
        writeln!(
            std::io::stdout(),
            "{name}, {}: background {:.0} ms, render {:.2} ms, next {:.2} ms",
            scene.cameras()[camera].id,
            (ready - began) * 1e3,
            each(rendered - ready),
            each(now_s() - started)
        )?;
    }
    let began = now_s();
    let seen: usize = scene.truth().people.iter().map(|person| person.seen.len()).sum();
    writeln!(std::io::stdout(), "truth {:.0} ms, {seen} sightings", (now_s() - began) * 1e3)?;
    Ok(())
}
