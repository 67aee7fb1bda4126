//! What the loader changes in a program before it runs.

use object::LittleEndian as Le;
use object::elf;
use object::pod::{Pod, slice_from_all_bytes};
use object::read::elf::{Dyn as _, FileHeader, Rel as _, Rela as _, RelrIterator};

use super::Refusal;
use super::elf::{Program, Slot};

/// A hundred times as many as busybox has.
const MOST: usize = 1 << 18;

/// A word that the loader changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relocation {
    /// Its address.
    pub(super) at: u64,
    /// The address that it gets, but for where the program is loaded; none where that is not known, or depends on others.
    slot: Option<Slot>,
}

impl Relocation {
    pub(super) fn slot(&self) -> Option<Slot> {
        self.slot
    }
}

/// A table of relocations: where it is and how long, as the dynamic segment says it.
#[derive(Default)]
struct Place {
    at: Option<u64>,
    size: Option<u64>,
    entry: Option<u64>,
}

/// All relocations, by address, each address once.
pub(super) fn read<H: FileHeader<Endian = Le>>(
    program: &Program<'_>,
    dynamic: u64,
    size: u64,
) -> Result<Vec<Relocation>, Refusal> {
    let broken = || Refusal::new("its dynamic segment is broken");
    let bytes = program.bytes(dynamic, size).ok_or_else(broken)?;
    let entries = slice_from_all_bytes::<H::Dyn>(bytes).map_err(|()| broken())?;
    let (mut rel, mut rela, mut relr, mut plt) = <(Place, Place, Place, Place)>::default();
    let mut plt_kind = None;
    for entry in entries {
        let place = match entry.tag(Le) {
            elf::DT_NULL => break,
            elf::DT_REL => &mut rel.at,
            elf::DT_RELSZ => &mut rel.size,
            elf::DT_RELENT => &mut rel.entry,
            elf::DT_RELA => &mut rela.at,
            elf::DT_RELASZ => &mut rela.size,
            elf::DT_RELAENT => &mut rela.entry,
            elf::DT_RELR => &mut relr.at,
            elf::DT_RELRSZ => &mut relr.size,
            elf::DT_RELRENT => &mut relr.entry,
            elf::DT_JMPREL => &mut plt.at,
            elf::DT_PLTRELSZ => &mut plt.size,
            elf::DT_PLTREL => &mut plt_kind,
            // Android's packed relocations.
            elf::DynamicTag(0x6000_000f..=0x6000_0012 | 0x6fff_e000..=0x6fff_e005) => {
                return Err(Refusal::new(
                    "its relocations are packed in a way that is not understood",
                ));
            }
            _ => continue,
        };
        if place.replace(entry.val(Le)).is_some() {
            return Err(Refusal::new(
                "its dynamic segment names a table of relocations twice",
            ));
        }
    }
    let (foreign, own) = if program.machine.addends {
        (&rel, elf::DT_RELA)
    } else {
        (&rela, elf::DT_REL)
    };
    if foreign.at.is_some() || plt_kind.is_some_and(|kind| i64::try_from(kind) != Ok(own.0)) {
        return Err(Refusal::new(
            "its relocations are not of the kind that its machine uses",
        ));
    }
    let mut found = Found {
        program,
        list: Vec::new(),
    };
    for place in [&rel, &plt] {
        if !program.machine.addends {
            found.in_place::<H>(place)?;
        }
    }
    for place in [&rela, &plt] {
        if program.machine.addends {
            found.with_addends::<H>(place)?;
        }
    }
    found.packed::<H>(&relr)?;
    Ok(found.sorted())
}

struct Found<'p, 'd> {
    program: &'p Program<'d>,
    list: Vec<Relocation>,
}

