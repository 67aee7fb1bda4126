//! Which differences are shown.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};
use globset::GlobMatcher;

use super::{Difference, PathChange};
use crate::error::{Error, Result};
use crate::inventory::Kind;
use crate::rootfs::glob::matcher;

/// The names that [`CompareOptions::kind`](super::CompareOptions::kind) accepts: those of
/// [`Difference`] and of [`inventory::Kind`](Kind); `capability` is both.
pub static KINDS: [&str; 26] = [
    "added",
    "removed",
    "renamed",
    "type",
    "content",
    "target",
    "device",
    "mode",
    "owner",
    "capability",
    "xattr",
    "links",
    "time",
    "order",
    "set-id",
    "unit",
    "start",
    "listener",
    "masked",
    "member",
    "sudo",
    "login",
    "writable",
    "network-tool",
    "package",
    "unknown",
];

#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    only: Vec<Glob>,
    but: Vec<Glob>,
    /// None for all.
    kinds: BTreeSet<&'static str>,
}

/// A glob, for whole paths or for their last names.
#[derive(Clone, Debug)]
struct Glob {
    matcher: GlobMatcher,
    of_name: bool,
}

impl Glob {
    fn matches(&self, path: &[u8]) -> bool {
        // A glob that matches a directory matches everything in it.
        let mut at = path;
        loop {
            let text = match (self.of_name, at.rsplit_once_str("/")) {
                (true, Some((_, name))) => name,
                _ => at,
            };
            if self.matcher.is_match(text.to_path_lossy()) {
                return true;
            }
            match at.rsplit_once_str("/") {
                Some((above, _)) if !above.is_empty() => at = above,
                _ => return false,
            }
        }
    }
}

impl Filter {
    pub(super) fn path(&mut self, glob: &str) -> Result<()> {
        let (list, text) = match glob.strip_prefix('!') {
            Some(rest) => (&mut self.but, rest),
            None => (&mut self.only, glob),
        };
        let of_name = !text.contains('/');
        let absolute = if of_name || text.starts_with('/') {
            text.to_owned()
        } else {
            format!("/{text}")
        };
        let trimmed = match absolute.trim_end_matches('/') {
            "" if of_name => "",
            // The root, and so everything.
            "" => "/**",
            trimmed => trimmed,
        };
        let found = Some(trimmed)
            .filter(|glob| !glob.is_empty())
            .and_then(matcher);
        let matcher = found.ok_or_else(|| {
            Error::Usage(format!(
                "{glob:?} is not a path or glob; write one such as /etc/** or *.conf"
            ))
        })?;
        list.push(Glob { matcher, of_name });
        Ok(())
    }

    pub(super) fn kind(&mut self, name: &str) -> Result<()> {
        let known = KINDS
            .into_iter()
            .find(|kind| *kind == name)
            .ok_or_else(|| {
                Error::Usage(format!(
                    "{name:?} is not a kind of difference; the kinds are {}",
                    KINDS.join(", ")
                ))
            })?;
        self.kinds.insert(known);
        Ok(())
    }

    /// Whether a path is shown. Its differences that are not shown are dropped.
    pub(super) fn shows(&self, change: &mut PathChange) -> bool {
        let paths = [Some(&change.path), change.from.as_ref()];
        if !paths.into_iter().flatten().any(|path| self.has_path(path)) {
            return false;
        }
        if !self.kinds.is_empty() {
            let wanted = |difference: &Difference| self.kinds.contains(difference.name());
            change.differences.retain(wanted);
        }
        !change.differences.is_empty()
    }

    /// Whether a line of the attack surface is shown. A glob for paths selects only lines about
    /// paths.
    pub(super) fn shows_item(&self, kind: Kind, name: &[u8]) -> bool {
        let by_path = !self.only.is_empty() || !self.but.is_empty();
        let path = match kind {
            Kind::SetId | Kind::Capability | Kind::Writable => self.has_path(name),
            _ => !by_path || self.only.is_empty(),
        };
        path && (self.kinds.is_empty() || self.kinds.contains(kind.name()))
    }

    /// Whether any of these names is a path that was asked for.
    pub(super) fn finds_any(&self, mut names: impl Iterator<Item = BString>) -> bool {
        self.only.is_empty() || names.any(|path| self.has_path(&path))
    }

    /// Says that the comparison is limited, if it is.
    pub(super) fn note(&self) -> Option<String> {
        let all = self.only.is_empty() && self.but.is_empty() && self.kinds.is_empty();
        (!all).then(|| "only some paths or kinds of difference were asked for".to_owned())
    }

    fn has_path(&self, path: &[u8]) -> bool {
        let any = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(path));
        (self.only.is_empty() || any(&self.only)) && !any(&self.but)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_paths_names_and_what_is_below() {
        let shows = |globs: &[&str], path: &str| {
            let mut filter = Filter::default();
            globs.iter().for_each(|glob| filter.path(glob).unwrap());
            filter.has_path(path.as_bytes())
        };
        for (globs, path, want) in [
            (&["/etc"][..], "/etc/a/b", true),
            (&["etc/"], "/etc/a", true),
            (&["/etc/*"], "/etc/a/b", true),
            (&["/etc/*.conf"], "/etc/a.conf", true),
            (&["/etc/*.conf"], "/etc/a/b.conf", false),
            (&["*.conf"], "/etc/a/b.conf", true),
            (&["*.d"], "/etc/x.d/b", true),
            (&["/etc"], "/etcetera", false),
            (&["!/usr"], "/usr/bin", false),
            (&["!/usr"], "/etc", true),
            (&["/usr", "!*.pyc"], "/usr/a.pyc", false),
            (&["/usr", "!*.pyc"], "/usr/a.py", true),
            (&["/"], "/usr", true),
            (&["!/"], "/usr", false),
        ] {
            assert_eq!(shows(globs, path), want, "{globs:?} {path}");
        }
        for wrong in ["", "!", "a[", "/{"] {
            assert!(Filter::default().path(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_kind_has_its_name_here() {
        let all = Difference::ALL.map(Difference::name).into_iter();
        let all: BTreeSet<_> = all.chain(Kind::ALL.map(Kind::name)).collect();
        assert_eq!(all, BTreeSet::from(KINDS));
        for difference in Difference::ALL {
            assert_eq!(difference.name(), format!("{difference:?}").to_lowercase());
        }
    }
}
