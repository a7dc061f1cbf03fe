package report

import (
	"time"

	"midwatch/flags/flagwatch"
	"midwatch/foreign"
)

// maxFlags bounds the flags reported of one workload.
const maxFlags = 100

// Flag is a feature flag that a workload uses, in production where there is
// such an environment.
type Flag struct {
	Provider    string       `json:"provider"`
	Environment string       `json:"environment"`
	Key         string       `json:"key"`
	On          bool         `json:"on"`
	Serves      foreign.Text `json:"serves,omitempty"`
	ChangedAt   time.Time    `json:"changedAt,omitzero"`
	ChangedBy   foreign.Text `json:"changedBy,omitempty"`
	// Why says how it is known that the workload uses it.
	Why foreign.Text `json:"why"`
}

// Flags reports the flags that a workload uses, those first that changed last.
func Flags(board *flagwatch.Board, uses *flagwatch.Uses) []Flag {
	var out []Flag
	for _, r := range board.Rows {
		why := uses.Why(r)
		if why == "" || len(out) == maxFlags {
			continue
		}
		p, ok := board.Provider(r.Provider)
		if !ok {
			continue
		}
		env, _ := p.Production()
		state, ok := r.Flag.In(env.Key)
		if !ok {
			continue
		}
		out = append(out, Flag{
			Provider: r.Provider, Environment: env.Key, Key: r.Flag.Key, On: state.On, Serves: state.Serves,
			ChangedAt: state.Changed.UTC(), ChangedBy: state.ChangedBy, Why: foreign.CleanN(why, 200),
		})
	}
	return out
}
