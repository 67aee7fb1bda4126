//! Images before and after, extracted by GNU tar and bsdtar: what differs is what the plan says, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use casehard::{Compression, Error, Image, PlanOptions, Recipe, WriteOptions};
use casehard_testimages::{build, bundled};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

mod support;

#[path = "extract/acls.rs"]
mod acls;

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
                run: writers,
            },
            RealTest {
                name: "an_access_control_list_does_not_undo_a_mode",
                needs: &EXTRACTORS,
                run: acls::lists,
            },
            RealTest {
                name: "what_real_compressors_write_is_read_and_kept",
                needs: &[GZIP, PIGZ, ZSTD, XZ, BZIP2],
                run: compressors,
            },
            RealTest {
                name: "a_directory_is_what_gnu_tar_makes_of_it",
                needs: &[TAR],
                run: directory,
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

/// A small tree with what makes archives differ: long names, links, holes, attributes, ids that need more than octal.
fn tree(root: &Path) {
    let long = format!("usr/share/{}/{}", "d".repeat(140), "n".repeat(150));
    for name in [
        "usr/bin",
        "etc/systemd/system",
        "var",
        long.rsplit_once('/').expect("it has one").0,
    ] {
        fs::create_dir_all(root.join(name)).expect("the folder is writable");
    }
    let file = |name: &str, mode: u32, content: &[u8]| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(root.join(name), content).expect("the folder is writable");
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    file("usr/bin/su", 0o4755, &[7; 1500]);
    file("usr/bin/a", 0o755, b"first");
    file("etc/hostname", 0o644, b"host\n");
    file("etc/shadow", 0o640, b"root:*::0:::::\n");
    file("etc/gr\u{fc}n", 0o644, b"utf-8\n");
    file(&long, 0o6755, &[1; 513]);
    file("var/holes", 0o2644, b"start");
    let holes = fs::File::options()
        .write(true)
        .open(root.join("var/holes"))
        .expect("it is there");
    std::os::unix::fs::FileExt::write_at(&holes, b"end", 3 << 20).expect("the folder is writable");
    for (name, to) in [
        ("usr/bin/a", "usr/bin/b"),
        ("usr/bin/a", "etc/c"),
        (&long, "var/long"),
        ("var/holes", "var/other-holes"),
    ] {
        fs::hard_link(root.join(name), root.join(to)).expect("the folder is writable");
    }
    std::os::unix::fs::symlink("usr/bin", root.join("bin")).expect("the folder is writable");
    std::os::unix::fs::symlink(&long, root.join("var/link")).expect("the folder is writable");
    std::os::unix::fs::chown(root.join("usr/bin/b"), Some(3_000_000), Some(70_000))
        .expect("root may");
    xattr::set(root.join("etc/hostname"), "user.note", b"line\nline")
        .expect("the file system has attributes");
}

const WRITERS_RECIPE: &str = "[Recipe]
Schema=1
[StripSetid]
[Remove /etc/c]
[Remove /usr/bin/a]
[Remove /usr/share]
[Remove /var/holes]
[Permissions /etc/shadow]
Mode=0600
Group=0
OnMissing=skip
[Permissions /usr/bin/b]
Owner=0
Group=5000000
OnMissing=skip
[WriteFile /etc/hostname]
Line=hard
[WriteFile /etc/issue.d/x]
Line=new
";

fn writers() {
    let folder = folder();
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("the folder is writable");
    tree(&root);
    // v7 and ustar cannot say everything; what they leave out is no matter.
    let mut writers: Vec<(String, tools::Tool, Vec<String>)> = Vec::new();
    for format in ["v7", "oldgnu", "gnu", "ustar", "posix"] {
        for more in [
            &[][..],
            &["--sparse"],
            &["--xattrs"],
            &["--sparse", "--sparse-version=0.0"],
            &["--sparse", "--sparse-version=0.1"],
        ] {
            let sparse = more.iter().any(|o| o.starts_with("--sparse"));
            if (more.contains(&"--xattrs") || more.len() > 1) && format != "posix"
                || sparse && matches!(format, "v7" | "ustar")
            {
                continue;
            }
            let options = [&["--sort=name", "--create", "--ignore-failed-read"], more].concat();
            let mut options: Vec<String> = options.into_iter().map(str::to_owned).collect();
            options.push(format!("--format={format}"));
            writers.push((format!("GNU tar {options:?}"), TAR, options));
        }
    }
    for format in ["v7tar", "ustar", "gnutar", "pax", "restricted"] {
        let options = vec!["-c".to_owned(), format!("--format={format}")];
        writers.push((format!("bsdtar {format}"), BSDTAR, options));
    }
    let mut done = 0;
    for (name, program, options) in writers {
        for member in [".", "bin etc usr var"] {
            let input = folder.path().join("in.tar");
            let mut command = program.command();
            command
                .args(&options)
                .arg("-f")
                .arg(&input)
                .arg("-C")
                .arg(&root)
                .args(member.split(' '));
            // Names that do not fit make the writer fail, and its archive is then without them.
            command.output().expect("the program runs");
            done += usize::from(hardened_and_compared(&name, &input, folder.path()));
        }
    }
    for format in ["USTAR", "GNU", "PAX"] {
        const WRITE: &str = "
import sys, tarfile
with tarfile.open(sys.argv[1], 'w', format=getattr(tarfile, sys.argv[3] + '_FORMAT')) as archive:
    for name in ['bin', 'etc', 'usr', 'var']:
        try:
            archive.add(sys.argv[2] + '/' + name, name)
        except ValueError:
            pass
";
        let input = folder.path().join("in.tar");
        PYTHON3.output([
            "-c".into(),
            WRITE.into(),
            input.clone().into_os_string(),
            root.clone().into(),
            format.into(),
        ]);
        done += usize::from(hardened_and_compared(
            &format!("python {format}"),
            &input,
            folder.path(),
        ));
    }
    assert!(done >= 20, "only {done} archives were compared");
}

fn hardened_and_compared(name: &str, input: &Path, folder: &Path) -> bool {
    let output = folder.join("out.tar");
    let bytes = fs::read(input).expect("it was written");
    let (hardened, edits) =
        model::harden(&bytes, &recipe(WRITERS_RECIPE)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(edits.len() > 2, "{name}: {edits:?}");
    fs::write(&output, hardened).expect("the folder is writable");
    compare(name, input, &output, &edits).is_some()
}

fn compressors() {
    let folder = folder();
    let tar = folder.path().join("image.tar");
    let mut text = bundled()[1].description.to_owned();
    text += "\nfile var/large fill=1M\nfile var/zeros fill=1M:00\n";
    fs::write(&tar, build(&text).expect("the description is right"))
        .expect("the folder is writable");
    let (nothing, strip) = (
        recipe("[Recipe]\nSchema=1\n"),
        recipe("[Recipe]\nSchema=1\n[StripSetid]\n"),
    );
    let plain = Image::open(&tar).expect("it opens");
    let wanted = model::written(
        &plain.plan(&strip).expect("it can be planned"),
        &WriteOptions::new(),
    );
    let all: &[(tools::Tool, &[&str], Compression)] = &[
        (GZIP, &["-9"], Compression::Gzip),
        (PIGZ, &["-p2", "-b128"], Compression::Gzip),
        (PIGZ, &["-p2", "-i"], Compression::Gzip),
        (PIGZ, &["-p2", "-R"], Compression::Gzip),
        (ZSTD, &["-T2", "-19"], Compression::Zstd),
        (ZSTD, &["--long=27", "-1", "--no-check"], Compression::Zstd),
        (ZSTD, &["--fast=5"], Compression::Zstd),
        (XZ, &["-T2", "--block-size=262144", "-0"], Compression::Xz),
        (XZ, &["--check=sha256", "-1"], Compression::Xz),
        (
            XZ,
            &["--check=none", "--x86", "--lzma2=preset=0"],
            Compression::Xz,
        ),
        (BZIP2, &["-1"], Compression::Bzip2),
    ];
    for (program, options, compression) in all {
        let shown = format!("{} {options:?}", program.program);
        let output = |options: &[&str], file: &Path| {
            program.output(
                options
                    .iter()
                    .map(PathBuf::from)
                    .chain(["-c".into(), file.to_owned()]),
            )
        };
        let packed = folder.path().join("packed");
        fs::write(&packed, output(options, &tar)).expect("the folder is writable");
        let image = Image::open(&packed).unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert_eq!(image.compression(), *compression, "{shown}");
        let same = model::written(
            &image.plan(&nothing).expect("it can be planned"),
            &WriteOptions::new(),
        );
        assert!(
            same == fs::read(&packed).expect("it is there"),
            "{shown}: not the same bytes"
        );
        let plan = image.plan(&strip).expect("it can be planned");
        let hardened = folder.path().join("hardened");
        plan.write(&hardened).expect("it can be written");
        let unpacked = program
            .command()
            .args(["-d", "-c"])
            .stdin(fs::File::open(&hardened).expect("it is there"))
            .output();
        assert!(
            unpacked.expect("the program runs").stdout == wanted,
            "{shown}: another tar inside"
        );
    }
}

fn directory() {
    let folder = folder();
    let (root, tar) = (folder.path().join("root"), folder.path().join("gnu.tar"));
    fs::create_dir(&root).expect("the folder is writable");
    tree(&root);
    fs::write(root.join("etc/f\u{e9}"), "x").expect("the folder is writable");
    TAR.output(
        [
            "--create",
            "--sort=name",
            "--format=posix",
            "--pax-option=delete=atime,delete=ctime",
            "--xattrs",
            "--file",
        ]
        .map(PathBuf::from)
        .iter()
        .cloned()
        .chain([tar.clone(), "-C".into(), root.clone(), ".".into()]),
    );
    let (ours, gnu) = (
        Image::open(&root).expect("it opens"),
        Image::open(&tar).expect("it opens"),
    );
    let (ours, gnu) = (Tree::of(&ours), Tree::of(&gnu));
    assert_eq!(
        shown(&differing(&ours, &gnu).into_iter().collect::<Vec<_>>()),
        Vec::<String>::new()
    );
    let recipe = recipe(WRITERS_RECIPE);
    let image = Image::open(&root).expect("it opens");
    let plan = image
        .plan_with(&recipe, &PlanOptions::new().mtime(7))
        .expect("it can be planned");
    let out = folder.path().join("out.tar.zst");
    plan.write(&out).expect("it can be written");
    let hardened = Image::open(&out).expect("it opens");
    assert_eq!(hardened.compression(), Compression::Zstd);
    assert!(
        hardened
            .plan(&recipe)
            .expect("it can be planned")
            .compliant()
    );
}
