//! Every mistake that can be made, and what is said of it.

use super::{LOADER, check, check_whole, headed};
use crate::error::Error;

#[test]
fn the_language_has_a_version() {
    let missing = "the recipe does not name its version of the language \
                   (help: write `Schema=1` into a section `[Recipe]`)";
    check_whole("", &format!("r.ini:1:1: {missing}"));
    check_whole("[Mask a.service]", &format!("r.ini:1:1: {missing}"));
    check_whole("\n[Recipe]\nSummary=x", &format!("r.ini:2:1: {missing}"));
    // What a later version means by the rest is not known here, so nothing is said of it.
    check_whole(
        "[Recipe]\nSchema=2\n[New thing]\n[Mask]",
        "r.ini:2:8: this casehard does not read `Schema=2` \
         (help: it reads `Schema=1`; a newer casehard may know this one)",
    );
    check_whole(
        "[Recipe]\nSchema=one",
        "r.ini:2:8: this casehard does not read `Schema=one` (help: write `Schema=1`)",
    );
}

#[test]
fn lines_have_a_form() {
    check(
        "[Mask a.service]\nnobody needs it",
        "r.ini:4:1: this is neither a section, nor a key with `=` and a value, nor a comment \
         (help: a value is one line; a comment starts with `#` or `;`)",
    );
    check(
        "[Mask a.service]\n  Reason: x=y",
        "r.ini:4:9: write `=`, not `:`, between a key and its value (help: write `Reason=x=y`)",
    );
    check("[Mask a.service]\n=x", "r.ini:4:1: no key before the `=`");
    check(
        "[Mask a.service]\nRea\\son=x",
        "r.ini:4:1: a key cannot contain `\\`",
    );
    check_whole(
        "Schema=1\n[Recipe]\nSchema=1",
        "r.ini:1:1: this key comes before any section (help: start the recipe with `[Recipe]` and `Schema=1`)",
    );
}

#[test]
fn headers_have_a_form() {
    check(
        "[Mask a.service",
        "r.ini:3:1: this section's `[` is not closed (help: end the line with `]`)",
    );
    check(
        "[Mask a.service] # why",
        "r.ini:3:18: text follows the section's `]` (help: give the comment a line of its own)",
    );
    check(
        "[Mask a.service] Reason=x",
        "r.ini:3:18: text follows the section's `]` (help: start a new line for it)",
    );
    check(
        "[Mask a[bc].service]",
        "r.ini:3:11: a section cannot contain `]` \
         (help: in a glob, write `?` in place of `[…]`: it stands for any one character)",
    );
    check(
        "[ ]",
        "r.ini:3:1: this section has no name \
         (help: write the rule's kind into it, such as `[Mask sshd.socket]`)",
    );
    check(
        "[Permissions /a\\]",
        "r.ini:3:1: a section cannot end in `\\`",
    );
}

#[test]
fn the_keys_of_a_broken_section_are_not_those_of_the_one_before() {
    check(
        "[StripSetid]\n[Mask a.service\nReson=x\nReason=y\n[StripSetid]\nKeep=bin",
        "r.ini:4:1: this section's `[` is not closed (help: end the line with `]`)\n\
         r.ini:8:6: `bin` does not start at the root (help: write `/bin`)",
    );
}

#[test]
fn what_cannot_be_seen_is_refused() {
    check(
        "[Mask a.service]\nReason=a\x1b[2Jb",
        "r.ini:4:9: the character U+001B is invisible (help: a recipe is plain text: delete the character)",
    );
    check(
        "# left\u{202e}right",
        "r.ini:3:7: the character U+202E is invisible (help: a recipe is plain text: delete the character)",
    );
    check(
        "[Mask a.service]\nReason=a\rOnMissing=skip",
        "r.ini:4:9: the character U+000D is invisible (help: a recipe is plain text: delete the character)",
    );
    check(
        "[Mask\0 a.service]",
        "r.ini:3:6: not a text file: it contains NUL",
    );
}

#[test]
fn values_of_match_are_checked() {
    check(
        "[Match]\nKind=vm\nInit=systmd\n",
        "r.ini:4:6: `vm` is not a value of this key (help: it is one of `host`, `container`)\n\
         r.ini:5:6: `systmd` is not a value of this key (help: did you mean `systemd`? it is one of `systemd`, `openrc`, `sysv`, \
         `busybox`, `procd`, `runit`, `s6`, `dinit`)",
    );
}

