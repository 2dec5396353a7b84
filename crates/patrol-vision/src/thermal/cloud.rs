//! The colours of a picture, and the curve through them when no known palette fits.
//!
//! A palette is a curve, so the colours of even places lie on it. The shortest tree that joins them follows it, and the longest way through
//! that tree runs from one end to the other; side branches are noise and logos. The way is then drawn smooth and read by its length.

use super::palette::{Curve, POINTS};
use super::planes::Planes;
use super::strokes;
use std::cell::RefCell;

/// Samples taken of one picture: all of the chroma at 640 × 512, for a far person is a few of them.
const SAMPLES: usize = 90_000;
/// Side of a cell of colours, as a shift: 8 levels.
const CELL_SHIFT: u32 = 3;
/// A place is even when its four pixels, and its colour and those beside it, differ by no more, levels.
const EVEN_LUMA: u8 = 12;
const EVEN_CHROMA: u8 = 8;
/// What counts the colour of a place that is not: it lies between two colours of the palette, and leads from one to the other.
const UNEVEN: f32 = 0.25;
/// Cells that hold less than this many samples, and this part of them, are noise.
const CELL_MIN: f32 = 1.5;
const CELL_PART: f32 = 0.00002;
/// So many samples of even places make a colour one of the palette.
const EVEN_MIN: f32 = 2.0;
/// At most this many cells are joined, the fullest: the tree costs their square.
const CELLS_MAX: usize = 700;
/// A gap longer than this in the tree cuts off what is not the palette, when that holds less than [`ISLAND_PART`] of the samples.
const GAP: f32 = 60.0;
const ISLAND_PART: f32 = 0.005;
/// A smaller island of so many samples goes on from an end of the curve when it lies nearest to this part of it.
const ISLAND_MIN: f32 = 4.0;
const END_PART: f32 = 0.15;
/// And no farther away: beyond, the two ends of a rainbow are as near as any.
const ISLAND_REACH: f32 = 110.0;
/// A distance beyond this is not of the palette, and says no more when it grows.
const OUTLIER: f32 = 30.0;
/// One end is so much brighter, in levels, that it is the hot one.
const DIRECTION: f32 = 60.0;
/// Two curves this close are of one palette, levels.
const SAME_CURVE: f32 = 16.0;
/// Rounds of drawing the curve smooth, and its joints.
const ROUNDS: usize = 4;
const JOINTS: usize = 48;

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    count: f32,
    sum: [f32; 3],
    /// Samples of even places.
    even: f32,
}

impl Cell {
    fn is_even(&self) -> bool {
        self.even >= EVEN_MIN
    }
    fn point(&self) -> (f32, [f32; 3]) {
        (self.count, self.sum.map(|sum| sum / self.count))
    }
}

/// Colours met, over pictures.
#[derive(Debug, Default)]
pub(super) struct Cloud {
    /// By their colours, in order.
    cells: Vec<(u16, Cell)>,
}

/// Buffers of one thread; nothing is carried from picture to picture.
#[derive(Debug, Default)]
struct Scratch {
    /// Where the cell of a colour stands, from 1 on; 0: there is none.
    places: Vec<u16>,
    /// Pixels that are written over.
    written: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

impl Cloud {
    pub(super) fn clear(&mut self) {
        self.cells.clear();
    }

    /// Adds the colours inside `[left, right) × [top, bottom)`, without what is written over them.
    pub(super) fn add(&mut self, planes: &Planes, inside: [usize; 4]) {
        SCRATCH.with_borrow_mut(|scratch| self.add_in(scratch, planes, inside));
        self.cells.sort_unstable_by_key(|(key, _)| *key);
    }

