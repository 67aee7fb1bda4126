//! What several rules share.

pub(super) mod booted;
pub(super) mod effective;
pub(super) mod granted_elsewhere;
pub(super) mod put_file;
pub(super) mod service;

pub(super) use put_file::put_file;
