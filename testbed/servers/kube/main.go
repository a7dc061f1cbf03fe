// Command kube is the whole control plane of the test bed in one binary: etcd,
// kube-apiserver, kube-controller-manager and kube-scheduler, chosen by the
// first argument. One binary because the four share nearly all of their code:
// linking them once takes a quarter of the time and of the disk.
//
// It is what the four upstream main packages do, and nothing more.
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // time zones for CronJobs on machines without zone files

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // the JSON log format
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client-go's metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // the version metric
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

const usage = "usage: kube etcd|kube-apiserver|kube-controller-manager|kube-scheduler [flags]"

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	// Each server parses os.Args itself and expects its own name in front.
	server := os.Args[1]
	os.Args = os.Args[1:]
	switch server {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	default:
		fmt.Fprintf(os.Stderr, "kube: no server %q\n%s\n", server, usage)
		os.Exit(2)
	}
}
