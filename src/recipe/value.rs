//! What values may be. A check reads a value once, so that a slip is found before any image is
//! read.

use jiff::civil::Date;

use crate::system::systemd::name::types;

use super::nearest::{list, nearest, quoted, suggest};

/// What a value or a section's argument may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    /// Any text but an empty one, which resets.
    Text,
    /// Any text as it stands: an empty value is a value, and blanks before it stay.
    Verbatim,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// What the function reads.
    Is(fn(&str) -> Result<Value, Refusal>),
}

/// What a check made of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// The text is all there is to know.
    Text,
    /// A file mode.
    Mode(u32),
    /// A day.
    Date(Date),
    /// Two parts of the text.
    Pair {
        name: String,
        value: String,
        /// What it sets, if that can be set once. A setting in an extending recipe replaces those
        /// that set the same; two values in one section are a mistake.
        sets: Option<String>,
    },
}

/// Why a value is refused, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Check {
    /// Reads a value, or says what is wrong with it.
    pub(super) fn read(self, value: &str) -> Result<Value, Refusal> {
        match self {
            Self::Text | Self::Verbatim => Ok(Value::Text),
            Self::OneOf(words) => one_of(value, words),
            Self::Is(read) => read(value),
        }
    }
}

impl Value {
    pub(crate) fn pair(name: &str, value: &str) -> Self {
        Self::Pair {
            name: name.to_owned(),
            value: value.to_owned(),
            sets: None,
        }
    }

    /// Returns a pair that sets `sets`, which can have one value.
    pub(crate) fn assignment(name: &str, value: &str, sets: String) -> Self {
        Self::Pair {
            name: name.to_owned(),
            value: value.to_owned(),
            sets: Some(sets),
        }
    }

    pub(super) fn as_pair(&self) -> Option<(String, String)> {
        match self {
            Self::Pair { name, value, .. } => Some((name.clone(), value.clone())),
            _ => None,
        }
    }
}

