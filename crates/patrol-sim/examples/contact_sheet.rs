//! Writes pictures of scenes with the boxes of the truth drawn in: `contact_sheet OUT SCENE SEED SECONDS [T_S…]`.

use image::{Rgb, RgbImage};
use patrol_sim::truth::TruthOther;
use patrol_sim::{Renderer, Scene};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("usage: contact_sheet OUT SCENE SEED SECONDS [T_S…]");
    let (out, name, seed, seconds) = (next()?, next()?, next()?.parse()?, next()?.parse::<f64>()?);
    let times: Vec<f64> = args.map(|t| t.parse()).collect::<Result<_, _>>()?;
    let times = if times.is_empty() { vec![seconds * 0.1, seconds * 0.5, seconds - 1.0] } else { times };
    let scene = Arc::new(Scene::named(&name, seed, seconds)?);
    let truth = scene.truth();
    let (width, height) = (scene.cameras()[0].size.width, scene.cameras()[0].size.height);
    let mut sheet = RgbImage::new(width * scene.cameras().len() as u32, height * times.len() as u32);
    let mut pixels = Vec::new();
    for (column, camera) in scene.cameras().iter().enumerate() {
        let mut renderer = Renderer::new(Arc::clone(&scene), column);
        for (row, t_s) in times.iter().enumerate() {
            let (left, top) = (column as u32 * width, row as u32 * height);
            renderer.render_rgb(*t_s, &mut pixels);
            for (index, pixel) in pixels.chunks_exact(3).enumerate() {
                sheet.put_pixel(left + index as u32 % width, top + index as u32 / width, Rgb([pixel[0], pixel[1], pixel[2]]));
            }
            for person in &truth.people {
                for seen in person.seen.iter().filter(|s| s.camera == camera.id.as_str() && s.t_s == t_s.floor()) {
                    let colour = if seen.posture.is_down() { Rgb([255, 60, 60]) } else { Rgb([60, 220, 60]) };
                    frame(&mut sheet, left, top, seen.bbox, colour);
                }
            }
            for other in truth.others.iter().filter(|o| o.camera == camera.id.as_str() && o.kind != "car" && there(o, *t_s)) {
                frame(&mut sheet, left, top, other.bbox, Rgb([60, 120, 255]));
            }
        }
    }
    sheet.save(out)?;
    Ok(())
}

fn there(other: &TruthOther, t_s: f64) -> bool {
    other.from_s.is_none_or(|from_s| from_s <= t_s) && other.to_s.is_none_or(|to_s| t_s < to_s)
}

fn frame(sheet: &mut RgbImage, left: u32, top: u32, [x, y, w, h]: [f32; 4], colour: Rgb<u8>) {
    let (x0, y0, x1, y1) = (x.max(2.0) as u32 - 2, y.max(2.0) as u32 - 2, (x + w) as u32 + 2, (y + h) as u32 + 2);
    for x in x0..=x1 {
        for y in y0..=y1 {
            if (x == x0 || x == x1 || y == y0 || y == y1) && left + x < sheet.width() && top + y < sheet.height() {
                sheet.put_pixel(left + x, top + y, colour);
            }
        }
    }
}
