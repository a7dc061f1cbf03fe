package session

import (
	"midwatch/action"
	"midwatch/k8s/connect"
	"midwatch/profiles/capture"
)

// profiles makes what takes profiles from pods.
func (o *Opener) profiles(cluster *connect.Cluster, gate *action.Gate) *capture.Taker {
	return capture.New(capture.Options{
		Cluster: cluster, Context: cluster.Context, Clock: o.Clock, Journal: gate, Rules: o.ProfileRules,
	})
}
