//! SELinux as the rootfs shows it: whether a policy is there that enforcing could enforce.

use bstr::ByteSlice;

use crate::edit::Draft;
use crate::rootfs::Node;

/// Whether `path` is the file that says how SELinux starts, by any of the names that it has in images.
pub(crate) fn is_config(path: &str) -> bool {
    path.ends_with("/selinux/config")
}

/// What would go wrong if SELinux enforced the policy that a config text names; the system would not boot without it.
pub(crate) fn policy_missing(draft: &Draft<'_>, config: &[u8]) -> Option<String> {
    let mut lines = config
        .lines()
        .filter_map(|line| line.trim().strip_prefix(b"SELINUXTYPE="));
    let policy = lines
        .next_back()
        .map_or_else(|| "targeted".into(), |name| name.trim().to_str_lossy());
    let rootfs = draft.rootfs();
    let found = ["/etc/selinux", "/usr/lib/selinux"]
        .into_iter()
        .any(|directory| {
            let policies = rootfs.open(format!("{directory}/{policy}/policy"));
            policies.is_some_and(|id| {
                rootfs.children(id).any(|(name, child)| {
                    name.starts_with(b"policy.")
                        && matches!(rootfs.inode(child.inode).node, Node::File(_))
                })
            })
        });
    (!found).then(|| {
        format!(
            "the image has no SELinux policy `{policy}`; with SELINUX=enforcing it would not boot"
        )
    })
}
