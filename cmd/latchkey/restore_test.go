package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey-auth/latchkey/internal/store/sqlite"
)

// tree gives the files under dir with what is in them.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func plant(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestoreCutShort cuts a restore short before and after each of its moves
// and goes on: what comes out is all new, and all the old is aside.
func TestRestoreCutShort(t *testing.T) {
	old := map[string]string{"latchkey.db": "old", "latchkey.db-wal": "old log", "latchkey.db-shm": "old index", "secret.key": "old key", "revocations.seq": "7"}
	for _, tt := range []struct {
		name  string
		ready map[string]string
		want  map[string]string
	}{
		{
			"with its key",
			map[string]string{"latchkey.db": "new", "secret.key": "new key", "restore.json": `{"aside":"before-restore-x","key":true}`},
			map[string]string{"latchkey.db": "new", "secret.key": "new key"},
		},
		{
			"without a key",
			map[string]string{"latchkey.db": "new", "restore.json": `{"aside":"before-restore-x","key":false}`},
			map[string]string{"latchkey.db": "new"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := map[string]string{"revocations.seq": "7"}
			for name, text := range tt.want {
				want[name] = text
			}
			for name, text := range old {
				if name != "revocations.seq" {
					want["before-restore-x/"+name] = text
				}
			}
			cut := errors.New("cut short")
			moves := 0
			for n := 0; n <= moves*2; n++ {
				dir := t.TempDir()
				plant(t, dir, old)
				plant(t, filepath.Join(dir, readyFolder), tt.ready)
				calls := 0
				err := completeRestore(dir, func(from, to string) error {
					calls++
					switch {
					case calls == (n+1)/2 && n%2 == 1:
						return cut
					case calls == n/2 && n%2 == 0:
						return errors.Join(os.Rename(from, to), cut)
					}
					return os.Rename(from, to)
				})
				if n == 0 {
					if moves = calls; err != nil || moves < 4 {
						t.Fatalf("%d moves, %v", moves, err)
					}
				} else if !errors.Is(err, cut) {
					t.Fatalf("cut %d: %v", n, err)
				} else if _, err := os.Stat(filepath.Join(dir, readyFolder)); err != nil {
					t.Fatalf("cut %d: the next command would not know: %v", n, err)
				}
				if err := completeRestore(dir, os.Rename); err != nil {
					t.Fatalf("after cut %d: %v", n, err)
				}
				if d := cmp.Diff(want, tree(t, dir)); d != "" {
					t.Fatalf("after cut %d: %s", n, d)
				}
			}
		})
	}
}

func TestRestoreNoteRefused(t *testing.T) {
	for _, note := range []string{"", "{}", `{"aside":"../before-restore-x"}`, `{"aside":"before-restore-/../../x"}`, `{"aside":"latchkey.db"}`} {
		dir := t.TempDir()
		plant(t, dir, map[string]string{"latchkey.db": "old", readyFolder + "/latchkey.db": "new", readyFolder + "/restore.json": note})
		before := tree(t, dir)
		if err := completeRestore(dir, os.Rename); err == nil {
			t.Errorf("note %q was taken", note)
		}
		if d := cmp.Diff(before, tree(t, dir)); d != "" {
			t.Errorf("note %q: %s", note, d)
		}
	}
}

// latchkey runs the program in this process.
func latchkey(t *testing.T, stdin string, args ...string) (stdout string) {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(context.Background(), args, nil, strings.NewReader(stdin), &out, &errs); status != exitOK {
		t.Fatalf("latchkey %s: exit status %d\n%s", strings.Join(args, " "), status, errs.String())
	}
	return out.String()
}

// TestRestoreFinishedByAnyCommand leaves a restore decided but not done, as a
// crash would.
func TestRestoreFinishedByAnyCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	const password = "correct horse battery\n"
	latchkey(t, password, "user", "create", "kept@example.com", "--password-stdin")
	latchkey(t, "", "backup", "b.tar")
	latchkey(t, password, "user", "create", "late@example.com", "--password-stdin")

	f, err := os.Open("b.tar")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stage := filepath.Join("data", stageFolder)
	if err := os.Mkdir(stage, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := readArchive(f, 1<<30, stage); err != nil {
		t.Fatal(err)
	}
	if err := decide("data", "before-restore-x"); err != nil {
		t.Fatal(err)
	}
	list := latchkey(t, "", "user", "list")
	if !strings.Contains(list, "kept@example.com") || strings.Contains(list, "late@example.com") {
		t.Errorf("the restore was not finished first:\n%s", list)
	}
	if _, err := os.Stat(filepath.Join("data", readyFolder)); err == nil {
		t.Error("the ready folder is still there")
	}
	if old := latchkey(t, "", "user", "list", "--data", filepath.Join("data", "before-restore-x")); !strings.Contains(old, "late@example.com") {
		t.Errorf("the old data is not whole:\n%s", old)
	}
}

