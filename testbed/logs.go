package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// logFiles are the files from which kwok serves container logs, in the format
// that a container runtime writes (one "time stream tag text" per line).
type logFiles struct {
	dir string
}

func (b *Bed) logFiles() logFiles { return logFiles{dir: filepath.Join(b.dir, "podlogs")} }

// AppendLog writes lines to the log of a container, as the container would;
// who follows the log sees them. The pod need not exist yet.
func (b *Bed) AppendLog(namespace, pod, container string, lines ...string) error {
	return b.logFiles().append(namespace, pod, container, lines...)
}

// LogFile returns the file behind the log of a container. With
// Options.ManyPods all containers share one; see SharedLogFile.
func (b *Bed) LogFile(namespace, pod, container string) string {
	return b.logFiles().file(namespace, pod, container)
}

func (l logFiles) file(namespace, pod, container string) string {
	return filepath.Join(l.dir, namespace, pod, container+".log")
}

func (l logFiles) previous(namespace, pod, container string) string {
	return filepath.Join(l.dir, namespace, pod, container+".previous.log")
}

func (l logFiles) append(namespace, pod, container string, lines ...string) error {
	path := l.file(namespace, pod, container)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("log of %s/%s: %w", namespace, pod, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of %s/%s: %w", namespace, pod, err)
	}
	defer f.Close()
	// One write: who follows the log must not see half a line.
	if _, err := f.WriteString(runtimeFormat(time.Now(), lines)); err != nil {
		return fmt.Errorf("log of %s/%s: %w", namespace, pod, err)
	}
	return f.Close()
}

// rotate makes the log that of the previous container, as a restart does.
func (l logFiles) rotate(namespace, pod, container string) error {
	err := os.Rename(l.file(namespace, pod, container), l.previous(namespace, pod, container))
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("log of %s/%s: %w", namespace, pod, err)
	}
	return l.append(namespace, pod, container)
}

func runtimeFormat(now time.Time, lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&out, "%s stdout F %s\n", now.UTC().Format("2006-01-02T15:04:05.000000000Z"), line)
	}
	return out.String()
}

// clusterLogs is the kwok object that serves the shared file to every pod that
// has no files of its own.
func (l logFiles) clusterLogs() string {
	return fmt.Sprintf(`
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata:
  name: shared
spec:
  logs:
    - logsFile: %q
      previousLogsFile: %q
      follow: true
`, l.shared(), l.shared())
}

// SharedLogFile returns the file behind the logs of all containers without a
// file of their own: every one of them with Options.ManyPods.
func (b *Bed) SharedLogFile() string { return b.logFiles().shared() }

func (l logFiles) shared() string { return filepath.Join(l.dir, "shared.log") }

// writeShared fills the shared file with a few lines of a web service.
func (l logFiles) writeShared(now time.Time) error {
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf(`INFO:     10.244.0.%d:%d - "GET /items/%d HTTP/1.1" 200 OK`, i%250+1, 40000+i, i*7%1000))
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("write the shared log: %w", err)
	}
	return os.WriteFile(l.shared(), []byte(runtimeFormat(now, lines)), 0o600)
}

// object is the kwok object that serves the files of one pod.
func (l logFiles) object(namespace, pod string, containers []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Logs\nmetadata: {name: %q, namespace: %q}\nspec:\n  logs:\n", pod, namespace)
	for _, c := range containers {
		fmt.Fprintf(&out, "    - {containers: [%q], logsFile: %q, previousLogsFile: %q, follow: true}\n",
			c, l.file(namespace, pod, c), l.previous(namespace, pod, c))
	}
	return out.String()
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// file returns the path of a file in the bed's folder.
func (b *Bed) file(name string) string { return filepath.Join(b.dir, name) }
