// Extracts a tar archive by Go's archive/tar into a folder, with names and links resolved inside it as containerd does.
package main

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// inside gives the file that a path means with the root as `/`.
func inside(root, path string) (string, error) {
	left := strings.Split(path, "/")
	at, links := "/", 0
	for len(left) > 0 {
		name := left[0]
		left = left[1:]
		next := filepath.Join(at, name)
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil {
			at = next
			continue
		}
		if links++; links > 255 {
			return "", fmt.Errorf("%s: too many links", path)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		left = append(strings.Split(target, "/"), left...)
	}
	return filepath.Join(root, at), nil
}

// place gives the file to make for a name: its parents are resolved, its last component is not.
func place(root, name string) (string, error) {
	clean := filepath.Clean("/" + name)
	parent, err := inside(root, filepath.Dir(clean))
	return filepath.Join(parent, filepath.Base(clean)), err
}

func create(root string, header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	path, err := place(root, header.Name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	there, err := os.Lstat(path)
	directory := header.Typeflag == tar.TypeDir
	if err == nil && !(there.IsDir() && directory) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	mode := uint32(header.Mode & 0o7777)
	device := int(header.Devmajor<<8 | header.Devminor)
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
	case tar.TypeReg, tar.TypeRegA, tar.TypeCont, tar.TypeGNUSparse:
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		// Big holes are checked for their size only, as no disk is large enough.
		if header.Size > 1<<30 {
			err = file.Truncate(header.Size)
		} else {
			_, err = io.Copy(file, content)
		}
		file.Close()
		if err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := os.Symlink(header.Linkname, path); err != nil {
			return err
		}
		return os.Lchown(path, header.Uid, header.Gid)
	case tar.TypeLink:
		target, err := place(root, header.Linkname)
		if err != nil {
			return err
		}
		if err := os.Link(target, path); err != nil {
			return err
		}
		if there, err := os.Lstat(path); err != nil || there.Mode()&os.ModeSymlink != 0 {
			return err
		}
	case tar.TypeChar:
		err = syscall.Mknod(path, syscall.S_IFCHR|mode, device)
	case tar.TypeBlock:
		err = syscall.Mknod(path, syscall.S_IFBLK|mode, device)
	case tar.TypeFifo:
		err = syscall.Mkfifo(path, mode)
	default:
		return fmt.Errorf("%s: unhandled type %q", header.Name, header.Typeflag)
	}
	if err != nil && header.Typeflag != tar.TypeReg && !os.IsNotExist(err) {
		return err
	}
	if err := os.Lchown(path, header.Uid, header.Gid); err != nil {
		return err
	}
	if err := syscall.Chmod(path, mode); err != nil || directory {
		return err
	}
	return os.Chtimes(path, header.ModTime, header.ModTime)
}

func run(archive, root string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := create(root, header, reader); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