#[test]
fn unknown_names_show_the_nearest() {
    check(
        "[Maks a.service]\nReason=x",
        "r.ini:3:2: unknown section `Maks` (help: did you mean `Mask`?)",
    );
    check(
        "[Firewall]",
        "r.ini:3:2: unknown section `Firewall` (help: it is one of `Mask`, `DropIn`, `RemoveFromGroups`, \
         `StripSetid`, `Permissions`, `Recipe`, `Match`, `Params`, `Waive`)",
    );
    check(
        "[StripSetid]\nkeep=/bin/su\nColour=red",
        "r.ini:4:1: unknown key `keep` in `[StripSetid]` (help: did you mean `Keep`?)\n\
         r.ini:5:1: unknown key `Colour` in `[StripSetid]` \
         (help: it is one of `Keep`, `Capabilities`, `Reason`, `Reference`, `OnMissing`)",
    );
    check(
        "[Match]\nOs=coreos",
        "r.ini:4:1: unknown key `Os` in `[Match]` (help: it is one of `OsId`, `Kind`, `Init`)",
    );
    check(
        "[DropIn a.socket/x.conf]\nReasn=x\nSocketMode=0600\nSocket.=1\nA b.C=1",
        "r.ini:4:1: unknown key `Reasn` in `[DropIn]` (help: did you mean `Reason`?)\n\
         r.ini:5:1: unknown key `SocketMode` in `[DropIn]` (help: write `Section.Key`: the section comes first)\n\
         r.ini:6:1: `Socket.` is not of the form `Section.Key` \
         (help: the names are made of letters, digits, `-` and `_`)\n\
         r.ini:7:1: `A b.C` is not of the form `Section.Key` \
         (help: the names are made of letters, digits, `-` and `_`)",
    );
}

#[test]
fn values_are_checked_where_they_stand() {
    check(
        "[StripSetid]\nKeep=/bin/su\nKeep = bin/su\nCapabilities=kep\nOnMissing=mask",
        "r.ini:5:8: `bin/su` does not start at the root (help: write `/bin/su`)\n\
         r.ini:6:14: `kep` is not a value of this key (help: did you mean `keep`? it is one of `strip`, `keep`)\n\
         r.ini:7:11: `mask` is not a value of this key (help: it is one of `fail`, `warn`, `skip`)",
    );
    check(
        "[Mask sshd]\nOnMissing=Skip",
        "r.ini:3:7: `sshd` is not a unit's name: it has no suffix (help: did you mean `sshd.service`?)\n\
         r.ini:4:11: `Skip` is not a value of this key \
         (help: did you mean `skip`? it is one of `fail`, `warn`, `skip`, `mask`)",
    );
}

#[test]
fn what_is_missing_or_too_much_is_said() {
    check(
        "[Mask]",
        "r.ini:3:1: `[Mask]` needs an argument: UNIT (help: write `[Mask UNIT]`)",
    );
    check(
        "[StripSetid all]",
        "r.ini:3:13: `[StripSetid]` takes nothing after its name (help: write `[StripSetid]`)",
    );
    check(
        "[Match coreos]",
        "r.ini:3:8: `[Match]` takes nothing after its name (help: write `[Match]`)",
    );
    check(
        "[RemoveFromGroups core]\nGroup=wheel\nGroup=",
        "r.ini:3:1: `[RemoveFromGroups core]` needs `Group=` (help: add a line `Group=NAME`)",
    );
    // A key that is misspelt is not missing besides.
    check(
        "[RemoveFromGroups core]\nGruop=wheel\n[RemoveFromGroups root]\nGroup: wheel",
        "r.ini:4:1: unknown key `Gruop` in `[RemoveFromGroups]` (help: did you mean `Group`?)\n\
         r.ini:6:6: write `=`, not `:`, between a key and its value (help: write `Group=wheel`)",
    );
}

#[test]
fn what_may_be_there_once_is_not_there_twice() {
    check(
        "[Permissions /a]\nMode=0644\nReason=x\nMode=0600\nReason=x",
        "r.ini:6:1: `Mode=` is given twice; r.ini:4:1: the first one \
         (help: it takes one value: delete one of them)\n\
         r.ini:7:1: `Reason=` is given twice; r.ini:5:1: the first one \
         (help: it takes one value: delete one of them)",
    );
    check(
        "[Match]\n[Recipe]\n[Match]",
        "r.ini:4:1: `[Recipe]` is here twice; r.ini:1:1: the first one (help: write one section of both)\n\
         r.ini:5:1: `[Match]` is here twice; r.ini:3:1: the first one (help: write one section of both)",
    );
}

