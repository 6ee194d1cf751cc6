// Package canary plants secrets and looks for them where none may be: in the
// log at its most talkative, in the audit trail, in what is answered to others,
// in the database, in its copies and in what the command line prints
// (security.md, figure 17).
package canary
