//! Where a camera's pictures come from: a file or folder, or an RTSP address with its login.

use super::place::Place;
use super::problem::Problems;
use super::secret::{self, Secret};
use super::written::CameraTable;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use url::Url;

const FOLDER_FPS: RangeInclusive<f64> = 0.01..=120.0;
/// RTSP's own port (RFC 7826 §20.1).
const RTSP_PORT: u16 = 554;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SourcePlan {
    File {
        path: PathBuf,
        /// Pictures per second of a folder.
        fps: Option<f64>,
    },
    Rtsp(RtspPlan),
}

/// The stream that looks read, and where the main stream is when that is another one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RtspPlan {
    /// `rtsp://host[:port]/path?query`, without user and password. Its path may hold a token: for people there is [`RtspPlan::shown`].
    pub(crate) url: String,
    /// The main stream, for evidence; `None` where looks read it.
    pub(crate) main_url: Option<String>,
    pub(crate) user: Option<String>,
    /// `None` with a user: the password is empty.
    pub(crate) password: Option<Secret>,
    pub(crate) transport: TransportPlan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportPlan {
    /// UDP only when the camera refuses TCP.
    TcpThenUdp,
    Tcp,
    Udp,
}

impl RtspPlan {
    /// For people: scheme and host.
    pub(crate) fn shown(&self) -> String {
        live_address(&self.url).unwrap_or_default()
    }

    /// Where it listens, as resolvers take it: `host`, port.
    pub(crate) fn host_port(&self) -> Option<(String, u16)> {
        let url = Url::parse(&self.url).ok()?;
        // An IPv6 address stands in brackets in addresses only.
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, url.port().unwrap_or(RTSP_PORT)))
    }
}

impl fmt::Debug for RtspPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtspPlan")
            .field("url", &self.shown())
            .field("main_url", &self.main_url.as_deref().and_then(live_address))
            .field("user", &self.user.as_ref().map(|_| "***"))
            .field("password", &self.password)
            .field("transport", &self.transport)
            .finish()
    }
}

/// When `source` is the address of a live feed: what of it may be shown, scheme and host. Users, passwords and paths stay hidden.
pub(crate) fn live_address(source: &str) -> Option<String> {
    let (scheme, rest) = source.split_once("://")?;
    // A password may itself hold '/' or '@': all up to the last '@' is taken for it.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let (host, more) = rest.find(['/', '?', '#']).map_or((rest, ""), |end| (&rest[..end], "/…"));
    let is_scheme = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let scheme = if is_scheme { scheme } else { "…" };
    Some(format!("{scheme}://{host}{more}"))
}

/// Notes what is wrong with the source; `None` when it cannot be used.
pub(super) fn plan(table: &CameraTable, place: &Place<'_>, folder: &Path, problems: &mut Problems) -> Option<SourcePlan> {
    if table.source.0.contains("://") {
        rtsp(table, place, folder, problems).map(SourcePlan::Rtsp)
    } else {
        file(table, place, folder, problems)
    }
}

fn file(table: &CameraTable, place: &Place<'_>, folder: &Path, problems: &mut Problems) -> Option<SourcePlan> {
    let only_live = [
        ("user", table.user.is_some()),
        (place.password_key(), table.password.is_some()),
        ("transport", table.transport.is_some()),
        ("sub_source", table.sub_source.is_some()),
        ("looks_from", table.looks_from.is_some()),
    ];
    for (key, _) in only_live.into_iter().filter(|(_, given)| *given) {
        problems.error(place.at(key), "a value", "none: the source is no rtsp:// address", "take it out, or give an address");
    }
    if table.source.0.is_empty() {
        problems.error(place.at("source"), "nothing", "rtsp://host[:port]/path, a video file or a folder of pictures", "");
        return None;
    }
    let fps_good = table.fps.is_none_or(|fps| problems.in_range(place.at("fps"), &fps, &FOLDER_FPS, "pictures per second"));
    let path = folder.join(&table.source.0);
    match path.metadata() {
        Err(error) => problems.warning(
            place.at("source"),
            format!("{}: {error}", path.display()),
            "rtsp://host[:port]/path, a video file, a picture or a folder of pictures",
            "`run` starts without it and tries again for ever",
        ),
        Ok(found) if found.is_dir() && table.fps.is_none() && fps_good => {
            problems.error(place.at("fps"), "nothing", "pictures per second of the folder, 0.01 to 120", "");
        }
        Ok(_) => {}
    }
    Some(SourcePlan::File { path, fps: table.fps })
}

