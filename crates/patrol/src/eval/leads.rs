//! Leads against what was really there.
//!
//! Who must have a lead: everyone who lay, was curled up or slumped in a camera's view for 120 s, or sat there for 600 s. People down within 2 m of
//! one another share one lead. A lead is about somebody when, at the same time, its box overlaps the true one or is near it, or its place on the ground
//! is within 3 m. One lead answers for one group, and for a second one only if its head-count is large enough: a lead that swallowed
//! somebody else's is no lead for him.

pub(crate) use super::truth::Truth;

use super::leads_causes::{Kept, SightingLine, false_why, missed_why};
use super::leads_match::{Group, Needy, groups, nearness, needy};
use super::{read_json, read_text, tell};
use anyhow::{Context as _, Result, bail};
use patrol_core::{Lead, LeadId, LeadState, WallTime};
use patrol_track::assignment;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Args {
    /// truth.json of a scene folder.
    #[arg(long)]
    truth: PathBuf,
    /// leads.jsonl as `replay` writes it.
    #[arg(long)]
    leads: PathBuf,
    /// summary.json of the same run: gives the blind intervals and the start.
    #[arg(long)]
    summary: Option<PathBuf>,
    /// sightings.jsonl of the same run: tells why somebody was missed.
    #[arg(long)]
    sightings: Option<PathBuf>,
    /// When the run began, RFC 3339 or Unix seconds. Otherwise as summary.json says, or as the leads' evidence does.
    #[arg(long)]
    start: Option<String>,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// What `patrol eval leads --json` writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct LeadScore {
    /// People who must have a lead, and those of them who have one.
    pub(crate) people: usize,
    pub(crate) found: usize,
    /// Ids of the people who must have a lead and have none.
    pub(crate) missed: Vec<String>,
    /// Leads about people for whom another lead was open when they were made.
    pub(crate) duplicates: Vec<String>,
    /// Leads about nobody who was down or sat.
    pub(crate) false_leads: Vec<String>,
    /// found / people; 1 when there was nobody to be found.
    pub(crate) recall: f64,
    /// Leads whose head-count is below that of their group.
    pub(crate) headcount_short: Vec<String>,
    /// Seconds from the moment a person needed a lead until it was made, by person; negative when it was made before.
    pub(crate) delay_s: BTreeMap<String, f64>,
    /// Seconds from going down, or sitting down, until the lead was made, by person.
    pub(crate) time_to_lead_s: BTreeMap<String, f64>,
    /// What became of the lead, by person found.
    pub(crate) kept: BTreeMap<String, Kept>,
    /// By missed person; with --sightings alone.
    pub(crate) missed_why: BTreeMap<String, &'static str>,
    /// By lead about nobody.
    pub(crate) false_why: BTreeMap<String, String>,
    /// By camera, from summary.json.
    pub(crate) blind: BTreeMap<String, Blind>,
}

/// How a camera was seen. What its summary does not tell is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Blind {
    /// The longest the camera went without a picture that was examined or unchanged, seconds.
    pub(crate) max_blind_s: Option<f64>,
    /// The longest it went without one that was examined, seconds.
    pub(crate) max_unexamined_s: Option<f64>,
    pub(crate) pictures: Option<u64>,
    /// Pictures by what became of them: why they were not examined.
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) inferences: Option<u64>,
    /// From the first look to the last.
    pub(crate) seconds: Option<f64>,
    #[serde(skip_deserializing)]
    pub(crate) inferences_per_s: Option<f64>,
    /// Open at the end; most at once; dropped for want of room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) watch_cells: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) watch_cells_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) watch_cells_dropped: Option<u64>,
}

impl Blind {
    fn with_rate(mut self) -> Self {
        let seconds = self.seconds.filter(|seconds| *seconds > 0.0);
        self.inferences_per_s = seconds.zip(self.inferences).map(|(seconds, inferences)| inferences as f64 / seconds);
        self
    }
}

