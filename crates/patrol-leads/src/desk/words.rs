//! What the desk says to people.

use super::Desk;
use patrol_core::{LeadId, Posture, Tier};

pub(super) fn posture(posture: Posture) -> &'static str {
    match posture {
        Posture::Standing => "站立",
        Posture::Walking => "行走",
        Posture::Sitting => "坐着",
        Posture::Slumped => "瘫坐",
        Posture::Lying => "躺卧",
        Posture::Curled => "蜷缩",
        Posture::Unknown => "姿态不明",
    }
}

pub(super) fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::A => "A级",
        Tier::B => "B级",
        Tier::C => "C级",
        Tier::D => "D级",
    }
}

impl Desk {
    /// `B级 躺卧 2人 人民路地下通道1号口热像`.
    pub(super) fn headline(&self, id: &LeadId) -> String {
        let Some(lead) = self.leads.get(id) else { return id.to_string() };
        format!("{} {} {}人 {}", tier(lead.tier), posture(lead.posture), lead.people, lead.camera_name)
    }
}
