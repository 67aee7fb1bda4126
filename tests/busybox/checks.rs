//! What must not work any more, and what must work as before.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use crate::build::{Build, Layout, Side};
use crate::cases::CASES;
use crate::server::Server;

const APPLETS: &[&str] = &["wget", "nc", "telnet"];

impl Build {
    pub(super) fn check(&self) {
        let names = self.names();
        self.only_wanted_slots_change(&names);
        let server = Server::start();
        self.no_name_reaches(&server);
        self.others_are_as_before(&names);
    }

    /// The places of the words that differ, taken by the order of `--list`, are those of the unwanted applets and no others.
    fn only_wanted_slots_change(&self, names: &[String]) {
        let (word, stride) = match self.layout {
            Layout::Fixed64 => (8, 8),
            Layout::Rela64 => (8, 24),
            Layout::InPlace32 => (4, 4),
        };
        let read = |side| fs::read(self.root(side).join("bin/busybox")).unwrap();
        let (original, hardened) = (read(Side::Original), read(Side::Hardened));
        assert_eq!(original.len(), hardened.len());
        let changed: Vec<usize> = (0..original.len() / word)
            .map(|n| n * word)
            .filter(|at| original[*at..at + word] != hardened[*at..at + word])
            .collect();
        let number = |name: &str| names.iter().position(|n| n == name).unwrap();
        let mut wanted: Vec<&str> = APPLETS.to_vec();
        wanted.sort_unstable();
        let start = changed[0] - number(wanted[0]) * stride;
        let place = |name: &str| start + number(name) * stride;
        assert_eq!(
            changed,
            wanted.iter().map(|name| place(name)).collect::<Vec<_>>()
        );
        let inert = &original[place("false")..place("false") + word];
        for at in &changed {
            assert_eq!(&hardened[*at..at + word], inert);
        }
    }

    fn no_name_reaches(&self, server: &Server) {
        for words in server.requests() {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            for prefix in [&[][..], &["busybox"]] {
                let words = [prefix, &words].concat();
                let before = server.reached();
                let output = self.run(Side::Original, &words);
                assert!(server.reached() > before, "{words:?} {output:?}");
                let before = server.reached();
                let output = self.run(Side::Hardened, &words);
                assert_eq!(output.status.code(), Some(1), "{words:?} {output:?}");
                assert!(
                    output.stdout.is_empty() && output.stderr.is_empty(),
                    "{words:?} {output:?}"
                );
                assert_eq!(server.reached(), before, "{words:?}");
            }
        }
    }

    /// A shell that runs applets without looking for them, as Debian's static builds do.
    pub(super) fn check_shell(&self) {
        let server = Server::start();
        for words in server.requests() {
            let script = format!("{}; exit $?", words.join(" "));
            let run = |side| {
                let before = server.reached();
                let output = self
                    .standalone(&self.root(side).join("bin/busybox"))
                    .args(["ash", "-c", &script])
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                (output, server.reached() > before)
            };
            let (output, reached) = run(Side::Original);
            assert!(reached, "{script} {output:?}");
            let (output, reached) = run(Side::Hardened);
            assert_eq!(
                (output.status.code(), reached),
                (Some(1), false),
                "{script} {output:?}"
            );
        }
    }

    fn others_are_as_before(&self, names: &[String]) {
        let mut compared = BTreeMap::new();
        for case in CASES {
            if !names.iter().any(|name| name == case[0]) {
                continue;
            }
            let [was, is] = [Side::Original, Side::Hardened].map(|side| self.run(side, case));
            assert_eq!(was, is, "{case:?}");
            let nothing = was.stdout.is_empty() && !was.status.success();
            assert!(!nothing || case[0] == "false", "{case:?} {was:?}");
            *compared.entry(case[0]).or_insert(0) += 1;
        }
        assert!(compared.len() >= 60, "{compared:?}");
    }
}
