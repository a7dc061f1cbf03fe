// Package vault talks to HashiCorp Vault and OpenBao, which share their wire
// protocol: it finds the server and the token as the vault command does, logs
// in where it was told to, says who the token is and what it may do, and turns
// every failure into one clear line.
//
// It reads. What writes is an [action.Plan] made by the packages below
// (lease, kv) and carried out by the gate; the transport under the client
// refuses every other write. At most [MaxInFlight] requests are on their way
// at any time, and no listing is sent that nobody asked for.
//
// Values of secrets pass through package kv only, one key at a time, when
// someone asks for that key.
package vault
