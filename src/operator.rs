//! The shell: all talk with Kubernetes. It has no opinions; what is true is in the auditor, and how it is shown
//! in the reports.

pub mod health;
pub mod pace;
pub mod process;

mod access;
mod observed;
mod start;
mod stop;
mod transport;
mod watch;
mod wire;
