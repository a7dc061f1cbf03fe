// Package yamlpane shows one object as YAML: read when it is opened, coloured,
// searchable. Values of Secrets never reach it.
package yamlpane
