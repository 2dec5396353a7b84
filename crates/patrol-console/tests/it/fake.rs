//! An office that obeys: leads in memory, a log that can be broken, commands that can be refused.

use patrol_console::{
    Answer, CameraStatus, Change, ChangeKind, Check, FreshLook, LivePicture, LiveView, Office, SeenPerson, SuppressedView, WeatherView,
};
use patrol_core::camera::{CameraId, LinkStatus};
use patrol_core::desk::{CameraCondition, OfficerAction, OfficerCommand};
use patrol_core::lead::{Case, Decision, DeliveryState, HistoryEntry, Lead, LeadId, LeadState, Review, Score, Tier};
use patrol_core::position::{Crs, Position};
use patrol_core::sighting::{EvidenceRef, Place};
use patrol_core::{
    AlertLevel, Clock, MediaTime, Modality, PictureSize, PictureTransform, PixelBox, Posture, WallEstimate, WallTime, Weather,
};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// One line of the viewing log: by, reason, what, lead.
pub(crate) type Viewing = (String, String, String, Option<String>);

pub(crate) struct FakeOffice {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) leads: Mutex<Vec<Lead>>,
    pub(crate) pictures: Mutex<HashMap<String, Vec<u8>>>,
    pub(crate) commands: Mutex<Vec<OfficerCommand>>,
    pub(crate) viewings: Mutex<Vec<Viewing>>,
    /// What every command is refused with.
    pub(crate) refusal: Mutex<Option<String>>,
    pub(crate) log_broken: AtomicBool,
    pub(crate) ready: AtomicBool,
    /// What a look now finds, or the words why not; `None`: it is never answered.
    pub(crate) fresh: Mutex<Option<Result<FreshLook, String>>>,
    /// How long a look now takes.
    pub(crate) look_takes: Mutex<Duration>,
    /// Where the live pictures of a camera come from. Cameras that are not here have none.
    pub(crate) live: Mutex<HashMap<CameraId, watch::Sender<Option<LivePicture>>>>,
    changes: broadcast::Sender<Change>,
    last_change: AtomicU64,
}

impl FakeOffice {
    pub(crate) fn new(clock: Arc<dyn Clock>, leads: Vec<Lead>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            leads: Mutex::new(leads),
            pictures: Mutex::default(),
            commands: Mutex::default(),
            viewings: Mutex::default(),
            refusal: Mutex::default(),
            log_broken: AtomicBool::new(false),
            ready: AtomicBool::new(true),
            fresh: Mutex::new(Some(Err("摄像机无画面".to_owned()))),
            look_takes: Mutex::default(),
            live: ["cam-1", "cam-2", "cam-3"]
                .map(|id| (CameraId::new(id), watch::channel(None).0))
                .into_iter()
                .collect::<HashMap<_, _>>()
                .into(),
            changes: broadcast::channel(4096).0,
            last_change: AtomicU64::new(0),
        })
    }

    pub(crate) fn tell(&self, kind: ChangeKind) -> u64 {
        let id = self.last_change.fetch_add(1, Ordering::SeqCst) + 1;
        self.changes.send(Change { id, kind }).ok();
        id
    }

    pub(crate) fn put(&self, lead: Lead) {
        let mut leads = self.leads.lock().unwrap();
        leads.retain(|other| other.id != lead.id);
        leads.push(lead.clone());
        drop(leads);
        self.tell(ChangeKind::Lead(Box::new(lead)));
    }

    /// Where the live pictures of a camera are sent from; its receivers are the open views.
    pub(crate) fn live(&self, camera: &str) -> watch::Sender<Option<LivePicture>> {
        self.live.lock().unwrap()[&CameraId::new(camera)].clone()
    }

    fn obey(&self, command: &OfficerCommand) -> Result<(), String> {
        if let Some(words) = self.refusal.lock().unwrap().clone() {
            return Err(words);
        }
        let id = match &command.action {
            OfficerAction::Review { lead, .. }
            | OfficerAction::Split { lead }
            | OfficerAction::Undo { lead }
            | OfficerAction::Acknowledge { lead } => lead,
            OfficerAction::Merge { from, .. } => from,
            OfficerAction::New { .. } => return Ok(()),
        };
        let mut lead = self.lead(id).ok_or_else(|| format!("没有线索 {id}"))?;
        let now = self.clock.now();
        let text = match &command.action {
            OfficerAction::Review { decision, .. } => {
                let confirmed = *decision == Decision::Confirmed;
                lead.state = if confirmed { LeadState::Pushed } else { LeadState::Rejected };
                lead.delivery = if confirmed { DeliveryState::Waiting } else { DeliveryState::NotDue };
                lead.review = Some(Review { decision: *decision, by: command.by.clone(), at: now, reason: command.reason.clone() });
                lead.ringing = None;
                command.reason.clone()
            }
            OfficerAction::Acknowledge { .. } => {
                lead.ringing = None;
                "已应答响铃".to_owned()
            }
            OfficerAction::Merge { into, .. } => {
                lead.state = LeadState::Merged;
                lead.merged_into = Some(into.clone());
                format!("并入 {into}")
            }
            OfficerAction::Undo { .. } | OfficerAction::Split { .. } | OfficerAction::New { .. } => {
                lead.state = LeadState::Review;
                lead.review = None;
                lead.merged_into = None;
                lead.delivery = DeliveryState::NotDue;
                "撤销".to_owned()
            }
        };
        lead.state_since = now;
        lead.revision += 1;
        lead.history.push(HistoryEntry { at: now, kind: "officer".to_owned(), text, by: command.by.clone() });
        self.put(lead);
        Ok(())
    }
}

