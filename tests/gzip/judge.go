// Says what Go makes of gzip files: of each the SHA-256 of what it decodes to, or `refused`.
package main

import (
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

func decoded(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	reader, err := gzip.NewReader(file)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, reader); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

func main() {
	for _, path := range os.Args[1:] {
		hash, err := decoded(path)
		if err != nil {
			hash = "refused"
		}
		fmt.Println(hash)
	}
}
