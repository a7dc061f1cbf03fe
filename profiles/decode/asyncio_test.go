package decode

import (
	"slices"
	"strings"
	"testing"
)

func TestTasksAreCountedWhereTheyWait(t *testing.T) {
	p := decodeFixture(t, "python314.pstree")
	const album = "(task);main;TaskGroup.__aexit__;TaskGroup._aexit;(task);album;TaskGroup.__aexit__;TaskGroup._aexit"
	want := []string{
		"(task);main;TaskGroup.__aexit__;TaskGroup._aexit 1",
		album + " 1", album + " 1",
		album + ";(task);play;sleep 1", album + ";(task);play;sleep 1", album + ";(task);play;sleep 1", album + ";(task);play;sleep 1",
	}
	slices.Sort(want)
	if got := stacks(p, 0); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if keys := p.LabelKeys(); !slices.Equal(keys, []string{"task"}) {
		t.Errorf("labels %q", keys)
	}
}

func TestADamagedTreeOfTasks(t *testing.T) {
	p, err := Bytes([]byte("└── (T) Task-1\n        └──  lost example.py:3\nError retrieving tasks\n    └──  main\n└──  nobody's x.py:1\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := stacks(p, 0); !slices.Equal(got, []string{"(task);main 1"}) || len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "3 lines") {
		t.Errorf("got %q, warnings %q", got, p.Warnings)
	}
}
