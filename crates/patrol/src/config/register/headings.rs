//! The heading of the register: which column is which, in English or Chinese, in any order.

use crate::config::problem::Problems;
use crate::config::source::quoted;
use crate::config::written::nearest;
use csv::StringRecord;
use std::collections::HashMap;

/// Every column, and what else it may be headed. Brackets with a unit, white space and case do not count.
const COLUMNS: [(&str, &[&str]); 31] = [
    ("id", &["编号", "摄像机编号", "点位编号", "camera"]),
    ("code", &["国标编码", "国标编号", "设备编码", "设备国标编码"]),
    ("name", &["名称", "设备名称", "摄像机名称", "点位名称"]),
    ("source", &["url", "rtsp地址", "取流地址", "视频地址", "主码流", "主码流地址"]),
    ("user", &["用户名", "账号"]),
    ("secret", &["密码引用", "口令引用"]),
    ("sub_source", &["子码流", "子码流地址", "辅码流", "辅码流地址"]),
    ("looks_from", &["巡查码流"]),
    ("transport", &["传输方式", "传输协议"]),
    ("longitude", &["经度"]),
    ("latitude", &["纬度"]),
    ("position_error_m", &["定位误差"]),
    ("height_m", &["高度", "安装高度", "架设高度"]),
    ("heading_deg", &["方位角", "朝向"]),
    ("tilt_deg", &["俯角", "俯仰角", "下倾角"]),
    ("hfov_deg", &["水平视场角"]),
    ("modality", &["成像方式", "成像类型"]),
    ("polarity", &["极性", "热像极性"]),
    ("palette", &["调色板", "伪彩"]),
    ("mask_overlays", &["遮盖字符"]),
    ("indoor", &["室内", "是否室内", "室内外"]),
    ("interior", &["室内部位", "所在部位"]),
    ("site_class", &["位置类型", "采集部位类型", "采集位置类型"]),
    ("address", &["地址", "安装地址", "详细地址"]),
    ("street", &["街道", "街镇"]),
    ("grid", &["网格", "网格编号", "网格编码", "单元网格"]),
    ("look_every_s", &["巡查间隔"]),
    ("look_limit_s", &["最长巡查间隔"]),
    ("rescan_every_s", &["复查间隔"]),
    ("detectors", &["检测器"]),
    ("fps", &["帧率"]),
];
/// Without these no row says anything.
const REQUIRED: [&str; 3] = ["id", "source", "modality"];
/// A column headed so holds what must not be here.
const PASSWORD_HEADINGS: [&str; 7] = ["password", "passwd", "pwd", "密码", "口令", "登录密码", "设备密码"];

pub(in crate::config) struct Headings {
    /// Cells of the heading row.
    pub(super) width: usize,
    /// By the column's name: its index, and its heading as written.
    columns: HashMap<&'static str, (usize, String)>,
}

impl Headings {
    /// Notes what is wrong with the heading row; `None` when nothing below it can be read.
    pub(super) fn read(row: &StringRecord, place: &str, problems: &mut Problems) -> Option<Self> {
        let mut headings = Self { width: row.len(), columns: HashMap::new() };
        let (mut unknown, mut good) = (Vec::new(), true);
        for (index, written) in row.iter().enumerate() {
            let plain = plain(written);
            if plain.is_empty() {
                continue;
            }
            if PASSWORD_HEADINGS.contains(&plain.as_str()) {
                let hint =
                    "head the column secret and write env:NAME or file:PATH into it; then change these passwords, they have been in a file";
                problems.error(place, format!("a column of passwords, {}", quoted(written)), "references to passwords", hint);
                good = false;
                continue;
            }
            let column = COLUMNS.iter().find(|(name, others)| *name == plain || others.contains(&plain.as_str()));
            let Some((name, _)) = column else {
                let hint = nearest(&plain, COLUMNS.iter().map(|(name, _)| *name));
                unknown.push(if hint.is_empty() { quoted(written) } else { format!("{} ({hint})", quoted(written)) });
                continue;
            };
            if let Some((_, first)) = headings.columns.get(name) {
                let found = format!("the column {name} twice, as {} and {}", quoted(first), quoted(written));
                problems.error(place, found, "every column once", "");
                good = false;
                continue;
            }
            headings.columns.insert(name, (index, written.trim().to_owned()));
        }
        let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !headings.columns.contains_key(name)).collect();
        if !missing.is_empty() {
            let hint = "see pipelines/cameras.example.csv; the heading is the first row";
            let found = if headings.columns.is_empty() { "no known column" } else { "not all columns" };
            problems.error(place, found, format!("a heading row with the columns {}", missing.join(", ")), hint);
            good = false;
        }
        if good && !unknown.is_empty() {
            problems.warning(place, format!("the columns {}", unknown.join(", ")), "columns of the register", "they are not read");
        }
        good.then_some(headings)
    }

    /// The trimmed cell of a column; `None`: no such column, or nothing in it.
    pub(super) fn cell<'a>(&self, row: &'a StringRecord, name: &str) -> Option<&'a str> {
        let (index, _) = self.columns.get(name)?;
        row.get(*index).map(str::trim).filter(|cell| !cell.is_empty())
    }

    /// `height_m`, or `安装高度 (height_m)` where it is headed so.
    pub(in crate::config) fn shown(&self, key: &str) -> String {
        match self.columns.get(key) {
            Some((_, written)) if written != key => format!("{written} ({key})"),
            _ => key.to_owned(),
        }
    }
}

/// Lower case, without white space at the ends and a bracketed unit at the end: `安装高度(米)` is `安装高度`.
fn plain(written: &str) -> String {
    let text = written.trim().trim_end_matches([')', ')']);
    let text = if text.len() < written.trim().len() { text.split(['(', '(']).next().unwrap_or_default() } else { text };
    text.trim().to_lowercase().replace([' ', '-'], "_")
}
