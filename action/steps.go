package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"runtime"
	"strings"
	"time"

	"midwatch/foreign"
	"midwatch/live"
)

// within is [context.WithTimeout] on an injected clock; the cause of its end
// is then [context.DeadlineExceeded].
func within(ctx context.Context, clock live.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	up, stop := clock.After(d)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer stop()
		select {
		case <-up:
			cancel(context.DeadlineExceeded)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-ended
	}
}

// explainTimeout puts the real reason into an error that only says that the
// context was cancelled.
func explainTimeout(ctx context.Context, d time.Duration, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v: %w: %w", d, context.DeadlineExceeded, err)
	}
	return err
}

// guarded turns a crash into an error that names its place.
func guarded(do func() error) (err error) {
	defer func() {
		if crash := recover(); crash != nil {
			err = fmt.Errorf("%w: %s (%s)", ErrPanic, foreign.CleanN(fmt.Sprint(crash), 200), crashSite())
		}
	}()
	return do()
}

// crashSite is "change.(*plan).apply, plan.go:42": the first frame below the
// runtime's panic. It is called by the deferred function that recovers.
func crashSite() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		ofRuntime := strings.HasPrefix(f.Function, "runtime.")
		if panicking && !ofRuntime {
			return fmt.Sprintf("%s, %s:%d", path.Base(f.Function), path.Base(f.File), f.Line)
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return "place unknown"
		}
	}
}

// unsureIfNoAnswer marks failures after which the write may have happened: the
// time ran out, or the connection broke. A connection that was never made, and
// an answer of the server, are certain.
func unsureIfNoAnswer(err error) error {
	if errors.Is(err, ErrUnsure) {
		return err
	}
	var refused *RefusedError
	var op *net.OpError
	switch {
	case errors.As(err, &refused):
		return err
	case errors.As(err, &op) && op.Op == "dial":
		return err
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrPanic) || errors.As(err, &op) || (errors.As(err, &timeout) && timeout.Timeout()) {
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	return err
}