#[test]
fn waivers_name_a_kind_a_subject_a_reason_and_a_day() {
    check(
        "[Waive StripSetid:/bin/su]",
        "r.ini:3:1: `[Waive StripSetid:/bin/su]` needs `Reason=` (help: add a line `Reason=TEXT`)\n\
         r.ini:3:1: `[Waive StripSetid:/bin/su]` needs `Expires=` (help: add a line `Expires=YYYY-MM-DD`)",
    );
    check(
        "[Waive StripSetuid:/bin/su]\nReason=x\nExpires=31.12.2026\nOnMissing=skip",
        "r.ini:3:8: no rule is called `StripSetuid` (help: did you mean `StripSetid`?)\n\
         r.ini:5:9: `31.12.2026` is not a date (help: write the day as YYYY-MM-DD, such as 2026-12-31)\n\
         r.ini:6:1: unknown key `OnMissing` in `[Waive]` (help: it is one of `Reason`, `Owner`, `Expires`)",
    );
    check(
        "[Waive /bin/su]\nReason=x\nExpires=2026-12-31",
        "r.ini:3:8: a waiver names a rule kind and its subject, as in `[Waive StripSetid:/usr/bin/su]`",
    );
    for half in ["Mask:", ":a.service"] {
        check(
            &format!("[Waive {half}]\nReason=x\nExpires=2026-12-31"),
            "r.ini:3:8: a waiver names a rule kind and its subject, as in `[Waive StripSetid:/usr/bin/su]`",
        );
    }
    check(
        "[Waive]",
        "r.ini:3:1: `[Waive]` needs an argument: KIND:SUBJECT \
         (help: write `[Waive KIND:SUBJECT]`)",
    );
    let waiver = "[Waive Mask:a.service]\nReason=x\nExpires=2026-12-31\n";
    check(
        &format!("{waiver}{waiver}"),
        "r.ini:6:1: `[Waive Mask:a.service]` is here twice; r.ini:3:1: the first one \
         (help: delete one of them)",
    );
}

#[test]
fn a_section_that_asks_for_nothing_is_a_mistake() {
    check(
        "[Permissions /etc]\nReason=x",
        "r.ini:3:1: `[Permissions /etc]` asks for nothing (help: add one of `Mode`)",
    );
}

#[test]
fn what_only_a_mistake_hides_is_not_called_missing() {
    let name = "`1` is not a name of a user or group: it has no letter";
    check(
        "Extends=base\n[RemoveFromGroups core]\nGroup=\nGroup=1",
        &format!("r.ini:6:7: {name}"),
    );
    check(
        "[RemoveFromGroups core]\nGroup=${Admins}",
        "r.ini:4:7: unknown parameter `Admins` \
         (help: declare it in `[Params]`, or write `$${Admins}` to keep it)",
    );
    check(
        "Extends=bsae\n[RemoveFromGroups core]",
        "r.ini:3:9: no recipe `bsae` is shipped (help: did you mean `base`?)",
    );
}

#[test]
fn parameters_are_declared() {
    check(
        "[Params]\nUser=core\n[RemoveFromGroups ${Usr}]\nGroup=${Nothing}",
        "r.ini:5:19: unknown parameter `Usr` (help: did you mean `User`?)\n\
         r.ini:6:7: unknown parameter `Nothing` \
         (help: declare it in `[Params]`, or write `$${Nothing}` to keep it)",
    );
    check(
        "[DropIn a.service/x.conf]\nService.ExecStart=/bin/x ${OPTIONS",
        "r.ini:4:26: this `${` is not closed (help: write `$${` for a `${` that stays as it is)",
    );
    check(
        "[Params]\n1st=x\nA=1\nA=2\nB=${A}\na-b=x\nA_b=x",
        "r.ini:4:1: `1st` is not a name for a parameter \
         (help: start it with a letter; letters, digits and `_` may follow)\n\
         r.ini:6:1: `A=` is given twice; r.ini:5:1: the first one \
         (help: it takes one value: delete one of them)\n\
         r.ini:7:3: a default cannot use `${A}` \
         (help: write the value itself, or `$${` for a `${` that stays)\n\
         r.ini:8:1: `a-b` is not a name for a parameter \
         (help: start it with a letter; letters, digits and `_` may follow)",
    );
    // The value is wrong where it is used; where it comes from is shown too.
    check(
        "[Params]\nMode=0999\n[Permissions /a]\nMode=${Mode}",
        "r.ini:6:6: `0999` is not a mode; r.ini:4:6: `Mode` is set here \
         (help: write it in octal, such as 0644; the highest is 07777)",
    );
    // Where a section may have been meant as `[Params]`, no parameter is called unknown.
    check(
        "[Param]\nUser=core\n[RemoveFromGroups ${User}]\nGroup=wheel",
        "r.ini:3:2: unknown section `Param` (help: did you mean `Params`?)",
    );
}