#[derive(Debug, Deserialize)]
struct Summary {
    start_unix_s: Option<f64>,
    #[serde(default)]
    cameras: BTreeMap<String, Blind>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let truth: Truth = read_json(&args.truth)?;
    let leads: Vec<Lead> = read_lines(&args.leads, "a lead")?;
    let sightings: Option<Vec<SightingLine>> = args.sightings.as_deref().map(|path| read_lines(path, "a sighting")).transpose()?;
    let summary: Option<Summary> = args.summary.as_deref().map(read_json).transpose()?;
    let said = summary.as_ref().and_then(|summary| summary.start_unix_s);
    let start = match (&args.start, said) {
        (Some(text), _) => parse_start(text)?,
        (None, Some(seconds)) => from_unix(seconds),
        (None, None) => match start_by_evidence(&leads) {
            Some(start) => start,
            None if leads.is_empty() => WallTime::default(),
            None => bail!("the start of the run is not known: no evidence in {}; give --start or --summary", args.leads.display()),
        },
    };
    let mut score = score_leads(&truth, &leads, start);
    score.missed_why = sightings.map(|sightings| missed_why(&truth, &score.missed, &sightings)).unwrap_or_default();
    let cameras = summary.map(|summary| summary.cameras).unwrap_or_default();
    score.blind = cameras.into_iter().map(|(id, camera)| (id, camera.with_rate())).collect();
    tell(&score, args.json)
}

#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(truth: &[u8], leads: &[u8]) {
    let (Ok(truth), Ok(leads)) = (serde_json::from_slice::<Truth>(truth), serde_json::from_slice::<Vec<Lead>>(leads)) else { return };
    let start = start_by_evidence(&leads).unwrap_or_default();
    let score = score_leads(&truth, &leads, start);
    missed_why(&truth, &score.missed, &[]);
}

/// Reads JSON lines; an error names the line and the field.
fn read_lines<T: DeserializeOwned>(path: &Path, what: &str) -> Result<Vec<T>> {
    let text = read_text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let reader = &mut serde_json::Deserializer::from_str(line);
            serde_path_to_error::deserialize(reader).with_context(|| format!("{}, line {}: not {what}", path.display(), number + 1))
        })
        .collect()
}

fn parse_start(text: &str) -> Result<WallTime> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok(from_unix(seconds));
    }
    let time: jiff::Timestamp = text.parse().with_context(|| format!("--start: wanted RFC 3339 or Unix seconds, found {text:?}"))?;
    Ok(WallTime(i64::try_from(time.as_nanosecond()).with_context(|| format!("--start: {text} is too far away"))?))
}

fn from_unix(seconds: f64) -> WallTime {
    WallTime((seconds * 1e9).round() as i64)
}

/// The feeds begin with the run: the earliest that any of them can have begun.
fn start_by_evidence(leads: &[Lead]) -> Option<WallTime> {
    let begins = leads.iter().flat_map(|lead| &lead.evidence).map(|evidence| evidence.captured.at.0 - evidence.media_time.0);
    begins.min().map(WallTime)
}

/// Scores the final state of `leads` against `truth`, whose times count from `start`. What other files tell is left empty.
pub(crate) fn score_leads(truth: &Truth, leads: &[Lead], start: WallTime) -> LeadScore {
    let needy = needy(truth);
    let groups = groups(truth, &needy);
    let stories = stories(leads);
    let near: Vec<Vec<Option<f64>>> = stories.iter().map(|story| nearness_to_groups(truth, &needy, &groups, story, start)).collect();
    let answered = answer(&near, &groups, &stories);

    let mut score = LeadScore::default();
    for (group, lead) in groups.iter().zip(&answered) {
        for person in group.iter().map(|member| &needy[*member]) {
            let Some(due_s) = person.due_s else { continue };
            score.people += 1;
            match lead {
                Some(lead) => {
                    score.found += 1;
                    let made_s = stories[*lead].lead.made_at.seconds_since(start);
                    let id = &person.person.id;
                    score.delay_s.insert(id.clone(), made_s - due_s);
                    score.time_to_lead_s.insert(id.clone(), made_s - person.from_s);
                    score.kept.insert(id.clone(), Kept::of(stories[*lead].lead, person, start));
                }
                None => score.missed.push(person.person.id.clone()),
            }
        }
        if let Some(lead) = lead
            && (stories[*lead].lead.people as usize) < group.iter().filter(|member| needy[**member].due_s.is_some()).count()
        {
            score.headcount_short.push(stories[*lead].lead.id.to_string());
        }
    }
    for (number, story) in stories.iter().enumerate() {
        let about: Vec<usize> = (0..groups.len()).filter(|group| near[number][*group].is_some()).collect();
        let id = story.lead.id.to_string();
        if about.is_empty() {
            score.false_leads.push(id);
        } else if !answered.contains(&Some(number)) && about.iter().any(|group| was_open(*group, number, &near, &stories)) {
            score.duplicates.push(id);
        }
    }
    score.recall = if score.people == 0 { 1.0 } else { score.found as f64 / score.people as f64 };
    for list in [&mut score.missed, &mut score.duplicates, &mut score.false_leads, &mut score.headcount_short] {
        list.sort();
        list.dedup();
    }
    score.false_why = false_why(truth, leads, &score.false_leads, start);
    score
}

