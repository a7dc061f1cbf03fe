package change_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"midwatch/action"
	"midwatch/demo/apiserver"
	"midwatch/k8s/change"
)

const (
	settingsBefore = "# the team's own\nlevel: info\n"
	settingsAfter  = "# the team's own\nlevel: debug\n"
)

// configMap makes shop/settings with one key.
func (f *fixture) configMap(adjust ...func(*corev1.ConfigMap)) {
	f.t.Helper()
	cm := &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "settings"},
		Data: map[string]string{"app.yaml": settingsBefore, "other": "untouched"},
	}
	for _, fn := range adjust {
		fn(cm)
	}
	f.create(cm)
}

func settingsKey() apiserver.Key {
	return apiserver.Key{Resource: schema.GroupResource{Resource: "configmaps"}, Namespace: "shop", Name: "settings"}
}

// meanwhile is somebody else's change of the ConfigMap.
func (f *fixture) meanwhile(text string) {
	f.t.Helper()
	must(f.Store().Modify(settingsKey(), apiserver.WriteOptions{Manager: "kubectl-edit"}, func(o apiserver.Object) (apiserver.Object, error) {
		o.(*corev1.ConfigMap).Data["app.yaml"] = text
		return o, nil
	}))
}

func (f *fixture) removeSettings() {
	f.t.Helper()
	if _, _, err := f.Store().Delete(settingsKey(), apiserver.DeleteOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) settings() map[string]string {
	f.t.Helper()
	cm, err := f.client.CoreV1().ConfigMaps("shop").Get(f.ctx(), "settings", metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return cm.Data
}

func debug(text string) (string, error) {
	return strings.Replace(text, "info", "debug", 1), nil
}

func debugWords() change.ConfigMapWords {
	return change.ConfigMapWords{
		Verb: "set level", Title: "Set the level of settings?", Field: "level", Before: "info", After: "debug",
		Blast: "Everyone logs more.", Warnings: []string{"it has to be restarted"},
	}
}

func (f *fixture) planDebug() (*action.Plan, error) {
	return f.planner.PlanConfigMap(f.ctx(), "shop", "settings", "app.yaml", debug, debugWords())
}

func TestAConfigMapsTextIsReplacedAndPutBack(t *testing.T) {
	f := start(t)
	f.configMap()
	p := must(f.planDebug())
	if p.Verb != "set level" || p.Danger != action.DangerName || p.Blast != "Everyone logs more." || !slices.Contains(p.Warnings, "it has to be restarted") ||
		p.Equivalent != "kubectl --context kind-shop -n shop edit configmap/settings" || p.Target.Name != "settings" || p.Target.UID == "" {
		t.Errorf("plan %+v", p)
	}
	if want := []action.Field{{Path: "level", Before: "info", After: "debug"}}; !slices.Equal(p.Changes, want) {
		t.Errorf("changes %+v", p.Changes)
	}
	out := must(f.run(p))
	if got := f.settings(); got["app.yaml"] != settingsAfter || got["other"] != "untouched" {
		t.Errorf("the ConfigMap is %q", got)
	}
	const path = "PATCH /api/v1/namespaces/shop/configmaps/settings"
	writes := f.wire.writes()
	if len(writes) != 2 || !strings.HasPrefix(writes[0], path+tried) || !strings.HasPrefix(writes[1], path+sent) {
		t.Errorf("sent %q, want a dry run and the change", writes)
	}
	for _, guard := range []string{`{"op":"test","path":"/metadata/uid","value":"` + p.Target.UID + `"}`, `{"op":"test","path":"/data/app.yaml","value":"# the team's own\nlevel: info\n"}`} {
		if !strings.Contains(writes[1], guard) {
			t.Errorf("no %s in %s", guard, writes[1])
		}
	}
	if text, _, err := f.gate.Verify(f.ctx(), out); err != nil || !strings.HasPrefix(text, "written; the kubelets bring it to the pods") {
		t.Errorf("verified %q, %v", text, err)
	}

	undo := must(f.gate.Undo(f.ctx()))
	if undo.Title != "Undo: Set the level of settings?" || undo.Undoable() || undo.Changes[0].Before != "debug" || undo.Changes[0].After != "info" {
		t.Errorf("undo %+v", undo)
	}
	out = must(f.run(undo))
	if _, _, err := f.gate.Verify(f.ctx(), out); err != nil {
		t.Error(err)
	}
	if got := f.settings()["app.yaml"]; got != settingsBefore {
		t.Errorf("the undo left %q", got)
	}
	if got, want := f.phases(), "intent applied verified intent applied verified"; got != want {
		t.Errorf("journal %q, want %q", got, want)
	}
}

// TestAConfigMapChangedMeanwhileIsLeftAlone: between the plan and its
// confirmation, between the check and the request, and before the undo.
func TestAConfigMapChangedMeanwhileIsLeftAlone(t *testing.T) {
	const theirs = "level: warn\n"
	t.Run("before it is confirmed", func(t *testing.T) {
		f := start(t)
		f.configMap()
		p := must(f.planDebug())
		f.meanwhile(theirs)
		if _, err := f.run(p); !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), "somebody changed the key app.yaml") {
			t.Errorf("got %v", err)
		}
		if got := f.settings()["app.yaml"]; got != theirs || len(f.wire.writes()) != 0 {
			t.Errorf("the text is %q, sent %q", got, f.wire.writes())
		}
	})
	t.Run("just before the request", func(t *testing.T) {
		f := start(t)
		f.configMap()
		p := must(f.planDebug())
		remove := f.Fail(func(r *apiserver.Request) *apiserver.Fault {
			if r.Verb == "patch" && r.HTTP.URL.Query().Get("dryRun") == "" {
				f.meanwhile(theirs)
			}
			return nil
		})
		defer remove()
		if _, err := f.run(p); !errors.Is(err, action.ErrChanged) {
			t.Errorf("got %v", err)
		}
		if got := f.settings()["app.yaml"]; got != theirs {
			t.Errorf("the text is %q", got)
		}
	})
	t.Run("before the undo", func(t *testing.T) {
		f := start(t)
		f.configMap()
		f.mustRun(f.planDebug())
		f.meanwhile(theirs)
		if _, err := f.gate.Undo(f.ctx()); !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), "app.yaml") {
			t.Errorf("got %v", err)
		}
		if got := f.settings()["app.yaml"]; got != theirs {
			t.Errorf("the text is %q", got)
		}
	})
	t.Run("made again", func(t *testing.T) {
		f := start(t)
		f.configMap()
		p := must(f.planDebug())
		f.removeSettings()
		if _, err := f.run(p); !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), "it was deleted") {
			t.Errorf("deleted: %v", err)
		}
		f.configMap()
		if _, err := f.run(p); !errors.Is(err, action.ErrChanged) || !strings.Contains(err.Error(), "made again") {
			t.Errorf("made again: %v", err)
		}
	})
}

