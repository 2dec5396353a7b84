//! What the camera writes over its picture: text, clock, crosshair, frames, scale bar, coloured logos.
//!
//! **Whoever lies still must never be taken for a logo.** So standing still is necessary and never sufficient: an overlay is made of
//! strokes (thin, extreme, sharp on both sides) that form text (at least four beside one another) or straight lines along rows and columns, or it is a
//! scale bar (constant along every row, a slope of half the range from end to end), or it has a colour in a grey picture that no
//! isotherm has. What is learnt is a box; in each picture only the strokes in it are filled, so that who walks or lies behind the text is seen between
//! the letters.

use super::planes::{Planes, colourfulness};
use super::strokes::{self, Area};
use std::cell::RefCell;

/// A check that sees a stroke at a pixel counts two, one that does not takes one back: before a bright ground white strokes do not show.
/// What is learnt was seen at six checks, and the most that is remembered.
const LEARNT: u8 = 12;
const REMEMBERED: u8 = 36;
/// Strokes closer than this belong together, pixels at 640.
const GAP_AT_640: usize = 8;
/// Text: strokes beside one another in the middle one of its rows, least height at 640 and greatest part of the height.
const TEXT_STROKES: usize = 4;
const TEXT_HEIGHT_AT_640: usize = 5;
const TEXT_HEIGHT_PART: usize = 3;
/// Line figures: least extent at 640, greatest part of their box, least part in straight runs.
const FIGURE_EXTENT_AT_640: usize = 14;
const FIGURE_FILL: f32 = 0.3;
const FIGURE_STRAIGHT: f32 = 0.8;
/// A line alone is this long at 640.
const LINE_AT_640: usize = 30;
/// Scale bar: height as part of the picture's, width at 640, levels from end to end, and levels by which a row may vary.
const BAR_HEIGHT_PART: usize = 5;
const BAR_WIDTH_AT_640: [usize; 2] = [5, 44];
const BAR_SLOPE: i32 = 120;
const BAR_ROW_SPREAD: u8 = 6;
/// Coloured logos: distance from grey, part of the picture at its edges where they stand, greatest part of the picture.
const LOGO_COLOUR: u16 = 28;
const LOGO_MARGIN: f32 = 0.2;
const LOGO_PART: f32 = 0.03;
/// More than this masked is no overlay, and nothing is.
const MASKED_MOST: f32 = 0.08;
/// Pixels around a stroke that the codec has mixed with it.
const MIXED: usize = 2;
/// How far a filled pixel looks for its surroundings.
const REACH: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Strokes alone are filled.
    Strokes,
    /// All of it is.
    Solid,
    /// Its coloured pixels are.
    Coloured,
}

#[derive(Debug, Default)]
pub(super) struct Overlays {
    seen: Vec<u8>,
    seen_colour: Vec<u8>,
    seen_bars: Vec<(Area, u8)>,
    learnt: Vec<(Area, Kind)>,
    marks: Vec<u8>,
    mask: Vec<u8>,
    masked: usize,
}

/// Buffers of one thread; nothing is carried from picture to picture.
#[derive(Debug, Default)]
struct Scratch {
    is_seen: Vec<u8>,
    rest: Vec<u8>,
    areas: Vec<Area>,
    grouping: Grouping,
    /// Strokes in each row of a group.
    strokes: Vec<usize>,
    bars: Bars,
}

/// Buffers of [`Grouping::find`].
#[derive(Debug, Default)]
struct Grouping {
    near: Vec<u8>,
    marked: Vec<usize>,
    waiting: Vec<usize>,
}

/// Buffers of [`Bars::find`].
#[derive(Debug, Default)]
struct Bars {
    /// For each column: the longest slope so far, and where the present one began.
    best: Vec<(usize, usize)>,
    start: Vec<usize>,
    found: Vec<Area>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

impl Overlays {
    pub(super) fn is_empty(&self) -> bool {
        self.learnt.is_empty()
    }
    pub(super) fn areas(&self) -> impl Iterator<Item = Area> {
        self.learnt.iter().map(|(area, _)| *area)
    }
    /// Pixels filled in the last picture.
    pub(super) fn masked_px(&self) -> usize {
        self.masked
    }

