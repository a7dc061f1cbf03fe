// Package testbed starts a real Kubernetes control plane for tests: etcd,
// kube-apiserver, kube-controller-manager and kube-scheduler as released, and
// kwok in the place of the nodes. Deployments roll out, StatefulSets order,
// autoscalers scale and RBAC refuses because the real controllers do it; only
// the containers are played, by the stages in stages/ and by the events and
// logs a kubelet would write (kubelet.go).
//
// Nothing here needs root, containers or the network once the Go modules are
// downloaded. The servers are built on first use into the user's cache folder
// (BuildBinaries), listen on 127.0.0.1 only, and end with the bed or, on Linux,
// with the process that started it.
//
//	func TestMain(m *testing.M) {
//		bed, err := testbed.Start(context.Background(), testbed.Options{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		code := m.Run()
//		bed.Close()
//		os.Exit(code)
//	}
//
// What a pod goes through is chosen by annotations of its template, so that a
// rollout brings it about: see ScenarioAnnotation.
package testbed
