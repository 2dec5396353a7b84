//! A model's card: what the file is, what it wants and gives, and what is known about it.

use crate::calibration::Calibration;
use crate::error::VisionError;
use patrol_core::Modality;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Name of a card inside a model's folder.
pub const CARD_FILE: &str = "model.toml";

/// How a model's output is read; all of it in pixels of the model's input. See [`crate::layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `[1, 5, h, w]`: heat (logit), offset x and y from the cell's corner (in cells), width, height. Stride = input width / w.
    /// Or `[1, 5·k², h, w]`, k = 2 or 4: each of the five in k² planes, subcells in reading order; stride = input width / (k·w).
    Center,
    /// `[1, n, 5 + classes]`: undecoded grid of strides 8, 16, 32; objectness and classes already sigmoid.
    Yolox,
    /// `[1, 4 + classes, n]`: centre x, y, width, height and class scores.
    Yolov8,
    /// `[1, 1, 17, 3]`: y and x (parts of the input's sides) and score of the joints of COCO. The input is `[1, height, width, 3]` of bytes. No detector: it
    /// says how somebody who was found lies or stands; see [`crate::pose`].
    Joints,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    Rgb,
    Bgr,
    Gray,
}

/// Where the resized picture lies in the model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Letterbox {
    #[default]
    TopLeft,
    Center,
}

fn one() -> f32 {
    1.0
}
fn ones() -> [f32; 3] {
    [1.0; 3]
}

/// The tensor a model wants: `[1, channels, height, width]` f32, each value `(pixel · scale − mean) / std`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Tensor name; the model's only input when left out.
    #[serde(default)]
    pub name: Option<String>,
    pub width: u32,
    pub height: u32,
    pub channels: u32,
    pub order: ChannelOrder,
    /// Factor on 0–255 before mean and std.
    #[serde(default = "one")]
    pub scale: f32,
    /// Per channel, in the order of the tensor; only the first counts with one channel.
    #[serde(default)]
    pub mean: [f32; 3],
    #[serde(default = "ones")]
    pub std: [f32; 3],
    /// Grey level 0–255 around the picture.
    #[serde(default)]
    pub pad_value: f32,
    #[serde(default)]
    pub letterbox: Letterbox,
    /// The network takes any input in multiples of 32: a whole picture is given one of its own proportions, with about as many pixels.
    #[serde(default)]
    pub any_size: bool,
}

impl InputSpec {
    /// Levels 0–255 as they are, in the upper left corner, black around it.
    pub fn plain(width: u32, height: u32, order: ChannelOrder) -> Self {
        Self {
            name: None,
            width,
            height,
            channels: if order == ChannelOrder::Gray { 1 } else { 3 },
            order,
            scale: one(),
            mean: [0.0; 3],
            std: ones(),
            pad_value: 0.0,
            letterbox: Letterbox::TopLeft,
            any_size: false,
        }
    }
}

/// How people must appear in the model's input. A card with it has larger pictures examined in tiles and people who would be too large
/// made smaller; see [`crate::tiles`]. Without it the whole picture is fitted into the input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleSpec {
    /// Shortest and longest long side of a person in pixels of the model's input, as trained and measured.
    pub person_px: [f32; 2],
    #[serde(default)]
    pub tiles: TilesWhen,
}

/// Which looks cut a larger picture into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TilesWhen {
    #[default]
    Always,
    /// Those that examine in full, once every `rescan_every_s`: they look at the whole picture and then, as far as that shows people too
    /// small, at its tiles. The others look at the whole picture only.
    InFull,
    /// None: the cheapest, for whoever is large enough in the whole picture.
    Never,
}

