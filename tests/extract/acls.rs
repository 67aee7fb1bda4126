//! Access control lists, which extractors set over the mode: what a rule says of a mode holds on the disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use casehard::Image;

use super::support::model;
use super::support::tools::{BSDTAR, TAR, Tool};
use super::{folder, recipe};

const LIST: &str = "system.posix_acl_access";

/// A list as Linux keeps it: version 2, then tag, permissions and id of each entry. The owner, user 1000, the owning group,
/// the most that groups get, and all others.
fn list() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 6, 1000),
        (0x04, 4, u32::MAX),
        (0x10, 6, u32::MAX),
        (0x20, 4, u32::MAX),
    ];
    let bytes = entries.map(|(tag, permissions, id)| {
        let [tag, permissions] = [tag, permissions].map(u16::to_le_bytes);
        [&tag[..], &permissions, &id.to_le_bytes()].concat()
    });
    [&2u32.to_le_bytes()[..], &bytes.concat()].concat()
}

pub(crate) fn lists() {
    let folder = folder();
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("the folder is writable");
    for name in ["shadow", "motd", "other"] {
        let path = root.join(name);
        fs::write(&path, "text\n").expect("the folder is writable");
        xattr::set(&path, LIST, &list()).expect("the file system has access control lists");
    }
    let rules = recipe(
        "[Recipe]\nSchema=1\n[Permissions /shadow]\nMode=0600\n[WriteFile /motd]\nLine=text\nMode=0640\n",
    );
    let want = [(0o600, false), (0o640, false), (0o664, true)];
    let output = folder.path().join("out.tar");
    let image = Image::open(&root).expect("a directory is an image");
    let plan = image.plan(&rules).expect("it can be planned");
    plan.write(&output).expect("the folder is writable");
    for reader in [TAR, BSDTAR] {
        let after = extracted(reader, &output, &folder.path().join("of"));
        assert_eq!(after, want, "{} reads that of a directory", reader.program);
    }
    let writers: [(Tool, &[&str]); 2] = [
        (TAR, &["--acls", "--format=posix"]),
        (BSDTAR, &["--format=pax", "--acls"]),
    ];
    for (writer, options) in writers {
        let input = folder.path().join("in.tar");
        let mut command = writer.command();
        command.arg("-c").args(options).arg("-C").arg(&root);
        command
            .arg("-f")
            .arg(&input)
            .args(["shadow", "motd", "other"]);
        assert!(command.status().expect("the program runs").success());
        let bytes = fs::read(&input).expect("it was written");
        let (hardened, _) = model::harden(&bytes, &rules).expect("it can be hardened");
        fs::write(&output, hardened).expect("the folder is writable");
        for reader in [TAR, BSDTAR] {
            let what = format!("{} reads what {} wrote", reader.program, writer.program);
            let before = extracted(reader, &input, &folder.path().join("was"));
            assert_eq!(before, [(0o664, true); 3], "{what}");
            let after = extracted(reader, &output, &folder.path().join("is"));
            assert_eq!(after, want, "{what}");
        }
    }
}

/// The modes of the three files, and whether they have a list.
fn extracted(reader: Tool, archive: &Path, to: &Path) -> [(u32, bool); 3] {
    fs::create_dir(to).expect("the folder is writable");
    let mut command = reader.command();
    command.args(["--acls", "-x", "-p", "-f"]).arg(archive);
    let done = command.arg("-C").arg(to).status();
    assert!(done.expect("the program runs").success());
    let found = ["shadow", "motd", "other"].map(|name| {
        let path = to.join(name);
        let mode = path.metadata().expect("it is there").permissions().mode();
        let list = xattr::get(&path, LIST).expect("attributes are readable");
        (mode & 0o7777, list.is_some())
    });
    fs::remove_dir_all(to).expect("the folder is writable");
    found
}
