//! A rootfs under work, on which rules make their edits.

mod changes;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::rc::Rc;

use bstr::{BStr, BString, ByteSlice};
use jiff::civil::Date;

use crate::error::Stop;
use crate::image::Image;
use crate::rootfs::{Files, InodeId, Place, Rootfs};
use crate::system::boot::other_starts;
use crate::system::boot_writes::{BootWrites, boot_writes};
use crate::system::systemd::{
    ETC, Knows, UnitIndex, UnitStart, Units, mask_leftovers, unit_starts,
};

use super::{Change, Edit, Outcome, Residual, ResidualKind};

/// What a rule finds once it has done its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The image now has the state that the rule asks for.
    Holds,
    /// The image has nothing of what the rule names; says what was looked for.
    Absent(String),
}

/// What a rule's work gives.
pub(crate) type Applied = Result<Verdict, Stop>;

/// Ends a rule's work: the image has nothing of what the rule names.
pub(crate) fn absent(what: impl Into<String>) -> Applied {
    Ok(Verdict::Absent(what.into()))
}

/// Which parts of a rule a recipe waives, by rule kind and subject.
pub(crate) type Waivers = BTreeMap<(String, String), Waived>;

/// What is known of a waiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waived {
    expired: Option<Date>,
    /// Whether a rule would have changed something but for it.
    pub(crate) used: bool,
}

impl Waived {
    /// A waiver that holds up to and including a day, judged by another day.
    pub(crate) fn new(expires: Date, day: Date) -> Self {
        Self {
            expired: Some(expires).filter(|e| *e < day),
            used: false,
        }
    }

    /// Whether its last day has passed.
    pub(crate) fn expired(&self) -> bool {
        self.expired.is_some()
    }
}

/// What edits leave open, of which the result shows no trace, and which of it still is.
struct Left {
    residuals: Vec<Residual>,
    are_open: Box<AreOpen>,
}

type AreOpen = dyn Fn(&Rootfs) -> Vec<bool>;

/// A rootfs under work: rules read it and change it, and every change is written down.
pub(crate) struct Draft<'i> {
    files: Files<'i>,
    /// The time of new files, and of changed ones; none for the nearest directory's.
    mtime: Option<u64>,
    rule: (usize, &'static str),
    waived_now: usize,
    expired_now: Option<String>,
    pub(crate) waivers: Waivers,
    pub(crate) edits: Vec<Edit>,
    /// What rules would have done, had the image not been so already.
    kept: Vec<Edit>,
    pub(crate) residuals: Vec<Residual>,
    /// Residuals that a later rule may still close.
    pub(crate) passing: Vec<Residual>,
    left: Vec<Left>,
    /// The units that each rule masks.
    masked: Vec<(usize, BTreeSet<String>)>,
    /// The index of units, and how many edits it knows of.
    units: RefCell<(Option<Rc<UnitIndex>>, usize)>,
    /// What the units start, and how many edits it knows of.
    starts: RefCell<(Option<Rc<Vec<UnitStart>>>, usize)>,
    knows: RefCell<Knows>,
    /// What is written at boot, and how many edits it knows of.
    boot_writes: RefCell<(Option<Rc<BootWrites>>, usize)>,
    pub(crate) notes: Vec<(usize, String)>,
    /// Those of the notes that tell of a probable slip in the recipe.
    pub(crate) warnings: BTreeSet<(usize, String)>,
}

impl<'i> Deref for Draft<'i> {
    type Target = Files<'i>;

    fn deref(&self) -> &Files<'i> {
        &self.files
    }
}

impl<'i> Draft<'i> {
    pub(crate) fn new(
        image: &'i Image,
        rootfs: Rootfs,
        waivers: Waivers,
        mtime: Option<u64>,
    ) -> Self {
        let (edits, residuals, passing, notes) = Default::default();
        let (rule, waived_now, expired_now) = ((0, ""), 0, None);
        Self {
            files: Files::new(image, Cow::Owned(rootfs)),
            mtime,
            rule,
            waived_now,
            expired_now,
            waivers,
            edits,
            residuals,
            passing,
            kept: Vec::new(),
            warnings: BTreeSet::new(),
            left: Vec::new(),
            masked: Vec::new(),
            units: RefCell::default(),
            starts: RefCell::default(),
            boot_writes: RefCell::default(),
            knows: RefCell::default(),
            notes,
        }
    }

