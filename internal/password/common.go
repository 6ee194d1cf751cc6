package password

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed" // for the list
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// commonGz is Django's list of common passwords, 2.1 to 4.1; see NOTICE.
//
//go:embed common-passwords.txt.gz
var commonGz []byte

// maxList bounds a list, unpacked.
const maxList = 64 << 20

// wordList is a set of words in one string, sorted: a quarter of the memory of a
// map, and nothing for the garbage collector to walk.
type wordList struct {
	words string
	ends  []uint32 // words[ends[i-1]:ends[i]] is a word
}

func newList(words []string) *wordList {
	slices.Sort(words)
	words = slices.Compact(words)
	l := &wordList{ends: make([]uint32, 0, len(words))}
	var b strings.Builder
	for _, w := range words {
		b.WriteString(w)
		l.ends = append(l.ends, uint32(b.Len()))
	}
	l.words = b.String()
	return l
}

// has reports whether the word is in the list; a nil list has none.
func (l *wordList) has(word string) bool {
	if l == nil {
		return false
	}
	low, high := 0, len(l.ends)
	for low < high {
		mid := (low + high) / 2
		switch strings.Compare(l.word(mid), word) {
		case 0:
			return true
		case -1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return false
}

func (l *wordList) word(i int) string {
	start := uint32(0)
	if i > 0 {
		start = l.ends[i-1]
	}
	return l.words[start:l.ends[i]]
}

// djangoList unpacks the embedded list. It cannot fail but by a broken build,
// which a test would show.
func djangoList() *wordList {
	l, err := readList(bytes.NewReader(commonGz))
	if err != nil {
		panic("unpack the embedded list of passwords: " + err.Error())
	}
	return l
}

func readListFile(name string) (*wordList, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := readList(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// readList reads one password a line, plain or gzipped. They are stripped, as
// Django does, and lowered, which Django leaves to the list's author: what is
// looked up is in lower case. Empty lines are skipped.
func readList(r io.Reader) (*wordList, error) {
	plain := bufio.NewReader(r)
	var text io.Reader = plain
	if magic, _ := plain.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(plain)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		text = z
	}
	b, err := io.ReadAll(io.LimitReader(text, maxList+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxList {
		return nil, errors.New("list is over 64 MiB")
	}
	var words []string
	for line := range strings.Lines(string(b)) {
		if word := strip(lower(line)); word != "" {
			words = append(words, word)
		}
	}
	return newList(words), nil
}
