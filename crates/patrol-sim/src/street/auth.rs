//! Basic (RFC 7617) and Digest (RFC 2617, MD5, with and without `qop=auth`): what cameras ask for.

use super::request::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use std::fmt;

/// Who may watch.
#[derive(Clone)]
pub struct StreetAuth {
    pub user: String,
    pub password: String,
    pub scheme: AuthScheme,
}

/// The password is not shown.
impl fmt::Debug for StreetAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreetAuth").field("user", &self.user).field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthScheme {
    Basic,
    Digest,
}

const REALM: &str = "patrol sim street";

/// The value of `WWW-Authenticate`.
pub(super) fn challenge(scheme: AuthScheme, nonce: &str) -> String {
    match scheme {
        AuthScheme::Basic => format!("Basic realm=\"{REALM}\""),
        AuthScheme::Digest => format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\""),
    }
}

/// Whether `request` carries the right credentials.
pub(super) fn admits(auth: &StreetAuth, nonce: &str, request: &Request) -> bool {
    let Some((scheme, rest)) = request.header("Authorization").and_then(|header| header.split_once(' ')) else { return false };
    match auth.scheme {
        AuthScheme::Basic => {
            scheme.eq_ignore_ascii_case("Basic") && rest.trim() == STANDARD.encode(format!("{}:{}", auth.user, auth.password))
        }
        AuthScheme::Digest => scheme.eq_ignore_ascii_case("Digest") && digest_is_right(auth, nonce, request, rest),
    }
}

fn digest_is_right(auth: &StreetAuth, nonce: &str, request: &Request, fields: &str) -> bool {
    let field = |name: &str| {
        fields.split(',').find_map(|field| {
            let (key, value) = field.trim().split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
        })
    };
    let same_camera = field("uri").is_some_and(|uri| request.url.starts_with(uri.trim_end_matches('/')) || uri.starts_with(&request.url));
    if field("username") != Some(&auth.user) || field("realm") != Some(REALM) || field("nonce") != Some(nonce) || !same_camera {
        return false;
    }
    let first = md5_hex(&format!("{}:{REALM}:{}", auth.user, auth.password));
    let second = md5_hex(&format!("{}:{}", request.method, field("uri").unwrap_or_default()));
    let wanted = match field("qop") {
        Some(qop) => {
            let (count, client) = (field("nc").unwrap_or_default(), field("cnonce").unwrap_or_default());
            md5_hex(&format!("{first}:{nonce}:{count}:{client}:{qop}:{second}"))
        }
        None => md5_hex(&format!("{first}:{nonce}:{second}")),
    };
    field("response").is_some_and(|response| response.eq_ignore_ascii_case(&wanted))
}

pub(super) fn md5_hex(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::street::request::{Said, take};

    fn request(authorization: &str) -> Request {
        let text = format!("DESCRIBE rtsp://h/cam/003 RTSP/1.0\r\nAuthorization: {authorization}\r\n\r\n");
        match take(&mut text.into_bytes()) {
            Ok(Some(Said::Request(request))) => request,
            other => panic!("{other:?}"),
        }
    }

    fn auth(scheme: AuthScheme) -> StreetAuth {
        StreetAuth { user: "admin".into(), password: "12:34".into(), scheme }
    }

    #[test]
    fn basic() {
        let auth = auth(AuthScheme::Basic);
        assert!(admits(&auth, "n", &request("Basic YWRtaW46MTI6MzQ=")));
        assert!(!admits(&auth, "n", &request("Basic YWRtaW46MTI6MzU=")));
        assert!(!format!("{auth:?}").contains("12:34"));
    }

    #[test]
    fn digest() {
        let auth = auth(AuthScheme::Digest);
        let first = md5_hex("admin:patrol sim street:12:34");
        let second = md5_hex("DESCRIBE:rtsp://h/cam/003");
        let fields = "username=\"admin\", realm=\"patrol sim street\", nonce=\"n\", uri=\"rtsp://h/cam/003\"";
        let old = md5_hex(&format!("{first}:n:{second}"));
        assert!(admits(&auth, "n", &request(&format!("Digest {fields}, response=\"{old}\""))));
        assert!(!admits(&auth, "another", &request(&format!("Digest {fields}, response=\"{old}\""))));
        let new = md5_hex(&format!("{first}:n:00000001:xyz:auth:{second}"));
        let qop = "qop=auth, nc=00000001, cnonce=\"xyz\"";
        assert!(admits(&auth, "n", &request(&format!("Digest {fields}, {qop}, response=\"{new}\""))));
        assert!(!admits(&auth, "n", &request(&format!("Digest {fields}, {qop}, response=\"{old}\""))));
    }
}
