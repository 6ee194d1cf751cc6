package durability

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// call is a system call as strace shows it: what it was given, and what came of
// it. began and ended are the places of its two lines in the order of events.
type call struct {
	name   string
	path   string // of the file that the first argument is, decoded
	data   string // the second argument where it is text
	rest   string // what stands behind that
	result int64
	began  int
	ended  int
	at     [2]time.Duration // of began and ended
}

// options of strace: all threads and children, files by name, text in hex and
// in full, the calls that write, sync, and speak with clients.
var options = []string{
	"-f", "-y", "-xx", "-ttt", "-s", "300000", "--seccomp-bpf", "-e", "signal=none",
	"-e", "trace=pwrite64,write,writev,sendto,sendmsg,read,recvfrom,fsync,fdatasync,ftruncate",
}

// read takes a trace apart, in the order of events. each is called at the end
// of a call; begin, which may be nil, when it begins.
func read(t *testing.T, file string, begin, each func(c *call)) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	open := map[string]*call{} // by thread
	lines := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil {
			return // the last line of one that was ended may be a piece
		}
		thread, line, _ := strings.Cut(strings.TrimSpace(line), " ")
		stamp, line, ok := strings.Cut(strings.TrimLeft(line, " "), " ")
		seconds, err := strconv.ParseFloat(stamp, 64)
		if !ok || err != nil {
			continue
		}
		at := time.Duration(seconds * 1e9)
		if resumed, ok := strings.CutPrefix(line, "<... "); ok {
			c := open[thread]
			delete(open, thread)
			if c == nil {
				continue
			}
			name, tail, _ := strings.Cut(resumed, " resumed>")
			if name != c.name {
				t.Fatalf("line %d: %s goes on as %s", n, c.name, name)
			}
			if c.data == "" && c.path != "" {
				c.arguments(tail) // what was read
			}
			c.finish(tail, n, at)
			each(c)
			continue
		}
		name, arguments, ok := strings.Cut(line, "(")
		if !ok || strings.HasPrefix(line, "+++") || strings.HasPrefix(line, "---") {
			continue
		}
		c := &call{name: name, began: n, at: [2]time.Duration{at}}
		if descriptor, tail, ok := strings.Cut(arguments, "<"); ok {
			if _, err := strconv.Atoi(descriptor); err == nil {
				path, more, _ := strings.Cut(tail, ">")
				c.path = plain(path)
				c.arguments(strings.TrimPrefix(more, ", "))
			}
		}
		if begin != nil {
			begin(c)
		}
		if strings.HasSuffix(line, "<unfinished ...>") {
			open[thread] = c
			continue
		}
		c.finish(line, n, at)
		each(c)
	}
}

// arguments takes the text and what follows it.
func (c *call) arguments(s string) {
	_, quoted, ok := strings.Cut(s, `"`)
	if !ok {
		c.rest = s
		return
	}
	text, rest, _ := strings.Cut(quoted, `"`)
	c.data, c.rest = plain(text), rest
	// A vector's further pieces.
	for strings.HasPrefix(c.name, "writev") || c.name == "sendmsg" {
		_, quoted, ok := strings.Cut(rest, `iov_base="`)
		if !ok {
			break
		}
		text, rest, _ = strings.Cut(quoted, `"`)
		c.data += plain(text)
	}
}

// finish takes the result.
func (c *call) finish(line string, n int, at time.Duration) {
	c.ended, c.at[1] = n, at
	if i := strings.LastIndex(line, ") = "); i >= 0 {
		word, _, _ := strings.Cut(line[i+4:], " ")
		word, _, _ = strings.Cut(word, "<")
		c.result, _ = strconv.ParseInt(word, 10, 64)
	}
}

// offset is the last argument of pwrite64 and ftruncate.
func (c *call) offset(t *testing.T) int64 {
	t.Helper()
	s, _, _ := strings.Cut(c.rest, ")")
	s, _, _ = strings.Cut(s, " <unfinished")
	words := strings.Split(s, ",")
	n, err := strconv.ParseInt(strings.TrimSpace(words[len(words)-1]), 10, 64)
	if err != nil {
		t.Fatalf("%s %s: no offset in %q", c.name, c.path, c.rest)
	}
	return n
}

// plain undoes strace's hex.
func plain(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			v, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
			if err == nil {
				b.WriteByte(byte(v))
				i += 4
				continue
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// wrap writes a program that runs another under strace. strace is its child, so
// that signals reach the program itself.
func wrap(t *testing.T, strace, program, log string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "traced")
	script := fmt.Sprintf("#!/bin/sh\nexec %s -D %s -o %s -- %s \"$@\"\n", strace, quoted(options), log, program)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func quoted(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString("'" + w + "' ")
	}
	return b.String()
}
