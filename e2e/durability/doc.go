// Package durability looks at what the real server asks of the system, with
// strace: whether what it has acknowledged was on the disk by then. A kill does
// not tell, since the system still writes what the process has handed over; a
// power cut would.
package durability
