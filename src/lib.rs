//! casehard hardens an operating system image at build time.

pub mod error;
pub mod recipe;
