package vault

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/hashicorp/vault/api"
	"golang.org/x/time/rate"

	"midwatch/foreign"
	"midwatch/secret"
)

// Env looks an environment variable up, as os.LookupEnv does.
type Env = func(name string) (string, bool)

// Method is how midwatch gets a token.
type Method string

// The ways to get a token. OIDC is missing on purpose: `vault login
// -method=oidc` opens the browser and leaves the token where [MethodToken]
// looks for it.
const (
	MethodToken      Method = "token" // the user's own: VAULT_TOKEN, the token helper, ~/.vault-token
	MethodKubernetes Method = "kubernetes"
	MethodAppRole    Method = "approle"
	MethodUserpass   Method = "userpass"
)

// Login says how to get a token of midwatch's own.
type Login struct {
	Method Method
	// Mount is where the method is mounted; the method's name when empty.
	Mount string
	// Role is for Kubernetes; RoleID for AppRole; Username for userpass.
	Role, RoleID, Username string
	// JWTFile holds the service account's token; the pod's own when empty.
	JWTFile string
	// Secret is AppRole's secret ID or userpass's password.
	Secret secret.Value
}

// Settings say which server to talk to and how. [FromEnv] reads them from the
// environment; the settings file goes over them.
type Settings struct {
	// Address of the server, such as https://vault.example:8200. Empty when
	// nothing names one: then there is no Vault, and nothing is sent anywhere.
	Address string
	// AddressFrom says what named it: "VAULT_ADDR", "settings".
	AddressFrom string
	// Agent is a proxy's address (VAULT_AGENT_ADDR), which beats Address.
	Agent     string
	Namespace string
	TLS       api.TLSConfig
	// HTTPProxy is for requests to the server alone.
	HTTPProxy        string
	Timeout          time.Duration
	RateLimit        *rate.Limiter
	Headers          map[string]string
	DisableRedirects bool
	SRVLookup        bool
	Login            Login
	// Token was given outright (VAULT_TOKEN); empty when the token helper or
	// the token file has to be asked.
	Token secret.Value
	// TokenFrom says where it came from.
	TokenFrom string
	// TokenFile is where to look besides the token helper; ~/.vault-token
	// when empty.
	TokenFile string
	// TokenAny allows a token that was stored for whatever server to be sent
	// to this one: the settings file named it for this address.
	TokenAny bool
	// Notices are what the user should know about the settings themselves.
	Notices []foreign.Text
}

// defaultTimeout bounds one request. The vault command waits for a minute; a
// console has somebody in front of it.
const defaultTimeout = 10 * time.Second

// Configured reports whether anything names a server. The vault command takes
// https://127.0.0.1:8200 when nothing does; a console that sends a token to
// whatever listens there would be wrong.
func (s *Settings) Configured() bool { return s.Address != "" || s.Agent != "" }

// Target is the address requests go to.
func (s *Settings) Target() string {
	if s.Agent != "" {
		return s.Agent
	}
	return s.Address
}

// Insecure says what is wrong with the way to the server: "" when it is
// encrypted and the server's certificate is checked, or does not leave the
// machine's own socket.
func (s *Settings) Insecure() string {
	switch u, err := url.Parse(s.Target()); {
	case err == nil && u.Scheme == "http":
		return "plain HTTP: the token is readable on the way"
	case s.TLS.Insecure:
		return "the server's certificate is not checked (VAULT_SKIP_VERIFY)"
	}
	return ""
}

// reader reads variables under both names: OpenBao's own first, as its own
// client does (BAO_X, then VAULT_X).
type reader struct {
	env Env
	err error
}

func (r *reader) text(name string) (value, from string) {
	for _, prefix := range []string{"BAO_", "VAULT_"} {
		if v, ok := r.env(prefix + name); ok && v != "" {
			return v, prefix + name
		}
	}
	return "", ""
}

func (r *reader) string(name string) string {
	v, _ := r.text(name)
	return v
}

func (r *reader) fail(from string, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: want %s", from, want)
	}
}

func (r *reader) bool(name string) bool {
	v, from := r.text(name)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		r.fail(from, "true or false")
	}
	return b
}

