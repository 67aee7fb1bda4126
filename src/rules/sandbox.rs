//! `Sandbox`: a service that may do less.

use super::drop_in::ENSURE;
use super::support::effective::{DropIn, put};
use crate::edit::{Applied, Draft, Verdict, absent};
use crate::error::{Stop, fail};
use crate::recipe::{
    Check, Fields, KeySchema, Rule, RuleKind,
    value::{self, Refusal, Value},
};
use crate::system::systemd::{self, Kind, Merged, exposure, merged, name};

/// The drop-in, where the recipe gives it no other name.
const NAME: &str = "50-casehard-sandbox.conf";

pub(super) static KIND: RuleKind = RuleKind {
    name: "Sandbox",
    argument: Some(
        KeySchema::argument("UNIT", Check::Is(value::service))
            .about("A service, a template or a glob over the services that the image has."),
    ),
    summary: "a service runs with fewer privileges and sees less of the system",
    about: "Writes the settings of a level, as a drop-in that is judged as `DropIn` judges \
        them.\n\n\
        - `basic` is meant for any service that does not administer the system: `NoNewPrivileges`, \
        `PrivateTmp`, `ProtectSystem=full`, `ProtectHome=read-only`, `ProtectClock`, \
        `ProtectControlGroups`, `ProtectHostname`, `ProtectKernelLogs`, `ProtectKernelModules`, \
        `ProtectKernelTunables`, `RestrictRealtime`, `RestrictSUIDSGID`, `LockPersonality`, \
        `SystemCallArchitectures=native`.\n\
        - `strict` adds `ProtectSystem=strict`, `ProtectHome=yes`, `ProtectProc=invisible`, \
        `PrivateDevices`, `MemoryDenyWriteExecute`, `RestrictNamespaces`, \
        `RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6`, an empty `CapabilityBoundingSet=` and \
        `SystemCallFilter=@system-service`. Few services run so without `Set=` or `Except=`.\n\n\
        A setting of the level that the unit has in a form at least as tight stays as it is, and \
        so does a filter or set of its own; a note says which. `NoNewPrivileges` ends `sudo`, `su` \
        and file capabilities in the service. A system call filter together with a capability set \
        is noted, as hardening guides warn of mixing them: what a missing capability denies as an \
        error, a filter answers by killing the service.\n\n\
        Whether the service still works is not known offline. A note says how exposed it was and \
        is, from 0 to 10, by the weights of systemd 252 on x86-64; `systemd-analyze security \
        --offline=true --root=DIR UNIT` says what makes up the figure. systemd ignores settings \
        that are newer than itself.",
    keys: &[
        KeySchema::new("Level", "basic|strict", Check::OneOf(&["basic", "strict"]))
            .about("How much is taken away. Default `basic`."),
        KeySchema::new("Set", "KEY=VALUE", Check::Is(key_value))
            .list()
            .about(
                "A setting of `[Service]` beside or in place of the level's; may repeat for one \
                    key. It is written even if it loosens the unit.",
            ),
        KeySchema::new("Except", "KEY", Check::Is(of_a_level))
            .list()
            .about("A setting of the level that is left out."),
        KeySchema::new("Name", "NAME.conf", Check::Is(conf))
            .about("The drop-in's file name. Default `50-casehard-sandbox.conf`."),
        ENSURE,
    ],
    waived: Some(("the unit", "locksmithd.service")),
    example: "[Sandbox locksmithd.service]\n\
        Level=strict\n\
        Except=MemoryDenyWriteExecute\n\
        Set=CapabilityBoundingSet=\n\
        Set=CapabilityBoundingSet=CAP_SYS_BOOT\n\
        Reason=a program that reboots the machine needs little else\n\
        ",
    ..RuleKind::of::<Sandbox>()
};

