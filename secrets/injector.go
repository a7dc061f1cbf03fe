package secrets

import (
	"slices"
	"strings"

	"midwatch/foreign"
)

// csiDriver is the name of the secrets store CSI driver
// (kubernetes-sigs/secrets-store-csi-driver).
const csiDriver = "secrets-store.csi.k8s.io"

// The agent injector's annotations (hashicorp/vault-k8s agent-inject/agent).
const (
	injectOn     = "vault.hashicorp.com/agent-inject"
	injectSecret = "vault.hashicorp.com/agent-inject-secret-"
	injectRole   = "vault.hashicorp.com/role"
	injectOnce   = "vault.hashicorp.com/agent-pre-populate-only"
)

// Injector is what a pod's annotations ask of Vault's agent injector.
type Injector struct {
	Role foreign.Text
	// Once is true when the agent runs as an init container only: nobody
	// renews what it fetched.
	Once bool
}

// InjectorOf reads the annotations of a pod template; ok is false when they do
// not ask for the agent.
func InjectorOf(annotations map[string]string) (in Injector, ok bool) {
	if annotations[injectOn] != "true" {
		return Injector{}, false
	}
	return Injector{Role: foreign.Clean(annotations[injectRole]), Once: annotations[injectOnce] == "true"}, true
}

// injected are the files the agent is asked to write: one for each annotation
// agent-inject-secret-NAME, whose value is the path in Vault.
func injected(annotations map[string]string) []Use {
	if _, ok := InjectorOf(annotations); !ok {
		return nil
	}
	var uses []Use
	for name, path := range annotations {
		if file, ok := strings.CutPrefix(name, injectSecret); ok {
			uses = append(uses, Use{How: HowInjected, As: foreign.Clean("/vault/secrets/" + file), Path: foreign.Clean(path)})
		}
	}
	slices.SortFunc(uses, func(a, b Use) int { return strings.Compare(string(a.As), string(b.As)) })
	return uses
}