/// A lead with all that was merged into it.
struct Story<'a> {
    lead: &'a Lead,
    parts: Vec<&'a Lead>,
}

/// Leads that were made and stand for themselves. Candidates never became leads.
fn stories(leads: &[Lead]) -> Vec<Story<'_>> {
    let made = |lead: &&Lead| !matches!(lead.state, LeadState::Candidate | LeadState::Expired);
    let mut stories: Vec<Story> = leads
        .iter()
        .filter(made)
        .filter(|lead| lead.state != LeadState::Merged || end_of_merges(leads, lead).is_none())
        .map(|lead| Story { lead, parts: vec![lead] })
        .collect();
    for lead in leads.iter().filter(made).filter(|lead| lead.state == LeadState::Merged) {
        if let Some(story) = end_of_merges(leads, lead).and_then(|end| stories.iter_mut().find(|story| &story.lead.id == end)) {
            story.parts.push(lead);
        }
    }
    stories
}

/// The lead that `lead` has become part of in the end; `None` when it is not among `leads`.
fn end_of_merges<'a>(leads: &'a [Lead], lead: &'a Lead) -> Option<&'a LeadId> {
    let mut at = lead;
    for _ in 0..leads.len() {
        let Some(next) = &at.merged_into else { break };
        at = leads.iter().find(|lead| &lead.id == next)?;
    }
    (at.id != lead.id && at.state != LeadState::Merged).then_some(&at.id)
}

fn nearness_to_groups(truth: &Truth, needy: &[Needy], groups: &[Group], story: &Story, start: WallTime) -> Vec<Option<f64>> {
    groups
        .iter()
        .map(|group| {
            let pairs = group.iter().flat_map(|member| story.parts.iter().map(move |part| (&needy[*member], *part)));
            pairs.filter_map(|(person, part)| nearness(truth, person, part, start)).min_by(f64::total_cmp)
        })
        .collect()
}

/// The lead of each group: as many groups as possible, the nearest leads; then those that a lead's head-count still has room for.
fn answer(near: &[Vec<Option<f64>>], groups: &[Group], stories: &[Story]) -> Vec<Option<usize>> {
    let costs: Vec<f32> =
        (0..groups.len()).flat_map(|group| near.iter().map(move |row| row[group].map_or(f32::INFINITY, |near| near as f32))).collect();
    let mut answered = assignment::solve(&costs, groups.len(), stories.len());
    for group in 0..groups.len() {
        if answered[group].is_some() {
            continue;
        }
        let heads = |lead: usize, answered: &[Option<usize>]| -> usize {
            answered.iter().zip(groups).filter(|(who, _)| **who == Some(lead)).map(|(_, group)| group.len()).sum()
        };
        let roomy = |lead: &usize| heads(*lead, &answered) + groups[group].len() <= stories[*lead].lead.people as usize;
        let candidates = (0..stories.len()).filter(|lead| near[*lead][group].is_some()).filter(roomy);
        answered[group] = candidates.min_by(|a, b| near[*a][group].partial_cmp(&near[*b][group]).unwrap_or(std::cmp::Ordering::Equal));
    }
    answered
}

/// Whether a lead about `group` was open when another one, `number`, was made, or the other way round.
fn was_open(group: usize, number: usize, near: &[Vec<Option<f64>>], stories: &[Story]) -> bool {
    let open = |story: &Story, at: WallTime| {
        let closed = !story.lead.state.is_open() && story.lead.state_since <= at;
        story.lead.made_at <= at && !closed
    };
    stories.iter().enumerate().any(|(other, story)| {
        let at = story.lead.made_at.max(stories[number].lead.made_at);
        other != number && near[other][group].is_some() && open(story, at) && open(&stories[number], at)
    })
}

#[cfg(test)]
#[path = "leads_tests.rs"]
mod tests;
