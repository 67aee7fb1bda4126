//! The diff that a reviewer reads from top to bottom, and that git and `patch` read too.
//!
//! Comment lines start with `# `, which both tools skip. `index` lines have the first digits of
//! each content's SHA-256.

use std::collections::BTreeSet;
use std::io::Write;

use bstr::{BString, ByteSlice as _, ByteVec as _};

use super::{FileChange, Report};
use crate::diff::{self, Comparison, PathChange, Side, State};
use crate::error::{Error, Result};
use crate::escape::escape;
use crate::inventory;
use crate::write::digests::hex;

/// The first line of every diff.
const TOOL: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

impl Report<'_> {
    /// Returns one text for a reviewer: what each rule came to, then every file that differs, with
    /// the reasons. `git apply --stat` and `patch -p1` read it, so set-id bits are in its `old
    /// mode` and `new mode` lines. As with git's own diffs, `patch` cannot apply changes of
    /// binaries. Where a content is not UTF-8, neither is the text.
    ///
    /// # Errors
    /// [`Error::Io`] where the image cannot be read.
    pub fn to_diff(&self) -> Result<Vec<u8>> {
        let mut out = Text::default();
        self.header(&mut out);
        // A busybox has hundreds of names, and each would say the same.
        let mut shown = BTreeSet::new();
        for file in &self.files {
            let key = file.twin_key();
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
        out.comment(TOOL);
        out.comment(format!("image   {}", self.before.name()));
        out.comment(format!("recipe  {}", self.plan.recipe.name()));
        out.comment(self.counts());
        if let Some(lock) = &self.lock {
            let lines = lock.beyond.iter().map(inventory::Change::line);
            out.list(&format!("not in {}:", lock.name), lines);
        }
        out.comment("");
        let rules: Vec<_> = self.rules().iter().collect();
        for (rule, line) in rules.iter().zip(self.aligned(&rules)) {
            out.escaped_comment(&line);
            for note in &rule.notes {
                out.comment(format!("           note: {note}"));
            }
        }
        let residuals = self.plan.residuals.iter().map(|one| self.residual(one));
        out.list("what stays open:", residuals);
        let waivers = self.plan.waivers.iter();
        let waivers = waivers.map(|waiver| format!("{:7}  {waiver}", waiver.state.name()));
        out.list("waivers:", waivers);
        out.list("notes:", self.plan.notes.iter());
    }

    /// Writes one file's part. Returns whether its other names need none: `patch` must find what it
    /// can follow under each name.
    fn file(&self, out: &mut Text, file: &FileChange) -> Result<bool> {
        let rules = file.rules.iter().map(|rule| &self.rules()[*rule].section);
        let reasons: Vec<BString> = rules
            .map(|section| {
                let reason = section.reason.as_deref().unwrap_or("no reason given");
                let reference = section.reference.as_deref();
                let reference = reference.map_or(String::new(), |text| format!(" ({text})"));
                format!("{}: {reason}{reference}", section.label()).into()
            })
            .collect();
        let states = path(out, &file.change, &self.before, &self.after, &reasons)?;
        let [Some(old), Some(new)] = &states else {
            return Ok(false);
        };
        Ok(match (&old.data, &new.data) {
            (Some(a), Some(b)) => {
                let binary = a.text.is_none() || b.text.is_none();
                binary && a.sha256 != b.sha256 && old.meta == new.meta
            }
            _ => false,
        })
    }
}

impl Comparison<'_> {
    /// Writes the comparison in the form of [`Report::to_diff`].
    ///
    /// # Errors
    /// [`Error::Io`] where an image cannot be read, and [`Error::Output`] where `out` cannot be
    /// written.
    pub fn write_diff(&self, out: &mut dyn Write) -> Result<()> {
        let mut text = Text::default();
        text.comment(TOOL);
        text.comment(format!("old  {}", self.old.name()));
        text.comment(format!("new  {}", self.new.name()));
        text.comment(self.counts());
        for note in self.notes() {
            text.comment(format!("note: {note}"));
        }
        for change in self.surface() {
            for (sign, details) in [("-", &change.lost), ("+", &change.gained)] {
                for detail in details {
                    let mut line = BString::from(format!("{sign} {} ", change.kind.name()));
                    line.push_str(bstr::join(b" ", [&change.name, detail]));
                    text.comment(line.trim_end());
                }
            }
        }
        for change in self.paths() {
            let names: Vec<_> = change.differences.iter().map(|d| d.name()).collect();
            path(
                &mut text,
                change,
                &self.old,
                &self.new,
                &[names.join(", ").into()],
            )?;
            out.write_all(&std::mem::take(&mut text.0))
                .map_err(Error::Output)?;
        }
        out.write_all(&text.0).map_err(Error::Output)
    }
}