/// The same network in another precision: same tensors, another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherFile {
    /// Absolute after [`ModelCard::load`]; in the card relative to its folder.
    pub file: PathBuf,
    /// Of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// Where the weights come from, for `patrol models fetch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// The file itself, over HTTPS.
    pub address: String,
    #[serde(default)]
    pub repository: Option<String>,
    #[serde(default)]
    pub commit: Option<String>,
    #[serde(default)]
    pub path: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    pub name: String,
    pub title: String,
    /// Absolute after [`ModelCard::load`]; in the card relative to its folder.
    pub file: PathBuf,
    /// Of the file, lower-case hexadecimal.
    pub sha256: String,
    pub licence: String,
    #[serde(default)]
    pub upstream: Option<Upstream>,
    /// The network in FP32, where `file` is quantised: for devices that do not run INT8 well.
    #[serde(default)]
    pub fp32: Option<OtherFile>,
    #[serde(default)]
    pub scale: Option<ScaleSpec>,
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// Finds a person turned by any angle as well as an upright one: nothing is gained by turning a place that is looked at closer.
    #[serde(default)]
    pub any_turn: bool,
    pub modality: Modality,
    pub layout: Layout,
    pub input: InputSpec,
    /// Tensor name of the output; the model's first when left out.
    #[serde(default)]
    pub output: Option<String>,
    /// Index of the class `person`; 0 for `center`.
    #[serde(default)]
    pub person_class: usize,
    /// Scores below are dropped, 0–1.
    pub min_score: f32,
    /// Of two boxes that overlap more, the lower score is dropped.
    pub nms_iou: f32,
    pub trained_on: String,
    /// What was measured, with the data it was measured on.
    #[serde(default)]
    pub measured: Vec<String>,
    /// Where it must not be trusted.
    #[serde(default)]
    pub fails_where: Vec<String>,
}

impl ModelCard {
    /// Reads `path`, a `model.toml` or its folder, and checks every value; the model file itself is left alone until [`ModelCard::verify`].
    pub fn load(path: &Path) -> Result<Self, VisionError> {
        let path = if path.is_dir() { path.join(CARD_FILE) } else { path.to_owned() };
        let text = std::fs::read_to_string(&path).map_err(|source| VisionError::Read {
            path: path.clone(),
            source,
            hint: "name a model's folder or its model.toml",
        })?;
        let refused = |problem: String| VisionError::Card { path: path.clone(), problem };
        let mut card: Self = toml::from_str(&text).map_err(|error| refused(error.to_string().trim_end().to_owned()))?;
        card.check().map_err(refused)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        card.file = folder.join(&card.file);
        if let Some(other) = &mut card.fp32 {
            other.file = folder.join(&other.file);
        }
        Ok(card)
    }

    /// The card for its FP32 file; itself when `file` is that already.
    pub fn in_fp32(&self) -> Self {
        let mut card = self.clone();
        if let Some(OtherFile { file, sha256 }) = card.fp32.take() {
            (card.file, card.sha256) = (file, sha256);
        }
        card
    }

