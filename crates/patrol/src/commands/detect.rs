//! `patrol detect`: boxes over pictures, as COCO results.

use crate::config::{Usage, number_in};
use crate::models;
use crate::system::{onnx_runtime, thermal_or};
use anyhow::Context as _;
use patrol_core::{Detection, Modality, Picture, PixelFormat};
use patrol_pipeline::Eyes;
use patrol_vision::{DetectContext, Detector, Device, HotSpot, HotSpotConfig, ModelCard, OnnxDetector, ThermalConfig, ThermalNormaliser};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of a folder under models/, or the path of a card. Several look one after another; whom two see is one detection.
    #[arg(long, required_unless_present = "hot_spot")]
    model: Vec<String>,
    /// Pictures, or folders of pictures (read to the bottom). What is no picture is skipped and counted.
    #[arg(long, required = true, num_args = 1..)]
    images: Vec<PathBuf>,
    /// COCO annotations: gives `image_id`, and limits the pictures to those it names.
    #[arg(long)]
    ann: Option<PathBuf>,
    /// Ground sampling distance in centimetres a pixel, when it is known.
    #[arg(long, value_parser = number_in(0.01..=1000.0))]
    gsd_cm: Option<f64>,
    /// Use `hot-spot`, alone or together with the model.
    #[arg(long)]
    hot_spot: bool,
    /// Run the card's FP32 file, not the quantised one.
    #[arg(long, requires = "model")]
    fp32: bool,
    /// Lowest score written; default: the card's, and everything `hot-spot` gives.
    #[arg(long, value_parser = number_in(0.0..=1.0))]
    min_score: Option<f64>,
    /// Look as between two examinations in full: for a model whose card keeps tiles for those, at the whole picture only.
    #[arg(long)]
    whole: bool,
    #[arg(long)]
    out: PathBuf,
}

#[derive(Serialize)]
struct CocoResult {
    file_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_id: Option<i64>,
    category_id: i64,
    bbox: [f32; 4],
    score: f32,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let pictures = pictures(args)?;
    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() || args.out.is_dir() {
        return Err(Usage::msg(format!("--out {}: wanted a file in a folder that is there", args.out.display())));
    }
    let min_score = args.min_score.map(|score| score as f32);
    let mut detectors: Vec<Box<dyn Detector>> = Vec::new();
    let cards = cards(args)?;
    let mut modality = cards.first().map_or(Modality::Thermal, |card| card.modality);
    for card in &cards {
        detectors.push(Box::new(OnnxDetector::open(&onnx_runtime()?, card, Device::Cpu, min_score, 1)?));
    }
    if args.hot_spot {
        modality = thermal_or(modality);
        detectors.push(Box::new(HotSpot::new(HotSpotConfig::default())));
    }
    let which: Vec<usize> = (0..detectors.len()).collect();
    let mut eyes = Eyes::new(detectors);

