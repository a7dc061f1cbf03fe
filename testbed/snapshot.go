package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A cluster of 10,000 pods takes minutes of both cores to create and is the
// same every time. Scale therefore keeps etcd's data in the cache folder, and
// the next bed of the same size starts from a copy of it.

// snapshotDir returns the folder that holds, or will hold, the data of a
// cluster of that size. Its name is made of all that decides what the cluster
// is like: another template or stage, another folder.
func (b *Bed) snapshotDir(size ScaleSize) (string, error) {
	stages, err := podStages()
	if err != nil {
		return "", err
	}
	deployment, err := json.Marshal(scaleDeployment(size.Namespace(0), 0, size.Replicas))
	if err != nil {
		return "", fmt.Errorf("name the snapshot: %w", err)
	}
	h := sha256.New()
	fmt.Fprintln(h, size, b.opts.Nodes, b.opts.NodeCPU, b.opts.NodeMemory, b.opts.NodePods)
	fmt.Fprintln(h, b.binaries.Kube, b.binaries.Kwok)
	fmt.Fprintln(h, string(deployment), strings.Join(stages, "\n"))
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	name := fmt.Sprintf("cluster-%d-pods-%s", size.Pods(), hex.EncodeToString(h.Sum(nil))[:16])
	return filepath.Join(cache, "midwatch-testbed", name), nil
}

// restoreSnapshot gives etcd the data of an earlier bed of the wanted size, if
// there is one.
func (b *Bed) restoreSnapshot(context.Context) error {
	if b.opts.scale == (ScaleSize{}) {
		return nil
	}
	dir, err := b.snapshotDir(b.opts.scale)
	if err != nil || !fileExists(dir) {
		return err
	}
	if err := os.CopyFS(b.file("etcd"), os.DirFS(dir)); err != nil {
		return fmt.Errorf("restore the cluster's data from %s: %w", dir, err)
	}
	b.restored = true
	return nil
}

// saveSnapshot keeps a compacted copy of etcd's data. etcd has to be stopped
// for it; the API server waits for it to come back.
func (b *Bed) saveSnapshot(ctx context.Context, size ScaleSize) error {
	dir, err := b.snapshotDir(size)
	if err != nil || fileExists(dir) {
		return err
	}
	if err := b.compactEtcd(ctx); err != nil {
		return err
	}
	if err := b.etcd(ctx, "/v3/maintenance/defragment", "{}", nil); err != nil {
		return fmt.Errorf("defragment etcd: %w", err)
	}
	etcd := b.find(etcdName)
	if etcd == nil {
		return fmt.Errorf("save the cluster's data: etcd is not running")
	}
	b.forget(etcd)
	if err := etcd.stop(stopEtcdWithin); err != nil {
		return err
	}
	// Under another name first: an interrupted copy must not look whole.
	unfinished, err := os.MkdirTemp(filepath.Dir(dir), "unfinished-")
	if err != nil {
		return fmt.Errorf("save the cluster's data: %w", err)
	}
	defer os.RemoveAll(unfinished)
	copyErr := os.CopyFS(unfinished, os.DirFS(b.file("etcd")))
	if err := b.startEtcd(ctx); err != nil {
		return err
	}
	if copyErr != nil {
		return fmt.Errorf("save the cluster's data: %w", copyErr)
	}
	// Another process may have saved the same meanwhile: then that one counts.
	if err := os.Rename(unfinished, dir); err != nil && !fileExists(dir) {
		return fmt.Errorf("save the cluster's data: %w", err)
	}
	return nil
}
