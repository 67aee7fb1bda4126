//! Where the language meets the rules: everything that loads or explains recipes with all the rule
//! kinds of [`KINDS`].
//!
//! **Invariant.** No other file in `recipe/` knows a rule kind, so this one stands above `rules` in
//! the order of layers.

use std::path::Path;

use super::help;
use super::{Loader, Recipe, RuleKind, Shipped};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::rules::KINDS;
use crate::system::System;

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../recipes/", $name, ".ini")) }),*]
    };
}

impl Recipe {
    /// The recipes that can be named without a file: the bundles first, then what they are made of.
    pub const SHIPPED: &'static [Shipped] = shipped![
        "container",
        "container-linux",
        "host",
        "systemd-host",
        "etcd-tls",
        "fleet-off",
        "fleet-root-only",
        "locksmith-tls",
        "no-phone-home",
        "no-remote-login",
        "no-setid",
        "selinux-enforcing",
        "sshd-hardened",
        "unprivileged-core",
    ];

    /// Loads a recipe from a file, or a shipped one by its name.
    ///
    /// # Errors
    /// [`Error::Recipe`] with every mistake in it, [`Error::Usage`] if there is no such recipe.
    pub fn load(spec: impl AsRef<Path>) -> Result<Self> {
        Self::load_all(&[spec], &[])
    }

    /// Loads several recipes side by side; `sets` gives parameters their values.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_all(specs: &[impl AsRef<Path>], sets: &[(String, String)]) -> Result<Self> {
        loader(sets).load_all(specs)
    }

    /// Loads several recipes, each by itself: one that has mistakes hides no other's.
    ///
    /// # Errors
    /// [`Error::Usage`] if none of them has a parameter that `sets` names; inside, as
    /// [`load`](Self::load).
    pub fn load_each(
        specs: &[impl AsRef<Path>],
        sets: &[(String, String)],
    ) -> Result<Vec<Result<Self>>> {
        loader(sets).load_each(specs)
    }

    /// Reads a recipe from a text; `name` is what messages call it.
    ///
    /// ```
    /// let recipe = casehard::Recipe::parse("mine", "[Recipe]\nSchema=1\n[Mask sshd.socket]\n")?;
    /// assert_eq!(recipe.rules().len(), 1);
    /// # Ok::<(), casehard::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        loader(&[]).parse(name, text)
    }

    /// Loads the shipped recipe whose `[Match]` fits the image: whether it is a host or a container, by
    /// its init, and its os-release; `sets` gives parameters their values.
    ///
    /// # Errors
    /// [`Error::Usage`] with the list of recipes if none fits, or more than one.
    pub fn matching(image: &Image, sets: &[(String, String)]) -> Result<Self> {
        let system = System::read(&image.files()?)?;
        let mut fitting = Vec::new();
        for shipped in Self::SHIPPED {
            let recipe = Self::load(shipped.name)?;
            let rank = recipe.parts.first().and_then(|part| part.rank(&system));
            fitting.extend(rank.map(|rank| (rank, shipped.name)));
        }
        let best = fitting.iter().map(|(rank, _)| *rank).min();
        fitting.retain(|(rank, _)| Some(*rank) == best);
        if let [(_, name)] = fitting[..] {
            let mut recipe = Self::load_all(&[name], sets)?;
            recipe.chosen_for = Some(system.to_string());
            return Ok(recipe);
        }
        let names: Vec<&str> = Self::SHIPPED.iter().map(|s| s.name).collect();
        Err(Error::Usage(format!(
            "no shipped recipe is meant for this image ({system}); name one with -r: {}",
            names.join(", ")
        )))
    }

    /// Returns the shipped recipe of a name, with or without `.ini`.
    ///
    /// # Errors
    /// [`Error::Usage`] with the nearest name.
    pub fn shipped(name: &str) -> Result<Shipped> {
        loader(&[]).shipped(name)
    }

    /// Returns how each rule kind is written, such as `[Mask UNIT]`, and what it does, in a line.
    pub fn kinds() -> impl Iterator<Item = (String, &'static str)> {
        KINDS.iter().map(|kind| (kind.usage(), kind.summary))
    }

    /// Returns the help of a rule kind, by its name: plain text, lines of at most 80 characters.
    ///
    /// # Errors
    /// [`Error::Usage`] with the nearest name.
    pub fn help(kind: &str) -> Result<String> {
        Ok(help::text(loader(&[]).kind(kind)?))
    }

    /// Returns the reference of all rule kinds, as Markdown.
    pub fn reference() -> String {
        let parts: Vec<_> = KINDS.iter().map(|kind| help::markdown(kind)).collect();
        parts.join("\n")
    }
}

/// Returns the rule kind of a name.
pub(crate) fn kind(name: &str) -> Option<&'static RuleKind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

fn loader(sets: &[(String, String)]) -> Loader<'_> {
    Loader {
        kinds: KINDS,
        library: Recipe::SHIPPED,
        sets,
    }
}
