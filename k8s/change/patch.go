package change

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"midwatch/action"
	"midwatch/foreign"
)

// op is one operation of a JSON patch (RFC 6902).
type op struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// pointer makes a JSON pointer (RFC 6901) of keys: "~" and "/" in a key are
// written as "~0" and "~1".
func pointer(keys ...string) string {
	var b strings.Builder
	for _, k := range keys {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(k))
	}
	return b.String()
}

// specPatch is one change of a workload's spec on its way: the patch that is
// guarded by the object it was made for, and what came of it.
type specPatch struct {
	planner *Planner
	subject *subject
	body    []byte
	// generation is the object's after the patch, for the verification.
	generation int64
}

func (p *Planner) specPatch(s *subject, ops ...op) (*specPatch, error) {
	guarded := append([]op{
		{Op: "test", Path: "/metadata/uid", Value: string(s.obj.GetUID())},
		{Op: "test", Path: "/metadata/generation", Value: s.obj.GetGeneration()},
	}, ops...)
	body, err := json.Marshal(guarded)
	if err != nil {
		return nil, fmt.Errorf("patch for %s: %w", s.ref, err)
	}
	return &specPatch{planner: p, subject: s, body: body}, nil
}

// steps are the patch's, to be completed with how it is verified and undone.
func (sp *specPatch) steps() action.Steps {
	return action.Steps{
		Check:  func(ctx context.Context) error { return sp.planner.check(ctx, sp.subject) },
		DryRun: sp.dryRun,
		Apply:  sp.apply,
	}
}

func (sp *specPatch) dryRun(ctx context.Context) error {
	got, err := sp.send(ctx, metav1.DryRunAll)
	switch {
	case dryRunUnsupported(err):
		return nil
	case err != nil:
		return rejected(err)
	case got.GetGeneration() == sp.subject.obj.GetGeneration():
		return fmt.Errorf("%w: it would accept the change and keep the object as it is; an admission webhook may be putting it back", action.ErrRejected)
	}
	return nil
}

func (sp *specPatch) apply(ctx context.Context) error {
	got, err := sp.send(ctx)
	if err != nil {
		return unsure(err)
	}
	sp.generation = got.GetGeneration()
	return nil
}

func (sp *specPatch) send(ctx context.Context, dryRun ...string) (*unstructured.Unstructured, error) {
	s := sp.subject
	opts := metav1.PatchOptions{FieldManager: FieldManager, FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun}
	got, err := sp.planner.objects(s.kind, s.ref.Namespace).Patch(ctx, s.ref.Name, types.JSONPatchType, sp.body, opts)
	if err != nil {
		return nil, sp.planner.changedOr(ctx, s, err)
	}
	return got, nil
}

// changedOr finds out whether a refused write was refused because the object
// is another one by now. The server does not say.
func (p *Planner) changedOr(ctx context.Context, s *subject, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: it was deleted", action.ErrChanged)
	case apierrors.IsConflict(err), statusCode(err) == http.StatusUnprocessableEntity:
		now, again := p.objects(s.kind, s.ref.Namespace).Get(ctx, s.ref.Name, metav1.GetOptions{})
		if again != nil {
			return readable(err)
		}
		if changed := s.compare(now); changed != nil {
			return changed
		}
	}
	return readable(err)
}

// rejected marks what the server answered to a dry run.
func rejected(err error) error {
	if errors.Is(err, action.ErrChanged) || statusCode(err) == 0 {
		return err
	}
	return fmt.Errorf("%w: %w", action.ErrRejected, err)
}

// unsure marks answers that leave open whether the write was made: the server
// or something before it failed on the way (5xx).
func unsure(err error) error {
	if statusCode(err) >= http.StatusInternalServerError {
		return fmt.Errorf("%w: %w", action.ErrUnsure, err)
	}
	return err
}

// dryRunUnsupported is the answer when a webhook with side effects stands in
// the way of every dry run (k8s.io/apiserver
// pkg/admission/plugin/webhook/errors NewDryRunUnsupportedErr). It says
// nothing about the write, so the write goes on without a rehearsal.
func dryRunUnsupported(err error) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run")
}

func statusCode(err error) int {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return int(status.Status().Code)
	}
	return 0
}

// serverError is an answer of the server with its text made fit to be shown
// and journalled.
type serverError struct {
	text foreign.Text
	err  error
}

func (e *serverError) Error() string { return e.text.String() }
func (e *serverError) Unwrap() error { return e.err }

// readable cleans the text of an error that came from the server. Values that
// validation quotes are left out when they are long: they can be whole pod
// templates, with everything in their environment.
func readable(err error) error {
	var status apierrors.APIStatus
	if err == nil || !errors.As(err, &status) {
		return err
	}
	return &serverError{text: foreign.CleanN(statusText(status.Status()), 1024), err: err}
}

func statusText(st metav1.Status) string {
	d := st.Details
	switch {
	case d == nil || len(d.Causes) == 0:
	case d.Causes[0].Type == metav1.CauseTypeUnexpectedServerResponse && strings.Contains(d.Causes[0].Message, "<"):
		return fmt.Sprintf("the server, or a proxy before it, answered %d (%s)", st.Code, http.StatusText(int(st.Code)))
	case st.Reason == metav1.StatusReasonInvalid && d.Causes[0].Field != "":
		parts := make([]string, 0, len(d.Causes))
		for _, c := range d.Causes {
			parts = append(parts, c.Field+": "+withoutValue(c.Message))
		}
		return fmt.Sprintf("%s %q is invalid: %s", d.Kind, d.Name, strings.Join(parts, "; "))
	}
	return st.Message
}

// withoutValue cuts the value out of "Invalid value: <value>: why" when it is
// longer than a name or a number would be.
func withoutValue(message string) string {
	const mark, longest = "Invalid value: ", 64
	rest, ok := strings.CutPrefix(message, mark)
	i := strings.LastIndex(rest, ": ")
	switch {
	case !ok, i >= 0 && i <= longest, len(rest) <= longest:
		return message
	case i < 0:
		return mark + "(not shown)"
	}
	return mark + "(not shown): " + rest[i+2:]
}
