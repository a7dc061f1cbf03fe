package lease

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	"midwatch/foreign"
	"midwatch/vault"
)

// The rights to find the token that a lease dies with. Neither is in the
// policy "default".
var (
	RightAccessors = vault.Right{Path: "auth/token/accessors", Caps: []string{"list", "sudo"}}
	RightAccessor  = vault.Right{Path: "auth/token/lookup-accessor", Caps: []string{"update"}}
)

// Token is what is known of somebody's token without the token.
type Token struct {
	Accessor string
	// Name is Vault's display name: "kubernetes-shop-vso".
	Name    foreign.Text
	Expires time.Time // zero when it does not end
	// Account and AccountNamespace are the service account it was given to.
	Account, AccountNamespace string
}

// Accessors lists the accessors of all tokens. Call it only because somebody
// asked.
func (r *Reader) Accessors(ctx context.Context) ([]string, error) {
	var k keys
	err := r.client.Stream(ctx, vault.Query{
		Tried: "list the accessors of tokens", Path: "auth/token/accessors", Params: url.Values{"list": {"true"}}, Need: RightAccessors, Within: listWithin,
	}, func(body io.Reader) error { return decodeKeys(body, &k) })
	var failed *vault.Error
	if errors.As(err, &failed) && failed.Kind == vault.KindNotFound {
		err = nil
	}
	return k.leases, err
}

// Tokens looks tokens up by their accessors, several at a time. One that ended
// since is left out.
func (r *Reader) Tokens(ctx context.Context, accessors ...string) ([]Token, error) {
	found := make([]*Token, len(accessors))
	errs := make([]error, len(accessors))
	slots := make(chan struct{}, vault.MaxInFlight)
	var wg sync.WaitGroup
	for i, a := range accessors {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found[i], errs[i] = r.token(ctx, a)
		})
	}
	wg.Wait()
	var out []Token
	for i, t := range found {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if t != nil {
			out = append(out, *t)
		}
	}
	return out, nil
}

func (r *Reader) token(ctx context.Context, accessor string) (*Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("look up a token by its accessor: %w", err)
	}
	var answer struct {
		Data struct {
			Name    string     `json:"display_name"`
			Expires *time.Time `json:"expire_time"`
			Meta    struct {
				Account   string `json:"service_account_name"`
				Namespace string `json:"service_account_namespace"`
			} `json:"meta"`
		} `json:"data"`
	}
	err := r.client.Read(ctx, vault.Query{
		Tried: "look up a token by its accessor", Path: "auth/token/lookup-accessor", Need: RightAccessor, Body: map[string]string{"accessor": accessor},
	}, &answer)
	var failed *vault.Error
	if errors.As(err, &failed) && failed.Kind != vault.KindForbidden && failed.Status >= 400 && failed.Status < 500 {
		return nil, nil // it has ended since it was listed
	}
	if err != nil {
		return nil, err
	}
	d := answer.Data
	return &Token{
		Accessor: accessor, Name: foreign.CleanN(d.Name, 200), Expires: r.local(d.Expires),
		Account: foreign.CleanN(d.Meta.Account, 253).String(), AccountNamespace: foreign.CleanN(d.Meta.Namespace, 253).String(),
	}, nil
}
