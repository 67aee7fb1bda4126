//! What several test targets share.

#![allow(dead_code, reason = "each target uses a part of it")]

pub(crate) mod archives;
pub(crate) mod booted;
pub(crate) mod disk;
pub(crate) mod exposure;
pub(crate) mod mmdebstrap;
pub(crate) mod model;
pub(crate) mod readers;
pub(crate) mod rootfs;
pub(crate) mod tools;

/// Returns true if this run is to rewrite what tests expect: the variable that `expect_test` reads.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}
