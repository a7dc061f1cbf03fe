package theme

// The looks of a flame's boxes. They follow the named tokens: first those of
// other people's packages, then those of one's own, then the steps of a
// comparison from much less to much more.
const (
	flameColours = 8
	flameSteps   = 7 // of a comparison; the middle one is "the same"

	flameFirst = tokens
	flameOwn   = flameFirst + flameColours
	flameDiff  = flameOwn + flameColours
	allTokens  = flameDiff + flameSteps
)

// Flame is the look of a package in a flame: stable for a hash of its name,
// stronger for one's own code.
func Flame(hash uint32, own bool) Token {
	first := flameFirst
	if own {
		first = flameOwn
	}
	return first + Token(hash%flameColours)
}

// Change is the look of a box in a comparison. size is from -1, which stands
// for much less, to 1.
func Change(size float64) Token {
	const middle = flameSteps / 2
	step := middle
	switch {
	case size >= 0.5:
		step = middle + 3
	case size >= 0.15:
		step = middle + 2
	case size > 0.02:
		step = middle + 1
	case size <= -0.5:
		step = middle - 3
	case size <= -0.15:
		step = middle - 2
	case size < -0.02:
		step = middle - 1
	}
	return flameDiff + Token(step)
}

// flameLooks are those of the boxes, in the order of the tokens. The ramp of
// a comparison is blue, grey and red, which people who cannot tell red from
// green can read; signs say the same.
func flameLooks(o Options) [flameColours + flameColours + flameSteps]look {
	switch {
	case !o.Color:
		return plainFlame()
	case o.Basic:
		return basicFlame()
	}
	others := [flameColours]string{"#2f4858", "#3d405b", "#41463d", "#4a3f55", "#38493f", "#553c3c", "#2d4a4a", "#4d4636"}
	otherFg := "#e6edf3"
	steps := [flameSteps]look{
		{bg: "#1a85ff", fg: "#000000"}, {bg: "#4f97e3", fg: "#000000"}, {bg: "#4b6583", fg: "#ffffff"}, {bg: "#544f4f", fg: "#ffffff"},
		{bg: "#7d524c", fg: "#ffffff"}, {bg: "#b04033", fg: "#ffffff"}, {bg: "#dc3220", fg: "#ffffff", bold: true},
	}
	if o.Light {
		others = [flameColours]string{"#dbe7ee", "#e2e0f0", "#e6ead9", "#eadff0", "#dcefe3", "#f3dede", "#d9eeee", "#efe8d6"}
		otherFg = "#24292f"
		steps[2], steps[3], steps[4] = look{bg: "#c4d6ea", fg: "#24292f"}, look{bg: "#dfdcdc", fg: "#24292f"}, look{bg: "#eccfca", fg: "#24292f"}
	}
	own := [flameColours]string{"#9a5210", "#933f2a", "#7d540d", "#6f4aa0", "#246b4c", "#a03a4c", "#1f6584", "#66591c"}
	var out [flameColours + flameColours + flameSteps]look
	for i := range flameColours {
		out[i] = look{fg: otherFg, bg: others[i]}
		out[flameColours+i] = look{fg: "#ffffff", bg: own[i], bold: true}
	}
	copy(out[2*flameColours:], steps[:])
	return out
}

// basicFlame has sixteen colours, the terminal's own: one's own code stands on
// a colour, the rest is written in one.
func basicFlame() [flameColours + flameColours + flameSteps]look {
	var out [flameColours + flameColours + flameSteps]look
	for i, c := range [flameColours]string{"6", "4", "2", "5", "6", "4", "2", "5"} {
		out[i] = look{fg: c}
		out[flameColours+i] = look{fg: "15", bg: c, bold: true}
	}
	copy(out[2*flameColours:], []look{
		{fg: "15", bg: "4", bold: true}, {fg: "15", bg: "4"}, {fg: "4"}, {}, {fg: "1"}, {fg: "15", bg: "1"}, {fg: "15", bg: "1", bold: true},
	})
	return out
}

// plainFlame tells boxes apart by their borders and signs alone.
func plainFlame() [flameColours + flameColours + flameSteps]look {
	var out [flameColours + flameColours + flameSteps]look
	for i := range flameColours {
		out[flameColours+i] = look{bold: true}
	}
	copy(out[2*flameColours:], []look{{faint: true}, {faint: true}, {}, {}, {}, {bold: true}, {bold: true, reverse: true}})
	return out
}
