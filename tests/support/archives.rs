//! Random archives and recipes, as the texts that describe them. Names come from a small pool, so that duplicates, hard links
//! in odd orders and shadowed entries are the rule.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

/// Names of files. `bin/` is a link to `usr/bin/` in some archives and a directory in others.
const FILES: &[&str] = &[
    "usr/bin/a",
    "usr/bin/b",
    "usr/bin/c",
    "bin/a",
    "bin/b",
    "bin/busybox",
    "usr/bin/wget",
    "bin/nc",
    "etc/conf",
    "etc/app.d/conf",
    LONG,
    LONGER,
];
const LONG: &str = "usr/share/a-name-that-does-not-fit-into-the-hundred-bytes-of-a-header-since-it-is-so-very-long/and-goes-on-here";
const LONGER: &str = "usr/share/a-name-that-does-not-fit-into-the-hundred-bytes-of-a-header-since-it-is-so-very-long/and-elsewhere/and-further-than-a-prefix-of-one-hundred-and-fifty-five-bytes-could-ever-reach-because-it-never-has-a-slash-where-one-would-help-it-to-be-split-into-two-parts-that-fit-so-it-needs-a-header-of-its-own";
const DIRECTORIES: &[&str] = &[
    ".",
    "usr",
    "usr/bin",
    "etc",
    "etc/app.d",
    "etc/systemd/system",
    "usr/share",
];

/// A description for `casehard_testimages::build`.
pub(crate) fn archive() -> impl Strategy<Value = String> {
    (
        select(vec!["./", "", "/"]),
        select(vec!["gnu", "pax", "gnu", "pax", "ustar", "v7"]),
        any::<bool>(),
        prop::collection::vec(entry(), 1..24),
        select(vec![
            "",
            "option trailer=none",
            "option trailer=2 blocking=0",
            "option blocking=1",
            "option trailer=3 blocking=7",
        ]),
    )
        .prop_map(|(prefix, format, merged, entries, end)| {
            let mut text =
                format!("option prefix={prefix} format={format} mtime=1700000000\n{end}\n");
            if merged {
                text += "dir usr\ndir usr/bin\nsymlink bin -> usr/bin\n";
            }
            let old = matches!(format, "ustar" | "v7");
            for entry in entries {
                let needs_more = [
                    "base256",
                    "cap=",
                    "sparse=",
                    "format=",
                    "a-name-that",
                    "pax:",
                ]
                .iter()
                .any(|w| entry.contains(w));
                if !(old && needs_more) {
                    let _ = writeln!(text, "{entry}");
                }
            }
            text
        })
}

fn file() -> impl Strategy<Value = &'static str> {
    select(FILES)
}

