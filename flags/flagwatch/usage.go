package flagwatch

import (
	"context"
	"path"
	"strings"

	"midwatch/foreign"
	"midwatch/k8s"
)

// Usage knows how to find out which flags a workload uses: what the workload
// says itself, what flags say in their tags, and what the settings say.
type Usage struct {
	// Annotation of the workload or its pods' template lists keys or patterns,
	// with commas between; "" for none.
	Annotation string
	// Tags are patterns of tags by which a flag names a workload: {name},
	// {namespace} and {label:KEY} stand for the workload's.
	Tags []string
	// Mappings come from the settings.
	Mappings []Mapping
	// Read reads a workload's labels and annotations; nil when they are not
	// known.
	Read func(ctx context.Context, ref k8s.Ref) (Meta, error)
}

// Mapping says which flags the workloads of a pattern use.
type Mapping struct {
	// Workload is a pattern (path.Match) of NAMESPACE/NAME.
	Workload string
	// Flags are keys or patterns of them.
	Flags []string
}

// Meta is what a workload says about itself.
type Meta struct{ Labels, Annotations map[string]string }

// Uses says which flags one workload uses.
type Uses struct {
	Ref k8s.Ref
	// why by pattern of a key, and tags by their text.
	patterns []reason
	tags     map[string]bool
	// Err is why the workload's own words are not known.
	Err foreign.Text
}

type reason struct{ pattern, why string }

// Of finds out what a workload says and what the settings say of it. It does
// IO. The result is never nil.
func (u *Usage) Of(ctx context.Context, ref k8s.Ref) *Uses {
	if u == nil {
		return &Uses{Ref: ref}
	}
	var meta Meta
	var failed error
	if u.Read != nil {
		meta, failed = u.Read(ctx, ref)
	}
	uses := u.From(ref, meta)
	if failed != nil {
		uses.Err = foreign.CleanN("what "+ref.String()+" says of its flags is not known: "+failed.Error(), 300)
	}
	return uses
}

// From is [Usage.Of] for a workload whose words are known.
func (u *Usage) From(ref k8s.Ref, meta Meta) *Uses {
	uses := &Uses{Ref: ref, tags: map[string]bool{}}
	if u.Annotation != "" {
		for _, key := range strings.FieldsFunc(meta.Annotations[u.Annotation], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
			uses.patterns = append(uses.patterns, reason{key, "its annotation " + u.Annotation})
		}
	}
	for _, m := range u.Mappings {
		if ok, _ := path.Match(m.Workload, ref.Namespace+"/"+ref.Name); !ok { // checked with the settings
			continue
		}
		for _, f := range m.Flags {
			uses.patterns = append(uses.patterns, reason{f, "the settings"})
		}
	}
	for _, t := range u.Tags {
		if tag, ok := expand(t, ref, meta.Labels); ok {
			uses.tags[strings.ToLower(tag)] = true
		}
	}
	return uses
}

// expand fills a tag's pattern in; ok is false when a label is missing.
func expand(t string, ref k8s.Ref, labels map[string]string) (tag string, ok bool) {
	t = strings.NewReplacer("{name}", ref.Name, "{namespace}", ref.Namespace).Replace(t)
	for {
		before, rest, found := strings.Cut(t, "{label:")
		if !found {
			return t, true
		}
		name, after, closed := strings.Cut(rest, "}")
		value := labels[name]
		if !closed || value == "" {
			return "", false
		}
		t = before + value + after
	}
}

// Why says why a flag belongs to the workload; "" when it does not.
func (u *Uses) Why(r *Row) string {
	if u == nil {
		return ""
	}
	for _, p := range u.patterns {
		if p.pattern == r.Flag.Key {
			return p.why
		}
		if ok, err := path.Match(p.pattern, r.Flag.Key); err == nil && ok {
			return p.why
		}
	}
	for _, t := range r.Flag.Tags {
		if u.tags[strings.ToLower(t.String())] {
			return "its tag " + t.String()
		}
	}
	return ""
}
