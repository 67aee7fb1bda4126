//! Plans without rules: the tests make the edits themselves.

use std::collections::BTreeMap;

use tar::{Builder, EntryType, Header};

use crate::edit::{Applied, Draft, Outcome, ResidualKind, Waivers};
use crate::image::{Image, OpenOptions};
use crate::plan::lower::lower;
use crate::plan::{Plan, RuleResult, WaiverResult, WaiverState};
use crate::recipe::{Check, Fields, KeySchema, Loader, Recipe, Rule, RuleKind};
use crate::rootfs::{InodeId, Location, Place};

const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Text edits whose names or lines are hard on a diff: path, content before, content after.
pub(super) const TEXTS: &[(&[u8], &[u8], &[u8])] = &[
    (
        b"etc/group",
        b"root:x:0:\nwheel:x:10:core\n",
        b"root:x:0:\nwheel:x:10:\n",
    ),
    (b"etc/no-newline", b"a\nb", b"a\nb\nc"),
    (b"etc/newline-lost", b"a\nb\n", b"a\nb"),
    (
        b"etc/headers",
        b"-- a/x\n++ b/x\ndiff --git a/x b/x\n",
        b"@@ -1 +1 @@\n++ b/x\n",
    ),
    (b"etc/carriage", b"a\rb\r\nc\r", b"a\rB\r\nc\r"),
    (b"etc/latin", b"caf\xe9\nx\n", b"caf\xe9\n\xe9\n"),
    (b"etc/bidi", b"x\n", "x\u{202e}y\n".as_bytes()),
    (b"etc/emptied", b"x\n", b""),
    (b"etc/filled", b"", b"x\n"),
    (b"etc/two words", b"x\n", b"y\n"),
    (b"etc/x b/etc/x", b"x\n", b"y\n"),
    (b"etc/\"q\" \\ \t\n+x", b"x\n", b"y\n"),
    (b"etc/\xff\xc3\xbc", b"x\n", b"y\n"),
    (b"etc/escape\x1b[2J\xe2\x80\xae", b"x\n", b"y\n"),
];

fn image() -> Tar {
    let capability = BTreeMap::from([
        ("security.capability", CAPABILITY),
        ("user.note", b"x".as_slice()),
    ]);
    let tar = Tar::new().directory(b"etc/");
    TEXTS
        .iter()
        .fold(tar, |tar, (path, before, _)| tar.file(path, 0o644, before))
        .file(b"etc/old", 0o644, b"x\ny\n")
        .file(b"etc/old-empty", 0o600, b"")
        .file(b"bin/su", 0o4755, b"\x7fELF\0su")
        .file(b"bin/busybox", 0o755, b"\0nc\0wget\0")
        .file(b"bin/nc", 0o755, b"\x7fELF\0nc")
        .xattrs(&capability)
        .file(b"bin/ping", 0o755, b"\x7fELF\0ping")
        .xattrs(&capability)
        .link(EntryType::Link, b"bin/ping6", b"bin/ping")
        .file(
            b"lib/sshd.service",
            0o644,
            b"[Service]\nExecStart=/bin/sshd\n",
        )
        .link(EntryType::Symlink, b"lib/alias.service", b"sshd.service")
        .directory(b"var/spool/")
        .file(b"var/spool/job", 0o644, b"x\n")
        .file(b"var/large", 0o2755, &[b'x'; (1 << 20) + 1])
        .entry(EntryType::GNUSparse, b"var/sparse", 0o4755, b"data", b"")
        .entry(EntryType::Fifo, b"dev/pipe", 0o666, b"", b"")
}

const RECIPE: &str = "[Touch texts]\nReason=they must\nReference=Guide 1\n[Touch modes]\nReason=less is more\n\
    [Touch names]\n[Touch nothing]\n[Touch fails]\n\
    [Waive Touch:a]\nReason=break-glass\nOwner=platform\nExpires=2026-12-31\n\
    [Waive Touch:b]\nReason=once\nExpires=2026-12-31\n\
    [Waive Touch:c]\nReason=late\nExpires=2025-12-31\n";

pub(super) fn open(draft: &Draft<'_>, path: impl AsRef<[u8]>) -> InodeId {
    draft.rootfs().open(path).unwrap()
}

fn at(draft: &Draft<'_>, path: &str) -> Location {
    draft.rootfs().locate(path.as_bytes()).unwrap()
}

/// Names that come, go and become links, none of them a binary's.
pub(super) fn texts_and_links(draft: &mut Draft<'_>) {
    for path in ["etc/old", "etc/old-empty", "var/spool"] {
        draft.remove(&at(draft, path));
    }
    draft.create_file(&at(draft, "etc/new.d/10.conf"), b"x".to_vec(), 0o600);
    draft.create_file(&at(draft, "etc/new-empty"), Vec::new(), 0o644);
    for path in ["lib/sshd.service", "lib/alias.service", "lib/new.service"] {
        draft.create_symlink(&at(draft, path), "/dev/null");
    }
}

