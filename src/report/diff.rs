//! The diff that a reviewer reads from top to bottom, and that git and `patch` read too.
//!
//! Comment lines start with `# `, which both tools skip. `index` lines have the first digits of each content's SHA-256.

use std::collections::BTreeSet;

use super::state::{Data, State};
use super::text::{escape, hex, misleads, mode, quote};
use super::{FileChange, Report, hunks};
use crate::capability;
use crate::error::Result;
use bstr::{BString, ByteVec as _};

impl Report<'_> {
    /// One text for a reviewer: what each rule came to, then every file that differs, with the reasons. `git apply --stat`
    /// and `patch -p1` read it, so set-id bits are in its `old mode` and `new mode` lines. As with git's own diffs, `patch`
    /// cannot follow what becomes of binaries. Where a content is not UTF-8, neither is the text.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where the image cannot be read.
    pub fn to_diff(&self) -> Result<Vec<u8>> {
        let mut out = Text::default();
        self.header(&mut out);
        // A busybox has hundreds of names, and each would say the same.
        let mut shown = BTreeSet::new();
        for file in &self.files {
            let both = self.file_on_both_sides(&file.path);
            let key = both.map(|both| (both, &file.rules));
            if key.is_some_and(|key| shown.contains(&key)) {
                continue;
            }
            if self.file(&mut out, file)? {
                shown.extend(key);
            }
        }
        Ok(out.0)
    }

    fn header(&self, out: &mut Text) {
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        out.comment(format!("{name} {version}"));
        out.comment(format!("image   {}", self.image_name()));
        out.comment(format!("recipe  {}", self.plan.recipe.name()));
        out.comment(self.counts());
        out.comment("");
        let rules: Vec<_> = self.rules().iter().collect();
        for (rule, line) in rules.iter().zip(self.aligned(&rules)) {
            out.comment(line);
            for note in &rule.notes {
                out.comment(format!("           note: {note}"));
            }
        }
        if !self.plan.residuals.is_empty() {
            out.comment("");
            out.comment("what stays open:");
        }
        for residual in &self.plan.residuals {
            out.comment([b"  ", &self.residual(residual)[..]].concat());
        }
        if !self.plan.notes.is_empty() {
            out.comment("");
            out.comment("notes:");
        }
        for note in &self.plan.notes {
            out.comment(format!("  {note}"));
        }
    }

    /// Writes one file's part; says whether that is all there is to say of the other names of the same file too. What
    /// `patch` can follow it must find under each name.
    fn file(&self, out: &mut Text, file: &FileChange) -> Result<bool> {
        let path = &file.path[..];
        let (old, new) = self.states(path)?;
        out.line("");
        out.comment(path);
        for section in file.rules.iter().map(|rule| &self.rules()[*rule].section) {
            let reason = section.reason.as_deref().unwrap_or("no reason given");
            let reference = section.reference.as_deref();
            let reference = reference.map_or(String::new(), |text| format!(" ({text})"));
            out.comment(format!("{}: {reason}{reference}", section.label()));
        }
        let (old, new) = sections(out, path, old, new);
        Ok(match (&old, &new) {
            (Some(a), Some(b)) => binary_differs(a, b) && a.meta == b.meta,
            _ => false,
        })
    }
}

/// What became of a path, for git and `patch` too; after comment lines of the caller's.
pub(crate) fn path_diff(
    comments: &[BString],
    path: &[u8],
    old: Option<State<'_>>,
    new: Option<State<'_>>,
) -> Vec<u8> {
    let mut out = Text::default();
    out.line("");
    out.comment(path);
    comments.iter().for_each(|comment| out.comment(comment));
    sections(&mut out, path, old, new);
    out.0
}

/// That a file is elsewhere, as git says it.
pub(crate) fn rename_diff(comments: &[BString], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Text::default();
    out.line("");
    out.comment(to);
    comments.iter().for_each(|comment| out.comment(comment));
    out.line(
        [
            b"diff --git ".as_slice(),
            &quote("a", from),
            b" ",
            &quote("b", to),
        ]
        .concat(),
    );
    out.line("similarity index 100%");
    // Unlike in the line above, these have no side before them.
    let bare = |path: &[u8]| quote("", path.strip_prefix(b"/").unwrap_or(path));
    out.line([b"rename from ".as_slice(), &bare(from)].concat());
    out.line([b"rename to ".as_slice(), &bare(to)].concat());
    out.0
}