impl Refusal {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl<S: Into<String>> From<S> for Refusal {
    fn from(message: S) -> Self {
        Self::new(message)
    }
}

/// Reads `YYYY-MM-DD` and nothing else that a calendar may accept.
pub(super) fn date(value: &str) -> Result<Value, Refusal> {
    let shape = value.len() == 10
        && value.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let wrong = || {
        Refusal::new(format!("{} is not a date", quoted(value)))
            .help("write the day as YYYY-MM-DD, such as 2026-12-31")
    };
    if !shape {
        return Err(wrong());
    }
    match value.parse() {
        Ok(day) => Ok(Value::Date(day)),
        Err(_) => Err(format!("{} is not a day in the calendar", quoted(value)).into()),
    }
}

pub(super) fn one_of(value: &str, words: &[&str]) -> Result<Value, Refusal> {
    if words.contains(&value) {
        return Ok(Value::Text);
    }
    let refusal = Refusal::new(format!("{} is not a value of this key", quoted(value)));
    Err(match nearest(value, words.iter().copied()) {
        Some(near) => refusal.help(format!(
            "did you mean `{near}`? it is one of {}",
            list(words)
        )),
        None => refusal.help(format!("it is one of {}", list(words))),
    })
}

/// Reads a file mode in octal, such as `0644`, up to `07777`.
pub(crate) fn mode(value: &str) -> Result<Value, Refusal> {
    let octal = (3..=5).contains(&value.len()) && value.bytes().all(|b| (b'0'..=b'7').contains(&b));
    match u32::from_str_radix(value, 8) {
        Ok(mode) if octal && mode <= 0o7777 => Ok(Value::Mode(mode)),
        _ => Err(Refusal::new(format!("{} is not a mode", quoted(value)))
            .help("write it in octal, such as 0644; the highest is 07777")),
    }
}

/// Accepts a path from the root, without `.`, `..` and empty components.
pub(crate) fn absolute_path(value: &str) -> Result<Value, Refusal> {
    let Some(rest) = value.strip_prefix('/') else {
        return Err(
            Refusal::new(format!("{} does not start at the root", quoted(value)))
                .help(format!("write {}", quoted(&format!("/{value}")))),
        );
    };
    if value.contains('\0') {
        return Err(Refusal::new("a path cannot contain NUL"));
    }
    if rest.is_empty() {
        return Err(Refusal::new("`/` is the whole image").help("name a file or directory in it"));
    }
    for component in rest.split('/') {
        if component.is_empty() {
            return Err(
                Refusal::new(format!("{} has a superfluous `/`", quoted(value)))
                    .help("write one `/` between names and none at the end"),
            );
        }
        if component == "." || component == ".." {
            return Err(
                Refusal::new(format!("{} contains `{component}`", quoted(value)))
                    .help("write the path that it leads to"),
            );
        }
    }
    Ok(Value::Text)
}

/// Accepts what [`absolute_path`] does, without wildcards: the rule is about one path.
pub(crate) fn one_path(value: &str) -> Result<Value, Refusal> {
    let braces = value.split_once('{').map(|(_, rest)| rest);
    let is_list = braces.is_some_and(|rest| rest.contains(',') && rest.contains('}'));
    if is_list || value.contains(['*', '?']) {
        return Err(Refusal::new(format!(
            "{} has a wildcard, and this rule takes one path",
            quoted(value)
        ))
        .help("write a section for each path"));
    }
    absolute_path(value)
}

/// Accepts a path from the root that may have `*`, `?`, `[…]` and `{…}` in it.
pub(crate) fn path_or_glob(value: &str) -> Result<Value, Refusal> {
    absolute_path(value)?;
    match globset::Glob::new(value) {
        Ok(_) => Ok(Value::Text),
        Err(error) => {
            Err(
                Refusal::new(format!("{} is not a glob: {}", quoted(value), error.kind()))
                    .help("a `\\` before a special character takes it as it stands"),
            )
        }
    }
}

/// What a unit's name has in it where it is a glob.
const GLOB: &[char] = &['*', '?', '[', ']'];

/// Accepts a unit's name, a template or a glob.
pub(crate) fn unit(value: &str) -> Result<Value, Refusal> {
    const LONGEST: usize = 255;
    let wrong =
        |why: String| Refusal::new(format!("{} is not a unit's name: {why}", quoted(value)));

    if value.len() > LONGEST {
        return Err(wrong(format!("it is longer than {LONGEST} bytes")));
    }
    if value.contains(char::is_whitespace) {
        return Err(wrong("it contains a blank".to_owned())
            .help("give each unit a section of its own; a blank in a name is written `\\x20`"));
    }
    if let Some(odd) = value
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !":-_.\\@*?[]!^".contains(*c))
    {
        return Err(wrong(format!("it contains `{odd}`")));
    }
    let Some((stem, suffix)) = value.rsplit_once('.') else {
        return Err(wrong("it has no suffix".to_owned()).help(format!(
            "did you mean {}?",
            quoted(&format!("{value}.service"))
        )));
    };
    if stem.is_empty() || stem.starts_with('@') {
        let end = &value[value.find(['@', '.']).unwrap_or(0)..];
        return Err(wrong(format!("no name before {}", quoted(end))));
    }
    if stem.matches('@').count() > 1 {
        return Err(wrong("it contains more than one `@`".to_owned()));
    }
    if types().any(|known| known == suffix) || suffix.contains(GLOB) {
        return Ok(Value::Text);
    }
    let refusal = wrong(format!("units do not end in `.{suffix}`"));
    Err(match suggest(suffix, types()) {
        Some(help) => refusal.help(help),
        None => refusal,
    })
}

