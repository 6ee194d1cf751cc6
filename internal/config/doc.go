// Package config says how Latchkey is set up: one struct, Config, whose tags
// give each setting its name, default, bounds and description. Flags,
// environment variables, the TOML file, the example file and the reference
// page (docs/configuration.md) all come from these tags.
//
// A setting has one name, and every source spells it the same way:
//
//	tokens.session_max             the name
//	--tokens.session_max=30d       the flag
//	LATCHKEY_TOKENS_SESSION_MAX    the environment variable
//	[tokens] session_max = "30d"   the file
//
// Defaults yield to the file, the file to the environment, the environment to
// the flags. Secrets have no flag: a command line can be read by every user of
// the machine.
//
// A mistake never stops the search for the next one: Load reports them all at
// once, each with its place, what is wrong and a hint. It reads the TOML file and
// the files of the secrets, and opens nothing else.
package config
