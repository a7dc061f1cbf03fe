// Package uitest tests what is drawn.
//
// [Boxed] holds a view to its rectangle, [Golden] compares a frame with the
// one on file, cell by cell and with its looks, and [Driver] plays a console
// without a terminal: it presses keys, carries commands out, steps the hub and
// the clock, and knows when nothing is left to do, so that no test sleeps.
//
//	d := apptest.Open(t, opts, 80, 24)
//	d.Press("/").Type("check").Press("enter")
//	d.Until("the filter is shown", func(frame string) bool { return strings.Contains(frame, "check") })
//	d.Golden("board filtered")
package uitest