    fn add_in(&mut self, scratch: &mut Scratch, planes: &Planes, [left, top, right, bottom]: [usize; 4]) {
        let (x0, y0) = (left.div_ceil(2), top.div_ceil(2));
        let (x1, y1) = ((right / 2).saturating_sub(1), (bottom / 2).saturating_sub(1));
        if x1 <= x0 || y1 <= y0 {
            return;
        }
        let Scratch { places, written } = scratch;
        places.clear();
        places.resize(1 << 15, 0);
        for (place, (key, _)) in (1..).zip(&self.cells) {
            places[usize::from(*key)] = place;
        }
        written.clear();
        written.resize(planes.luma.len(), 0);
        strokes::mark(&planes.luma, planes.width, strokes::Area { left: 2 * x0, top: 2 * y0, right: 2 * x1, bottom: 2 * y1 }, written);
        let step = (((x1 - x0) * (y1 - y0) / SAMPLES) as f32).sqrt().ceil().max(1.0) as usize;
        for y in (y0..y1).step_by(step) {
            let (upper, lower) = (planes.row(2 * y), planes.row(2 * y + 1));
            let (chroma, below) = (planes.chroma_row(y), planes.chroma_row(y + 1));
            for x in (x0..x1).step_by(step) {
                let at = 2 * y * planes.width + 2 * x;
                // The codec spreads a stroke's lack of colour.
                if written[at.saturating_sub(2)..(at + 4).min(written.len())].iter().any(|mark| *mark != 0) {
                    continue;
                }
                let four = [upper[2 * x], upper[2 * x + 1], lower[2 * x], lower[2 * x + 1]];
                let [u, v] = chroma[x];
                let (low, high) = four.iter().fold((255, 0), |(low, high), value| (low.min(*value), high.max(*value)));
                let near = |other: [u8; 2]| other[0].abs_diff(u).max(other[1].abs_diff(v)) <= EVEN_CHROMA;
                let even = high - low <= EVEN_LUMA && near(chroma[x + 1]) && near(below[x]);
                let weight = if even { 1.0 } else { UNEVEN };
                let luma = four.iter().map(|value| f32::from(*value)).sum::<f32>() / 4.0;
                let key = (luma as u16 >> CELL_SHIFT) << 10 | (u16::from(u) >> CELL_SHIFT) << 5 | u16::from(v) >> CELL_SHIFT;
                let place = &mut places[usize::from(key)];
                if *place == 0 {
                    self.cells.push((key, Cell::default()));
                    *place = self.cells.len() as u16;
                }
                let cell = &mut self.cells[usize::from(*place) - 1].1;
                cell.count += weight;
                cell.even += f32::from(u8::from(even));
                for (sum, value) in cell.sum.iter_mut().zip([luma, u.into(), v.into()]) {
                    *sum += weight * value;
                }
            }
        }
    }

    /// Colours of the palette; where even places show none, those that lead from one to another.
    fn points(&self) -> Vec<(f32, [f32; 3])> {
        let total: f32 = self.cells.iter().map(|(_, cell)| cell.count).sum();
        let least = (CELL_PART * total).max(CELL_MIN);
        let mut points: Vec<_> = self
            .cells
            .iter()
            .filter(|(key, cell)| cell.count >= least && (cell.is_even() || !self.is_beside_even(*key)))
            .map(|(_, cell)| cell.point())
            .collect();
        if points.len() > CELLS_MAX {
            points.sort_by(|a, b| b.0.total_cmp(&a.0));
            points.truncate(CELLS_MAX);
        }
        points
    }

    fn is_beside_even(&self, key: u16) -> bool {
        let side = |shift: u32| ((key >> shift & 31).saturating_sub(1), (key >> shift & 31).saturating_add(1).min(31));
        let (luma, u, v) = (side(10), side(5), side(0));
        (luma.0..=luma.1).any(|luma| {
            (u.0..=u.1).any(|u| {
                let (first, last) = (luma << 10 | u << 5 | v.0, luma << 10 | u << 5 | v.1);
                let from = self.cells.partition_point(|(key, _)| *key < first);
                self.cells[from..].iter().take_while(|(key, _)| *key <= last).any(|(_, cell)| cell.is_even())
            })
        })
    }

    /// Root mean square distance of the colours from a curve, levels. Full cells count by their root, so that a wide even ground does not
    /// outweigh all else.
    pub(super) fn residual(&self, curve: &Curve) -> f32 {
        let (mut sum, mut weights) = (0.0, 0.0);
        let even = self.cells.iter().filter(|(_, cell)| cell.is_even()).map(|(_, cell)| cell.point());
        for (count, colour) in even {
            let nearest = curve.iter().step_by(2).map(|point| distance_squared(point, &colour)).fold(f32::INFINITY, f32::min);
            sum += count.sqrt() * nearest.min(OUTLIER * OUTLIER);
            weights += count.sqrt();
        }
        if weights > 0.0 { (sum / weights).sqrt() } else { f32::INFINITY }
    }

