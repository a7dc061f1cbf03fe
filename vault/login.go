package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"midwatch/action"
	"midwatch/foreign"
	"midwatch/secret"
)

// podToken is where Kubernetes puts a pod's own service account token.
const podToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path, not a credential

// mount is where the method is mounted.
func (l Login) mount() string {
	if m := strings.Trim(l.Mount, "/"); m != "" {
		return m
	}
	return string(l.Method)
}

// path is the login request's, without /v1/.
func (l Login) path() string {
	path := "auth/" + l.mount() + "/login"
	if l.Method == MethodUserpass {
		path += "/" + l.Username
	}
	return path
}

// rules let the one request through that logs in, and the one that gives up
// the token midwatch got that way. Neither changes anything of the user's.
func (l Login) rules() []action.Rule {
	if l.Method == MethodToken || l.Method == "" {
		return nil
	}
	put := []string{http.MethodPut}
	return []action.Rule{{Methods: put, Path: "/v1/" + l.path()}, {Methods: put, Path: "/v1/auth/token/revoke-self"}}
}

// Check says what a method lacks.
func (l Login) Check() error {
	switch {
	case l.Method == "" || l.Method == MethodToken:
		return nil
	case l.Method == MethodKubernetes && l.Role == "":
		return errors.New("login by kubernetes: want a role")
	case l.Method == MethodAppRole && l.RoleID == "":
		return errors.New("login by approle: want a roleID")
	case l.Method == MethodUserpass && (l.Username == "" || strings.ContainsAny(l.Username, "/%\\")):
		return errors.New("login by userpass: want a username")
	}
	switch l.Method {
	case MethodKubernetes, MethodAppRole, MethodUserpass:
		return nil
	}
	return fmt.Errorf("login by %s: want token, kubernetes, approle or userpass (for OIDC run `vault login -method=oidc` and use token)",
		foreign.CleanN(string(l.Method), 40))
}

// body is what the method sends.
func (l Login) body() (map[string]string, error) {
	switch l.Method {
	case MethodKubernetes:
		file := l.JWTFile
		if file == "" {
			file = podToken
		}
		jwt, warn, err := readToken(file)
		if errors.Is(err, errNoToken) {
			return nil, fmt.Errorf("log in by kubernetes: there is no service account token in %s", foreign.Clean(file))
		}
		_ = warn // a projected token is 0644 by design
		if err != nil {
			return nil, fmt.Errorf("log in by kubernetes: %w", err)
		}
		return map[string]string{"role": l.Role, "jwt": jwt.Reveal()}, nil
	case MethodAppRole:
		return map[string]string{"role_id": l.RoleID, "secret_id": l.Secret.Reveal()}, nil
	case MethodUserpass:
		if l.Secret.Empty() {
			return nil, errors.New("log in by userpass: there is no password: name it as vault.secret in the settings")
		}
		return map[string]string{"password": l.Secret.Reveal()}, nil
	}
	return nil, l.Check()
}

// logIn gets a token of midwatch's own.
func (c *Client) logIn(ctx context.Context) error {
	l := c.opts.Settings.Login
	if err := l.Check(); err != nil {
		return err
	}
	body, err := l.body()
	if err != nil {
		return err
	}
	var answer struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		} `json:"auth"`
		MFA *struct{} `json:"mfa_requirement"`
	}
	tried := fmt.Sprintf("log in to Vault by %s (auth/%s)", l.Method, foreign.CleanN(l.mount(), 100))
	if err := c.Write(ctx, tried, Right{}, l.path(), body, &answer); err != nil {
		return err
	}
	if answer.Auth.ClientToken == "" {
		return &Error{Kind: KindNoToken, Tried: tried, Address: c.shown, Detail: "the server wants more than one factor, or sent no token"}
	}
	c.setToken(secret.New(answer.Auth.ClientToken), "logged in by "+string(l.Method), true)
	return nil
}

// Close gives up a token that midwatch logged in for. It never touches a token
// of the user's.
func (c *Client) Close(ctx context.Context) error {
	defer c.transport.CloseIdleConnections()
	if !c.minted {
		return nil
	}
	c.minted = false
	err := c.Write(ctx, "give up midwatch's own Vault token", Right{}, "auth/token/revoke-self", struct{}{}, nil)
	c.setToken(secret.Value{}, "", false)
	return err
}
