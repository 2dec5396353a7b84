//! A street at night, told second by second.

use patrol_core::desk::{
    Absence, AbsenceKind, CameraCondition, CameraReport, CaseCallback, DeliveryReport, DeliveryResult, OfficerAction, OfficerCommand,
    OutboxItem, PushOp, Ring,
};
use patrol_core::lead::Decision;
use patrol_core::sighting::{EvidenceRef, Jpeg, Place};
use patrol_core::{
    AlertLevel, Camera, CameraId, Crs, Evidence, GroundPoint, Lead, LeadId, LeadState, MediaTime, Modality, PictureSize, PictureTransform,
    PixelBox, Position, Posture, Promise, Sighting, TrackId, WallEstimate, WallTime, Weather,
};
use patrol_leads::desk::DeskOutput;
use patrol_leads::{Desk, DeskConfig, DeskEvent, OnTimeout};
use std::sync::Arc;
use std::time::Duration;

/// 2026-01-05 01:00 +08:00.
pub(crate) const START: WallTime = WallTime(1_767_546_000_000_000_000);
const SIZE: PictureSize = PictureSize::new(1280, 720);
const PX_PER_M: f32 = 60.0;
/// Both cameras stand here: their ground is the same.
const HERE: Position = Position { lon: 121.487, lat: 31.23, crs: Crs::Wgs84, error_m: 0.5 };

/// Someone in the picture.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) camera: &'static str,
    pub(crate) track: u64,
    pub(crate) posture: Posture,
    pub(crate) at_m: (f32, f32),
    pub(crate) since: WallTime,
    pub(crate) class_since: WallTime,
    pub(crate) resolved: bool,
    pub(crate) held: bool,
    pub(crate) preset: u32,
    pub(crate) confidence: f32,
    pub(crate) error_m: Option<f32>,
}

pub(crate) struct Scene {
    pub(crate) desk: Desk,
    pub(crate) config: DeskConfig,
    pub(crate) now: WallTime,
    pub(crate) actors: Vec<Actor>,
    pub(crate) rings: Vec<Ring>,
    pub(crate) outbox: Vec<OutboxItem>,
    pub(crate) evidence: usize,
    pub(crate) pending: Vec<DeskEvent>,
    pub(crate) has_weather: bool,
    pub(crate) air_c: f32,
    /// Turns the events of a tick about before they are handed over.
    pub(crate) shuffle: Option<fn(&mut Vec<DeskEvent>)>,
    /// Stops the desk and starts it again from what it wrote, every so many ticks.
    pub(crate) restart_every: Option<u64>,
    /// Of camera `a`, as reported last.
    condition: CameraCondition,
    /// Whether cameras report after a restart.
    pub(crate) comes_back: bool,
    ticks: u64,
    requests: u64,
}

pub(crate) fn cameras() -> Vec<Camera> {
    let every = Duration::from_secs(10);
    let camera = |id: &str| Camera {
        id: CameraId::new(id),
        name: format!("{id}号口"),
        code: None,
        modality: Modality::Thermal,
        promise: Promise { look_every: every, look_limit: every, rescan_every: every },
        position: Some(HERE),
        view: None,
        address: Some("人民路".to_owned()),
        street: None,
        grid: None,
        site_prior: 0.5,
    };
    vec![camera("a"), camera("b")]
}

impl Scene {
    pub(crate) fn new(air_c: f32) -> Self {
        Self::with(air_c, DeskConfig::default())
    }
    pub(crate) fn with(air_c: f32, config: DeskConfig) -> Self {
        Self {
            desk: Desk::new(config.clone(), cameras()),
            config,
            now: START,
            actors: Vec::new(),
            rings: Vec::new(),
            outbox: Vec::new(),
            evidence: 0,
            pending: Vec::new(),
            has_weather: true,
            air_c,
            shuffle: None,
            restart_every: None,
            ticks: 0,
            condition: CameraCondition::Seeing,
            comes_back: true,
            requests: 0,
        }
    }
    pub(crate) fn pushing(air_c: f32) -> Self {
        Self::with(air_c, DeskConfig { on_timeout: OnTimeout::Push, ..DeskConfig::default() })
    }

