//! Signatures of both directions: `integration.md` §3.3.

use crate::secret::Secret;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A receiver accepts timestamps this far from its own clock (`integration.md` §3.3).
pub const SIGNATURE_WINDOW: Duration = Duration::from_mins(5);

pub(crate) const APP_KEY: &str = "x-app-key";
pub(crate) const TIMESTAMP: &str = "x-timestamp";
pub(crate) const NONCE: &str = "x-nonce";
pub(crate) const SIGNATURE: &str = "x-signature";
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Signs what we send and checks what we receive, with one key and secret for both.
#[derive(Debug, Clone)]
pub struct Signer {
    app_key: String,
    secret: Secret,
    nonces: Arc<Nonces>,
}

#[derive(Debug, Default)]
struct Nonces {
    /// Keyed at random for each process, so that nonces of two starts within 10 min do not collide.
    random: RandomState,
    given: AtomicU64,
}

impl Signer {
    pub fn new(app_key: impl Into<String>, secret: Secret) -> Self {
        Self { app_key: app_key.into(), secret, nonces: Arc::default() }
    }

    pub fn app_key(&self) -> &str {
        &self.app_key
    }

    /// Lower-case hexadecimal HMAC-SHA256 over `method\npath\ntimestamp\nnonce\nsha256hex(body)`; `timestamp` in Unix seconds.
    pub fn sign(&self, method: &str, path: &str, timestamp: i64, nonce: &str, body: &[u8]) -> String {
        hex::encode(self.mac(method, path, &timestamp.to_string(), nonce, body).finalize().into_bytes())
    }

    /// Whether `signature` is the one [`Signer::sign`] gives; takes the same time wherever it differs.
    /// `timestamp` is the text as received, since that is what was signed.
    pub fn verify(&self, method: &str, path: &str, timestamp: &str, nonce: &str, body: &[u8], signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|bytes| self.mac(method, path, timestamp, nonce, body).verify_slice(&bytes).is_ok())
    }

    /// A nonce this process has not given before.
    pub fn nonce(&self) -> String {
        let number = self.nonces.given.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{number:x}", self.nonces.random.hash_one(number))
    }

    fn mac(&self, method: &str, path: &str, timestamp: &str, nonce: &str, body: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.bytes()).expect("a key of any length");
        let digest = hex::encode(Sha256::digest(body));
        mac.update([method, path, timestamp, nonce, digest.as_str()].join("\n").as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"event_id":"XL-20260105-000317","revision":1,"op":"create"}"#;
    const SIGNED: &str = "f92e29dd0e3e6d33c6d301bc793bcc12eaddafe25819a15eee1a3daab2ddb7e7";

    fn signer() -> Signer {
        Signer::new("demo", Secret::new("secret-demo"))
    }

    #[test]
    fn the_signature_is_the_published_vector() {
        assert_eq!(signer().sign("POST", "/api/v1/events", 1_767_550_361, "5f2c9a", BODY), SIGNED);
    }

    #[test]
    fn every_signed_part_counts() {
        fn ok(method: &str, path: &str, timestamp: &str, nonce: &str, body: &[u8], signature: &str) -> bool {
            signer().verify(method, path, timestamp, nonce, body, signature)
        }
        assert!(ok("POST", "/api/v1/events", "1767550361", "5f2c9a", BODY, SIGNED));
        assert!(ok("POST", "/api/v1/events", "1767550361", "5f2c9a", BODY, &SIGNED.to_uppercase()));
        assert!(!ok("GET", "/api/v1/events", "1767550361", "5f2c9a", BODY, SIGNED));
        assert!(!ok("POST", "/api/v1/event", "1767550361", "5f2c9a", BODY, SIGNED));
        assert!(!ok("POST", "/api/v1/events", "1767550362", "5f2c9a", BODY, SIGNED));
        assert!(!ok("POST", "/api/v1/events", "1767550361", "5f2c9b", BODY, SIGNED));
        assert!(!ok("POST", "/api/v1/events", "1767550361", "5f2c9a", b"{}", SIGNED));
        assert!(!ok("POST", "/api/v1/events", "1767550361", "5f2c9a", BODY, &SIGNED[..62]));
        assert!(!ok("POST", "/api/v1/events", "1767550361", "5f2c9a", BODY, "not hexadecimal"));
    }

    #[test]
    fn nonces_differ_between_calls_and_between_starts() {
        let (one, other) = (signer(), signer());
        assert_ne!(one.nonce(), one.nonce());
        assert_ne!(one.nonce(), other.nonce());
    }
}
