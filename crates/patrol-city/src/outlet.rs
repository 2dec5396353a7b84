//! One message to the city, and what became of it. Repeating is the courier's affair.

use crate::callback::parse_callback;
use crate::error::CityError;
use crate::event::{Site, event_json};
use crate::mapping::Mapping;
use crate::sign::{APP_KEY, IDEMPOTENCY_KEY, NONCE, SIGNATURE, Signer, TIMESTAMP};
use crate::verdict::{Attempt, judge};
use patrol_core::desk::{CaseCallback, OutboxItem};
use patrol_core::{CameraId, Modality, WallTime};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url, redirect};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// Most of an answer that is read, bytes. A receipt is below 1 KiB.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// Longest wait for the connection alone; a platform on the same network answers in milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Cases are read under this path of the base (`integration.md` §3.4).
const CASES_PATH: &str = "/api/v1/cases";

#[derive(Debug, Clone)]
pub struct OutletConfig {
    /// `http://host[:port][/path]` or `https://…`, without user, query or fragment.
    pub base: String,
    pub mapping: Mapping,
    pub signer: Signer,
    pub site: Site,
    /// Address under which evidence pictures are served by their hash; `None`: only hashes are told.
    pub media_base: Option<String>,
    /// Real time from the first byte sent to the last received.
    pub timeout: Duration,
}

/// The way to one city. Cheap to share; holds the connections.
#[derive(Debug)]
pub struct Outlet {
    config: OutletConfig,
    /// As configured; its sensors change when cameras are read anew.
    site: RwLock<Site>,
    client: Client,
    events: Url,
    cases: Url,
}

impl Outlet {
    pub fn new(mut config: OutletConfig) -> Result<Self, CityError> {
        let base = config.base.trim_end_matches('/');
        check_base(base)?;
        let url = |path: &str| {
            let wrong = |problem: String| CityError::Base { base: base.to_owned(), problem };
            Url::parse(&format!("{base}{path}")).map_err(|error| wrong(format!("with {path} is not an address: {error}")))
        };
        let (events, cases) = (url(&config.mapping.events_path)?, url(CASES_PATH)?);
        // No proxy out of the environment and no redirect: where people lie goes to the named city and nowhere else.
        let client = Client::builder()
            .timeout(config.timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| CityError::Client(words(&error)))?;
        let site = RwLock::new(std::mem::take(&mut config.site));
        Ok(Self { config, site, client, events, cases })
    }

    /// Cameras were read anew: which sensor each of them is.
    pub fn set_sensors(&self, sensors: BTreeMap<CameraId, Modality>) {
        self.site.write().unwrap_or_else(PoisonError::into_inner).sensors = sensors;
    }

    /// The body that [`Outlet::deliver`] sends: canonical, or the city's form when the mapping has one.
    pub fn body(&self, item: &OutboxItem) -> serde_json::Value {
        let site = self.site.read().unwrap_or_else(PoisonError::into_inner);
        let event = event_json(item, &self.config.mapping, &site, self.config.media_base.as_deref());
        match &self.config.mapping.form {
            Some(form) => form.fill(&event),
            None => event,
        }
    }

    /// Tries once. The idempotency key is the same for every try of a revision, so that an answer lost on the way does no harm.
    pub async fn deliver(&self, item: &OutboxItem, now: WallTime) -> Attempt {
        let body = self.body(item).to_string().into_bytes();
        let key = format!("{}#{}", item.lead.id, item.lead.revision);
        let request = self.signed(Method::POST, &self.events, now, &body);
        let sent = request.header(IDEMPOTENCY_KEY, key).header(CONTENT_TYPE, "application/json; charset=utf-8").body(body).send().await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return Attempt::later(words(&error)),
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match read(response).await {
            Ok(answer) => judge(status, retry_after.as_deref(), &answer, now),
            // The status alone is no receipt, but a refusal needs none.
            Err(_) if status >= 400 => judge(status, retry_after.as_deref(), b"", now),
            Err(why) => Attempt::later(why),
        }
    }

