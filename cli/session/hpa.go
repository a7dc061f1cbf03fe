package session

import (
	"midwatch/k8s/connect"
	"midwatch/k8s/hpa"
	"midwatch/k8s/hpawatch"
	"midwatch/live"
)

// scalers explains autoscalers while the console shows them.
func (o *Opener) scalers(cluster *connect.Cluster, hub *live.Hub) *hpawatch.Source {
	return hpawatch.NewSource(hpawatch.NewReader(cluster, o.Clock, hpa.DefaultFlags()), hub, o.Clock)
}
