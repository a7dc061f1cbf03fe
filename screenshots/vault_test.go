package screenshots

import (
	"strings"

	"midwatch/ui/uitest"
)

func vaultPictures() []picture {
	return []picture{{"leases-160x48", 160, 48, leases}, {"leases-80x24", 80, 24, leases}}
}

// leases are all of the demo's, one of them in full.
func leases(d *uitest.Driver) {
	d.Press(":").Type("leases").Press("enter").Until("the connection", func(f string) bool { return strings.Contains(f, "database/") }).Idle()
	d.Press("a").Until("the leases", func(f string) bool { return strings.Contains(f, "ledger-backup") }).Press("j", "enter").Idle()
}