    /// Asks for a case whose callbacks stay out. `None`: the city does not know it.
    pub async fn poll_case(&self, case_id: &str, now: WallTime) -> Result<Option<CaseCallback>, CityError> {
        let wrong = |why: String| CityError::Poll { case_id: case_id.to_owned(), why };
        let mut url = self.cases.clone();
        url.path_segments_mut().map_err(|()| wrong("the base address has no path".into()))?.push(case_id);
        let response = self.signed(Method::GET, &url, now, b"").send().await.map_err(|error| wrong(words(&error)))?;
        match response.status().as_u16() {
            404 => Ok(None),
            200 => {
                let body = read(response).await.map_err(wrong)?;
                let mut case = parse_callback(&body, &self.config.mapping)?;
                if case.at == WallTime::default() {
                    // Without a time every later answer would be taken for this one, come late.
                    case.at = now;
                }
                Ok(Some(case))
            }
            status => Err(wrong(format!("HTTP {status}"))),
        }
    }

    fn signed(&self, method: Method, url: &Url, now: WallTime, body: &[u8]) -> reqwest::RequestBuilder {
        let signer = &self.config.signer;
        let (timestamp, nonce) = (now.unix_secs(), signer.nonce());
        let signature = signer.sign(method.as_str(), url.path(), timestamp, &nonce, body);
        self.client
            .request(method, url.clone())
            .header(APP_KEY, signer.app_key())
            .header(TIMESTAMP, timestamp.to_string())
            .header(NONCE, nonce)
            .header(SIGNATURE, signature)
    }
}

fn check_base(base: &str) -> Result<(), CityError> {
    let wrong = |problem: &str| CityError::Base { base: "(not shown)".into(), problem: problem.to_owned() };
    let url =
        Url::parse(base).map_err(|error| CityError::Base { base: base.to_owned(), problem: format!("is not an address: {error}") })?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown: it may hold a password.
        return Err(wrong("holds a user or password; the key belongs into app_key and secret"));
    }
    let problem = match (url.scheme(), url.host_str(), url.query().or(url.fragment())) {
        ("http" | "https", Some(_), None) => return Ok(()),
        ("http" | "https", _, _) => "has a query or a fragment",
        _ => "is neither http nor https",
    };
    Err(CityError::Base { base: base.to_owned(), problem: problem.to_owned() })
}

async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| words(&error))? {
        if bytes.len() + chunk.len() > ANSWER_MAX_BYTES {
            return Err(format!("the answer is longer than {ANSWER_MAX_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// What went wrong on the way, with its deepest cause and without the address.
fn words(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    let mut deepest = error.source();
    while let Some(next) = deepest.and_then(std::error::Error::source) {
        deepest = Some(next);
    }
    deepest.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, sample};

    fn outlet(base: &str) -> Result<Outlet, CityError> {
        let signer = Signer::new("patrol", Secret::new("hidden-word"));
        let timeout = Duration::from_secs(2);
        Outlet::new(OutletConfig { base: base.into(), mapping: sample::mapping(), signer, site: sample::site(), media_base: None, timeout })
    }

    #[test]
    fn an_address_is_checked_and_its_password_not_shown() {
        assert!(outlet("http://127.0.0.1:9000/grid/").is_ok());
        for base in ["city.example", "ftp://city.example", "http://city.example/?a=1", "http://city.example/#top", ""] {
            let error = outlet(base).expect_err(base).to_string();
            assert!(error.contains(base) && error.contains("wanted http://"), "{error}");
        }
        let error = outlet("http://u:pass-word@city.example").expect_err("has a password").to_string();
        assert!(!error.contains("pass-word"), "{error}");
    }

    #[test]
    fn nothing_printed_holds_the_secret() {
        assert!(!format!("{:?}", outlet("http://127.0.0.1:9000").expect("sound")).contains("hidden-word"));
    }

    #[test]
    fn the_path_of_the_base_is_part_of_the_address() {
        let outlet = outlet("https://city.example/grid").expect("sound");
        assert_eq!((outlet.events.path(), outlet.cases.path()), ("/grid/api/v1/events", "/grid/api/v1/cases"));
    }
}