#[test]
fn all_mistakes_come_in_the_order_of_the_text() {
    check(
        "[RemoveFromGroups core]\n[Maks a]\n[Permissions etc]\nMode=x\nwhat",
        "r.ini:3:1: `[RemoveFromGroups core]` needs `Group=` (help: add a line `Group=NAME`)\n\
         r.ini:4:2: unknown section `Maks` (help: did you mean `Mask`?)\n\
         r.ini:5:14: `etc` does not start at the root (help: write `/etc`)\n\
         r.ini:6:6: `x` is not a mode (help: write it in octal, such as 0644; the highest is 07777)\n\
         r.ini:7:1: this is neither a section, nor a key with `=` and a value, nor a comment \
         (help: a value is one line; a comment starts with `#` or `;`)",
    );
}

#[test]
fn a_file_that_is_no_recipe_does_not_flood_the_screen() {
    let text = headed(&"what\n".repeat(250));
    let Err(Error::Recipe(mistakes)) = LOADER.parse("r.ini", &text) else {
        panic!("this is no recipe")
    };
    assert_eq!(mistakes.len(), 101);
    assert_eq!(
        mistakes[100].to_string(),
        "r.ini:103:1: 150 more mistakes follow"
    );
}

#[test]
fn parameters_do_not_make_a_small_file_large() {
    let long = "x".repeat(1 << 16);
    let many = "${A}".repeat(100);
    let text = format!(
        "[Params]\nA={long}\n[StripSetid]\nKeep=${{A}}\n[Mask a.service]\nReason={many}\nReference=x"
    );
    let text =
        format!("{text}\n[Mask b.service]\nReason={many}{many}\n[Mask c.service]\nReason={many}");
    check(
        &text,
        &format!(
            "r.ini:6:6: `{0}…` does not start at the root; r.ini:4:3: `A` is set here (help: write `/{1}…`)\n\
             r.ini:11:8: parameters make this recipe larger than 16 MiB (help: use fewer or shorter ones)",
            "x".repeat(80),
            "x".repeat(79)
        ),
    );
}

#[test]
fn what_is_extended_must_be_there() {
    check_whole(
        "[Recipe]\nSchema=1\nExtends=bsae\nExtends=nothing.ini\n[RemoveFromGroups core]\nReason=${X}",
        "r.ini:3:9: no recipe `bsae` is shipped (help: did you mean `base`?)\n\
         r.ini:4:9: no recipe `nothing.ini` is shipped (help: shipped are `base`, `coreos-hardening`)",
    );
    check_whole(
        "[Recipe]\nSchema=1\nExtends=${X}",
        "r.ini:3:9: `Extends=` cannot use parameters \
         (help: write the recipe's name: parameters are known only when all are read)",
    );
}

#[test]
fn what_other_files_would_take_gets_the_line_that_a_recipe_has() {
    check(
        "[RemoveFromGroups core]\nGroup=wheel,docker",
        "r.ini:4:7: `wheel,docker` is not a name of a user or group: it contains `,` \
         (help: one value is one name: write a line each for `wheel`, `docker`)",
    );
    check(
        "[DropIn a.socket/x.conf]\n[Socket]\nSocketMode=0600",
        "r.ini:4:2: unknown section `Socket` (help: this is a section of a unit: write \
         `Socket.Key=value` below `[DropIn UNIT/NAME.conf]`)",
    );
}

#[test]
fn a_path_that_is_one_has_no_wildcard() {
    use crate::recipe::value::one_path;
    for good in ["/a", "/usr/bin/[", "/a{b", "/a{b}"] {
        assert!(one_path(good).is_ok(), "{good}");
    }
    for bad in ["/a*", "/a/?", "/a/{b,c}", "a"] {
        assert!(one_path(bad).is_err(), "{bad}");
    }
}
