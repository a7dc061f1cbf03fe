package change

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/k8s"
)

// ConfigMapWords describe the change of a ConfigMap in the words of whoever
// knows what its text means.
type ConfigMapWords struct {
	// Verb and Title are the plan's; Field, Before and After its one change.
	Verb, Title          string
	Field, Before, After string
	Blast                string
	Warnings             []string
}

// PlanConfigMap plans to replace the text of one key of a ConfigMap by what
// edit makes of it. The patch tests the whole text, so that a change made
// meanwhile is never overwritten; the undo puts the text back if nobody has
// changed it since.
func (p *Planner) PlanConfigMap(ctx context.Context, namespace, name, key string, edit func(text string) (string, error), words ConfigMapWords) (*action.Plan, error) {
	ctx, cancel := reading(ctx)
	defer cancel()
	ref := k8s.Ref{Kind: "ConfigMap", Namespace: namespace, Name: name}
	cm, err := p.configMap(ctx, ref)
	if err != nil {
		return nil, err
	}
	before, ok := cm.Data[key]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s has no key %s", ref, foreign.CleanN(key, 80))
	case cm.Immutable != nil && *cm.Immutable:
		return nil, fmt.Errorf("%s is immutable: it can only be replaced", ref)
	}
	after, err := edit(before)
	if err != nil {
		return nil, err
	}
	if after == before {
		return nil, fmt.Errorf("%s says so already", ref)
	}
	ref.UID = string(cm.UID)
	c := &textChange{planner: p, ref: ref, key: key, before: before, after: after, words: words}
	return c.plan(cm)
}

// textChange is one key of one ConfigMap on its way.
type textChange struct {
	planner            *Planner
	ref                k8s.Ref
	key, before, after string
	words              ConfigMapWords
	undo               bool
}

func (c *textChange) plan(cm *corev1.ConfigMap) (*action.Plan, error) {
	do := action.Steps{Check: c.check, DryRun: c.dryRun, Apply: c.apply, Verify: c.verify}
	undo := "by hand: an undo is not undone"
	if !c.undo {
		do.Inverse = c.inverse
		undo = "Undo puts the text back as it was, unless somebody changed it since."
	}
	return action.New(action.Plan{
		Verb: c.words.Verb, Title: c.words.Title, Target: c.planner.target(c.ref),
		Changes: []action.Field{{Path: c.words.Field, Before: foreign.CleanN(c.words.Before, 200), After: foreign.CleanN(c.words.After, 200)}},
		Blast:   c.words.Blast, Warnings: append(reverters(cm, "data", c.key), c.words.Warnings...), Danger: action.DangerName, Undo: undo,
		Equivalent: c.planner.kubectl(c.ref.Namespace, "edit", "configmap/"+c.ref.Name), VerifyWithin: verifyWithin,
	}, do), nil
}

func (p *Planner) configMap(ctx context.Context, ref k8s.Ref) (*corev1.ConfigMap, error) {
	cm, err := p.cluster.Typed.CoreV1().ConfigMaps(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, readable(err))
	}
	return cm, nil
}

// check fails when the text is not the one that the plan was made for.
func (c *textChange) check(ctx context.Context) error {
	if err := c.planner.sameCluster(ctx); err != nil {
		return err
	}
	cm, err := c.planner.configMap(ctx, c.ref)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: it was deleted", action.ErrChanged)
	case err != nil:
		return err
	case string(cm.UID) != c.ref.UID:
		return fmt.Errorf("%w: it was deleted and made again", action.ErrChanged)
	case cm.Data[c.key] != c.before:
		return fmt.Errorf("%w: somebody changed the key %s", action.ErrChanged, foreign.CleanN(c.key, 80))
	}
	return nil
}

func (c *textChange) dryRun(ctx context.Context) error {
	err := c.send(ctx, metav1.DryRunAll)
	if dryRunUnsupported(err) {
		return nil
	}
	if err != nil {
		return rejected(err)
	}
	return nil
}

func (c *textChange) apply(ctx context.Context) error { return unsure(c.send(ctx)) }

func (c *textChange) send(ctx context.Context, dryRun ...string) error {
	path := pointer("data", c.key)
	body, err := json.Marshal([]op{
		{Op: "test", Path: "/metadata/uid", Value: c.ref.UID},
		{Op: "test", Path: path, Value: c.before},
		{Op: "replace", Path: path, Value: c.after},
	})
	if err != nil {
		return fmt.Errorf("patch for %s: %w", c.ref, err)
	}
	opts := metav1.PatchOptions{FieldManager: FieldManager, FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun}
	_, err = c.planner.cluster.Typed.CoreV1().ConfigMaps(c.ref.Namespace).Patch(ctx, c.ref.Name, types.JSONPatchType, body, opts)
	if err == nil {
		return nil
	}
	if apierrors.IsInvalid(err) || apierrors.IsConflict(err) {
		if changed := c.check(ctx); changed != nil {
			return changed
		}
	}
	return readable(err)
}

// verify reads the text back. When the pods see it is for them to say.
func (c *textChange) verify(ctx context.Context) (string, error) {
	cm, err := c.planner.configMap(ctx, c.ref)
	if err != nil {
		return "", err
	}
	if cm.Data[c.key] != c.after {
		return "", fmt.Errorf("%s reads differently: somebody put it back", c.ref)
	}
	return "written; the kubelets bring it to the pods within about a minute, environment variables only with a restart", nil
}

func (c *textChange) inverse(ctx context.Context) (*action.Plan, error) {
	cm, err := c.planner.configMap(ctx, c.ref)
	if err != nil {
		return nil, err
	}
	if string(cm.UID) != c.ref.UID || cm.Data[c.key] != c.after {
		return nil, fmt.Errorf("%w: somebody changed the key %s since", action.ErrChanged, foreign.CleanN(c.key, 80))
	}
	back := &textChange{planner: c.planner, ref: c.ref, key: c.key, before: c.after, after: c.before, words: c.words, undo: true}
	back.words.Verb, back.words.Title = "undo "+c.words.Verb, "Undo: "+c.words.Title
	back.words.Before, back.words.After = c.words.After, c.words.Before
	back.words.Blast, back.words.Warnings = "The text becomes what it was.", nil
	return back.plan(cm)
}
