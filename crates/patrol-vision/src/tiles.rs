//! Where in a picture a network looks, and at which scale, so that people have the size it was trained on.
//!
//! Where nothing is known of the camera, pictures up to a little larger than the model's input are fitted into it whole, and larger
//! ones are cut into overlapping tiles at their own resolution. Where the view or the ground sampling distance is known, rows in which people
//! would be larger than the network knows are examined at half the scale, a quarter, and so on, and only those rows.
//!
//! A card may keep tiles for looks that examine in full ([`TilesWhen::InFull`]): all looks see the whole picture at once, in an input of its
//! proportions, and these also its tiles, at the smallest scale at which people far away have the size that the network needs.
//! [`merge`] makes one list of what all tiles found.

use crate::card::{InputSpec, ScaleSpec, TilesWhen};
use crate::detector::DetectContext;
use crate::layout::Candidate;
use patrol_core::view::UPRIGHT_HEIGHT_M;
use patrol_core::{PictureSize, PixelBox, PixelPoint};
use std::f32::consts::FRAC_1_SQRT_2;

/// A picture that is larger than the input by this factor is still shrunk into it whole: 720×576 into 640×512 is one look, not four, and costs 0.05 of
/// AP50 on HIT-UAV `val`. A fifth off costs 0.10, more than a portrait picture's second look is worth saving.
const SHRINK_MAX: f32 = 1.13;
/// A body with its arms spread, or stretched out beside the camera, is longer than an upright one is high.
const LONGEST_OF_UPRIGHT: f32 = 1.3;
/// Rows whose scale is decided at once, pixels.
const ROWS_STEP: u32 = 16;
/// Tiles of one picture. With an input of 640×512 enough for a picture of 3840×2160; larger ones are shrunk.
const TILES_MAX: usize = 48;
/// The shortest person that is looked for where nothing is known of the view, pixels of the picture: 1.7 m at 60 m from a 1080p camera of 60°.
const FAR_PERSON_PX: f32 = 24.0;
/// A scale that shows people larger than the whole picture's by no more than this is not worth tiles.
const WORTH_TILES: f32 = 1.3;
/// So many times the shortest person the network knows is seen without doubt.
const SEEN_WHOLE: f32 = 3.0;
/// A box so near to the inner edge of a tile is cut by it, in pixels of the model's input.
const CUT_PX: f32 = 2.5;
/// Of two boxes from different scales, the one that lies in the other by this part is a part of the same person.
const PART_OF: f32 = 0.7;

/// One inference: a region of the picture at a scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tile {
    /// In pixels of the picture.
    pub region: PixelBox,
    /// Pixels of the model's input for one of the picture, at most.
    pub scale: f32,
    /// The whole picture, at as large a scale as an input of its proportions allows.
    pub whole: bool,
    /// In pixels of the picture: of a person up to this size who is cut by an inner edge it is known that another tile sees him whole.
    pub overlap: f32,
    /// Padding to the left and above, pixels of the model's input.
    pub shift_px: u32,
}

/// A candidate in pixels of the picture, with the scale it was seen at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub candidate: Candidate,
    pub scale: f32,
}

/// What the tiles of a picture depend on; they are planned again when it changes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Basis {
    size: PictureSize,
    view: Option<patrol_core::CameraView>,
    gsd_m: Option<f32>,
    in_full: bool,
}

/// Keeps the plan of the last few cameras.
#[derive(Debug)]
pub struct Tiling {
    spec: ScaleSpec,
    input: [f32; 2],
    any_size: bool,
    plans: Vec<(Basis, Vec<Tile>)>,
}

/// Cameras whose plans are kept.
const PLANS_MAX: usize = 64;
/// By how much successive examinations in full are shifted, pixels of the model's input: parts of the cells of 4 and 8 pixels in which networks answer.
const SHIFTS_PX: [u32; 3] = [0, 3, 6];
/// Longer inputs would suit only pictures a few rows high.
const INPUT_SIDE_MAX: u32 = 2048;

impl Tiling {
    pub fn new(spec: ScaleSpec, input: &InputSpec) -> Self {
        Self { spec, input: [input.width as f32, input.height as f32], any_size: input.any_size, plans: Vec::new() }
    }

