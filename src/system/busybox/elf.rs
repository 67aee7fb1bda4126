//! Where an ELF executable holds addresses of its own code, and which bytes of the file say so.
//!
//! **Invariant: nothing is guessed.** Offsets and sizes are checked before use, relocations that are not understood make the
//! words that they touch unusable, and a program whose layout two readers could understand differently is refused.

use object::LittleEndian as Le;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader as _};

use super::relocations::{self, Relocation};
use super::{TableRefusal, refuse};

/// More segments than any linker makes.
const MOST_SEGMENTS: usize = 64;
/// A longer run of code addresses is not a table of applets, of which there are about 400.
pub(super) const LONGEST_RUN: usize = 1 << 14;

/// A word that holds an address of code when the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Where it is in the program's memory.
    pub(super) at: u64,
    /// The address, as it is written: on ARM the lowest bit says which instruction set.
    pub(super) value: u64,
    /// Where the file has the address: the word itself, or the addend of its relocation.
    pub(super) file: usize,
}

/// What tells the kinds of machine apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    number: u16,
    /// Whether addresses have 64 bits.
    wide: bool,
    /// Whether relocations have addends of their own; if not, the word that they change is the addend.
    pub(super) addends: bool,
    /// The relocation that adds the address at which the program is loaded.
    pub(super) relative: u32,
}

const MACHINES: &[Machine] = &[
    machine(elf::EM_X86_64, true, 8),
    machine(elf::EM_386, false, 8),
    machine(elf::EM_AARCH64, true, 1027),
    machine(elf::EM_ARM, false, 23),
];

const fn machine(number: elf::Machine, wide: bool, relative: u32) -> Machine {
    Machine {
        number: number.0,
        wide,
        addends: wide,
        relative,
    }
}

impl Machine {
    /// Returns the size of an address in bytes.
    pub(super) fn word(self) -> usize {
        if self.wide { 8 } else { 4 }
    }
}

/// A part of the file that is loaded.
#[derive(Clone, Copy, Debug)]
struct LoadSegment {
    memory: u64,
    memory_size: u64,
    file: u64,
    /// How many bytes of it the file has.
    size: u64,
    executable: bool,
}

/// An executable program.
pub(super) struct Program<'d> {
    data: &'d [u8],
    pub(super) machine: Machine,
    /// Whether it runs wherever it is loaded, so that its addresses are relocated.
    moves: bool,
    segments: Vec<LoadSegment>,
    /// By address.
    relocations: Vec<Relocation>,
}

impl<'d> Program<'d> {
    pub(super) fn read(data: &'d [u8]) -> Result<Self, TableRefusal> {
        match data {
            [0x7f, b'E', b'L', b'F', 1, ..] => Self::read_as::<FileHeader32<Le>>(data, false),
            [0x7f, b'E', b'L', b'F', 2, ..] => Self::read_as::<FileHeader64<Le>>(data, true),
            _ => refuse("it is not an ELF file"),
        }
    }

    fn read_as<H: FileHeader<Endian = Le>>(
        data: &'d [u8],
        wide: bool,
    ) -> Result<Self, TableRefusal> {
        let broken = |error| TableRefusal::new(format!("its ELF header is broken: {error}"));
        let header = H::parse(data).map_err(broken)?;
        let known =
            |m: &&Machine| Some(m.number) == header.endian().ok().map(|e| header.e_machine(e).0);
        let Some(machine) = MACHINES.iter().find(known).filter(|m| m.wide == wide) else {
            return refuse(
                "it is not for x86-64, i386, arm64 or arm, the machines whose relocations are understood",
            );
        };
        let moves = match header.e_type(Le) {
            elf::ET_EXEC => false,
            elf::ET_DYN => true,
            _ => return refuse("it is not an executable"),
        };
        let headers = header.program_headers(Le, data).map_err(broken)?;
        if headers.len() > MOST_SEGMENTS {
            return refuse("it has too many segments");
        }
        let mut segments = Vec::new();
        for header in headers.iter().filter(|h| h.p_type(Le) == elf::PT_LOAD) {
            segments.push(LoadSegment {
                memory: header.p_vaddr(Le).into(),
                memory_size: header.p_memsz(Le).into(),
                file: header.p_offset(Le).into(),
                size: header.p_filesz(Le).into(),
                executable: header.p_flags(Le).0 & elf::PF_X.0 != 0,
            });
        }
        check(&segments, data.len() as u64)?;
        let mut program = Self {
            data,
            machine: *machine,
            moves,
            segments,
            relocations: Vec::new(),
        };
        let mut dynamic = headers.iter().filter(|h| h.p_type(Le) == elf::PT_DYNAMIC);
        match (dynamic.next(), dynamic.next()) {
            (None, _) if moves => {
                return refuse("its relocations cannot be found: it has no dynamic segment");
            }
            (None, _) => {}
            (Some(_), Some(_)) => return refuse("it has two dynamic segments"),
            (Some(one), None) => {
                let (at, size) = (one.p_vaddr(Le).into(), one.p_filesz(Le).into());
                if program.file(at, size) != Some(one.p_offset(Le).into()) {
                    return refuse("its dynamic segment is not where its addresses say");
                }
                program.relocations = relocations::read::<H>(&program, at, size)?;
            }
        }
        Ok(program)
    }

