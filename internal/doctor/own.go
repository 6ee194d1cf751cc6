package doctor

import (
	"runtime"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/config"
	"github.com/latchkey-auth/latchkey/internal/password"
)

const (
	// hashFast and SlowHash bound how long a password should take to hash.
	hashFast = 25 * time.Millisecond
	// SlowHash is from when on sign-ins are too few.
	SlowHash = 500 * time.Millisecond
	// leastFiles is how many connections and files a server should be let open.
	leastFiles = 4096
)

var machineChecks = []check{
	{
		id: "hash-slow", severity: Warning, title: "A password takes {ms} ms to hash here, which makes {rate} sign-ins in a second",
		what: "A password takes {ms} ms to hash here, which makes {rate} sign-ins in a second.",
		why:  "More people at once wait, and then get 503.",
		mend: "Give it more or faster processors.",
		judge: func(f *Facts) answer {
			if f.Hash == 0 {
				return skip()
			}
			return when(f.Hash > SlowHash, "ms", strconv.FormatInt(f.Hash.Milliseconds(), 10), "rate", rate(f))
		},
	},
	{
		id: "hash-fast", severity: Notice, title: "Whether guessing passwords from a stolen database is slow enough",
		what: "A password takes only {ms} ms to hash here.",
		why:  "A thief of the database with such a machine tries {rate} passwords in a second.",
		mend: "Ask for longer passwords.",
		do:   "LATCHKEY_PASSWORD_MIN_LENGTH=12",
		judge: func(f *Facts) answer {
			if f.Hash == 0 {
				return skip()
			}
			return when(f.Hash < hashFast, "ms", strconv.FormatInt(f.Hash.Milliseconds(), 10), "rate", rate(f))
		},
	},
	{
		id: "memory-low", severity: Error, title: "Whether there is memory for hashing",
		what: "Hashes may take {budget} MiB together, and the process has {memory} MiB.",
		why:  "In a rush of sign-ins the system ends the process.",
		mend: "Give it {needs} MiB or more; or let the hashes take less, where that is enough.",
		do:   "{setting}",
		judge: func(f *Facts) answer {
			memory := f.Machine.Memory
			if f.Machine.Limit > 0 {
				memory = min(memory, f.Machine.Limit)
			}
			if memory == 0 {
				return skip()
			}
			budget := func(set int64) int64 {
				return password.NewHasher(password.Options{Memory: set, Limit: f.Machine.Limit}).Budget()
			}
			takes, less := max(budget(int64(f.Config.Password.Memory)<<20), f.LargestHash), budget(max((memory-password.Beside)/2, 1))
			setting := ""
			if max(less, f.LargestHash)+password.Beside <= memory {
				setting = "LATCHKEY_PASSWORD_MEMORY=" + mib(less)
			}
			return when(takes+password.Beside > memory, "budget", mib(takes), "memory", mib(memory), "needs", mib(takes+password.Beside), "setting", setting)
		},
	},
	{
		id: "root", severity: Warning, title: "As which user the server runs",
		what: "The server runs as root.",
		why:  "A mistake in it would be one in the whole machine.",
		mend: "Run it as a user of its own, who owns the data folder.",
		do:   "User=latchkey",
		judge: func(f *Facts) answer {
			if f.Running {
				return when(f.Machine.Root)
			}
			if f.Folder.Written.IsZero() {
				return skip()
			}
			return when(f.Folder.Owner == "0")
		},
	},
	{
		id: "open-files", severity: Warning, title: "How many connections the process may have",
		what: "The process may have {files} files and connections open.",
		why:  "Each client holds one; beyond that new ones are refused.",
		mend: "Raise the limit: LimitNOFILE in a systemd unit, --ulimit nofile for a container.",
		do:   "LimitNOFILE=65536",
		judge: func(f *Facts) answer {
			if !f.Running || f.Machine.OpenFiles == 0 {
				return skip()
			}
			return when(f.Machine.OpenFiles < leastFiles, "files", strconv.FormatInt(f.Machine.OpenFiles, 10))
		},
	},
	{
		id: "connections-files", severity: Warning, title: "Whether the limit of connections fits that of files",
		what: "limits.connections is {connections}, but the process may have only {files} files and connections open.",
		why:  "It takes fewer connections than you have set; beyond them those that wait are closed.",
		mend: "Raise the limit of open files, or lower limits.connections so that you know what it is.",
		do:   "LimitNOFILE=65536",
		judge: func(f *Facts) answer {
			if !f.Running || f.Machine.OpenFiles == 0 {
				return skip()
			}
			return when(int64(f.Config.Limits.Connections)+OtherFiles(f.Config) > f.Machine.OpenFiles,
				"connections", strconv.Itoa(f.Config.Limits.Connections), "files", strconv.FormatInt(f.Machine.OpenFiles, 10))
		},
	},
	{
		id: "core-dumps", severity: Warning, title: "Whether a crash writes the memory to a file",
		what: "A crash of the process writes its memory to a file.",
		why:  "In it are the signing key, and passwords of the moment.",
		mend: "Switch it off: LimitCORE in a systemd unit, --ulimit core for a container.",
		do:   "LimitCORE=0",
		judge: func(f *Facts) answer {
			if !f.Running || runtime.GOOS != "linux" {
				return skip()
			}
			return when(f.Machine.CoreDumps)
		},
	},
	{
		id: "swap", severity: Notice, title: "Whether memory is written to a disk",
		what: "The machine may write memory to a disk (swap).",
		why:  "Keys and passwords of the moment can stay on that disk.",
		mend: "Encrypt the swap, or switch it off for this service: MemorySwapMax in a systemd unit.",
		do:   "MemorySwapMax=0",
		judge: func(f *Facts) answer {
			// The doctor's own process may swap where the server may not.
			if !f.Running || f.Machine.Memory == 0 {
				return skip()
			}
			return when(f.Machine.Swapping)
		},
	},
	{
		id: "processors", severity: Notice, title: "Whether the processors are those that the process is given",
		what: "Go uses {threads} processors, and the process is given {quota}.",
		why:  "It is stopped for a while whenever it has used them up, and every request waits.",
		mend: "Remove GOMAXPROCS from the environment.",
		do:   "unset GOMAXPROCS",
		judge: func(f *Facts) answer {
			if !f.Running || f.Machine.Quota == 0 {
				return skip()
			}
			// Go rounds up, and takes two at least.
			return when(float64(f.Machine.Threads) >= max(f.Machine.Quota, 1)+1 && f.Machine.Threads > 2,
				"threads", strconv.Itoa(f.Machine.Threads), "quota", strconv.FormatFloat(f.Machine.Quota, 'g', 3, 64))
		},
	},
}

// OtherFiles is how many files and connections a server may have open beside the
// connections of clients: the log, the UI's files, what is open for a moment, and
// the database.
func OtherFiles(c *config.Config) int64 {
	const few = 128
	if c.Database.IsPostgres() {
		return few + int64(c.Postgres.MaxConns)
	}
	// Two readers for each processor, each with the file and its log.
	return few + 4*int64(runtime.NumCPU())
}

// rate is how many passwords can be hashed in a second.
func rate(f *Facts) string {
	n := float64(max(f.Machine.Threads, 1)) / f.Hash.Seconds()
	if n < 10 {
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	return strconv.Itoa(int(n))
}

func mib(n int64) string { return strconv.FormatInt(n>>20, 10) }