fn rtsp(table: &CameraTable, place: &Place<'_>, folder: &Path, problems: &mut Problems) -> Option<RtspPlan> {
    if table.fps.is_some() {
        problems.error(place.at("fps"), "a value", "none: a live camera sets its own pace", "remove the line");
    }
    let main = address(&table.source.0, &place.at("source"), place, problems);
    let sub = table.sub_source.as_ref().map(|sub| address(&sub.0, &place.at("sub_source"), place, problems));
    let looks_on_sub = match (table.looks_from.as_deref(), &sub) {
        (None, sub) => sub.is_some(),
        (Some("main"), _) => false,
        (Some("sub"), Some(_)) => true,
        (Some("sub"), None) => {
            problems.error(
                place.at("looks_from"),
                "\"sub\" without a sub_source",
                "the address of the sub-stream in sub_source",
                "or looks_from main",
            );
            false
        }
        (Some(other), _) => {
            problems.error(place.at("looks_from"), quoted(other), "\"main\" or \"sub\"", "");
            false
        }
    };
    let transport = match table.transport.as_deref() {
        None | Some("tcp-then-udp") => TransportPlan::TcpThenUdp,
        Some("tcp") => TransportPlan::Tcp,
        Some("udp") => TransportPlan::Udp,
        Some(other) => {
            problems.error(place.at("transport"), quoted(other), "\"tcp-then-udp\", \"tcp\" or \"udp\"", "leave it out to try TCP first");
            TransportPlan::TcpThenUdp
        }
    };
    let main = main?;
    let sub = match sub {
        Some(sub) => Some(sub?),
        None => None,
    };
    if sub.as_ref().is_some_and(|sub| sub.user.is_some() && sub.user != main.user && table.user.is_none()) {
        problems.error(place.at("sub_source"), "another user than in source (not shown)", "one login for both streams", place.login_hint());
    }
    let user = login(table, place, &main, problems);
    let password = password(table, place, folder, problems);
    match (&user, &table.password) {
        (None, Some(_)) => problems.error(place.at("user"), "nothing, with a password", "the user that the password belongs to", ""),
        // A reference that could not be read has said so already.
        (Some(_), None) if !problems.has_error_in(&place.at(place.password_key())) => problems.warning(
            place.at(place.password_key()),
            "nothing, with a user",
            "a reference to the password",
            "the login is tried with an empty password",
        ),
        _ => {}
    }
    let (url, main_url) = match sub.filter(|sub| looks_on_sub && sub.url != main.url) {
        Some(sub) => (sub.url, Some(main.url)),
        None => (main.url, None),
    };
    Some(RtspPlan { url, main_url, user, password, transport })
}

/// The user of the key `user`, or of the address.
fn login(table: &CameraTable, place: &Place<'_>, main: &Address, problems: &mut Problems) -> Option<String> {
    let written = table.user.as_deref().filter(|user| !user.is_empty());
    if let (Some(written), Some(in_address)) = (written, &main.user)
        && written != in_address
    {
        problems.error(place.at("user"), "another user than in the address (neither shown)", "one user", "take it out of the address");
    }
    // RFC 7617 §2: the first colon ends the user.
    if written.is_some_and(|user| user.contains(':')) {
        problems.error(place.at("user"), "a user with ':' (not shown)", "the user alone", place.login_hint());
    }
    written.or(main.user.as_deref()).map(str::to_owned)
}

fn password(table: &CameraTable, place: &Place<'_>, folder: &Path, problems: &mut Problems) -> Option<Secret> {
    match secret::resolve(table.password.as_ref()?, folder) {
        Ok(secret) => Some(secret),
        Err(why) => {
            problems.error(place.at(place.password_key()), why.found, "a password that can be read", why.hint);
            None
        }
    }
}

/// An address that may be kept and compared.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    url: String,
    user: Option<String>,
}

const WANTED: &str = "rtsp://host[:port]/path";
/// Names under which vendors put a password into the path or the query, e.g. `user=admin&password=x&channel=1`.
const PASSWORD_PARAMETERS: [&str; 5] = ["password=", "passwd=", "passwort=", "pwd=", "psw="];

/// Whatever is wrong, only scheme and host are shown.
fn address(text: &str, at: &str, place: &Place<'_>, problems: &mut Problems) -> Option<Address> {
    let mut refuse = |found: String, wanted: &str, hint: &str| {
        problems.error(at, found, wanted, hint);
        None
    };
    let shown = live_address(text).unwrap_or_else(|| "no address (not shown)".to_owned());
    let Some((scheme, rest)) = text.split_once("://") else { return refuse(shown, WANTED, "") };
    match scheme.to_ascii_lowercase().as_str() {
        "rtsp" => {}
        "rtsps" => {
            let hint = "encrypted RTSP is not built in: use rtsp:// inside the video network, or a gateway on this machine that ends TLS";
            return refuse(format!("the encrypted address {shown}"), WANTED, hint);
        }
        _ => return refuse(format!("the address {shown}"), WANTED, "only RTSP is spoken; a video platform's gateway gives RTSP addresses"),
    }
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |end| rest.split_at(end));
    let (userinfo, host) = authority.rsplit_once('@').map_or((None, authority), |(userinfo, host)| (Some(userinfo), host));
    let user = match userinfo.map(|userinfo| userinfo.split_once(':').unwrap_or((userinfo, ""))) {
        None | Some(("", "")) => None,
        Some((user, "")) if !user.contains('%') => Some(user.to_owned()),
        Some((_, "")) => return refuse(format!("{shown}, with '%' in its user"), WANTED, place.login_hint()),
        Some(_) => return refuse(format!("{shown}, with a password (not shown)"), "an address without a password", place.login_hint()),
    };
    if path.contains('@') {
        let found = format!("{shown}, with '@' behind the host: what may be a password (not shown)");
        return refuse(found, "an address without a password", "an '@' that belongs to the path is written %40");
    }
    let lower = path.to_ascii_lowercase();
    let holds_password =
        |name: &str| lower.match_indices(name).any(|(at, name)| lower[at + name.len()..].starts_with(|next: char| !"&/?#;".contains(next)));
    if PASSWORD_PARAMETERS.into_iter().any(holds_password) {
        let hint = "a camera that takes its password in the address only needs a gateway in front of it";
        return refuse(format!("{shown}, with a password in its path (not shown)"), "an address without a password", hint);
    }
    if path.contains('#') || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse(format!("{shown}, with '#' or white space"), WANTED, "in a path they are written %23 and %20");
    }
    let url = format!("rtsp://{host}{path}");
    let good = Url::parse(&url).is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()) && url.port() != Some(0));
    if good { Some(Address { url, user }) } else { refuse(format!("the address {shown}"), WANTED, "") }
}