    let clock = patrol_core::SystemClock::new();
    let (mut results, mut looked, mut skipped) = (Vec::new(), 0_u32, 0_u32);
    let mut spent = std::time::Duration::ZERO;
    let mut found: Vec<Detection> = Vec::new();
    for (path, file_name, image_id) in &pictures {
        let Ok(picture) = patrol_ingest::read_picture(path) else {
            skipped += 1;
            continue;
        };
        let context =
            DetectContext { modality, view: None, gsd_m: args.gsd_cm.map(|cm| cm as f32 / 100.0), in_full: (!args.whole).then_some(0) };
        let began = patrol_core::Clock::monotonic(&clock);
        let picture = if is_coloured(&picture) && modality == Modality::Thermal {
            // Stills of different cameras may lie side by side: nothing is carried over from one to the next.
            ThermalNormaliser::new(&ThermalConfig::default()).normalise(&picture).with_context(|| path.display().to_string())?
        } else {
            picture
        };
        eyes.examine(&which, &picture, &context, &mut found).with_context(|| path.display().to_string())?;
        spent += patrol_core::Clock::monotonic(&clock).saturating_sub(began);
        looked += 1;
        let least = min_score.unwrap_or(0.0);
        results.extend(found.iter().filter(|detection| detection.score >= least).map(|detection| CocoResult {
            file_name: file_name.clone(),
            image_id: *image_id,
            category_id: 1,
            bbox: [detection.bbox.x, detection.bbox.y, detection.bbox.w, detection.bbox.h],
            score: detection.score,
        }));
    }
    if looked == 0 {
        let words = format!("no picture among {} files; give --images a folder of png, jpg, webp or tiff files", pictures.len());
        return Err(Usage::msg(words));
    }
    let mut file = BufWriter::new(File::create(&args.out).with_context(|| args.out.display().to_string())?);
    serde_json::to_writer(&mut file, &results)?;
    file.flush()?;
    eprintln!(
        "{looked} pictures, {skipped} skipped, {} boxes, {:.2} ms a picture (reading not counted) -> {}",
        results.len(),
        spent.as_secs_f64() * 1000.0 / f64::from(looked),
        args.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn is_coloured(picture: &Picture) -> bool {
    !matches!(picture.format(), PixelFormat::Gray8 | PixelFormat::Gray16Le)
}

/// The cards of the models, all for pictures of one kind.
fn cards(args: &Args) -> anyhow::Result<Vec<ModelCard>> {
    let mut cards: Vec<ModelCard> = Vec::new();
    for model in &args.model {
        let card = models::find(model, Path::new(".")).map_err(|why| Usage::msg(format!("--model: {why}")))?;
        let mut card = ModelCard::load(&card).map_err(Usage::of)?;
        if args.fp32 {
            card = card.in_fp32();
        }
        card.verify().map_err(Usage::of)?;
        if let Some(other) = cards.iter().find(|other| other.modality != card.modality) {
            let words =
                format!("--model {model}: for other pictures than {}; give models for visible light, or for thermal pictures", other.name);
            return Err(Usage::msg(words));
        }
        cards.push(card);
    }
    Ok(cards)
}

/// Path, name as in the annotations (or relative to the folder given), and `image_id` of every picture.
fn pictures(args: &Args) -> anyhow::Result<Vec<(PathBuf, String, Option<i64>)>> {
    let mut found = Vec::new();
    for root in &args.images {
        if let Err(error) = root.metadata() {
            return Err(Usage::msg(format!("--images {}: {error}; give files or folders", root.display())));
        }
        let base = if root.is_dir() { root.as_path() } else { root.parent().unwrap_or(Path::new("")) };
        collect(root, base, &mut found)?;
    }
    found.sort();
    let Some(ann) = &args.ann else {
        return Ok(found.into_iter().map(|(path, name)| (path, name, None)).collect());
    };
    let ids = image_ids(ann)?;
    let named: Vec<_> = found
        .into_iter()
        .filter_map(|(path, name)| {
            let base = Path::new(&name).file_name()?.to_string_lossy().into_owned();
            let (file_name, id) = ids.get(&name).or_else(|| ids.get(&base))?;
            Some((path, file_name.clone(), Some(*id)))
        })
        .collect();
    if named.is_empty() {
        return Err(Usage::msg(format!("none of the pictures is named in {}", ann.display())));
    }
    Ok(named)
}

/// Every file below `path`. Linked folders are not entered: a link may lead back up.
fn collect(path: &Path, base: &Path, found: &mut Vec<(PathBuf, String)>) -> anyhow::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
            let entry = entry?;
            let inside = entry.path();
            if entry.file_type()?.is_symlink() && inside.is_dir() {
                continue;
            }
            collect(&inside, base, found)?;
        }
    } else {
        let name = path.strip_prefix(base).unwrap_or(path).to_string_lossy().into_owned();
        found.push((path.to_owned(), name));
    }
    Ok(())
}

/// Annotated name and id of every image, under its full name and under its last part.
fn image_ids(ann: &Path) -> anyhow::Result<BTreeMap<String, (String, i64)>> {
    #[derive(serde::Deserialize)]
    struct Coco {
        images: Vec<Image>,
    }
    #[derive(serde::Deserialize)]
    struct Image {
        id: i64,
        file_name: String,
    }
    let named = || format!("--ann {}", ann.display());
    let text = std::fs::read_to_string(ann).with_context(named).map_err(Usage::of)?;
    let coco: Coco = serde_json::from_str(&text).context("no COCO annotation file").with_context(named).map_err(Usage::of)?;
    let mut ids = BTreeMap::new();
    for image in coco.images {
        let base = Path::new(&image.file_name).file_name().map(|base| base.to_string_lossy().into_owned()).unwrap_or_default();
        ids.insert(base, (image.file_name.clone(), image.id));
        ids.insert(image.file_name.clone(), (image.file_name, image.id));
    }
    Ok(ids)
}
