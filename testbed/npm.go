package testbed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// npmProgram is a server that comes as npm packages: a folder below servers/
// with a package.json and the lock file that fixes every version.
type npmProgram struct {
	name string // the folder's name
	cost string // what to tell someone who has to wait
	// cache is where it is kept; the user's cache folder when empty.
	cache string
}

// install returns the folder that holds node_modules, installed on first use
// and kept under a name made of the lock file.
func (p npmProgram) install(ctx context.Context, progress io.Writer) (string, error) {
	root, err := goOutput(ctx, ".", "list", "-m", "-f", "{{.Dir}}", "midwatch/testbed")
	if err != nil {
		return "", fmt.Errorf("find the testbed module (run inside its folder): %w", err)
	}
	source := filepath.Join(root, "servers", p.name)
	if p.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the cache folder: %w", err)
		}
		p.cache = filepath.Join(dir, "midwatch-testbed")
	}
	files := map[string][]byte{}
	h := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json"} {
		if files[name], err = os.ReadFile(filepath.Join(source, name)); err != nil {
			return "", fmt.Errorf("install %s: %w", p.name, err)
		}
		fmt.Fprintln(h, name, len(files[name]))
		h.Write(files[name])
	}
	dir := filepath.Join(p.cache, "npm-"+p.name+"-"+hex.EncodeToString(h.Sum(nil))[:16])
	return dir, p.installInto(ctx, dir, files, progress)
}

func (p npmProgram) installInto(ctx context.Context, dir string, files map[string][]byte, progress io.Writer) error {
	finished := filepath.Join(dir, "installed")
	if _, err := os.Stat(finished); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install %s: %w", p.name, err)
	}
	unlock, err := builder{cache: p.cache, progress: progress}.lock(ctx, filepath.Join(dir, "lock"), p.name)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(finished); err == nil { // installed by whoever held the lock
		return nil
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("install %s: %w", p.name, err)
		}
	}
	fmt.Fprintf(progress, "testbed: installing %s\n", p.cost)
	begun := time.Now()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("install %s (npm ci): %w\n%s", p.name, err, bytes.TrimSpace(said.Bytes()))
	}
	if err := os.WriteFile(finished, nil, 0o644); err != nil {
		return fmt.Errorf("install %s: %w", p.name, err)
	}
	fmt.Fprintf(progress, "testbed: installed %s in %s\n", p.name, time.Since(begun).Round(time.Second))
	return nil
}
