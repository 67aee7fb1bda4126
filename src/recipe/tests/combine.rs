//! Extending, and recipes side by side.

use super::{LOADER, Loader, Shipped, recipe, shown};

#[test]
fn what_extends_adds_and_replaces() {
    let recipe = recipe(
        "Extends=base\n[Match]\nOsId=flatcar\n\
         [Mask a.service]\n\
         [RemoveFromGroups core]\nGroup=rkt\nReference=guide\n\
         [Permissions /etc/shadow]\nMode=0600\nOnMissing=",
    );
    assert_eq!(
        shown(&recipe),
        "RemoveFromGroups core Group=wheel Group=docker Group=rkt because \"least privilege\" (fail)\n\
         Permissions /etc/shadow Mode=0600 (warn)\n\
         Mask a.service (fail)\n"
    );
    assert_eq!(recipe.os_ids(), ["flatcar"]);
    assert_eq!(recipe.summary(), None);
    let names: Vec<_> = recipe.sources().iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["r.ini", "recipe:base"]);
    let settings = &recipe.rules()[0].settings;
    let places: Vec<_> = settings.iter().map(|s| s.at.to_string()).collect();
    assert_eq!(
        places,
        ["recipe:base:10:1", "recipe:base:11:1", "r.ini:8:1"]
    );
}

#[test]
fn a_reason_beside_other_keys_is_theirs() {
    let text =
        "Extends=base\n[RemoveFromGroups core]\nGroup=rkt\nReason=no containers\nReference=guide";
    let once = recipe(text);
    let rule = &once.rules()[0];
    assert_eq!(
        (rule.reason.as_deref(), rule.reference.as_deref()),
        (Some("least privilege"), None)
    );
    let additions: Vec<String> = rule.additions.iter().map(ToString::to_string).collect();
    assert_eq!(additions, ["Group=rkt (r.ini:4): no containers (guide)"]);

    // What a later recipe takes back has no reason any more; its own stands.
    let loader = Loader {
        library: &[
            LOADER.library[0],
            Shipped {
                name: "ours",
                text: "[Recipe]\nSchema=1\nExtends=base\n[RemoveFromGroups core]\nGroup=rkt\nReason=no containers",
            },
        ],
        ..LOADER
    };
    let theirs = "[Recipe]\nSchema=1\nExtends=ours\n[RemoveFromGroups core]\nGroup=\nGroup=adm\nReason=logs\n\
                  [Permissions /etc/shadow]\nOnMissing=skip\nReason=may be absent";
    let twice = loader.parse("theirs.ini", theirs).unwrap();
    let additions = twice.rules().iter().flat_map(|rule| &rule.additions);
    let additions: Vec<String> = additions.map(ToString::to_string).collect();
    assert_eq!(
        additions,
        [
            "Group=, Group=adm (theirs.ini:4): logs",
            "OnMissing=skip (theirs.ini:8): may be absent"
        ]
    );
}

#[test]
fn what_the_one_that_extends_does_not_say_stays() {
    let loader = Loader {
        library: &[Shipped {
            name: "guide",
            text: "[Recipe]\nSchema=1\n[Permissions /a]\nMode=0640\nReference=page 1\nOnMissing=skip",
        }],
        ..LOADER
    };
    let recipe = loader
        .parse(
            "r.ini",
            "[Recipe]\nSchema=1\nExtends=guide\n[Permissions /a]\nReason=x",
        )
        .unwrap();
    assert_eq!(
        shown(&recipe),
        "Permissions /a Mode=0640 because \"x\" see \"page 1\" (skip)\n"
    );
}

#[test]
fn an_empty_value_resets_what_is_inherited() {
    assert_eq!(
        shown(&recipe(
            "Extends=base\n[RemoveFromGroups core]\nGroup=\nGroup=rkt\nReason="
        )),
        "RemoveFromGroups core Group=rkt (fail)\nPermissions /etc/shadow Mode=0640 (fail)\n"
    );
    super::check(
        "Extends=base\n[RemoveFromGroups core]\nGroup=",
        "recipe:base:8:1: `[RemoveFromGroups core]` needs `Group=` (help: add a line `Group=NAME`)",
    );
}

#[test]
fn the_default_of_what_extends_wins() {
    assert_eq!(
        shown(&recipe("Extends=base\n[Params]\nUser=admin")),
        "RemoveFromGroups admin Group=wheel Group=docker because \"least privilege\" (fail)\n\
         Permissions /etc/shadow Mode=0640 (fail)\n"
    );
}

#[test]
fn a_recipe_reached_twice_is_read_once() {
    let recipe = recipe("Extends=base\nExtends=coreos-hardening.ini");
    assert_eq!(
        shown(&recipe),
        "RemoveFromGroups core Group=wheel Group=docker because \"least privilege\" (fail)\n\
         Permissions /etc/shadow Mode=0640 (fail)\n\
         Mask sshd.socket (fail)\n"
    );
    assert_eq!(recipe.sources().len(), 3);
}