    fn check(&self) -> Result<(), String> {
        let input = &self.input;
        let wrong = |key: &str, found: &dyn std::fmt::Display, wanted: &str| Err(format!("{key} is {found}, wanted {wanted}"));
        if self.name.is_empty() || self.name.contains(['/', '\\', ' ']) {
            return wrong("name", &format!("{:?}", self.name), "a word without spaces or slashes");
        }
        let hashes = [("sha256", Some(&self.sha256)), ("fp32.sha256", self.fp32.as_ref().map(|other| &other.sha256))];
        for (key, hash) in hashes.into_iter().filter_map(|(key, hash)| Some((key, hash?))) {
            if hash.len() != 64 || !hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                return wrong(key, &format!("{hash:?}"), "64 lower-case hexadecimal digits");
            }
        }
        if let Some(ScaleSpec { person_px: [shortest, longest], .. }) = self.scale {
            // Twice the shortest: otherwise no scale would suit both a person who stands near and one who stands far.
            let longest_max = input.width.min(input.height) as f32 / 2.0;
            if !(shortest >= 1.0 && longest >= 2.0 * shortest && longest <= longest_max) {
                let wanted = format!("the shortest, 1 or more, then at least twice that, at most {longest_max}");
                return wrong("scale.person_px", &format!("{shortest}, {longest}"), &wanted);
            }
        }
        if let Some(calibration) = &self.calibration {
            calibration.check()?;
        }
        // 32: the coarsest stride of the grid layouts; 4096: where one input alone takes 200 MB.
        let side = |value: u32| (32..=4096).contains(&value) && value.is_multiple_of(32);
        if !side(input.width) || !side(input.height) {
            return wrong("input size", &format!("{}×{}", input.width, input.height), "multiples of 32 from 32 to 4096");
        }
        match (input.channels, input.order) {
            (1, ChannelOrder::Gray) | (3, ChannelOrder::Rgb | ChannelOrder::Bgr) => {}
            _ => return wrong("input.channels", &format!("{} with this order", input.channels), "1 with order gray, or 3 with rgb or bgr"),
        }
        if input.std.iter().any(|value| !value.is_finite() || *value == 0.0) || !input.scale.is_finite() {
            return wrong("input.std", &format!("{:?}", input.std), "numbers other than zero");
        }
        if !(0.0..=255.0).contains(&input.pad_value) {
            return wrong("input.pad_value", &input.pad_value, "0 to 255");
        }
        if !(0.0..=1.0).contains(&self.min_score) {
            return wrong("min_score", &self.min_score, "0 to 1");
        }
        if !(0.0..=1.0).contains(&self.nms_iou) {
            return wrong("nms_iou", &self.nms_iou, "0 to 1");
        }
        Ok(())
    }

    /// Reads the model file whole and compares its hash with the card's.
    pub fn verify(&self) -> Result<(), VisionError> {
        let unread =
            |source| VisionError::Read { path: self.file.clone(), source, hint: "get it with `patrol models fetch`, or run scripts/setup" };
        let mut file = std::fs::File::open(&self.file).map_err(unread)?;
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut chunk).map_err(unread)?;
            if read == 0 {
                break;
            }
            hasher.update(&chunk[..read]);
        }
        let found = hex::encode(hasher.finalize());
        if found == self.sha256 { Ok(()) } else { Err(VisionError::Hash { file: self.file.clone(), found, wanted: self.sha256.clone() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "tiny"
title = "Tiny"
file = "tiny.onnx"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
licence = "Apache-2.0"
modality = "thermal"
layout = "center"
min_score = 0.3
nms_iou = 0.5
trained_on = "nothing"
[input]
width = 64
height = 64
channels = 1
order = "gray"
"#;

    fn load(text: &str, model: Option<&[u8]>) -> (tempfile::TempDir, Result<ModelCard, VisionError>) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(CARD_FILE), text).expect("written");
        if let Some(bytes) = model {
            std::fs::write(folder.path().join("tiny.onnx"), bytes).expect("written");
        }
        let card = ModelCard::load(folder.path());
        (folder, card)
    }

    fn check_refused(text: &str, wanted: &str) {
        let (_folder, card) = load(text, None);
        let message = card.expect_err("refused").to_string();
        assert!(message.contains("model.toml") && message.contains(wanted), "{message}");
    }

    #[test]
    fn a_good_card_has_an_absolute_file_and_verifies() {
        let (folder, card) = load(GOOD, Some(b""));
        let card = card.expect("good");
        assert_eq!(card.file, folder.path().canonicalize().expect("there").join("tiny.onnx"));
        card.verify().expect("the hash of nothing");
    }

    #[test]
    fn a_wrong_hash_is_named_with_both_sides() {
        let (_folder, card) = load(GOOD, Some(b"other"));
        let message = card.expect("good").verify().expect_err("wrong").to_string();
        assert!(message.contains("tiny.onnx: SHA-256 is d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"), "{message}");
        assert!(message.contains("wants e3b0c442") && message.contains("fetch the file again"), "{message}");
    }

    #[test]
    fn a_missing_model_file_says_how_to_get_it() {
        let (_folder, card) = load(GOOD, None);
        let message = card.expect("good").verify().expect_err("missing").to_string();
        assert!(message.contains("tiny.onnx: cannot be read") && message.contains("patrol models fetch"), "{message}");
    }

    #[test]
    fn mistakes_in_a_card_are_named() {
        check_refused(&GOOD.replace("nms_iou", "nms_uoi"), "nms_uoi");
        check_refused(&GOOD.replace("layout = \"center\"", "layout = \"ssd\""), "ssd");
        check_refused(&GOOD.replace("width = 64", "width = 60"), "input size is 60×64, wanted multiples of 32");
        check_refused(&GOOD.replace("channels = 1", "channels = 3"), "1 with order gray");
        check_refused(&GOOD.replace("e3b0", "E3B0"), "64 lower-case hexadecimal digits");
        check_refused(&format!("{GOOD}\n[calibration]\nraw = [0.5, 0.4]\nscore = [0.1, 0.2]"), "calibration has raw [0.5, 0.4]");
        check_refused(&GOOD.replace("min_score = 0.3", "min_score = 30"), "min_score is 30, wanted 0 to 1");
    }

    #[test]
    fn a_missing_card_is_named() {
        let message = ModelCard::load(Path::new("nowhere/model.toml")).expect_err("missing").to_string();
        assert!(message.starts_with("nowhere/model.toml: cannot be read"), "{message}");
    }
}