    /// Looks for overlays. `intensity`: what is read from the picture; `grey`: its colours are no palette.
    pub(super) fn check(&mut self, planes: &Planes, intensity: &[u8], grey: bool) {
        SCRATCH.with_borrow_mut(|scratch| self.check_in(scratch, planes, intensity, grey));
    }

    fn check_in(&mut self, scratch: &mut Scratch, planes: &Planes, intensity: &[u8], grey: bool) {
        let (w, h) = (planes.width, planes.height);
        self.marks.clear();
        self.marks.resize(w * h, 0);
        strokes::mark(&planes.luma, w, Area { left: 0, top: 0, right: w, bottom: h }, &mut self.marks);
        remember(&mut self.seen, &self.marks);
        self.marks.fill(0);
        self.learnt.clear();
        self.learn_strokes(scratch, w, h);
        self.learn_bars(&mut scratch.bars, intensity, w, h);
        if grey && !planes.chroma.is_empty() {
            self.learn_logos(scratch, planes);
        }
        let masked: usize =
            self.learnt.iter().filter(|(_, kind)| *kind != Kind::Strokes).map(|(area, _)| area.width() * area.height()).sum();
        let strokes = self.seen.iter().filter(|seen| **seen >= LEARNT).count();
        if (masked + strokes) as f32 > MASKED_MOST * (w * h) as f32 {
            self.learnt.clear();
        }
    }

    fn learn_strokes(&mut self, scratch: &mut Scratch, w: usize, h: usize) {
        let Scratch { is_seen, rest, areas, grouping, strokes, .. } = scratch;
        let at_640 = |pixels: usize| (pixels * w).div_ceil(640).max(2);
        let gap = at_640(GAP_AT_640);
        is_seen.clear();
        is_seen.extend(self.seen.iter().map(|seen| u8::from(*seen >= LEARNT)));
        rest.clone_from(is_seen);
        grouping.find(is_seen, w, h, (gap, 2), areas);
        for area in &*areas {
            if is_text(is_seen, w, *area, at_640(TEXT_HEIGHT_AT_640), h / TEXT_HEIGHT_PART, strokes) {
                // Digits that change are no strokes for long; they stand in line with those that do not.
                let (aside, around) = (area.height() * 3, 2);
                let area = area.grown(around, w, h);
                self.learnt
                    .push((Area { left: area.left.saturating_sub(aside), right: (area.right + aside).min(w), ..area }, Kind::Strokes));
                clear(rest, w, area);
            }
        }
        // The arms of a crosshair leave its centre open.
        let (extent, line) = (at_640(FIGURE_EXTENT_AT_640), at_640(LINE_AT_640));
        grouping.find(rest, w, h, (extent, extent), areas);
        for area in &*areas {
            if is_figure(rest, w, *area, extent, line) {
                self.learnt.push((area.grown(2, w, h), Kind::Strokes));
            }
        }
    }

    /// Upright bars only: makers put them beside the picture.
    fn learn_bars(&mut self, bars: &mut Bars, intensity: &[u8], w: usize, h: usize) {
        let found = bars.find(intensity, w, h);
        for (area, seen) in &mut self.seen_bars {
            // Where the ground is as bright as an end of the bar, that end seems to lie elsewhere.
            let same = |bar: &&Area| {
                bar.left.abs_diff(area.left) <= 2
                    && bar.right.abs_diff(area.right) <= 2
                    && bar.top.max(area.top) < bar.bottom.min(area.bottom)
            };
            let again = found.iter().find(same);
            if let Some(bar) = again.filter(|bar| bar.height() > area.height()) {
                *area = *bar;
            }
            let again = again.is_some();
            *seen = if again { (*seen + 2).min(REMEMBERED) } else { seen.saturating_sub(1) };
        }
        self.seen_bars.retain(|(_, seen)| *seen > 0);
        for bar in found {
            if !self.seen_bars.iter().any(|(area, _)| area.touches(bar)) {
                self.seen_bars.push((*bar, 2));
            }
        }
        self.learnt.extend(self.seen_bars.iter().filter(|(_, seen)| *seen >= LEARNT).map(|(area, _)| (area.grown(4, w, h), Kind::Solid)));
    }