func TestWhatCannotBeEditedInAConfigMap(t *testing.T) {
	f := start(t)
	if _, err := f.planDebug(); err == nil || !strings.Contains(err.Error(), `"settings" not found`) {
		t.Errorf("not there: %v", err)
	}
	f.configMap(func(cm *corev1.ConfigMap) { cm.Immutable = ptr.To(true) })
	if _, err := f.planDebug(); err == nil || !strings.Contains(err.Error(), "is immutable") {
		t.Errorf("immutable: %v", err)
	}
	plan := func(key string, edit func(string) (string, error)) error {
		_, err := f.planner.PlanConfigMap(f.ctx(), "shop", "settings", key, edit, debugWords())
		return err
	}
	f.removeSettings()
	f.configMap()
	if err := plan("nonesuch", debug); err == nil || !strings.Contains(err.Error(), "has no key nonesuch") {
		t.Errorf("no key: %v", err)
	}
	if err := plan("app.yaml", func(s string) (string, error) { return s, nil }); err == nil || !strings.Contains(err.Error(), "says so already") {
		t.Errorf("the same: %v", err)
	}
	if err := plan("app.yaml", func(string) (string, error) { return "", errors.New("line 3: not YAML") }); err == nil || !strings.Contains(err.Error(), "line 3: not YAML") {
		t.Errorf("edit: %v", err)
	}
	if len(f.wire.writes()) != 0 {
		t.Errorf("sent %q", f.wire.writes())
	}
}

func TestALockedConfigMapIsNotSent(t *testing.T) {
	f := start(t)
	f.configMap()
	p := must(f.planDebug())
	f.lock.Lock()
	if _, err := f.run(p); !errors.Is(err, action.ErrLocked) || len(f.wire.writes()) != 0 || f.settings()["app.yaml"] != settingsBefore {
		t.Errorf("%v, sent %q", err, f.wire.writes())
	}
}

// TestAConfigMapThatIsPutBackSaysSo: what is put back by Helm or a GitOps
// controller is said before it is written.
func TestAConfigMapThatIsPutBackSaysSo(t *testing.T) {
	f := start(t)
	f.configMap(func(cm *corev1.ConfigMap) {
		cm.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/settings"}
	})
	if p := must(f.planDebug()); len(p.Warnings) < 2 || !strings.Contains(strings.Join(p.Warnings, "\n"), "Argo CD") {
		t.Errorf("warnings %q", p.Warnings)
	}
}
