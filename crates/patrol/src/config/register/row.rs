//! One row of the register as a camera, cell by cell.

use super::{CELL_BYTES_MAX, Headings, Row};
use crate::config::place::Place;
use crate::config::problem::Problems;
use crate::config::source::quoted;
use crate::config::written::{
    CameraTable, RegisterTable, SecretTable, SourceText, default_look_every_s, default_position_error_m, default_rescan_every_s,
};
use csv::StringRecord;
use patrol_core::Modality;

pub(super) fn read(record: &StringRecord, line: u64, file: &str, headings: &Headings, defaults: &RegisterTable) -> Row {
    let text = |column: &str| headings.cell(record, column).map(str::to_owned);
    let place = Place::of_row(file, line, headings);
    let mut row =
        Row { line, id: text("id"), name: text("name").unwrap_or_default(), misshapen: false, table: None, problems: Problems::default() };
    if let Some((found, hint)) = misshapen(record, headings) {
        row.problems.error(place.base(), found, format!("{} cells, each in one line, as in the heading", headings.width), hint);
        row.misshapen = true;
        return row;
    }
    let mut cells = Cells { record, headings, place, problems: &mut row.problems };
    row.table = Some(cells.table(defaults));
    row
}

fn misshapen(record: &StringRecord, headings: &Headings) -> Option<(String, &'static str)> {
    if let Some(long) = record.iter().find(|cell| cell.contains(['\n', '\r']) || cell.len() > CELL_BYTES_MAX) {
        let rows = long.lines().count();
        return Some((
            format!("a cell of {rows} lines and {} bytes", long.len()),
            "a quote (\") that is not closed swallows the rows below it",
        ));
    }
    let beyond = record.iter().skip(headings.width).any(|cell| !cell.trim().is_empty());
    (beyond || record.len() < headings.width)
        .then(|| (format!("{} cells", record.len()), "a comma is missing, or stands in a text without quotes (\") around it"))
}

struct Cells<'a> {
    record: &'a StringRecord,
    headings: &'a Headings,
    place: Place<'a>,
    problems: &'a mut Problems,
}

