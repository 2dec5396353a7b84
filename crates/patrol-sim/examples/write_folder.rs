//! Writes a scene folder: `write_folder SCENE SEED SECONDS DIR`.

use patrol_sim::{Scene, write_scene};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, seed, seconds, dir] = args.as_slice() else { return Err("usage: write_folder SCENE SEED SECONDS DIR".into()) };
    let scene = Scene::named(name, seed.parse()?, seconds.parse()?)?;
    write_scene(&scene, Path::new(dir), &mut |_| {})?;
    Ok(())
}
