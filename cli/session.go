package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"

	"midwatch/action"
	"midwatch/cli/session"
	"midwatch/config"
	"midwatch/demo"
	"midwatch/k8s/connect"
	"midwatch/ui/app"
)

// world is where one invocation's clusters come from and where its writes are
// recorded.
type world struct {
	session.Opener
	done []func() // in the order things were made
}

// open makes the world: kubeconfig files, or the embedded shop.
func (a *invocation) open(settings config.Config, stdio *connect.Stdio) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	source, shop, done, err := a.world()
	if err != nil {
		return w, err
	}
	w.done = append(w.done, done)
	file, cleanUp, err := a.journalFile(settings)
	if err != nil {
		return w, err
	}
	w.done = append(w.done, cleanUp)
	rules, err := session.ProfileRules(settings.Profiles, a.env)
	if err != nil {
		return w, err
	}
	w.Opener = session.Opener{
		Source: source, Clock: a.clock, Journal: action.NewJournal(file, a.clock), Stdio: stdio,
		Protected: settings.Protected, Namespaces: settings.Namespaces, ProfileRules: rules, Unlocked: a.write,
		Every: session.FrameEvery, UserAgent: "midwatch/" + version,
		Flags: a.flagSettings(settings),
	}
	if settings.SlowLink {
		w.Every = session.SlowFrameEvery
	}
	w.Vault = a.vaultSource(settings, shop)
	return w, nil
}

func (w *world) close() {
	for i := len(w.done) - 1; i >= 0; i-- {
		w.done[i]()
	}
}

// first opens the session the flags ask for.
func (a *invocation) first(ctx context.Context, w *world) (*app.Session, error) {
	var where app.Where
	if ns := a.flags.Namespace; ns != nil && *ns != "" && !a.all {
		where.Namespaces = []string{*ns}
	}
	// --context is among the flags that connect reads by itself; the embedded
	// world has contexts of its own.
	if c := a.flags.Context; c != nil {
		where.Context = *c
	}
	return w.Open(ctx, where, a.all || a.demo && len(where.Namespaces) == 0)
}

// source is where clusters come from; done releases the embedded world.
func (a *invocation) source() (source *connect.Config, done func(), err error) {
	source, _, done, err = a.world()
	return source, done, err
}

// world is the kubeconfig, or the embedded world.
func (a *invocation) world() (source *connect.Config, shop *demo.World, done func(), err error) {
	if !a.demo {
		return connect.FromFlags(a.flags), nil, func() {}, nil
	}
	if shop, err = a.openDemo(); err != nil {
		return nil, nil, nil, err
	}
	return connect.FromRaw(shop.RawConfig(), func(c *rest.Config) { shop.WrapConfig(c) }), shop, shop.Close, nil
}

func (a *invocation) openDemo() (*demo.World, error) {
	if a.shop != nil {
		return a.shop, nil // one command opens two sessions on it
	}
	shop, err := demo.Open(demo.Options{Seed: a.demoSeed, Now: a.clock.Now, Live: true})
	if err != nil {
		return nil, fmt.Errorf("open the embedded world: %w", err)
	}
	a.shop = shop
	return shop, nil
}

// journalFile is where writes are recorded; the embedded world's go to a
// temporary folder.
func (a *invocation) journalFile(settings config.Config) (path string, done func(), err error) {
	if !a.demo || a.journal != "" {
		return settings.Journal, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "midwatch-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the demo's journal: %w", err)
	}
	return filepath.Join(dir, "journal.jsonl"), func() { _ = os.RemoveAll(dir) }, nil
}

// withSession opens the session the flags ask for, for as long as f takes.
func (a *invocation) withSession(ctx context.Context, f func(s *app.Session) error) error {
	settings, err := a.settings()
	if err != nil {
		return err
	}
	w, err := a.open(settings, nil)
	if err != nil {
		return err
	}
	defer w.close()
	s, err := a.first(ctx, w)
	if err != nil {
		return err
	}
	defer s.Close()
	return f(s)
}
