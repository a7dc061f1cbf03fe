package testbed

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	etcdName       = "etcd"
	apiServerName  = "kube-apiserver"
	controllerName = "kube-controller-manager"
	schedulerName  = "kube-scheduler"

	// stopEtcdWithin is how long etcd has to write down what it holds.
	stopEtcdWithin = 20 * time.Second
)

func (b *Bed) startEtcd(ctx context.Context) error {
	client := fmt.Sprintf("http://127.0.0.1:%d", b.ports.etcd)
	peer := fmt.Sprintf("http://127.0.0.1:%d", b.ports.etcdPeer)
	p, err := b.run(etcdName, b.binaries.Kube, etcdName,
		"--name=bed",
		"--data-dir="+filepath.Join(b.dir, "etcd"),
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--initial-cluster=bed="+peer,
		// Data from a snapshot names a member with other ports.
		fmt.Sprintf("--force-new-cluster=%t", b.restored),
		"--unsafe-no-fsync", // the data does not outlive the bed
		"--quota-backend-bytes=4294967296",
		"--log-level=warn",
	)
	if err != nil {
		return err
	}
	return b.waitHTTP(ctx, p, client+"/readyz", http.DefaultTransport)
}

// StartAPIServer starts the API server, on the same port and data if it was
// stopped before, and returns when it is ready.
func (b *Bed) StartAPIServer(ctx context.Context) error {
	if b.find(apiServerName) != nil {
		return errors.New("start kube-apiserver: it is running")
	}
	if err := b.ensureServingFiles(); err != nil {
		return err
	}
	args := []string{
		apiServerName,
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", b.ports.etcd),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", b.ports.api),
		"--advertise-address=127.0.0.1",
		// A loopback address is not allowed as the endpoint of the kubernetes
		// Service, and no pod here would use it.
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + b.dir,
		"--tls-cert-file=" + b.file("apiserver.crt"), "--tls-private-key-file=" + b.file("apiserver.key"),
		"--token-auth-file=" + b.creds.tokenFile(),
		"--authorization-mode=RBAC",
		"--service-account-key-file=" + b.file("service-account.key"),
		"--service-account-signing-key-file=" + b.file("service-account.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + b.ca.file(),
		"--allow-privileged=true",
		"--profiling=false",
	}
	p, err := b.run(apiServerName, b.binaries.Kube, args...)
	if err != nil {
		return err
	}
	transport := b.transport()
	defer transport.CloseIdleConnections()
	return b.waitHTTP(ctx, p, b.creds.server+"/readyz", transport)
}

// ensureServingFiles writes the API server's keys the first time.
func (b *Bed) ensureServingFiles() error {
	if fileExists(b.file("apiserver.crt")) {
		return nil
	}
	if _, _, err := b.ca.newKey("service-account"); err != nil {
		return err
	}
	_, _, err := b.ca.issue("apiserver", "kubernetes.default.svc")
	return err
}

// StopAPIServer stops the API server. Clients see their connections cut and
// then refused. The data stays, and so does the rest of the control plane.
func (b *Bed) StopAPIServer() error {
	p := b.find(apiServerName)
	if p == nil {
		return errors.New("stop kube-apiserver: it is not running")
	}
	b.forget(p)
	// Left alone it drains its watches for up to a minute.
	return p.stop(time.Second)
}

// PauseAPIServer freezes the API server: connections stay open and nothing
// answers, as if the cable had been pulled. ResumeAPIServer lets it go on.
func (b *Bed) PauseAPIServer() error { return b.signalAPIServer(syscall.SIGSTOP) }

// ResumeAPIServer lets a paused API server go on where it was.
func (b *Bed) ResumeAPIServer() error { return b.signalAPIServer(syscall.SIGCONT) }

func (b *Bed) signalAPIServer(sig syscall.Signal) error {
	p := b.find(apiServerName)
	if p == nil {
		return fmt.Errorf("signal %s to kube-apiserver: it is not running", sig)
	}
	return p.signal(sig)
}

// Compact makes every resource version seen until now too old: a watch that
// resumes from one, or a list that continues from one, is answered 410 Expired.
// It compacts etcd and then restarts the API server, because a running one
// still answers from the history in its watch cache.
func (b *Bed) Compact(ctx context.Context) error {
	if err := b.StopAPIServer(); err != nil {
		return err
	}
	if err := b.compactEtcd(ctx); err != nil {
		return err
	}
	return b.StartAPIServer(ctx)
}

// compactEtcd drops all history of etcd's.
func (b *Bed) compactEtcd(ctx context.Context) error {
	var status struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := b.etcd(ctx, "/v3/maintenance/status", "{}", &status); err != nil {
		return fmt.Errorf("ask etcd for its revision: %w", err)
	}
	body := fmt.Sprintf(`{"revision":%q,"physical":true}`, status.Header.Revision)
	if err := b.etcd(ctx, "/v3/kv/compaction", body, nil); err != nil {
		return fmt.Errorf("compact etcd at revision %s: %w", status.Header.Revision, err)
	}
	return nil
}

// etcd posts a request to etcd's JSON gateway.
func (b *Bed) etcd(ctx context.Context, path, body string, out any) error {
	url := fmt.Sprintf("http://127.0.0.1:%d%s", b.ports.etcd, path)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(data))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// startControllers starts controller-manager and scheduler and waits for the
// first thing without which no pod can be created.
func (b *Bed) startControllers(ctx context.Context) error {
	rates := []string{"--kube-api-qps=100", "--kube-api-burst=200"}
	var workers []string
	if b.opts.ManyPods {
		rates = []string{"--kube-api-qps=400", "--kube-api-burst=800"}
		workers = []string{"--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20"}
	}
	args := append([]string{
		controllerName,
		"--kubeconfig=" + b.creds.kubeconfig("system:kube-controller-manager"),
		"--secure-port=0", // no port for health and metrics: nobody asks
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + b.file("service-account.key"),
		"--root-ca-file=" + b.ca.file(),
		"--horizontal-pod-autoscaler-sync-period=" + b.opts.HPASync.String(),
		"--node-monitor-grace-period=" + b.opts.NodeGrace.String(),
	}, append(rates, workers...)...)
	if _, err := b.run(controllerName, b.binaries.Kube, args...); err != nil {
		return err
	}
	args = append([]string{
		schedulerName,
		"--kubeconfig=" + b.creds.kubeconfig("system:kube-scheduler"),
		"--secure-port=0",
		"--leader-elect=false",
	}, rates...)
	if _, err := b.run(schedulerName, b.binaries.Kube, args...); err != nil {
		return err
	}
	err := b.Wait(ctx, func(ctx context.Context) error {
		_, err := b.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for kube-controller-manager to make the default service account: %w; the end of its log:\n%s",
			err, tailOf(b.file(controllerName+".log"), 15))
	}
	return nil
}

// transport speaks to the API server and trusts the bed's authority only.
func (b *Bed) transport() *http.Transport {
	pool := x509.NewCertPool()
	pool.AddCert(b.ca.cert)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
}

// waitHTTP waits until the URL answers 200.
func (b *Bed) waitHTTP(ctx context.Context, p *process, url string, transport http.RoundTripper) error {
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	err := b.Wait(ctx, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
			return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(body))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s at %s: %w; the end of its log:\n%s", p.name, url, err, p.tail())
	}
	return nil
}