    /// Returns where the file has these bytes of memory, if it has all of them.
    pub(super) fn file(&self, at: u64, size: u64) -> Option<u64> {
        self.segments.iter().find_map(|s| {
            let into = at.checked_sub(s.memory)?;
            (into.checked_add(size)? <= s.size).then_some(s.file + into)
        })
    }

    pub(super) fn bytes(&self, at: u64, size: u64) -> Option<&'d [u8]> {
        let start = usize::try_from(self.file(at, size)?).ok()?;
        self.data
            .get(start..start.checked_add(usize::try_from(size).ok()?)?)
    }

    /// Returns the address that a place in the file holds.
    pub(super) fn word_at(&self, file: usize) -> Option<u64> {
        let bytes = self
            .data
            .get(file..file.checked_add(self.machine.word())?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        )
    }

    fn is_code(&self, value: u64) -> bool {
        self.segments
            .iter()
            .any(|s| s.executable && value >= s.memory && value - s.memory < s.size)
    }

    /// Hands over every run of at least `least` neighbouring words that hold addresses of code, in order.
    pub(super) fn runs(&self, least: usize, mut take: impl FnMut(&[Slot])) {
        let word = self.machine.word() as u64;
        let mut run: Vec<Slot> = Vec::new();
        let mut flush = |run: &mut Vec<Slot>| {
            if (least..=LONGEST_RUN).contains(&run.len()) {
                take(run);
            }
            run.clear();
        };
        let mut add = |slot: Slot| {
            let next = run
                .last()
                .is_none_or(|last| last.at.checked_add(word) == Some(slot.at));
            if !next {
                flush(&mut run);
            }
            // One too many shows that it is too long, whatever follows.
            if run.len() <= LONGEST_RUN {
                run.push(slot);
            } else if let Some(last) = run.last_mut() {
                *last = slot;
            }
        };
        if self.moves {
            let usable = self.relocations.iter().filter_map(|r| r.slot);
            usable
                .filter(|slot| self.is_code(slot.value))
                .for_each(&mut add);
        } else {
            self.fixed_words(&mut add);
        }
        flush(&mut run);
    }

    /// Adds the words of a program that is not relocated.
    fn fixed_words(&self, add: &mut impl FnMut(Slot)) {
        let word = self.machine.word() as u64;
        for segment in &self.segments {
            let mut at = segment.memory.next_multiple_of(word);
            while let Some(file) = self
                .file(at, word)
                .and_then(|file| usize::try_from(file).ok())
            {
                if at - segment.memory >= segment.size {
                    break;
                }
                let touched = || self.relocations.binary_search_by_key(&at, |r| r.at).is_ok();
                if let Some(value) = self.word_at(file)
                    && self.is_code(value)
                    && !touched()
                {
                    add(Slot { at, value, file });
                }
                at += word;
            }
        }
    }
}

/// Sees to it that addresses and places in the file belong together in one way only.
fn check(segments: &[LoadSegment], file_size: u64) -> Result<(), TableRefusal> {
    if segments.is_empty() {
        return refuse("it has no segment to load");
    }
    for segment in segments {
        let ends = (
            segment.file.checked_add(segment.size),
            segment.memory.checked_add(segment.memory_size),
        );
        let (Some(end), Some(_)) = ends else {
            return refuse("its segments have absurd sizes");
        };
        if end > file_size {
            return refuse("it is cut short");
        }
        // The largest address is kept free, so that rounding up cannot overflow.
        if segment.size > segment.memory_size || segment.memory >= u64::MAX - 8 {
            return refuse("its segments have absurd sizes");
        }
    }
    let disjoint = |start: fn(&LoadSegment) -> u64, size: fn(&LoadSegment) -> u64| {
        let mut sorted: Vec<&LoadSegment> = segments.iter().filter(|s| size(s) > 0).collect();
        sorted.sort_by_key(|s| start(s));
        sorted
            .windows(2)
            .all(|pair| start(pair[0]) + size(pair[0]) <= start(pair[1]))
    };
    if disjoint(|s| s.memory, |s| s.memory_size) && disjoint(|s| s.file, |s| s.size) {
        Ok(())
    } else {
        refuse("its segments overlap")
    }
}
