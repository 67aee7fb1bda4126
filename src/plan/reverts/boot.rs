//! What systemd-tmpfiles does to edits when the system boots.

use std::collections::BTreeMap;

use bstr::{BStr, ByteSlice};

use crate::edit::{Change, Draft, Edit, ResidualKind};
use crate::error::{Stop, fail};
use crate::rootfs::glob::is_glob;
use crate::rootfs::{Inode, Place, below};
use crate::system::accounts;
use crate::system::systemd::tmpfiles::{Line, visit};

/// Adds a residual for each edit that a line of tmpfiles.d takes back.
pub(super) fn residuals(draft: &mut Draft<'_>) -> Result<(), Stop> {
    let edits = draft.edits_and_kept();
    let (found, searched) = undone(draft, &edits);
    for undone in found {
        let edit = &edits[undone.edit];
        let (rule, message) = (edit.rule, format!("{}: {}", edit.path, undone.what));
        let place = Place::new(&undone.file, undone.number);
        draft.residual_of(rule, ResidualKind::RevertedAtBoot, place, message);
    }
    searched
}

/// An edit that a line takes back.
struct Undone {
    /// The edit, as its place among the draft's.
    edit: usize,
    file: String,
    number: usize,
    /// What the line does.
    what: String,
}

/// Returns every edit that a line takes back, with each such line, in the order of edits; and why
/// there may be more, if that is so.
fn undone(draft: &Draft<'_>, edits: &[Edit]) -> (Vec<Undone>, Result<(), Stop>) {
    let mut search = Search::new(draft, edits);
    let searched = visit(draft, |line| search.hold_against(&line));
    search.found.sort_by_key(|undone| undone.edit);
    (search.found, searched)
}

/// How many paths, or parts of them, are held against lines that may mean them, and how many edits
/// are found undone, before the search gives up. Real images have a few dozen globs, and few lines
/// that mean the same path.
const CHECKS: usize = 4_000_000;
const UNDONE: usize = 100_000;
/// What looking up a user or group counts for: that reads a file.
const LOOK_UP: usize = 10_000;

/// The edits by their path, and what was found of them.
struct Search<'d, 'i> {
    draft: &'d Draft<'i>,
    all: &'d [Edit],
    edits: BTreeMap<&'d BStr, Edited<'d>>,
    numbers: BTreeMap<(&'static str, String), Option<u64>>,
    checks: usize,
    found: Vec<Undone>,
}

/// What is at an edited path, and which edits that had.
struct Edited<'d> {
    inode: Option<&'d Inode>,
    edits: Vec<usize>,
}

impl<'d, 'i> Search<'d, 'i> {
    fn new(draft: &'d Draft<'i>, all: &'d [Edit]) -> Self {
        let mut edits: BTreeMap<&BStr, Edited<'_>> = BTreeMap::new();
        for (at, edit) in all.iter().enumerate() {
            let edited = edits.entry(edit.path.as_bstr()).or_insert_with(|| {
                let place = draft.rootfs().locate(&edit.path).ok();
                let inode = place.and_then(|place| place.inode);
                let inode = inode.map(|id| draft.rootfs().inode(id));
                Edited {
                    inode: inode.filter(|inode| inode.symlink().is_none()),
                    edits: Vec::new(),
                }
            });
            edited.edits.push(at);
        }
        Self {
            draft,
            all,
            edits,
            numbers: BTreeMap::new(),
            checks: 0,
            found: Vec::new(),
        }
    }

    fn hold_against(&mut self, line: &Line<'_>) -> Result<(), Stop> {
        let edits = std::mem::take(&mut self.edits);
        let done = if is_glob(line.path) {
            let compiling = self.count(line.path.len());
            compiling.and_then(|()| self.hold_all(line, edits.iter()))
        } else {
            let below = line.reaches_below().then(|| below(&edits, &line.place));
            let at = edits.get_key_value(line.place.as_bstr());
            let all = at.into_iter().chain(below.into_iter().flatten());
            self.hold_all(line, all)
        };
        self.edits = edits;
        done
    }

