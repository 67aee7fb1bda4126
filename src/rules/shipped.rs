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
    pub const SHIPPED: &'static [Shipped] = shipped![
        "container",
        "container-linux",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::harness;
    use crate::{PlanOptions, WaiverState};

    #[test]
    fn every_shipped_recipe_is_right_and_says_why() {
        for shipped in Recipe::SHIPPED {
            let recipe = Recipe::load(shipped.name).unwrap_or_else(|error| panic!("{error}"));
            assert!(recipe.summary().is_some(), "{} has a summary", shipped.name);
            for rule in recipe.rules() {
                assert!(
                    rule.reason.is_some() && rule.reference.is_some(),
                    "{}: {} has reason and reference",
                    shipped.name,
                    rule.label()
                );
            }
        }
    }

    #[test]
    fn every_recipe_of_the_directory_is_shipped() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut shipped: Vec<String> = Recipe::SHIPPED
            .iter()
            .map(|s| format!("{}.ini", s.name))
            .collect();
        files.sort();
        shipped.sort();
        assert_eq!(files, shipped);
    }

    #[test]
    fn every_rules_example_is_a_recipe() {
        for kind in Recipe::kinds() {
            let text = format!("[Recipe]\nSchema=1\n{}", kind.example);
            Recipe::parse(kind.kind, &text).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn every_rule_can_be_waived_as_its_help_says() {
        let image = harness::open(
            "
file usr/lib/systemd/system/sshd.socket
| [Socket]
file usr/lib/systemd/system/fleet.socket
| [Socket]
file usr/lib/systemd/system/locksmithd.service
| [Service]
| ExecStart=/usr/lib/locksmith/locksmithd
file etc/passwd
| core:x:500:500::/:/bin/sh
file etc/group
| wheel:x:10:core
| docker:x:233:core
file etc/sudoers
| core ALL=(ALL) ALL
file usr/bin/su mode=4755
file bin/busybox mode=0755 content=busybox applets=[,cat,false,ls,rm,test,wget
symlink bin/wget -> busybox
file usr/bin/ssl_client
file etc/ssh/sshd_config
file etc/selinux/config
",
        );
        for kind in Recipe::kinds() {
            let waived = kind.waived.as_ref().expect("each rule can be waived");
            let text = format!(
                "[Recipe]\nSchema=1\n{}[Waive {}:{}]\nReason=x\nExpires=2030-01-01\n",
                kind.example, kind.kind, waived.example
            );
            let recipe = Recipe::parse(kind.kind, &text).unwrap();
            let options = PlanOptions::new().as_of(jiff::civil::date(2026, 1, 1));
            let plan = image.plan_with(&recipe, &options).unwrap();
            assert!(!plan.failed(), "{text}");
            assert_eq!(plan.waivers()[0].state, WaiverState::Used, "{text}");
        }
    }
}
