// Package screenshots makes the pictures of the README from real frames of the
// demo. `make screenshots` writes them; the package's test fails when a
// picture is not what the console shows now.
package screenshots
