package watch

import "google.golang.org/protobuf/encoding/protowire"

// filter says which fields of a protobuf message to leave out before it is
// decoded: drop lists field numbers, into descends into a message field.
// Everything else passes, also fields that newer servers add.
type filter struct {
	drop []protowire.Number
	into map[protowire.Number]*filter
}

// podFilter leaves out what no row is made from: two thirds of a pod's bytes
// and nine tenths of the cost of decoding it (managedFields, environment,
// probes, volumes and mounts, resources, scheduling rules). That a pod decoded
// after this gives the same row as one decoded whole is a fuzz test's job.
// Field numbers: k8s.io/api core/v1/generated.proto, which never change.
func podFilter() *filter {
	container := &filter{drop: []protowire.Number{
		2, 3, 4, 5, 6, 7, 8, 9, // image, command, args, workingDir, ports, env, resources, volumeMounts
		10, 11, 12, 13, 14, 15, // liveness, readiness, lifecycle, termination path, pull policy, security
		19, 20, 21, 22, 23, // envFrom, termination policy, volumeDevices, startup, resizePolicy
	}}
	status := &filter{drop: []protowire.Number{6, 7, 8, 10, 11, 12, 13, 14}} // image, imageID, containerID, resources, mounts, user
	return &filter{into: map[protowire.Number]*filter{
		1: {drop: []protowire.Number{2, 4, 12, 17}}, // generateName, selfLink, annotations, managedFields
		2: {
			drop: []protowire.Number{
				1, 6, 7, 8, 9, 14, 15, 18, 22, 23, 26, // volumes, DNS, nodeSelector, accounts, security, pull secrets, affinity, tolerations, host aliases
				32, 33, 34, 39, 40, // overhead, spread constraints, ephemeral containers, claims, resources
			},
			into: map[protowire.Number]*filter{2: container, 20: container},
		},
		3: {
			drop: []protowire.Number{5, 6, 9, 12, 13, 15, 16, 18, 19, 20, 21, 22}, // addresses, QoS, ephemeral containers, claims
			into: map[protowire.Number]*filter{8: status, 10: status},
		},
	}}
}

// eventFilter leaves out what no event row is made from.
func eventFilter() *filter {
	return &filter{into: map[protowire.Number]*filter{
		1: {drop: []protowire.Number{2, 4, 11, 12, 13, 14, 17}},
	}}
}

// objectFilter leaves out the field lists of managedFields, a third of a
// Deployment. Who wrote when, which says since when a spec is what it is,
// stays.
func objectFilter() *filter {
	return &filter{into: map[protowire.Number]*filter{
		1: {drop: []protowire.Number{4}, into: map[protowire.Number]*filter{17: {drop: []protowire.Number{7}}}},
	}}
}

// revisionFilter leaves out a ControllerRevision's data, the whole template.
func revisionFilter() *filter {
	return &filter{drop: []protowire.Number{2}, into: map[protowire.Number]*filter{
		1: {drop: []protowire.Number{4, 17}},
	}}
}

// prune appends message to dst without the filtered fields. Malformed input is
// passed on as it is from where it stops making sense: the decoder, not the
// filter, is to complain.
func (f *filter) prune(dst, message []byte) []byte {
	for len(message) > 0 {
		number, kind, head := protowire.ConsumeTag(message)
		if head < 0 {
			return append(dst, message...)
		}
		size := protowire.ConsumeFieldValue(number, kind, message[head:])
		if size < 0 {
			return append(dst, message...)
		}
		field := message[:head+size]
		message = message[head+size:]
		if f.drops(number) {
			continue
		}
		inner := f.into[number]
		if inner == nil || kind != protowire.BytesType {
			dst = append(dst, field...)
			continue
		}
		value, _ := protowire.ConsumeBytes(field[head:])
		dst = append(dst, field[:head]...)
		mark := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		dst = inner.prune(dst, value)
		putLength(dst[mark:mark+4], len(dst)-mark-4)
	}
	return dst
}

// putLength writes n as a varint of exactly four bytes. Padding is legal and
// spares knowing the length before the content is written; maxItem fits.
func putLength(b []byte, n int) {
	for i := range 3 {
		b[i] = byte(n>>(7*i)) | 0x80
	}
	b[3] = byte(n >> 21)
}

func (f *filter) drops(number protowire.Number) bool {
	for _, d := range f.drop {
		if d == number {
			return true
		}
	}
	return false
}
