//! `revisor` as a program: arguments, files, messages and exit codes.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "cli/harness.rs"]
mod harness;

#[path = "cli/adoption.rs"]
mod adoption;
#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/inputs.rs"]
mod inputs;
#[path = "cli/outputs.rs"]
mod outputs;
#[path = "cli/policy_tests.rs"]
mod policy_tests;
#[path = "cli/sarif.rs"]
mod sarif;
