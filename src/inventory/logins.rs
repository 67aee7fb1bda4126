//! Who can log in: by a password, without one, or by a key of root.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bstr::{BStr, BString, ByteSlice};
use sha2::{Digest as _, Sha256};

use super::Kind;
use super::collect::Collector;
use crate::error::Stop;
use crate::system::accounts::databases;

/// Shells that end at once, by the last part of their paths.
const NO_SHELLS: &[&[u8]] = &[b"false", b"nologin", b"sync", b"halt", b"shutdown"];

/// What a password field lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Password {
    /// Nobody: it is locked, or no hash.
    None,
    Empty,
    Hash,
    /// The field says that shadow has it.
    Elsewhere,
}

/// An account of passwd, as far as logging in is concerned.
struct Login {
    has_shell: bool,
    is_root: bool,
    home: BString,
}

pub(super) fn logins(work: &mut Collector<'_, '_>) -> Result<(), Stop> {
    let mut users: BTreeMap<BString, Login> = BTreeMap::new();
    for (path, fields) in lines(work, "passwd")? {
        let field = |at: usize| fields.get(at).map(|f| f.as_bstr()).unwrap_or_default();
        // The C library passes over an account without a number.
        if !field(2).to_str().is_ok_and(|id| id.parse::<u32>().is_ok()) {
            continue;
        }
        let shell = field(6).rsplit_str("/").next().unwrap_or_default();
        let login = Login {
            has_shell: !NO_SHELLS.contains(&shell),
            is_root: field(2).to_str().is_ok_and(|id| id.parse() == Ok(0)),
            home: field(5).to_owned(),
        };
        password(work, field(0), field(1), login.has_shell, &path);
        users.entry(field(0).to_owned()).or_insert(login);
    }
    for (path, fields) in lines(work, "shadow")? {
        let field = |at: usize| fields.get(at).map(|f| f.as_bstr()).unwrap_or_default();
        readable(work, &path, field(1));
        // Without its line in passwd, an account is not there.
        if let Some(login) = users.get(field(0)) {
            password(work, field(0), field(1), login.has_shell, &path);
        }
    }
    for database in ["gshadow", "group"] {
        for (path, fields) in lines(work, database)? {
            let field = |at: usize| fields.get(at).map(|f| f.as_bstr()).unwrap_or_default();
            readable(work, &path, field(1));
            if Password::of(field(1)) == Password::Hash {
                let group = [&b"group "[..], field(0)].concat();
                let how = format!("a password in {path}, by which anyone joins");
                work.found.add(Kind::Login, group, how);
            }
        }
    }
    keys(work, &users)
}

/// Adds that anyone may read a file that has a hash.
fn readable(work: &mut Collector<'_, '_>, path: &str, field: &BStr) {
    let file = work.files.file(path);
    let mut metas = file
        .iter()
        .flat_map(|(_, id)| work.files.rootfs().inode(*id).metas());
    if Password::of(field) == Password::Hash && metas.any(|meta| meta.mode & 0o004 != 0) {
        work.found
            .add(Kind::Login, path, "anyone may read the password hashes");
    }
}

/// Adds a login by password, if the field is one.
fn password(work: &mut Collector<'_, '_>, user: &BStr, field: &BStr, has_shell: bool, path: &str) {
    let how = match Password::of(field) {
        // `su` asks for no password, whatever the shell is.
        Password::Empty => format!("no password is asked for: empty in {path}"),
        Password::Hash if has_shell => format!("a password in {path}"),
        _ => return,
    };
    work.found.add(Kind::Login, user, how);
}

/// Adds the keys by which sshd lets root in.
fn keys(work: &mut Collector<'_, '_>, users: &BTreeMap<BString, Login>) -> Result<(), Stop> {
    for (user, login) in users.iter().filter(|(_, login)| login.is_root) {
        let Ok(home) = login.home.to_str() else {
            continue;
        };
        for name in ["authorized_keys", "authorized_keys2"] {
            let path = format!("{}/.ssh/{name}", home.trim_end_matches('/'));
            let Some((_, id)) = work.files.file(&path) else {
                continue;
            };
            for line in work.text(id)?.lines() {
                if let Some(key) = fingerprint(line) {
                    work.found.add(
                        Kind::Login,
                        user.clone(),
                        format!("the key {key} in {path}"),
                    );
                }
            }
        }
    }
    Ok(())
}

/// Returns the fingerprint of a key as ssh-keygen shows it, whatever options stand before it.
fn fingerprint(line: &[u8]) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let blob = line.fields().find_map(|word| {
        let blob = STANDARD.decode(word).ok()?;
        // The first thing in it is the type's name, after its length.
        let name = blob.get(4..)?.get(..usize::from(*blob.get(3)?))?;
        (blob[..3] == [0; 3] && name.is_ascii() && !name.is_empty()).then_some(blob)
    });
    // A line that ssh-keygen would not read is listed by its own hash.
    let digest = Sha256::digest(blob.as_deref().unwrap_or(line));
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
}

/// Returns the fields of the lines of all files of a database, each with its file.
fn lines(
    work: &mut Collector<'_, '_>,
    database: &str,
) -> Result<Vec<(String, Vec<BString>)>, Stop> {
    let mut found = Vec::new();
    for (path, id) in databases::files(work.files, database)? {
        for line in work.text(id)?.lines() {
            let line = line.trim_start();
            if !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"+") {
                let fields = line.split(|byte| *byte == b':').take(7);
                found.push((path.clone(), fields.map(BString::from).collect()));
            }
        }
    }
    Ok(found)
}

impl Password {
    fn of(field: &BStr) -> Self {
        // The shortest hash is the 13 characters of DES.
        const SHORTEST: usize = 13;
        match field.as_bytes() {
            b"" => Self::Empty,
            b"x" => Self::Elsewhere,
            [b'!' | b'*', ..] => Self::None,
            hash if hash.len() >= SHORTEST => Self::Hash,
            _ => Self::None,
        }
    }
}
