//! Archives of every program that writes some, and a directory, which none has written.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use casehard::{Compression, Image, PlanOptions};

use super::support::model::{self, Tree, differing};
use super::support::tools::{BSDTAR, PYTHON3, TAR, Tool};
use super::{compare, folder, recipe, shown};

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

pub(crate) fn archives() {
    let folder = folder();
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("the folder is writable");
    tree(&root);
    // v7 and ustar cannot say everything; what they leave out is no matter.
    let mut writers: Vec<(String, Tool, Vec<String>)> = Vec::new();
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

pub(crate) fn directory() {
    let folder = folder();
    let (root, tar) = (folder.path().join("root"), folder.path().join("gnu.tar"));
    fs::create_dir(&root).expect("the folder is writable");
    tree(&root);
    fs::write(root.join("etc/f\u{e9}"), "x").expect("the folder is writable");
    // GNU tar says of it `socket ignored`.
    let socket = "var/socket";
    UnixListener::bind(root.join(socket)).expect("the folder is writable");
    TAR.output(
        [
            "--create",
            "--sort=name",
            "--format=posix",
            "--pax-option=delete=atime,delete=ctime",
            "--xattrs",
            "--sparse",
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
    let named = |note: &String| note.contains("sockets") && note.ends_with(socket);
    assert!(plan.notes().iter().any(named), "{:?}", plan.notes());
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
