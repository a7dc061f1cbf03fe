package launchdarkly

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"

	"midwatch/flags"
	"midwatch/flags/toggle"
)

// How long the later proofs may take.
const (
	sdkWithin     = 15 * time.Second
	trafficWithin = 150 * time.Second // SDKs report every few seconds, counts come by the minute
	trafficEvery  = 15 * time.Second  // the limit on requests is the whole account's
)

// readBack compares the flag with what was planned.
func (x *change) readBack(ctx context.Context) (toggle.Outcome, string, error) {
	_, c, err := x.p.read(ctx, x.edit.Environment, x.edit.Key)
	if err != nil {
		return toggle.Other, "", err
	}
	switch {
	case x.wanted(c):
		x.after = c.version()
		return toggle.AsWanted, c.serves(x.names).String(), nil
	case c.version() == x.was.version():
		return toggle.AsBefore, "it is as before", nil
	}
	return toggle.Other, fmt.Sprintf("it serves %s; %s", c.serves(x.names), x.whoChanged(ctx)), nil
}

func (x *change) wanted(c *config) bool {
	if x.edit.Kind == flags.SetRollout {
		return x.rolloutWanted(c)
	}
	return c.On == (x.edit.Kind == flags.TurnOn)
}

// awaitSDK waits for the change on the stream: a higher version than before,
// and on or off as planned. The versions of the stream and of the REST API are
// not compared with each other.
func (x *change) awaitSDK(ctx context.Context, s *stream) (string, error) {
	tracker := s.client.GetFlagTracker()
	changes := tracker.AddFlagChangeListener()
	defer tracker.RemoveFlagChangeListener(changes)
	for {
		if f := s.flag(x.edit.Key); f != nil && f.Version > x.sdkVersion && x.seen(f) {
			return fmt.Sprintf("version %d → %d on the stream", x.sdkVersion, f.Version), nil
		}
		select {
		case <-ctx.Done():
			if why := s.stale(); why != "" {
				return "", errors.New(why.String())
			}
			return "", errors.New("the stream still has the flag as before")
		case _, ok := <-changes:
			if !ok {
				return "", errors.New("the SDK was closed")
			}
		}
	}
}

func (x *change) seen(f *ldmodel.FeatureFlag) bool {
	if x.edit.Kind == flags.SetRollout {
		return x.rolloutSeen(f)
	}
	return f.On == (x.edit.Kind == flags.TurnOn)
}

// awaitTraffic waits for a minute in which only the off variation was served.
func (x *change) awaitTraffic(ctx context.Context) (string, error) {
	off := x.was.off(x.names)
	began := x.p.opts.Clock.Now()
	for {
		now := x.p.opts.Clock.Now()
		// The minute in which it changed has both.
		from := began.Truncate(time.Minute).Add(time.Minute)
		if now.After(from) {
			s, err := x.p.counts(ctx, x.edit.Environment, x.edit.Key, x.names, from, now)
			if err == nil && s.Of(off) > 0 && s.Of(off) == s.Total() {
				return fmt.Sprintf("%s %d, nothing else since %s", off, s.Of(off), from.UTC().Format("15:04 MST")), nil
			}
		}
		wait, stop := x.p.opts.Clock.After(trafficEvery)
		select {
		case <-ctx.Done():
			stop()
			return "", errors.New("not every application has reported it yet")
		case <-wait:
			stop()
		}
	}
}

// undo drafts the way back, bound to the version that the change made.
func (x *change) undo(ctx context.Context) (*toggle.Draft, error) {
	f, c, err := x.p.read(ctx, x.edit.Environment, x.edit.Key)
	if err != nil {
		return nil, err
	}
	if x.after == "" && x.wanted(c) { // nobody verified
		x.after = strconv.Itoa(x.was.Version + 1)
	}
	if c.version() != x.after {
		return nil, fmt.Errorf("%w since your change, so it is not undone blindly: it served %s, you made it %s, it serves %s now (%s)",
			flags.ErrConflict, x.was.serves(x.names), x.edit.Verb(), c.serves(x.names), x.whoChanged(ctx))
	}
	env, err := x.p.environment(ctx, x.edit.Environment)
	if err != nil {
		return nil, err
	}
	back := &change{p: x.p, edit: x.edit, flag: f, was: c, names: f.variations(), undoes: true}
	switch x.edit.Kind {
	case flags.TurnOn:
		back.edit.Kind = flags.TurnOff
	case flags.TurnOff:
		back.edit.Kind = flags.TurnOn
	default:
		back.to = x.spot
	}
	return back.draft(ctx, env, nil)
}
