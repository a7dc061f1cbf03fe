// Midwatch is a terminal ops console for the engineer on call.
//
// See docs/CODEBASE.md for where things live.
package main

import (
	"os"

	"midwatch/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
