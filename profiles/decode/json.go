package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"midwatch/foreign"
	"midwatch/profiles"
)

// maxJSON bounds JSON formats: decoded, they take several times their size.
const maxJSON = 128 << 20

// jsonHead has the fields that tell the JSON formats apart.
type jsonHead struct {
	Schema   string          `json:"$schema"`
	Shared   json.RawMessage `json:"shared"`
	Profiles json.RawMessage `json:"profiles"`
	Events   json.RawMessage `json:"traceEvents"`
	Detail   json.RawMessage `json:"detail"`
	Message  json.RawMessage `json:"message"`
	Error    json.RawMessage `json:"error"`
}

// jsonItem has the fields that tell the JSON lists apart.
type jsonItem struct {
	SizeKB  *float64        `json:"size_kb"`
	Phase   *string         `json:"ph"`
	Thread  *json.Number    `json:"thread_id"`
	Frames  json.RawMessage `json:"frames"`
	Filpath *string         `json:"file"`
}

// decodeJSON reads what begins with { or [.
func decodeJSON(raw []byte, cut bool, limits Limits) (*profiles.Profile, error) {
	if len(raw) > maxJSON {
		return nil, tooLarge("the JSON profile is larger than %s", size(maxJSON))
	}
	if cut {
		return nil, fail(Cut, "capture it again, perhaps for a shorter time", "the JSON profile ends early, after %s", size(int64(len(raw))))
	}
	if raw[0] == '{' {
		var head jsonHead
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, jsonError(err, raw)
		}
		switch {
		case head.Shared != nil && head.Profiles != nil:
			return decodeSpeedscope(raw, limits)
		case head.Events != nil:
			return decodeChrome(head.Events, limits)
		}
		return nil, answered(head)
	}
	if strings.TrimSpace(string(raw[1:min(len(raw), 64)])) == "]" {
		return nil, fail(EmptyFile, "tracemalloc must be started in the process (tracemalloc.start), py-spy needs a running thread", "the list is empty: nothing was recorded")
	}
	first, err := firstItem(raw)
	if err != nil {
		return nil, jsonError(err, raw)
	}
	switch {
	case first.SizeKB != nil:
		return decodeTracemallocJSON(raw, limits)
	case first.Phase != nil:
		return decodeChrome(raw, limits)
	case first.Frames != nil && first.Thread != nil:
		return decodeDump(raw, limits)
	}
	return nil, fail(Unknown, "see docs/PROFILES.md for the formats", "this JSON list is no profile of a known format")
}

// firstItem decodes the first element of a list.
func firstItem(raw []byte) (jsonItem, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	var item jsonItem
	if _, err := dec.Token(); err != nil {
		return item, err
	}
	err := dec.Decode(&item)
	return item, err
}

// answered explains a JSON object that is no profile: most often a web
// framework's error.
func answered(head jsonHead) error {
	for _, m := range []json.RawMessage{head.Detail, head.Message, head.Error} {
		if m != nil {
			return fail(Unknown, "check the path and the key", "not a profile: the endpoint answered %s", foreign.CleanN(string(m), 160))
		}
	}
	return fail(Unknown, "see docs/PROFILES.md for the formats", "this JSON object is no profile of a known format")
}

func jsonError(err error, raw []byte) error {
	var syntax *json.SyntaxError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, &syntax) && syntax.Offset >= int64(len(raw)) {
		return fail(Cut, "capture it again", "the JSON ends early, after %s", size(int64(len(raw))))
	}
	return fail(Damaged, "capture it again", "the JSON is damaged (%s)", clean(err))
}

// round converts to an integer; what is no number is nothing.
func round(v float64) int64 {
	if math.IsNaN(v) || v > math.MaxInt64/4 || v < math.MinInt64/4 {
		return 0
	}
	return int64(math.Round(v))
}

func number(n json.Number) float64 {
	v, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
