//! The diff that a reviewer reads from top to bottom, and that git and `patch` read too.
//!
//! Comment lines start with `# `, which both tools skip. `index` lines have the first digits of each content's SHA-256.

use std::collections::BTreeSet;

use bstr::{BString, ByteVec as _};

use super::state::State;
use super::text::quote;
use super::{FileChange, Format, Report, describe, hunks};
use crate::error::Result;
use crate::escape::escape;
use crate::write::digests::hex;

/// The diff as a format.
#[derive(Debug)]
pub(super) struct Diff;

impl Format for Diff {
    fn name(&self) -> &'static str {
        "diff"
    }

    fn other_endings(&self) -> &'static [&'static str] {
        &["patch"]
    }

    fn about(&self) -> &'static str {
        "for reviewers, git and patch"
    }

    fn render(&self, report: &Report<'_>) -> Result<Vec<u8>> {
        report.to_diff()
    }
}

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
        if let Some(lock) = &self.lock
            && !lock.beyond.is_empty()
        {
            out.comment("");
            out.comment(format!("not in {}:", lock.name));
            for change in &lock.beyond {
                out.comment([b"  ", change.line().as_slice()].concat());
            }
        }
        out.comment("");
        let rules: Vec<_> = self.rules().iter().collect();
        for (rule, line) in rules.iter().zip(self.aligned(&rules)) {
            out.escaped_comment(&line);
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
        if !self.plan.waivers.is_empty() {
            out.comment("");
            out.comment("waivers:");
        }
        for waiver in &self.plan.waivers {
            out.comment(format!("  {:7}  {waiver}", waiver.state.name()));
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
            (Some(a), Some(b)) => describe::binary_differs(a, b) && a.meta == b.meta,
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
    let mut out = Text::of(path, comments);
    sections(&mut out, path, old, new);
    out.0
}

/// That a file is elsewhere, as git says it.
pub(crate) fn rename_diff(comments: &[BString], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Text::of(to, comments);
    let (a, b) = (quote("a", from), quote("b", to));
    out.line([b"diff --git ".as_slice(), &a, b" ", &b].concat());
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

/// Describes what became of a path and writes git's sections; gives the sides that have one.
fn sections<'s>(
    out: &mut Text,
    path: &[u8],
    old: Option<State<'s>>,
    new: Option<State<'s>>,
) -> (Option<State<'s>>, Option<State<'s>>) {
    for fact in describe::facts(old.as_ref(), new.as_ref()) {
        out.comment(fact);
    }
    if describe::misleads(old.as_ref(), new.as_ref()) {
        out.comment(
            "caution: has characters that make it look other than it is; view it with `cat -v`",
        );
    }
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
        for line in &hunk.lines {
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
    /// Begins what is said of a path.
    fn of(path: &[u8], comments: &[BString]) -> Self {
        let mut out = Self::default();
        out.line("");
        out.comment(path);
        comments.iter().for_each(|comment| out.comment(comment));
        out
    }

    fn line(&mut self, line: impl AsRef<[u8]>) {
        self.0.push_str(line);
        self.0.push(b'\n');
    }

    /// A comment line of what may be foreign.
    fn comment(&mut self, text: impl AsRef<[u8]>) {
        self.escaped_comment(&escape(text));
    }

    /// A comment line whose foreign parts are escaped already: to do it twice would double backslashes.
    fn escaped_comment(&mut self, text: &str) {
        self.line(format!("# {text}").trim_end());
    }
}
