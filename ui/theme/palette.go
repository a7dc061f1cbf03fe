package theme

// colors are the pigments of a theme with 256 colours or more. A terminal
// with fewer gets the nearest one from Bubble Tea, except for 16, where the
// nearest is often unreadable: those have looks of their own.
type colors struct {
	fg, muted, faint, title, accent  string
	border, borderFocus              string
	selectFg, selectBg, dimBg        string
	ok, info, warn, fail, unknown    string
	dangerFg, dangerBg               string
	chipFg, chipBg, matchFg, matchBg string
	headerFg, headerBg               string
}

// darkColors stand on a black or near black background.
func darkColors() colors {
	return colors{
		fg: "", muted: "#9aa5b1", faint: "#6b7683", title: "#e6edf3", accent: "#7cc4fa",
		border: "#4b5563", borderFocus: "#7cc4fa",
		selectFg: "#ffffff", selectBg: "#264f78", dimBg: "#2b3340",
		ok: "#7ee787", info: "#79c0ff", warn: "#f2cc60", fail: "#ff7b72", unknown: "#d2a8ff",
		dangerFg: "#ffffff", dangerBg: "#b62324",
		chipFg: "#0d1117", chipBg: "#7cc4fa", matchFg: "#0d1117", matchBg: "#f2cc60",
		headerFg: "#e6edf3", headerBg: "#21262d",
	}
}

// lightColors stand on a white or near white background.
func lightColors() colors {
	return colors{
		fg: "", muted: "#57606a", faint: "#767e87", title: "#1f2328", accent: "#0550ae",
		border: "#afb8c1", borderFocus: "#0550ae",
		selectFg: "#ffffff", selectBg: "#0550ae", dimBg: "#d0d7de",
		ok: "#116329", info: "#0550ae", warn: "#7d4e00", fail: "#a40e26", unknown: "#6639ba",
		dangerFg: "#ffffff", dangerBg: "#a40e26",
		chipFg: "#ffffff", chipBg: "#0550ae", matchFg: "#1f2328", matchBg: "#f5d76e",
		headerFg: "#1f2328", headerBg: "#e4e8ec",
	}
}

func paint(c colors) [tokens]look {
	return [tokens]look{
		Text:        {fg: c.fg},
		Muted:       {fg: c.muted},
		Faint:       {fg: c.faint},
		Title:       {fg: c.title, bold: true},
		Accent:      {fg: c.accent, bold: true},
		Border:      {fg: c.border},
		BorderFocus: {fg: c.borderFocus},
		Selected:    {fg: c.selectFg, bg: c.selectBg, bold: true},
		SelectedDim: {bg: c.dimBg},
		OK:          {fg: c.ok},
		Info:        {fg: c.info},
		Warn:        {fg: c.warn},
		Fail:        {fg: c.fail, bold: true},
		Unknown:     {fg: c.unknown},
		Danger:      {fg: c.dangerFg, bg: c.dangerBg, bold: true},
		Chip:        {fg: c.chipFg, bg: c.chipBg},
		Added:       {fg: c.ok},
		Removed:     {fg: c.fail},
		Match:       {fg: c.matchFg, bg: c.matchBg},
		Header:      {fg: c.headerFg, bg: c.headerBg},
	}
}

// basicLooks use the terminal's own sixteen colours, by number. Yellow and
// cyan are unreadable on white, grey (8) on many blacks: a light background
// gets the darker half, and what is secondary keeps the terminal's own
// foreground with an attribute.
func basicLooks(light bool) [tokens]look {
	red, green, yellow, blue, magenta, cyan := "9", "10", "11", "12", "13", "14"
	if light {
		red, green, yellow, blue, magenta, cyan = "1", "2", "5", "4", "5", "4"
	}
	return [tokens]look{
		Text:        {},
		Muted:       {},
		Faint:       {faint: true},
		Title:       {bold: true},
		Accent:      {fg: cyan, bold: true},
		Border:      {faint: true},
		BorderFocus: {fg: cyan},
		Selected:    {reverse: true, bold: true},
		SelectedDim: {underscored: true},
		OK:          {fg: green},
		Info:        {fg: blue},
		Warn:        {fg: yellow},
		Fail:        {fg: red, bold: true},
		Unknown:     {fg: magenta},
		Danger:      {fg: "15", bg: "1", bold: true},
		Chip:        {reverse: true},
		Added:       {fg: green},
		Removed:     {fg: red},
		Match:       {fg: "0", bg: "3"},
		Header:      {reverse: true},
	}
}

// plainLooks carry every meaning by attributes alone (NO_COLOR, TERM=vt100).
func plainLooks() [tokens]look {
	return [tokens]look{
		Faint:       {faint: true},
		Title:       {bold: true},
		Accent:      {bold: true},
		BorderFocus: {bold: true},
		Selected:    {reverse: true},
		SelectedDim: {underscored: true},
		Warn:        {bold: true},
		Fail:        {bold: true},
		Danger:      {reverse: true, bold: true},
		Chip:        {reverse: true},
		Added:       {bold: true},
		Removed:     {faint: true},
		Match:       {underscored: true},
		Header:      {reverse: true},
	}
}