impl<'a> Cells<'a> {
    fn text(&self, column: &str) -> Option<&'a str> {
        self.headings.cell(self.record, column)
    }

    fn owned(&self, column: &str) -> Option<String> {
        self.text(column).map(str::to_owned)
    }

    /// A word in lower case, Chinese ones in ours.
    fn word(&self, column: &str, chinese: &[(&str, &str)]) -> Option<String> {
        let word = self.text(column)?.to_lowercase();
        Some(chinese.iter().find(|(theirs, _)| *theirs == word).map_or(word, |(_, ours)| (*ours).to_owned()))
    }

    /// A number; one that cannot be read is noted, and `within_range` stands for it so that nothing more is said of it.
    fn number(&mut self, column: &str, within_range: f64) -> Option<f64> {
        let text = self.text(column)?;
        Some(text.parse().unwrap_or_else(|_| {
            self.problems.error(
                self.place.at(column),
                quoted(text),
                "a number, such as 12.5",
                "units and brackets belong into the heading",
            );
            within_range
        }))
    }

    fn yes_or_no(&mut self, column: &str) -> bool {
        let Some(text) = self.text(column) else { return false };
        match text.to_lowercase().as_str() {
            "yes" | "true" | "是" | "室内" => true,
            "no" | "false" | "否" | "室外" => false,
            // GB/T 28181 writes 1 for outdoors and 2 for indoors, spreadsheets 1 for yes: not to be guessed.
            _ => {
                self.problems.error(self.place.at(column), quoted(text), "yes or no (是 or 否)", "");
                false
            }
        }
    }

    /// `env:NAME` or `file:PATH`. Anything else may be the password itself, and is not shown.
    fn secret(&mut self) -> Option<SecretTable> {
        let text = self.text("secret")?;
        let (kind, rest) = text.split_once([':', ':']).unwrap_or((text, ""));
        match (kind.trim(), rest.trim()) {
            (_, "") => {}
            ("env", name) => return Some(SecretTable { env: Some(name.to_owned()), file: None }),
            ("file", path) => return Some(SecretTable { env: None, file: Some(path.into()) }),
            _ => {}
        }
        let hint = "a password never stands in the register: if this was one, change it";
        self.problems.error(self.place.at("secret"), "no reference to a password (not shown)", "env:NAME or file:PATH", hint);
        None
    }

    fn modality(&mut self, defaults: &RegisterTable) -> Modality {
        const CHINESE: [(&str, &str); 4] = [("热成像", "thermal"), ("热像", "thermal"), ("红外热成像", "thermal"), ("可见光", "visible")];
        match self.word("modality", &CHINESE).as_deref() {
            Some("thermal") => Modality::Thermal,
            Some("visible") => Modality::Visible,
            other => {
                let found = other.map_or("nothing".to_owned(), quoted);
                let hint = "a camera with two eyes is two rows, each with its own stream";
                self.problems.error(self.place.at("modality"), found, "thermal or visible (热成像 or 可见光)", hint);
                if defaults.thermal.is_empty() { Modality::Visible } else { Modality::Thermal }
            }
        }
    }

    fn detectors(&mut self, modality: Modality, defaults: &RegisterTable) -> Vec<String> {
        if let Some(names) = self.text("detectors") {
            return names.split([';', ';', '、']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        }
        match modality {
            Modality::Thermal => defaults.thermal.clone(),
            Modality::Visible => defaults.visible.clone(),
        }
    }

    fn table(&mut self, defaults: &RegisterTable) -> CameraTable {
        const POLARITIES: [(&str, &str); 3] = [("自动", "auto"), ("白热", "white-hot"), ("黑热", "black-hot")];
        const STREAMS: [(&str, &str); 3] = [("主码流", "main"), ("子码流", "sub"), ("辅码流", "sub")];
        let modality = self.modality(defaults);
        let look_every_s = self.number("look_every_s", default_look_every_s()).unwrap_or_else(default_look_every_s);
        CameraTable {
            id: self.owned("id").unwrap_or_default(),
            name: self.owned("name").unwrap_or_default(),
            code: self.owned("code"),
            source: SourceText(self.owned("source").unwrap_or_default()),
            fps: self.number("fps", 1.0),
            user: self.owned("user"),
            password: self.secret(),
            transport: self.word("transport", &[]),
            sub_source: self.owned("sub_source").map(SourceText),
            looks_from: self.word("looks_from", &STREAMS),
            modality,
            polarity: self.word("polarity", &POLARITIES),
            palette: self.word("palette", &[("自动", "auto"), ("灰度", "grey"), ("铁红", "iron"), ("彩虹", "rainbow")]),
            mask_overlays: self.text("mask_overlays").is_some().then(|| self.yes_or_no("mask_overlays")),
            detectors: self.detectors(modality, defaults),
            longitude: self.number("longitude", 1.0),
            latitude: self.number("latitude", 1.0),
            position_error_m: self.number("position_error_m", 0.0).map_or_else(default_position_error_m, |metres| metres as f32),
            height_m: self.number("height_m", 1.0).map(|metres| metres as f32),
            heading_deg: self.number("heading_deg", 0.0).unwrap_or_default() as f32,
            tilt_deg: self.number("tilt_deg", 1.0).map(|degrees| degrees as f32),
            hfov_deg: self.number("hfov_deg", 60.0).map(|degrees| degrees as f32),
            site_class: self.owned("site_class"),
            address: self.owned("address"),
            street: self.owned("street"),
            grid: self.owned("grid"),
            indoor: self.yes_or_no("indoor"),
            interior: self.owned("interior"),
            interior_forbidden: false,
            look_every_s,
            look_limit_s: self.number("look_limit_s", look_every_s),
            rescan_every_s: self.number("rescan_every_s", 60.0).unwrap_or_else(default_rescan_every_s),
        }
    }
}
