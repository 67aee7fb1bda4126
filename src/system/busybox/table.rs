//! The table of applets in a busybox executable: which code each name runs, and how to let a name run `false`.
//!
//! busybox has its applets' names in one string and, in the same order, the addresses of their code in `applet_main`. Nothing
//! in a stripped executable says where that is. It is taken to be found only where all of this holds:
//!
//! 1. one sorted run of names with an empty one at its end has `false` in it,
//! 2. as many neighbouring words as there are names hold addresses of code,
//! 3. names that busybox gives the same code (`grep`, `egrep`, `fgrep`) have equal words,
//! 4. well-known applets that have code of their own have different words,
//! 5. the words are constant or relocated in a way that is understood,
//!
//! and where that is so of one place only. Otherwise there is a [`TableRefusal`], never a guess.

use super::elf::{LONGEST_RUN, Program, Slot};
use super::names;
use super::{TableRefusal, refuse};

/// Names for the same code, in every busybox that has them.
const ALIASES: &[&[&str]] = &[
    &["[", "[[", "test"],
    &["grep", "egrep", "fgrep"],
    &["md5sum", "sha1sum", "sha256sum", "sha3sum", "sha512sum"],
    &["halt", "poweroff", "reboot"],
    &["ftpget", "ftpput"],
    &["gunzip", "zcat"],
];

/// Applets that share their code with none of each other, nor with an alias.
const DISTINCT: &[&str] = &[
    "awk", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname",
    "dmesg", "du", "echo", "env", "expr", "find", "gzip", "head", "id", "ln", "ls", "mkdir",
    "mount", "mv", "od", "printf", "ps", "pwd", "rm", "rmdir", "sed", "sleep", "sort", "tail",
    "tar", "tee", "touch", "tr", "true", "umount", "uname", "uniq", "vi", "wc", "xargs",
];

/// How many different words there must be among those, aliases included.
const LEAST_DISTINCT: usize = 4;

/// More runs of names than this that could be the table's are an attempt to keep the reader busy.
const MOST_CANDIDATES: usize = 4;

/// The applets of one executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Sorted.
    names: Vec<String>,
    /// In the same order.
    pub(super) slots: Vec<Slot>,
    /// The place of `false` in both.
    inert: usize,
    /// The size of a word in bytes.
    word: usize,
}

impl Table {
    /// Finds the table in an executable's bytes, which need not be what they claim to be.
    pub(crate) fn find(data: &[u8]) -> Result<Self, TableRefusal> {
        let program = Program::read(data)?;
        let mut candidates: Vec<Candidate<'_>> = names::runs(data)
            .iter()
            .filter_map(|run| Candidate::new(run))
            .collect();
        if candidates.is_empty() {
            return refuse(
                "it has no table of applets with `false` and applets to recognise the table by",
            );
        }
        if candidates.len() > MOST_CANDIDATES {
            return refuse("it has too many runs of names that could be the table's");
        }
        let least = candidates.iter().map(|c| c.names.len()).min();
        program.runs(least.unwrap_or(LONGEST_RUN), |run| {
            for candidate in &mut candidates {
                candidate.look_at(run);
            }
        });
        let places: usize = candidates.iter().map(|c| c.places).sum();
        let found = candidates.into_iter().find(|c| c.places > 0);
        match found {
            None => refuse(
                "nowhere do addresses of code fit the names of its applets, or their relocations are not understood",
            ),
            Some(_) if places > 1 => {
                refuse("in more than one place, addresses of code fit the names of its applets")
            }
            Some(found) => Ok(Self {
                names: found.names.iter().map(|name| (*name).to_owned()).collect(),
                slots: found.slots,
                inert: found.inert,
                word: program.machine.word(),
            }),
        }
    }

    /// Returns the applets' names, sorted.
    #[cfg(test)]
    pub(crate) fn applets(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Returns whether the executable has the applet, working or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// Returns whether the applet is in the table and runs the code of `false`.
    pub(crate) fn neutralised(&self, name: &str) -> bool {
        self.place(name)
            .is_some_and(|at| self.slots[at].value == self.slots[self.inert].value)
    }

    /// Returns the executable with each of the applets running `false`, and ignores names that the table lacks. `data` is
    /// what the table was found in.
    pub(crate) fn neutralise(&self, data: &[u8], names: &[&str]) -> Result<Vec<u8>, TableRefusal> {
        let mut want = self.clone();
        let mut patched = data.to_vec();
        let inert = self.slots[self.inert].value;
        for at in names.iter().filter_map(|name| self.place(name)) {
            let file = self.slots[at].file;
            let word = patched.get_mut(file..file + self.word);
            let word = word.ok_or_else(|| TableRefusal::new("its table is not in the file"))?;
            word.copy_from_slice(&inert.to_le_bytes()[..self.word]);
            want.slots[at].value = inert;
        }
        // Words that other parts of the file share would show here, and so would a table that can no longer be told from others.
        match Self::find(&patched) {
            Ok(found) if found == want => Ok(patched),
            _ => refuse("without these applets its table could not be recognised again"),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|n| n.as_str().cmp(name)).ok()
    }
}

/// A run of names that could be the table's, and where addresses fit it.
struct Candidate<'d> {
    names: Vec<&'d str>,
    inert: usize,
    /// Places of names with the same code.
    aliases: Vec<Vec<usize>>,
    /// Places of names with code of their own.
    distinct: Vec<usize>,
    /// The first place where addresses fit.
    slots: Vec<Slot>,
    /// How many places they fit.
    places: usize,
}

impl<'d> Candidate<'d> {
    /// Returns nothing if too few of the names are known to tell their table from any other.
    fn new(run: &[&'d [u8]]) -> Option<Self> {
        let names: Vec<&str> = run
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok())
            .collect();
        let places = |known: &[&str]| -> Vec<usize> {
            known
                .iter()
                .filter_map(|name| names.binary_search(name).ok())
                .collect()
        };
        let inert = names.binary_search(&"false").ok()?;
        let mut aliases: Vec<Vec<usize>> = ALIASES.iter().map(|group| places(group)).collect();
        aliases.retain(|group| !group.is_empty());
        let distinct = places(DISTINCT);
        let enough = aliases.iter().any(|group| group.len() > 1)
            && aliases.len() + distinct.len() >= LEAST_DISTINCT;
        enough.then_some(Self {
            names,
            inert,
            aliases,
            distinct,
            slots: Vec::new(),
            places: 0,
        })
    }

    /// Counts the places of a run of addresses that fit.
    fn look_at(&mut self, run: &[Slot]) {
        for slots in run.windows(self.names.len()) {
            if self.fits(slots) {
                self.places += 1;
                if self.places == 1 {
                    self.slots = slots.to_vec();
                }
            }
        }
    }

    /// Returns whether the words are equal and different as the names want it. Applets that run `false` already prove nothing.
    fn fits(&self, slots: &[Slot]) -> bool {
        let inert = slots[self.inert].value;
        let code = |at: &usize| Some(slots[*at].value).filter(|value| *value != inert);
        let mut seen: Vec<u64> = Vec::new();
        let mut paired = false;
        for group in &self.aliases {
            let mut values = group.iter().filter_map(code);
            let Some(first) = values.next() else { continue };
            for value in values {
                if value != first {
                    return false;
                }
                paired = true;
            }
            seen.push(first);
        }
        if !paired {
            return false;
        }
        seen.extend(self.distinct.iter().filter_map(code));
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        seen.len() == all && all >= LEAST_DISTINCT
    }
}
