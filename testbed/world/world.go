// Package world is the sample world of the test bed: a shop that is well, a
// platform that is well, and payments, where every Deployment has a trouble of
// its own.
package world

import _ "embed"

// Shop is namespace shop: the API fastapi-service with Service, Ingress,
// configuration and autoscaler, and the StatefulSet redis.
//
//go:embed shop.yaml
var Shop string

// Platform is namespace platform: a DaemonSet, a Deployment with several
// containers, a Job.
//
//go:embed platform.yaml
var Platform string

// Payments is namespace payments: one Deployment for each kind of trouble.
//
//go:embed payments.yaml
var Payments string

// All returns every document of the world, in the order to apply them.
func All() []string { return []string{Shop, Platform, Payments} }
