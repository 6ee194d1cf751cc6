package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"sort"
	"strings"
)

const (
	envPrefix = "LATCHKEY_"
	// testPrefix begins the names of variables that only tests read.
	testPrefix = "LATCHKEY_TEST_"
	// fileEnv names the file; --config does too.
	fileEnv = "LATCHKEY_CONFIG"
	// DefaultFile is read when no file is named and it is there.
	DefaultFile = "latchkey.toml"
)

// Sources are where settings come from.
type Sources struct {
	// File is the TOML file that --config named, or "".
	File string
	// Env is the environment, NAME=value each, as os.Environ gives it.
	Env []string
	// Flags are the flags that were given, by key.
	Flags map[string]string
}

// Default gives the configuration with nothing set.
func Default() *Config {
	c := &Config{origins: map[string]Origin{}}
	for _, f := range fields() {
		if !f.secret() {
			// TestDefaults holds that no default is wrong.
			_ = f.set(c, f.def)
		}
		c.origins[f.key] = Origin{From: FromDefault}
	}
	return c
}

// Load gives the configuration in force. Its error is a Problems, with
// everything that is wrong.
func Load(src Sources) (*Config, error) {
	l := &loader{c: Default(), fields: map[string]field{}, blamed: map[string]bool{}}
	for _, f := range fields() {
		l.fields[f.key] = f
		l.keys = append(l.keys, f.key)
	}
	l.file(src)
	l.env(src.Env)
	l.flags(src.Flags)
	l.check()
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	return l.c, nil
}

type loader struct {
	c        *Config
	fields   map[string]field
	keys     []string // of fields, in their order
	problems Problems
	blamed   map[string]bool // keys that have a problem already
}

func (l *loader) blame(key string, o Origin, what, hint string) {
	l.problems = append(l.problems, Problem{Key: key, Origin: o, What: what, Hint: hint})
	l.blamed[key] = true
}

// took notes where the value came from, or what is wrong with it.
func (l *loader) took(key string, o Origin, err error) {
	l.c.origins[key] = o
	// A mistake of a source that was overruled stays one; what decides
	// whether the value can be compared with others is the last source.
	l.blamed[key] = false
	if err == nil {
		return
	}
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		var w *wrong
		if errors.As(err, &w) {
			l.blame(key, o, w.what, w.hint)
		} else {
			l.blame(key, o, err.Error(), "")
		}
	}
}

func (l *loader) file(src Sources) {
	name, named := src.File, "--config"
	if name == "" {
		named = fileEnv
		for _, v := range src.Env {
			if rest, ok := strings.CutPrefix(v, fileEnv+"="); ok {
				name = rest
			}
		}
	}
	implicit := name == ""
	if implicit {
		name = DefaultFile
	}
	data, err := readFile(name)
	o := Origin{From: FromFile, Name: name}
	switch {
	case implicit && errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		hint := "make it readable for the user that runs Latchkey"
		if errors.Is(err, fs.ErrNotExist) {
			hint = named + " names a file that is not there; `latchkey config example` prints one"
		}
		l.blame("", o, "cannot be read: "+cause(err), hint)
		return
	}
	entries, line, err := readTOML(data)
	if err != nil {
		o.Line = line
		l.blame("", o, "is not TOML: "+err.Error(), "`latchkey config example` prints a file that is right")
		return
	}
	for _, e := range entries {
		o.Line = e.line
		if f, ok := l.fields[e.key]; ok {
			l.took(e.key, o, f.setTOML(l.c, e.value))
			continue
		}
		l.unknownKey(e, o)
	}
}

func (l *loader) unknownKey(e entry, o Origin) {
	for _, s := range sections() {
		if s[0] != e.key {
			continue
		}
		if table, ok := e.value.(map[string]any); !ok || len(table) > 0 {
			l.blame("", o, e.key+" is a section, not a setting", "write its settings under ["+e.key+"]")
		}
		return
	}
	if name, _, ok := strings.Cut(e.key, "."); ok {
		if _, ok := l.fields[name]; ok {
			l.blame("", o, name+" is a setting, not a section", "write "+name+" = … before the first section")
			return
		}
	}
	l.blame("", o, "there is no setting "+e.key, didYouMean(nearest(e.key, l.keys)))
}

func didYouMean(name string) string {
	if name == "" {
		return "`latchkey config example` prints all of them"
	}
	return "did you mean " + name + "?"
}

// serviceLink is what Kubernetes puts into the environment of each pod for a
// service named latchkey or latchkey-…: not ours, and nobody's mistake.
var serviceLink = regexp.MustCompile(`^LATCHKEY_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// serviceURL is the value of the one link whose name a person might choose:
// LATCHKEY_PORT=tcp://10.0.0.1:8000.
var serviceURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)

func (l *loader) env(env []string) {
	byName := map[string]field{}
	var names []string
	for _, key := range l.keys {
		f := l.fields[key]
		byName[f.env()] = f
		names = append(names, f.env())
	}
	// The same order on every machine.
	sorted := append([]string{}, env...)
	sort.Strings(sorted)
	for _, v := range sorted {
		name, value, ok := strings.Cut(v, "=")
		if !ok || !strings.HasPrefix(name, envPrefix) || strings.HasPrefix(name, testPrefix) || name == fileEnv {
			continue
		}
		o := Origin{From: FromEnv, Name: name}
		if f, ok := byName[name]; ok {
			l.took(f.key, o, f.set(l.c, value))
			continue
		}
		if serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && serviceURL.MatchString(value) {
			continue
		}
		hint := didYouMean(nearest(name, append(names, fileEnv)))
		if name == "LATCHKEY_PORT" || name == "LATCHKEY_HOST" {
			hint = "did you mean LATCHKEY_LISTEN, such as 127.0.0.1:8000?"
		}
		l.blame("", o, "there is no setting of this name", hint)
	}
}

func (l *loader) flags(flags map[string]string) {
	for _, key := range l.keys {
		value, ok := flags[key]
		if !ok {
			continue
		}
		o := Origin{From: FromFlag, Name: "--" + key}
		if f := l.fields[key]; f.secret() {
			l.blame(key, o, "is a secret and has no flag", "set "+f.env()+" or the file")
		} else {
			l.took(key, o, f.set(l.c, value))
		}
	}
}

// readFile reads a file of at most maxFile bytes.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a folder")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, errors.New("it is larger than 1 MiB")
	}
	return data, nil
}

// cause gives an error without the path that the message names already.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// Setting is one setting in force.
type Setting struct {
	Key string
	// Value is as the file would spell it and Text as the environment would; a
	// secret is <secret> in both.
	Value, Text string
	// Help describes it.
	Help   string
	Origin Origin
}

// Settings lists every setting in force, in the order of Config.
func (c *Config) Settings() []Setting {
	var out []Setting
	for _, f := range fields() {
		out = append(out, Setting{Key: f.key, Value: f.toml(c), Text: f.text(c), Help: f.help, Origin: c.origins[f.key]})
	}
	return out
}

// Origin says where the value of a key came from.
func (c *Config) Origin(key string) Origin { return c.origins[key] }
