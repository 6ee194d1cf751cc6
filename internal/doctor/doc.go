// Package doctor judges a configuration and what is around it (files, machine,
// database, accounts) and says of each thing that should not stay as it is what
// it is, why it matters and how it is mended.
//
//	Gather  looks: at files, at the machine, into the database. It changes nothing.
//	   │ Facts
//	Judge   is a function of the facts: the table of checks, one after the other.
//	   │ Findings
//	`latchkey doctor`, the log of a start, GET /api/doctor/, the console
//
// There is one table. Each check has an id that stays, a severity, and its
// texts, in which {name} stands for a parameter; docs/doctor.md is made from it,
// and the console has the same texts in other languages by the id. No text and
// no parameter holds a secret, nor anything of which a secret could be learnt
// but the length of a key that is too short anyway.
//
// A check that cannot be made, or does not concern this configuration, is left
// out; it is never taken for good.
package doctor
