//! `Environment`: variables of a service's processes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::support::effective::write;
use super::support::service::Service;
use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::{Stop, fail};
use crate::recipe::{
    Check, Fields, KeySchema, Rule, RuleKind,
    value::{self, Refusal, Value},
};
use crate::rootfs::Place;
use crate::system::systemd::{name, words};

pub(super) static KIND: RuleKind = RuleKind {
    name: "Environment",
    argument: Some(
        KeySchema::argument("UNIT/NAME.conf", Check::Is(value::service_drop_in))
            .about("The service (a template or glob too) and the drop-in's file name."),
    ),
    summary: "the processes of a service have these environment variables",
    about: "Writes `/etc/systemd/system/UNIT.d/NAME.conf` with an `Environment=` line for each \
        variable; a file of that name is replaced. Values are taken as they stand: no specifier of \
        systemd is expanded. The rule fails, and names the file, where another drop-in, an \
        `EnvironmentFile=` of the image or an `UnsetEnvironment=` wins. An `EnvironmentFile=` that \
        the image lacks would win too, and is a residual.\n\n\
        etcd and locksmithd pass over certificates on `http://` URLs, so in their variables \
        (`ETCD_…`, `LOCKSMITHD_…`) such a URL is a mistake in the recipe, as is \
        `ETCD_AUTO_TLS=true`; and a certificate without an `https://` URL to use it on, or a \
        command line with the flag that says the same as a variable (such as `--cert-file`), \
        fails. So does a file of settings for etcd (`ETCD_CONFIG_FILE`, `--config-file`), with \
        which it passes over all other variables.",
    keys: &[KeySchema::new("Set", "NAME=VALUE", Check::Is(variable))
        .list()
        .required()
        .about("A variable and its value.")],
    waived: Some(("the unit, or the unit and the file", "locksmithd.service")),
    example: "[Environment locksmithd.service/20-tls.conf]\n\
        Set=LOCKSMITHD_ENDPOINT=https://127.0.0.1:2379\n\
        Set=LOCKSMITHD_ETCD_CAFILE=/etc/ssl/etcd/ca.pem\n\
        Set=LOCKSMITHD_ETCD_CERTFILE=/etc/ssl/etcd/client.pem\n\
        Set=LOCKSMITHD_ETCD_KEYFILE=/etc/ssl/etcd/client-key.pem\n\
        Reason=who can write to etcd decides when hosts reboot\n\
        ",
    ..RuleKind::of::<Environment>()
};

/// The programs whose flags and variables are known, by what their variables start with.
const KNOWN: [&str; 2] = ["ETCD_", "LOCKSMITHD_"];

/// A certificate and a variable of URLs, without which it is of no use.
const URLS: [(&str, &str); 5] = [
    ("ETCD_CERT_FILE", "ETCD_LISTEN_CLIENT_URLS"),
    ("ETCD_CERT_FILE", "ETCD_ADVERTISE_CLIENT_URLS"),
    ("ETCD_PEER_CERT_FILE", "ETCD_LISTEN_PEER_URLS"),
    ("ETCD_PEER_CERT_FILE", "ETCD_INITIAL_ADVERTISE_PEER_URLS"),
    ("LOCKSMITHD_ETCD_CERTFILE", "LOCKSMITHD_ENDPOINT"),
];

fn variable(text: &str) -> Result<Value, Refusal> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("write it as NAME=VALUE".into());
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(format!("`{name}` is not a name for an environment variable").into());
    }
    if value.contains(char::is_control) {
        return Err(format!("the value of {name} has a control character in it").into());
    }
    if flag(name).is_some() && has_plain_http(value) {
        return Err(format!(
            "{name} has an http:// URL, on which certificates are passed over; write https://"
        )
        .into());
    }
    if matches!(name, "ETCD_AUTO_TLS" | "ETCD_PEER_AUTO_TLS") && value != "false" {
        return Err(
            format!("{name} makes certificates that nobody can check; give etcd its own").into(),
        );
    }
    Ok(Value::assignment(name, value, name.to_owned()))
}

fn has_plain_http(value: &str) -> bool {
    value.to_ascii_lowercase().contains("http://")
}

/// Where etcd is given a file of settings, it passes over all variables but the one that gives it.
const CONFIG_FILE: &str = "ETCD_CONFIG_FILE";

fn is_ignored_with_file(name: &str) -> bool {
    name.starts_with("ETCD_") && name != CONFIG_FILE
}

