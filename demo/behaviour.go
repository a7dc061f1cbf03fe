package demo

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"midwatch/demo/controllers"
)

// paymentsTrace is what payments-api v4.2.0 says before it exits: it wants a key the secret does not have.
const paymentsTrace = `Traceback (most recent call last):
  File "/app/.venv/bin/uvicorn", line 8, in <module>
    sys.exit(main())
  File "/app/.venv/lib/python3.12/site-packages/uvicorn/main.py", line 412, in main
    run(app, host=host, port=port, workers=workers)
  File "/app/.venv/lib/python3.12/site-packages/uvicorn/importer.py", line 19, in import_from_string
    module = importlib.import_module(module_str)
  File "/app/app/main.py", line 21, in <module>
    settings = Settings.from_env()
  File "/app/app/settings.py", line 47, in from_env
    webhook_secret=os.environ["STRIPE_WEBHOOK_SECRET"],
KeyError: 'STRIPE_WEBHOOK_SECRET'`

// behave says what the processes of the world do. It looks only at what a real process could: its image, its environment, its
// node and its past. So a client that changes those changes the outcome.
func behave(pod *corev1.Pod, c *corev1.Container) controllers.Behaviour {
	image := strings.TrimPrefix(c.Image, registry)
	switch {
	case image == "checkout:v2.8.0" && environment(c, "PAYMENTS_URL") == "http://payments-api-v2.payments.svc":
		return controllers.Behaviour{Pull: 2100 * time.Millisecond, ReadyAfter: 3 * time.Second, NotReady: "HTTP probe failed with statuscode: 503"}
	case image == "payments-api:v4.2.0" && environment(c, "STRIPE_WEBHOOK_SECRET") == "":
		return controllers.Behaviour{Pull: 1700 * time.Millisecond, RunFor: 2200 * time.Millisecond, Exit: controllers.Exit{Code: 1, Message: paymentsTrace}}
	case image == "opensearch:2.19.1":
		return controllers.Behaviour{Pull: 9 * time.Second, NotReady: "HTTP probe failed with statuscode: 503"}
	case image == "log-agent:v3.3.0" && pod.Spec.NodeName == "node-4":
		return controllers.Behaviour{PullError: `rpc error: code = NotFound desc = failed to pull and unpack image "` + c.Image + `": no match for platform in manifest: not found`}
	case strings.HasPrefix(image, "webhook-relay:") && restarts(pod) < 2:
		return controllers.Behaviour{RunFor: 29 * time.Hour, Exit: controllers.Exit{Code: 137, Reason: "OOMKilled"}}
	case strings.HasPrefix(image, "invoice-pdf:") && c.Resources.Limits.Memory().Value() < 400<<20:
		return controllers.Behaviour{Pull: 1300 * time.Millisecond, ReadyAfter: time.Minute, RunFor: 11 * time.Second, Exit: controllers.Exit{Code: 137, Reason: "OOMKilled"}}
	case strings.HasPrefix(image, "cart:"):
		return controllers.Behaviour{Pull: 900 * time.Millisecond}
	}
	return controllers.Behaviour{}
}

func environment(c *corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name && e.Value != "" {
			return e.Value
		}
		if e.Name == name && e.ValueFrom != nil {
			return "from elsewhere"
		}
	}
	return ""
}

func restarts(pod *corev1.Pod) int32 {
	var n int32
	for _, c := range pod.Status.ContainerStatuses {
		n += c.RestartCount
	}
	return n
}
