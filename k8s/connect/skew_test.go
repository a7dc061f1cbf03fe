package connect_test

import (
	"testing"
	"time"

	"midwatch/demo/apiserver"
	"midwatch/k8s/connect"
)

func TestSkewIsReadFromTheDateOfAnswers(t *testing.T) {
	for ahead, want := range map[time.Duration]time.Duration{0: 0, 5 * time.Second: 0, 3 * time.Minute: 3 * time.Minute, -10 * time.Minute: -10 * time.Minute} {
		s := apiserver.New(apiserver.Options{Seed: 7, Now: func() time.Time { return time.Now().Add(ahead) }})
		c := open(t, memory(s.RESTConfig()), connect.Options{})
		if got := c.Skew(); (got - want).Abs() > 10*time.Second {
			t.Errorf("a clock %s ahead: skew %s", ahead, got)
		}
		c.Close()
		s.Close()
	}
}