    fn hold_all<'e>(
        &mut self,
        line: &Line<'_>,
        edited: impl Iterator<Item = (&'e &'d BStr, &'e Edited<'d>)>,
    ) -> Result<(), Stop>
    where
        'd: 'e,
    {
        for (path, edited) in edited {
            // A glob is held against each part of the path, and that takes as long as they are.
            let parts = if is_glob(line.path) {
                path.split(|byte| *byte == b'/').count() * (1 + path.len() / 64)
            } else {
                1
            };
            for edit in &edited.edits {
                self.count(parts)?;
                let change = &self.all[*edit].change;
                let Some(what) = self.undoes(line, path, edited.inode, change)? else {
                    continue;
                };
                if self.found.len() == UNDONE {
                    return fail(format!("tmpfiles.d undoes more than {UNDONE} edits"));
                }
                self.found.push(Undone {
                    edit: *edit,
                    file: line.file.to_owned(),
                    number: line.number,
                    what,
                });
            }
        }
        Ok(())
    }

    fn count(&mut self, checks: usize) -> Result<(), Stop> {
        self.checks += checks;
        if self.checks > CHECKS {
            return fail(
                "tmpfiles.d has more lines that may apply to edited files than casehard tries",
            );
        }
        Ok(())
    }

    /// Returns what a line does to an edit, if it takes it back.
    fn undoes(
        &mut self,
        line: &Line<'_>,
        path: &BStr,
        there: Option<&Inode>,
        change: &Change,
    ) -> Result<Option<String>, Stop> {
        let draft = self.draft;
        let there = there.filter(|inode| line.adjusts(draft, path, inode));
        Ok(match (change, there) {
            (Change::Removed, _) if line.makes_at(draft, path) => {
                Some("makes it again at boot".into())
            }
            (Change::Content | Change::Created, _) if line.removes(path) => {
                Some("removes it at boot".into())
            }
            (Change::Content | Change::Created, _) if line.writes(path) => {
                Some("writes over it at boot".into())
            }
            (Change::Mode { .. } | Change::Owner { .. }, _) if line.shares(path) => {
                Some("gives rights to others by an access control list at boot".into())
            }
            (Change::Mode { .. }, Some(inode)) => line.new_mode(inode),
            (Change::Owner { .. }, Some(inode)) => self.new_owner(line, inode)?,
            (Change::Created, Some(inode)) => match line.new_mode(inode) {
                None => self.new_owner(line, inode)?,
                mode => mode,
            },
            _ => None,
        })
    }

    /// Returns what becomes of its owner and group. Names that the image does not know change
    /// nothing.
    fn new_owner(&mut self, line: &Line<'_>, inode: &Inode) -> Result<Option<String>, Stop> {
        let present = (inode.meta.uid, inode.meta.gid);
        let named = |name: &str| match name.strip_prefix(':') {
            Some(name) if line.takes_as_new() => name.to_owned(),
            _ => name.to_owned(),
        };
        let uid = self.number("passwd", &named(line.user), present.0)?;
        let gid = self.number("group", &named(line.group), present.1)?;
        let differs = (uid, gid) != present;
        Ok(differs.then(|| format!("sets its owner to {uid}:{gid} at boot")))
    }

    fn number(&mut self, database: &'static str, name: &str, present: u64) -> Result<u64, Stop> {
        if name == "-" || name.starts_with(':') {
            return Ok(present);
        }
        let key = (database, name.to_owned());
        if let Some(known) = self.numbers.get(&key) {
            return Ok(known.unwrap_or(present));
        }
        self.count(LOOK_UP)?;
        let number = accounts::id(self.draft, database, name)?;
        self.numbers.insert(key, number);
        Ok(number.unwrap_or(present))
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::check;

    #[test]
    fn tmpfiles_takes_back_at_boot() {
        let image = "
dir ./
file usr/lib/tmpfiles.d/a.conf
| # z /usr/bin/su 4755
| z /usr/bin/su 4755 root root
| Z /usr/sbin 4711
| f /etc/motd 0644 root root - hello
| F /etc/issue 0644 - - - x
| L /etc/link - - - - /x
| r /etc/gone
| z /usr/bin/ls 0755
file usr/lib/tmpfiles.d/hidden.conf
| f /etc/motd
symlink etc/tmpfiles.d/hidden.conf -> /dev/null
file usr/bin/su mode=4755
file usr/bin/ls mode=4755
file usr/sbin/x mode=4755
file etc/motd
file etc/issue
| y
symlink etc/link -> /x
";
        let at = "/usr/lib/tmpfiles.d/a.conf";
        check(
            image,
            "[StripSetid]\n[Remove /etc/{motd,link}]\n[WriteFile /etc/issue]\n[WriteFile /etc/gone]",
            &format!(
                "changed\n  mode /usr/bin/su 4755 0755\n  mode /usr/bin/ls 4755 0755\n  mode /usr/sbin/x 4755 0755\n  \
                 residual {at}:2: /usr/bin/su: sets its mode to 4755 at boot\n  residual {at}:3: /usr/sbin/x: sets its mode to 4711 at boot\n\
                 changed\n  removed /etc/link\n  removed /etc/motd\n  \
                 residual {at}:4: /etc/motd: makes it again at boot\n  residual {at}:6: /etc/link: makes it again at boot\n\
                 changed\n  content /etc/issue\n  residual {at}:5: /etc/issue: writes over it at boot\n\
                 changed\n  created /etc/gone\n  residual {at}:7: /etc/gone: removes it at boot\n"
            ),
        );
    }

    #[test]
    fn tmpfiles_gives_files_to_others() {
        let image = "
dir ./
file etc/passwd
| app:x:1000:1000::/:/bin/sh
file usr/lib/tmpfiles.d/a.conf
| Z /var/run/key - app -
| z /run/log ~0777 :app :app
dir run
symlink var/run -> ../run
file run/key uid=1000 mode=0644
file run/log mode=0640
";
        check(
            image,
            "[Permissions /run/key]\nOwner=root\n[Permissions /run/log]\nMode=0600",
            "changed\n  owner /run/key 1000:0 0:0\n  residual /usr/lib/tmpfiles.d/a.conf:1: /run/key: sets its owner to 1000:0 at \
             boot\nchanged\n  mode /run/log 0640 0600\n  residual /usr/lib/tmpfiles.d/a.conf:2: /run/log: sets its mode to 0666 at \
             boot\n",
        );
    }

    #[test]
    fn a_directory_that_is_copied_over_one_that_is_there_brings_back_what_was_removed() {
        check(
            "file usr/lib/tmpfiles.d/a.conf\n| C+ /etc/x - - - - /srv/x\n| C /etc/y - - - - /srv/x\nfile srv/x/sub/a\ndir etc/x/sub\ndir etc/y/sub\nfile \
             etc/x/sub/a\nfile etc/x/own\nfile etc/y/sub/a\n",
            "[Remove /etc/x/{own,sub/a}]\n[Remove /etc/y/sub/a]",
            "changed\n  removed /etc/x/own\n  removed /etc/x/sub/a\n  residual /usr/lib/tmpfiles.d/a.conf:1: /etc/x/sub/a: makes it \
             again at boot\nchanged\n  removed /etc/y/sub/a\n",
        );
    }

    #[test]
    fn a_credential_of_the_image_has_lines_too_and_lists_give_rights() {
        check(
            "file usr/lib/credstore/tmpfiles.extra\n| a+ /etc/key - - - - u:app:r\n| A /etc - - - - d:u:app:r\n| z /etc/key 0644\n\
             file etc/key mode=0644\n",
            "[Permissions /etc/key]\nMode=0600",
            "changed\n  mode /etc/key 0644 0600\n  residual /usr/lib/credstore/tmpfiles.extra:1: /etc/key: gives rights to others by \
             an access control list at boot\n  residual /usr/lib/credstore/tmpfiles.extra:3: /etc/key: sets its mode to 0644 at \
             boot\n",
        );
    }

    #[test]
    fn tmpfiles_can_mean_the_root() {
        check(
            "file usr/lib/tmpfiles.d/a.conf\n| Z / 4755\nfile bin/su mode=4755\n",
            "[StripSetid]",
            "changed\n  mode /bin/su 4755 0755\n  residual /usr/lib/tmpfiles.d/a.conf:1: /bin/su: sets its mode to 4755 at boot\n",
        );
    }
}
