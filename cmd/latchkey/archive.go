package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/latchkey-auth/latchkey/internal/keyring"
	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// A backup is a tar file: manifest.json first, then the files that it lists,
// in its order. The manifest comes first so that a file is known by its hash
// before a byte of it is used.
const (
	manifestName   = "manifest.json"
	archiveFormat  = 1
	maxManifest    = 64 << 10
	maxKeyFile     = 64 << 10
	privateFile    = 0o600
	privateFolder  = 0o700
	archiveProgram = "latchkey"
)

// manifest says what a backup holds.
type manifest struct {
	Program   string         `json:"program"` // "latchkey"
	Format    int            `json:"format"`
	Version   string         `json:"version"` // of the program that made it
	CreatedAt time.Time      `json:"created_at"`
	Schema    int64          `json:"schema"`
	Files     []manifestFile `json:"files"`
}

// manifestFile is one file of a backup.
type manifestFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// has reports whether the backup holds a file of this name.
func (m manifest) has(name string) bool {
	for _, f := range m.Files {
		if f.Name == name {
			return true
		}
	}
	return false
}

// check refuses a manifest that restore would not know what to do with.
func (m manifest) check() error {
	switch {
	case m.Program != archiveProgram:
		return errNotBackup
	case m.Format != archiveFormat:
		return failed("use a newer latchkey", "the backup has format %d, this program knows %d", m.Format, archiveFormat)
	case m.Schema > sqlite.SchemaVersion():
		return failed("use a newer latchkey", "the backup's schema is of version %d, this program knows %d", m.Schema, sqlite.SchemaVersion())
	case !m.has(sqlite.FileName):
		return errors.New("the backup has no database")
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if f.Name != sqlite.FileName && f.Name != keyring.FileName || seen[f.Name] {
			return fmt.Errorf("the backup's manifest lists %q, which is no file of a backup", f.Name)
		}
		seen[f.Name] = true
		if f.Size < 0 || f.Name == keyring.FileName && f.Size > maxKeyFile {
			return fmt.Errorf("the backup's manifest gives %s a size of %d", f.Name, f.Size)
		}
	}
	return nil
}

var errNotBackup = errors.New("this is not a backup made by latchkey backup")

// describe measures files of a folder for a manifest.
func describe(dir string, names ...string) ([]manifestFile, error) {
	var out []manifestFile
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		h := sha256.New()
		n, err := io.Copy(h, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		out = append(out, manifestFile{name, n, hex.EncodeToString(h.Sum(nil))})
	}
	return out, nil
}

// writeArchive writes the manifest and the files that it lists, from dir.
func writeArchive(w io.Writer, m manifest, dir string) error {
	head, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	entry := func(name string, size int64, r io.Reader) error {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: privateFile, Size: size, ModTime: m.CreatedAt}); err != nil {
			return err
		}
		_, err := io.Copy(t, r)
		return err
	}
	if err := entry(manifestName, int64(len(head)), bytes.NewReader(head)); err != nil {
		return err
	}
	for _, file := range m.Files {
		f, err := os.Open(filepath.Join(dir, file.Name))
		if err != nil {
			return err
		}
		if err = errors.Join(entry(file.Name, file.Size, f), f.Close()); err != nil {
			return err
		}
	}
	return t.Close()
}

// readArchive unpacks a backup into dir and holds that every file is the one
// that the manifest describes. Nothing of it is used before it returns nil.
// Names in the archive never become paths: only the two that we know are made.
// size is the archive's own: a sparse entry could unpack to more than that.
func readArchive(r io.Reader, size int64, dir string) (manifest, error) {
	var m manifest
	t := tar.NewReader(r)
	h, err := t.Next()
	if err != nil || h.Name != manifestName || h.Size > maxManifest {
		return m, errNotBackup
	}
	if err := json.NewDecoder(t).Decode(&m); err != nil {
		return m, errNotBackup
	}
	if err := m.check(); err != nil {
		return m, err
	}
	for _, file := range m.Files {
		if file.Size > size {
			return m, fmt.Errorf("the backup's manifest gives %s a size of %d", file.Name, file.Size)
		}
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return m, fmt.Errorf("the backup ends before %s", file.Name)
		case err != nil:
			return m, fmt.Errorf("the backup is damaged at %s: %w", file.Name, err)
		case h.Name != file.Name || h.Typeflag != tar.TypeReg || h.Size != file.Size:
			return m, fmt.Errorf("the backup is damaged: %q is not the %s of its manifest", h.Name, file.Name)
		}
		if err := unpack(t, filepath.Join(dir, file.Name), file); err != nil {
			return m, err
		}
	}
	if _, err := t.Next(); !errors.Is(err, io.EOF) {
		return m, errors.New("the backup is damaged: it goes on after its last file")
	}
	return m, nil
}

func unpack(r io.Reader, path string, want manifestFile) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, privateFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), r); err != nil {
		return fmt.Errorf("unpack %s: %w", want.Name, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.SHA256 {
		return fmt.Errorf("the backup is damaged: %s does not have the hash of its manifest", want.Name)
	}
	return f.Sync()
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