    /// Someone comes into being at a place on the ground of camera `a`, metres right and down.
    pub(crate) fn someone(&mut self, track: u64, posture: Posture, at_m: (f32, f32)) -> &mut Actor {
        let (now, camera) = (self.now, "a");
        self.actors.push(Actor {
            camera,
            track,
            posture,
            at_m,
            since: now,
            class_since: now,
            resolved: true,
            held: false,
            preset: 0,
            confidence: 0.8,
            error_m: None,
        });
        self.actors.last_mut().expect("just pushed")
    }
    pub(crate) fn actor(&mut self, track: u64) -> &mut Actor {
        self.actors.iter_mut().find(|actor| actor.track == track).expect("an actor of this track")
    }
    pub(crate) fn becomes(&mut self, track: u64, posture: Posture) {
        let now = self.now;
        let actor = self.actor(track);
        (actor.posture, actor.class_since) = (posture, now);
    }
    /// The track breaks and goes on under another number, all its clocks anew.
    pub(crate) fn breaks(&mut self, track: u64, into: u64) {
        let now = self.now;
        let actor = self.actor(track);
        (actor.track, actor.since, actor.class_since) = (into, now, now);
        self.absent(track, AbsenceKind::Broke);
    }
    pub(crate) fn leaves(&mut self, track: u64) {
        self.actors.retain(|actor| actor.track != track);
        self.absent(track, AbsenceKind::WalkedOut);
    }
    pub(crate) fn seen_empty(&mut self, track: u64) {
        self.actors.retain(|actor| actor.track != track);
        self.absent(track, AbsenceKind::SeenEmpty);
    }
    pub(crate) fn absent(&mut self, track: u64, why: AbsenceKind) {
        let (at, media_time) = (self.now, self.media_time());
        let camera = CameraId::new("a");
        self.pending.push(DeskEvent::Absence(Absence { camera, track: TrackId(track), media_time, at, why }));
    }
    fn media_time(&self) -> MediaTime {
        MediaTime(self.now.0 - START.0)
    }

    pub(crate) fn sighting(&self, actor: &Actor) -> Sighting {
        let (w, h) = if actor.posture.is_down() { (1.7, 0.5) } else { (0.5, 1.2) };
        let foot = (640.0 + actor.at_m.0 * PX_PER_M, 360.0 + actor.at_m.1 * PX_PER_M);
        let bbox = PixelBox::new(foot.0 - w * PX_PER_M / 2.0, foot.1 - h * PX_PER_M, w * PX_PER_M, h * PX_PER_M);
        let ground = GroundPoint { east_m: actor.at_m.0, north_m: -actor.at_m.1, error_m: actor.error_m.unwrap_or(1.0) };
        let position = actor.error_m.map(|_| HERE.offset(&ground));
        let camera = CameraId::new(actor.camera);
        let place = Place {
            camera: camera.clone(),
            preset: actor.preset,
            now_from_begin: PictureTransform::IDENTITY,
            bbox,
            size: SIZE,
            ground: Some(ground),
            position,
            pixels_per_metre: Some(PX_PER_M),
        };
        let is_walking = actor.posture == Posture::Walking;
        let age_s = self.now.since(actor.since).as_secs();
        let captured = WallEstimate { at: self.now, error_ms: 100 };
        let jpeg = || Jpeg { sha256: format!("{age_s}"), bytes: Arc::from([0u8].as_slice()) };
        let evidence = (age_s.is_multiple_of(60) && age_s >= 60).then(|| {
            let about = EvidenceRef {
                camera,
                media_time: self.media_time(),
                captured,
                bbox,
                size: SIZE,
                posture: actor.posture,
                model: "scripted".to_owned(),
                model_sha256: String::new(),
                main_stream: false,
                whole_sha256: format!("{age_s}"),
                crop_sha256: format!("{age_s}"),
                preview_sha256: Vec::new(),
                clip_sha256: None,
            };
            Arc::new(Evidence { about, whole: jpeg(), crop: jpeg(), preview: Vec::new(), clip: None, renews: false })
        });
        Sighting {
            track: TrackId(actor.track),
            place,
            media_time: self.media_time(),
            captured,
            first_seen: actor.since,
            still_since: (!is_walking && age_s >= 30).then_some(actor.since),
            posture_since: actor.class_since,
            posture: actor.posture,
            confidence: actor.confidence,
            movement: if is_walking { 1.0 } else { 0.0 },
            cover: 0.0,
            resolved: actor.resolved,
            held: actor.held,
            looks: age_s as u32 + 1,
            evidence,
        }
    }

    pub(crate) fn event(&mut self, event: DeskEvent) {
        self.pending.push(event);
    }
    pub(crate) fn camera(&mut self, condition: CameraCondition) {
        self.condition = condition.clone();
        let report = CameraReport { camera: CameraId::new("a"), at: self.now, condition };
        self.event(DeskEvent::Camera(report));
    }