    /// A curve through the colours, coldest first as far as colours can tell: the bright and the red end are hot. `before` decides
    /// instead where there is one.
    pub(super) fn backbone(&self, before: Option<&Curve>) -> Option<Curve> {
        let points = self.points();
        if points.len() < 8 {
            return None;
        }
        let tree = shortest_tree(&points);
        let (main, mut islands) = main_part(&points, &tree);
        let start = *main.first()?;
        let (end, _) = farthest(&tree, &points, start, &main);
        let (other, parents) = farthest(&tree, &points, end, &main);
        let mut way = vec![points[other].1];
        let mut at = other;
        while let Some(parent) = parents[at] {
            way.push(points[parent].1);
            at = parent;
        }
        let mut main: Vec<_> = main.iter().map(|index| points[*index]).collect();
        islands.retain(|(weight, _)| *weight >= ISLAND_MIN);
        while let Some((index, place)) = nearest_pair(&way, &islands) {
            // A hot lamp in a cold street, with nothing between them: it goes on from an end of the way. A logo lies anywhere.
            let island = islands.swap_remove(index);
            if colour_distance(&way[place], &island.1) > ISLAND_REACH * ISLAND_REACH {
                break;
            }
            if (place + 1) as f32 >= (1.0 - END_PART) * way.len() as f32 {
                way.push(island.1);
            } else if place as f32 <= END_PART * way.len() as f32 {
                way.insert(0, island.1);
            } else {
                continue;
            }
            main.push(island);
        }
        let mut joints = by_length(&way, JOINTS);
        for _ in 0..ROUNDS {
            joints = by_length(&smoothed(&joints, &main), JOINTS);
        }
        let mut curve = [[0.0; 3]; POINTS];
        curve.copy_from_slice(&by_length(&joints, POINTS));
        let before = before.filter(|before| is_near(&curve, before));
        let backward = before.map_or_else(|| heat(&curve[0]) > heat(&curve[POINTS - 1]), |before| is_reversed(&curve, before));
        if backward {
            curve.reverse();
        }
        Some(curve)
    }
}

/// The island nearest to the way, and the point of the way it is nearest to.
fn nearest_pair(way: &[[f32; 3]], islands: &[(f32, [f32; 3])]) -> Option<(usize, usize)> {
    // By colour more than by brightness: a palette that ends in dark red comes to it from red.
    let pairs = (0..islands.len()).flat_map(|island| (0..way.len()).map(move |place| (island, place)));
    pairs.min_by(|a, b| {
        let length = |(island, place): &(usize, usize)| colour_distance(&way[*place], &islands[*island].1);
        length(a).total_cmp(&length(b))
    })
}

fn distance_squared(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) + (a[2] - b[2]).powi(2)
}

fn colour_distance(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    0.3 * (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) + (a[2] - b[2]).powi(2)
}

/// Bright is hot, and of two equally bright ends the redder.
fn heat(colour: &[f32; 3]) -> f32 {
    colour[0] + 0.5 * (colour[2] - colour[1])
}

/// Whether the ends differ enough in heat to tell which is hot.
pub(super) fn has_direction(curve: &Curve) -> bool {
    heat(&curve[POINTS - 1]) - heat(&curve[0]) > DIRECTION
}

/// Whether a good part of `curve` runs where `before` did.
fn is_near(curve: &Curve, before: &Curve) -> bool {
    let near = curve.iter().step_by(8).filter(|point| before.iter().any(|other| distance_squared(point, other) <= SAME_CURVE * SAME_CURVE));
    near.count() * 2 >= POINTS / 8
}

/// Whether `curve` runs against `before`.
fn is_reversed(curve: &Curve, before: &Curve) -> bool {
    let place = |colour: &[f32; 3]| {
        before
            .iter()
            .enumerate()
            .map(|(index, point)| (distance_squared(point, colour), index))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(0, |(_, index)| index)
    };
    let ascents = (8..POINTS).step_by(8).filter(|index| place(&curve[*index]) > place(&curve[index - 8])).count();
    let descents = (8..POINTS).step_by(8).filter(|index| place(&curve[*index]) < place(&curve[index - 8])).count();
    descents > ascents
}

/// Neighbours of each point in the tree of least total length (Prim).
fn shortest_tree(points: &[(f32, [f32; 3])]) -> Vec<Vec<usize>> {
    let mut neighbours = vec![Vec::new(); points.len()];
    let mut best = vec![(f32::INFINITY, 0_usize); points.len()];
    let mut joined = vec![false; points.len()];
    let mut at = 0;
    for _ in 1..points.len() {
        joined[at] = true;
        for (index, (_, colour)) in points.iter().enumerate() {
            let distance = distance_squared(colour, &points[at].1);
            if !joined[index] && distance < best[index].0 {
                best[index] = (distance, at);
            }
        }
        let Some(next) = (0..points.len()).filter(|index| !joined[*index]).min_by(|a, b| best[*a].0.total_cmp(&best[*b].0)) else { break };
        neighbours[next].push(best[next].1);
        neighbours[best[next].1].push(next);
        at = next;
    }
    neighbours
}

