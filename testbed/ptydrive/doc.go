// Package ptydrive runs a terminal program in a real pseudo-terminal and plays
// the person in front of it: reads the screen, presses keys, resizes the
// window, hangs up.
//
//	s, err := ptydrive.Start(ptydrive.Options{Command: []string{bin, "demo"}, Cols: 120, Rows: 40})
//	...
//	defer s.Close()
//	err = s.WaitFor(ctx, "fastapi-service")
//	s.Send("/fast" + ptydrive.Enter)
//
// Waiting is for what the screen shows, never for time.
package ptydrive
