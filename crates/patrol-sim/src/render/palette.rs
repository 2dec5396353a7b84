//! Palettes of thermal cameras: 256 colours from the coldest to the warmest.

use crate::random::Dice;

/// Stops of a palette: part of the range, red, green, blue.
type Stops = &'static [(f32, [u8; 3])];

/// After the looks of common cameras; makers do not publish their tables.
const IRON: Stops = &[
    (0.0, [0, 0, 14]),
    (0.13, [34, 0, 108]),
    (0.30, [116, 0, 152]),
    (0.46, [186, 18, 120]),
    (0.60, [226, 66, 40]),
    (0.75, [246, 140, 8]),
    (0.89, [255, 214, 52]),
    (1.0, [255, 255, 240]),
];
const RAINBOW: Stops = &[
    (0.0, [0, 0, 52]),
    (0.16, [0, 24, 205]),
    (0.34, [0, 172, 224]),
    (0.50, [0, 190, 66]),
    (0.66, [232, 228, 0]),
    (0.82, [250, 118, 0]),
    (0.92, [218, 0, 22]),
    (1.0, [255, 178, 178]),
];
const LAVA: Stops = &[
    (0.0, [0, 0, 10]),
    (0.20, [16, 58, 112]),
    (0.40, [112, 28, 96]),
    (0.60, [204, 34, 30]),
    (0.80, [247, 142, 22]),
    (1.0, [255, 246, 196]),
];
const ARCTIC: Stops = &[
    (0.0, [8, 8, 72]),
    (0.28, [18, 88, 222]),
    (0.50, [120, 206, 236]),
    (0.64, [150, 140, 104]),
    (0.80, [232, 152, 42]),
    (1.0, [255, 238, 196]),
];
const GREEN: Stops = &[(0.0, [0, 10, 2]), (0.55, [28, 156, 40]), (1.0, [214, 255, 206])];
const AMBER: Stops = &[(0.0, [8, 2, 0]), (0.60, [222, 122, 10]), (1.0, [255, 244, 198])];

/// Colours by intensity.
#[derive(Debug, Clone)]
pub(crate) struct Palette {
    pub(crate) table: [[u8; 3]; 256],
    /// Its pictures are delivered without colour.
    pub(crate) is_grey: bool,
}

impl Palette {
    pub(crate) const NAMES: [&'static str; 8] = ["white-hot", "black-hot", "iron", "rainbow", "lava", "arctic", "green", "amber"];

    /// One of [`Palette::NAMES`], or `random-N`: a palette of the camera maker number N.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let grey = |table: fn(u8) -> u8| {
            let mut colours = [[0; 3]; 256];
            (0..=255u8).for_each(|v| colours[v as usize] = [table(v); 3]);
            Some(Self { table: colours, is_grey: true })
        };
        match name {
            "white-hot" => grey(|v| v),
            "black-hot" => grey(|v| 255 - v),
            "iron" => Some(Self::through(IRON)),
            "rainbow" => Some(Self::through(RAINBOW)),
            "lava" => Some(Self::through(LAVA)),
            "arctic" => Some(Self::through(ARCTIC)),
            "green" => Some(Self::through(GREEN)),
            "amber" => Some(Self::through(AMBER)),
            _ => name.strip_prefix("random-").and_then(|number| number.parse().ok()).map(Self::random),
        }
    }

    pub(crate) fn inverted(mut self) -> Self {
        self.table.reverse();
        self
    }

    fn through(stops: &[(f32, [u8; 3])]) -> Self {
        let mut table = [[0; 3]; 256];
        for (index, colour) in table.iter_mut().enumerate() {
            let at = index as f32 / 255.0;
            let after = stops.iter().position(|stop| stop.0 >= at).unwrap_or(stops.len() - 1).max(1);
            let ((a, low), (b, high)) = (stops[after - 1], stops[after]);
            let k = ((at - a) / (b - a)).clamp(0.0, 1.0);
            for (channel, value) in colour.iter_mut().enumerate() {
                *value = (f32::from(low[channel]) + (f32::from(high[channel]) - f32::from(low[channel])) * k).round() as u8;
            }
        }
        Self { table, is_grey: false }
    }

    /// Luminance rises steadily while the hue wanders: so are most false-colour palettes made, and so they can be read back.
    fn random(number: u64) -> Self {
        let mut dice = Dice::new(number, "palette");
        let count = dice.whole(4, 7);
        let (dark, light) = (dice.between(4.0, 20.0), dice.between(215.0, 250.0));
        let mut hue = dice.between(0.0, 6.0);
        let stops: Vec<(f32, [u8; 3])> = (0..count)
            .map(|stop| {
                let at = stop as f32 / (count - 1) as f32;
                hue = (hue + dice.between(-1.6, 1.6)).rem_euclid(6.0);
                // Ends are paler.
                let saturation = dice.between(0.55, 1.0) * (1.0 - 0.6 * (2.0 * at - 1.0).abs().powi(3));
                (at, coloured(hue, saturation, dark + (light - dark) * at))
            })
            .collect();
        Self::through(&stops)
    }
}

