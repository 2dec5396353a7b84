//! The desk, as its users know it: one person is one lead, nothing is lost, the right people hear of it.

#![expect(clippy::expect_used, reason = "a test's helpers stop the test")]

mod city;
mod making;
mod news;
mod officer;
mod order;
mod scene;
mod set_back;
mod timers;
mod watched;
