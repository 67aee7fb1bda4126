//! What several test targets share.

#![allow(dead_code, reason = "each target uses a part of it")]

pub(crate) mod archives;
pub(crate) mod disk;
pub(crate) mod exposure;
pub(crate) mod model;
pub(crate) mod rootfs;
pub(crate) mod tools;
