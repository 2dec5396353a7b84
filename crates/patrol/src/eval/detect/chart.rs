//! Charts as inline SVG.

use super::Entry;
use super::report::escape;
use std::fmt::{self, Write as _};

/// Told apart by people of all colour visions (Okabe and Ito); used over again after eight.
const COLOURS: [&str; 8] = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];

const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;

pub(super) fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// Precision over recall at IoU 0.5, each curve as far as its recall goes.
pub(super) fn precision_recall(entries: &[Entry]) -> Result<String, fmt::Error> {
    let tenths = (0..=5).map(|tick| (f64::from(tick) / 5.0, format!("{:.1}", f64::from(tick) / 5.0))).collect::<Vec<_>>();
    let mut svg = frame("召回率 / recall", "精确率 / precision", &tenths)?;
    for (index, entry) in entries.iter().enumerate() {
        let curve = &entry.outcome.curve;
        let mut points = String::new();
        for (point, precision) in curve.iter().enumerate().filter(|(_, precision)| **precision > 0.0) {
            write!(points, "{:.1},{:.1} ", x(point as f64 / (curve.len() - 1) as f64), y(*precision))?;
        }
        write!(
            svg,
            r#"<polyline fill="none" stroke="{}" stroke-width="2" points="{}"><title>{}</title></polyline>"#,
            colour(index),
            points.trim_end(),
            escape(&entry.name)
        )?;
    }
    Ok(svg + "</svg>\n")
}

/// AP50 over milliseconds a picture on a logarithmic axis; none when no result has a time.
pub(super) fn ap50_over_ms(entries: &[Entry]) -> Result<Option<String>, fmt::Error> {
    let timed: Vec<(usize, &Entry, f64, f64)> =
        entries.iter().enumerate().filter_map(|(index, entry)| Some((index, entry, entry.ms?, entry.outcome.score.ap50?))).collect();
    let times = || timed.iter().map(|(_, _, ms, _)| *ms);
    let (Some(least), Some(most)) = (times().min_by(f64::total_cmp), times().max_by(f64::total_cmp)) else {
        return Ok(None);
    };
    // Room for the names on the right.
    let (from, to) = ((least / 1.5).log10(), (most * 3.0).log10());
    let place = |ms: f64| (ms.log10() - from) / (to - from);
    let ticks: Vec<(f64, String)> = (-3..=6)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
        .map(|ms| (place(ms), ms.to_string()))
        .filter(|(place, _)| (0.0..=1.0).contains(place))
        .collect();
    let mut svg = frame("每幅毫秒 / ms per picture", "AP50", &ticks)?;
    for (index, entry, ms, ap50) in timed {
        let (cx, cy) = (x(place(ms)), y(ap50));
        write!(
            svg,
            r#"<circle cx="{cx:.1}" cy="{cy:.1}" r="5" fill="{}"/><text x="{:.1}" y="{:.1}">{}</text>"#,
            colour(index),
            cx + 9.0,
            cy + 4.0,
            escape(&entry.name)
        )?;
    }
    Ok(Some(svg + "</svg>\n"))
}

/// From 0–1 to the drawing.
fn x(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn y(share: f64) -> f64 {
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

/// Axes and grid; the upright axis goes from 0 to 1. The drawing is left open.
fn frame(across: &str, upright: &str, ticks: &[(f64, String)]) -> Result<String, fmt::Error> {
    let mut svg = format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"><g class="grid">"#);
    for tick in 0..=5 {
        let share = f64::from(tick) / 5.0;
        write!(svg, r#"<path d="M{:.1} {:.1}H{:.1}"/>"#, x(0.0), y(share), x(1.0))?;
        write!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{share:.1}</text>"#, x(0.0) - 6.0, y(share) + 4.0)?;
    }
    for (share, label) in ticks {
        write!(svg, r#"<path d="M{:.1} {:.1}V{:.1}"/>"#, x(*share), y(0.0), y(1.0))?;
        write!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{label}</text>"#, x(*share), y(0.0) + 17.0)?;
    }
    write!(svg, r#"</g><text x="{:.1}" y="{:.1}" text-anchor="middle">{across}</text>"#, x(0.5), HEIGHT - 8.0)?;
    let (cx, cy) = (14.0, y(0.5));
    write!(svg, r#"<text x="{cx}" y="{cy:.1}" text-anchor="middle" transform="rotate(-90 {cx} {cy:.1})">{upright}</text>"#)?;
    Ok(svg)
}
