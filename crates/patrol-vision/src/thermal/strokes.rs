//! Strokes: thin, of an extreme level, with a step on both sides. Letters and crosshairs are made of them.

/// Levels from here on are white, and to here black, on a limited-range luma.
const WHITE: u8 = 205;
const BLACK: u8 = 34;
/// A stroke may be this much weaker at its sides, where the codec has mixed it.
const WEAKER: u8 = 40;
/// Step within two pixels on each side, levels.
const STEP: u8 = 56;
/// Widest stroke at 640 pixels.
const WIDEST_AT_640: usize = 4;

pub(super) fn widest(width: usize) -> usize {
    (width * WIDEST_AT_640).div_ceil(640).max(3)
}

/// White or black, as strokes are, at their mixed sides too.
pub(super) fn is_extreme(level: u8) -> bool {
    level >= WHITE - WEAKER || level <= BLACK + WEAKER
}

/// A box of pixels, `[left, right) × [top, bottom)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl Area {
    pub(super) fn width(&self) -> usize {
        self.right - self.left
    }
    pub(super) fn height(&self) -> usize {
        self.bottom - self.top
    }
    pub(super) fn grown(&self, by: usize, width: usize, height: usize) -> Self {
        Self {
            left: self.left.saturating_sub(by),
            top: self.top.saturating_sub(by),
            right: (self.right + by).min(width),
            bottom: (self.bottom + by).min(height),
        }
    }
    pub(super) fn touches(&self, other: &Self) -> bool {
        self.left <= other.right && other.left <= self.right && self.top <= other.bottom && other.top <= self.bottom
    }
    pub(super) fn union(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Sets `marks` to 1 on every pixel of a stroke inside `area`; both are rows of `width`.
pub(super) fn mark(luma: &[u8], width: usize, area: Area, marks: &mut [u8]) {
    let widest = widest(width);
    let height = luma.len() / width;
    for y in area.top..area.bottom {
        let row = &luma[y * width..(y + 1) * width];
        along(width, (area.left, area.right), widest, |x| row[x], |x| marks[y * width + x] = 1);
    }
    for x in area.left..area.right {
        along(height, (area.top, area.bottom), widest, |y| luma[y * width + x], |y| marks[y * width + x] = 1);
    }
}

/// One line of `length` pixels, looked at from `from` to `to`.
fn along(length: usize, (from, to): (usize, usize), widest: usize, level: impl Fn(usize) -> u8, mut set: impl FnMut(usize)) {
    let mut at = from.max(1);
    let to = to.min(length - 1);
    while at < to {
        let value = level(at);
        if value >= WHITE || value <= BLACK {
            let bright = value >= WHITE;
            // As if the stroke were bright.
            let as_bright = |value: u8| if bright { value } else { 255 - value };
            let side = if bright { WHITE - WEAKER } else { 255 - BLACK - WEAKER };
            let mut first = at;
            while first > 0 && at - first <= widest && as_bright(level(first - 1)) >= side {
                first -= 1;
            }
            let mut last = at;
            while last + 1 < length && last - first <= widest && as_bright(level(last + 1)) >= side {
                last += 1;
            }
            if last - first < widest && first > 0 && last + 1 < length {
                let peak = (first..=last).map(|place| as_bright(level(place))).max().unwrap_or(0);
                let left = as_bright(level(first - 1)).min(as_bright(level(first.saturating_sub(2))));
                let right = as_bright(level(last + 1)).min(as_bright(level((last + 2).min(length - 1))));
                if peak >= left.max(right).saturating_add(STEP) {
                    (first..=last).for_each(&mut set);
                }
                at = last + 1;
            } else {
                // Wide: nothing in it is a stroke.
                at = last.max(at) + 1;
                while at < to && as_bright(level(at)) >= side {
                    at += 1;
                }
            }
        } else {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_and_sharp_is_a_stroke_and_a_blurred_body_is_not() {
        let width = 64;
        let mut luma = vec![90_u8; width * 32];
        for y in 5..20 {
            luma[y * width + 10] = 235;
            luma[y * width + 11] = 235;
            // A warm body that the gain clips, blurred by the lens.
            for (x, level) in (30..42).zip([105, 135, 175, 215, 240, 255, 255, 240, 215, 175, 135, 105]) {
                luma[y * width + x] = level;
            }
        }
        let mut marks = vec![0; luma.len()];
        mark(&luma, width, Area { left: 0, top: 0, right: width, bottom: 32 }, &mut marks);
        assert_eq!(marks.iter().map(|mark| usize::from(*mark)).sum::<usize>(), 2 * 15, "the stroke alone");
        assert!((5..20).all(|y| marks[y * width + 10] == 1 && marks[y * width + 11] == 1));
    }
}