    /// Colours in a grey picture. Isotherms are red, orange or yellow: those are left alone.
    fn learn_logos(&mut self, scratch: &mut Scratch, planes: &Planes) {
        let Scratch { is_seen, rest: marks, areas, grouping, .. } = scratch;
        let (w, h) = (planes.chroma_width, planes.height.div_ceil(2));
        marks.clear();
        marks.extend(planes.chroma.iter().map(|[u, v]| u8::from(is_logo_colour(*u, *v))));
        remember(&mut self.seen_colour, marks);
        is_seen.clear();
        is_seen.extend(self.seen_colour.iter().map(|seen| u8::from(*seen >= LEARNT)));
        if !is_seen.contains(&1) {
            return;
        }
        let (width, height) = (planes.width, planes.height);
        grouping.find(is_seen, w, h, (4, 4), areas);
        for area in &*areas {
            let doubled =
                Area { left: area.left * 2, top: area.top * 2, right: (area.right * 2).min(width), bottom: (area.bottom * 2).min(height) };
            let (edge_x, edge_y) = (width as f32 * LOGO_MARGIN, height as f32 * LOGO_MARGIN);
            let beside = doubled.bottom as f32 <= edge_y
                || doubled.top as f32 >= height as f32 - edge_y
                || doubled.right as f32 <= edge_x
                || doubled.left as f32 >= width as f32 - edge_x;
            let small = (doubled.width() * doubled.height()) as f32 <= LOGO_PART * (width * height) as f32;
            if beside && small && area.width() >= 3 && area.height() >= 3 {
                self.learnt.push((doubled.grown(2, width, height), Kind::Coloured));
            }
        }
    }

    /// Replaces overlays in `plane` by their surroundings.
    pub(super) fn fill(&mut self, planes: &Planes, plane: &mut [u8]) {
        let (w, h) = (planes.width, planes.height);
        self.masked = 0;
        if self.learnt.is_empty() {
            return;
        }
        // Both are left clear for the next picture.
        self.mask.resize(w * h, 0);
        self.marks.resize(w * h, 0);
        for (area, kind) in &self.learnt {
            match kind {
                Kind::Solid => {
                    for y in area.top..area.bottom {
                        self.mask[y * w + area.left..y * w + area.right].fill(1);
                    }
                }
                Kind::Strokes => {
                    strokes::mark(&planes.luma, w, *area, &mut self.marks);
                    // Also where the ground hides them now.
                    for index in (area.top..area.bottom).flat_map(|y| y * w + area.left..y * w + area.right) {
                        self.marks[index] |= u8::from(self.seen[index] >= LEARNT);
                    }
                    widen(&self.marks, w, h, *area, &mut self.mask);
                    widen_joints(&self.marks, &planes.luma, w, h, *area, &mut self.mask);
                    clear(&mut self.marks, w, *area);
                }
                Kind::Coloured => {
                    for y in area.top..area.bottom {
                        let chroma = planes.chroma_row(y / 2);
                        for x in area.left..area.right {
                            let [u, v] = chroma[x / 2];
                            self.marks[y * w + x] = u8::from(is_logo_colour(u, v));
                        }
                    }
                    widen(&self.marks, w, h, *area, &mut self.mask);
                    clear(&mut self.marks, w, *area);
                }
            }
        }
        for index in 0..self.learnt.len() {
            let area = self.learnt[index].0.grown(MIXED, w, h);
            for y in area.top..area.bottom {
                for x in area.left..area.right {
                    if self.mask[y * w + x] == 1 {
                        plane[y * w + x] = self.surroundings(plane, w, h, x, y);
                        // Filled, and not to be looked at again.
                        self.mask[y * w + x] = 2;
                        self.masked += 1;
                    }
                }
            }
        }
        for (area, _) in &self.learnt {
            clear(&mut self.mask, w, area.grown(MIXED, w, h));
        }
    }

