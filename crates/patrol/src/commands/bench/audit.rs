//! How far apart the pictures of each camera really were: by the codes in them, or where that cannot be by the patrol's own capture times.

use super::Context;
use super::python::Why;
use anyhow::Context as _;
use patrol_core::WallTime;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// A look may be under way when the window closes; a camera whose newest picture is older by then was not looked at any more.
const UNDER_WAY_S: f64 = 1.0;
/// Outcomes that keep a promise.
const KEEPS: [&str; 2] = ["examined", "unchanged"];

/// Whose word it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// Read out of the pictures by `audit.py`.
    Codes,
    /// The patrol's own, and why not the other.
    Patrol(Why),
}

impl By {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Codes => "read from the pictures".to_owned(),
            Self::Patrol(why) => format!("by the patrol's own times ({why})"),
        }
    }
}

/// Of all cameras together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Audit {
    pub(super) cameras: usize,
    pub(super) max_between_captures_s: f64,
    pub(super) max_blind_s: f64,
    /// Cameras of which two looks stood farther apart than the promise, or that were not looked at any more.
    pub(super) broken: usize,
    /// Pictures shown under another camera's name, and codes that could not be read.
    pub(super) wrong: u64,
    pub(super) unreadable: u64,
    pub(super) by: By,
}

#[derive(Deserialize)]
struct AuditFile {
    cameras: Vec<AuditLine>,
}

#[derive(Debug, Deserialize)]
struct AuditLine {
    max_between_captures_s: f64,
    max_blind_s: f64,
    /// Age of the newest picture when the window closed.
    open_s: Option<f64>,
    other_cameras_pictures: u64,
    unreadable: u64,
}

impl Audit {
    fn of(lines: &[AuditLine], promise_s: f64, by: By) -> Self {
        let most = |value: fn(&AuditLine) -> f64| lines.iter().map(value).fold(0.0, f64::max);
        let is_broken = |line: &&AuditLine| {
            line.max_between_captures_s > promise_s || line.open_s.is_none_or(|open_s| open_s > promise_s + UNDER_WAY_S)
        };
        Self {
            cameras: lines.len(),
            max_between_captures_s: most(|line| line.max_between_captures_s),
            max_blind_s: most(|line| line.max_blind_s),
            broken: lines.iter().filter(is_broken).count(),
            wrong: lines.iter().map(|line| line.other_cameras_pictures).sum(),
            unreadable: lines.iter().map(|line| line.unreadable).sum(),
            by,
        }
    }

    /// Every one of `cameras` was seen in time, and as itself.
    pub(super) fn is_well(&self, cameras: usize) -> bool {
        self.cameras == cameras && self.broken == 0 && self.wrong == 0 && self.unreadable == 0
    }
}

/// Audits what was looked at between `since` and `until`. `strips`: parts of the pictures with their codes, if they have any.
pub(super) fn of_run(
    context: &Context,
    looks: &Path,
    strips: Option<&Path>,
    promise_s: f64,
    since: WallTime,
    until: WallTime,
) -> Result<Audit, Why> {
    let seconds = |at: WallTime| at.0 as f64 / 1e9;
    let (since_s, until_s) = (seconds(since), seconds(until));
    let by_codes = strips.ok_or_else(|| "the pictures carry no codes in the short form".to_owned()).and_then(|strips| {
        let mut args: Vec<OsString> = vec![looks.into(), strips.into()];
        for (key, value) in [("--promise", promise_s), ("--since", since_s), ("--until", until_s)] {
            args.extend([OsString::from(key), format!("{value:.3}").into()]);
        }
        context.python(|python| python.audit(&args)).map(|file: AuditFile| Audit::of(&file.cameras, promise_s, By::Codes))
    });
    by_codes.or_else(|why| {
        let text = std::fs::read_to_string(looks).with_context(|| looks.display().to_string()).map_err(|error| format!("{error:#}"))?;
        Ok(Audit::of(&own_lines(&text, since_s, until_s), promise_s, By::Patrol(why)))
    })
}

/// A line for each camera from the log of looks, whose last line may be half written. Counts as `audit.py` does.
fn own_lines(text: &str, since_s: f64, until_s: f64) -> Vec<AuditLine> {
    let mut seen: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [camera, captured, _, end, outcome] = fields[..] else { continue };
        let looks = seen.entry(camera).or_default();
        if let (Ok(captured), Ok(end)) = (captured.parse(), end.parse::<f64>())
            && end <= until_s
            && KEEPS.contains(&outcome)
        {
            looks.push((captured, end));
        }
    }
    seen.into_values().map(|looks| own_line(looks, since_s, until_s)).collect()
}

fn own_line(mut looks: Vec<(f64, f64)>, since_s: f64, until_s: f64) -> AuditLine {
    looks.sort_by(|one, other| one.1.total_cmp(&other.1));
    let pairs = || looks.windows(2).filter(|pair| pair[1].1 >= since_s);
    AuditLine {
        max_between_captures_s: pairs().map(|pair| pair[1].0 - pair[0].0).fold(0.0, f64::max),
        max_blind_s: pairs().map(|pair| pair[1].1 - pair[0].0).fold(0.0, f64::max),
        open_s: looks.last().map(|(captured, _)| until_s - captured),
        other_cameras_pictures: 0,
        unreadable: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(between: f64, open: Option<f64>, wrong: u64) -> AuditLine {
        AuditLine {
            max_between_captures_s: between,
            max_blind_s: between + 0.1,
            open_s: open,
            other_cameras_pictures: wrong,
            unreadable: 0,
        }
    }

    #[test]
    fn a_promise_is_broken_by_a_gap_by_an_end_and_by_silence() {
        let of = |lines: Vec<AuditLine>| Audit::of(&lines, 10.0, By::Codes);
        let well = of(vec![line(8.0, Some(3.0), 0), line(9.99, Some(10.5), 0)]);
        assert!(well.is_well(2) && !well.is_well(3), "a camera that was never looked at is missing");
        assert_eq!(well.max_between_captures_s, 9.99);
        assert_eq!(of(vec![line(10.01, Some(1.0), 0), line(8.0, Some(11.5), 0), line(8.0, None, 0)]).broken, 3);
        assert!(!of(vec![line(8.0, Some(1.0), 1)]).is_well(1), "another camera's picture");
    }

    #[test]
    fn the_patrols_own_times_are_counted_within_the_window() {
        let text = "camera,captured_unix_s,start_unix_s,end_unix_s,outcome\na,100.0,100.1,100.2,examined\nb,100.5,100.6,100.7,examined\n\
                    a,130.0,130.1,130.2,unchanged\na,138.0,138.1,138.3,unchanged\nb,139.0,139.1,139.2,undecodable\na,155.0,155.1,155.2,examined\na,15";
        let lines = own_lines(text, 135.0, 140.0);
        assert_eq!(lines.len(), 2);
        assert!((lines[0].max_between_captures_s - 8.0).abs() < 1e-6, "the gap of 30 s ended before the window: {:?}", lines[0]);
        assert!((lines[0].max_blind_s - 8.3).abs() < 1e-6 && lines[0].open_s.is_some_and(|open_s| (open_s - 2.0).abs() < 1e-6));
        assert!(lines[1].open_s.is_some_and(|open_s| open_s > 39.0), "what was not seen well keeps no promise");
    }
}
