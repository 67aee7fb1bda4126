//! The recipes that come with the program, and the ways to load any recipe: both need the table of rule kinds.

use std::path::Path;

use super::KINDS;
use crate::error::Result;
use crate::recipe::{Loader, Recipe, RuleSchema, Shipped};

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../recipes/", $name, ".ini")) }),*]
    };
}

impl Recipe {
    /// The recipes that can be named without a file: the bundles first, then what they are made of.
    pub const SHIPPED: &'static [Shipped] = shipped![];

    /// The schema of every rule kind.
    pub fn kinds() -> Vec<&'static RuleSchema> {
        KINDS.iter().map(|kind| kind.schema).collect()
    }

    /// Loads a recipe from a file, or a shipped one by its name.
    ///
    /// # Errors
    /// [`Error::Recipe`](crate::Error::Recipe) with every mistake in it, [`Error::Usage`](crate::Error::Usage) where there is
    /// no such recipe.
    pub fn load(spec: impl AsRef<Path>) -> Result<Self> {
        Self::load_all(&[spec], &[])
    }

    /// Loads several recipes side by side; `sets` fills in parameters.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_all(specs: &[impl AsRef<Path>], sets: &[(String, String)]) -> Result<Self> {
        Loader {
            kinds: &Self::kinds(),
            library: Self::SHIPPED,
            sets,
        }
        .load_all(specs)
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
        Loader {
            kinds: &Self::kinds(),
            library: Self::SHIPPED,
            sets: &[],
        }
        .parse(name, text)
    }
}
