//! Images before and after, extracted by GNU tar and bsdtar: what differs is what the plan says, and nothing else.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use casehard::{Error, Image, Recipe};
use casehard_testimages::{build, bundled};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

mod support;

#[path = "extract/acls.rs"]
mod acls;
#[path = "extract/compressors.rs"]
mod compressors;
#[path = "extract/writers.rs"]
mod writers;

use support::disk::{EXTRACTORS, extract};
use support::model::{self, Tree, changes, differing, same_tree_but_for};
use support::tools::{self, BSDTAR, BZIP2, GZIP, PIGZ, PYTHON3, RealTest, SETCAP, TAR, XZ, ZSTD};

fn main() -> ExitCode {
    tools::main_if(
        // Without, nobody's files are extracted as others' and devices not at all.
        tools::as_root,
        &[
            RealTest {
                name: "bundled_images_differ_by_the_edits",
                needs: &EXTRACTORS,
                run: bundled_images,
            },
            RealTest {
                name: "random_archives_differ_by_the_edits",
                needs: &EXTRACTORS,
                run: random_archives,
            },
            RealTest {
                name: "hardening_is_what_one_would_do_by_hand",
                needs: &[TAR, BSDTAR, SETCAP],
                run: by_hand,
            },
            RealTest {
                name: "archives_of_every_writer_differ_by_the_edits",
                needs: &[TAR, BSDTAR, PYTHON3],
                run: writers::archives,
            },
            RealTest {
                name: "an_access_control_list_does_not_undo_a_mode",
                needs: &EXTRACTORS,
                run: acls::lists,
            },
            RealTest {
                name: "what_real_compressors_write_is_read_and_kept",
                needs: &[GZIP, PIGZ, ZSTD, XZ, BZIP2],
                run: compressors::compressors,
            },
            RealTest {
                name: "a_directory_is_what_gnu_tar_makes_of_it",
                needs: &[TAR],
                run: writers::directory,
            },
        ],
    )
}

/// All nine rules; what an image does not have is no failure.
const NINE_RULES: &str = "[Recipe]
Schema=1
[Mask *ssh*.socket]
OnMissing=skip
[Mask docker.socket]
OnMissing=mask
[Mask tty*.service]
OnMissing=skip
[DropIn fleet.socket/10-root-only.conf]
Socket.SocketMode=0600
Ensure=yes
OnMissing=skip
[DropIn ssh.service/10-quiet.conf]
Service.LogLevelMax=err
OnMissing=skip
[RemoveFromGroups core]
Group=wheel
Group=docker
OnMissing=skip
[RemoveFromGroups admin]
Group=sudo
Group=docker
OnMissing=skip
[StripSetid]
Keep=/usr/bin/sudo
[RemoveApplets]
Applet=[
Applet=wget
Applet=nc
OnMissing=skip
[Remove /usr/bin/{gcc,nmap,telnet}]
OnMissing=skip
[Remove /var/spool]
OnMissing=skip
[Permissions /etc/shadow]
Mode=0600
Group=0
OnMissing=skip
[Permissions /root]
Mode=0750
OnMissing=skip
[WriteFile /etc/issue.d/casehard.issue]
Line=hardened
[WriteFile /etc/hostname]
Line=hard
[SetKey /etc/coreos/update.conf]
Set=REBOOT_STRATEGY=off
OnMissing=skip
";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder")
}

fn recipe(text: &str) -> Recipe {
    Recipe::parse("test", text).expect("the recipe is right")
}

/// Extracts an archive and its hardened self, and holds that they differ as planned. None where the archive itself cannot be
/// extracted without a complaint.
fn compare(what: &str, before: &Path, after: &Path, edits: &[casehard::edit::Edit]) -> Option<()> {
    let folder = folder();
    let mut compared = None;
    for program in EXTRACTORS {
        let [was, is] =
            ["was", "is"].map(|name| folder.path().join(format!("{}-{name}", program.program)));
        if extract(program, before, &was).is_err() {
            continue;
        }
        if let Err(message) = extract(program, after, &is) {
            panic!(
                "{} extracts the input, but not the output: {message}\n{what}",
                program.program
            );
        }
        same_tree_but_for(&Tree::on_disk(&was), &Tree::on_disk(&is), edits);
        compared = Some(());
    }
    compared
}

