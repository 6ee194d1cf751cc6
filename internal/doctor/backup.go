package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// backupName is a file in the data folder with the time of the last backup.
const backupName = "last-backup"

// NoteBackup writes down that a backup of the data folder was made. Its file
// holds nothing else.
func NoteBackup(data string, at time.Time) error {
	return os.WriteFile(filepath.Join(data, backupName), []byte(at.UTC().Format(time.RFC3339)+"\n"), 0o600)
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