impl Office for FakeOffice {
    fn leads(&self) -> Vec<Lead> {
        self.leads.lock().unwrap().clone()
    }
    fn lead(&self, id: &LeadId) -> Option<Lead> {
        self.leads.lock().unwrap().iter().find(|lead| lead.id == *id).cloned()
    }
    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
    fn cameras(&self) -> Vec<CameraStatus> {
        let covered = CameraCondition::CannotSee { why: "covered".to_owned() };
        vec![
            camera(
                "cam-1",
                "人民路地下通道1号口热像",
                Modality::Thermal,
                CameraCondition::Seeing,
                Some(6.2),
                Some(link("TCP", "H.265", 7.4)),
            ),
            camera("cam-2", "外滩桥洞东侧", Modality::Visible, covered, Some(412.0), Some(link("UDP", "H.264", -1.6))),
            camera("cam-3", "河南路公交站", Modality::Visible, CameraCondition::Seeing, Some(3.9), Some(link("TCP", "H.264", 0.2))),
            camera("cam-4", "烂尾楼北门", Modality::Thermal, CameraCondition::Lost, None, Some(LinkStatus::default())),
            camera("cam-5", "福州路口录像", Modality::Visible, CameraCondition::Seeing, Some(1.1), None),
        ]
    }
    fn evidence(&self, sha256: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.pictures.lock().unwrap().get(sha256).cloned())
    }
    fn log_viewing(&self, by: &str, reason: &str, what: &str, lead: Option<&LeadId>) -> Result<(), String> {
        if self.log_broken.load(Ordering::SeqCst) {
            return Err("磁盘已满".to_owned());
        }
        self.viewings.lock().unwrap().push((by.to_owned(), reason.to_owned(), what.to_owned(), lead.map(|lead| lead.0.clone())));
        Ok(())
    }
    fn command(&self, command: OfficerCommand) -> Answer {
        let answer = self.obey(&command);
        self.commands.lock().unwrap().push(command);
        Box::pin(std::future::ready(answer))
    }
    fn look_now(&self, camera: &CameraId) -> Pin<Box<dyn Future<Output = Result<FreshLook, String>> + Send>> {
        let fresh = if self.live.lock().unwrap().contains_key(camera) {
            self.fresh.lock().unwrap().clone()
        } else {
            Some(Err("无画面".to_owned()))
        };
        let takes = *self.look_takes.lock().unwrap();
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            match fresh {
                Some(fresh) => fresh,
                None => std::future::pending().await,
            }
        })
    }
    fn live_view(&self, camera: &CameraId) -> Result<LiveView, String> {
        let live = self.live.lock().unwrap();
        Ok(LiveView { pictures: live.get(camera).ok_or("无画面")?.subscribe() })
    }
    fn suppressed(&self) -> Vec<SuppressedView> {
        vec![SuppressedView {
            camera: CameraId::new("cam-3"),
            camera_name: "河南路公交站".to_owned(),
            bbox: PixelBox::new(410.0, 300.0, 60.0, 34.0),
            lead: Some(LeadId("XL-20260105-000301".to_owned())),
            decision: Decision::Object,
            by: "李强".to_owned(),
            since: self.clock.now() - Duration::from_mins(25),
            until: self.clock.now() + Duration::from_mins(215),
            count: 14,
        }]
    }
    fn weather(&self) -> Option<WeatherView> {
        Some(WeatherView { weather: weather(self.clock.now()), wind_chill_c: -11.2, assumed: false })
    }
    fn metrics(&self) -> String {
        "# TYPE patrol_leads_total gauge\npatrol_leads_total{state=\"REVIEW\"} 2".to_owned()
    }
    fn readiness(&self) -> Vec<Check> {
        let ok = self.ready.load(Ordering::SeqCst);
        vec![Check { name: "store".to_owned(), ok, detail: if ok { "写入正常" } else { "磁盘已满" }.to_owned() }]
    }
}

fn link(transport: &str, codec: &str, skew_s: f64) -> LinkStatus {
    LinkStatus {
        transport: transport.to_owned(),
        codec: codec.to_owned(),
        sessions: 3,
        lost_packets: 12,
        key_interval_s: Some(2.0),
        clock_skew_s: Some(skew_s),
        clock_steps: 0,
        decode_s: 0.0,
        ring_bytes: 5_100_000,
        ring_s: 19.6,
    }
}