fn bundled_images() {
    let recipe = recipe(NINE_RULES);
    for image in bundled() {
        let folder = folder();
        let [input, output] = ["in.tar", "out.tar"].map(|name| folder.path().join(name));
        fs::write(
            &input,
            build(image.description).expect("bundled images build"),
        )
        .expect("the folder is writable");
        let opened = Image::open(&input).expect("it opens");
        let plan = opened.plan(&recipe).expect("it can be planned");
        assert!(!plan.failed(), "{:?}", plan.rules());
        plan.write(&output).expect("it can be written");
        let hardened = Image::open(&output).expect("the output opens");
        model::hold(&opened, &hardened, plan.edits());
        let (before, after) = (Tree::of(&opened), Tree::of(&hardened));
        let said: Vec<_> = changes(plan.edits()).into_keys().collect();
        let done: Vec<_> = differing(&before, &after).into_iter().collect();
        assert_eq!(shown(&done), shown(&said), "{}", image.name);
        assert!(said.len() > 3, "{} has something to harden", image.name);
        compare(image.name, &input, &output, plan.edits())
            .unwrap_or_else(|| panic!("{} can be extracted", image.name));
    }
}

fn shown(paths: &[Vec<u8>]) -> Vec<String> {
    paths.iter().map(|p| p.escape_ascii().to_string()).collect()
}

fn random_archives() {
    let mut runner = TestRunner::deterministic();
    let folder = folder();
    let [input, output] = ["in.tar", "out.tar"].map(|name| folder.path().join(name));
    let mut compared = 0;
    // Many cannot be extracted at all, since a hard link in them names nothing.
    while compared < 50 {
        let all = (support::archives::archive(), support::archives::recipe());
        let (archive, rules) = all
            .new_tree(&mut runner)
            .expect("there are archives")
            .current();
        let bytes = build(&archive).expect("the description is right");
        match model::harden(&bytes, &recipe(&rules)) {
            Ok((hardened, edits)) => {
                fs::write(&input, bytes).expect("the folder is writable");
                fs::write(&output, hardened).expect("the folder is writable");
                compared +=
                    usize::from(compare(&(archive + &rules), &input, &output, &edits).is_some());
            }
            Err(Error::Image { .. } | Error::Recipe(_) | Error::Unfulfilled(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// Extracts random archives, hardens the files by hand, and finds what casehard's output extracts to.
fn by_hand() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut runner = TestRunner::deterministic();
    let mut compared = 0;
    while compared < 40 {
        let archive = support::archives::archive();
        let archive = archive.new_tree(&mut runner).expect("there are archives");
        let bytes = build(&archive.current()).expect("the description is right");
        let recipe =
            recipe("[Recipe]\nSchema=1\n[StripSetid]\n[Remove /usr/bin/c]\nOnMissing=skip\n");
        let Ok((hardened, _)) = model::harden(&bytes, &recipe) else {
            continue;
        };
        let folder = folder();
        let [input, output] = ["in.tar", "out.tar"].map(|name| folder.path().join(name));
        fs::write(&input, bytes).expect("the folder is writable");
        fs::write(&output, hardened).expect("the folder is writable");
        for program in EXTRACTORS {
            let [was, is] =
                ["was", "is"].map(|name| folder.path().join(format!("{}-{name}", program.program)));
            if extract(program, &input, &was).is_err() {
                continue;
            }
            extract(program, &output, &is).expect("the input could be extracted");
            let _ = fs::remove_file(was.join("usr/bin/c"));
            for file in walkdir::WalkDir::new(&was) {
                let file = file.expect("the folder is readable");
                let mode = file.metadata().expect("it is there").permissions().mode();
                if file.file_type().is_file() {
                    // Without capabilities it fails, which is well.
                    let mut setcap = SETCAP.command();
                    let _ = setcap.args(["-q", "-r"]).arg(file.path()).output();
                    fs::set_permissions(file.path(), fs::Permissions::from_mode(mode & !0o6000))
                        .expect("it is ours");
                }
            }
            same_tree_but_for(&Tree::on_disk(&was), &Tree::on_disk(&is), &[]);
            compared += 1;
        }
    }
}
