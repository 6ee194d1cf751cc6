package password

// Budget is how many bytes hashes at work may take together.
func (h *Hasher) Budget() int64 { return h.gate.total }

// Memory is how many bytes an encoded hash takes to verify, 0 for what is none.
func Memory(encoded string) int64 {
	h, err := parse(encoded)
	if err != nil {
		return 0
	}
	memory, _ := h.cost()
	return memory
}
