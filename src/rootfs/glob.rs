//! Names that a path or glob stands for.

use bstr::{BStr, BString, ByteSlice};
use globset::{GlobBuilder, GlobMatcher};

use super::lookup::components;
use super::{Location, Rootfs};

/// What may be part of a wildcard, braces around other components included.
const SPECIAL: [char; 8] = ['*', '?', '[', ']', '{', '}', ',', '\\'];

/// Whether a path has wildcards in it.
pub(crate) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// A matcher in which `*` stays within one component and `**` does not. Recipes are checked before, so a glob that
/// does not parse matches nothing.
pub(crate) fn matcher(glob: &str) -> Option<GlobMatcher> {
    let glob = GlobBuilder::new(glob)
        .literal_separator(true)
        .empty_alternates(true)
        .build();
    glob.ok().map(|g| g.compile_matcher())
}

impl Rootfs {
    /// The names in the rootfs that an absolute path or glob stands for, sorted. Symbolic links on the way to the
    /// first wildcard are followed, so that `/bin/*` finds what is in `/usr/bin`; one at the end is not.
    pub(crate) fn glob(&self, pattern: &str) -> Vec<(BString, Location)> {
        if !is_glob(pattern) {
            let found = self.locate(pattern.as_bytes()).ok();
            let found = found.filter(|location| location.inode.is_some());
            return found
                .map(|location| (self.location_path(&location), location))
                .into_iter()
                .collect();
        }
        let names: Vec<&str> = components(pattern.as_bytes())
            .filter_map(|c| c.to_str().ok())
            .collect();
        let fixed = names.iter().take_while(|name| !is_glob(name)).count();
        let Some(top) = self.open(names[..fixed].join("/")) else {
            return Vec::new();
        };
        let Some(matcher) = matcher(&names[fixed..].join("/")) else {
            return Vec::new();
        };
        let prefix = self.path(top).len() + usize::from(top != Self::ROOT);
        // Nothing deeper is meant: only `**` stands for several components.
        let depth = if pattern.contains("**") {
            usize::MAX
        } else {
            names.len() - fixed
        };
        // Most globs end with a plain name, which few paths have; to compare that takes less than to match.
        let last = names.last().filter(|name| !name.contains(SPECIAL));
        let may_match = |path: &BStr| last.is_none_or(|name| path.ends_with_str(name));
        let mut found = Vec::new();
        self.visit_to(depth, top, |path, _| {
            if may_match(path) && matcher.is_match(path[prefix..].to_path_lossy()) {
                found.push(path.to_owned());
            }
        });
        let located = found.into_iter();
        located
            .filter_map(|path| self.locate(&path).ok().map(|location| (path, location)))
            .collect()
    }
}
