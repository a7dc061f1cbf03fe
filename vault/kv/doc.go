// Package kv reads what Vault's versioned key-value engine says about its
// secrets without reading them: the list, the versions with who wrote them and
// when, the custom metadata, and the keys of a version with their values
// blanked by the server (subkeys). So two versions can be compared key by key
// while no value leaves the server.
//
// Three things do read values, each because somebody asked for it, and each
// leaves a line in Vault's audit log: revealing one key, comparing the values
// of two versions, and rolling back. Of what they read nothing is kept.
package kv