/// One person, lying in the box of [`lead`].
pub(crate) fn fresh_look(jpeg: &[u8], captured: WallTime) -> FreshLook {
    FreshLook {
        jpeg: jpeg.into(),
        size: PictureSize::new(640, 512),
        captured,
        outcome: "examined".to_owned(),
        people: vec![SeenPerson {
            bbox: PixelBox::new(268.0, 300.0, 112.0, 44.0),
            posture: Posture::Lying,
            confidence: 0.74,
            still_s: Some(1394.0),
        }],
    }
}

fn camera(
    id: &str,
    name: &str,
    modality: Modality,
    condition: CameraCondition,
    blind_s: Option<f64>,
    link: Option<LinkStatus>,
) -> CameraStatus {
    let seeing = condition == CameraCondition::Seeing;
    CameraStatus {
        id: CameraId::new(id),
        name: name.to_owned(),
        modality,
        condition,
        blind_s,
        unexamined_s: blind_s.map(|blind| blind + 21.0),
        look_every_s: 10.0,
        look_limit_s: 30.0,
        look_every_now_s: 10.0,
        lane: "on-demand".to_owned(),
        promise_broken: !seeing,
        pictures: 5120,
        outcomes: vec![("examined".to_owned(), 812), ("unchanged".to_owned(), 4301), ("stale".to_owned(), 7)],
        last_error: (!seeing).then(|| "RTSP 连接被拒绝(第 14 次重试)".to_owned()),
        link,
    }
}

pub(crate) fn weather(now: WallTime) -> Weather {
    Weather { air_c: -5.5, wind_kmh: Some(18.0), precip_mm_h: 0.0, wet_ground: false, alert: AlertLevel::Yellow, observed_at: now }
}

/// `sha(7)` is a well-formed hash that stands for picture 7.
pub(crate) fn sha(number: u32) -> String {
    format!("{number:064x}")
}

/// A lead waiting for review with one piece of evidence: pictures `number·100` whole, `+1` crop, `+2…` preview.
pub(crate) fn lead(number: u32, tier: Tier, score: f32, confidence: f32, now: WallTime) -> Lead {
    let size = PictureSize::new(640, 512);
    let bbox = PixelBox::new(268.0, 300.0, 112.0, 44.0);
    let position = Position { lon: 121.487_12, lat: 31.230_13, crs: Crs::Wgs84, error_m: 4.0 };
    let minutes_ago = |minutes: u64| now - Duration::from_secs(60 * minutes);
    let made_at = minutes_ago(2);
    Lead {
        id: LeadId(format!("XL-20260105-{number:06}")),
        revision: 1,
        state: LeadState::Review,
        tier,
        score: Score {
            value: score,
            wind_chill_c: -11.2,
            w_c: -11.2,
            w_eff_c: -11.2,
            cold: 0.86,
            duration: 0.62,
            posture: 1.0,
            context: 0.75,
            posture_gate: 1.0,
            tier_by_score: Tier::B,
            tier,
            overrides: if tier == Tier::A { vec!["still-20-min-at-or-below-0-c".to_owned()] } else { vec![] },
            weather: weather(now),
            weather_assumed: false,
        },
        confidence,
        resolved: true,
        people: 1,
        posture: Posture::Lying,
        still_since: Some(minutes_ago(23)),
        place: Place {
            camera: CameraId::new("cam-1"),
            preset: 0,
            now_from_begin: PictureTransform::IDENTITY,
            bbox,
            size,
            ground: None,
            position: Some(position),
            pixels_per_metre: Some(62.0),
        },
        camera_name: "人民路地下通道1号口热像".to_owned(),
        camera_code: Some("31010100001310000009".to_owned()),
        address: Some("人民路/河南路 地下通道1号口".to_owned()),
        street: Some("人民街道".to_owned()),
        grid: Some("310101002014007".to_owned()),
        first_seen: minutes_ago(25),
        last_seen: now,
        made_at,
        state_since: made_at,
        evidence: vec![EvidenceRef {
            camera: CameraId::new("cam-1"),
            media_time: MediaTime(0),
            captured: WallEstimate { at: now, error_ms: 400 },
            bbox,
            size,
            posture: Posture::Lying,
            model: "thermal-person-n + hot-spot".to_owned(),
            model_sha256: String::new(),
            main_stream: false,
            whole_sha256: sha(number * 100),
            crop_sha256: sha(number * 100 + 1),
            clip_sha256: None,
            preview_sha256: (2..14).map(|n| sha(number * 100 + n)).collect(),
        }],
        review: None,
        case: Case::default(),
        delivery: DeliveryState::NotDue,
        linked: vec![],
        merged_into: None,
        merged_from: vec![],
        ringing: None,
        history: vec![
            HistoryEntry {
                at: minutes_ago(23),
                kind: "candidate".to_owned(),
                text: "发现躺卧人员,开始观察".to_owned(),
                by: "desk".to_owned(),
            },
            HistoryEntry { at: made_at, kind: "made".to_owned(), text: "静止 20 分钟,送复核".to_owned(), by: "desk".to_owned() },
        ],
        position: Some(position),
    }
}
