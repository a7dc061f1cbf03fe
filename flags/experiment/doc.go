// Package experiment knows self-hosted A/B experiments: those that an
// application assigns itself by hashing, without a flag service.
//
// The assignment is the widespread recipe in Python
//
//	h = int(hashlib.sha256(f"{name}:{user_id}".encode()).hexdigest(), 16)
//	if (h % 10000) / 10000 > traffic_percent: return "control"
//	return variants[h % len(variants)]
//
// bit for bit ([Definition.Assign]), together with what follows from it and
// surprises people on call: [Definition.Admitted], [Definition.Shares] and the
// pitfalls as data ([Definition.Lint]). Definitions are read from YAML or JSON
// ([Parse]); exposures are counted from log lines ([Counter]) by unique user,
// and [Definition.Split] tests whether the split is the one that was meant.
//
// Everything here is pure; package experiment/source reads the cluster.
package experiment