#[test]
fn what_extends_knows_which_section_it_adds_to() {
    super::check(
        "Extends=base\n[RemoveFromGroups core]\nGroup=a\n[RemoveFromGroups core]\nGroup=b",
        "r.ini:6:1: `[RemoveFromGroups core]` extends a section that another one extends already; \
         r.ini:4:1: the first one; recipe:base:8:1: what they extend (help: write one section of both)",
    );
}

#[test]
fn side_by_side_nothing_is_merged_but_what_is_the_same() {
    let one = recipe(
        "Summary=one\n[Mask a.service]\n[RemoveFromGroups core]\nGroup=a\nReason=x\n\
         [Waive Mask:a.service]\nReason=x\nExpires=2026-01-01",
    );
    let two = LOADER
        .parse(
            "two.ini",
            "[Recipe]\nSchema=1\n[Match]\nOsId=a\n[Mask a.service]\nReason=y\n[Mask a.service]\nOnMissing=skip\n\
             [RemoveFromGroups core]\nGroup=b\nReason=x",
        )
        .unwrap();
    let both = one.and(two);
    assert_eq!(
        shown(&both),
        "Mask a.service because \"y\" (fail)\n\
         RemoveFromGroups core Group=a because \"x\" (fail)\n\
         Mask a.service (skip)\n\
         RemoveFromGroups core Group=b because \"x\" (fail)\n"
    );
    assert_eq!(both.name(), "r.ini + two.ini");
    assert_eq!(both.summary(), Some("one"));
    assert_eq!(both.parts()[1].os_ids, ["a"]);
    assert_eq!(both.waivers().len(), 1);
    assert_eq!(both.sources().len(), 2);
}

#[test]
fn side_by_side_all_waivers_count_and_no_source_is_there_twice() {
    let two = "[Recipe]\nSchema=1\nExtends=base\n[Mask a.service]\nReference=guide\n\
               [Waive Mask:a.service]\nReason=x\nExpires=2026-01-01";
    let both = recipe("Extends=base\n[Mask a.service]").and(LOADER.parse("two.ini", two).unwrap());
    assert_eq!(
        shown(&both).lines().last(),
        Some("Mask a.service see \"guide\" (fail)")
    );
    assert_eq!(both.waivers().len(), 1);
    let names: Vec<_> = both.sources().iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["r.ini", "recipe:base", "two.ini"]);
}

#[test]
fn a_merged_recipe_names_each_origin_and_reads_as_the_same_rules() {
    let one = recipe(
        "Extends=base\nSummary=ours\n[Params]\nUser=admin\n[RemoveFromGroups ${User}]\nGroup=rkt\nReason=no pods\n\
         [DropIn a.service/x.conf]\nService.ExecStart=\nService.ExecStart=/a $${B}\n\
         [Mask b.service]\nOnMissing=skip\n[Waive Mask:b.service]\nReason=later\nOwner=me\nExpires=2026-12-31",
    );
    let text = one.to_text();
    assert_eq!(
        text,
        "# r.ini, recipe:base
[Recipe]
Schema=1
Summary=ours

# recipe:base:8
[RemoveFromGroups admin]
Reason=least privilege
# recipe:base:10
Group=wheel
# recipe:base:11
Group=docker
# r.ini:8: no pods
Group=rkt

# recipe:base:12
[Permissions /etc/shadow]
OnMissing=fail
# recipe:base:13
Mode=0640

# r.ini:10
[DropIn a.service/x.conf]
# r.ini:11
Service.ExecStart=
# r.ini:12
Service.ExecStart=/a $${B}

# r.ini:13
[Mask b.service]
OnMissing=skip

# r.ini:15
[Waive Mask:b.service]
Reason=later
Owner=me
Expires=2026-12-31
"
    );
    let again = LOADER.parse("again.ini", &text).unwrap();
    assert_eq!(shown(&again), shown(&one));
    assert_eq!(again.waivers()[0].expires, one.waivers()[0].expires);
}

#[test]
fn recipes_are_read_each_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, super::headed(text)).unwrap();
        path
    };
    let one = file("one.ini", "[Params]\nA=x\n[Mask ${A}.service]\n");
    let two = file("two.ini", "[Mask b.service]\n");
    let bad = file("bad.ini", "[Maks b.service]\n");
    let sets = |name: &str| vec![(name.to_owned(), "c".to_owned())];
    let (a, b) = (sets("A"), sets("B"));
    let loader = |sets| Loader { sets, ..LOADER };
    let read = loader(&a).load_each(&[&one, &two]).unwrap();
    let labels: Vec<String> = read
        .iter()
        .map(|r| r.as_ref().unwrap().rules()[0].label())
        .collect();
    assert_eq!(labels, ["Mask c.service", "Mask b.service"]);
    assert!(loader(&b).load_each(&[&one, &two]).is_err());
    let read = loader(&b).load_each(&[&one, &bad]).unwrap();
    assert!(read[0].is_ok() && read[1].is_err());
}
