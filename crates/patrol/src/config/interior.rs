//! Where a camera may not look, and where a roof does not make a place private.
//!
//! People exposed to the cold are outdoors, or in the roofed public places where they shelter. Everything else indoors is refused: it serves no
//! purpose of ours (PIPL article 26), and some of it is forbidden outright (State Council Order 799, article 8).

use super::place::Place;
use super::problem::Problems;
use super::source::quoted;
use super::written::CameraTable;

/// Order 799, article 8, items 1–3: rooms of hotels and private rooms of restaurants; dormitories and rooms to rest in; bathrooms, toilets,
/// changing, nursing and fitting rooms. English words are the whole name, Chinese ones any part of it.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    ("guest-room", &["客房"]),
    ("private-room", &["包间", "包房", "包厢"]),
    ("dormitory", &["宿舍", "寝室"]),
    ("rest-room", &["休息室"]),
    ("bathroom", &["浴室", "淋浴", "澡堂"]),
    ("toilet", &["卫生间", "厕所", "洗手间", "公厕"]),
    ("changing-room", &["更衣"]),
    ("nursing-room", &["哺乳", "母婴"]),
    ("fitting-room", &["试衣"]),
];
/// Roofed, public and open to who looks for shelter: the classes of place with a high prior (`integration.md` §1.7), and open parking decks.
const ROOFED: [(&str, &[&str]); 7] = [
    ("underpass", &["地下通道", "人行通道", "过街通道"]),
    ("tunnel", &["隧道", "涵洞"]),
    ("metro-entrance", &["地铁出入口", "地铁口", "地铁通道"]),
    ("station-hall", &["站厅", "候车厅", "候车室", "候船厅"]),
    ("self-service-bank", &["自助银行", "自助网点"]),
    ("parking-deck", &["停车场", "停车库", "地下车库"]),
    ("arcade", &["骑楼", "连廊", "门廊", "雨棚"]),
];
/// The same places by their class of GB/T 28181 Annex O.
const ROOFED_CLASSES: [&str; 7] = ["00203", "00401", "00402", "01202", "01204", "01205", "01301"];

/// Notes what is wrong. `true`: a place where no camera may be, whatever else is said of it.
pub(super) fn is_forbidden(table: &CameraTable, place: &Place<'_>, problems: &mut Problems) -> bool {
    const BY_LAW: &str = "such a feed is refused by law (State Council Order 799, article 8); remove the camera";
    const WANTED: &str = "no camera inside a guest room, dormitory, bathroom, toilet or changing room";
    if table.interior_forbidden {
        problems.error(place.at("interior_forbidden"), "true", WANTED, BY_LAW);
        return true;
    }
    let interior = table.interior.as_deref().unwrap_or_default().trim().to_lowercase().replace(['_', ' '], "-");
    if FORBIDDEN.iter().any(|(name, words)| *name == interior || words.iter().any(|word| interior.contains(word))) {
        let hint = format!("{BY_LAW}. One that stands outside of it has no interior");
        problems.error(place.at("interior"), quoted(&interior), WANTED, hint);
        return true;
    }
    let is_roofed = ROOFED.iter().any(|(name, words)| *name == interior || words.contains(&interior.as_str()));
    let roofed_class = || table.site_class.as_deref().is_some_and(|class| ROOFED_CLASSES.iter().any(|roofed| class.starts_with(roofed)));
    let names = || ROOFED.map(|(name, _)| name).join(", ");
    if interior.is_empty() && table.indoor && !roofed_class() {
        let hint =
            "only public places where people shelter from the cold are watched under a roof; leave indoor out for a camera in the open";
        problems.error(place.at("indoor"), "a camera indoors", format!("outdoors, or an interior: {}", names()), hint);
    } else if !interior.is_empty() && !is_roofed {
        problems.error(
            place.at("interior"),
            quoted(&interior),
            format!("nothing, or one of {}", names()),
            "other rooms are not watched: remove the camera",
        );
    }
    false
}