/// Comment lines that stand before all else.
pub(crate) fn comments(lines: &[BString]) -> Vec<u8> {
    let mut out = Text::default();
    lines.iter().for_each(|line| out.comment(line));
    out.0
}

/// Describes what became of a path and writes git's sections; gives the sides that had some.
fn sections<'s>(
    out: &mut Text,
    path: &[u8],
    old: Option<State<'s>>,
    new: Option<State<'s>>,
) -> (Option<State<'s>>, Option<State<'s>>) {
    describe(out, old.as_ref(), new.as_ref());
    let old = old.filter(State::in_diffs);
    let new = new.filter(State::in_diffs);
    match (&old, &new) {
        (None, None) => {}
        // Git has no other way to say that a file became a link.
        (Some(a), Some(b)) if a.type_bits() != b.type_bits() => {
            section(out, path, Some(a), None);
            section(out, path, None, Some(b));
        }
        (a, b) => section(out, path, a.as_ref(), b.as_ref()),
    }
    (old, new)
}

fn binary_differs(old: &State<'_>, new: &State<'_>) -> bool {
    match (&old.data, &new.data) {
        (Some(a), Some(b)) => a.sha256 != b.sha256 && (a.text.is_none() || b.text.is_none()),
        _ => false,
    }
}

/// What git's headers cannot say, or not in words.
fn describe(out: &mut Text, old: Option<&State<'_>>, new: Option<&State<'_>>) {
    match (old, new) {
        (Some(old), Some(new)) if old.type_bits() == new.type_bits() => changes(out, old, new),
        _ => {
            for (what, state) in [("removed", old), ("new", new)] {
                if let Some(state) = state {
                    whole(out, what, state);
                }
            }
        }
    }
    if let Some(state) = new.or(old)
        && state.inode.is_file()
        && !state.others.is_empty()
    {
        let also = match (old, new) {
            (Some(old), Some(new)) if binary_differs(old, new) => "; they change with it",
            _ => "",
        };
        out.comment([&hard_links(&state.others), also.as_bytes()].concat());
    }
    let digest = |state: Option<&State<'_>>| Some(state?.data.as_ref()?.sha256);
    let sides = [old, new].into_iter().flatten();
    let mut texts = sides.filter_map(|state| state.data.as_ref()?.text.as_deref());
    if digest(old) != digest(new) && texts.any(misleads) {
        out.comment(
            "caution: has characters that make it look other than it is; view it with `cat -v`",
        );
    }
}

/// A name that is gone or new, with all that it stands for.
fn whole(out: &mut Text, what: &str, state: &State<'_>) {
    let meta = state.meta;
    let mode = match state.inode.symlink() {
        Some(_) => String::new(),
        None => format!("mode {}, ", mode(meta.mode)),
    };
    out.comment(format!(
        "{what} {}: {mode}owner {}:{}",
        state.type_name(),
        meta.uid,
        meta.gid
    ));
    if let Some(data) = &state.data
        && data.text.is_none()
    {
        out.comment(binary(data));
    }
    for (name, value) in &meta.xattrs {
        out.comment(format!("with {}", xattr(name, value)));
    }
}

fn changes(out: &mut Text, old: &State<'_>, new: &State<'_>) {
    let (was, is) = (old.meta, new.meta);
    if was.mode != is.mode {
        out.comment(format!("mode {} → {}", mode(was.mode), mode(is.mode)));
    }
    if (was.uid, was.gid) != (is.uid, is.gid) {
        let (from, to) = ((was.uid, was.gid), (is.uid, is.gid));
        out.comment(format!("owner {}:{} → {}:{}", from.0, from.1, to.0, to.1));
    }
    for (sign, here, there) in [("removed", was, is), ("added", is, was)] {
        for pair in here.xattrs.iter().filter(|x| !there.xattrs.contains(x)) {
            let text = xattr(&pair.0, &pair.1);
            out.comment(format!("{sign} {text}"));
        }
    }
    if let (Some(a), Some(b)) = (&old.data, &new.data)
        && (a.text.is_none() || b.text.is_none())
    {
        out.comment(if a.sha256 == b.sha256 {
            format!("content unchanged: {}", binary(a))
        } else {
            format!("{} → {}", binary(a), binary(b))
        });
    }
}

