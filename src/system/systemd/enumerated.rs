//! Settings that take one of a few words, by systemd 258.

const ACTIONS: &str = "none reboot reboot-force reboot-immediate poweroff poweroff-force poweroff-immediate exit exit-force \
    soft-reboot soft-reboot-force kexec kexec-force halt halt-force halt-immediate";

const JOB_MODES: &str =
    "fail replace replace-irreversibly isolate flush ignore-dependencies ignore-requirements";

/// Settings, and the words that each takes.
const WORDS: [(&str, &str); 22] = [
    ("BindIPv6Only", "default both ipv6-only"),
    ("CollectMode", "inactive inactive-or-failed"),
    ("DevicePolicy", "auto closed strict"),
    ("ExitType", "main cgroup"),
    ("FailureAction", ACTIONS),
    ("JobTimeoutAction", ACTIONS),
    ("KeyringMode", "inherit private shared"),
    ("KillMode", "control-group process mixed none"),
    ("ManagedOOMMemoryPressure", "auto kill"),
    ("ManagedOOMPreference", "none avoid omit"),
    ("ManagedOOMSwap", "auto kill"),
    ("NotifyAccess", "none all exec main"),
    ("OOMPolicy", "continue stop kill"),
    ("OnFailureJobMode", JOB_MODES),
    ("OnSuccessJobMode", JOB_MODES),
    (
        "Restart",
        "no always on-success on-failure on-abnormal on-abort on-watchdog",
    ),
    ("RestartMode", "normal direct debug"),
    ("StartLimitAction", ACTIONS),
    ("SuccessAction", ACTIONS),
    ("TimeoutStartFailureMode", "terminate abort kill"),
    (
        "Type",
        "simple exec forking oneshot dbus notify notify-reload idle",
    ),
    ("UtmpMode", "init login user"),
];

/// Returns the words that a setting takes, where it takes no other value that is not empty. A later
/// systemd may have more of them.
pub(crate) fn words_of(key: &str) -> Option<impl Iterator<Item = &'static str>> {
    let (_, words) = WORDS.iter().find(|(known, _)| *known == key)?;
    Some(words.split_whitespace())
}
