package secrets

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// Auth is a VaultAuth of secrets.hashicorp.com: as whom the operator logs in.
type Auth struct {
	Namespace, Name string
	Role            string
	// Account is the service account, in the namespace of the object that
	// logs in; "" for another method than Kubernetes'.
	Account string
}

// FromVaultAuth reads a VaultAuth.
func FromVaultAuth(o *unstructured.Unstructured) Auth {
	return Auth{
		Namespace: o.GetNamespace(), Name: o.GetName(),
		Role: str(o, "spec", "kubernetes", "role"), Account: str(o, "spec", "kubernetes", "serviceAccount"),
	}
}

// AuthOf is the VaultAuth that an object logs in by; nil when it is not among
// them. A reference may be "namespace/name"; without one it is "default" of
// its own namespace.
func AuthOf(h *Held, auths []Auth) *Auth {
	name := h.Auth
	if name == "" {
		name = "default"
	}
	for i := range auths {
		if a := &auths[i]; a.Account != "" && (a.Name == name && a.Namespace == h.Namespace || a.Namespace+"/"+a.Name == name) {
			return a
		}
	}
	return nil
}