    /// The tiles for a picture, from the far rows to the near ones. Never empty.
    pub fn tiles(&mut self, size: PictureSize, context: &DetectContext<'_>) -> &[Tile] {
        let basis = Basis { size, view: context.view.copied(), gsd_m: context.gsd_m, in_full: context.in_full.is_some() };
        let at = self.plans.iter().position(|(known, _)| *known == basis).unwrap_or_else(|| {
            if self.plans.len() == PLANS_MAX {
                self.plans.remove(0);
            }
            self.plans.push((basis, self.plan(&basis)));
            self.plans.len() - 1
        });
        &self.plans[at].1
    }

    fn plan(&self, basis: &Basis) -> Vec<Tile> {
        if self.spec.tiles == TilesWhen::Never || (self.spec.tiles == TilesWhen::InFull && !basis.in_full) {
            return vec![Tile::whole(basis.size)];
        }
        let mut shrunk = 1.0;
        loop {
            let tiles = self.plan_at(basis, shrunk);
            if tiles.len() <= TILES_MAX {
                return tiles;
            }
            shrunk *= 0.8;
        }
    }

    /// The plan with the largest scale `native`.
    fn plan_at(&self, basis: &Basis, native: f32) -> Vec<Tile> {
        let (w, h) = (basis.size.width as f32, basis.size.height as f32);
        let fit = (self.input[0] / w).min(self.input[1] / h);
        let in_full = self.spec.tiles == TilesWhen::InFull;
        let whole_scale = self.whole_scale(basis.size);
        let mut tiles = if in_full { vec![Tile::whole(basis.size)] } else { Vec::new() };
        // Scale and rows of bands that want the same scale.
        let mut bands: Vec<(f32, f32, f32, f32)> = Vec::new();
        let mut y = 0;
        while y < basis.size.height {
            let below = (y + ROWS_STEP).min(basis.size.height);
            let long_px = basis.long_px(below as f32 - 0.5);
            let scale = if in_full { self.least_scale(long_px, native) } else { self.scale(long_px, fit, native) };
            let long_px = long_px.unwrap_or(self.spec.person_px[1] / scale / LONGEST_OF_UPRIGHT);
            match bands.last_mut() {
                Some((same, _, bottom, longest)) if *same == scale => (*bottom, *longest) = (below as f32, longest.max(long_px)),
                _ => bands.push((scale, y as f32, below as f32, long_px)),
            }
            y = below;
        }
        for (scale, top, bottom, long_px) in bands {
            if in_full && scale <= whole_scale * WORTH_TILES {
                continue;
            }
            // People whose feet are in the band reach above it, and nobody may be cut by both tiles of an overlap.
            let mut overlap: f32 =
                (long_px * LONGEST_OF_UPRIGHT).min(self.spec.person_px[1] / scale).min(self.input[0].min(self.input[1]) / scale / 2.0);
            let mut seen_whole = overlap;
            if in_full {
                // Whoever is larger is seen whole in the whole picture, and the part of him that a tile sees is no second person.
                overlap = overlap.min(SEEN_WHOLE * self.spec.person_px[0] / whole_scale);
                seen_whole = f32::INFINITY;
            }
            let top = (top - overlap).max(0.0);
            let tile = [self.input[0] / scale, self.input[1] / scale];
            for (y, height) in spans(top, (bottom + overlap / 2.0).min(h), tile[1], overlap, h) {
                for (x, width) in spans(0.0, w, tile[0], overlap, w) {
                    tiles.push(Tile { region: PixelBox::new(x, y, width, height), scale, whole: false, overlap: seen_whole, shift_px: 0 });
                }
            }
        }
        tiles
    }

    /// The scale for people `long_px` long.
    fn scale(&self, long_px: Option<f32>, fit: f32, native: f32) -> f32 {
        // A small picture is enlarged, and one a little too large is shrunk, into a single tile.
        let mut scale = if fit * SHRINK_MAX >= 1.0 && native == 1.0 { fit } else { native };
        if let Some(long_px) = long_px {
            while long_px * LONGEST_OF_UPRIGHT * scale > self.spec.person_px[1] && scale > fit {
                // Never smaller than the whole picture in one tile.
                scale = (scale / 2.0).max(fit);
            }
            while long_px * LONGEST_OF_UPRIGHT * scale > self.spec.person_px[1] {
                scale /= 2.0;
            }
        }
        scale
    }

