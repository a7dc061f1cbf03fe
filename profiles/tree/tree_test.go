package tree

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"midwatch/foreign"
	"midwatch/profiles"
	"midwatch/profiles/decode"
	"midwatch/profiles/internal/proftest"
)

func stacksOf(t testing.TB, lines ...string) *profiles.Profile {
	t.Helper()
	p, err := decode.Bytes([]byte(strings.Join(lines, "\n")+"\n"), decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPeekAgreesWithPprof: callers and callees of every function of generated
// profiles with recursion.
func TestPeekAgreesWithPprof(t *testing.T) {
	for seed := range uint64(12) {
		path, p := saved(t, proftest.Generated(seed))
		if p.Total(1) == 0 {
			continue
		}
		tr := Build(p, Options{Type: 1})
		out, err := proftest.Pprof(t, "-peek=.", "-nodefraction=0", "-edgefraction=0", "-nodecount=0", "-unit=ns", path)
		if err != nil {
			t.Fatal(err)
		}
		want := peekBlocks(out)
		for _, row := range tr.Top(ByFlat) {
			callers, callees := tr.Peek(row.Frame)
			got := fmt.Sprint(edgeSet(tr, callers), edgeSet(tr, callees))
			w, ok := want[row.Name.String()]
			if !ok {
				t.Fatalf("seed %d: pprof has no block for %s", seed, row.Name)
			}
			if got != fmt.Sprint(w[0], w[1]) {
				t.Errorf("seed %d, %s:\n got %s\nwant %v", seed, row.Name, got, w)
			}
		}
	}
}

func edgeSet(t *Tree, edges []Edge) map[string]string {
	set := map[string]string{}
	for _, e := range edges {
		set[t.Frames[e.Frame].Name.String()] = strconv.FormatInt(e.Value, 10)
	}
	return set
}

var (
	peekEdge = regexp.MustCompile(`^\s*(-?\d+)\S*\s+\S+% \|\s+(.*?)(?: \((?:partial-)?inline\))?$`)
	peekNode = regexp.MustCompile(`^\s*-?\d+\S*\s+\S+%\s+\S+%\s+-?\d+\S*\s+\S+%\s+\|\s(.*?)(?: \((?:partial-)?inline\))?\s*$`)
)

// peekBlocks reads callers and callees of each function.
func peekBlocks(out string) map[string][2]map[string]string {
	blocks := map[string][2]map[string]string{}
	for _, block := range strings.Split(out, "----------------------------------------------------------+-------------") {
		sides := [2]map[string]string{{}, {}}
		name, side := "", 0
		for _, line := range strings.Split(block, "\n") {
			if m := peekNode.FindStringSubmatch(line); m != nil && !strings.HasPrefix(m[1], " ") {
				name, side = m[1], 1
			} else if m := peekEdge.FindStringSubmatch(line); m != nil && m[1] != "0" {
				sides[side][m[2]] = m[1]
			}
		}
		if name != "" {
			blocks[name] = sides
		}
	}
	return blocks
}

// TestSandwichSumsToTheFunction: callers and callees of a function hold its
// whole cum, and its flat is what is left below.
func TestSandwichSumsToTheFunction(t *testing.T) {
	for seed := uint64(1); seed < 20; seed++ {
		_, p := saved(t, proftest.Generated(seed))
		tr := Build(p, Options{Type: 1})
		for _, row := range tr.Top(ByCum) {
			callers, callees := tr.Callers(row.Frame), tr.Callees(row.Frame)
			if callers.Nodes[0].Cum != row.Cum || callees.Nodes[0].Cum != row.Cum {
				t.Fatalf("seed %d, %s: cum %d, callers %d, callees %d", seed, row.Name, row.Cum, callers.Nodes[0].Cum, callees.Nodes[0].Cum)
			}
			var flat int64
			for i := range callees.Nodes {
				if callees.Nodes[i].Frame == row.Frame {
					flat += callees.Nodes[i].Self
				}
			}
			if flat != row.Flat {
				t.Fatalf("seed %d, %s: flat %d, in callees %d", seed, row.Name, row.Flat, flat)
			}
		}
	}
}

// TestLayoutNeverDrifts: for every width the boxes of a row lie within their
// parent, do not overlap, and together with self fill it.
func TestLayoutNeverDrifts(t *testing.T) {
	p, err := decode.File(proftest.DefaultPGO(t), decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	tr := Build(p, Options{Type: 1})
	for _, tr := range []*Tree{tr, tr.ByName()} {
		for _, width := range []int{1, 2, 7, 40, 80, 119, 200} {
			l := tr.Layout(0, LayoutOptions{Width: width, Height: 200})
			if l.Rows[0][0].Width != width {
				t.Fatalf("root is %d wide, want %d", l.Rows[0][0].Width, width)
			}
			for y := 1; y < len(l.Rows); y++ {
				checkRow(t, tr, l.Rows[y-1], l.Rows[y])
			}
		}
	}
}

func checkRow(t *testing.T, tr *Tree, above, row []Cell) {
	t.Helper()
	end := 0
	for _, c := range row {
		if c.Width < 1 || c.X < end {
			t.Fatalf("box %+v overlaps what ends at %d", c, end)
		}
		end = c.X + c.Width
		inside := false
		for _, a := range above {
			inside = inside || c.X >= a.X && c.X+c.Width <= a.X+a.Width && a.More == 0
		}
		if !inside {
			t.Fatalf("box %+v sticks out of the row above", c)
		}
		if c.More > 0 && len(tr.Small(c.Node, c.Below)) != c.More {
			t.Fatalf("box %+v stands for %d siblings", c, len(tr.Small(c.Node, c.Below)))
		}
	}
}

func TestLayoutShowsSelfAsAGapAndLeftoversAsABox(t *testing.T) {
	lines := []string{"a;b 40", "a 30"}
	for i := range 30 {
		lines = append(lines, fmt.Sprintf("a;small%02d 1", i))
	}
	tr := Build(stacksOf(t, lines...), Options{})
	l := tr.Layout(0, LayoutOptions{Width: 20, Height: 10})
	row := l.Rows[2]
	if len(row) != 2 || tr.Name(row[0].Node) != "b" || row[0].Width != 8 || row[1].More != 30 || row[1].Width != 6 {
		t.Fatalf("got %+v; want b over 8 cells and 30 leftovers over 6, then 6 free", row)
	}
}

func TestLayoutFoldsChainsOfLibraryFrames(t *testing.T) {
	tr := Build(stacksOf(t, "main.main;net/http.(*conn).serve;net/http.HandlerFunc.ServeHTTP;net/http.(*ServeMux).ServeHTTP;main.handle 9", "main.main;main.other 1"), Options{})
	l := tr.Layout(0, LayoutOptions{Width: 80, Height: 10, Fold: Library})
	c := l.Rows[2][0]
	if c.Chain != 2 || tr.Name(c.Node) != "net/http.(*ServeMux).ServeHTTP" {
		t.Fatalf("got %+v (%s)", c, tr.Name(c.Node))
	}
	if tr.Name(l.Rows[3][0].Node) != "main.handle" {
		t.Errorf("below the chain is %s", tr.Name(l.Rows[3][0].Node))
	}
}

func TestSearchCountsAStackOnce(t *testing.T) {
	tr := Build(stacksOf(t, "a;json.x;json.y;json.x 10", "a;json.y 5", "a 3"), Options{})
	for query, want := range map[string][3]int64{"JSON": {15, 15, 4}, "re:x$": {10, 10, 2}, "json.y": {15, 5, 2}, "!json": {18, 3, 1}} {
		match, err := Matcher(query)
		if err != nil {
			t.Fatal(err)
		}
		h := tr.Search(match)
		if got := [3]int64{h.Cum, h.Self, int64(len(h.Nodes))}; got != want {
			t.Errorf("%q: cum, self, nodes %v, want %v", query, got, want)
		}
	}
	if _, err := Matcher("re:("); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a broken pattern gives %v", err)
	}
}

func TestFoldRecursionKeepsTotals(t *testing.T) {
	p := stacksOf(t, "a;b;b;b;a;c 7", "a;b 2", "a;a;d 1")
	plain, once := Build(p, Options{}), Build(p, Options{FoldRecursion: true})
	for i, row := range plain.Top(ByCum) {
		if got := once.Top(ByCum)[i]; got.Name != row.Name || got.Cum != row.Cum || got.Flat != row.Flat {
			t.Errorf("%+v became %+v", row, got)
		}
	}
	if len(once.Nodes) >= len(plain.Nodes) {
		t.Errorf("%d nodes, %d before", len(once.Nodes), len(plain.Nodes))
	}
}

func TestOwnCode(t *testing.T) {
	tests := []struct {
		name, file string
		own        bool
	}{
		{"main.main", "/src/main.go", true},
		{"shop/cart.(*Cart).Total", "/src/cart/cart.go", true},
		{"github.com/acme/shop/cart.Total", "/build/cart/cart.go", true},
		{"github.com/acme/db/v4.Get", "/root/go/pkg/mod/github.com/acme/db/v4@v4.1.0/db.go", false},
		{"github.com/acme/db/v4.Get", "github.com/acme/db/v4@v4.1.0/db.go", false},
		{"github.com/acme/db.Get", "/src/vendor/github.com/acme/db/db.go", false},
		{"encoding/json.Unmarshal", "/usr/local/go/src/encoding/json/decode.go", false},
		{"runtime.mallocgc", "runtime/malloc.go", false},
		{"slices.SortFunc[go.shape.[]int,go.shape.int]", "slices/sort.go", false},
		{"memmove", "", false},
		{"handle", "/srv/app/orders.py", true},
		{"get", "/usr/lib/python3/dist-packages/requests/api.py", false},
		{"dumps", "/usr/lib/python3.11/json/__init__.py", false},
		{"<built-in method len>", "~", false},
		{"_call", "<frozen importlib._bootstrap>", false},
	}
	for _, tt := range tests {
		if got := Own(Frame{Name: foreign.Text(tt.name), File: foreign.Text(tt.file)}); got != tt.own {
			t.Errorf("%s in %s: own %t, want %t", tt.name, tt.file, got, tt.own)
		}
	}
	p := stacksOf(t, "main.main;net/http.serve;main.handle;encoding/json.Unmarshal 6", "runtime.gcBgMarkWorker;runtime.scan 4")
	tr := Build(p, Options{Own: Own})
	var out strings.Builder
	if err := tr.WriteFolded(&out); err != nil {
		t.Fatal(err)
	}
	if out.String() != "main.main;main.handle 6\n(no own code) 4\n" {
		t.Errorf("got:\n%s", out.String())
	}
}

// TestShortAgreesWithPprof reads pprof's own table of names from its test.
func TestShortAgreesWithPprof(t *testing.T) {
	dir := filepath.Dir(filepath.Dir(filepath.Dir(proftest.Published(t)[0])))
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, "internal/graph/graph_test.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	ast.Inspect(file, func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		if !ok || f.Name.Name != "TestShortenFunctionName" {
			return !ok || f.Name.Name == ""
		}
		ast.Inspect(f, func(n ast.Node) bool {
			pair, ok := n.(*ast.CompositeLit)
			if !ok || len(pair.Elts) != 2 {
				return true
			}
			var s [2]string
			for i, e := range pair.Elts {
				lit, ok := e.(*ast.BasicLit)
				if !ok {
					return true
				}
				s[i], _ = strconv.Unquote(lit.Value)
			}
			checked++
			if got := Short(foreign.Text(s[0])); got != s[1] {
				t.Errorf("%q: %q, pprof says %q", s[0], got, s[1])
			}
			return false
		})
		return false
	})
	if checked < 25 {
		t.Errorf("only %d names found in pprof's table", checked)
	}
}

