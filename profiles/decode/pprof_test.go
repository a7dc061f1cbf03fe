package decode

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/pprof/profile"

	"midwatch/profiles"
	"midwatch/profiles/internal/proftest"
)

// same fails when two profiles differ in anything but how they were read.
func same(t *testing.T, got, want *profiles.Profile) {
	t.Helper()
	plain := *want
	plain.Format, plain.Source, plain.Warnings, plain.Time, plain.Exactness = got.Format, got.Source, got.Warnings, got.Time, got.Exactness
	if reflect.DeepEqual(&plain, got) && got.Time.Equal(want.Time) {
		return // the fast way: cmp takes seconds for a large profile
	}
	ignore := cmpopts.IgnoreFields(profiles.Profile{}, "Format", "Exactness", "Source", "Warnings", "Time")
	if d := cmp.Diff(want, got, ignore, cmp.AllowUnexported(profiles.Profile{}), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("differs from the library's reading (-library +ours):\n%.2000s", d)
	}
	if !got.Time.Equal(want.Time) {
		t.Fatalf("time %v, want %v", got.Time, want.Time)
	}
}

// TestStreamingDecoderReadsWhatTheLibraryReads holds the hand-written decoder
// to google/pprof's own on every published profile and on generated ones.
func TestStreamingDecoderReadsWhatTheLibraryReads(t *testing.T) {
	for _, file := range proftest.Published(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(file)))+"/"+filepath.Base(file), func(t *testing.T) {
			lib, libErr := profile.ParseData(data)
			got, err := Bytes(data, Limits{})
			if (libErr == nil) != (err == nil) {
				t.Fatalf("library: %v, ours: %v", libErr, err)
			}
			if err != nil {
				return
			}
			if got.Format == profiles.PprofLegacy {
				// The same library reads these; symbols may be added.
				if n := len(profiles.FromProto(lib).Entries); n != len(got.Entries) {
					t.Fatalf("%d entries, want %d", len(got.Entries), n)
				}
				return
			}
			same(t, got, profiles.FromProto(lib))
		})
	}
	for seed := range uint64(50) {
		p := proftest.Generated(seed)
		lib, err := profile.ParseUncompressed(proftest.Encode(t, p))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Bytes(proftest.Encode(t, p), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, profiles.FromProto(lib))
	}
}

// TestProtoRoundTrip: what is saved is what was read.
func TestProtoRoundTrip(t *testing.T) {
	for seed := range uint64(20) {
		first, err := Bytes(proftest.Encode(t, proftest.Generated(seed)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := first.Proto().Write(&out); err != nil {
			t.Fatal(err)
		}
		again, err := Bytes(out.Bytes(), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for ty := range first.Types {
			if first.Sum(ty) != again.Sum(ty) || len(first.Entries) != len(again.Entries) {
				t.Fatalf("seed %d: sum %d in %d entries, want %d in %d", seed, again.Sum(ty), len(again.Entries), first.Sum(ty), len(first.Entries))
			}
		}
	}
}

// FuzzPprof: no input crashes the decoder, none is accepted that the library
// refuses as inconsistent, and what both accept is read the same.
func FuzzPprof(f *testing.F) {
	for seed := range uint64(6) {
		f.Add(proftest.Encode(f, proftest.Generated(seed)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodePprof(data, DefaultLimits())
		lib, libErr := profile.ParseUncompressed(data)
		if libErr == nil {
			libErr = lib.CheckValid()
		}
		if err != nil {
			return
		}
		if libErr != nil {
			t.Fatalf("accepted what the library refuses: %v", libErr)
		}
		same(t, got, profiles.FromProto(lib))
	})
}