    /// The smallest scale at which people `long_px` long are no shorter than the network knows: of 1, ½, ¼ … so that few rows want another one; of
    /// 1, √½, ½ … where all rows want the same.
    fn least_scale(&self, long_px: Option<f32>, native: f32) -> f32 {
        let wanted = self.spec.person_px[0] / long_px.unwrap_or(FAR_PERSON_PX);
        let step = if long_px.is_some() { 0.5 } else { FRAC_1_SQRT_2 };
        let mut scale = 1.0;
        while scale * step >= wanted * 0.999 {
            scale *= step;
        }
        scale * native
    }

    /// The scale of a look at the whole picture.
    fn whole_scale(&self, size: PictureSize) -> f32 {
        let (w, h) = if self.any_size { input_for(size, self.input) } else { (self.input[0] as u32, self.input[1] as u32) };
        (w as f32 / size.width as f32).min(h as f32 / size.height as f32)
    }
}

impl Tile {
    /// The same place, laid elsewhere in the model's input, other for each examination in full: a still picture is put to the network anew.
    pub fn shifted(&self, examination: u32) -> Self {
        Self { shift_px: SHIFTS_PX[examination as usize % SHIFTS_PX.len()], ..*self }
    }

    /// One look at everything.
    pub fn whole(size: PictureSize) -> Self {
        Self {
            region: PixelBox::new(0.0, 0.0, size.width as f32, size.height as f32),
            scale: f32::INFINITY,
            whole: true,
            overlap: 0.0,
            shift_px: 0,
        }
    }
}

/// Width and height of an input, in multiples of 32, that shows a picture of `size` as large as possible with no more than a twentieth more
/// pixels than `usual`.
pub fn input_for(size: PictureSize, usual: [f32; 2]) -> (u32, u32) {
    let cells = (usual[0] * usual[1] * 1.05 / (32.0 * 32.0)) as u32;
    let shown = |w: u32, h: u32| (w as f32 / size.width as f32).min(h as f32 / size.height as f32);
    let inputs = (1..=cells.max(1)).map(|w| (w * 32, (cells / w).max(1) * 32)).filter(|(w, h)| *w.max(h) <= INPUT_SIDE_MAX);
    let (w, h) = inputs.max_by(|a, b| shown(a.0, a.1).total_cmp(&shown(b.0, b.1))).unwrap_or((usual[0] as u32, usual[1] as u32));
    // Rows and columns that the picture does not reach are left off.
    let scale = shown(w, h);
    let needed = |side: u32, most: u32| ((side as f32 * scale / 32.0 - 0.01).ceil().max(1.0) as u32 * 32).min(most);
    (needed(size.width, w), needed(size.height, h))
}

impl Basis {
    /// Length of a person in pixels at row `y`, upright or lying, whichever is longer.
    fn long_px(&self, y: f32) -> Option<f32> {
        let at = PixelPoint { x: self.size.width as f32 / 2.0, y };
        let long_px = match (self.view, self.gsd_m) {
            (Some(view), _) => {
                let lying = view.pixels_per_metre(at, self.size)? * UPRIGHT_HEIGHT_M;
                view.upright_height_px(at, self.size).map_or(lying, |upright| upright.max(lying))
            }
            (None, Some(gsd_m)) => UPRIGHT_HEIGHT_M / gsd_m,
            (None, None) => return None,
        };
        (long_px.is_finite() && long_px > 0.0).then_some(long_px)
    }
}

/// Start and length of tiles that cover `[from, to)`, overlapping by `overlap` or more; inside `[0, limit)`.
fn spans(from: f32, to: f32, tile: f32, overlap: f32, limit: f32) -> impl Iterator<Item = (f32, f32)> {
    let tile = tile.min(limit);
    let step_max = (tile - overlap).max(tile / 2.0);
    let steps = ((to - from - tile) / step_max).ceil().max(0.0);
    let start = from.min(limit - tile);
    let step = if steps > 0.0 { (to - tile - start) / steps } else { 0.0 };
    // One that would end within a pixel or so of the picture's edge ends with it.
    (0..=steps as usize).map(move |index| {
        let at = (start + index as f32 * step).floor();
        (if at + tile > limit - 1.5 { limit - tile } else { at.max(0.0) }, tile)
    })
}

