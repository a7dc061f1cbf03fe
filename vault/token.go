package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hashicorp/vault/api/cliconfig"
	"github.com/hashicorp/vault/api/tokenhelper"

	"midwatch/foreign"
	"midwatch/secret"
)

// errNoToken says that there is no token to be found.
var errNoToken = errors.New("no token: log in with `vault login`, or set VAULT_TOKEN")

// maxTokenFile bounds a token file: JWT-like tokens of some plugins have a few
// thousand bytes.
const maxTokenFile = 64 << 10

// findToken finds the user's own token as the vault command does: VAULT_TOKEN,
// the token helper of ~/.vault, ~/.vault-token. It only reads: the helper is
// never told to store or to erase.
func (s *Settings) findToken() (token secret.Value, from string, notices []foreign.Text, err error) {
	if !s.Token.Empty() {
		return s.Token, s.TokenFrom, nil, nil
	}
	if token, path, err := helperToken(); err != nil {
		notices = append(notices, foreign.CleanN(err.Error(), 300))
	} else if !token.Empty() {
		return token, "token helper " + path, notices, nil
	}
	token, warn, err := readToken(s.TokenFile)
	if warn != "" {
		notices = append(notices, warn)
	}
	return token, s.TokenFile, notices, err
}

// readToken reads a token file and says when others can read it as well.
func readToken(path string) (secret.Value, foreign.Text, error) {
	if path == "" {
		return secret.Value{}, "", errNoToken
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return secret.Value{}, "", errNoToken
	case err != nil:
		return secret.Value{}, "", fmt.Errorf("read the token file: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxTokenFile:
		return secret.Value{}, "", fmt.Errorf("the token file %s is not a small file", foreign.Clean(path))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return secret.Value{}, "", fmt.Errorf("read the token file: %w", err)
	}
	token := bytes.TrimSpace(raw)
	if len(token) == 0 {
		return secret.Value{}, "", errNoToken
	}
	var warn foreign.Text
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		warn = foreign.Clean(fmt.Sprintf("%s can be read by others (mode %04o): chmod 600 it", path, mode))
	}
	return secret.New(string(token)), warn, nil
}

// helperToken asks an external token helper, if ~/.vault names one. Without
// one the token lies in a file, which readToken reads.
func helperToken() (token secret.Value, path string, err error) {
	defer func() {
		// The library panics when it finds no home directory.
		if p := recover(); p != nil {
			token, path, err = secret.Value{}, "", nil
		}
	}()
	helper, err := cliconfig.DefaultTokenHelper()
	if err != nil {
		return secret.Value{}, "", fmt.Errorf("the settings of the vault command: %w", err)
	}
	if _, file := helper.(*tokenhelper.InternalTokenHelper); file {
		return secret.Value{}, "", nil
	}
	path = helper.Path()
	value, err := helper.Get()
	if err != nil {
		return secret.Value{}, path, fmt.Errorf("the token helper %s failed: %w", path, err)
	}
	return secret.New(strings.TrimSpace(value)), path, nil
}
