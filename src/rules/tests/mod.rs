//! Tests of all rule kinds, and of the recipes made of them.

mod etc_places;
pub(crate) mod harness;

use super::KINDS;
use crate::error::{Diagnostic, Error};
use crate::recipe::Recipe;
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
    for kind in KINDS {
        let text = format!("[Recipe]\nSchema=1\n{}", kind.example);
        Recipe::parse(kind.name, &text).unwrap_or_else(|error| panic!("{error}"));
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
    for kind in KINDS {
        let (_, waived) = kind.waived.expect("each rule can be waived");
        let text = format!(
            "[Recipe]\nSchema=1\n{}[Waive {}:{}]\nReason=x\nExpires=2030-01-01\n",
            kind.example, kind.name, waived
        );
        let recipe = Recipe::parse(kind.name, &text).unwrap();
        let options = PlanOptions::new().as_of(jiff::civil::date(2026, 1, 1));
        let plan = image.plan_with(&recipe, &options).unwrap();
        assert!(!plan.failed(), "{text}");
        assert_eq!(plan.waivers()[0].state, WaiverState::Used, "{text}");
    }
}

#[test]
fn a_probable_slip_reaches_the_terminal() {
    let image = harness::open(
        "dir etc/systemd/system\nfile usr/lib/systemd/system/a.service\n| [Service]\nfile etc/passwd\n| core:x:500:500::/:/bin/sh\n\
         file etc/group\n| wheel:x:10:\n",
    );
    let recipe = "[Recipe]\nSchema=1\n[DropIn a.service/a.conf]\nService.Quux=1\n[RemoveFromGroups core]\nGroup=whel\n";
    let recipe = Recipe::parse("r.ini", recipe).unwrap();
    let plan = image.plan(&recipe).unwrap();
    let summary = plan.report().summary();
    let warnings = summary.lines().filter(|line| line.starts_with("warning "));
    assert_eq!(
        Vec::from_iter(warnings),
        [
            "warning  casehard knows no setting Service.Quux of systemd; a version older than 259 passes over it (DropIn a.service/a.conf)",
            "warning  the image has no group whel; did you mean `wheel`? (RemoveFromGroups core)",
        ]
    );
}

#[test]
fn lines_of_other_files_are_refused_with_the_line_that_a_rule_takes() {
    let help = |text: &str| {
        let text = format!("[Recipe]\nSchema=1\n{text}\n");
        let Err(Error::Recipe(mistakes)) = Recipe::parse("r.ini", &text) else {
            panic!("{text}");
        };
        let shown = |mistake: &Diagnostic| mistake.help.clone().unwrap_or_default();
        mistakes.iter().map(shown).collect::<Vec<_>>().join("; ")
    };
    for (text, want) in [
        ("[SetKey /etc/a]\nSELINUX=x", "write `Set=SELINUX=x`"),
        (
            "[SetKey /etc/a]\nSet=SELINUX=enforcin",
            "did you mean `enforcing`?",
        ),
        ("[SetKey /etc/*]\nSet=A=b", "write a section for each path"),
        (
            "[SshdConfig /etc/a]\nPermitRootLogin=no",
            "write `Set=PermitRootLogin no`",
        ),
        (
            "[Permissions /a]\nOwner=root:adm",
            "write two lines: `Owner=root` and `Group=adm`",
        ),
        (
            "[Waive Remove:usr/bin/x]\nReason=x\nExpires=2030-01-01",
            "write `[Waive Remove:/usr/bin/x]`",
        ),
        (
            "[Waive StripSetid:su]\nReason=x\nExpires=2030-01-01",
            "write it as `[Waive StripSetid:/usr/bin/su]`",
        ),
        ("[RemoveApplets]\nApplet=wgte", "did you mean `wget`?"),
    ] {
        assert!(help(text).starts_with(want), "{text}: {}", help(text));
    }
}
