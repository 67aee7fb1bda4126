//! What the loader changes in a program before it runs.

use object::LittleEndian as Le;
use object::elf;
use object::pod::{Pod, slice_from_all_bytes};
use object::read::elf::{Dyn as _, FileHeader, Rel as _, Rela as _, Relr as _, RelrIterator};

use super::elf::{Program, Slot};
use super::{TableRefusal, refuse};

/// A hundred times as many as busybox has.
const MOST: usize = 1 << 18;

/// A word that the loader changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relocation {
    /// Its address.
    pub(super) at: u64,
    /// The address that it gets, but for where the program is loaded; none where that is not known, or depends on others.
    pub(super) slot: Option<Slot>,
}

/// A table of relocations: where it is and how long, as the dynamic segment says it.
#[derive(Default)]
struct RelocationTable {
    at: Option<u64>,
    size: Option<u64>,
    entry: Option<u64>,
}

/// Reads all relocations, sorted by address, each address once.
pub(super) fn read<H: FileHeader<Endian = Le>>(
    program: &Program<'_>,
    dynamic: u64,
    size: u64,
) -> Result<Vec<Relocation>, TableRefusal> {
    let broken = || TableRefusal::new("its dynamic segment is broken");
    let bytes = program.bytes(dynamic, size).ok_or_else(broken)?;
    let entries = slice_from_all_bytes::<H::Dyn>(bytes).map_err(|()| broken())?;
    let [mut rel, mut rela, mut relr, mut plt] = <[RelocationTable; 4]>::default();
    let mut plt_kind = None;
    for entry in entries {
        let field = match entry.tag(Le) {
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
                return refuse("its relocations are packed in a way that is not understood");
            }
            _ => continue,
        };
        if field.replace(entry.val(Le)).is_some() {
            return refuse("its dynamic segment names a table of relocations twice");
        }
    }
    let (foreign, own) = if program.machine.addends {
        (&rel, elf::DT_RELA)
    } else {
        (&rela, elf::DT_REL)
    };
    if foreign.at.is_some() || plt_kind.is_some_and(|kind| i64::try_from(kind) != Ok(own.0)) {
        return refuse("its relocations are not of the kind that its machine uses");
    }
    let mut found = Relocations {
        program,
        list: Vec::new(),
    };
    if program.machine.addends {
        found.with_addends::<H>(&rela)?;
        found.with_addends::<H>(&plt)?;
    } else {
        found.in_place::<H>(&rel)?;
        found.in_place::<H>(&plt)?;
    }
    found.packed::<H>(&relr)?;
    Ok(found.sorted())
}

struct Relocations<'p, 'd> {
    program: &'p Program<'d>,
    list: Vec<Relocation>,
}

impl<'d> Relocations<'_, 'd> {
    /// Returns the entries of a table, and where the file has them.
    fn table<T: Pod>(&self, table: &RelocationTable) -> Result<(&'d [T], usize), TableRefusal> {
        let broken = || TableRefusal::new("its relocations are not where its dynamic segment says");
        let (at, size) = match (table.at, table.size) {
            (None, None | Some(0)) | (Some(_), Some(0)) => return Ok((&[], 0)),
            (Some(at), Some(size)) => (at, size),
            _ => return Err(broken()),
        };
        if table
            .entry
            .is_some_and(|entry| entry != size_of::<T>() as u64)
        {
            return refuse("its relocations have a size that is not understood");
        }
        let bytes = self.program.bytes(at, size).ok_or_else(broken)?;
        let file = self.program.file(at, size);
        let file = file.and_then(|file| usize::try_from(file).ok());
        let entries = slice_from_all_bytes(bytes).map_err(|()| broken())?;
        Ok((entries, file.ok_or_else(broken)?))
    }

    fn push(&mut self, at: u64, slot: Option<Slot>) -> Result<(), TableRefusal> {
        let word = self.program.machine.word() as u64;
        // What begins in the middle of a word changes two of them.
        let places = if at.is_multiple_of(word) { 1 } else { 2 };
        for n in 0..places {
            if self.list.len() == MOST {
                return refuse("it has too many relocations");
            }
            self.list.push(Relocation {
                at: (at - at % word).saturating_add(n * word),
                slot: slot.filter(|_| places == 1),
            });
        }
        Ok(())
    }

    /// Returns what a relocation makes of a word that is its own addend.
    fn own_word(&self, at: u64) -> Option<Slot> {
        let file = self.program.file(at, self.program.machine.word() as u64)?;
        let file = usize::try_from(file).ok()?;
        let value = self.program.word_at(file)?;
        Some(Slot { at, value, file })
    }

    fn in_place<H: FileHeader<Endian = Le>>(
        &mut self,
        table: &RelocationTable,
    ) -> Result<(), TableRefusal> {
        let (entries, _) = self.table::<H::Rel>(table)?;
        for entry in entries {
            let at = entry.r_offset(Le).into();
            let relative =
                entry.r_type(Le).0 == self.program.machine.relative && entry.r_sym(Le) == 0;
            let slot = relative.then(|| self.own_word(at)).flatten();
            self.push(at, slot)?;
        }
        Ok(())
    }

    fn with_addends<H: FileHeader<Endian = Le>>(
        &mut self,
        table: &RelocationTable,
    ) -> Result<(), TableRefusal> {
        let (entries, start) = self.table::<H::Rela>(table)?;
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

    fn packed<H: FileHeader<Endian = Le>>(
        &mut self,
        table: &RelocationTable,
    ) -> Result<(), TableRefusal> {
        let (entries, _) = self.table::<H::Relr>(table)?;
        let first: Option<u64> = entries.first().map(|first| first.get(Le).into());
        if first.is_some_and(|first| first & 1 == 1) {
            return refuse("its packed relocations begin in the middle");
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
        let mut found = Relocations {
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
        let known = found.sorted().into_iter().map(|r| (r.at, r.slot.is_some()));
        let want = [(8, false), (24, true), (32, false), (40, false), (48, true)];
        assert_eq!(known.collect::<Vec<_>>(), want);
    }
}
