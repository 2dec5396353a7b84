//! What reaches the desk and what leaves it.

use patrol_core::desk::{Absence, CameraReport, CaseCallback, DeliveryReport, OfficerCommand, OutboxItem, Ring};
use patrol_core::lead::Decision;
use patrol_core::{CameraId, Evidence, Lead, LeadId, LeadState, Sighting, Weather};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything that can move a lead.
#[derive(Debug, Clone)]
pub enum DeskEvent {
    Sighting(Box<Sighting>),
    Absence(Absence),
    Camera(CameraReport),
    /// `request` comes back in [`DeskOutput::answers`].
    Officer {
        request: u64,
        command: OfficerCommand,
    },
    Delivery(DeliveryReport),
    Callback(CaseCallback),
    Weather(Weather),
    /// Time has passed; [`Desk::consider`](super::Desk::consider) looks at its clocks with or without it.
    Tick,
}

/// What follows when nobody decided about an A in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    /// Told to the city, marked as not reviewed by a person.
    Push,
    /// Rings until answered.
    #[default]
    Ring,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeskConfig {
    pub on_timeout: OnTimeout,
    /// Mean minimum temperature of each month, °C, January first: what is assumed when the weather is missing.
    pub month_min_c: [f32; 12],
    /// Offset of the site's clock from UTC, seconds; dates in lead ids and nights are local.
    pub local_offset_s: i32,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self {
            on_timeout: OnTimeout::Ring,
            // Beijing, 1991–2020 climate normals, rounded.
            month_min_c: [-7.0, -4.0, 2.0, 9.0, 15.0, 20.0, 23.0, 22.0, 16.0, 8.0, 1.0, -5.0],
            local_offset_s: crate::local_time::SHANGHAI_OFFSET_S,
        }
    }
}

/// What one tick gave. Everything in it belongs into one transaction.
#[derive(Debug, Default)]
pub struct DeskOutput {
    /// Complete snapshots, each lead at most once, in order of id.
    pub changed: Vec<Lead>,
    pub outbox: Vec<OutboxItem>,
    pub rings: Vec<Ring>,
    /// Pictures that a lead in `changed` now refers to.
    pub evidence: Vec<Arc<Evidence>>,
    pub answers: Vec<(u64, Result<(), DeskRefusal>)>,
    /// Whether [`Desk::state`](super::Desk::state) is worth writing again.
    pub state_changed: bool,
}

/// Why an officer's command was not carried out. For people, Chinese.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskRefusal {
    #[error("线索 {0} 不存在或已归档,请刷新列表")]
    UnknownLead(LeadId),
    #[error("摄像机 {0} 不存在,请检查摄像机编号")]
    UnknownCamera(CameraId),
    #[error("线索 {lead} 已由 {by} 判为“{decision}”,如需更改请先撤销")]
    AlreadyDecided { lead: LeadId, by: String, decision: &'static str },
    #[error("线索 {lead} 已结束(状态 {}),不能再处理", state.name())]
    Ended { lead: LeadId, state: LeadState },
    #[error("线索 {lead} 已并入 {into},请处理 {into}")]
    MergedInto { lead: LeadId, into: LeadId },
    #[error("“超时”只能由时钟作出,请选择确认或排除")]
    NotForOfficers,
    #[error("线索不能与自身合并,请选择另一条线索")]
    MergeWithItself,
    #[error("线索 {0} 没有可拆分的内容:它未经合并,也只由一路摄像机看到")]
    NothingToSplit(LeadId),
    #[error("线索 {0} 没有可撤销的操作")]
    NothingToUndo(LeadId),
    #[error("人数应为 1 至 {most},收到 {found}")]
    HeadCount { found: u32, most: u32 },
    #[error("画面框无效:应在画面之内,宽和高应大于 0")]
    BadBox,
}

pub(super) fn decision_text(decision: Decision) -> &'static str {
    match decision {
        Decision::Confirmed => "确认需要救助",
        Decision::Object => "物体",
        Decision::Animal => "动物",
        Decision::Worker => "工作人员",
        Decision::PasserBy => "路人",
        Decision::Timeout => "超时未复核",
    }
}