// FromEnv reads what the vault and bao commands read. An error names the
// variable and never repeats its value.
func FromEnv(env Env) (Settings, error) {
	r := &reader{env: env}
	s := Settings{
		Agent: r.string("AGENT_ADDR"), Namespace: strings.Trim(r.string("NAMESPACE"), "/"),
		TLS: api.TLSConfig{
			CACert: r.string("CACERT"), CACertBytes: []byte(r.string("CACERT_BYTES")), CAPath: r.string("CAPATH"),
			ClientCert: r.string("CLIENT_CERT"), ClientKey: r.string("CLIENT_KEY"),
			TLSServerName: r.string("TLS_SERVER_NAME"), Insecure: r.bool("SKIP_VERIFY"),
		},
		Timeout: r.timeout(), RateLimit: r.rate(), Headers: r.headers(),
		DisableRedirects: r.bool("DISABLE_REDIRECTS"), SRVLookup: r.bool("SRV_LOOKUP"),
		Login: Login{Method: MethodToken},
	}
	s.Address, s.AddressFrom = r.text("ADDR")
	s.HTTPProxy = r.string("PROXY_ADDR")
	if s.HTTPProxy == "" {
		s.HTTPProxy = r.string("HTTP_PROXY")
	}
	if token, from := r.text("TOKEN"); token != "" {
		s.Token, s.TokenFrom = secret.New(strings.TrimSpace(token)), from
	}
	s.TokenFile, _ = env("BAO_TOKEN_PATH")
	if home, ok := env("HOME"); s.TokenFile == "" && ok && home != "" {
		s.TokenFile = filepath.Join(home, ".vault-token")
	}
	if _, from := r.text("WRAP_TTL"); from != "" {
		s.Notices = append(s.Notices, foreign.Text(from+" is set and ignored: it would wrap every answer into a single-use token"))
	}
	if r.err != nil {
		return s, r.err
	}
	return s, s.Check()
}

// Check says what is wrong with the addresses.
func (s *Settings) Check() error {
	for _, a := range []struct{ what, value string }{{"Vault's address", s.Address}, {"the Vault agent's address", s.Agent}} {
		if a.value == "" {
			continue
		}
		u, err := url.Parse(a.value)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "unix") || (u.Host == "" && u.Path == "") {
			return fmt.Errorf("%s %q: want a URL such as https://vault.example:8200", a.what, foreign.CleanN(a.value, 200))
		}
		if u.User != nil {
			return fmt.Errorf("%s: a user name or password in the URL is not supported", a.what)
		}
	}
	return nil
}

func (r *reader) timeout() time.Duration {
	v, from := r.text("CLIENT_TIMEOUT")
	if v == "" {
		return defaultTimeout
	}
	d, err := parseutil.ParseDurationSecond(v)
	if err != nil || d < 0 {
		r.fail(from, "a duration such as 30s")
	}
	if d == 0 || d > time.Minute {
		d = time.Minute
	}
	return d
}

func (r *reader) rate() *rate.Limiter {
	v, from := r.text("RATE_LIMIT")
	if v == "" {
		return nil
	}
	perSecond, burst, hasBurst := strings.Cut(v, ":")
	limit, err := strconv.ParseFloat(perSecond, 64)
	size := int(limit)
	if hasBurst && err == nil {
		size, err = strconv.Atoi(burst)
	}
	if err != nil || limit <= 0 || size <= 0 {
		r.fail(from, "requests a second, or rate:burst")
		return nil
	}
	return rate.NewLimiter(rate.Limit(limit), size)
}

func (r *reader) headers() map[string]string {
	v, from := r.text("HEADERS")
	if v == "" {
		return nil
	}
	var headers map[string]string
	if err := json.Unmarshal([]byte(v), &headers); err != nil {
		r.fail(from, `a JSON object of strings, such as {"X-Team":"shop"}`)
	}
	for name := range headers {
		if strings.HasPrefix(strings.ToLower(name), "x-vault-") {
			r.fail(from, "no header that begins with X-Vault-")
		}
	}
	return headers
}
