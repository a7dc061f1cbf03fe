// Package apiserver is a Kubernetes API server that lives in one process and in memory.
//
// It answers the real wire protocol (discovery, JSON and protobuf, list and watch, the patch kinds, graceful deletion, Status
// errors) over connections that never leave the process, so a client built with client-go cannot tell it from a cluster. It has
// no controllers: package controllers adds those. It serves two purposes:
//
//   - the world behind `midwatch demo`;
//   - the test server of every client in the project: [Server.Fail] injects the failures a real server or the network produces,
//     [Server.Requests] tells what was sent.
//
// # How a request travels
//
//	Dial (conn.go) -> net/http -> Server.ServeHTTP (server.go)
//	   -> parse (request.go) -> record -> faults (fault.go) -> authorise (rules.go)
//	   -> get list watch create update patch delete | subresource | discovery | review
//	   -> Store (store.go, write.go): the only place that changes an object
//
// # Rules of the store
//
// A stored object is never changed in place: every write replaces it, so readers share pointers without copying and must not
// modify what they are given. There is one resourceVersion counter for everything. Each resource keeps a bounded history from
// which watches are served; a watch that starts before it gets 410 Expired, as from a real server after compaction.
//
// Adding a kind is one line, see [Server.Register].
package apiserver