fn xattr(name: &[u8], value: &[u8]) -> String {
    let capabilities = (name == b"security.capability").then(|| capability::decode(value));
    match capabilities.flatten() {
        Some(text) => format!("capabilities {text}"),
        None => format!("xattr {}, {} bytes", escape(name), value.len()),
    }
}

fn binary(data: &Data) -> String {
    let kind = if data.text.is_some() {
        "text"
    } else {
        "binary"
    };
    let plural = if data.len == 1 { "" } else { "s" };
    let stored = if data.sparse { " stored, sparse" } else { "" };
    format!(
        "{kind}, {} byte{plural}{stored}, sha256 {}",
        data.len,
        hex(&data.sha256)
    )
}

/// One file as `git diff` writes it.
fn section(out: &mut Text, path: &[u8], old: Option<&State<'_>>, new: Option<&State<'_>>) {
    let (a, b) = (quote("a", path), quote("b", path));
    out.line([b"diff --git ".as_slice(), &a, b" ", &b].concat());
    let (old_mode, new_mode) = (old.map(git_mode), new.map(git_mode));
    let digest = |state: Option<&State<'_>>| Some(state?.data.as_ref()?.sha256);
    let (from, to) = (digest(old), digest(new));
    // A section without hunks must have modes, or git takes it for garbage.
    let with_modes = old_mode != new_mode || from == to;
    match (old_mode, new_mode) {
        (None, Some(new)) => out.line(format!("new file mode {new:06o}")),
        (Some(old), None) => out.line(format!("deleted file mode {old:06o}")),
        (Some(old), Some(new)) if with_modes => {
            out.line(format!("old mode {old:06o}"));
            out.line(format!("new mode {new:06o}"));
        }
        _ => {}
    }
    if from == to {
        return;
    }
    let id = |state: Option<&State<'_>>| match state.and_then(|state| state.data.as_ref()) {
        None => "0".repeat(12),
        // By git's own digest of nothing, `patch` knows that an empty file comes or goes.
        Some(data) if data.len == 0 => "e69de29bb2d1".into(),
        Some(data) => hex(&data.sha256[..6]),
    };
    let mode = old_mode.filter(|_| !with_modes);
    let mode = mode.map_or(String::new(), |mode| format!(" {mode:06o}"));
    out.line(format!("index {}..{}{mode}", id(old), id(new)));
    let a = old.map_or("/dev/null".into(), |_| a);
    let b = new.map_or("/dev/null".into(), |_| b);
    let text = |state: Option<&State<'_>>| match state.and_then(|state| state.data.as_ref()) {
        Some(data) => data.text.clone(),
        None => Some([].into()),
    };
    match (text(old), text(new)) {
        (Some(from), Some(to)) if from == to => {}
        (Some(from), Some(to)) => {
            out.line([b"--- ".as_slice(), &a].concat());
            out.line([b"+++ ".as_slice(), &b].concat());
            hunks(out, &from, &to);
        }
        _ => out.line([b"Binary files ".as_slice(), &a, b" and ", &b, b" differ"].concat()),
    }
}

/// The mode as git's headers have it, but with set-id bits, which are what a reviewer looks for. A link has none.
fn git_mode(state: &State<'_>) -> u32 {
    match state.inode.symlink() {
        Some(_) => state.type_bits(),
        None => state.type_bits() | state.meta.mode,
    }
}

fn hunks(out: &mut Text, old: &[u8], new: &[u8]) {
    for hunk in hunks::of(old, new) {
        out.line(hunk.header());
        for line in hunk.lines {
            out.0.push(line.sign.byte());
            out.0.push_str(line.text);
            if !line.text.ends_with(b"\n") {
                out.line("\n\\ No newline at end of file");
            }
        }
    }
}

#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn line(&mut self, line: impl AsRef<[u8]>) {
        self.0.push_str(line);
        self.0.push(b'\n');
    }

    /// The only way to a comment line, so that all of them are escaped.
    fn comment(&mut self, text: impl AsRef<[u8]>) {
        let text = escape(text);
        self.line(format!("# {text}").trim_end());
    }
}

/// The other names of a hard-linked file, as many as tell which file it is; busybox has hundreds.
fn hard_links(others: &[BString]) -> Vec<u8> {
    const SHOWN: usize = 4;
    let names = bstr::join(", ", &others[..others.len().min(SHOWN)]);
    let more = others.len().saturating_sub(SHOWN);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    [
        b"hard link, also named ".as_slice(),
        &names,
        rest.as_bytes(),
    ]
    .concat()
}
