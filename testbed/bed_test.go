package testbed_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"midwatch/testbed"
	"midwatch/testbed/world"
)

var bed *testbed.Bed

// TestMain starts one bed with the sample world for all tests.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	begun := time.Now()
	var err error
	bed, err = testbed.Start(ctx, testbed.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer bed.Close()
	fmt.Fprintf(os.Stderr, "bed up in %s\n", time.Since(begun).Round(100*time.Millisecond))
	if err := bed.Apply(ctx, world.All()...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func TestSampleServiceBecomesReady(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := bed.WaitRollout(ctx, "shop", "fastapi-service"); err != nil {
		t.Fatal(err)
	}
}
