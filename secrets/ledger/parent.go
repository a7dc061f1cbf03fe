package ledger

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"golang.org/x/crypto/blake2b"

	"midwatch/foreign"
	"midwatch/secrets"
	"midwatch/vault/lease"
)

// maxSearched is up to how many tokens each one is looked up to find that of a
// service account; above, only those that an operator's status names.
const maxSearched = 500

// Parents is what a search for the tokens of operators found.
type Parents struct {
	// Tokens are how many there are, Found the logins whose token is known now.
	Tokens, Found int
}

// clientOf is the Vault Secrets Operator's name for a login: the digest of its
// token's accessor (vault-secrets-operator vault/client.go).
func clientOf(accessor string) string {
	sum := blake2b.Sum256([]byte(accessor))
	return hex.EncodeToString(sum[:])
}

// FindParents looks for the tokens that operators' leases die with: by their
// accessors, and where an operator's status names none, by the service account
// it logs in as, if exactly one token has that. It lists the accessors of all
// tokens, so call it only because somebody asked.
func (g *Ledger) FindParents(ctx context.Context) (Parents, error) {
	conn, err := g.desk.Open(ctx)
	if err != nil {
		return Parents{}, err
	}
	accessors, err := conn.Leases.Accessors(ctx)
	if err != nil {
		return Parents{}, err
	}
	g.mu.Lock()
	board := g.board
	g.mu.Unlock()
	if board == nil {
		return Parents{Tokens: len(accessors)}, nil
	}
	held := board.Held()
	byClient := map[string]string{} // client to accessor
	for _, a := range accessors {
		byClient[clientOf(a)] = a
	}
	ask, namespaces := search(held, byClient, accessors)
	tokens, err := conn.Leases.Tokens(ctx, ask...)
	if err != nil {
		return Parents{}, err
	}
	var auths []secrets.Auth
	if g.auths != nil && len(namespaces) > 0 {
		if auths, err = g.auths(ctx, namespaces); err != nil {
			return Parents{}, err
		}
	}
	found := parentsOf(held, byClient, tokens, auths)
	g.mu.Lock()
	g.parents = found
	g.adopt()
	g.mu.Unlock()
	board.Rejudge()
	return Parents{Tokens: len(accessors), Found: len(found)}, nil
}

// search says which tokens to look up: those that operators' statuses name,
// and where one names none and they are not too many, all. namespaces are
// those whose logins have to be known for that.
func search(held []*secrets.Held, byClient map[string]string, accessors []string) (ask, namespaces []string) {
	named := map[string]bool{}
	for _, h := range held {
		a, ok := byClient[h.Client]
		switch {
		case h.Lease == "" || named[a]:
		case ok:
			named[a] = true
			ask = append(ask, a)
		case len(accessors) <= maxSearched && !slices.Contains(namespaces, h.Namespace):
			namespaces = append(namespaces, h.Namespace)
		}
	}
	if len(namespaces) > 0 {
		ask = accessors
	}
	return ask, namespaces
}

// parentsOf links logins to tokens.
func parentsOf(held []*secrets.Held, byClient map[string]string, tokens []lease.Token, auths []secrets.Auth) map[string]*lease.Parent {
	byAccessor := map[string]*lease.Token{}
	for i := range tokens {
		byAccessor[tokens[i].Accessor] = &tokens[i]
	}
	found := map[string]*lease.Parent{}
	for _, h := range held {
		if h.Lease == "" || found[h.Client] != nil {
			continue
		}
		if t := byAccessor[byClient[h.Client]]; t != nil {
			found[h.Client] = &lease.Parent{Name: t.Name, Expires: t.Expires, Evidence: string(secrets.LinkToken)}
			continue
		}
		auth := secrets.AuthOf(h, auths)
		if auth == nil {
			continue
		}
		if t := onlyTokenOf(auth, h.Namespace, tokens); t != nil {
			name := foreign.Clean(fmt.Sprintf("%s, service account %s/%s", t.Name, h.Namespace, auth.Account))
			found[h.Client] = &lease.Parent{Name: name, Expires: t.Expires, Evidence: string(secrets.LinkServiceAccount)}
		}
	}
	return found
}

// onlyTokenOf is the one token that a service account has got; nil when there
// are several: which of them made a lease cannot be told.
func onlyTokenOf(a *secrets.Auth, namespace string, tokens []lease.Token) *lease.Token {
	var only *lease.Token
	for i := range tokens {
		t := &tokens[i]
		if t.Account != a.Account || t.AccountNamespace != namespace {
			continue
		}
		if only != nil {
			return nil
		}
		only = t
	}
	return only
}