/// Describes what became of a path, below the caller's comments, and writes git's sections. Returns
/// what the path stands for, where git has sections for that.
fn path<'s>(
    out: &mut Text,
    change: &PathChange,
    old: &'s Side<'_>,
    new: &'s Side<'_>,
    comments: &[BString],
) -> Result<[Option<State<'s>>; 2]> {
    out.line("");
    out.comment(&change.path);
    let facts = change.facts(old, new)?;
    for comment in comments.iter().chain(&facts) {
        out.comment(comment);
    }
    if let Some(from) = &change.from {
        renamed(out, from, &change.path);
        return Ok([None, None]);
    }
    let states = change.states(old, new)?;
    for detail in change.details(new, &states) {
        out.comment(detail);
    }
    if diff::misleads(&states) {
        out.comment("caution: has characters that make it look different; view it with `cat -v`");
    }
    // Git and `patch` have no sections for directories, devices and pipes.
    let known = |state: &State<'_>| state.inode.is_file() || state.inode.symlink().is_some();
    let states = states.map(|state| state.filter(known));
    match &states {
        [None, None] => {}
        // Git has no other way to say that a file became a link.
        [Some(a), Some(b)] if a.inode.type_bits() != b.inode.type_bits() => {
            section(out, &change.path, Some(a), None);
            section(out, &change.path, None, Some(b));
        }
        [a, b] => section(out, &change.path, a.as_ref(), b.as_ref()),
    }
    Ok(states)
}

/// Writes that a file moved, as git does.
fn renamed(out: &mut Text, from: &[u8], to: &[u8]) {
    let (a, b) = (quote("a", from), quote("b", to));
    out.line([b"diff --git ".as_slice(), &a, b" ", &b].concat());
    out.line("similarity index 100%");
    // Unlike in the line above, these have no side before them.
    let bare = |path: &[u8]| quote("", path.strip_prefix(b"/").unwrap_or(path));
    out.line([b"rename from ".as_slice(), &bare(from)].concat());
    out.line([b"rename to ".as_slice(), &bare(to)].concat());
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

/// The mode as git's headers have it, but with set-id bits, which are what a reviewer looks for. A
/// link has none.
fn git_mode(state: &State<'_>) -> u32 {
    match state.inode.symlink() {
        Some(_) => state.inode.type_bits(),
        None => state.inode.type_bits() | state.meta.mode,
    }
}

fn hunks(out: &mut Text, old: &[u8], new: &[u8]) {
    for hunk in diff::hunks(old, new) {
        out.line(hunk.header);
        for line in &hunk.lines {
            out.0.push_char(line.sign.char());
            out.line(line.text);
            if !line.ends {
                out.line("\\ No newline at end of file");
            }
        }
    }
}

/// A path as git's headers have it, below `a` or `b`. Git leaves spaces unquoted and guesses where
/// the first name ends; quoting them needs no guess and every reader of git's headers knows it.
fn quote(side: &str, path: &[u8]) -> BString {
    let mut out = BString::from(side);
    out.extend_from_slice(path);
    if path
        .iter()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
    {
        return out;
    }
    let mut quoted = BString::from("\"");
    for byte in out.iter() {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            b'\t' => quoted.extend(b"\\t"),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b' '..=b'~' => quoted.push(*byte),
            _ => quoted.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    quoted.push(b'"');
    quoted
}

#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn line(&mut self, line: impl AsRef<[u8]>) {
        self.0.push_str(line);
        self.0.push(b'\n');
    }

    /// Writes a comment line, whose text may be foreign.
    fn comment(&mut self, text: impl AsRef<[u8]>) {
        self.escaped_comment(&escape(text));
    }

    /// Writes a comment line whose foreign parts are escaped already: to do it twice would double
    /// backslashes.
    fn escaped_comment(&mut self, text: &str) {
        self.line(format!("# {text}").trim_end());
    }

    /// Writes a list below its title, if there is anything in it.
    fn list(&mut self, title: &str, items: impl ExactSizeIterator<Item = impl AsRef<[u8]>>) {
        if items.len() > 0 {
            self.comment("");
            self.comment(title);
        }
        for item in items {
            self.comment([b"  ", item.as_ref()].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_as_git_reads_them() {
        let check = |path: &[u8], expect: &str| assert_eq!(quote("a", path), expect);
        check(b"/etc/passwd", "a/etc/passwd");
        check(b"/a b", r#""a/a b""#);
        check(
            b"/\"\\\n\t\r\x01\x7f\xc3\xbc",
            r#""a/\"\\\n\t\r\001\177\303\274""#,
        );
    }
}
