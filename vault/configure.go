package vault

import (
	"fmt"
	"path/filepath"
	"strings"

	"midwatch/config"
	"midwatch/foreign"
)

// Configure reads the environment and puts the settings file over it, for the
// server that belongs to a kubeconfig context.
func Configure(env Env, file config.Vault, context string) (Settings, error) {
	s, err := FromEnv(env)
	if err != nil {
		return s, err
	}
	if address := file.For(context); address != "" {
		// Another server than the environment's must not get its token.
		if !sameServer(address, s.Address) || s.Agent != "" {
			s.AddressFrom = FromSettings
			s.Agent = ""
		}
		s.Address = address
	}
	if file.Namespace != "" {
		s.Namespace = strings.Trim(file.Namespace, "/")
	}
	if !file.Token.IsZero() {
		if s.Token, err = file.Token.Read(env); err != nil {
			return s, fmt.Errorf("vault.token: %w", err)
		}
		s.TokenFrom, s.TokenAny = file.Token.String(), true
	}
	if file.Method != "" && Method(file.Method) != MethodToken {
		s.Login = Login{
			Method: Method(file.Method), Mount: file.Mount, Role: file.Role, RoleID: file.RoleID, Username: file.Username,
			JWTFile: expandHome(env, file.JWTFile),
		}
		if s.Login.Secret, err = file.Secret.Read(env); err != nil {
			return s, fmt.Errorf("vault.secret: %w", err)
		}
		if err := s.Login.Check(); err != nil {
			return s, err
		}
	}
	if v, ok := env("VAULT_MFA"); ok && v != "" {
		s.Notices = append(s.Notices, foreign.Text("VAULT_MFA is set and ignored"))
	}
	return s, s.Check()
}

func sameServer(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

func expandHome(env Env, path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	home, _ := env("HOME")
	if !ok || home == "" {
		return path
	}
	return filepath.Join(home, rest)
}