/// The flag that says the same as a variable, without its dashes.
fn flag(name: &str) -> Option<String> {
    let rest = KNOWN.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    Some(rest.to_lowercase().replace('_', "-"))
}

/// A service, the drop-in to write for it, and the variables in it.
#[derive(Debug)]
struct Environment {
    unit: String,
    name: String,
    set: Vec<(String, String)>,
}

impl Rule for Environment {
    fn parse(fields: &Fields<'_>) -> Self {
        let (unit, name) = fields.argument_pair();
        Self {
            unit,
            name,
            set: fields.pairs("Set"),
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let set = self.set.iter();
        let wanted = set
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let content = content(&self.set);
        let found = draft.units().present(&self.unit);
        if found.is_empty() {
            return absent(format!("the image has no unit {}", self.unit));
        }
        for unit in found {
            if name::kind(&unit) != "service" {
                return fail(format!(
                    "{unit} is not a service; only the processes of a service have an environment"
                ));
            }
            if write(draft, &unit, &self.name, &content)? {
                verify(draft, &unit, &wanted)?;
                if name::is_template(&unit) {
                    for instance in draft.units().instances(&unit) {
                        verify(draft, &instance, &wanted)?;
                    }
                }
            }
        }
        Ok(Verdict::Holds)
    }
}

/// The drop-in's text.
fn content(set: &[(String, String)]) -> String {
    let mut out = String::from("[Service]\n");
    for (name, value) in set {
        let quoted = format!("{name}={value}")
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('%', "%%");
        let _ = writeln!(out, "Environment=\"{quoted}\"");
    }
    out
}

/// Whether the processes get what was asked for, and can use it.
fn verify(draft: &mut Draft<'_>, unit: &str, wanted: &BTreeMap<&str, &str>) -> Result<(), Stop> {
    let service = Service::read(draft, unit)?;
    let environment = service.environment(draft)?;
    for (name, value) in wanted {
        match environment.variables.get(*name) {
            Some((is, _)) if is == value => {}
            Some((is, file)) => {
                return fail(format!("{file} sets {name} to `{is}` for {unit} and wins"));
            }
            None => {
                let by = environment
                    .unset
                    .get(*name)
                    .map_or("a file", String::as_str);
                return fail(format!("{by} takes {name} from {unit} again"));
            }
        }
    }
    for (certificate, urls) in URLS
        .iter()
        .filter(|(certificate, _)| wanted.contains_key(certificate))
    {
        let value = environment
            .variables
            .get(*urls)
            .map_or("", |(value, _)| value);
        if value.is_empty() || has_plain_http(value) {
            return fail(format!(
                "{unit} has {certificate}, but {urls} is {}; certificates are passed over without https://",
                if value.is_empty() {
                    "not set, which means http://".to_owned()
                } else {
                    format!("`{value}`")
                },
            ));
        }
    }
    let ignored = wanted.keys().find(|name| is_ignored_with_file(name));
    if let (Some(name), Some((path, file))) = (ignored, environment.variables.get(CONFIG_FILE))
        && !path.is_empty()
    {
        return fail(format!(
            "{file} gives {unit} the settings of {path}, with which it passes over {name}"
        ));
    }
    for (file, _, given) in service.commands(&environment) {
        // What a shell is given is one word.
        let given: Vec<String> = given.iter().flat_map(|word| words(word)).collect();
        for name in wanted.keys() {
            let clashes = |word: &&String| {
                let option = word.strip_prefix("--").or(word.strip_prefix('-'));
                let option = option.map(|o| o.split('=').next().unwrap_or(o));
                option.is_some_and(|option| {
                    Some(option) == flag(name).as_deref()
                        || (is_ignored_with_file(name)
                            && Some(option) == flag(CONFIG_FILE).as_deref())
                })
            };
            if let Some(option) = given.iter().find(clashes) {
                return fail(format!(
                    "{file} starts {unit} with {option}, which clashes with {name}: the flag wins, or the program stops"
                ));
            }
        }
    }
    for file in environment.absent {
        draft.residual(ResidualKind::Override, Place::new(&file, None),
            format!("{unit} reads its environment from there, where the image has no file yet; what it sets wins"),
        );
    }
    for (name, path) in wanted
        .iter()
        .filter(|(name, path)| name.ends_with("FILE") && path.starts_with('/'))
    {
        if flag(name).is_some() && draft.rootfs().open(path).is_none() {
            draft.note(format!("{path}, which {name} of {unit} names, is not in the image and has to come before it starts"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
