// Package file reads feature flags from a file in LaunchDarkly's file-data
// format (flags, flagValues, segments; JSON or YAML), as its SDKs do, and
// evaluates them with LaunchDarkly's own evaluation code.
//
// The file is read again when it changes. One that cannot be read leaves the
// last good values in force; the status says since when they are old and why.
// A toggle rewrites the file in one step, and only if it still is the one the
// plan was made for.
//
//	store.go     Store: a file on disk, or a text in memory
//	data.go      what was read, immutable
//	evaluate.go  what a context gets
//	describe.go  a flag in midwatch's vocabulary, its rules in words
//	edit.go      the text with one flag changed
//	provider.go  Provider: the file as a flags.Provider
//	history.go   what changed, as far as it was seen
package file
