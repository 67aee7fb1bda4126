//! Edited files that a store or a signature knows by their checksums.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString, ByteSlice};

use crate::edit::{Change, Draft, Edit, Residual, ResidualKind};
use crate::rootfs::{InodeId, Place, Rootfs};

/// Where a store is, whose, and what finds that an object was edited.
const STORES: [(&str, &str, &str); 12] = [
    ("/sysroot/ostree/repo/objects", "ostree", "`ostree fsck`"),
    ("/ostree/repo/objects", "ostree", "`ostree fsck`"),
    (
        "/var/lib/flatpak/repo/objects",
        "Flatpak",
        "`flatpak repair`",
    ),
    ("/composefs", "composefs", "fs-verity"),
    ("/sysroot/composefs", "composefs", "fs-verity"),
    ("/nix/store", "Nix", "`nix-store --verify --check-contents`"),
    ("/gnu/store", "Guix", "`guix gc --verify=contents`"),
    ("/var/lib/docker", "Docker", "the daemon"),
    ("/var/lib/containerd", "containerd", "the daemon"),
    (
        "/var/lib/containers/storage",
        "Podman",
        "`podman system check`",
    ),
    (
        "/usr/lib/containers/storage",
        "Podman",
        "`podman system check`",
    ),
    ("/usr/lib/bootc/storage", "bootc", "`podman system check`"),
];

/// Whose repository everything outside of `/etc` and `/var` is deployed from.
const DEPLOYS: &str = "ostree";

/// Returns a residual for each rule and store that holds files which the rule edited, by whatever
/// name it did.
pub(super) fn residuals(draft: &Draft<'_>, before: &Rootfs) -> Vec<Residual> {
    let stores = STORES.map(|store| (store, before.open(store.0)));
    let mut stores: Vec<_> = stores
        .into_iter()
        .filter_map(|(store, id)| Some((store, id?)))
        .filter(|(_, id)| before.children(*id).next().is_some())
        .collect();
    let mut seen = BTreeSet::new();
    stores.retain(|(_, id)| seen.insert(*id));
    let mut found: BTreeMap<(usize, &str), (usize, BTreeSet<BString>)> = BTreeMap::new();
    for (number, ((path, _, _), id)) in stores.iter().enumerate() {
        let real = before.path(*id);
        for edit in &draft.edits {
            if is_in(before, edit, real.as_bstr()) {
                let of_rule = found.entry((edit.rule, path)).or_default();
                of_rule.0 = number;
                // Several names of one file are edited together.
                let id = before.locate(&edit.path).ok().and_then(|place| place.inode);
                of_rule
                    .1
                    .insert(id.map_or_else(|| edit.path.clone(), |id| before.path(id)));
            }
        }
    }
    let mut residuals = Vec::new();
    for ((rule, path), (number, edited)) in found {
        let (_, whose, finds) = stores[number].0;
        let (files, have) = match edited.len() {
            1 => ("1 edited file is".to_owned(), "it no longer has it"),
            n => (format!("{n} edited files are"), "they no longer have it"),
        };
        let message = format!(
            "{files} in the store of {whose}, which knows each object by its checksum: {have}, {finds} finds that, and a \
             repair or the next deployment takes the edit back; change what the store is built from"
        );
        residuals.push(Residual::of(
            rule,
            ResidualKind::Sealed,
            Place::new(path, None),
            message,
        ));
    }
    residuals.extend(not_deployed(draft, &stores, &residuals));
    residuals
}

/// Returns a residual for each rule whose edits of a deployed tree are not in ostree's repository.
fn not_deployed(
    draft: &Draft<'_>,
    stores: &[((&'static str, &str, &str), InodeId)],
    known: &[Residual],
) -> Vec<Residual> {
    let Some((store, _)) = stores.iter().find(|(store, _)| store.1 == DEPLOYS) else {
        return Vec::new();
    };
    let outside = |edit: &&Edit| {
        let top = [
            &b"/etc/"[..],
            b"/usr/etc/",
            b"/var/",
            b"/boot/",
            b"/sysroot/",
        ];
        let path = [edit.path.as_bytes(), b"/"].concat();
        !top.iter().any(|top| path.starts_with(top))
    };
    let mut rules: BTreeSet<usize> = draft
        .edits
        .iter()
        .filter(outside)
        .map(|edit| edit.rule)
        .collect();
    known
        .iter()
        .filter_map(|residual| residual.rule)
        .for_each(|rule| {
            rules.remove(&rule);
        });
    let message = "ostree deploys what is in its repository, which does not have the edits of this rule: commit the hardened \
        tree";
    let residual = |rule| {
        Residual::of(
            rule,
            ResidualKind::Sealed,
            Place::new(store.0, None),
            message,
        )
    };
    rules.into_iter().map(residual).collect()
}

/// Returns whether an edit is of something in a directory, by one of its names.
fn is_in(before: &Rootfs, edit: &Edit, directory: &BStr) -> bool {
    let below = |path: &[u8]| {
        let rest = path.strip_prefix(directory.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"/"))
    };
    if below(&edit.path) {
        return true;
    }
    let id = before.locate(&edit.path).ok().and_then(|place| place.inode);
    id.is_some_and(|id| {
        before.inode(id).links() > 1 && before.paths(id).iter().any(|path| below(path))
    })
}

/// Returns a residual for each rule that edited files with a signature of their content or
/// attributes, which the kernel may check before it opens them.
pub(super) fn signed(draft: &Draft<'_>, before: &Rootfs) -> Vec<Residual> {
    let mut found: BTreeMap<usize, BTreeSet<&BString>> = BTreeMap::new();
    for edit in &draft.edits {
        let Some(id) = before.locate(&edit.path).ok().and_then(|place| place.inode) else {
            continue;
        };
        let has = |name: &str| {
            before
                .inode(id)
                .metas()
                .any(|meta| meta.xattr(name).is_some())
        };
        let is_signed = match edit.change {
            Change::Content => has("security.ima") || has("security.evm"),
            Change::Mode { .. } | Change::Owner { .. } | Change::XattrRemoved { .. } => {
                has("security.evm")
            }
            Change::Removed | Change::Created => false,
        };
        if is_signed {
            found.entry(edit.rule).or_default().insert(&edit.path);
        }
    }
    let residual = |(rule, paths): (usize, BTreeSet<&BString>)| {
        let more = match paths.len() {
            1 => String::new(),
            n => format!(", as do {} more edited files", n - 1),
        };
        let message = format!(
            "has a signature (security.ima or security.evm){more}, which no longer fits: sign anew, or a kernel that checks \
             signatures does not open it"
        );
        let place = paths.first().map(|path| Place::new((*path).clone(), None));
        Residual::of(rule, ResidualKind::Sealed, place, message)
    };
    found.into_iter().map(residual).collect()
}
