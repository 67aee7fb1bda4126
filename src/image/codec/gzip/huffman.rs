//! Tables that decode a Huffman code: a first level that answers by the next bits at once, and a
//! second level for the longer codes.
//!
//! An entry holds, from its lowest bit: how many bits code and extra bits take together (6 bits),
//! how many of them are the code's (from bit 8), the flags below, and from bit 16 on the literal,
//! or the base that the extra bits add to.

/// The entry is a literal byte.
pub(super) const LITERAL: u32 = 1 << 31;
/// The entry is none of literal, length and distance; [`LONGER`] and [`END`] say what, and with
/// neither no code begins so.
pub(super) const RARE: u32 = 1 << 15;
/// The code is longer: the base says where its second level begins, and bits 8 to 12 how many bits
/// index it.
pub(super) const LONGER: u32 = 1 << 14;
/// The block ends here.
pub(super) const END: u32 = 1 << 13;

/// What ends a block.
pub(super) const END_SYMBOL: usize = 256;

/// How many bits index the first level.
pub(super) const LITERAL_BITS: u32 = 11;
pub(super) const DISTANCE_BITS: u32 = 9;
pub(super) const LENGTHS_BITS: u32 = 7;

/// What each symbol of an alphabet stands for: an entry without the code's own bits.
pub(super) struct Alphabet<const SYMBOLS: usize>([u32; SYMBOLS]);

/// The alphabet of literals, lengths and the end of the block.
pub(super) static LITERALS: Alphabet<288> = {
    let mut meanings = [RARE; 288];
    let mut symbol = 0;
    while symbol < 286 {
        meanings[symbol as usize] = match symbol {
            0..256 => LITERAL | symbol << 16,
            256 => RARE | END,
            285 => 258 << 16,
            _ => base(3, 4, symbol - 257),
        };
        symbol += 1;
    }
    Alphabet(meanings)
};

/// The alphabet of distances.
pub(super) static DISTANCES: Alphabet<32> = {
    let mut meanings = [RARE; 32];
    let mut symbol = 0;
    while symbol < 30 {
        meanings[symbol as usize] = base(1, 2, symbol);
        symbol += 1;
    }
    Alphabet(meanings)
};

/// The alphabet in which a block describes the other two: a symbol stands for itself.
pub(super) static CODE_LENGTHS: Alphabet<19> = {
    let mut meanings = [0; 19];
    let mut symbol = 0;
    while symbol < 19 {
        meanings[symbol as usize] = symbol << 16;
        symbol += 1;
    }
    Alphabet(meanings)
};

/// Returns what a length or distance stands for, by its number: a base, and extra bits that add to
/// it. The bases ascend from `first`, and `each` symbols in a row have as many extra bits.
const fn base(first: u32, each: u32, number: u32) -> u32 {
    if number < each {
        return (first + number) << 16;
    }
    let extra = number / each - 1;
    (((each + number % each) << extra) + first) << 16 | extra
}

impl<const SYMBOLS: usize> Alphabet<SYMBOLS> {
    /// Lays out the table of a code, given the length of each symbol's; 0 where it has none.
    /// Whether they make a code: complete, or of a single symbol, or of none.
    #[must_use]
    pub(super) fn table(&self, table: &mut Vec<u32>, lengths: &[u8], first_bits: u32) -> bool {
        let mut counts = [0u32; 16];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let (mut next, mut used) = ([0u32; 16], 0);
        for length in 1..16 {
            next[length] = (next[length - 1] + counts[length - 1]) << 1;
            used += counts[length] << (15 - length);
        }
        let single = counts[1] == 1 && used == 1 << 14;
        if used != 1 << 15 && !single && used != 0 {
            return false;
        }
        // The symbols by the length of their codes, so that the table can be doubled from one
        // length to the next.
        let (mut sorted, mut ends) = ([0u16; SYMBOLS], [0u32; 16]);
        for length in 1..16 {
            ends[length] = ends[length - 1] + counts[length - 1];
        }
        for (symbol, length) in (0u16..).zip(lengths) {
            if *length > 0 {
                let end = &mut ends[usize::from(*length)];
                sorted[*end as usize] = symbol;
                *end += 1;
            }
        }
        let codes = |length: u32| {
            let end = ends[length as usize];
            let symbols = &sorted[(end - counts[length as usize]) as usize..end as usize];
            (next[length as usize]..)
                .zip(symbols)
                .map(move |(code, symbol)| {
                    // A code comes with its first bit lowest.
                    (
                        code.reverse_bits() >> (32 - length),
                        self.0[usize::from(*symbol)],
                    )
                })
        };
        table.clear();
        table.resize(1 << first_bits, RARE);
        for length in 1..=first_bits {
            table.copy_within(..1 << (length - 1), 1 << (length - 1));
            for (code, meaning) in codes(length) {
                table[code as usize] = entry(meaning, length);
            }
        }
        let longest = (1..16u32).rfind(|l| counts[*l as usize] > 0).unwrap_or(0);
        let second_bits = longest.saturating_sub(first_bits);
        for length in first_bits + 1..=longest {
            for (code, meaning) in codes(length) {
                let prefix = (code & ((1 << first_bits) - 1)) as usize;
                if table[prefix] & LONGER == 0 {
                    let begin = u32::try_from(table.len()).expect("a few thousand entries");
                    table[prefix] = RARE | LONGER | begin << 16 | second_bits << 8 | first_bits;
                    table.resize(table.len() + (1 << second_bits), RARE);
                }
                let begin = (table[prefix] >> 16) as usize;
                let rest = length - first_bits;
                let second = &mut table[begin..begin + (1 << second_bits)];
                let places = second.iter_mut().skip((code >> first_bits) as usize);
                for place in places.step_by(1 << rest) {
                    *place = entry(meaning, rest);
                }
            }
        }
        true
    }
}

/// Returns the code of a symbol that has one, its first bit lowest, and how many bits it has.
pub(super) fn code(lengths: &[u8], symbol: usize) -> (u32, u32) {
    let own = lengths[symbol];
    // Codes ascend by length, then by symbol; each takes the room of as many longer ones as begin
    // like it.
    let before = lengths.iter().enumerate().map(|(other, length)| {
        let precedes = *length > 0 && (*length, other) < (own, symbol);
        if precedes { 1 << (own - length) } else { 0 }
    });
    let code: u32 = before.sum();
    (code.reverse_bits() >> (32 - own), own.into())
}

fn entry(meaning: u32, bits: u32) -> u32 {
    meaning + (bits << 8) + bits
}
