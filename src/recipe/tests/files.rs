//! Recipes that are files.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{LOADER, Loader, Recipe, headed, shown};
use crate::error::Result;

fn load(spec: impl AsRef<Path>) -> Result<Recipe> {
    LOADER.load_all(&[spec])
}

struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let directory = TempDir::new().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The rules or the mistakes of a file, with names relative to the directory.
    fn read(&self, name: &str) -> String {
        let text = match load(self.path(name)) {
            Ok(recipe) => shown(&recipe),
            Err(error) => error.to_string(),
        };
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

#[test]
fn names_start_at_the_file_that_extends() {
    let files = Files::new(&[
        ("top.ini", headed("Extends=sub/a.ini").as_bytes()),
        (
            "sub/a.ini",
            headed("Extends=b.ini\nExtends=../c.ini\n[Mask a.service]").as_bytes(),
        ),
        (
            "sub/b.ini",
            headed("Extends=../c.ini\n[Mask b.service]").as_bytes(),
        ),
        ("c.ini", headed("Extends=base\n[Mask c.service]").as_bytes()),
        // The file beside it comes before a shipped recipe of that name.
        ("base", headed("[Mask base.service]").as_bytes()),
        ("bare.ini", headed("Extends=sub/b").as_bytes()),
    ]);
    assert_eq!(
        files.read("bare.ini"),
        "Mask base.service (fail)\nMask c.service (fail)\nMask b.service (fail)\n"
    );
    assert_eq!(
        files.read("top.ini"),
        "Mask base.service (fail)\nMask c.service (fail)\nMask b.service (fail)\nMask a.service (fail)\n"
    );
    let recipe = load(files.path("top.ini")).unwrap();
    assert_eq!(recipe.sources().len(), 5);
}

#[test]
fn a_circle_shows_its_chain() {
    let files = Files::new(&[
        ("top.ini", headed("Extends=a.ini").as_bytes()),
        ("a.ini", headed("Extends=b.ini").as_bytes()),
        ("b.ini", headed("Extends=./a.ini").as_bytes()),
    ]);
    assert_eq!(
        files.read("top.ini"),
        "b.ini:3:9: this recipe extends itself (help: take one out of a.ini → b.ini → ./a.ini)"
    );
}

#[test]
fn extending_has_a_depth() {
    let texts: Vec<_> = (0..=20)
        .map(|n| {
            (
                format!("{n}.ini"),
                headed(&format!("Extends={}.ini", n + 1)),
            )
        })
        .collect();
    let files: Vec<_> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    assert_eq!(
        Files::new(&files).read("0.ini"),
        "15.ini:3:9: more than 16 recipes extend one another (help: join some of them)"
    );
}

#[test]
fn two_sections_of_one_file_cannot_be_extended_by_one() {
    let files = Files::new(&[
        (
            "a.ini",
            headed("[Mask a.service]\n[Mask a.service]").as_bytes(),
        ),
        (
            "b.ini",
            headed("Extends=a.ini\n[Mask a.service]").as_bytes(),
        ),
    ]);
    assert_eq!(
        files.read("b.ini"),
        "b.ini:4:1: `[Mask a.service]` could extend more than one section; a.ini:3:1: the first one; \
         a.ini:4:1: the second one (help: write one section of those)"
    );
}

#[test]
fn mistakes_of_all_files_come_at_once() {
    let files = Files::new(&[
        (
            "a.ini",
            headed("Extends=b.ini\nExtends=c.ini\n[Maks]").as_bytes(),
        ),
        ("b.ini", headed("[StripSetid]\nKeep=x").as_bytes()),
    ]);
    assert_eq!(
        files.read("a.ini"),
        "a.ini:4:9: no recipe `c.ini` is beside this one or shipped (help: shipped are `base`, `coreos-hardening`)\n\
         a.ini:5:2: unknown section `Maks` (help: did you mean `Mask`?)\n\
         b.ini:4:6: `x` does not start at the root (help: write `/x`)"
    );
}

#[test]
fn a_file_is_text_and_not_large() {
    let large = vec![b'#'; (1 << 20) + 1];
    let files = Files::new(&[
        ("latin.ini", b"[Recipe]\nSchema=1\nSummary=gr\xfcn"),
        ("nul.ini", b"[Recipe]\nSchema=1\n\0"),
        ("large.ini", &large),
        (
            "fits.ini",
            &[b"[Recipe]\nSchema=1\n", &large[..(1 << 20) - 18]].concat(),
        ),
    ]);
    assert_eq!(
        files.read("latin.ini"),
        "latin.ini:3:11: not a text file: what follows is not UTF-8 (help: store the recipe as UTF-8)"
    );
    assert_eq!(
        files.read("nul.ini"),
        "nul.ini:3:1: not a text file: it contains NUL"
    );
    assert_eq!(
        files.read("large.ini"),
        "large.ini:1:1: this file is larger than 1 MiB (help: check that it is a recipe)"
    );
    assert_eq!(files.read("fits.ini"), "");
}

#[test]
fn a_name_is_a_files_or_a_shipped_recipes() {
    for name in ["coreos-hardening", "coreos-hardening.ini"] {
        let recipe = load(name).unwrap();
        assert_eq!(recipe.name(), "recipe:coreos-hardening");
    }
    for (name, expected) in [
        ("bas", "no recipe `bas` is shipped; did you mean `base`?"),
        (
            "zzz.ini",
            "no file `zzz.ini` is here, and no recipe `zzz.ini` is shipped; shipped are `base`, `coreos-hardening`",
        ),
        ("./no/such.ini", "there is no recipe ./no/such.ini"),
        (
            "Cargo.toml",
            "no recipe `Cargo.toml` is shipped; shipped are `base`, `coreos-hardening`; \
             to read the file, write `./Cargo.toml`",
        ),
    ] {
        assert_eq!(load(name).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_parameter_of_any_of_several_recipes_can_be_set() {
    let sets = [("User".to_owned(), "root".to_owned())];
    let loader = Loader {
        sets: &sets,
        ..LOADER
    };
    let files = Files::new(&[("a.ini", headed("[Mask a.service]").as_bytes())]);
    let a = files.path("a.ini");
    let recipe = loader
        .load_all(&[a.clone(), PathBuf::from("base")])
        .unwrap();
    assert_eq!(recipe.rules()[1].label(), "RemoveFromGroups root");
    assert_eq!(
        loader.load_all(&[a]).unwrap_err().to_string(),
        "no recipe has a parameter `User`: the recipe has no `[Params]`"
    );
    let none: [&str; 0] = [];
    assert_eq!(
        loader.load_all(&none).unwrap_err().to_string(),
        "no recipe is given"
    );
}

#[test]
fn shipped_recipes_and_kinds_are_found_by_name() {
    assert_eq!(LOADER.shipped("base.ini").unwrap().name, "base");
    assert_eq!(LOADER.kind("Mask").unwrap().usage(), "[Mask UNIT]");
    assert_eq!(
        LOADER.shipped("coreos-hardned").unwrap_err().to_string(),
        "no recipe `coreos-hardned` is shipped; did you mean `coreos-hardening`?"
    );
    assert_eq!(
        LOADER.kind("mask").unwrap_err().to_string(),
        "no rule is called `mask`; did you mean `Mask`?"
    );
    assert_eq!(
        LOADER.kind("Firewall").unwrap_err().to_string(),
        "no rule is called `Firewall`; the rules are `Mask`, `DropIn`, `RemoveFromGroups`, `StripSetid`, `Permissions`"
    );
}

#[test]
fn what_is_no_recipe_is_not_shown() {
    let files = Files::new(&[
        ("top.ini", headed("Extends=passwd").as_bytes()),
        ("passwd", b"root:x:0:0\nuser:x:1:1\n"),
        ("other.ini", headed("Extends=keys").as_bytes()),
        ("keys", b"[login]\nsecret=hunter2\n"),
        ("third.ini", headed("Extends=bytes").as_bytes()),
        ("bytes", b"secret=hunter2\xe9\n"),
    ]);
    let said = files.read("third.ini");
    assert!(
        said.contains("`bytes` is not a recipe: ") && !said.contains("hunter2"),
        "{said}"
    );
    for (name, extended) in [("top.ini", "passwd"), ("other.ini", "keys")] {
        let said = files.read(name);
        let expected = format!("`{extended}` is not a recipe: it has no section `[Recipe]`");
        assert!(
            said.ends_with(&expected) && said.lines().count() == 1,
            "{said}"
        );
    }
    // Who names it himself is told what is wrong with it.
    assert!(files.read("keys").contains("login"));
}