fn entry() -> impl Strategy<Value = String> {
    let mode = select(vec!["0755", "4755", "0644", "2755", "6711", "0600"]);
    let owner = select(vec![
        "",
        " uid=1000 gid=1000",
        " uname=root gname=root",
        " uid=3000000 gid=3000000 base256",
    ]);
    let how = select(vec![
        "",
        "",
        "",
        "",
        " format=pax",
        " format=gnu",
        " prefix=./",
        " prefix=/",
        " prefix=",
    ]);
    let content = select(vec![
        "",
        " fill=1",
        " fill=511",
        " fill=512",
        " fill=700",
        " content=text:K=1\\n",
        " content=busybox applets=nc,sh,wget",
    ]);
    let more = select(vec![
        "",
        "",
        "",
        " cap=cap_net_raw+ep",
        " cap=cap_net_raw+ep xattr-style=both",
        " mtime=5.25",
    ]);
    prop_oneof![
        6 => (file(), mode.clone(), owner.clone(), how.clone(), content, more.clone())
            .prop_map(|(name, mode, owner, how, content, more)| {
                let how = if more.contains("cap") { " format=pax" } else { how };
                let more = if how == " format=pax" { more } else { "" };
                let owner = if how == " format=pax" { owner.trim_end_matches(" base256") } else { owner };
                format!("file {name} mode={mode}{owner}{how}{content}{more}")
            }),
        6 => (file(), file(), mode, how.clone()).prop_map(|(name, target, mode, how)| {
            let how = if how.contains("prefix") { "" } else { how };
            format!("hardlink {name} -> {target} mode={mode}{how}")
        }),
        1 => (file(), file(), any::<bool>()).prop_map(|(name, target, absolute)| {
            format!("symlink {name} -> {}", if absolute { format!("/{target}") } else { "a".into() })
        }),
        2 => (select(DIRECTORIES), select(vec!["0755", "0711", "0700"]), how)
            .prop_map(|(name, mode, how)| format!("dir {name} mode={mode}{}", if name == "." { "" } else { how })),
        1 => file().prop_map(|name| format!("fifo {name} mode=0600")),
        1 => file().prop_map(|name| format!(
            "file {name} mode=4755 format=gnu sparse=gnu size=300000 map=0+512,4096+512,8192+512,16384+512,32768+512,65536+20 content=fill:2580")),
        1 => file().prop_map(|name| format!("file {name} mode=4755 format=pax sparse=pax size=9000 map=0+512,4096+10 content=fill:522")),
        1 => file().prop_map(|name| format!("file {name} mode=4755 format=pax fill=1K pax:GNU.sparse.size=9000 pax:GNU.sparse.numblocks=3 pax:GNU.sparse.name={name} pax:GNU.sparse.map=0,512,4096,512,9000,0")),
        1 => file().prop_map(|name| format!("file {name} mode=2755 format=pax fill=512 pax:GNU.sparse.size=9000 pax:GNU.sparse.numblocks=2 pax:GNU.sparse.offset=4096 pax:GNU.sparse.numbytes=512 pax:GNU.sparse.offset=9000 pax:GNU.sparse.numbytes=0")),
        1 => (file(), select(vec!["path", "size", "uid", "mtime"])).prop_map(|(name, key)| match key {
            "path" => format!("file shown mode=4755 format=pax content=text:abc pax:path={name}"),
            "size" => format!("file {name} mode=4755 format=pax content=text:abc header-size=0 pax:size=3"),
            "uid" => format!("file {name} mode=4755 format=pax content=text:abc uid=5 pax:uid=70000 pax:gid=4000000000"),
            _ => format!("file {name} mode=4755 format=pax content=text:abc pax:mtime=1234567.5 pax:atime=5 pax:comment=x"),
        }),
        1 => Just("global comment=abc".to_owned()),
        1 => select(vec!["etc", "usr/lib"]).prop_map(|place| format!("file {place}/systemd/system/x.service content=text:[Unit]\\n")),
    ]
}

/// A recipe of a few rules.
pub(crate) fn recipe() -> impl Strategy<Value = String> {
    prop::collection::vec(rule(), 1..4).prop_map(|rules| {
        let mut text = "[Recipe]\nSchema=1\n".to_owned();
        for (at, rule) in rules.iter().enumerate() {
            // The same section twice is a mistake of the recipe's.
            if !rules[..at]
                .iter()
                .any(|r| r.lines().next() == rule.lines().next())
            {
                let _ = writeln!(text, "{rule}");
            }
        }
        text
    })
}

fn rule() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => select(vec!["[StripSetid]", "[StripSetid]\nKeep=/usr/bin/a", "[StripSetid]\nCapabilities=keep"]).prop_map(str::to_owned),
        3 => file().prop_map(|name| format!("[Remove /{name}]\nOnMissing=skip")),
        1 => select(vec!["/usr/bin/*", "/bin/*", "/etc", "/bin", "/usr/share"]).prop_map(|glob| format!("[Remove {glob}]\nOnMissing=skip")),
        1 => Just("[RemoveApplets]\nApplet=wget\nApplet=nc\nOnMissing=skip".to_owned()),
        2 => (prop_oneof![file(), select(&["etc", "usr/bin"][..])], select(vec!["Mode=0700", "Owner=0\nGroup=0", "Mode=0640\nOwner=5000000"]))
            .prop_map(|(name, what)| format!("[Permissions /{name}]\n{what}\nOnMissing=skip")),
        1 => file().prop_map(|name| format!("[WriteFile /{name}]\nLine=one\nLine=two")),
        1 => file().prop_map(|name| format!("[SetKey /{name}]\nSet=K=2\nOnMissing=skip")),
        1 => Just("[Mask x.service]\nOnMissing=mask".to_owned()),
    ]
}