const BASIC: [(&str, &[&str]); 14] = [
    ("NoNewPrivileges", &["yes"]),
    ("PrivateTmp", &["yes"]),
    ("ProtectSystem", &["full"]),
    ("ProtectHome", &["read-only"]),
    ("ProtectClock", &["yes"]),
    ("ProtectControlGroups", &["yes"]),
    ("ProtectHostname", &["yes"]),
    ("ProtectKernelLogs", &["yes"]),
    ("ProtectKernelModules", &["yes"]),
    ("ProtectKernelTunables", &["yes"]),
    ("RestrictRealtime", &["yes"]),
    ("RestrictSUIDSGID", &["yes"]),
    ("LockPersonality", &["yes"]),
    ("SystemCallArchitectures", &["", "native"]),
];

/// What `strict` has in place of `basic`'s, and beyond it.
const STRICT: [(&str, &[&str]); 9] = [
    ("ProtectSystem", &["strict"]),
    ("ProtectHome", &["yes"]),
    ("ProtectProc", &["invisible"]),
    ("PrivateDevices", &["yes"]),
    ("MemoryDenyWriteExecute", &["yes"]),
    ("RestrictNamespaces", &["", "yes"]),
    ("RestrictAddressFamilies", &["", "AF_UNIX AF_INET AF_INET6"]),
    ("CapabilityBoundingSet", &[""]),
    ("SystemCallFilter", &["", "@system-service"]),
];

/// The settings of which the last word is the tightest; a boolean comes first.
const ORDERS: [(&str, &[&str]); 3] = [
    ("ProtectSystem", &["no", "yes", "full", "strict"]),
    ("ProtectHome", &["no", "read-only", "tmpfs", "yes"]),
    (
        "ProtectProc",
        &["default", "ptraceable", "invisible", "noaccess"],
    ),
];

fn key_value(text: &str) -> Result<Value, Refusal> {
    let plain = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric());
    match text.split_once('=') {
        Some((key, value)) if plain(key) => Ok(Value::pair(key, value)),
        _ => Err("write it as KEY=VALUE".into()),
    }
}

fn of_a_level(text: &str) -> Result<Value, Refusal> {
    let mut keys = BASIC.iter().chain(&STRICT).map(|(key, _)| *key);
    keys.any(|key| key == text)
        .then_some(Value::Text)
        .ok_or_else(|| format!("no level sets `{text}`").into())
}

fn conf(text: &str) -> Result<Value, Refusal> {
    let good = text.ends_with(".conf") && !text.starts_with('.') && !text.contains(['/', '\0']);
    good.then_some(Value::Text).ok_or_else(|| {
        "a drop-in's name ends in `.conf`, has no `/` and does not start with a dot".into()
    })
}

/// A service, and how much is taken away from it.
#[derive(Debug)]
struct Sandbox {
    /// Its name, or a glob.
    unit: String,
    strict: bool,
    /// Keys and values that the level does not decide.
    set: Vec<(String, String)>,
    except: Vec<String>,
    /// The drop-in's file name.
    name: String,
    ensure: bool,
}

impl Rule for Sandbox {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            unit: fields.argument.to_owned(),
            strict: fields.is("Level", "strict"),
            set: fields.pairs("Set"),
            except: fields.texts("Except"),
            name: fields.text("Name").unwrap_or(NAME).to_owned(),
            ensure: fields.is(ENSURE.name, "yes"),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let found = draft.units().present(&self.unit);
        if found.is_empty() {
            return absent(format!("the image has no unit {}", self.unit));
        }
        for unit in found {
            if name::kind(&unit) != "service" {
                return fail(format!(
                    "{unit} is not a service; only a service can be sandboxed"
                ));
            }
            self.sandbox(draft, &unit)?;
        }
        Ok(Verdict::Holds)
    }
}

