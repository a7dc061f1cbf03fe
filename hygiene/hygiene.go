// Package hygiene keeps what a process knows from leaking by way of the
// operating system: no core dumps, no reading of its memory by other processes
// of the same user, no tokens in the environment of its children, and no
// debugging aid that writes every frame into a file while a secret is on one.
//
// The package imports the standard library and golang.org/x/sys only.
package hygiene

import (
	"slices"
	"sync"
)

// Env looks an environment variable up, as os.LookupEnv does.
type Env = func(name string) (string, bool)

// Tokens are the variables that carry credentials of servers midwatch talks
// to by itself. A child needs none of them: kubectl's credential plugins, a
// pager and an editor inherit the environment.
func Tokens() []string {
	return []string{
		"VAULT_TOKEN", "BAO_TOKEN", "VAULT_MFA", "BAO_MFA", "VAULT_HEADERS", "BAO_HEADERS",
	}
}

// Hide reads the named variables, takes them out of the environment with
// unset (os.Unsetenv), and returns a look-up that still knows them. What the
// kernel shows in /proc/PID/environ is the memory the process started with: it
// keeps them, and only [Harden] closes that to the user's other processes.
func Hide(env Env, unset func(string) error, names ...string) (Env, error) {
	hidden := map[string]string{}
	for _, name := range names {
		value, ok := env(name)
		if !ok {
			continue
		}
		hidden[name] = value
		if err := unset(name); err != nil {
			return env, err
		}
	}
	return func(name string) (string, bool) {
		if value, ok := hidden[name]; ok {
			return value, true
		}
		return env(name)
	}, nil
}

// tracers are the variables that make the terminal library write what it
// draws, or the message that crashed it, into a file (Bubble Tea's tea.go).
var tracers = []string{"TEA_TRACE", "TEA_DEBUG"}

// Tracing names the debugging variables that are set and would record a
// revealed value: while there is one, nothing may be revealed.
func Tracing(env Env) []string {
	var set []string
	for _, name := range tracers {
		if v, ok := env(name); ok && v != "" {
			set = append(set, name)
		}
	}
	return set
}

// Report says what [Harden] achieved, for the console's log.
type Report struct {
	// Done and Failed are short phrases: "no core dumps".
	Done, Failed []string
}

var once struct {
	sync.Once
	report Report
}

// Harden makes the process unreadable to others of the same user (ptrace,
// /proc/PID/mem, /proc/PID/environ) and keeps it from dumping core, as far as
// the operating system lets it. It is done once; later calls report the same.
func Harden() Report {
	once.Do(func() {
		for _, m := range measures() {
			if err := m.take(); err != nil {
				once.report.Failed = append(once.report.Failed, m.name+": "+err.Error())
				continue
			}
			once.report.Done = append(once.report.Done, m.name)
		}
	})
	return Report{Done: slices.Clone(once.report.Done), Failed: slices.Clone(once.report.Failed)}
}

// measure is one thing to do.
type measure struct {
	name string
	take func() error
}
