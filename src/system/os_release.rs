//! What os-release says of an image: which system it is.

use bstr::ByteSlice;

use crate::error::{Result, Stop};
use crate::rootfs::Files;

/// The fields of os-release that choose recipes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct OsRelease {
    /// `ID`, such as `debian`.
    pub(crate) id: String,
    /// The words of `ID_LIKE`.
    pub(crate) id_like: Vec<String>,
}

impl OsRelease {
    /// Reads it where os-release(5) says. An image without a readable one is of no known system.
    pub(crate) fn read(files: &Files<'_>) -> Result<Self> {
        for path in ["/etc/os-release", "/usr/lib/os-release"] {
            match files.text_at(path) {
                Ok(Some(text)) => return Ok(Self::parse(&text)),
                Ok(None) => {}
                Err(Stop::Failed(_)) => break,
                Err(Stop::Fatal(error)) => return Err(error),
            }
        }
        Ok(Self::default())
    }

    /// Returns how well it fits a recipe that is meant for these systems: 0 by `ID`, 1 by `ID_LIKE`.
    pub(crate) fn rank(&self, os_ids: &[String]) -> Option<u8> {
        if os_ids.contains(&self.id) {
            return Some(0);
        }
        let mut like = self.id_like.iter();
        like.any(|id| os_ids.contains(id)).then_some(1)
    }

    fn parse(text: &[u8]) -> Self {
        let mut fields = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once_str("=") else {
                continue;
            };
            let value = value.trim().trim_with(|c| matches!(c, '"' | '\''));
            let value = value.to_str_lossy().into_owned();
            match key {
                b"ID" => fields.id = value,
                b"ID_LIKE" => fields.id_like = value.split_whitespace().map(String::from).collect(),
                _ => {}
            }
        }
        fields
    }

    /// Returns whether `/usr` is sealed by dm-verity when this system boots, so that an edit below it needs new hashes.
    pub(crate) fn seals_usr(&self) -> bool {
        ["coreos", "flatcar"].contains(&self.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_and_without_quotes() {
        let text = b"# c\nNAME=\"Flatcar\"\nID=flatcar\nID_LIKE=\"coreos gentoo\"\nVERSION_ID='1'\nbroken\n";
        let want = OsRelease {
            id: "flatcar".into(),
            id_like: vec!["coreos".into(), "gentoo".into()],
        };
        assert_eq!(OsRelease::parse(text), want);
        assert_eq!(OsRelease::parse(b"ID='debian'").id, "debian");
        assert_eq!(OsRelease::parse(b"\xff=\xff\n"), OsRelease::default());
    }
}
