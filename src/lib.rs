//! casehard hardens an operating system image at build time.

pub mod edit;
pub mod error;
pub mod image;
mod lower;
pub mod rootfs;

pub use error::{Error, Result};
pub use image::{Compression, Image, OpenOptions};