impl Sandbox {
    /// Writes the drop-in of one service, and says how exposed it is then.
    fn sandbox(&self, draft: &mut Draft<'_>, unit: &str) -> Result<(), Stop> {
        let present = without_ours(draft, unit, &self.name)?;
        let replaced = |key: &str| self.strict && STRICT.iter().any(|(k, _)| *k == key);
        let level = BASIC
            .iter()
            .filter(|(key, _)| !replaced(key))
            .chain(STRICT.iter().filter(|_| self.strict));
        let mut settings = Vec::new();
        let mut kept = Vec::new();
        for (key, values) in level {
            if self.except.iter().any(|e| e == key) || self.set.iter().any(|(k, _)| k == key) {
                continue;
            }
            if is_tight(&present, key, values) {
                kept.push(*key);
            } else {
                settings.extend(values.iter().map(|value| ("Service", *key, *value)));
            }
        }
        let set = self.set.iter();
        settings.extend(set.map(|(key, value)| ("Service", key.as_str(), value.as_str())));
        if !kept.is_empty() {
            draft.note(format!(
                "{unit} keeps what it has itself of {}",
                kept.join(", ")
            ));
        }
        if settings.is_empty() {
            return Ok(());
        }
        let has = |key: &str| {
            settings.iter().any(|(_, k, _)| *k == key)
                || present.section("Service").any(|f| f.key == key)
        };
        if has("CapabilityBoundingSet") && has("SystemCallFilter") {
            draft.note(format!(
                "{unit} gets a capability set and a system call filter together, of which hardening guides warn: try the service with both, \
                 or leave one out with `Except=`"
            ));
        }
        let asked = settings.iter().map(|(section, key, _)| (*section, *key));
        if let Some(why) = draft.unread(asked)? {
            draft.warn(format!("{unit}: {why}"));
        }
        let drop_in = DropIn {
            unit,
            name: &self.name,
            settings: &settings,
            ensure: self.ensure,
        };
        put(draft, &drop_in)?;
        let after = merged(draft, &draft.units(), unit, |_| false)?;
        draft.note(match (exposure(&present), exposure(&after)) {
            (Ok(before), Ok(after)) => format!("{unit}: exposure {before} → {after}"),
            (Err(unread), _) | (_, Err(unread)) => format!(
                "{unit}: its exposure is not known, because of {unread}; ask `systemd-analyze security --offline=true --root=DIR {unit}`"
            ),
        });
        Ok(())
    }
}

/// The unit without what this rule writes.
fn without_ours(draft: &Draft<'_>, unit: &str, file: &str) -> Result<Merged, Stop> {
    let directory = format!("{}/{unit}.d", systemd::ETC);
    let directory = draft
        .rootfs()
        .open(&directory)
        .map_or(directory, |id| draft.rootfs().path(id).to_string());
    let ours = |path: &str| {
        path.strip_prefix(&directory)
            .and_then(|p| p.strip_prefix('/'))
            .is_some_and(|name| {
                let plain = name
                    .strip_prefix("zz")
                    .map(|n| n.trim_start_matches('z'))
                    .and_then(|n| n.strip_prefix('-'));
                name == file || plain == Some(file)
            })
    };
    merged(draft, &draft.units(), unit, ours)
}

/// Whether a unit has a setting in a form at least as tight, or a filter or set of its own.
fn is_tight(present: &Merged, key: &str, wanted: &[&str]) -> bool {
    let assigned = present.section("Service").filter(|found| found.key == key);
    let kind = Kind::of(key);
    let Some(last) = assigned
        .filter_map(|found| kind.canonical(found.value))
        .last()
    else {
        return false;
    };
    let Some((_, order)) = ORDERS.iter().find(|(name, _)| *name == key) else {
        return match kind {
            Kind::Boolean => last == b"yes",
            // Emptied, a filter is none, and a capability set is the tightest.
            _ => !last.is_empty() || key == "CapabilityBoundingSet",
        };
    };
    let rank = |value: &[u8]| order.iter().position(|word| word.as_bytes() == value);
    rank(&last) >= wanted.last().and_then(|wanted| rank(wanted.as_bytes()))
}

#[cfg(test)]
mod tests;