/// Whether the tile's inner edge cuts `bbox`, and a neighbour sees it whole.
pub fn is_cut(bbox: &PixelBox, tile: &Tile, size: PictureSize) -> bool {
    let near = CUT_PX / tile.scale;
    let region = &tile.region;
    // Tiles of a broken scale end within a pixel of the picture's edge.
    let (last_x, last_y) = (size.width as f32 - 1.0, size.height as f32 - 1.0);
    let across = (region.x > 0.0 && bbox.x < region.x + near) || (region.right() < last_x && bbox.right() > region.right() - near);
    let down = (region.y > 0.0 && bbox.y < region.y + near) || (region.bottom() < last_y && bbox.bottom() > region.bottom() - near);
    (across && bbox.w <= tile.overlap) || (down && bbox.h <= tile.overlap)
}

/// Greedy suppression over all tiles, best first: what overlaps a better one by more than `iou_max`, or, seen at another scale, is mostly part of one.
pub fn merge(found: &mut Vec<Found>, iou_max: f32) {
    found.sort_by(|a, b| b.candidate.score.total_cmp(&a.candidate.score));
    let mut kept = 0;
    for index in 0..found.len() {
        let one = found[index];
        let doubles = |better: &Found| {
            let (a, b) = (&better.candidate.bbox, &one.candidate.bbox);
            let part = a.intersection(b) / a.area().min(b.area()).max(f32::MIN_POSITIVE);
            a.iou(b) > iou_max || (better.scale != one.scale && part >= PART_OF)
        };
        if !found[..kept].iter().any(doubles) {
            found[kept] = one;
            kept += 1;
        }
    }
    found.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::ChannelOrder;
    use patrol_core::{CameraView, Modality};

    fn plan(size: (u32, u32), view: Option<&CameraView>, gsd_m: Option<f32>) -> Vec<Tile> {
        let context = DetectContext { modality: Modality::Thermal, view, gsd_m, in_full: Some(0) };
        let spec = ScaleSpec { person_px: [8.0, 100.0], tiles: TilesWhen::Always };
        Tiling::new(spec, &input(640, 512)).tiles(PictureSize::new(size.0, size.1), &context).to_vec()
    }

    fn input(width: u32, height: u32) -> InputSpec {
        InputSpec { any_size: true, ..InputSpec::plain(width, height, ChannelOrder::Gray) }
    }

    /// Of a card that keeps tiles for looks in full, with an input of 416×416.
    fn street(size: (u32, u32), view: Option<&CameraView>, in_full: bool) -> Vec<Tile> {
        let context = DetectContext { modality: Modality::Visible, view, gsd_m: None, in_full: in_full.then_some(0) };
        let spec = ScaleSpec { person_px: [12.0, 104.0], tiles: TilesWhen::InFull };
        Tiling::new(spec, &input(416, 416)).tiles(PictureSize::new(size.0, size.1), &context).to_vec()
    }

    #[test]
    fn an_input_takes_the_proportions_of_its_picture_and_no_more_pixels() {
        for (size, wanted) in [
            ((1920, 1080), (544, 320)),
            ((416, 416), (416, 416)),
            ((1080, 1920), (320, 544)),
            ((640, 480), (480, 352)),
            ((5000, 10), (2048, 32)),
        ] {
            let found = input_for(PictureSize::new(size.0, size.1), [416.0, 416.0]);
            assert_eq!(found, wanted, "{size:?}");
        }
        for w in 1..60 {
            for h in 1..60 {
                let (iw, ih) = input_for(PictureSize::new(w * 37, h * 23), [416.0, 416.0]);
                assert!(iw % 32 == 0 && ih % 32 == 0 && iw * ih <= 416 * 416 * 21 / 20 && iw >= 32 && ih >= 32, "{w} {h} {iw} {ih}");
            }
        }
    }

    #[test]
    fn only_a_look_in_full_has_tiles_and_it_sees_the_whole_picture_too() {
        let whole = Tile::whole(PictureSize::new(1920, 1080));
        assert_eq!(street((1920, 1080), None, false), [whole]);
        let tiles = street((1920, 1080), None, true);
        assert_eq!(tiles[0], whole);
        // Somebody 24 px long is 12 px long in each of them, and no place is left out.
        assert!(tiles.len() > 1 && tiles[1..].iter().all(|tile| (0.49..0.72).contains(&tile.scale) && !tile.whole), "{tiles:?}");
        for (x, y) in [(0.0, 0.0), (1910.0, 0.0), (0.0, 1056.0), (1910.0, 1056.0), (900.0, 500.0)] {
            let body = PixelBox::new(x, y, 10.0, 24.0);
            let whole = |tile: &&Tile| {
                let region = &tile.region;
                let (right, bottom) = (region.right() + 0.5, region.bottom() + 0.5);
                let inside = body.x >= region.x && body.y >= region.y && body.right() <= right && body.bottom() <= bottom;
                inside && !is_cut(&body, tile, PictureSize::new(1920, 1080))
            };
            assert!(tiles[1..].iter().any(|tile| whole(&tile)), "{body:?} {tiles:?}");
        }
        // A small stream shows nobody better in tiles.
        assert_eq!(street((640, 360), None, true).len(), 1);
    }

    #[test]
    fn successive_examinations_see_the_same_place_laid_elsewhere() {
        for tile in street((1920, 1080), None, true) {
            let shifts: Vec<u32> = (0..4).map(|examination| tile.shifted(examination).shift_px).collect();
            assert!(shifts[0] == 0 && shifts[3] == 0 && shifts[1] > 0 && shifts[2] > shifts[1], "{shifts:?}");
            assert_eq!(tile.shifted(1).region, tile.region);
        }
    }

    #[test]
    fn a_part_of_somebody_who_is_larger_than_the_overlap_is_no_second_person() {
        let tiles = street((1920, 1080), None, true);
        let upper = tiles.iter().find(|tile| !tile.whole && tile.region.bottom() < 1080.0).expect("an upper row");
        let bottom = upper.region.bottom();
        assert!(is_cut(&PixelBox::new(upper.region.x + 100.0, bottom - 300.0, 90.0, 300.0), upper, PictureSize::new(1920, 1080)));
        // In the whole picture nobody is cut.
        assert!(!is_cut(&PixelBox::new(0.0, 780.0, 90.0, 300.0), &tiles[0], PictureSize::new(1920, 1080)));
    }

    #[test]
    fn a_known_view_has_tiles_only_where_people_are_far() {
        let view = CameraView { height_m: 6.0, tilt_deg: 20.0, heading_deg: 0.0, hfov_deg: 70.0 };
        let tiles = street((1920, 1080), Some(&view), true);
        let nearest = tiles[1..].iter().map(|tile| tile.region.bottom()).fold(0.0, f32::max);
        assert!(tiles.len() > 1 && nearest < 1000.0, "{tiles:?}");
        assert!(tiles.len() < street((1920, 1080), None, true).len() + 6, "{}", tiles.len());
    }

    fn found(x: f32, score: f32, scale: f32) -> Found {
        Found { candidate: Candidate { bbox: PixelBox::new(x, 0.0, 10.0, 10.0), score }, scale }
    }

    #[test]
    fn pictures_of_the_inputs_size_and_smaller_are_one_tile() {
        for size in [(640, 512), (320, 256), (384, 288), (720, 576), (1, 1), (640, 1)] {
            let tiles = plan(size, None, None);
            assert_eq!(tiles.len(), 1, "{size:?} {tiles:?}");
            assert_eq!((tiles[0].region.w, tiles[0].region.h), (size.0 as f32, size.1 as f32));
        }
    }

    #[test]
    fn a_picture_on_its_side_is_two_tiles_at_its_own_resolution() {
        let tiles = plan((512, 640), None, None);
        assert_eq!(tiles.iter().map(|tile| tile.scale).collect::<Vec<_>>(), [1.0, 1.0]);
    }

    #[test]
    fn larger_pictures_are_covered_at_their_own_resolution_and_nobody_falls_between() {
        for size in [(1280, 1024), (1920, 1080), (1024, 768), (3840, 2160), (10_000, 600)] {
            let tiles = plan(size, None, None);
            assert!(tiles.iter().all(|tile| tile.scale == 1.0 && tile.region.w <= 640.0 && tile.region.h <= 512.0), "{tiles:?}");
            // Somebody 40 px long anywhere is whole in a tile that does not take him for cut.
            let size = PictureSize::new(size.0, size.1);
            for y in (0..size.height - 40).step_by(7) {
                for x in (0..size.width - 40).step_by(7) {
                    let body = PixelBox::new(x as f32, y as f32, 40.0, 40.0);
                    let whole = tiles.iter().any(|tile| {
                        let region = &tile.region;
                        body.x >= region.x
                            && body.y >= region.y
                            && body.right() <= region.right()
                            && body.bottom() <= region.bottom()
                            && !is_cut(&body, tile, size)
                    });
                    assert!(whole, "{body:?} {size:?}");
                }
            }
        }
    }

    #[test]
    fn the_largest_pictures_stay_within_the_bound() {
        assert!(plan((8192, 8192), None, None).len() <= TILES_MAX);
    }

    #[test]
    fn a_drone_low_over_the_ground_looks_at_a_smaller_scale() {
        // 1.7 m at 0.8 cm are 212 px; spread arms 276: a quarter of the resolution, but no smaller than the whole picture in one tile.
        assert_eq!(plan((640, 512), None, Some(0.008)).iter().map(|tile| tile.scale).collect::<Vec<_>>(), [0.25]);
        assert_eq!(plan((640, 512), None, Some(0.08)).iter().map(|tile| tile.scale).collect::<Vec<_>>(), [1.0]);
        let large = plan((1920, 1080), None, Some(0.008));
        assert!(large.len() == 1 && large[0].scale < 0.34, "{large:?}");
    }

    #[test]
    fn a_street_camera_examines_near_rows_at_a_smaller_scale_and_far_rows_at_its_own() {
        let view = CameraView { height_m: 4.0, tilt_deg: 20.0, heading_deg: 0.0, hfov_deg: 60.0 };
        let tiles = plan((1920, 1080), Some(&view), None);
        let scales: std::collections::BTreeSet<_> = tiles.iter().map(|tile| (tile.scale * 1000.0) as u32).collect();
        assert!(scales.len() >= 2 && scales.contains(&1000), "{scales:?}");
        // Far rows come first; near ones are not examined at full resolution.
        let native = tiles.iter().filter(|tile| tile.scale == 1.0).map(|tile| tile.region.bottom()).fold(0.0, f32::max);
        assert!(native < 1080.0, "{native}");
        assert!(tiles.len() < plan((1920, 1080), None, None).len() + 4, "{}", tiles.len());
    }

    #[test]
    fn doubles_go_and_neighbours_stay() {
        let mut all = vec![found(1.0, 0.6, 1.0), found(0.0, 0.9, 1.0), found(9.0, 0.5, 1.0)];
        merge(&mut all, 0.45);
        assert_eq!(all, vec![found(0.0, 0.9, 1.0), found(9.0, 0.5, 1.0)]);
    }

    #[test]
    fn a_chain_of_overlaps_is_not_eaten_whole() {
        // The third overlaps only the second, which is gone: it stays.
        let mut all = vec![found(0.0, 0.9, 1.0), found(3.0, 0.8, 1.0), found(6.0, 0.7, 1.0)];
        merge(&mut all, 0.45);
        assert_eq!(all.iter().map(|kept| kept.candidate.score).collect::<Vec<_>>(), vec![0.9, 0.7]);
    }

    #[test]
    fn a_head_seen_at_another_scale_is_part_of_the_body() {
        let body = Found { candidate: Candidate { bbox: PixelBox::new(0.0, 0.0, 30.0, 80.0), score: 0.8 }, scale: 0.5 };
        let head = Found { candidate: Candidate { bbox: PixelBox::new(8.0, 0.0, 12.0, 12.0), score: 0.6 }, scale: 1.0 };
        let mut all = vec![head, body];
        merge(&mut all, 0.45);
        assert_eq!(all, vec![body]);
        let mut same_scale = vec![Found { scale: 0.5, ..head }, body];
        merge(&mut same_scale, 0.45);
        assert_eq!(same_scale.len(), 2);
    }
}
