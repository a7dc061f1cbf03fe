// Package kvpane is the pane of Vault's versioned secrets: lists, versions with
// who wrote them, what keys came and went, all without a value; and one value
// at a time, for ten seconds, when somebody asks for it.
package kvpane
