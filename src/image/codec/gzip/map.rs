//! Where the blocks of a gzip file can be cut.
//!
//! The list is bounded whatever the file holds. When it is full every other of its places is
//! dropped, and the rest lie twice as far apart.

use std::ops::Range;

use super::member::Header;

/// A gzip file as one pass saw it.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) members: Vec<Member>,
    /// How much output or input the blocks of a row have at least.
    granule: u64,
    rows: usize,
    /// The names of members' extra fields, as many as are worth naming.
    pub(super) extras: Vec<[u8; 2]>,
}

/// A gzip member, or several that are too small to be told apart.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) header: Header,
    /// Its bytes in the file, header and trailer included.
    pub(super) bytes: Range<u64>,
    /// What it decodes to, in bytes of the whole output.
    pub(super) output: Range<u64>,
    /// Where its deflate stream lies, in bits of the file.
    pub(super) data: Range<u64>,
    /// The bit that says that the last block is the last.
    pub(super) last_block: u64,
    /// Places where it can be cut, its beginning first; none where it stands for several members.
    pub(super) rows: Vec<Row>,
    /// The CRC-32 of what it decodes to.
    pub(super) crc: u32,
}

/// A place between two blocks, or inside a long one between two codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Where it lies in the file.
    pub(super) bit: u64,
    /// Where the header lies of the block that it is in, which is the place itself where a block
    /// begins.
    pub(super) block: u64,
    /// Where its output begins.
    pub(super) output: u64,
    /// The CRC-32 of the member's output before it.
    pub(super) crc: u32,
}

const ROWS: usize = 1 << 15;
const MEMBERS: usize = 1 << 15;
const EXTRAS: usize = 4;

impl Map {
    pub(super) fn new() -> Self {
        Self {
            members: Vec::new(),
            granule: 16 << 10,
            rows: 0,
            extras: Vec::new(),
        }
    }

    pub(super) fn begin_member(&mut self, member: Member) {
        if self.members.len() == MEMBERS {
            self.coarsen();
        }
        if let Some(name) = member.header.extra
            && !self.extras.contains(&name)
            && self.extras.len() < EXTRAS
        {
            self.extras.push(name);
        }
        self.members.push(member);
    }

    /// Notes a place in the member that was begun last.
    pub(super) fn add_row(&mut self, row: Row) {
        let granule = self.granule;
        let rows = &mut self.last_mut().rows;
        // Between two places there must be something to copy, however many blocks that hold nothing
        // lie there.
        if rows
            .last()
            .is_some_and(|last| row.output == last.output || row.is_near(last, granule))
        {
            return;
        }
        rows.push(row);
        self.rows += 1;
        if self.rows > ROWS {
            self.coarsen();
        }
    }

    /// Ends the member that was begun last; joins it to the one before where both are small.
    pub(super) fn end_member(&mut self, end: impl FnOnce(&mut Member)) {
        end(self.last_mut());
        if let [.., before, last] = &mut self.members[..] {
            let rows = before.rows.len() + last.rows.len();
            if joined(before, last, self.granule) {
                self.members.pop();
                self.rows -= rows;
            }
        }
    }

    fn last_mut(&mut self) -> &mut Member {
        self.members.last_mut().expect("a member was begun")
    }

    fn coarsen(&mut self) {
        self.granule *= 2;
        let granule = self.granule;
        // How large the last one is may not be known yet.
        let last = self.members.len() - 1;
        let mut members: Vec<Member> = Vec::new();
        for (at, mut member) in self.members.drain(..).enumerate() {
            member.rows.dedup_by(|row, kept| row.is_near(kept, granule));
            let before = members.last_mut().filter(|_| at < last);
            if !before.is_some_and(|before| joined(before, &member, granule)) {
                members.push(member);
            }
        }
        self.rows = members.iter().map(|m| m.rows.len()).sum();
        self.members = members;
    }
}

impl Row {
    fn is_near(&self, before: &Self, granule: u64) -> bool {
        self.output - before.output < granule && (self.bit - before.bit) / 8 < granule
    }
}

/// Makes one of two neighbours if they are small; the later one can then be dropped.
fn joined(before: &mut Member, after: &Member, granule: u64) -> bool {
    let size = |a: &Range<u64>, b: &Range<u64>| b.end - a.start;
    let small = size(&before.output, &after.output) < granule
        && size(&before.bytes, &after.bytes) < granule;
    if small {
        before.bytes.end = after.bytes.end;
        before.output.end = after.output.end;
        before.rows = Vec::new();
    }
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(map: &mut Map, start: u64) {
        map.begin_member(Member {
            header: Header::default(),
            bytes: start..start,
            output: start..start,
            data: start * 8..start * 8,
            last_block: start * 8,
            rows: Vec::new(),
            crc: 0,
        });
    }

    fn add(map: &mut Map, output: u64) {
        let bit = output * 8;
        map.add_row(Row {
            bit,
            block: bit,
            output,
            crc: 0,
        });
    }

    fn end(map: &mut Map, end: u64) {
        map.end_member(|member| (member.bytes.end, member.output.end) = (end, end));
    }

    #[test]
    fn a_member_that_goes_on_is_not_joined_to_a_small_one() {
        let mut map = Map::new();
        begin(&mut map, 0);
        end(&mut map, 100);
        begin(&mut map, 100);
        let places = (0..=ROWS as u64).map(|row| 100 + row * map.granule);
        let places: Vec<u64> = places.collect();
        places.iter().for_each(|place| add(&mut map, *place));
        assert!(map.rows < ROWS, "every other place was dropped");
        end(&mut map, 1 << 40);
        let members: Vec<_> = map.members.iter().map(|m| m.output.clone()).collect();
        assert_eq!(members, [0..100, 100..1 << 40]);
    }

    #[test]
    fn something_lies_between_two_places() {
        let mut map = Map::new();
        begin(&mut map, 0);
        add(&mut map, 0);
        let far = map.granule * 8;
        for bit in [far, far * 2, far * 3] {
            let (block, output, crc) = (bit, 0, 0);
            map.add_row(Row {
                bit,
                block,
                output,
                crc,
            });
        }
        assert_eq!(map.members[0].rows.len(), 1);
    }
}
