// Package journalpane shows what was done from this machine, newest first, as
// the journal on disk has it.
package journalpane
