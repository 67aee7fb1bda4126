//! The arguments that the image has its boot loader give the kernel.

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};

/// Files with such arguments: of systemd's kernel-install, Raspberry Pi, GRUB, extlinux, U-Boot.
const FILES: [&str; 14] = [
    "/boot/armbianEnv.txt",
    "/boot/cmdline.txt",
    "/boot/extlinux/extlinux.conf",
    "/boot/firmware/cmdline.txt",
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/syslinux/syslinux.cfg",
    "/boot/uEnv.txt",
    "/etc/default/extlinux",
    "/etc/default/grub",
    "/etc/kernel/cmdline",
    "/etc/sysconfig/bootloader",
    "/etc/update-extlinux.conf",
    "/usr/lib/kernel/cmdline",
];

/// Directories of them, each with the ending of its files: of GRUB, bootc, boot loader entries.
const DIRECTORIES: [(&str, &str); 6] = [
    ("/boot/loader/entries", ".conf"),
    ("/efi/loader/entries", ".conf"),
    ("/etc/cmdline.d", ".conf"),
    ("/etc/default/grub.d", ".cfg"),
    ("/etc/kernel/cmdline.d", ".conf"),
    ("/usr/lib/bootc/kargs.d", ".toml"),
];

/// A larger file is not one of these.
const LIMIT: u64 = 1 << 20;

/// Returns where the image has one of some arguments, with the argument.
pub(crate) fn arguments<'a>(
    files: &Files<'_>,
    wanted: &[&'a str],
) -> Result<Vec<(Place, &'a str)>, Stop> {
    let mut all: Vec<(String, InodeId)> = FILES.iter().flat_map(|path| files.etc(path)).collect();
    for (directory, suffix) in DIRECTORIES {
        all.extend(files.etc_files_in(directory, suffix));
    }
    let mut found = Vec::new();
    for (path, id) in all {
        let text = files.text_up_to(LIMIT, id)?.unwrap_or_default();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim_start().starts_with(b"#") {
                continue;
            }
            // Whatever the syntax, blanks, quotes, commas and brackets separate the arguments.
            let mut words = line.split(|b| b" \t\"',[]()".contains(b)).flat_map(|word| {
                // `GRUB_CMDLINE_LINUX=quiet` without quotes, too.
                let value = word.split_once_str("=").map(|(_, value)| value);
                [Some(word), value]
            });
            let is_wanted = |word: Option<&[u8]>| {
                let mut wanted = wanted.iter().filter(|w| word == Some(w.as_bytes()));
                wanted.next().copied()
            };
            if let Some(argument) = words.find_map(is_wanted) {
                found.push((Place::new(&path, number), argument));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::arguments;
    use crate::rules::harness::open;

    #[test]
    fn arguments_are_found_in_each_syntax() {
        let image = open(
            "file boot/cmdline.txt\n| console=tty1 selinux=0\nfile etc/default/grub\n| # selinux=0\n| \
             GRUB_CMDLINE_LINUX=\"quiet selinux=0\"\nfile usr/etc/kernel/cmdline\n| enforcing=0 selinux=0\nfile \
             usr/lib/bootc/kargs.d/10.toml\n| kargs = [\"quiet\",\"enforcing=0\"]\nfile boot/loader/entries/a.conf\n| options \
             selinux=00 xselinux=0 selinux=1\nfile etc/default/grub.d/a.cfg\n| GRUB_CMDLINE_LINUX=selinux=0\n",
        );
        let files = image.files().unwrap();
        let found = arguments(&files, &["selinux=0", "enforcing=0"]).unwrap();
        let found = found
            .iter()
            .map(|(place, argument)| format!("{place} {argument}"));
        assert_eq!(
            Vec::from_iter(found),
            [
                "/boot/cmdline.txt:1 selinux=0",
                "/etc/default/grub:2 selinux=0",
                "/usr/etc/kernel/cmdline:1 enforcing=0",
                "/etc/default/grub.d/a.cfg:1 selinux=0",
                "/usr/lib/bootc/kargs.d/10.toml:1 enforcing=0",
            ]
        );
    }
}
