// Package eventspane shows events: the warnings of the scope, or everything
// that happened to one object; of a pod also what its containers are doing.
package eventspane
