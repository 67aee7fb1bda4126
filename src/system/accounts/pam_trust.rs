//! PAM: lines that let someone become another user without that user's password.

use super::{Account, joined_lines, pam_group};
use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// Returns the lines that trust a user, each with what it says: as a member of a group, by name, or
/// as everybody.
pub(crate) fn trusts(files: &Files<'_>, account: &Account) -> Result<Vec<(Place, String)>, Stop> {
    let mut found = Vec::new();
    for (path, id) in pam_group::services(files) {
        let code = |line: &str| line.split('#').next().unwrap_or_default().to_owned();
        for (number, line) in joined_lines(&files.text(id)?, code) {
            let line = line.trim_start().trim_start_matches('-');
            // `auth [success=ok default=ignore] pam_x.so` has a control in brackets.
            let (kind, rest) = line.split_once(char::is_whitespace).unwrap_or_default();
            if !kind.eq_ignore_ascii_case("auth") {
                continue;
            }
            let rest = rest.trim_start();
            let (control, rest) = match rest.strip_prefix('[') {
                Some(rest) => rest.split_once(']').unwrap_or_default(),
                None => rest.split_once(char::is_whitespace).unwrap_or_default(),
            };
            let suffices = control == "sufficient"
                || control.split_whitespace().any(|action| {
                    action == "success=done"
                        || action == "success=ok" && control.contains("default=ignore")
                });
            let mut words = rest.split_whitespace();
            let module = words
                .next()
                .unwrap_or_default()
                .rsplit('/')
                .next()
                .unwrap_or_default();
            let arguments: Vec<&str> = words.collect();
            if suffices && let Some(whom) = trusted(module, &arguments, account) {
                let service = path.rsplit('/').next().unwrap_or_default();
                found.push((
                    Place::new(&path, number),
                    format!("PAM's {service} trusts {whom}"),
                ));
            }
        }
    }
    Ok(found)
}

/// Returns whom a module lets through of those who are the user.
fn trusted(module: &str, arguments: &[&str], account: &Account) -> Option<String> {
    let user = &account.name;
    let member = |group: &str| format!("{group}, in which {user} is, without a password");
    match module {
        "pam_permit.so" => Some(format!("everybody, and so {user}, without a password")),
        "pam_wheel.so" if arguments.contains(&"trust") => {
            let named = arguments
                .iter()
                .find_map(|word| word.strip_prefix("group="));
            // Without `group=` the module takes wheel, or root if there is no wheel.
            let group = named.or_else(|| {
                ["wheel", "root"]
                    .into_iter()
                    .find(|of| account.is_in(of.as_bytes()))
            })?;
            account.is_in(group.as_bytes()).then(|| member(group))
        }
        "pam_succeed_if.so" => {
            let mut conditions = arguments.windows(3);
            conditions.find_map(|three| match *three {
                ["user", "ingroup", groups] => groups
                    .split(':')
                    .find(|group| account.is_in(group.as_bytes()))
                    .map(member),
                ["user", "=" | "eq", name] if name == user => {
                    Some(format!("{user} without a password"))
                }
                ["user", "in", names] if names.split(':').any(|name| name == user) => {
                    Some(format!("{user} without a password"))
                }
                _ => None,
            })
        }
        _ => None,
    }
}
