//! report.html: one file with figures and charts, and the pages of pictures beside it. Chinese first, English second.

use super::breakdown::{Band, share};
use super::pages::{self, COLUMNS, Page, SUBJECTS_MAX};
use super::sheets::{Truth, base_name};
use super::worst::{Subject, false_alarms, misses};
use super::{Entry, chart};
use crate::config::Usage;
use anyhow::{Context as _, Result};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

const STYLE: &str = "
body{font:15px/1.5 system-ui,'Noto Sans CJK SC','Microsoft YaHei',sans-serif;margin:24px auto;max-width:1340px;padding:0 16px;color:#222;background:#fff}
h1{font-size:22px}h2{font-size:18px;margin-top:32px}h3{font-size:15px;margin:20px 0 4px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}
td,th{padding:3px 10px;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}td:first-child,th:first-child{text-align:left}
i{display:inline-block;width:12px;height:12px;margin-right:6px}
svg{max-width:100%;height:auto;font-size:12px}svg text{fill:#333}.grid path{stroke:#ddd}
figure{position:relative;margin:12px 0;width:100%}figure img{width:100%;display:block}
figure ol{position:absolute;inset:0;margin:0;padding:0;list-style:none;display:grid;grid-template-columns:repeat(5,1fr)}
figure li{display:flex;align-items:flex-end;font-size:min(12px,.95vw);line-height:1.7;color:#fff;padding:0 5px;overflow:hidden;white-space:nowrap}
p{max-width:900px}
";

/// Letters of a picture's name in its caption, which is as wide as a tile; the end of a name tells pictures apart.
const NAME_MAX: usize = 18;

/// Writes the report of the first entry, compared with the others; returns its path.
pub(super) fn write(dir: &Path, title: &str, truth: &Truth, entries: &[Entry], images: Option<&Path>) -> Result<PathBuf> {
    if let Some(images) = images.filter(|images| !images.is_dir()) {
        return Err(Usage::msg(format!(
            "--images {}: found no folder; give the folder that the annotations' names start from",
            images.display()
        )));
    }
    std::fs::create_dir_all(dir).with_context(|| format!("--report {}: cannot make this folder", dir.display()))?;
    let subject = &entries[0];
    let mut html = format!(
        "<!doctype html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>检出评估 {name}</title><style>{STYLE}</style></head><body>\n<h1>检出评估 / detection: {name} · {}</h1>\n\
         <p>{} 幅 / pictures · {} 人 / people · {} 忽略区 / ignored regions</p>\n",
        escape(title),
        subject.outcome.score.pictures,
        subject.outcome.score.people,
        subject.outcome.score.ignored_regions,
        name = escape(&subject.name),
    );
    html += "<h2>总表 / all results</h2>\n";
    overview(&mut html, entries)?;
    html += "<h2>精确率与召回率 / precision and recall (IoU 0.5)</h2>\n";
    html += &chart::precision_recall(entries)?;
    if let Some(svg) = chart::ap50_over_ms(entries)? {
        html += "<h2>精度与耗时 / AP50 against time</h2>\n";
        html += &svg;
    }
    html += "<h2>分组 / breakdown (IoU 0.5)</h2>\n<p>各组按本组的阈值;大小按框面积的平方根,其他大小的人不计。\
             / Each part at its own thresholds; size is the square root of the box's area, people of other sizes are ignored.</p>\n";
    for (place, (chinese, english, _)) in subject.outcome.by.parts().into_iter().enumerate() {
        // The bands are the truth's: the same in all entries.
        let parts: Vec<&[Band]> = entries.iter().map(|entry| entry.outcome.by.parts()[place].2).collect();
        writeln!(html, "<h3>{chinese} / {english}</h3>")?;
        breakdown(&mut html, entries, &parts)?;
    }
    if let Some(images) = images {
        pictures(&mut html, dir, truth, subject, images)?;
    }
    html += "</body></html>\n";
    let file = dir.join("report.html");
    std::fs::write(&file, html).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn overview(html: &mut String, entries: &[Entry]) -> fmt::Result {
    html.push_str(
        "<div class=wide><table><tr><th>结果 / results</th><th>AP50</th><th>AP</th><th>AR</th><th>召回 @0.1 误报/幅<br>recall @0.1 false</th>\
         <th>召回 @1 误报/幅<br>recall @1 false</th><th>检出框<br>detections</th><th>不在真值中<br>elsewhere</th><th>毫秒/幅<br>ms</th></tr>\n",
    );
    for (index, Entry { name, ms, outcome }) in entries.iter().enumerate() {
        let score = &outcome.score;
        write!(html, "<tr><td><i style=\"background:{}\"></i>{}</td>", chart::colour(index), escape(name))?;
        for figure in [score.ap50, score.ap, score.ar, score.recall_at_0_1_fp, score.recall_at_1_fp] {
            write!(html, "<td>{}</td>", share(figure))?;
        }
        let ms = ms.map_or_else(|| "–".to_owned(), |ms| ms.to_string());
        writeln!(html, "<td>{}</td><td>{}</td><td>{ms}</td></tr>", score.detections, score.results_elsewhere)?;
    }
    html.push_str("</table></div>\n");
    Ok(())
}

/// `parts`: the bands of one property, for each entry.
fn breakdown(html: &mut String, entries: &[Entry], parts: &[&[Band]]) -> fmt::Result {
    html.push_str("<div class=wide><table><tr><th></th><th></th><th></th>");
    for (index, entry) in entries.iter().enumerate() {
        write!(html, "<th colspan=3><i style=\"background:{}\"></i>{}</th>", chart::colour(index), escape(&entry.name))?;
    }
    html.push_str("</tr>\n<tr><th></th><th>人 / people</th><th>幅 / pictures</th>");
    html.push_str(&"<th>AP50</th><th>@0.1</th><th>@1</th>".repeat(entries.len()));
    html.push_str("</tr>\n");
    for (row, Band { range, figures }) in parts[0].iter().enumerate() {
        write!(html, "<tr><td>{}</td><td>{}</td><td>{}</td>", escape(range), figures.people, figures.pictures)?;
        for figures in parts.iter().map(|bands| &bands[row].figures) {
            let [ap50, few, one] = [figures.ap50, figures.recall_at_0_1_fp, figures.recall_at_1_fp].map(share);
            write!(html, "<td>{ap50}</td><td>{few}</td><td>{one}</td>")?;
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    Ok(())
}

fn pictures(html: &mut String, dir: &Path, truth: &Truth, entry: &Entry, images: &Path) -> Result<()> {
    let threshold = entry.outcome.threshold;
    let words = if threshold.is_finite() { format!("≥ {threshold:.3}") } else { "无 / none".to_owned() };
    let missed = misses(&entry.outcome, SUBJECTS_MAX);
    let alarms = false_alarms(&entry.outcome, SUBJECTS_MAX);
    writeln!(
        html,
        "<h2>漏检 / misses</h2>\n<p>每幅至多 1 个误报时(分值 {words})未检出的人,大者在前,至多 {SUBJECTS_MAX} 个。红白:漏检者;绿:其他真值;黄:检出框。\
         分值:低于阈值时才找到的分值;IoU:与最近检出框的重叠。 / People not found at 1 false a picture (score {words}), the largest first. \
         Red and white: the missed; green: truth; yellow: detections. Score: of a detection below the threshold; IoU: with the nearest detection.</p>"
    )?;
    let pages = pages::write(dir, "misses", &missed, &entry.outcome, truth, images)?;
    figures(html, &pages, truth)?;
    writeln!(
        html,
        "<h2>误报 / false alarms</h2>\n<p>分值最高的错误检出,至多 {SUBJECTS_MAX} 个。红白:误报;绿:真值;黄:其他检出框。IoU:与最近真值的重叠,0.5 以上为重复框。 \
         / Wrong detections, the highest score first. Red and white: the false alarm; green: truth; yellow: other detections. \
         IoU: with the nearest person; from 0.5 on a second box.</p>"
    )?;
    let pages = pages::write(dir, "false-alarms", &alarms, &entry.outcome, truth, images)?;
    figures(html, &pages, truth)?;
    Ok(())
}

/// Each page with its captions laid over the strips below the tiles.
fn figures(html: &mut String, pages: &[Page], truth: &Truth) -> fmt::Result {
    if pages.is_empty() {
        html.push_str("<p>无 / none</p>\n");
    }
    for Page { file, subjects } in pages {
        let rows = subjects.len().div_ceil(COLUMNS);
        write!(html, "<figure><img src=\"{file}\" alt=\"{file}\"><ol style=\"grid-template-rows:repeat({rows},1fr)\">")?;
        for subject in *subjects {
            write!(html, "<li>{}</li>", escape(&caption(subject, truth)))?;
        }
        html.push_str("</ol></figure>\n");
    }
    Ok(())
}

fn caption(Subject { picture, bbox, score, iou }: &Subject, truth: &Truth) -> String {
    let name = base_name(&truth.images[*picture].file_name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let cut = stem.char_indices().rev().nth(NAME_MAX - 1).map_or(0, |(at, _)| at);
    let short = if cut == 0 { stem.to_owned() } else { format!("…{}", &stem[cut..]) };
    let score = score.map_or_else(|| "–".to_owned(), |score| format!("{score:.2}"));
    format!("{short} · {score} · {:.0}×{:.0} · IoU {iou:.2}", bbox[2], bbox[3])
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
