//go:build !scale

package e2e

// sharesBed says that all tests of the package use one bed.
const sharesBed = true
