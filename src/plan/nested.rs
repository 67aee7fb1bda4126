//! A root file system that was packed one folder down, so that no rule would find anything.

use bstr::{BString, ByteSlice};

use crate::rootfs::{InodeId, Rootfs};

/// Returns the folder that looks like the root, if the root does not.
pub(super) fn folder(rootfs: &Rootfs) -> Option<BString> {
    const TOP: [&str; 5] = ["bin", "etc", "lib", "sbin", "usr"];
    let is_there = |name: &&str| rootfs.child(Rootfs::ROOT, name.as_bytes()).is_some();
    if TOP.iter().any(is_there) {
        return None;
    }
    let mut children = rootfs.children(Rootfs::ROOT);
    let (name, _) = children.find(|(_, child)| looks_like_root(rootfs, child.inode))?;
    Some(name.to_owned())
}

/// Returns what to do about it.
pub(super) fn message(folder: &BString) -> String {
    let folder = folder.to_str_lossy();
    format!(
        "the root file system is one folder down, in {folder}/, where no rule looks; `--root {folder}/` takes that folder for \
         the root, and `--allow-nested` the archive as it is"
    )
}

fn looks_like_root(rootfs: &Rootfs, directory: InodeId) -> bool {
    let has = |name: &str| rootfs.child(directory, name.as_bytes()).is_some();
    let has_any = |names: &[&str]| names.iter().any(|name| has(name));
    rootfs.inode(directory).is_directory() && has("etc") && has_any(&["bin", "lib", "sbin", "usr"])
}

#[cfg(test)]
mod tests {
    use crate::plan::PlanOptions;
    use crate::recipe::Recipe;
    use crate::rules::harness::open;

    #[test]
    fn a_root_one_folder_down_is_refused_unless_that_is_allowed() {
        let recipe = Recipe::parse("test", "[Recipe]\nSchema=1\n[StripSetid]\n").unwrap();
        let nested =
            open("file config.json\nfile rootfs/etc/passwd\nfile rootfs/usr/bin/su mode=4755\n");
        let error = nested.plan(&recipe).unwrap_err().to_string();
        assert!(error.contains("`--root rootfs/`"), "{error}");
        let options = PlanOptions::new().allow_nested(true);
        assert_eq!(
            nested.plan_with(&recipe, &options).unwrap().edits().len(),
            1
        );
        for image in [
            "file etc/a\nfile rootfs/etc/passwd\nfile rootfs/usr/a\nfile usr/a\n",
            "file a/etc/x\n",
            "file usr/share/a/etc/x\nfile usr/share/a/usr/x\n",
            "file usr/etc/a\nfile usr/lib/a\n",
        ] {
            assert!(open(image).plan(&recipe).is_ok(), "{image}");
        }
    }
}
