package secrets

import "encoding/json"

// ownsData reports whether a FieldsV1 document names values of a Secret or a
// ConfigMap: f:data, f:stringData or f:binaryData. The API server records
// stringData as data.
func ownsData(fields []byte) bool {
	var top map[string]json.RawMessage
	if json.Unmarshal(fields, &top) != nil {
		return false
	}
	_, data := top["f:data"]
	_, binary := top["f:binaryData"]
	return data || binary
}