/// Reads a unit and the name of a drop-in of it: `UNIT/NAME.conf`.
pub(crate) fn drop_in(value: &str) -> Result<Value, Refusal> {
    let wrong = |why: &str| {
        Refusal::new(format!("{} is not a drop-in: {why}", quoted(value)))
            .help("write it as UNIT/NAME.conf, such as `fleet.socket/10-root-only.conf`")
    };
    let Some((of, name)) = value.split_once('/') else {
        return Err(wrong("it needs a unit, a `/` and a file's name"));
    };
    unit(of)?;
    if name.contains('/') {
        return Err(wrong("it has a superfluous `/`"));
    }
    match name.strip_suffix(".conf") {
        None => Err(wrong("the file's name does not end in `.conf`")),
        Some("") => Err(wrong("the file has no name before `.conf`")),
        Some(stem) if stem.starts_with('.') => Err(wrong("systemd ignores hidden files")),
        Some(_) => Ok(Value::pair(of, name)),
    }
}

/// Accepts what [`unit`] does, of a service.
pub(crate) fn service(value: &str) -> Result<Value, Refusal> {
    unit(value)?;
    let suffix = value.rsplit('.').next().unwrap_or_default();
    // A glob may stand for services too.
    if suffix == "service" || suffix.contains(GLOB) {
        return Ok(Value::Text);
    }
    Err(Refusal::new(format!("{} is not a service", quoted(value)))
        .help("name the service; its other units have no processes of their own"))
}

/// Reads what [`drop_in`] does, of a service.
pub(crate) fn service_drop_in(value: &str) -> Result<Value, Refusal> {
    let read = drop_in(value)?;
    service(value.split('/').next().unwrap_or_default())?;
    Ok(read)
}

/// Accepts the name of a service or program, or a program's path.
pub(crate) fn service_or_program(value: &str) -> Result<Value, Refusal> {
    if value.starts_with('/') {
        return absolute_path(value);
    }
    let wrong = |why: &str| {
        Refusal::new(format!(
            "{} is not the name of a service: {why}",
            quoted(value)
        ))
    };
    if let Some((stem, suffix)) = value.rsplit_once('.')
        && !stem.is_empty()
        && types().any(|known| known == suffix)
    {
        return Err(wrong("it is a unit's").help(format!(
            "name the service or program without its suffix: {}",
            quoted(stem.trim_end_matches('@'))
        )));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    match value.chars().find(|c| !plain(*c)) {
        Some('/') => Err(wrong("a path begins with a `/`")),
        Some(odd) => Err(wrong(&format!("it contains `{odd}`"))),
        None if value.is_empty() => Err(wrong("it is empty")),
        None => Ok(Value::Text),
    }
}

/// Accepts the name of a user or a group.
pub(crate) fn account_name(value: &str) -> Result<Value, Refusal> {
    const LONGEST: usize = 32;
    let wrong = |why: &str| {
        Err(Refusal::new(format!(
            "{} is not a name of a user or group: {why}",
            quoted(value)
        )))
    };
    // A machine account of Samba ends in a dollar sign.
    let body = value.strip_suffix('$').unwrap_or(value);
    if value.len() > LONGEST {
        return wrong("it is longer than 32 bytes");
    }
    if body.bytes().all(|b| b.is_ascii_digit()) {
        return wrong("it has no letter");
    }
    if body.starts_with('-') || body.starts_with('.') {
        return wrong("it starts with a `-` or a `.`");
    }
    match body
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"_-.".contains(*c))
    {
        Some(odd @ (',' | ' ' | ';')) => {
            let names: Vec<&str> = value.split(odd).map(str::trim).collect();
            let refused = wrong(&format!("it contains `{odd}`"));
            refused.map_err(|refusal: Refusal| match is_plain(&names) {
                true => refusal.help(format!(
                    "one value is one name: write a line each for {}",
                    list(&names)
                )),
                false => refusal,
            })
        }
        Some(odd) => wrong(&format!("it contains `{odd}`")),
        None => Ok(Value::Text),
    }
}

/// Returns whether all are names as they stand, so that they can be suggested.
fn is_plain(names: &[&str]) -> bool {
    let mut all = names.iter();
    all.all(|name| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    })
}