// archive makes a backup in memory; change may spoil it.
func archive(t testing.TB, change func(m *manifest, files map[string][]byte)) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{sqlite.FileName: "the database", "secret.key": "the key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	described, err := describe(dir, sqlite.FileName, "secret.key")
	if err != nil {
		t.Fatal(err)
	}
	m := manifest{Program: archiveProgram, Format: archiveFormat, Version: "test", CreatedAt: time.Unix(0, 0).UTC(), Schema: sqlite.SchemaVersion(), Files: described}
	var b bytes.Buffer
	if change == nil {
		if err := writeArchive(&b, m, dir); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	files := map[string][]byte{sqlite.FileName: []byte("the database"), "secret.key": []byte("the key")}
	change(&m, files)
	head, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(&b)
	put := func(name string, data []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	put(manifestName, head)
	for _, f := range m.Files {
		if data, ok := files[f.Name]; ok {
			put(f.Name, data)
			delete(files, f.Name)
		}
	}
	for name, data := range files {
		put(name, data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	m, err := readArchive(bytes.NewReader(archive(t, nil)), 1<<20, dir)
	if err != nil || m.Version != "test" {
		t.Fatalf("%v, %v", m, err)
	}
	if d := cmp.Diff(map[string]string{sqlite.FileName: "the database", "secret.key": "the key"}, tree(t, dir)); d != "" {
		t.Error(d)
	}
	if info, err := os.Stat(filepath.Join(dir, "secret.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("secret.key: %v, %v", info.Mode(), err)
	}
	for _, tt := range []struct {
		name, want string
		change     func(m *manifest, files map[string][]byte)
	}{
		{"other bytes", "does not have the hash", func(_ *manifest, f map[string][]byte) { f[sqlite.FileName][3]++ }},
		{"other key", "does not have the hash", func(_ *manifest, f map[string][]byte) { f["secret.key"][3]++ }},
		{"other size", "is not the latchkey.db of its manifest", func(_ *manifest, f map[string][]byte) { f[sqlite.FileName] = append(f[sqlite.FileName], 0) }},
		{"missing file", "ends before secret.key", func(_ *manifest, f map[string][]byte) { delete(f, "secret.key") }},
		{"further file", "goes on after its last file", func(_ *manifest, f map[string][]byte) { f["evil"] = []byte("x") }},
		{"path", "is no file of a backup", func(m *manifest, f map[string][]byte) {
			m.Files[1].Name = "../evil"
			f["../evil"] = f["secret.key"]
			delete(f, "secret.key")
		}},
		{"twice", "is no file of a backup", func(m *manifest, _ map[string][]byte) { m.Files[1].Name = sqlite.FileName }},
		{"no database", "has no database", func(m *manifest, f map[string][]byte) { m.Files = m.Files[1:]; delete(f, sqlite.FileName) }},
		{"huge key", "a size of", func(m *manifest, _ map[string][]byte) { m.Files[1].Size = 1 << 40 }},
		{"more than there is", "a size of", func(m *manifest, _ map[string][]byte) { m.Files[0].Size = 1 << 40 }},
		{"newer format", "has format 2", func(m *manifest, _ map[string][]byte) { m.Format = 2 }},
		{"newer schema", "schema is of version 999", func(m *manifest, _ map[string][]byte) { m.Schema = 999 }},
		{"another program's", "not a backup", func(m *manifest, _ map[string][]byte) { m.Program = "other" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := readArchive(bytes.NewReader(archive(t, tt.change)), 1<<20, t.TempDir()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	whole := archive(t, nil)
	for n := 0; n < bytes.Index(whole, []byte("the key"))+len("the key"); n += 50 {
		if _, err := readArchive(bytes.NewReader(whole[:n]), int64(n), t.TempDir()); err == nil {
			t.Errorf("the first %d bytes of %d were taken", n, len(whole))
		}
	}
}

func TestDescribeMissing(t *testing.T) {
	if _, err := describe(t.TempDir(), "absent"); err == nil {
		t.Error("a missing file was described")
	}
}

// FuzzArchive holds that no file makes readArchive panic or write anything but
// the two files that a backup holds.
//
// ROW 12
func FuzzArchive(f *testing.F) {
	f.Add(archive(f, nil))
	f.Add(archive(f, func(m *manifest, files map[string][]byte) { m.Files = m.Files[:1]; delete(files, "secret.key") }))
	f.Add(archive(f, func(_ *manifest, files map[string][]byte) { files["../x"] = nil }))
	f.Add([]byte("no tar at all"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "stage")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := readArchive(bytes.NewReader(data), int64(len(data)), dir)
		for name := range tree(t, parent) {
			if name != "stage/"+sqlite.FileName && name != "stage/secret.key" {
				t.Fatalf("wrote %s", name)
			}
		}
		if _, there := tree(t, dir)[sqlite.FileName]; err == nil && !there {
			t.Fatal("a backup without a database was taken")
		}
	})
}