impl<'d> Found<'_, 'd> {
    /// The entries of a table, and where the file has them.
    fn table<T: Pod>(&self, place: &Place) -> Result<(&'d [T], usize), Refusal> {
        let broken = || Refusal::new("its relocations are not where its dynamic segment says");
        let (at, size) = match (place.at, place.size) {
            (None, None | Some(0)) | (Some(_), Some(0)) => return Ok((&[], 0)),
            (Some(at), Some(size)) => (at, size),
            _ => return Err(broken()),
        };
        if place
            .entry
            .is_some_and(|entry| entry != size_of::<T>() as u64)
        {
            return Err(Refusal::new(
                "its relocations have a size that is not understood",
            ));
        }
        let bytes = self.program.bytes(at, size).ok_or_else(broken)?;
        let file = self
            .program
            .file(at, size)
            .and_then(|file| usize::try_from(file).ok());
        let entries = slice_from_all_bytes(bytes).map_err(|()| broken())?;
        Ok((entries, file.ok_or_else(broken)?))
    }

    fn push(&mut self, at: u64, slot: Option<Slot>) -> Result<(), Refusal> {
        let word = self.program.machine.word() as u64;
        // What begins in the middle of a word changes two of them.
        let places = if at.is_multiple_of(word) { 1 } else { 2 };
        for n in 0..places {
            if self.list.len() == MOST {
                return Err(Refusal::new("it has too many relocations"));
            }
            self.list.push(Relocation {
                at: (at - at % word).saturating_add(n * word),
                slot: slot.filter(|_| places == 1),
            });
        }
        Ok(())
    }

    /// What a relocation makes of a word whose addend stands in the word itself.
    fn own_word(&self, at: u64) -> Option<Slot> {
        let file = self.program.file(at, self.program.machine.word() as u64)?;
        let file = usize::try_from(file).ok()?;
        let value = self.program.word_at(file)?;
        Some(Slot { at, value, file })
    }

    fn in_place<H: FileHeader<Endian = Le>>(&mut self, place: &Place) -> Result<(), Refusal> {
        let (entries, _) = self.table::<H::Rel>(place)?;
        for entry in entries {
            let at = entry.r_offset(Le).into();
            let relative =
                entry.r_type(Le).0 == self.program.machine.relative && entry.r_sym(Le) == 0;
            let slot = relative.then(|| self.own_word(at)).flatten();
            self.push(at, slot)?;
        }
        Ok(())
    }

    fn with_addends<H: FileHeader<Endian = Le>>(&mut self, place: &Place) -> Result<(), Refusal> {
        let (entries, start) = self.table::<H::Rela>(place)?;
        let (size, word) = (size_of::<H::Rela>(), self.program.machine.word());
        for (n, entry) in entries.iter().enumerate() {
            let at = entry.r_offset(Le).into();
            // The addend is the last word of an entry.
            let file = start + n * size + size - word;
            let relative = entry.r_type(Le, false).0 == self.program.machine.relative
                && entry.r_sym(Le, false) == 0;
            let value = self.program.word_at(file).filter(|_| relative);
            self.push(at, value.map(|value| Slot { at, value, file }))?;
        }
        Ok(())
    }

    fn packed<H: FileHeader<Endian = Le>>(&mut self, place: &Place) -> Result<(), Refusal> {
        let (entries, _) = self.table::<H::Relr>(place)?;
        if entries.first().is_some_and(|first| {
            use object::read::elf::Relr as _;
            first.get(Le).into() & 1 == 1
        }) {
            return Err(Refusal::new("its packed relocations begin in the middle"));
        }
        for at in RelrIterator::<H>::new(Le, entries) {
            let at = at.into();
            let slot = self.own_word(at);
            self.push(at, slot)?;
        }
        Ok(())
    }

    fn sorted(mut self) -> Vec<Relocation> {
        self.list.sort_by_key(|relocation| relocation.at);
        // What is relocated twice is not understood.
        self.list.dedup_by(|again, first| {
            let same = again.at == first.at;
            if same {
                first.slot = None;
            }
            same
        });
        self.list
    }
}

#[cfg(test)]
mod tests {
    use casehard_testimages::{Layout, busybox};

    use super::*;

    #[test]
    fn words_that_are_relocated_twice_or_in_part_are_not_understood() {
        let data = busybox(Layout::X86_64Rela, &["[", "false", "test"]);
        let program = Program::read(&data).unwrap();
        let mut found = Found {
            program: &program,
            list: Vec::new(),
        };
        let slot = |at| {
            Some(Slot {
                at,
                value: 0,
                file: 0,
            })
        };
        for at in [48, 8, 24, 8, 35] {
            found.push(at, slot(at)).unwrap();
        }
        let known = found
            .sorted()
            .into_iter()
            .map(|r| (r.at, r.slot().is_some()));
        let want = [(8, false), (24, true), (32, false), (40, false), (48, true)];
        assert_eq!(known.collect::<Vec<_>>(), want);
    }
}
