package vault

import (
	"context"
	"errors"

	"midwatch/foreign"
)

// Open finds the token and makes the client. It sends nothing, unless the
// settings name a login method: then it logs in.
func Open(ctx context.Context, opts Options) (*Client, error) {
	s := &opts.Settings
	if !s.Configured() {
		return nil, &Error{Kind: KindAbsent, Tried: "open Vault"}
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	c, err := newClient(opts)
	if err != nil {
		return nil, err
	}
	if m := s.Login.Method; m != MethodToken && m != "" {
		return c, c.logIn(ctx)
	}
	if !s.TokenAny && s.AddressFrom == FromSettings {
		// A stored token belongs to the server it was stored for.
		return nil, &Error{Kind: KindNoToken, Tried: "open Vault", Address: c.shown,
			Detail: "the token at hand may belong to another server: name vault.tokenFile, or set VAULT_ADDR"}
	}
	token, from, notices, err := s.findToken()
	c.notices = append(c.notices, notices...)
	if errors.Is(err, errNoToken) {
		return nil, &Error{Kind: KindNoToken, Tried: "open Vault", Address: c.shown, Err: err}
	}
	if err != nil {
		return nil, err
	}
	c.setToken(token, from, false)
	return c, nil
}

// FromSettings is what [Settings].AddressFrom says of an address that came
// from the settings file.
const FromSettings = "settings"

// Notices are what the user should know about the connection: an ignored
// variable, a token file that others can read.
func (c *Client) Notices() []foreign.Text { return c.notices }
