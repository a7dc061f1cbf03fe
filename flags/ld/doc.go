// Package ld is what the providers that speak LaunchDarkly's data model share:
// contexts, reasons, and targeting rules in words. Evaluation itself is
// LaunchDarkly's own code.
package ld
