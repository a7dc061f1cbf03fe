// Package secrets answers, for one workload, which secrets it uses, where they
// come from, when they end, and which of its running containers still hold an
// old version. It is pure: objects, pods and the time in, rows out. No value of
// a secret is ever read for it: a Secret is known by its metadata alone.
//
// What the sync operators say is read from unstructured objects of the fields
// named beside each parser, so that none of their code is needed.
package secrets
