//! A folder of an archive that stands for the root: a rootfs that was packed one folder down.

use bstr::{BStr, BString, ByteSlice};

use super::{Entry, EntryKind, Image};
use crate::error::{Error, Result};

/// The folder, and how the archive writes it.
#[derive(Clone, Debug)]
pub(super) struct Root {
    /// Without slashes at its ends.
    path: BString,
    /// What stands before the names in it, such as `./rootfs/`.
    prefix: BString,
}

impl Root {
    /// Finds a folder in an image.
    pub(super) fn find(image: &Image, folder: &str) -> Result<Self> {
        let path = folder.trim_start_matches("./").trim_matches('/');
        if path.is_empty() || path.split('/').any(|name| matches!(name, "" | "." | "..")) {
            let message =
                format!("--root {folder}: name a folder of the archive, such as `rootfs/`");
            return Err(Error::Usage(message));
        }
        let inside = |entry: Entry<'_>| {
            let rest = inside(entry.path, path.as_bytes()).filter(|rest| !rest.is_empty())?;
            Some(entry.path[..entry.path.len() - rest.len()].into())
        };
        match image.entries().find_map(inside) {
            Some(prefix) => Ok(Self {
                path: path.into(),
                prefix,
            }),
            None => Err(Error::image(
                image.name(),
                format!("the archive has nothing in {path}/, which --root names"),
            )),
        }
    }

    /// Returns an entry with its names seen from the folder, or none for one outside. The link of a
    /// hard link that leads out is left out, too.
    fn seen<'a>(&self, mut entry: Entry<'a>) -> Option<Entry<'a>> {
        let within = |path: &'a BStr| match inside(path, &self.path)? {
            b"" => Some(BStr::new(".")),
            rest => Some(rest.as_bstr()),
        };
        entry.path = within(entry.path)?;
        if entry.kind == EntryKind::HardLink {
            entry.link = within(entry.link).unwrap_or_default();
        }
        Some(entry)
    }
}

impl Image {
    /// Returns the entries of the root with their numbers, by their names as they are seen from
    /// there.
    pub(crate) fn rooted_entries(&self) -> impl Iterator<Item = (u32, Entry<'_>)> {
        let all = (0u32..).zip(self.entries());
        all.filter_map(|(number, entry)| match &self.root {
            Some(root) => Some((number, root.seen(entry)?)),
            None => Some((number, entry)),
        })
    }

    /// Returns an entry of the root, seen from there.
    pub(crate) fn rooted_entry(&self, number: u32) -> Entry<'_> {
        let (_, entry) = self.entry(number);
        let seen = self.root.as_ref().and_then(|root| root.seen(entry));
        seen.unwrap_or(entry)
    }

    /// Returns the name that the archive gives a path of the root.
    pub(crate) fn name_in_archive(&self, path: BString) -> BString {
        let Some(root) = &self.root else {
            return path;
        };
        let rest = path.strip_prefix(b"./").unwrap_or(&path);
        let rest = rest.trim_start_with(|c| c == '/');
        [root.prefix.as_slice(), rest].concat().into()
    }
}

/// Returns what is left of an archive's name in a folder.
fn inside<'a>(path: &'a [u8], folder: &[u8]) -> Option<&'a [u8]> {
    let mut rest = path;
    while let Some(after) = rest.strip_prefix(b"./").or_else(|| rest.strip_prefix(b"/")) {
        rest = after;
    }
    let rest = rest.strip_prefix(folder)?;
    match rest.first() {
        None => Some(rest),
        Some(b'/') => Some(rest.trim_start_with(|c| c == '/')),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::image::{Image, OpenOptions};
    use crate::recipe::Recipe;

    fn open(description: &str, folder: &str) -> crate::error::Result<Image> {
        let bytes = casehard_testimages::build(description).unwrap();
        OpenOptions::new()
            .root(Some(folder))
            .read("test.tar", &bytes[..])
    }

    #[test]
    fn a_folder_stands_for_the_root_and_the_rest_stays() {
        for prefix in ["", "./"] {
            let image = open(
                &format!(
                    "file {prefix}config.json\n| a\ndir {prefix}rootfs\ndir {prefix}rootfs/etc\n\
                     file {prefix}rootfs/bin/su mode=4755\nhardlink {prefix}rootfs/bin/b -> {prefix}rootfs/bin/su\n\
                     file {prefix}bin/su mode=4755\n"
                ),
                "rootfs/",
            )
            .unwrap();
            let rules = "[Recipe]\nSchema=1\n[StripSetid]\n[Remove /bin/su]\n[WriteFile /etc/issue]\nLine=x\n";
            let recipe = Recipe::parse("test", rules).unwrap();
            let plan = image.plan(&recipe).unwrap();
            let mut out = Vec::new();
            plan.write_to(&mut out, &crate::write::WriteOptions::new())
                .unwrap();
            let image = OpenOptions::new().read("out.tar", &out[..]).unwrap();
            let entries = image.entries();
            let shown: Vec<String> = entries
                .map(|entry| format!("{} {:o}", entry.path, entry.meta.mode))
                .collect();
            let want = [
                "config.json 644",
                "rootfs/ 755",
                "rootfs/etc/ 755",
                "rootfs/bin/b 755",
                "bin/su 4755",
                "rootfs/etc/issue 644",
            ];
            let want = want.map(|name| format!("{prefix}{name}"));
            let plain = |names: &[String]| {
                names
                    .iter()
                    .map(|name| name.replace("/ ", " "))
                    .collect::<Vec<_>>()
            };
            assert_eq!(plain(&shown), plain(&want));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_refused() {
        let error = open("file rootfsx/a\n", "rootfs").unwrap_err();
        assert_eq!(
            error.to_string(),
            "test.tar: the archive has nothing in rootfs/, which --root names"
        );
        assert!(
            open("file a\n", "../a")
                .unwrap_err()
                .to_string()
                .contains("name a folder")
        );
        let out = open("file a\nhardlink rootfs/b -> a\n", "rootfs").unwrap();
        let error = out.files().unwrap_err().to_string();
        assert!(error.contains("b links to a file outside"), "{error}");
    }
}
