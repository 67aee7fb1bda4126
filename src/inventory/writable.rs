//! Who beside root may write what root reads or runs.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString, ByteSlice};

use super::Kind;
use super::collect::Collector;
use super::root_reads::{self, Reach};
use crate::error::Stop;
use crate::rootfs::{Inode, InodeId};
use crate::system::accounts::{Accounts, Role};
use crate::system::writers::{Writer, writers};

const STICKY: u32 = 0o1000;

/// The first number of people's accounts; those of the system are below (login.defs(5)).
const PEOPLE: u64 = 1000;

pub(super) fn writable(work: &mut Collector<'_, '_>) -> Result<(), Stop> {
    let reads = root_reads::read(work)?;
    let rootfs = work.files.rootfs();
    let mut found: BTreeMap<BString, BTreeSet<Writer>> = BTreeMap::new();
    let open = rootfs
        .inodes()
        .filter(|(_, inode)| (inode.is_file() && inode.links() > 0) || inode.is_directory());
    for (id, inode) in open {
        let who: BTreeSet<Writer> = inode.metas().flat_map(writers).collect();
        if who.is_empty() {
            continue;
        }
        for path in paths(work, id, inode) {
            let reach = reads.reach(id, path.as_ref());
            let who = who.iter().filter(|who| counts(who, inode, reach));
            let mut who: BTreeSet<Writer> = who.cloned().collect();
            if who.contains(&Writer::Anyone) {
                // The group may, too, which says nothing more.
                who.retain(|who| !matches!(who, Writer::Group(_)));
            }
            if !who.is_empty() {
                found.insert(path, who);
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let accounts = Accounts::read_readable(work.files);
    let accounts = work.known("accounts", accounts)?;
    let names = Names::of(&accounts);
    for (path, who) in &found {
        for writer in who {
            // Someone who may write to a directory can replace each file in it.
            if !above(path.as_ref()).any(|dir| found.get(dir).is_some_and(|w| w.contains(writer))) {
                work.found
                    .add(Kind::Writable, path.clone(), names.show(writer));
            }
        }
    }
    Ok(())
}

fn paths(work: &Collector<'_, '_>, id: InodeId, inode: &Inode) -> Vec<BString> {
    let rootfs = work.files.rootfs();
    match inode.is_directory() {
        // The root has no name.
        true => vec![rootfs.path(id)],
        false => rootfs.paths(id),
    }
}

/// Returns whether it gives a power that someone writes this.
fn counts(who: &Writer, inode: &Inode, reach: Reach) -> bool {
    // Only owners rename and delete in a sticky directory; others add names.
    let sticky = inode.is_directory() && inode.meta.mode & STICKY != 0;
    let owns = matches!(who, Writer::User(uid) if *uid == inode.meta.uid);
    match reach {
        Reach::None => false,
        Reach::Above | Reach::Tree if sticky && !owns => false,
        Reach::Above | Reach::Root | Reach::Drop => true,
        // A daemon's own files are in these trees, too.
        Reach::Tree => match who {
            Writer::User(id) | Writer::Group(id) => *id >= PEOPLE,
            Writer::Anyone | Writer::Named(_) | Writer::UnknownList => true,
        },
    }
}

/// Returns the paths of all directories above a path.
fn above(path: &BStr) -> impl Iterator<Item = &BStr> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    ends.filter(move |_| path != "/")
        .map(|(at, _)| path[..at.max(1)].as_bstr())
}

/// The names of users and groups by their numbers, which differ between builds where packages
/// allot them.
struct Names<'a> {
    users: BTreeMap<u32, &'a [u8]>,
    groups: BTreeMap<u32, &'a [u8]>,
}

impl<'a> Names<'a> {
    fn of(accounts: &'a Accounts) -> Self {
        let mut users = BTreeMap::new();
        let mut groups = BTreeMap::from([(0, &b"root"[..])]);
        for (_, record) in accounts.records() {
            match (record.role, record.id) {
                (Role::User, Some(id)) => drop(users.entry(id).or_insert(record.user)),
                (Role::Group | Role::OwnGroup, Some(id)) => {
                    groups.entry(id).or_insert(record.group);
                }
                _ => {}
            }
        }
        Self { users, groups }
    }

    fn show(&self, writer: &Writer) -> BString {
        let name = |names: &BTreeMap<u32, &[u8]>, id: u64| {
            let name = u32::try_from(id)
                .ok()
                .and_then(|id| names.get(&id).copied());
            name.map_or_else(|| BString::from(id.to_string()), BString::from)
        };
        match writer {
            Writer::Anyone => "anyone".into(),
            Writer::User(id) => [b"user ", name(&self.users, *id).as_slice()]
                .concat()
                .into(),
            Writer::Group(id) => [b"group ", name(&self.groups, *id).as_slice()]
                .concat()
                .into(),
            Writer::Named(who) => who.as_str().into(),
            Writer::UnknownList => "an access control list in an unknown form".into(),
        }
    }
}