    /// Nearest pixels to the left, right, above and below that are not masked, weighted by nearness.
    fn surroundings(&self, plane: &[u8], w: usize, h: usize, x: usize, y: usize) -> u8 {
        let at = y * w + x;
        let (mut sum, mut weights) = (0.0, 0.0);
        for (step, room, back) in [(1, x, true), (1, w - 1 - x, false), (w, y, true), (w, h - 1 - y, false)] {
            for distance in 1..=room.min(REACH) {
                let place = if back { at - step * distance } else { at + step * distance };
                if self.mask[place] == 0 {
                    let weight = 1.0 / distance as f32;
                    sum += weight * f32::from(plane[place]);
                    weights += weight;
                    break;
                }
            }
        }
        if weights > 0.0 { (sum / weights + 0.5) as u8 } else { plane[at] }
    }
}

impl Grouping {
    /// Boxes around marked pixels no farther apart than the gaps.
    fn find(&mut self, marks: &[u8], w: usize, h: usize, (gap_x, gap_y): (usize, usize), areas: &mut Vec<Area>) {
        self.near.clear();
        self.near.resize(w * h, 0);
        self.marked.clear();
        self.marked.extend((0..w * h).filter(|index| marks[*index] != 0));
        let (half_x, half_y) = (gap_x.div_ceil(2), gap_y.div_ceil(2));
        for &index in &self.marked {
            let (x, y) = (index % w, index / w);
            for row in y.saturating_sub(half_y)..(y + half_y + 1).min(h) {
                self.near[row * w + x.saturating_sub(half_x)..row * w + (x + half_x + 1).min(w)].fill(1);
            }
        }
        areas.clear();
        for &first in &self.marked {
            if self.near[first] != 1 {
                continue;
            }
            self.near[first] = 2;
            self.waiting.push(first);
            let mut area: Option<Area> = None;
            while let Some(at) = self.waiting.pop() {
                let (x, y) = (at % w, at / w);
                if marks[at] != 0 {
                    let pixel = Area { left: x, top: y, right: x + 1, bottom: y + 1 };
                    area = Some(area.map_or(pixel, |area| area.union(&pixel)));
                }
                let beside = [(x > 0, at.wrapping_sub(1)), (x + 1 < w, at + 1), (y > 0, at.wrapping_sub(w)), (y + 1 < h, at + w)];
                for (_, next) in beside.into_iter().filter(|(inside, _)| *inside) {
                    if self.near[next] == 1 {
                        self.near[next] = 2;
                        self.waiting.push(next);
                    }
                }
            }
            areas.extend(area);
        }
    }
}

fn clear(marks: &mut [u8], w: usize, area: Area) {
    for y in area.top..area.bottom {
        marks[y * w + area.left..y * w + area.right].fill(0);
    }
}

fn remember(seen: &mut Vec<u8>, marks: &[u8]) {
    if seen.len() != marks.len() {
        seen.clear();
        seen.resize(marks.len(), 0);
    }
    for (seen, mark) in seen.iter_mut().zip(marks) {
        *seen = if *mark != 0 { (*seen + 2).min(REMEMBERED) } else { seen.saturating_sub(1) };
    }
}

/// Far from grey, and neither red, orange nor yellow.
fn is_logo_colour(u: u8, v: u8) -> bool {
    colourfulness(u, v) > LOGO_COLOUR && !is_warm(u, v)
}

pub(super) fn is_warm(u: u8, v: u8) -> bool {
    i16::from(v) - i16::from(u) > 16
}

/// Copies marks to the mask with a margin.
fn widen(marks: &[u8], w: usize, h: usize, area: Area, mask: &mut [u8]) {
    let by = MIXED;
    for y in area.top..area.bottom {
        for x in area.left..area.right {
            if marks[y * w + x] != 0 {
                for row in y.saturating_sub(by)..(y + by + 1).min(h) {
                    mask[row * w + x.saturating_sub(by)..row * w + (x + by + 1).min(w)].fill(1);
                }
            }
        }
    }
}

/// Where two strokes meet, both are longer than wide: what is as extreme as they are and near goes with them.
fn widen_joints(marks: &[u8], luma: &[u8], w: usize, h: usize, area: Area, mask: &mut [u8]) {
    let reach = strokes::widest(w);
    for y in area.top..area.bottom {
        for x in area.left..area.right {
            if marks[y * w + x] == 0 {
                continue;
            }
            let near = Area { left: x, top: y, right: x + 1, bottom: y + 1 }.grown(reach, w, h);
            for row in near.top.max(area.top)..near.bottom.min(area.bottom) {
                for column in near.left.max(area.left)..near.right.min(area.right) {
                    let at = row * w + column;
                    if mask[at] == 0 && strokes::is_extreme(luma[at]) {
                        mask[at] = 1;
                    }
                }
            }
        }
    }
}

fn is_text(marks: &[u8], w: usize, area: Area, least: usize, most: usize, strokes: &mut Vec<usize>) -> bool {
    if area.height() < least || area.height() > most || area.width() < area.height() {
        return false;
    }
    strokes.clear();
    strokes.extend((area.top..area.bottom).map(|y| {
        let row = &marks[y * w + area.left..y * w + area.right];
        usize::from(row[0] != 0) + row.windows(2).filter(|pair| pair[0] == 0 && pair[1] != 0).count()
    }));
    strokes.sort_unstable();
    strokes[strokes.len() / 2] >= TEXT_STROKES
}

/// Crosshair, brackets, frames, lines: thin, straight, along rows and columns.
fn is_figure(marks: &[u8], w: usize, area: Area, extent: usize, line: usize) -> bool {
    let (long, short) = (area.width().max(area.height()), area.width().min(area.height()));
    let alone = long >= line && short <= strokes::widest(w);
    if !alone && (short < extent) {
        return false;
    }
    let run = extent * 2 / 3;
    let (mut count, mut straight) = (0_usize, 0_usize);
    for y in area.top..area.bottom {
        for x in area.left..area.right {
            if marks[y * w + x] == 0 {
                continue;
            }
            count += 1;
            let length = |step: usize, before: usize, after: usize| {
                let at = y * w + x;
                let back = (1..=before).take_while(|d| marks[at - step * d] != 0).count();
                back + 1 + (1..=after).take_while(|d| marks[at + step * d] != 0).count()
            };
            let across = length(1, x - area.left, area.right - 1 - x);
            let down = length(w, y - area.top, area.bottom - 1 - y);
            straight += usize::from(across.max(down) >= run);
        }
    }
    let fill = count as f32 / (area.width() * area.height()) as f32;
    (alone || fill <= FIGURE_FILL) && straight as f32 >= FIGURE_STRAIGHT * count as f32
}

impl Bars {
    /// Upright slopes: columns side by side that rise or fall together over a good part of the picture.
    fn find(&mut self, plane: &[u8], w: usize, h: usize) -> &[Area] {
        const STRIDE: usize = 4;
        let least = h / BAR_HEIGHT_PART;
        let Self { best, start, found } = self;
        best.clear();
        best.resize(w, (0, 0));
        for falling in [false, true] {
            start.clear();
            start.resize(w, 0);
            for y in (STRIDE..h).step_by(STRIDE) {
                let (above, here) = (&plane[(y - STRIDE) * w..][..w], &plane[y * w..][..w]);
                for x in 0..w {
                    let step = i32::from(here[x]) - i32::from(above[x]);
                    let step = if falling { -step } else { step };
                    if !(-2..=24).contains(&step) {
                        start[x] = y;
                    } else if y - start[x] >= least && y - start[x] > best[x].1 - best[x].0 {
                        let slope = (i32::from(here[x]) - i32::from(plane[start[x] * w + x])).abs();
                        if slope >= BAR_SLOPE {
                            best[x] = (start[x], y + 1);
                        }
                    }
                }
            }
        }
        let at_640 = |pixels: usize| pixels * w / 640;
        found.clear();
        let mut x = 0;
        while x < w {
            let (top, bottom) = best[x];
            let mut end = x + 1;
            while end < w && bottom > 0 && best[end].0.abs_diff(top) <= 2 * STRIDE && best[end].1.abs_diff(bottom) <= 2 * STRIDE {
                end += 1;
            }
            let width = end - x;
            if bottom > 0 && (at_640(BAR_WIDTH_AT_640[0]).max(3)..=at_640(BAR_WIDTH_AT_640[1]).max(12)).contains(&width) {
                let even = (top..bottom).filter(|y| {
                    let row = &plane[y * w + x + 1..y * w + end - 1];
                    let (low, high) = row.iter().fold((255, 0), |(low, high), value| (low.min(*value), high.max(*value)));
                    low <= high && high - low <= BAR_ROW_SPREAD
                });
                if even.count() * 10 >= (bottom - top) * 9 {
                    found.push(Area { left: x, top, right: end, bottom });
                }
            }
            x = end;
        }
        found
    }
}
