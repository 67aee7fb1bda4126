//! casehard hardens an operating system image at build time.

mod accounts;
mod busybox;
pub mod edit;
pub mod error;
pub mod image;
mod lower;
mod lowerdir;
mod os_release;
mod plan;
pub mod recipe;
mod report;
pub mod rootfs;
mod rules;
mod selinux;
mod sshd;
mod systemd;
mod write;

pub use error::{Error, Result};
pub use image::{Compression, Image, OpenOptions};
pub use plan::{Plan, PlanOptions, RuleResult};
pub use recipe::Recipe;
pub use report::Report;
pub use write::WriteOptions;
