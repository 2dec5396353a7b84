//! Passwords of cameras: named by reference, read here, never shown.

use super::written::SecretTable;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

/// No password of a camera is longer; a longer file is another file.
const SECRET_MAX_BYTES: usize = 4096;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// For the one who logs in, and nobody else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Why a reference gives no secret. `found` names the variable or the file, never what is in it.
#[derive(Debug)]
pub(super) struct NoSecret {
    pub(super) found: String,
    pub(super) hint: &'static str,
}

/// Reads the secret; white space around it (a final newline) is not part of it. Files are relative to `folder`.
pub(super) fn resolve(reference: &SecretTable, folder: &Path) -> Result<Secret, NoSecret> {
    let refused = |found: String, hint| Err(NoSecret { found, hint });
    let (name, value) = match (&reference.env, &reference.file) {
        (Some(name), None) if !is_variable(name) => {
            return refused(
                "env without the name of a variable (not shown)".to_owned(),
                "letters, digits and '_'; the password itself never stands here",
            );
        }
        (Some(name), None) => match std::env::var_os(name).map(std::ffi::OsString::into_string) {
            Some(Ok(value)) => (format!("the variable {name}"), value),
            Some(Err(_)) => return refused(format!("the variable {name}, which is not UTF-8"), "set it to the password as text"),
            None => return refused(format!("the variable {name}, which is not set"), "set it for the user that runs the patrol"),
        },
        (None, Some(file)) => {
            let path = folder.join(file);
            let shown = format!("the file {}", path.display());
            match read_text(&path) {
                Ok(value) => (shown, value),
                Err(why) => return refused(format!("{shown}: {why}"), "create the file, readable by this user only"),
            }
        }
        _ => return refused("neither or both of env and file".to_owned(), "a password never stands in the file itself"),
    };
    match value.trim() {
        "" => refused(format!("{name}, which is empty"), "write the password there"),
        long if long.len() > SECRET_MAX_BYTES => {
            refused(format!("{name}, longer than {SECRET_MAX_BYTES} bytes"), "write only the password there")
        }
        secret => Ok(Secret(secret.to_owned())),
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(SECRET_MAX_BYTES as u64 * 2).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_without_its_newline_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("password"), "geheim 1\n").expect("written");
        let file = |name: &str| SecretTable { env: None, file: Some(name.into()) };
        let secret = resolve(&file("password"), folder.path()).expect("a secret");
        assert_eq!(secret.reveal(), "geheim 1");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        let missing = resolve(&file("nothing"), folder.path()).expect_err("no file");
        assert!(missing.found.contains("nothing"), "{}", missing.found);
        std::fs::write(folder.path().join("empty"), " \n").expect("written");
        assert!(resolve(&file("empty"), folder.path()).expect_err("empty").found.contains("is empty"));
    }

    #[test]
    fn a_password_in_the_place_of_a_variable_is_not_shown() {
        let env = |name: &str| SecretTable { env: Some(name.into()), file: None };
        let found = resolve(&env("ge$heim!"), Path::new(".")).expect_err("no variable").found;
        assert!(!found.contains("heim"), "{found}");
        let found = resolve(&env("PATROL_TEST_NOT_SET_1"), Path::new(".")).expect_err("not set").found;
        assert!(found.contains("PATROL_TEST_NOT_SET_1"), "{found}");
        assert!(resolve(&SecretTable::default(), Path::new(".")).is_err());
    }
}
