//! The register of cameras: a CSV file with a row for each. Whatever is wrong with a row costs that camera alone; only a file of which nothing
//! can be read is refused.

mod headings;
mod row;
mod text;

pub(super) use headings::Headings;

use super::problem::Problems;
use super::written::{CameraTable, RegisterTable};
use csv::{ReaderBuilder, StringRecord};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Some 200 000 cameras; a longer file is no register.
const BYTES_MAX: u64 = 64 << 20;
/// No cell of a register is longer. A quote that is not closed makes one cell of all that follows.
const CELL_BYTES_MAX: usize = 4096;

pub(super) struct Register {
    /// As problems name it.
    pub(super) name: String,
    /// Files that rows name are relative to it.
    pub(super) folder: PathBuf,
    pub(super) headings: Headings,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    /// Where it begins, counted from 1.
    pub(super) line: u64,
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// Cells are missing, too many, or hold a line break: it cannot be said which value is which.
    pub(super) misshapen: bool,
    /// `None` when misshapen. Cells that could not be read have their problem, and a harmless value here.
    pub(super) table: Option<CameraTable>,
    pub(super) problems: Problems,
}

/// Reads the file; `None` when nothing of it can be used, with the reason in `problems`.
pub(super) fn read(path: &Path, defaults: &RegisterTable, problems: &mut Problems) -> Option<Register> {
    let bytes = match bytes_of(path) {
        Ok(bytes) => bytes,
        Err(why) => {
            let hint = "give the path of a CSV file, relative to the pipeline file; see pipelines/cameras.example.csv";
            problems.error("cameras", format!("{}: {why}", path.display()), "the register of cameras", hint);
            return None;
        }
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    parse(&bytes, name, folder, defaults, problems)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > BYTES_MAX { Err("longer than 64 MiB".to_owned()) } else { Ok(bytes) }
}

fn parse(bytes: &[u8], name: String, folder: &Path, defaults: &RegisterTable, problems: &mut Problems) -> Option<Register> {
    let text = match text::decode(bytes) {
        Ok(decoded) => {
            if decoded.from_gb18030 {
                problems.warning(&name, "text in GB18030", "UTF-8", "read as GB18030; saved as CSV UTF-8 it cannot be mistaken");
            }
            decoded.text
        }
        Err(why) => {
            problems.error(&name, why.found, "a CSV file in UTF-8 or GB18030", why.hint);
            return None;
        }
    };
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).delimiter(delimiter(&text)).from_reader(text.as_bytes());
    let mut lines = Lines { text: &text, at: 0, line: 1 };
    let (mut headings, mut rows, mut record) = (None, Vec::new(), StringRecord::new());
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                problems.error(&name, error.to_string(), "a CSV file", "");
                return None;
            }
        }
        let line = lines.line_of(record.position().map_or(0, csv::Position::byte));
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue; // Spreadsheets write rows of commas below the last one.
        }
        match &headings {
            None => headings = Some(Headings::read(&record, &format!("{name}:{line}"), problems)?),
            Some(headings) => rows.push(row::read(&record, line, &name, headings, defaults)),
        }
    }
    let Some(headings) = headings else {
        problems.error(&name, "an empty file", "a heading row and a row for each camera", "see pipelines/cameras.example.csv");
        return None;
    };
    if rows.is_empty() {
        problems.warning(&name, "no camera", "a row for each camera", "");
    }
    Some(Register { name, folder: folder.to_owned(), headings, rows })
}

/// Reads any bytes as a register.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let defaults = RegisterTable::default();
    parse(bytes, "cameras.csv".to_owned(), Path::new("/nowhere"), &defaults, &mut Problems::default());
}

/// What separates the cells of the heading row. Spreadsheets write semicolons or tabs in some countries.
fn delimiter(text: &str) -> u8 {
    let heading = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let count = |delimiter: u8| heading.bytes().filter(|byte| *byte == delimiter).count();
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// Counts lines by bytes: the reader's own count begins a row at the comment before it.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first row at or after `byte`; asked for in rising order.
    fn line_of(&mut self, byte: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let mut byte = usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
        // Behind a carriage return the reader begins the next row at the line feed that belongs to it.
        while bytes.get(byte).is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            byte += 1;
        }
        while self.at < bytes.len() {
            let end = bytes[self.at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| self.at + length + 1);
            let is_row = !matches!(bytes[self.at], b'#' | b'\n' | b'\r');
            if end > byte && is_row {
                break;
            }
            self.at = end;
            self.line += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests;
