package server

import "bytes"

// lines counts the lines of a request's head as they come, before net/http makes
// fields of them: those take many times their bytes, and a moment each.
type lines struct {
	n int
	// of the line that has begun: its length, and whether it begins with a CR
	length int
	cr     bool
	// done says that the head is at its end.
	done bool
}

// take takes in what has come and reports whether there are too many.
func (l *lines) take(b []byte) bool {
	for !l.done {
		if l.length == 0 && len(b) > 0 {
			l.cr = b[0] == '\r'
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			l.length += len(b)
			break
		}
		l.length += i
		empty := l.length == 0 || l.length == 1 && l.cr
		// Empty lines before a request are passed over (RFC 9112, section 2.2).
		l.done = empty && l.n > 0
		if !empty {
			l.n++
		}
		b, l.length = b[i+1:], 0
	}
	return l.n > maxFields+1
}
