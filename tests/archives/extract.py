"""Extracts a tar archive by Python's tarfile, member by member, into a folder that it may not leave."""

import os
import sys
import tarfile


def leaves(path, root):
    return os.path.commonpath([root, os.path.realpath(path)]) != root


def main(archive, root):
    root = os.path.realpath(root)
    options = {"numeric_owner": True}
    if hasattr(tarfile, "fully_trusted_filter"):
        options["filter"] = "fully_trusted"
    with tarfile.open(archive) as tar:
        for member in tar:
            member.name = member.name.lstrip("/")
            if member.islnk():
                member.linkname = member.linkname.lstrip("/")
            path = os.path.join(root, member.name)
            # What tarfile opens for writing may be a link that stands there already.
            written = path if member.isreg() or member.isdir() else os.path.dirname(path)
            if leaves(written, root):
                sys.exit(f"{member.name} leads out of the folder")
            tar.extract(member, root, **options)


main(*sys.argv[1:])
