package screenshots

import (
	"fmt"
	"html"
	"image/color"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
)

// The size of a terminal cell in the picture, in SVG user units, and the
// ground it is drawn on.
const (
	cellW, cellH = 8.0, 17.0
	margin       = 10.0
	fontSize     = 13.3
	ground       = "#14161b"
	ink          = "#d6d9e0"
)

// SVG draws a frame of w x h cells. Only the frame decides what it looks
// like: the same frame always gives the same bytes.
func SVG(frame string, w, h int) string {
	screen := uv.NewScreenBuffer(w, h)
	uv.NewStyledString(frame).Draw(screen, uv.Rect(0, 0, w, h))
	width, height := float64(w)*cellW+2*margin, float64(h)*cellH+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", ground)
	fmt.Fprintf(&b, `<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="%g">`+"\n", fontSize)
	for y := range h {
		for _, r := range runs(screen, w, y) {
			r.draw(&b, y)
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// run is a stretch of cells of one style on one line.
type run struct {
	x, cells int
	text     string
	style    uv.Style
}

func runs(screen uv.ScreenBuffer, w, y int) []run {
	var out []run
	for x := 0; x < w; {
		cell := screen.CellAt(x, y)
		if cell == nil || cell.Width == 0 {
			x++
			continue
		}
		if n := len(out); n > 0 && out[n-1].style.Equal(&cell.Style) && out[n-1].x+out[n-1].cells == x {
			out[n-1].text += cell.Content
			out[n-1].cells += cell.Width
		} else {
			out = append(out, run{x: x, cells: cell.Width, text: cell.Content, style: cell.Style})
		}
		x += cell.Width
	}
	return out
}

func (r run) draw(b *strings.Builder, y int) {
	fg, bg := colour(r.style.Fg, ink), colour(r.style.Bg, "")
	if r.style.Attrs&uv.AttrReverse != 0 {
		fg, bg = orElse(bg, ground), fg
	}
	left, top := margin+float64(r.x)*cellW, margin+float64(y)*cellH
	if bg != "" {
		fmt.Fprintf(b, `<rect x="%g" y="%g" width="%g" height="%g" fill="%s"/>`+"\n", left, top, float64(r.cells)*cellW, cellH, bg)
	}
	if strings.TrimSpace(r.text) == "" {
		return
	}
	extra := ""
	if r.style.Attrs&uv.AttrBold != 0 {
		extra += ` font-weight="bold"`
	}
	if r.style.Attrs&uv.AttrItalic != 0 {
		extra += ` font-style="italic"`
	}
	if r.style.Attrs&uv.AttrFaint != 0 {
		extra += ` fill-opacity="0.6"`
	}
	if r.style.Underline != 0 {
		extra += ` text-decoration="underline"`
	}
	fmt.Fprintf(b, `<text xml:space="preserve" x="%g" y="%g" textLength="%g" lengthAdjust="spacingAndGlyphs" fill="%s"%s>%s</text>`+"\n",
		left, top+cellH*0.76, float64(r.cells)*cellW, fg, extra, html.EscapeString(r.text))
}

func colour(c color.Color, fallback string) string {
	if c == nil {
		return fallback
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