/// What a problem may quote of a cell or a value: never the inside of an address, and not a whole page of text.
pub(super) fn quoted(text: &str) -> String {
    const MOST_CHARS: usize = 60;
    if text.contains("://") {
        return "an address (not shown)".to_owned();
    }
    let mut short: String = text.chars().take(MOST_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_live_address_only_scheme_and_host_are_shown() {
        for (source, shown) in [
            ("rtsp://admin:p/ss@w@10.0.0.7:554/ch1?token=x", Some("rtsp://10.0.0.7:554/…")),
            ("rtsp://10.0.0.7", Some("rtsp://10.0.0.7")),
            ("rtsp://10.0.0.7/a", Some("rtsp://10.0.0.7/…")),
            ("geheim@rtsp://10.0.0.7/a", Some("…://10.0.0.7/…")),
            ("folder/video.mp4", None),
        ] {
            assert_eq!(live_address(source).as_deref(), shown, "{source}");
        }
    }

    fn read(text: &str) -> Result<Address, String> {
        let mut problems = Problems::default();
        address(text, "camera[0].source", &Place::of_table(0), &mut problems).ok_or_else(|| problems.to_string())
    }

    #[test]
    fn addresses_are_kept_without_their_user() {
        for (text, url, user) in [
            ("rtsp://10.0.0.7/Streaming/Channels/101", "rtsp://10.0.0.7/Streaming/Channels/101", None),
            ("RTSP://admin@10.0.0.7:8554/a?channel=2&subtype=0", "rtsp://10.0.0.7:8554/a?channel=2&subtype=0", Some("admin")),
            ("rtsp://admin:@cam.local", "rtsp://cam.local", Some("admin")),
            ("rtsp://[fe80::1]:554/1", "rtsp://[fe80::1]:554/1", None),
            ("rtsp://10.0.0.7/user=admin&password=&channel=1", "rtsp://10.0.0.7/user=admin&password=&channel=1", None),
        ] {
            assert_eq!(read(text), Ok(Address { url: url.to_owned(), user: user.map(str::to_owned) }), "{text}");
        }
    }

    #[test]
    fn no_refusal_shows_a_password() {
        for text in [
            "rtsp://admin:geheim@10.0.0.7/1",
            "rtsp://admin:ge/heim@10.0.0.7/1",
            "rtsp://admin:ge#heim@10.0.0.7/1",
            "rtsp://admin:ge@heim@10.0.0.7/1",
            "rtsp://admin:1/geheim@10.0.0.7/1",
            "rtsp://:geheim@10.0.0.7/1",
            "rtsp://ad%3amin@10.0.0.7/geheim",
            "rtsps://admin:geheim@10.0.0.7/1",
            "http://admin:geheim@10.0.0.7/1",
            "rtsp://10.0.0.7/user=admin&password=geheim&channel=1",
            "rtsp://10.0.0.7/1?PWD=geheim",
            "rtsp://10.0.0.7:99999/geheim",
            "rtsp:///geheim",
            "rtsp://10.0.0.7/ge heim",
            "rtsp://10.0.0.7:0/geheim",
        ] {
            let told = read(text).expect_err(text);
            assert!(!told.contains("heim") && !told.contains("admin") && told.contains("camera[0].source"), "{text}: {told}");
        }
        assert!(read("rtsps://10.0.0.7/1").expect_err("TLS").contains("a gateway on this machine that ends TLS"));
    }

    #[test]
    fn a_plan_shows_neither_login_nor_path() {
        let plan = RtspPlan {
            url: "rtsp://[::1]:8554/1?token=geheim".to_owned(),
            main_url: Some("rtsp://[::1]:8554/2?token=geheim".to_owned()),
            user: Some("admin".to_owned()),
            password: None,
            transport: TransportPlan::Tcp,
        };
        let shown = format!("{plan:?} {}", plan.shown());
        assert!(!shown.contains("geheim") && !shown.contains("admin") && shown.contains("rtsp://[::1]:8554/…"), "{shown}");
        assert_eq!(plan.host_port(), Some(("::1".to_owned(), 8554)));
    }
}
