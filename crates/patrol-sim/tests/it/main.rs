//! Scenes as their users meet them: constraints over many seeds, pictures through a codec, folders on disk.

#![expect(clippy::expect_used, reason = "helpers of tests may fail as tests do")]

mod constraints;
mod street;
mod street_client;
mod video;