pub(super) fn harden(rule: usize, draft: &mut Draft<'_>) -> Outcome {
    match rule {
        0 => {
            for (path, _, after) in TEXTS {
                draft.set_content(open(draft, path), after.to_vec());
            }
        }
        1 => {
            draft.clear_mode(open(draft, "bin/su"), 0o6000);
            draft.set_owner(open(draft, "bin/su"), Some(0), Some(10));
            draft.remove_xattr(open(draft, "bin/ping"), "security.capability");
            draft.set_mode(open(draft, "var/spool"), 0o700);
            draft.set_mode(open(draft, "dev/pipe"), 0o600);
            draft.set_mode(open(draft, "var/large"), 0o755);
            draft.set_mode(open(draft, "var/sparse"), 0o755);
            draft.note("two\nlines\u{202e}");
        }
        2 => {
            texts_and_links(draft);
            draft.remove(&at(draft, "bin/nc"));
            draft.set_content(open(draft, "bin/busybox"), b"\0nc\0".to_vec());
            draft.create_file(&at(draft, "etc/new-binary"), b"\0".to_vec(), 0o644);
            draft.residual(
                ResidualKind::OtherGrant,
                Place::new(b"/etc/\xff", 3),
                "something\u{1b}[31m stays",
            );
            draft.residual(
                ResidualKind::OutsideImage,
                None::<Place>,
                "something else too",
            );
        }
        3 => return Outcome::Already,
        _ => return Outcome::Failed("it\ndoes".into()),
    }
    Outcome::Changed
}

pub(super) fn fixture() -> Fixture {
    Fixture::new(image(), RECIPE)
}

static TOUCH: RuleKind = RuleKind {
    name: "Touch",
    argument: Some(KeySchema::argument("WHAT", Check::Text)),
    ..RuleKind::of::<Touch>()
};

/// Never applied: each test does a rule's work itself.
#[derive(Debug)]
struct Touch;

impl Rule for Touch {
    fn parse(_: &Fields<'_>) -> Self {
        Self
    }

    fn apply(&self, _: &mut Draft<'_>) -> Applied {
        unreachable!("no plan is made of it")
    }
}

pub(super) struct Fixture {
    pub(super) image: Image,
    pub(super) recipe: Recipe,
}

impl Fixture {
    pub(super) fn new(tar: Tar, recipe: &str) -> Self {
        let bytes = tar.0.into_inner().unwrap();
        let image = OpenOptions::new().read("image\x1b[31m.tar", &bytes[..]);
        let recipe = Loader {
            kinds: &[&TOUCH],
            library: &[],
            sets: &[],
        }
        .parse("test.ini", &format!("[Recipe]\nSchema=1\n{recipe}"));
        Self {
            image: image.unwrap(),
            recipe: recipe.unwrap(),
        }
    }

    /// The plan after `work`, which is called once a rule.
    pub(super) fn plan(&self, work: impl Fn(usize, &mut Draft<'_>) -> Outcome) -> Plan<'_> {
        let before = self.image.rootfs().unwrap();
        let mut draft = Draft::new(&self.image, before.clone(), Waivers::new(), None);
        let mut rules = Vec::new();
        for (at, section) in self.recipe.rules().iter().enumerate() {
            draft.begin(at, section.kind());
            let outcome = work(at, &mut draft);
            let notes = draft.notes.drain(..).map(|(_, note)| note).collect();
            rules.push(RuleResult {
                section: section.clone(),
                outcome,
                notes,
                warnings: Vec::new(),
            });
        }
        let (edits, residuals) = (draft.edits.clone(), draft.residuals.clone());
        let after = draft.into_rootfs();
        let splices = lower(&self.image, &before, &after).unwrap();
        Plan {
            init: crate::system::boot::InitSystem::Systemd,
            image: &self.image,
            recipe: &self.recipe,
            output: self.image.spliced(&splices).unwrap().streams(),
            before,
            after,
            rules,
            edits,
            residuals,
            waivers: waivers(&self.recipe),
            notes: vec!["the archive has\nan oddity".into()],
        }
    }
}

/// The recipe's waivers, one in each state.
fn waivers(recipe: &Recipe) -> Vec<WaiverResult> {
    use WaiverState::{Expired, Unused, Used};
    let waivers = recipe.waivers().iter().cloned();
    waivers
        .zip([Used, Unused, Expired])
        .map(|(waiver, state)| WaiverResult {
            waiver,
            state,
            expired: state == Expired,
        })
        .collect()
}

/// A tar under construction.
pub(super) struct Tar(Builder<Vec<u8>>);

impl Tar {
    pub(super) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(super) fn file(self, path: &[u8], mode: u32, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, mode, content, b"")
    }

    pub(super) fn directory(self, path: &[u8]) -> Self {
        self.entry(EntryType::Directory, path, 0o755, b"", b"")
    }

    pub(super) fn link(self, kind: EntryType, path: &[u8], target: &[u8]) -> Self {
        self.entry(kind, path, 0o777, b"", target)
    }

    /// Gives the next entry extended attributes.
    pub(super) fn xattrs(mut self, xattrs: &BTreeMap<&str, &[u8]>) -> Self {
        let names: Vec<_> = xattrs.keys().map(|n| format!("SCHILY.xattr.{n}")).collect();
        let records = names
            .iter()
            .map(String::as_str)
            .zip(xattrs.values().copied());
        self.0.append_pax_extensions(records).unwrap();
        self
    }

    pub(super) fn entry(
        mut self,
        kind: EntryType,
        path: &[u8],
        mode: u32,
        content: &[u8],
        target: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        if kind == EntryType::GNUSparse {
            // A map without holes.
            let gnu = header.as_gnu_mut().unwrap();
            gnu.set_real_size(content.len() as u64);
            gnu.sparse[0].set_length(content.len() as u64);
            gnu.sparse[0].set_offset(0);
        }
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }
}