    /// Returns the units as they are now. What takes a pass over all of them is kept from rule to rule, while edits allow it.
    pub(crate) fn units(&self) -> Units<'_> {
        let (index, known) = &mut *self.units.borrow_mut();
        let new = &self.edits[*known..];
        *known = self.edits.len();
        let holds = index.as_mut().is_some_and(|index| {
            // Units that are still in use share the index; without an edit it need not be copied.
            if new.is_empty() {
                return true;
            }
            let index = Rc::make_mut(index);
            let mut new = new.iter();
            new.all(|edit| {
                edit.change != Change::Removed && index.follow(self.rootfs(), edit.path.as_bstr())
            })
        });
        if !holds {
            *index = None;
        }
        let index = index.get_or_insert_with(|| Rc::new(UnitIndex::of(self)));
        Units::new(self.rootfs(), Rc::clone(index))
    }

    /// Returns what the units of the image start. Units that rules masked since it was read are among
    /// them: ask whether a unit is masked.
    pub(crate) fn unit_starts(&self) -> Result<Rc<Vec<UnitStart>>, Stop> {
        let (starts, known) = &mut *self.starts.borrow_mut();
        let new = &self.edits[*known..];
        *known = self.edits.len();
        let concerns_units = |edit: &Edit| {
            let path = edit.path.as_bytes();
            let within = ["/systemd/", "/init.d", "/usr", "/lib", "/etc"];
            let (inside, whole) = within.split_at(2);
            let inside = inside.iter().any(|part| path.contains_str(part));
            let is_mask =
                edit.change == Change::Created && self.rootfs().leads_to(path, "/dev/null");
            (inside && !is_mask) || whole.iter().any(|all| path == all.as_bytes())
        };
        if let Some(starts) = starts
            && !new.iter().any(concerns_units)
        {
            return Ok(Rc::clone(starts));
        }
        let read = Rc::new(unit_starts(self, &self.units())?);
        *starts = Some(Rc::clone(&read));
        Ok(read)
    }

    /// Returns what something in the image writes when it boots. Edits are followed where they concern
    /// a unit or a script that was read.
    pub(crate) fn boot_writes(&self) -> Result<Rc<BootWrites>, Stop> {
        let (writes, known) = &mut *self.boot_writes.borrow_mut();
        let new = &self.edits[*known..];
        *known = self.edits.len();
        if let Some(writes) = writes {
            let concerns = |edit: &Edit| {
                let id = self.rootfs().open(&edit.path);
                edit.path.contains_str("/systemd/")
                    || edit.change == Change::Removed
                    || id.is_some_and(|id| writes.scripts.contains(&id))
            };
            if !new.iter().any(concerns) {
                return Ok(Rc::clone(writes));
            }
        }
        let read = Rc::new(boot_writes(self, &self.units())?);
        *writes = Some(Rc::clone(&read));
        Ok(read)
    }

    /// Returns what the image's systemd does not read of some settings, in words.
    pub(crate) fn unread<'s>(
        &self,
        settings: impl Iterator<Item = (&'s str, &'s str)>,
    ) -> Result<Option<String>, Stop> {
        self.knows.borrow_mut().unread(self, settings)
    }

    /// Says whose edits follow.
    pub(crate) fn begin(&mut self, rule: usize, kind: &'static str) {
        (self.rule, self.waived_now, self.expired_now) = ((rule, kind), 0, None);
    }

    /// What a verdict comes to, given what the rule did since [`begin`](Self::begin).
    pub(crate) fn outcome(&self, verdict: &Verdict) -> Outcome {
        match verdict {
            Verdict::Holds if self.expired_now.is_some() => {
                Outcome::Failed(self.expired_now.clone().unwrap_or_default())
            }
            Verdict::Absent(_) => Outcome::Absent,
            Verdict::Holds if self.edits.last().is_some_and(|e| e.rule == self.rule.0) => {
                Outcome::Changed
            }
            Verdict::Holds if self.waived_now > 0 => Outcome::Waived,
            Verdict::Holds => Outcome::Already,
        }
    }

    pub(crate) fn into_rootfs(self) -> Rootfs {
        self.files.into_rootfs()
    }

    /// Whether a waiver of the rule at work names this subject. Ask only about what would otherwise change.
    pub(crate) fn waived(&mut self, subject: &BStr) -> bool {
        self.waived_as(&[subject])
    }

    /// Whether a waiver names what can be called by several names. One that has expired does not stand in another's way.
    pub(crate) fn waived_as(&mut self, subjects: &[&BStr]) -> bool {
        let (mut waives, mut expired) = (false, None);
        for subject in subjects {
            let key = (self.rule.1.to_owned(), subject.to_string());
            let Some(waived) = self.waivers.get_mut(&key) else {
                continue;
            };
            waived.used = true;
            match waived.expired {
                None => waives = true,
                Some(day) => {
                    expired = expired.or(Some(format!(
                        "its waiver for {subject} expired on {day}; renew or delete it"
                    )));
                }
            }
        }
        if waives {
            self.waived_now += 1;
        } else {
            self.expired_now = self.expired_now.take().or(expired);
        }
        waives
    }

    /// Records what the rule could not close. The plan keeps equal residuals once.
    pub(crate) fn residual(
        &mut self,
        kind: ResidualKind,
        place: impl Into<Option<Place>>,
        message: impl Into<String>,
    ) {
        self.residual_of(self.rule.0, kind, place, message);
    }

    /// As [`residual`](Self::residual), for a rule that is no longer at work.
    pub(crate) fn residual_of(
        &mut self,
        rule: usize,
        kind: ResidualKind,
        place: impl Into<Option<Place>>,
        message: impl Into<String>,
    ) {
        self.residuals
            .push(Residual::of(rule, kind, place, message));
    }

    /// Records what stays open unless a later rule closes it: it counts only if the result has it too.
    pub(crate) fn open_so_far(
        &mut self,
        kind: ResidualKind,
        place: impl Into<Option<Place>>,
        message: impl Into<String>,
    ) {
        let residual = Residual::of(self.rule.0, kind, place, message);
        self.passing.push(residual);
    }

    /// Records what edits leave open where the result shows no trace of it, as paths and messages. Each counts unless a later
    /// rule closes it; `are_open` decides that when all rules have run.
    pub(crate) fn left_open(
        &mut self,
        kind: ResidualKind,
        left: Vec<(BString, String)>,
        are_open: impl Fn(&Rootfs) -> Vec<bool> + 'static,
    ) {
        let rule = self.rule.0;
        let residuals = left
            .into_iter()
            .map(|(path, message)| Residual::of(rule, kind, Place::new(path, None), message));
        self.left.push(Left {
            residuals: residuals.collect(),
            are_open: Box::new(are_open),
        });
    }

    /// Records that a file has the content already that the rule asks for, so that what takes it back
    /// is found all the same.
    pub(crate) fn keeps(&mut self, file: InodeId) {
        self.kept.push(Edit {
            rule: self.rule.0,
            path: self.rootfs().path(file),
            change: Change::Content,
        });
    }

    /// Returns all edits, and after them what would have been one had the image not been so already.
    pub(crate) fn edits_and_kept(&self) -> Vec<Edit> {
        let masks = self.masked.iter().flat_map(|(rule, units)| {
            let paths = units.iter().map(|unit| format!("{ETC}/{unit}"));
            let paths = paths.filter(|path| self.rootfs().leads_to(path.as_bytes(), "/dev/null"));
            paths.map(|path| Edit {
                rule: *rule,
                path: path.into(),
                change: Change::Created,
            })
        });
        let all = self.edits.iter().chain(&self.kept).cloned();
        all.chain(masks).collect()
    }

    /// Records units that the rule has masked, for [`find_mask_leftovers`](Self::find_mask_leftovers).
    pub(crate) fn masks(&mut self, units: BTreeSet<String>) {
        self.masked.push((self.rule.0, units));
    }

    /// Records what masks leave open, as [`open_so_far`](Self::open_so_far) does; once for all rules, when they have run.
    pub(crate) fn find_mask_leftovers(&mut self) -> Result<(), Stop> {
        let found = mask_leftovers(self, &self.units(), &self.masked)?;
        let found = found.into_iter().map(|(rule, left)| {
            let kind = match left.stopped {
                true => ResidualKind::CannotStart,
                false => ResidualKind::OtherStart,
            };
            Residual::of(rule, kind, left.place, left.message)
        });
        self.passing.extend(found);
        let starts = self.unit_starts()?;
        for other in other_starts(self, &self.units(), &starts, &self.masked)? {
            // What is known in more detail is said once.
            let known = |residual: &Residual| {
                let path = residual.place.as_ref().map(|place| &place.path);
                residual.rule == Some(other.rule) && path == Some(&other.place.path)
            };
            if !self.passing.iter().chain(&self.residuals).any(known) {
                let kind = ResidualKind::OtherStart;
                self.passing
                    .push(Residual::of(other.rule, kind, other.place, other.message));
            }
        }
        self.passing.sort_by_key(|residual| residual.rule);
        Ok(())
    }

    /// Makes residuals of what is left open, once all rules have done their work.
    pub(crate) fn settle(&mut self) {
        for left in std::mem::take(&mut self.left) {
            let open = (left.are_open)(self.files.rootfs()).into_iter();
            let open = open.zip(left.residuals).filter(|(open, _)| *open);
            self.residuals.extend(open.map(|(_, residual)| residual));
        }
    }

    /// Writes down what the reader of the report should know, without anything being open.
    pub(crate) fn note(&mut self, message: impl Into<String>) {
        self.notes.push((self.rule.0, message.into()));
    }

    /// Writes down what is probably a slip in the recipe: a note that the terminal shows too.
    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        let message = message.into();
        self.warnings.insert((self.rule.0, message.clone()));
        self.note(message);
    }
}