func TestLabelFitsItsBox(t *testing.T) {
	f := Frame{Name: "github.com/acme/shop/cart.(*Cart).TotalWithDiscount.func1"}
	for w, want := range map[int]string{
		80: "github.com/acme/shop/cart.(*Cart).TotalWithDiscount.func1",
		40: "cart.(*Cart).TotalWithDiscount.func1",
		20: "TotalWithDiscount",
		9:  "Tota…ount",
		4:  "To…t",
		3:  "",
		0:  "",
	} {
		if got := Label(f, w, utf8.RuneCountInString); got != want {
			t.Errorf("%d cells: %q, want %q", w, got, want)
		}
	}
	marked := Ellipsis("ééééééé", 5, func(s string) int {
		n := 0
		for _, r := range s {
			if r != 0x301 {
				n++
			}
		}
		return n
	})
	if marked != "éé…éé" {
		t.Errorf("marks were cut off: %q", marked)
	}
}

func TestPackages(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"encoding/json.(*Decoder).Decode", "", "encoding/json"},
		{"main.main.func1", "", "main"},
		{"slices.SortFunc[go.shape.[]github.com/a/b.T,int]", "", "slices"},
		{"std::vector<int>::push_back", "", "std::vector<int>"},
		{"get", "/usr/lib/python3/dist-packages/requests/api.py", "requests"},
		{"dumps", "/usr/lib/python3.11/json/__init__.py", "python"},
		{"handle", "/srv/app/orders.py", "orders"},
		{"[libc.so]", "", ""},
	} {
		if got := Package(Frame{Name: foreign.Text(tt.name), File: foreign.Text(tt.file)}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPathSurvivesANewCapture(t *testing.T) {
	a := Build(stacksOf(t, "a;b;c 5", "a;d 3"), Options{})
	b := Build(stacksOf(t, "a;d 9", "a;b;c 1"), Options{})
	n, ok := a.Find([]foreign.Text{"a", "b", "c"})
	if !ok {
		t.Fatal("a;b;c is not there")
	}
	m, ok := b.Find(a.Path(n))
	if !ok || b.Nodes[m].Self != 1 {
		t.Errorf("found node %d (%t)", m, ok)
	}
}
