package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// backupName is a file in the data folder with the time of the last backup.
const backupName = "last-backup"

// NoteBackup writes down that a backup of the data folder was made. Its file
// holds nothing else, and whoever gets into the folder may read it: backups are
// often root's, and the server is not. For the same reason it is a new file each
// time.
func NoteBackup(data string, at time.Time) error {
	f, err := os.CreateTemp(data, backupName+"-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(at.UTC().Format(time.RFC3339) + "\n")
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(data, backupName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// LastBackup gives when the last backup of a data folder was made; zero if that
// is not known.
func LastBackup(data string) time.Time {
	b, err := os.ReadFile(filepath.Join(data, backupName))
	if err != nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
	if err != nil {
		return time.Time{}
	}
	return at
}
