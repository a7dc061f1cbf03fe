package vault

import (
	"context"
	"time"
)

// Counts are the numbers of leases that the active node publishes every
// second (vault/core_metrics.go).
type Counts struct {
	At time.Time
	// Leases and Irrevocable are -1 when the server did not publish them.
	Leases      int
	Irrevocable int
}

// Counts reads sys/metrics: the cheap answer to "how many leases are there",
// before any listing.
func (c *Client) Counts(ctx context.Context) (*Counts, error) {
	var answer struct {
		Gauges []struct {
			Name  string  `json:"Name"`
			Value float64 `json:"Value"`
		} `json:"Gauges"`
	}
	err := c.Read(ctx, Query{Tried: "count the leases", Path: "sys/metrics", Need: RightMetrics}, &answer)
	if err != nil {
		return nil, err
	}
	counts := &Counts{At: c.opts.Clock.Now(), Leases: -1, Irrevocable: -1}
	for _, g := range answer.Gauges {
		switch g.Name {
		case "vault.expire.num_leases":
			counts.Leases = int(g.Value)
		case "vault.expire.num_irrevocable_leases":
			counts.Irrevocable = int(g.Value)
		}
	}
	return counts, nil
}
