package password

// Budget is how many bytes hashes at work may take together.
func (h *Hasher) Budget() int64 { return h.gate.total }
