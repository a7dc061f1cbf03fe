package connect_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"midwatch/k8s/connect"
)

// kubeconfig writes a file with a context for each name; the server of
// context "eu" is https://eu.invalid:6443.
func kubeconfig(t *testing.T, current string, contexts ...string) string {
	t.Helper()
	raw := clientcmdapi.NewConfig()
	for _, name := range contexts {
		raw.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + name + ".invalid:6443"}
		raw.AuthInfos[name+"-user"] = &clientcmdapi.AuthInfo{Token: "t"}
		raw.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name + "-user", Namespace: name + "-ns"}
	}
	raw.CurrentContext = current
	file := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*raw, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// flags are kubectl's, on an environment of their own.
func flags(t *testing.T, file string, change ...func(*genericclioptions.ConfigFlags)) *genericclioptions.ConfigFlags {
	t.Helper()
	t.Setenv("KUBECONFIG", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	f := genericclioptions.NewConfigFlags(true)
	if file != "" {
		f.KubeConfig = &file
	}
	for _, c := range change {
		c(f)
	}
	return f
}

func withContext(name string) func(*genericclioptions.ConfigFlags) {
	return func(f *genericclioptions.ConfigFlags) { f.Context = &name }
}

func TestContextsAreListedByNameFromAllFiles(t *testing.T) {
	f := flags(t, "", withContext("us"))
	t.Setenv("KUBECONFIG", kubeconfig(t, "eu", "eu")+string(filepath.ListSeparator)+kubeconfig(t, "", "us", "ap"))
	got, err := connect.FromFlags(f).Contexts()
	if err != nil {
		t.Fatal(err)
	}
	want := []connect.ContextInfo{
		{Name: "ap", Cluster: "ap", Server: "https://ap.invalid:6443", User: "ap-user", Namespace: "ap-ns"},
		{Name: "eu", Cluster: "eu", Server: "https://eu.invalid:6443", User: "eu-user", Namespace: "eu-ns"},
		{Name: "us", Cluster: "us", Server: "https://us.invalid:6443", User: "us-user", Namespace: "us-ns", Current: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBadConfigurationSaysWhatToDo(t *testing.T) {
	good := kubeconfig(t, "", "prod-eu", "prod-us", "staging")
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("apiVersion: v1\nclusters: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	orphan := filepath.Join(t.TempDir(), "orphan")
	if err := os.WriteFile(orphan, []byte("apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: gone, user: x}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		file    string
		context string
		kind    connect.Kind
		says    []string
	}{
		{"no kubeconfig", "", "", connect.KindKubeconfig, []string{"no kubeconfig", ".kube/config", "midwatch demo"}},
		{"the file named is missing", "/nowhere/config", "", connect.KindKubeconfig, []string{"cannot use the kubeconfig", "/nowhere/config", "no such file"}},
		{"the file is no YAML", broken, "", connect.KindKubeconfig, []string{"cannot use the kubeconfig", broken}},
		{"no current context", good, "", connect.KindContext, []string{"no current context", "--context", "prod-eu, prod-us, staging"}},
		{"a slip in the name", good, "prod-ue", connect.KindContext, []string{`no context "prod-ue"`, good, "Did you mean prod-"}},
		{"a part of the name", good, "stag", connect.KindContext, []string{"Did you mean staging?"}},
		{"another name", good, "minikube", connect.KindContext, []string{"There are: prod-eu, prod-us, staging."}},
		{"a context without its cluster", orphan, "", connect.KindKubeconfig, []string{`context "a"`, "gone"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var change []func(*genericclioptions.ConfigFlags)
			if tc.context != "" {
				change = append(change, withContext(tc.context))
			}
			_, err := connect.FromFlags(flags(t, tc.file, change...)).Open(within(t), connect.Options{})
			says(t, connect.Explain(err), tc.kind, tc.says...)
		})
	}
}

// says checks a problem's kind and words, and that its first line is one.
func says(t *testing.T, p connect.Problem, kind connect.Kind, words ...string) {
	t.Helper()
	if p.Kind != kind {
		t.Errorf("kind %q, want %q: %+v", p.Kind, kind, p)
	}
	if p.What == "" || strings.Contains(p.Line(), "\n") || strings.Contains(p.Line(), "<") {
		t.Errorf("not one clean line: %q", p.Line())
	}
	all := p.Line() + "\n" + p.Next
	for _, w := range words {
		if !strings.Contains(all, w) {
			t.Errorf("%q is missing in:\n%s", w, all)
		}
	}
}

func TestFlagsSayWhereAndAsWhomForTheirOwnContextOnly(t *testing.T) {
	file := kubeconfig(t, "eu", "eu", "us")
	server, namespace, as := "https://tunnel.invalid:1", "pay", "jane"
	config := connect.FromFlags(flags(t, file, func(f *genericclioptions.ConfigFlags) {
		f.APIServer, f.Namespace, f.Impersonate = &server, &namespace, &as
	}))
	for context, want := range map[string]string{"": server, "eu": "https://eu.invalid:6443", "us": "https://us.invalid:6443"} {
		_, err := config.Open(within(t), connect.Options{Context: context})
		var open *connect.OpenError
		if !errors.As(err, &open) || open.Server != want {
			t.Errorf("context %q: %v, want server %s", context, err, want)
		}
	}
}
