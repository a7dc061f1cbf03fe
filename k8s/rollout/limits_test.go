package rollout

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// share is pct % of n in exact arithmetic, rounded as asked: an independent
// formulation of what the controllers do in floating point.
func share(pct, n int, up bool) int {
	r := big.NewRat(int64(pct)*int64(n), 100)
	q, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if up && rest.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return int(q.Int64())
}

func percent(p int) *intstr.IntOrString {
	v := intstr.FromString(fmt.Sprintf("%d%%", p))
	return &v
}

func number32(n int) *intstr.IntOrString {
	v := intstr.FromInt32(int32(n))
	return &v
}

func TestLimitsRoundAsTheControllersDo(t *testing.T) {
	for n := range 130 {
		for pct := 0; pct <= 100; pct++ {
			surge, unavailable := limits(percent(pct), percent(pct), n)
			wantSurge, wantUnavailable := share(pct, n, true), share(pct, n, false)
			if wantSurge == 0 && wantUnavailable == 0 {
				wantUnavailable = 1
			}
			wantUnavailable = min(wantUnavailable, n)
			if surge != wantSurge || unavailable != wantUnavailable {
				t.Fatalf("%d%% of %d: surge %d unavailable %d, want %d and %d", pct, n, surge, unavailable, wantSurge, wantUnavailable)
			}
			if ds, du := daemonLimits(percent(pct), percent(pct), n); ds != share(pct, n, true) || du != max(share(pct, n, true), btoi(ds == 0)) {
				t.Fatalf("DaemonSet, %d%% of %d: surge %d unavailable %d", pct, n, ds, du)
			}
			if got := statefulLimit(percent(pct), n); got != max(share(pct, n, false), 1) {
				t.Fatalf("StatefulSet, %d%% of %d: %d", pct, n, got)
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestLimitsBySituation(t *testing.T) {
	for _, tc := range []struct {
		name               string
		maxSurge, maxUnav  *intstr.IntOrString
		n                  int
		surge, unavailable int
	}{
		{"the defaults on three", nil, nil, 3, 1, 0},
		{"the defaults on four", nil, nil, 4, 1, 1},
		{"the defaults on one", nil, nil, 1, 1, 0},
		{"both resolve to zero", number32(0), percent(10), 3, 0, 1},
		{"both are zero on nothing", number32(0), number32(0), 0, 0, 0},
		{"more unavailable than there are", number32(0), number32(10), 3, 0, 3},
		{"numbers", number32(2), number32(1), 5, 2, 1},
		{"all at once", percent(100), percent(100), 7, 7, 7},
		{"what cannot be parsed", ptr(intstr.FromString("many")), number32(1), 5, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if s, u := limits(tc.maxSurge, tc.maxUnav, tc.n); s != tc.surge || u != tc.unavailable {
				t.Errorf("surge %d unavailable %d, want %d and %d", s, u, tc.surge, tc.unavailable)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// A rolling update that goes by roomOf keeps its promises at every step, ends
// when its pods become available, and stops when they do not.
func TestRoomRunsARollingUpdateToItsEnd(t *testing.T) {
	for n := 1; n <= 12; n++ {
		for surge := 0; surge <= n; surge++ {
			for unavailable := 0; unavailable <= n; unavailable++ {
				if surge == 0 && unavailable == 0 {
					continue // not admitted; limits makes it 0 and 1
				}
				steps := simulate(t, n, surge, unavailable, true)
				if wait := int(math.Ceil(float64(n) / float64(surge+unavailable))); steps > 2*n+2 || steps < min(wait, 1) {
					t.Errorf("%d pods, surge %d, unavailable %d: %d steps", n, surge, unavailable, steps)
				}
				simulate(t, n, surge, unavailable, false)
			}
		}
	}
}

// simulate replaces n old pods; healthy says whether new ones become
// available. It returns how many waves of new pods it took.
func simulate(t *testing.T, n, surge, unavailable int, healthy bool) int {
	t.Helper()
	old := &ReplicaSet{Replicas: n, Status: Counters{Replicas: n, Ready: n, Available: n}}
	fresh := &ReplicaSet{}
	sets := []*ReplicaSet{old, fresh}
	for step := 1; ; step++ {
		if step > 10*n+10 {
			t.Fatalf("%d pods, surge %d, unavailable %d: does not end", n, surge, unavailable)
		}
		r := roomOf(n, surge, unavailable, fresh, sets)
		fresh.Replicas += r.create
		r = roomOf(n, surge, unavailable, fresh, sets)
		old.Replicas -= r.remove
		old.Status.Available = old.Replicas
		if total := old.Replicas + fresh.Replicas; total > n+surge {
			t.Fatalf("%d pods, surge %d: %d at step %d", n, surge, total, step)
		}
		if up := old.Status.Available + fresh.Status.Available; up < n-unavailable {
			t.Fatalf("%d pods, unavailable %d: only %d available at step %d", n, unavailable, up, step)
		}
		if healthy {
			fresh.Status.Available = fresh.Replicas
			if old.Replicas == 0 && fresh.Status.Available == n {
				return step
			}
		} else if again := roomOf(n, surge, unavailable, fresh, sets); again.create == 0 && again.remove == 0 {
			if fresh.Replicas == 0 {
				t.Fatalf("%d pods, surge %d, unavailable %d: stopped without trying a new pod", n, surge, unavailable)
			}
			return step
		}
	}
}
