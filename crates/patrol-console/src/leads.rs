//! The queue and the leads in it.

use crate::advice::{Advice, advice_for};
use crate::reply::Refusal;
use crate::server::Console;
use axum::Json;
use axum::extract::{Path, State};
use patrol_core::camera::CameraId;
use patrol_core::geometry::{PictureSize, PixelBox};
use patrol_core::lead::{Case, Decision, DeliveryState, Lead, LeadId, LeadState, Review, Ringing};
use patrol_core::{Posture, Tier, WallTime};
use serde::Serialize;
use std::sync::Arc;

/// Closed leads that a list shows, newest first; the rest are counted.
const CLOSED_MAX: usize = 200;

/// Where a lead stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// A person must do something: decide, answer a ring, see to a parked delivery.
    Waiting,
    /// Not yet sure enough to ask.
    Candidate,
    /// With the city.
    Underway,
    Closed,
}

impl Group {
    pub fn of(lead: &Lead) -> Self {
        let asks = match lead.state {
            LeadState::Review | LeadState::Returned => true,
            // An A that the city does not take must be countersigned (`integration.md` §3.5).
            LeadState::NotAccepted => lead.tier == Tier::A && !is_countersigned(lead),
            _ => false,
        };
        if asks || lead.ringing.is_some() || lead.delivery == DeliveryState::Parked {
            Self::Waiting
        } else if lead.state == LeadState::Candidate {
            Self::Candidate
        } else if lead.state.is_open() {
            Self::Underway
        } else {
            Self::Closed
        }
    }
}

fn is_countersigned(lead: &Lead) -> bool {
    lead.history.iter().any(|line| line.kind == "countersigned" && line.at >= lead.state_since)
}

/// Whether an officer's decision is expected or still welcome: not yet decided, come back, refused by the city, or pushed without a person.
fn is_decidable(lead: &Lead) -> bool {
    let undecided = matches!(lead.state, LeadState::Candidate | LeadState::Review | LeadState::Returned | LeadState::NotAccepted);
    let by_timeout = lead.review.as_ref().is_some_and(|review| review.decision == Decision::Timeout);
    lead.state.is_open() && (undecided || by_timeout || lead.delivery == DeliveryState::Parked)
}

/// A lead in the list and on the stream: no coordinates, so that a list is no export of where people are
/// (`integration.md` §4.5).
#[derive(Debug, Serialize)]
pub(crate) struct LeadSummary<'a> {
    id: &'a LeadId,
    group: Group,
    decidable: bool,
    revision: u32,
    state: LeadState,
    tier: Tier,
    /// S, 0–100.
    score: f32,
    /// S·√p.
    rank: f32,
    confidence: f32,
    resolved: bool,
    people: u32,
    posture: Posture,
    still_since: Option<WallTime>,
    camera: &'a CameraId,
    camera_name: &'a str,
    address: Option<&'a str>,
    street: Option<&'a str>,
    bbox: PixelBox,
    size: PictureSize,
    first_seen: WallTime,
    last_seen: WallTime,
    made_at: WallTime,
    state_since: WallTime,
    w_eff_c: f32,
    weather_assumed: bool,
    crop_sha256: Option<&'a str>,
    pictures: usize,
    review: Option<&'a Review>,
    case: &'a Case,
    delivery: DeliveryState,
    linked: usize,
    merged_into: Option<&'a LeadId>,
    ringing: Option<&'a Ringing>,
    advice: Vec<Advice>,
    /// When this was written.
    as_of: WallTime,
}

impl<'a> LeadSummary<'a> {
    pub(crate) fn of(lead: &'a Lead, now: WallTime) -> Self {
        Self {
            id: &lead.id,
            group: Group::of(lead),
            decidable: is_decidable(lead),
            revision: lead.revision,
            state: lead.state,
            tier: lead.tier,
            score: lead.score.value,
            rank: rank(lead),
            confidence: lead.confidence,
            resolved: lead.resolved,
            people: lead.people,
            posture: lead.posture,
            still_since: lead.still_since,
            camera: &lead.place.camera,
            camera_name: &lead.camera_name,
            address: lead.address.as_deref(),
            street: lead.street.as_deref(),
            bbox: lead.place.bbox,
            size: lead.place.size,
            first_seen: lead.first_seen,
            last_seen: lead.last_seen,
            made_at: lead.made_at,
            state_since: lead.state_since,
            w_eff_c: lead.score.w_eff_c,
            weather_assumed: lead.score.weather_assumed,
            crop_sha256: lead.evidence.last().map(|evidence| evidence.crop_sha256.as_str()),
            pictures: lead.evidence.len(),
            review: lead.review.as_ref(),
            case: &lead.case,
            delivery: lead.delivery,
            linked: lead.linked.len(),
            merged_into: lead.merged_into.as_ref(),
            ringing: lead.ringing.as_ref(),
            advice: advice_for(lead),
            as_of: now,
        }
    }
}

fn rank(lead: &Lead) -> f32 {
    lead.score.value * lead.confidence.max(0.0).sqrt()
}

/// Everything about one lead, and how it stands in the queue.
#[derive(Debug, Serialize)]
pub(crate) struct LeadDetail {
    #[serde(flatten)]
    lead: Lead,
    group: Group,
    decidable: bool,
    rank: f32,
    advice: Vec<Advice>,
}

impl LeadDetail {
    pub(crate) fn of(lead: Lead) -> Self {
        Self { group: Group::of(&lead), decidable: is_decidable(&lead), rank: rank(&lead), advice: advice_for(&lead), lead }
    }
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    waiting: usize,
    candidate: usize,
    underway: usize,
    closed: usize,
}

/// Best first within a group; closed ones newest first.
fn sort_queue(leads: &mut [Lead]) {
    leads.sort_by(|a, b| {
        let (group_a, group_b) = (Group::of(a), Group::of(b));
        group_a.cmp(&group_b).then_with(|| match group_a {
            Group::Closed => b.state_since.cmp(&a.state_since).then_with(|| a.id.cmp(&b.id)),
            Group::Waiting | Group::Candidate | Group::Underway => a.queue_key().cmp(&b.queue_key()),
        })
    });
}

pub(crate) async fn list(State(console): State<Arc<Console>>) -> Json<serde_json::Value> {
    let now = console.clock.now();
    let mut leads = console.office.leads();
    sort_queue(&mut leads);
    let mut counts = Counts::default();
    for lead in &leads {
        *match Group::of(lead) {
            Group::Waiting => &mut counts.waiting,
            Group::Candidate => &mut counts.candidate,
            Group::Underway => &mut counts.underway,
            Group::Closed => &mut counts.closed,
        } += 1;
    }
    let left_out = counts.closed.saturating_sub(CLOSED_MAX);
    leads.truncate(leads.len() - left_out);
    let summaries: Vec<LeadSummary<'_>> = leads.iter().map(|lead| LeadSummary::of(lead, now)).collect();
    Json(serde_json::json!({ "leads": summaries, "counts": counts, "left_out": left_out, "as_of": now }))
}

pub(crate) async fn detail(State(console): State<Arc<Console>>, Path(id): Path<String>) -> Result<Json<LeadDetail>, Refusal> {
    match console.office.lead(&LeadId(id.clone())) {
        Some(lead) => Ok(Json(LeadDetail::of(lead))),
        None => Err(Refusal::no_lead(&id)),
    }
}
