// Command midwatch-testbed runs the test bed by hand:
//
//	go run ./cmd/midwatch-testbed up      the sample world, until ctrl-c
//	go run ./cmd/midwatch-testbed scale   thousands of pods, until ctrl-c
//	go run ./cmd/midwatch-testbed down    ends one started with --detach
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"midwatch/testbed"
	"midwatch/testbed/world"
)

const usage = `usage: midwatch-testbed COMMAND [flags]

  up      start a cluster with the sample world
  scale   start a cluster with thousands of pods
  down    stop the cluster that "up --detach" or "scale --detach" started

up and scale stay until ctrl-c unless --detach is given. "COMMAND -h" lists flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "midwatch-testbed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("no command given\n\n" + usage) //nolint:staticcheck // what is printed as a page
	}
	switch args[0] {
	case "up":
		return up(ctx, args[1:], out)
	case "scale":
		return scale(ctx, args[1:], out)
	case "down":
		return down(args[1:], out)
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
		return nil
	default:
		return fmt.Errorf("no command %q\n\n%s", args[0], usage)
	}
}

// common are the flags of up and scale.
type common struct {
	dir    string
	detach bool
}

func (c *common) register(flags *flag.FlagSet) {
	flags.StringVar(&c.dir, "dir", defaultDir(), "folder for logs, kubeconfigs and data; emptied first")
	flags.BoolVar(&c.detach, "detach", false, "run in the background, until \"down\"")
}

// defaultDir is the same on every run, so that the kubeconfigs' paths are too.
func defaultDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("midwatch-testbed-%d", os.Getuid()))
}

func up(ctx context.Context, args []string, out io.Writer) error {
	var c common
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	c.register(flags)
	nodes := flags.Int("nodes", 3, "number of nodes")
	empty := flags.Bool("empty", false, "leave out the sample world")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return c.hold(ctx, out, func() (*testbed.Bed, error) {
		bed, err := testbed.Start(ctx, testbed.Options{Dir: c.dir, Nodes: *nodes})
		if err != nil || *empty {
			return bed, err
		}
		if err := populate(ctx, bed, out); err != nil {
			return nil, errors.Join(err, bed.Close())
		}
		return bed, nil
	})
}

// populate applies the sample world and waits until its healthy part is.
func populate(ctx context.Context, bed *testbed.Bed, out io.Writer) error {
	if err := bed.Apply(ctx, world.All()...); err != nil {
		return err
	}
	if err := bed.Metrics.Set("shop", "app=fastapi-service", "120m", "150Mi"); err != nil {
		return err
	}
	if err := bed.Metrics.SetCustom("shop", "app=fastapi-service", "http_requests_per_second", "42"); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := bed.WaitRollout(wait, "shop", "fastapi-service"); err != nil {
		return err
	}
	fmt.Fprintln(out, "namespaces shop and platform are well; in payments every Deployment has a trouble of its own")
	return nil
}

func scale(ctx context.Context, args []string, out io.Writer) error {
	var c common
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	c.register(flags)
	size := testbed.DefaultScale
	flags.IntVar(&size.Namespaces, "namespaces", size.Namespaces, "number of namespaces")
	flags.IntVar(&size.Deployments, "deployments", size.Deployments, "number of Deployments in all")
	flags.IntVar(&size.Replicas, "replicas", size.Replicas, "pods of each Deployment")
	perNamespace := flags.Int("namespace-pods", 0, "instead: one namespace with that many pods")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *perNamespace > 0 {
		size = testbed.NamespaceScale(*perNamespace)
	}
	return c.hold(ctx, out, func() (*testbed.Bed, error) {
		bed, err := testbed.Start(ctx, size.Options(testbed.Options{Dir: c.dir}))
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		if err := bed.Scale(ctx, size); err != nil {
			return nil, errors.Join(err, bed.Close())
		}
		fmt.Fprintf(out, "%d pods ready after %s\n", size.Pods(), time.Since(begun).Round(time.Second))
		return bed, nil
	})
}

// hold starts a bed, says how to reach it, and keeps it until ctx ends; or,
// detached, has a process in the background do so.
func (c *common) hold(ctx context.Context, out io.Writer, start func() (*testbed.Bed, error)) error {
	if c.detach {
		return detach(ctx, c.dir, out)
	}
	if err := clearDir(c.dir); err != nil {
		return err
	}
	if err := os.WriteFile(pidFile(c.dir), fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		return err
	}
	defer os.Remove(pidFile(c.dir))
	bed, err := start()
	if err != nil {
		return err
	}
	fmt.Fprint(out, describe(bed))
	if err := os.WriteFile(readyFile(c.dir), []byte(describe(bed)), 0o600); err != nil {
		return errors.Join(err, bed.Close())
	}
	<-ctx.Done()
	fmt.Fprintln(out, "stopping")
	return bed.Close()
}

// describe lists the kubeconfigs.
func describe(bed *testbed.Bed) string {
	var out strings.Builder
	fmt.Fprintf(&out, "cluster is up; logs in %s\n", bed.Dir())
	for _, identity := range testbed.Identities() {
		fmt.Fprintf(&out, "  %-10s export KUBECONFIG=%s\n", identity, bed.Kubeconfig(identity))
	}
	fmt.Fprintf(&out, "  %-10s export KUBECONFIG=%s\n", "(all)", bed.KubeconfigAll())
	return out.String()
}