/// The colour of `hue` (0–6, red at 0) with this luminance (0–255).
fn coloured(hue: f32, saturation: f32, luminance: f32) -> [u8; 3] {
    let channel = |offset: f32| {
        let distance = ((hue + offset).rem_euclid(6.0) - 3.0).abs() - 1.0;
        1.0 - saturation + saturation * distance.clamp(0.0, 1.0)
    };
    let pure = [channel(0.0), channel(4.0), channel(2.0)];
    let own = 255.0 * (0.299 * pure[0] + 0.587 * pure[1] + 0.114 * pure[2]);
    pure.map(|value| {
        let value = value * 255.0;
        // Darker by less light, lighter by more white.
        let wanted =
            if luminance <= own { value * luminance / own } else { value + (255.0 - value) * (luminance - own) / (255.0 - own).max(1.0) };
        wanted.round().clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: [u8; 3]) -> f32 {
        0.299 * f32::from(colour[0]) + 0.587 * f32::from(colour[1]) + 0.114 * f32::from(colour[2])
    }

    /// The index whose colour is nearest.
    fn index_of(colour: [f32; 3], palette: &Palette) -> usize {
        let off = |index: &usize| -> f32 {
            palette.table[*index].iter().zip(colour).map(|(channel, value)| (f32::from(*channel) - value).powi(2)).sum()
        };
        (0..256).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(0)
    }

    #[test]
    fn every_palette_can_be_read_back() {
        let random = (0..40).map(|number| format!("random-{number}"));
        for name in Palette::NAMES.iter().map(ToString::to_string).chain(random) {
            let palette = Palette::named(&name).expect("known");
            let mut worst = 0;
            for (index, colour) in palette.table.iter().enumerate() {
                // Off by a rounding of YUV.
                let read = index_of([f32::from(colour[0]) + 1.0, f32::from(colour[1]) - 1.0, f32::from(colour[2]) + 1.0], &palette);
                worst = worst.max(read.abs_diff(index));
            }
            assert!(worst <= 6, "{name}: an intensity comes back {worst} of 255 off");
        }
    }

    #[test]
    fn random_palettes_differ_and_grow_brighter() {
        for number in 0..40 {
            let palette = Palette::named(&format!("random-{number}")).expect("known");
            let steps: Vec<f32> = palette.table.iter().map(|colour| luminance(*colour)).collect();
            assert!(steps.windows(2).all(|pair| pair[1] > pair[0] - 0.8), "random-{number}");
            assert!(palette.table != Palette::random(number + 1).table);
        }
        assert!(Palette::named("sepia").is_none() && Palette::named("random-x").is_none());
        let iron = Palette::named("iron").expect("known");
        assert_eq!(iron.clone().inverted().table[0], iron.table[255]);
    }
}
