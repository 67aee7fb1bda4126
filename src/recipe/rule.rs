//! What every rule is, and what it reads itself from.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::edit::{Applied, Draft};

use super::Setting;
use super::schema::OnMissing;
use super::value::Value;

/// One rule, read from its section once.
pub(crate) trait Rule: fmt::Debug + Send + Sync + RefUnwindSafe + UnwindSafe {
    /// Reads the rule from a section. All values have the form that the kind's row asks for.
    fn parse(fields: &Fields<'_>) -> Self
    where
        Self: Sized;

    /// Brings about what the section asks for. Makes no edit on a rootfs that has it already.
    fn apply(&self, draft: &mut Draft<'_>) -> Applied;
}

/// A section's argument and settings, merged, with parameters filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) argument: &'a str,
    /// The argument as its check read it.
    pub(super) read: &'a Value,
    pub(super) settings: &'a [Setting],
    pub(crate) on_missing: OnMissing,
}

impl<'a> Fields<'a> {
    /// Returns the two parts of an argument such as `UNIT/NAME.conf`.
    pub(crate) fn argument_pair(&self) -> (String, String) {
        self.read.as_pair().unwrap_or_default()
    }

    /// Returns the value of a key that is given once.
    pub(crate) fn text(&self, key: &'a str) -> Option<&'a str> {
        self.of(key).last().map(|setting| setting.value.as_str())
    }

    /// Returns all values of a key, in order.
    pub(crate) fn texts(&self, key: &'a str) -> Vec<String> {
        self.of(key).map(|setting| setting.value.clone()).collect()
    }

    /// Returns both parts of each value of a key such as `Set=NAME=VALUE`, in order.
    pub(crate) fn pairs(&self, key: &'a str) -> Vec<(String, String)> {
        self.of(key)
            .filter_map(|setting| setting.read.as_pair())
            .collect()
    }

    /// Returns the settings whose keys have the form `Section.Key`, as section, key and value.
    pub(crate) fn open(&self) -> Vec<(String, String, String)> {
        let open = self.settings.iter().filter_map(|setting| {
            let (section, key) = setting.key.split_once('.')?;
            Some((section.to_owned(), key.to_owned(), setting.value.clone()))
        });
        open.collect()
    }

    /// Returns the file mode that a key gives.
    pub(crate) fn mode(&self, key: &'a str) -> Option<u32> {
        match self.of(key).last()?.read {
            Value::Mode(mode) => Some(mode),
            _ => None,
        }
    }

    /// Returns whether a key has this value.
    pub(crate) fn is(&self, key: &'a str, value: &str) -> bool {
        self.text(key) == Some(value)
    }

    fn of(&self, key: &'a str) -> impl Iterator<Item = &'a Setting> + use<'a> {
        self.settings
            .iter()
            .filter(move |setting| setting.key == key)
    }
}
