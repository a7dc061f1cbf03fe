// Package boardpane shows every workload of the scope, the one in most trouble
// first, with one line of why.
package boardpane
