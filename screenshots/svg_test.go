package screenshots

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestSVGDrawsCellsWhereTheyStand(t *testing.T) {
	svg := SVG("ab\x1b[1;31mc<d\x1b[0m\n  \x1b[7mz\x1b[0m", 8, 2)
	for _, want := range []string{
		`x="10" y="22.92" textLength="16"`, // "ab" at the origin
		`>ab</text>`,
		`font-weight="bold">c&lt;d</text>`,  // style and escaping
		`fill="` + ground + `">z</text>`,    // reverse swaps ink and ground
		`<rect x="26" y="27" width="8" hei`, // and fills the cell
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
	dec := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
	}
	if svg != SVG("ab\x1b[1;31mc<d\x1b[0m\n  \x1b[7mz\x1b[0m", 8, 2) {
		t.Error("the same frame gave other bytes")
	}
}
