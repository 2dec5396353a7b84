//! Parsers that are given a file, or need one beside.

use patrol_city::Mapping;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

/// A file with these bytes, in memory where the system has such a place.
fn with_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile_in(folder).expect("a file");
    file.write_all(bytes).expect("written");
    read(file.path());
}

pub fn callback(bytes: &[u8]) {
    static MAPPING: OnceLock<Mapping> = OnceLock::new();
    let mapping = MAPPING.get_or_init(|| {
        Mapping::from_toml(include_str!("../../pipelines/mapping.example.toml"), "mapping").expect("the mapping that is shipped")
    });
    patrol_city::parse_callback(bytes, mapping).ok();
}

pub fn mapping(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        Mapping::from_toml(text, "mapping").ok();
    }
}

pub fn card(bytes: &[u8]) {
    with_file(bytes, |path| {
        patrol_vision::ModelCard::load(path).ok();
    });
}

pub fn still(bytes: &[u8]) {
    with_file(bytes, |path| {
        patrol_ingest::read_picture(path).ok();
    });
}
