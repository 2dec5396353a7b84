//! What went wrong between a camera and us, in words that name the camera and the next step and show no secret.

use crate::error::IngestError;

/// Longest text of a camera that an error repeats.
const TEXT_MAX: usize = 160;

/// What errors of one camera are told with.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    pub(super) url: String,
    /// Never repeated, whatever the camera answers.
    pub(super) secrets: Vec<String>,
    pub(super) has_credentials: bool,
}

/// The requests of setting a session up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Describe,
    Setup,
    Play,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
        }
    }
}

impl Teller {
    pub(super) fn setup(&self, stage: Stage, error: &retina::Error) -> IngestError {
        let url = self.url.clone();
        match error.status_code() {
            Some(401) if self.has_credentials => IngestError::WrongPassword { url },
            Some(401) => IngestError::NoPassword { url },
            Some(404) => IngestError::NoSuchStream { url },
            _ => {
                let text = self.clean(&error.to_string());
                match text.strip_prefix("Unable to connect to RTSP server: ") {
                    Some(why) => IngestError::Unreachable { url, why: why.to_owned() },
                    None => IngestError::Refused { url, stage: stage.name(), why: text },
                }
            }
        }
    }

    pub(super) fn ended(&self, why: &str) -> IngestError {
        IngestError::SessionEnded { url: self.url.clone(), why: self.clean(why) }
    }

    /// The first line, without URLs and secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        let line = text.lines().next().unwrap_or_default().trim_end_matches([' ', ':']);
        let mut text: String = line.split(' ').map(|word| if word.contains("://") { "…" } else { word }).collect::<Vec<_>>().join(" ");
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "…");
        }
        if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// Whether a camera that answered SETUP so may still send over UDP: 461 by the standard; 400, 406, 415, 451, 456, 501 and 551 were
/// chosen by their meaning, and a success without a channel is one, too.
pub(super) fn refuses_tcp(error: &retina::Error) -> bool {
    matches!(error.status_code(), Some(200..=299 | 400 | 406 | 415 | 451 | 456 | 461 | 501 | 551))
}

/// Whether an error concerns some packets only and the session may go on. The client tells errors by their text alone; those of packets end
/// with the packet's place.
pub(super) fn is_of_packets(error: &retina::Error) -> bool {
    error.to_string().contains("\npkt: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_camera_are_repeated_without_secrets() {
        let teller =
            Teller { url: "rtsp://10.0.0.7/live".to_owned(), secrets: vec!["geheim".to_owned(), String::new()], has_credentials: true };
        assert_eq!(teller.clean("no stream (Some(rtsp://10.0.0.7/geheim?token=1)) for geheim:\n\nconn: x"), "no stream … for …");
        assert_eq!(teller.clean(&"x".repeat(500)).chars().count(), TEXT_MAX + 1);
        assert_eq!(teller.ended("EOF\nmore").to_string(), "rtsp://10.0.0.7/live: the session ended: EOF");
    }
}
