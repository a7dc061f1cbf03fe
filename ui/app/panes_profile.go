package app

import (
	"fmt"
	"os"
	"path/filepath"

	"midwatch/k8s"
	"midwatch/ui/pane"
	"midwatch/ui/profilepane"
)

func newProfile(id pane.ID, d Deps, ref k8s.Ref, _ string) pane.Pane {
	if d.Session == nil || d.Session.Profiles == nil {
		return profilepane.New(id, nil, nil, ref)
	}
	return profilepane.New(id, d.Session.Profiles, saveProfile, ref)
}

// saveProfile writes a file into the working folder that only the user can
// read: a profile shows how a program works inside. It replaces nothing.
func saveProfile(name string, data []byte) (string, error) {
	f, err := os.OpenFile(filepath.Base(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("save the profile: %w", err)
	}
	if _, err := f.Write(data); err != nil {
		_ = f.Close() // the first error counts
		return "", fmt.Errorf("save the profile: %w", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("save the profile: %w", err)
	}
	path, err := filepath.Abs(f.Name())
	if err != nil {
		return f.Name(), nil //nolint:nilerr // the short name will do
	}
	return path, nil
}
