package latchkey

// page is an answer of the feed.
type page struct {
	// seq is where to go on: that of the last row, or the server's clock.
	seq int64
	// reset says that the server's clock was behind us: it has another database
	// now, and the rows begin at the beginning.
	reset bool
	rows  []revocation
}

// parsePage reads the answer to a request for what comes after a row. A page
// that skips back, or whose rows are not in order, would have the feed leave
// something out, and is refused.
func parsePage(raw string, after int64) (p page, ok bool) {
	var hasSeq, hasRows bool
	ok = members(raw, func(name, value string) (ok bool) {
		switch name {
		case "seq":
			p.seq, ok = integer(value)
			hasSeq = ok
			return ok
		case "reset":
			p.reset = value == "true"
			return p.reset || value == "false"
		case "revocations":
			hasRows = true
			return elements(value, func(value string) bool {
				row, ok := parseRow(value)
				p.rows = append(p.rows, row)
				return ok
			})
		}
		return true
	})
	if !ok || !hasSeq || !hasRows {
		return page{}, false
	}
	if p.reset {
		after = 0
	}
	for _, row := range p.rows {
		if row.seq <= after {
			return page{}, false
		}
		after = row.seq
	}
	return p, p.seq >= after
}

// parseRow reads one row. gen and iat_before may be missing, and so may key,
// which kind "all" has no use for.
func parseRow(raw string) (r revocation, ok bool) {
	var hasSeq, hasUntil bool
	ok = members(raw, func(name, value string) (ok bool) {
		switch name {
		case "seq":
			r.seq, ok = integer(value)
			hasSeq = ok
		case "kind":
			r.kind, ok = text(value)
		case "key":
			r.key, ok = text(value)
		case "gen":
			r.gen, ok = integer(value)
		case "iat_before":
			r.iatBefore, ok = integer(value)
		case "until":
			r.until, ok = integer(value)
			hasUntil = ok
		default:
			return true
		}
		return ok
	})
	return r, ok && hasSeq && hasUntil && r.kind != ""
}