/// The points that are joined by short ways, and islands of some weight; and the small islands, each as its weight and mean.
fn main_part(points: &[(f32, [f32; 3])], tree: &[Vec<usize>]) -> (Vec<usize>, Vec<(f32, [f32; 3])>) {
    let total: f32 = points.iter().map(|point| point.0).sum();
    let mut island = vec![usize::MAX; points.len()];
    let mut weights = Vec::new();
    for first in 0..points.len() {
        if island[first] != usize::MAX {
            continue;
        }
        let mut weight = 0.0;
        let mut waiting = vec![first];
        island[first] = weights.len();
        while let Some(at) = waiting.pop() {
            weight += points[at].0;
            for &next in &tree[at] {
                if island[next] == usize::MAX && distance_squared(&points[at].1, &points[next].1) <= GAP * GAP {
                    island[next] = weights.len();
                    waiting.push(next);
                }
            }
        }
        weights.push(weight);
    }
    let least = weights.iter().copied().fold(0.0, f32::max).min(ISLAND_PART * total);
    let main = (0..points.len()).filter(|index| weights[island[*index]] >= least).collect();
    let mut small = Vec::new();
    for (number, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight < least) {
        let mut mean = [0.0; 3];
        for (count, colour) in points.iter().enumerate().filter(|(index, _)| island[*index] == number).map(|(_, point)| point) {
            for (mean, value) in mean.iter_mut().zip(colour) {
                *mean += count * value / weight;
            }
        }
        small.push((*weight, mean));
    }
    (main, small)
}

/// The point of `among` farthest along the tree, and the way back from everywhere.
fn farthest(tree: &[Vec<usize>], points: &[(f32, [f32; 3])], from: usize, among: &[usize]) -> (usize, Vec<Option<usize>>) {
    let mut parents = vec![None; points.len()];
    let mut lengths = vec![f32::NEG_INFINITY; points.len()];
    lengths[from] = 0.0;
    let mut waiting = vec![from];
    while let Some(at) = waiting.pop() {
        for &next in &tree[at] {
            if lengths[next] == f32::NEG_INFINITY {
                lengths[next] = lengths[at] + distance_squared(&points[at].1, &points[next].1).sqrt();
                parents[next] = Some(at);
                waiting.push(next);
            }
        }
    }
    let end = among.iter().copied().max_by(|a, b| lengths[*a].total_cmp(&lengths[*b])).unwrap_or(from);
    (end, parents)
}

/// `count` points at even distances along a way.
fn by_length(way: &[[f32; 3]], count: usize) -> Vec<[f32; 3]> {
    let mut lengths = vec![0.0];
    for pair in way.windows(2) {
        lengths.push(lengths[lengths.len() - 1] + distance_squared(&pair[0], &pair[1]).sqrt());
    }
    let whole = lengths[lengths.len() - 1];
    let mut segment = 0;
    (0..count)
        .map(|index| {
            let wanted = whole * index as f32 / (count - 1) as f32;
            while segment + 2 < way.len() && lengths[segment + 1] < wanted {
                segment += 1;
            }
            let Some(next) = way.get(segment + 1) else { return way[0] };
            let length = lengths[segment + 1] - lengths[segment];
            let part = if length > 0.0 { ((wanted - lengths[segment]) / length).clamp(0.0, 1.0) } else { 0.0 };
            std::array::from_fn(|channel| way[segment][channel] * (1.0 - part) + next[channel] * part)
        })
        .collect()
}

/// Each joint moves to the middle of the colours nearest to it and to its neighbours.
fn smoothed(joints: &[[f32; 3]], points: &[(f32, [f32; 3])]) -> Vec<[f32; 3]> {
    let mut sums = vec![(0.0_f32, [0.0_f32; 3]); joints.len()];
    for (count, colour) in points {
        let nearest =
            (0..joints.len()).min_by(|a, b| distance_squared(&joints[*a], colour).total_cmp(&distance_squared(&joints[*b], colour)));
        let Some(index) = nearest else { continue };
        let weight = count.sqrt();
        sums[index].0 += weight;
        for (sum, value) in sums[index].1.iter_mut().zip(colour) {
            *sum += weight * value;
        }
    }
    (0..joints.len())
        .map(|index| {
            let last = joints.len() - 1;
            // The ends stay where the colours end.
            let near = [(index.saturating_sub(1), 0.5), (index, 1.0), ((index + 1).min(last), 0.5)];
            let (mut weight, mut sum) = (0.0, [0.0_f32; 3]);
            for (neighbour, share) in near {
                if (index == 0 || index == last) && neighbour != index {
                    continue;
                }
                weight += share * sums[neighbour].0;
                for (total, value) in sum.iter_mut().zip(sums[neighbour].1) {
                    *total += share * value;
                }
            }
            if weight > 0.0 { sum.map(|value| value / weight) } else { joints[index] }
        })
        .collect()
}
