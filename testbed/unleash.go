package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// UnleashVersion is the server that servers/unleash installs.
const UnleashVersion = "8.2.0"

// UnleashOptions say what Unleash server to start.
type UnleashOptions struct {
	// Progress receives a line for what takes long; nil means os.Stderr.
	Progress io.Writer
	// Env is added to the server's environment: "SEARCH_FEATURES_RATE_LIMIT_PER_MINUTE=1".
	Env []string
}

// Unleash is an Unleash server with a PostgreSQL of its own, an empty project
// "default" and the environments development and production.
type Unleash struct {
	// URL is the server's address, without a slash at the end.
	URL string
	// AdminToken may do everything. BackendTokens are what SDKs use, by
	// environment.
	AdminToken    string
	BackendTokens map[string]string
	Postgres      *Postgres

	dir      string
	program  string
	env      []string
	launcher *launcher
	server   *process
}

// StartUnleash installs the server on first use, starts it on a database of
// its own and waits until it is healthy. It needs node and npm.
func StartUnleash(ctx context.Context, o UnleashOptions) (*Unleash, error) {
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	u := &Unleash{
		AdminToken: "*:*." + token(),
		BackendTokens: map[string]string{
			"development": "default:development." + token(), "production": "default:production." + token(),
		},
		launcher: newLauncher(),
	}
	err := u.prepare(ctx, o)
	if err == nil {
		err = u.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start Unleash: %w", err), u.Close())
	}
	return u, nil
}

func (u *Unleash) prepare(ctx context.Context, o UnleashOptions) error {
	installed, err := npmProgram{name: "unleash", cost: "Unleash: about a minute the first time"}.install(ctx, o.Progress)
	if err != nil {
		return err
	}
	u.program = filepath.Join(installed, "node_modules", "unleash-server", "dist", "server.js")
	if u.dir, err = os.MkdirTemp("", "midwatch-unleash-"); err != nil {
		return err
	}
	if u.Postgres, err = StartPostgres(ctx, PostgresOptions{Databases: []string{"unleash"}, Progress: o.Progress}); err != nil {
		return err
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	u.URL = "http://127.0.0.1:" + strconv.Itoa(ports[0])
	// The first tokens are made only while there are none. Nothing is sent
	// anywhere: no version check, no telemetry.
	u.env = append([]string{
		"DATABASE_URL=" + u.Postgres.URL("unleash"), "DATABASE_SSL=false", "AUTH_TYPE=open-source", "NODE_ENV=production",
		"INIT_ADMIN_API_TOKENS=" + u.AdminToken,
		"INIT_BACKEND_API_TOKENS=" + u.BackendTokens["development"] + "," + u.BackendTokens["production"],
		"HTTP_HOST=127.0.0.1", "HTTP_PORT=" + strconv.Itoa(ports[0]), "CHECK_VERSION=false", "SEND_TELEMETRY=false", "LOG_LEVEL=warn",
	}, o.Env...)
	return nil
}

// Start starts the server after Stop, with the same data.
func (u *Unleash) Start(ctx context.Context) error {
	var err error
	u.launcher.env = u.env
	u.server, err = u.launcher.start(u.dir, "unleash", "node", u.program)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return poll(ctx, 50*time.Millisecond, func() (bool, error) {
		if err := u.server.alive(); err != nil {
			return false, err
		}
		return u.healthy(ctx), nil
	})
}

func (u *Unleash) healthy(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.URL+"/health", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Stop stops the server and keeps its database.
func (u *Unleash) Stop() error {
	if u.server == nil {
		return nil
	}
	return u.server.stop(10 * time.Second)
}

// Close stops everything and removes its folders.
func (u *Unleash) Close() error {
	err := u.Stop()
	if u.Postgres != nil {
		err = errors.Join(err, u.Postgres.Close())
	}
	u.launcher.close()
	if u.dir != "" {
		err = errors.Join(err, os.RemoveAll(u.dir))
	}
	return err
}

// API calls the admin API as the administrator: method, path below the
// address, a body to send as JSON (nil for none), where to put the answer (nil
// to ignore it). Tests set the scene with it.
func (u *Unleash) API(ctx context.Context, method, path string, body, out any) error {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = strings.NewReader(string(b))
	}
	req, err := http.NewRequestWithContext(ctx, method, u.URL+path, send)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", u.AdminToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode > 299 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	return json.Unmarshal(answer, out)
}