    /// One second.
    pub(crate) fn tick(&mut self) -> DeskOutput {
        self.now = self.now + Duration::from_secs(1);
        self.ticks += 1;
        if self.has_weather && self.ticks % 600 == 1 {
            let weather = Weather {
                air_c: self.air_c,
                wind_kmh: Some(10.0),
                precip_mm_h: 0.0,
                wet_ground: false,
                alert: AlertLevel::None,
                observed_at: self.now,
            };
            self.event(DeskEvent::Weather(weather));
        }
        let mut events = std::mem::take(&mut self.pending);
        events.extend(self.actors.iter().map(|actor| DeskEvent::Sighting(Box::new(self.sighting(actor)))));
        events.push(DeskEvent::Tick);
        if let Some(shuffle) = self.shuffle {
            shuffle(&mut events);
        }
        let output = self.desk.consider(self.now, events);
        self.rings.extend(output.rings.iter().cloned());
        self.outbox.extend(output.outbox.iter().cloned());
        self.evidence += output.evidence.len();
        if self.restart_every.is_some_and(|every| self.ticks.is_multiple_of(every)) {
            let state = serde_json::to_string(&self.desk.state()).expect("a state is JSON");
            let leads = serde_json::to_string(&self.leads()).expect("leads are JSON");
            let read = serde_json::from_str(&state).expect("the same state");
            self.desk = Desk::restore(self.config.clone(), cameras(), read, serde_json::from_str(&leads).expect("the same leads"));
            if self.comes_back {
                let reports = cameras().into_iter().map(|camera| {
                    let condition = if camera.id.as_str() == "a" { self.condition.clone() } else { CameraCondition::Seeing };
                    DeskEvent::Camera(CameraReport { camera: camera.id, at: self.now, condition })
                });
                self.desk.consider(self.now, reports.collect());
            }
        }
        output
    }
    pub(crate) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.tick();
        }
    }
    pub(crate) fn minutes(&mut self, minutes: u64) {
        self.run(minutes * 60);
    }

    pub(crate) fn leads(&self) -> Vec<Lead> {
        self.desk.leads().cloned().collect()
    }
    /// The only lead there is.
    pub(crate) fn lead(&self) -> Lead {
        let leads = self.leads();
        assert_eq!(
            leads.len(),
            1,
            "one lead wanted, found {:?}",
            leads.iter().map(|lead| (&lead.id, lead.state, &lead.history)).collect::<Vec<_>>()
        );
        leads.into_iter().next().expect("one")
    }
    /// Whether some lead, not merely an ended one elsewhere, was seen at the actor's place in the last minutes.
    pub(crate) fn is_on_record(&self, actor: &Actor) -> bool {
        let here = self.sighting(actor).place;
        let is_near = |lead: &Lead| {
            lead.place
                .ground
                .is_some_and(|there| here.ground.is_some_and(|here| here.distance_m(&there) <= 2.0 * lead.people.max(1) as f32))
        };
        let is_suppressed = self.desk.suppressed().iter().any(|entry| entry.place.bbox.iou(&here.bbox) > 0.0);
        is_suppressed || self.desk.leads().any(|lead| is_near(lead) && self.now.seconds_since(lead.last_seen) < 5.0)
    }
    pub(crate) fn rang(&self, kind: &str) -> usize {
        self.rings.iter().filter(|ring| ring.kind == kind).count()
    }
    pub(crate) fn ops(&self) -> Vec<(PushOp, u32)> {
        self.outbox.iter().map(|item| (item.op, item.lead.revision)).collect()
    }

    pub(crate) fn order(&mut self, action: OfficerAction) -> Result<(), String> {
        self.requests += 1;
        let command = OfficerCommand { by: "u1021".to_owned(), reason: String::new(), action };
        self.event(DeskEvent::Officer { request: self.requests, command });
        let output = self.tick();
        let answer = output.answers.into_iter().find(|(request, _)| *request == self.requests).expect("an answer to each request");
        answer.1.map_err(|refusal| refusal.to_string())
    }
    pub(crate) fn decide(&mut self, lead: &LeadId, decision: Decision) -> Result<(), String> {
        self.order(OfficerAction::Review { lead: lead.clone(), decision })
    }
    /// Confirms the only lead.
    pub(crate) fn confirm(&mut self) -> LeadId {
        let id = self.lead().id;
        self.decide(&id, Decision::Confirmed).expect("confirmed");
        id
    }
    pub(crate) fn deliver(&mut self, result: DeliveryResult) {
        let item = self.outbox.last().expect("something to deliver").clone();
        let report = DeliveryReport { lead: item.lead.id, revision: item.lead.revision, op: item.op, at: self.now, result };
        self.event(DeskEvent::Delivery(report));
        self.tick();
    }
    pub(crate) fn delivered(&mut self) {
        self.deliver(DeliveryResult::Delivered { case_id: Some("case-1".to_owned()) });
    }
    pub(crate) fn callback(&mut self, number: u32, seq: i64, state: Option<LeadState>, result: Option<&str>) {
        let event_id = self.leads().first().expect("a lead").id.clone();
        let callback = CaseCallback {
            callback_id: format!("cb-{number}"),
            case_id: "case-1".to_owned(),
            event_id,
            seq,
            state,
            raw_state: state.map_or("MYSTERY", LeadState::name).to_owned(),
            at: START + Duration::from_secs(seq as u64),
            unit: None,
            result: result.map(str::to_owned),
            note: String::new(),
        };
        self.event(DeskEvent::Callback(callback));
        self.tick();
    }
    /// Someone lies for five minutes, is confirmed and delivered.
    pub(crate) fn reported(air_c: f32) -> Self {
        let mut scene = Self::new(air_c);
        scene.someone(1, Posture::Lying, (0.0, 0.0));
        scene.minutes(5);
        scene.confirm();
        scene.delivered();
        scene
    }
}

pub(crate) fn has_history(lead: &Lead, kind: &str) -> bool {
    lead.history.iter().any(|line| line.kind == kind)
}
