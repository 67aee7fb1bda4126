//! Finds archives that are not a root file system: an image packed with its layers, a tree one
//! folder down, a part of an image.
//!
//! A rule finds nothing to do in these, which reads like a hardened system. So an archive that is
//! certainly not a root file system is refused, and one that may be a part on purpose is noted.

use std::path::Path;

use bstr::{BString, ByteSlice};

use super::{Content, InodeId, Node, Rootfs};
use crate::error::{Error, Result};
use crate::image::Image;

/// Files at the root of an archive of layers, words that each holds, and what such an archive is.
const PACKED: [(&str, &[&str], &str); 2] = [
    ("oci-layout", &["imageLayoutVersion"], "an OCI image layout"),
    (
        "manifest.json",
        &["\"Config\"", "\"Layers\""],
        "what `docker save` writes",
    ),
];

/// A manifest has some kilobytes.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// The prefix by which a layer says that a file of a lower layer is gone.
const WHITEOUT: &[u8] = b".wh.";

/// Refuses an image whose file trees are archives within it, unless it is a system that has such archives too.
pub(super) fn refuse_packed(image: &Image, rootfs: &Rootfs) -> Result<()> {
    let has = |name: &str| rootfs.child(Rootfs::ROOT, name.as_bytes()).is_some();
    if has("etc") || has("usr") {
        return Ok(());
    }
    for (name, words, what) in PACKED {
        let Some(file) = rootfs.child(Rootfs::ROOT, name.as_bytes()) else {
            continue;
        };
        let Node::File(Content::Entry(number, _)) = &rootfs.inode(file.inode).node else {
            continue;
        };
        let (layer, entry) = image.entry(*number);
        let text = layer.bytes(entry.data_range(), MANIFEST_LIMIT);
        let text = text.map_err(Error::io("read", Path::new(image.name())))?;
        if words.iter().all(|word| text.contains_str(word)) {
            return Err(Error::Image {
                image: image.name().to_owned(),
                offset: Some(entry.start),
                message: format!(
                    "this is {what}: an archive of layers, not a root file system; give the output of `docker export` for a container made from it"
                ),
            });
        }
    }
    Ok(())
}

impl Rootfs {
    /// Returns why this may not be a root file system, or only a part of one.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let top = ["etc", "usr"].map(|name| self.child(Self::ROOT, name.as_bytes()));
        if top.iter().all(Option::is_none) {
            let mut children = self.children(Self::ROOT);
            let below = children.find(|(_, child)| self.is_system(child.inode));
            doubts.push(match below {
                Some((name, _)) => format!(
                    "the root file system is not at the archive's root but in {name}, where no rule looks; pack that folder's contents, as `tar -C {name} -c .` does"
                ),
                None => "the archive has neither etc nor usr: it is not a root file system, or only a small part of one".to_owned(),
            });
        }
        let (whiteouts, first) = self.whiteouts();
        if let Some(first) = first {
            doubts.push(format!(
                "the archive is a layer of an image: {first} and so on, {whiteouts} in all, remove files of the layers below; casehard neither sees nor hardens those layers"
            ));
        }
        doubts
    }

    /// Returns whether this is one layer of an image, which removes files of the layers below.
    pub(crate) fn is_layer(&self) -> bool {
        self.whiteouts().0 > 0
    }

    /// Returns how many names remove files of the layers below, and the first one.
    fn whiteouts(&self) -> (usize, Option<BString>) {
        let (mut whiteouts, mut first) = (0, None);
        self.visit(Self::ROOT, |path, _| {
            if is_whiteout(path) {
                whiteouts += 1;
                first.get_or_insert_with(|| BString::from(path));
            }
        });
        (whiteouts, first)
    }

    fn is_system(&self, directory: InodeId) -> bool {
        let has = |path: &&str| self.at_from(directory, path.as_bytes()).is_some();
        let mut paths = ["etc/passwd", "etc/os-release", "usr/lib/os-release"].iter();
        paths.any(has)
    }
}

fn is_whiteout(path: &[u8]) -> bool {
    path.rsplit_once_str("/")
        .is_some_and(|(_, name)| name.starts_with(WHITEOUT))
}

#[cfg(test)]
mod tests {
    use crate::image::{Image, OpenOptions};

    fn open(image: &str) -> Image {
        let bytes = casehard_testimages::build(image).unwrap();
        OpenOptions::new().read("t.tar", &bytes[..]).unwrap()
    }

    #[track_caller]
    fn doubts(image: &str, want: &[&str]) {
        let doubts = open(image).rootfs().unwrap().doubts();
        assert_eq!(doubts.len(), want.len(), "{doubts:?}");
        for (doubt, want) in doubts.iter().zip(want) {
            assert!(doubt.contains(want), "{doubt}");
        }
    }

    #[test]
    fn a_part_or_a_folder_that_holds_the_rest_is_doubted() {
        doubts("file etc/passwd\n", &[]);
        doubts("symlink etc -> usr/etc\nfile usr/etc/passwd\n", &[]);
        doubts("file srv/rootfs/etc/passwd\nfile usr/bin/sh\n", &[]);
        for part in ["file app\n", "file opt/etc/app.conf\n"] {
            doubts(part, &["neither etc nor usr"]);
        }
        doubts(
            "file ./rootfs/etc/passwd\n",
            &["in rootfs, where no rule looks"],
        );
        doubts(
            "file etc/.wh.motd\nfile usr/.wh..wh..opq\n",
            &["/etc/.wh.motd and so on, 2 in all"],
        );
        doubts("file etc/.whatever\nfile etc/a.wh.b\n", &[]);
    }

    #[test]
    fn archives_of_layers_are_refused() {
        let check = |image: &str, want: &str| {
            let said = open(image).rootfs().map(drop).map_err(|e| e.to_string());
            let said = said.err().unwrap_or_default();
            assert!(
                said.contains(want) && said.is_empty() == want.is_empty(),
                "{said}"
            );
        };
        check(
            "file oci-layout\n| {\"imageLayoutVersion\": \"1.0.0\"}\n",
            "this is an OCI image layout",
        );
        check(
            "file ./manifest.json\n| [{\"Config\":\"a.json\",\"RepoTags\":null,\"Layers\":[]}]\n",
            "this is what `docker save` writes",
        );
        check("file manifest.json\n| {\"name\": \"a web page's\"}\n", "");
        check("dir oci-layout\nfile etc/manifest.json\n", "");
    }
}
