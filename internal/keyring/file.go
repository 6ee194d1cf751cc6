package keyring

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// FileName is the name of the file in the data folder that keeps the secret
// which the first start on SQLite makes: 32 bytes as they are, mode 0600.
const FileName = "secret.key"

// readSecretFile reads a secret that must be there.
func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: tokens are signed with a key that is not in the database, and there is no %s; "+
			"put the file back from a backup, or set signing.key if that was used before, "+
			"or run `latchkey key use` to change to another key", ErrNoSecret, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the secret file: %w", err)
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the secret file: %w", err)
	}
	// Windows has no such bits: what Go shows there says nothing.
	if mode := about.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%w: others may read or change %s (mode %04o); run `chmod 600 %s`",
			ErrSecretFile, path, mode, path)
	}
	secret, err := io.ReadAll(io.LimitReader(f, secretLength+1))
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err)
	}
	if len(secret) != secretLength {
		return nil, fmt.Errorf("%w: %s does not hold %d bytes: it is damaged, or no file of ours; put the right one back",
			ErrSecretFile, path, secretLength)
	}
	return secret, nil
}

// makeSecretFile makes the file unless there is one, and gives what it holds.
// When it returns, the file is on disk, whole: the fingerprint that is stored
// next must never outlive it.
func makeSecretFile(path string) ([]byte, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := writeSecretFile(path); err != nil {
			return nil, fmt.Errorf("make the secret file: %w", err)
		}
	}
	// Also when another process was first: its entry may not be on disk yet.
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("write the secret file's folder to disk: %w", err)
	}
	return readSecretFile(path)
}

// writeSecretFile writes a new secret beside path and gives it its name when it
// is on disk. The name is given by a link and not by renaming: a link does not
// replace the file of a process that was faster.
func writeSecretFile(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+FileName+"-*") // Mode 0600.
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	secret := make([]byte, secretLength)
	rand.Read(secret)
	_, err = f.Write(secret)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w (a folder without hard links will not do; signing.key_file needs no such file)", err)
	}
	return nil
}

// syncFolder writes a folder's entries to disk.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // Folders cannot be synced there, nor need they be.
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
