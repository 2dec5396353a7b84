//! The city's secret: never in the pipeline file, never printed.

use crate::error::CityError;
use std::fmt;
use std::path::PathBuf;

/// Longest secret taken, bytes: a bound against a wrong path, far above any key in use.
const SECRET_MAX_BYTES: usize = 4096;

/// A shared secret. Neither `Debug` nor any error shows it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where the secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    Env(String),
    File(PathBuf),
}

impl SecretRef {
    /// Reads the secret; white space around it (a final newline) is not part of it.
    pub fn resolve(&self) -> Result<Secret, CityError> {
        match self {
            Self::Env(name) => {
                let wrong = |problem| CityError::SecretVariable { name: name.clone(), problem };
                let value = std::env::var(name).map_err(|error| match error {
                    std::env::VarError::NotPresent => wrong("is not set"),
                    std::env::VarError::NotUnicode(_) => wrong("is not UTF-8"),
                })?;
                trimmed(&value).map_err(wrong)
            }
            Self::File(path) => {
                let bytes = std::fs::read(path).map_err(|source| CityError::SecretUnreadable { path: path.clone(), source })?;
                let wrong = |problem| CityError::SecretFile { path: path.clone(), problem };
                trimmed(std::str::from_utf8(&bytes).map_err(|_| wrong("is not UTF-8"))?).map_err(wrong)
            }
        }
    }
}

fn trimmed(value: &str) -> Result<Secret, &'static str> {
    match value.trim() {
        "" => Err("is empty"),
        long if long.len() > SECRET_MAX_BYTES => Err("is longer than 4096 bytes"),
        secret => Ok(Secret::new(secret)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_without_its_newline_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, "secret-demo\n").expect("written");
        let secret = SecretRef::File(path).resolve().expect("read");
        assert_eq!(secret.bytes(), b"secret-demo");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    #[test]
    fn a_missing_secret_is_named() {
        let error = SecretRef::Env("PATROL_NO_SUCH_SECRET".into()).resolve().expect_err("not set").to_string();
        assert!(error.contains("PATROL_NO_SUCH_SECRET is not set") || error.contains("PATROL_NO_SUCH_SECRET that"), "{error}");
        let error = SecretRef::File("no/such/file".into()).resolve().expect_err("not there").to_string();
        assert!(error.contains("no/such/file"), "{error}");
    }
}
