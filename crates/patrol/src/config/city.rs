//! The city's platform: where it is, how it names things, and the secret both sides sign with.

use super::plan::CityPlan;
use super::problem::Problems;
use super::written::{CityTable, SecretTable, Site};
use axum::http::Uri;
use patrol_city::{Mapping, Secret, SecretRef};
use std::path::Path;

pub(super) fn plan(table: CityTable, site: &Site, folder: &Path, problems: &mut Problems) -> Option<CityPlan> {
    check_address("city.base", &table.base, problems);
    if let Some(base) = &table.media_base {
        check_address("city.media_base", base, problems);
    }
    if table.app_key.trim().is_empty() {
        problems.error("city.app_key", format!("{:?}", table.app_key), "the key the city gave us", "");
    }
    check_site(site, problems);
    let secret = resolve_secret(&table.secret, folder, problems);
    let callback_listen = table.callback_listen.and_then(|listen| match listen.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            problems.error("city.callback_listen", format!("{listen:?}: {error}"), "address:port", "");
            None
        }
    });
    let mapping = mapping(&folder.join(&table.mapping), problems);
    Some(CityPlan {
        base: table.base,
        mapping: mapping?,
        app_key: table.app_key,
        secret: secret?,
        callback_listen,
        media_base: table.media_base,
    })
}

fn check_address(place: &str, address: &str, problems: &mut Problems) {
    let wanted = "http://host[:port][/path] or https://…";
    if address.contains('@') {
        // Not shown: it may hold a password.
        problems.error(place, "an address with a user or password", wanted, "the key belongs into app_key and secret");
        return;
    }
    let parts = address.parse::<Uri>().ok();
    let good = parts.is_some_and(|parts| {
        matches!(parts.scheme_str(), Some("http" | "https")) && parts.host().is_some_and(|host| !host.is_empty()) && parts.query().is_none()
    });
    if !good || address.contains('#') {
        problems.error(place, format!("{address:?}"), wanted, "");
    }
}

/// What the city needs to know of us stands in every message.
fn check_site(site: &Site, problems: &mut Problems) {
    // A [site] that could not be read has said so already.
    if problems.has_error_in("site") {
        return;
    }
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let found = |text: &str| if text.is_empty() { "nothing".to_owned() } else { format!("{text:?}") };
    if site.system_code.len() != 20 || !are_digits(&site.system_code) {
        let hint = "[city] is there, and it is part of every message; ask the city for it";
        problems.error("site.system_code", found(&site.system_code), "our own platform code, 20 digits", hint);
    }
    if !(6..=12).contains(&site.region.len()) || !are_digits(&site.region) {
        let hint = "[city] is there, and it is part of every message";
        problems.error("site.region", found(&site.region), "the code of the district, 6 to 12 digits such as \"310101\"", hint);
    }
}

fn mapping(path: &Path, problems: &mut Problems) -> Option<Mapping> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => match Mapping::from_toml(&text, &name) {
            Ok(mapping) => Some(mapping),
            Err(found) => {
                for problem in found {
                    problems.error(problem.at, problem.found, problem.wanted, problem.hint);
                }
                None
            }
        },
        Err(error) => {
            problems.error("city.mapping", format!("{name}: {error}"), "the city's mapping file", "see pipelines/mapping.example.toml");
            None
        }
    }
}

fn resolve_secret(table: &SecretTable, folder: &Path, problems: &mut Problems) -> Option<Secret> {
    let reference = match (&table.env, &table.file) {
        (Some(name), None) => SecretRef::Env(name.clone()),
        (None, Some(file)) => SecretRef::File(folder.join(file)),
        _ => {
            problems.error(
                "city.secret",
                "neither or both of env and file",
                "{ env = \"NAME\" } or { file = \"path\" }",
                "a secret never stands in the file itself",
            );
            return None;
        }
    };
    match reference.resolve() {
        Ok(secret) => Some(secret),
        Err(error) => {
            problems.error(
                "city.secret",
                error.to_string(),
                "a secret that can be read",
                "set the variable or create the file, readable by this user only",
            );
            None
        }
    }
}
