// Package eventspane is the list of events: the Warnings of the scope, or
// everything that was said about one object.
package eventspane
