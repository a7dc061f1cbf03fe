package try

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"midwatch/foreign"
)

// The health protocol (grpc/health/v1/health.proto).
const healthPath = "/grpc.health.v1.Health/Check"

const (
	grpcOK            = 0
	grpcDeadline      = 4
	grpcNotFound      = 5
	grpcUnimplemented = 12
	// maxReply bounds the reply: it is one enum.
	maxReply = 4 << 10
)

// grpc makes one health check in the clear, as the kubelet does (pkg/probe/grpc;
// TLS is not supported there before 1.37).
func (t *attempt) grpc() error {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return t.connect() },
		Protocols:   protocols, DisableCompression: true,
	}
	defer transport.CloseIdleConnections()
	req, err := healthCheck(t.ctx, t.result.Spec.URL(t.podIP).Host, t.result.Spec.Service)
	if err != nil {
		return err
	}
	resp, err := t.readOnly(transport).RoundTrip(req)
	if err != nil {
		return fmt.Errorf("the port does not speak gRPC (HTTP/2 in the clear): %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as it matters
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	t.took()
	return t.health(resp, reply)
}

// healthCheck is the request: HealthCheckRequest{service}, field 1.
func healthCheck(ctx context.Context, host, service string) (*http.Request, error) {
	var message []byte
	if service != "" {
		message = protowire.AppendTag(message, 1, protowire.BytesType)
		message = protowire.AppendString(message, service)
	}
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))) //nolint:gosec // a service's name is at most 253 bytes
	u := &url.URL{Scheme: "http", Host: host, Path: healthPath}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(append(body, message...)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", userAgent)
	return req, nil
}

// health reads the reply, in the kubelet's words.
func (t *attempt) health(resp *http.Response, reply []byte) error {
	r := t.result
	if resp.StatusCode != http.StatusOK {
		r.Outcome, r.Answer, r.Line = Failed, foreign.CleanN("HTTP "+resp.Status+" and no gRPC answer", maxLine), firstLine(string(reply))
		return nil
	}
	code, message := grpcStatus(resp)
	switch code {
	case grpcOK:
	case grpcUnimplemented:
		r.Outcome, r.Answer, r.Line = Failed, "does not implement the gRPC health protocol (grpc.health.v1.Health)", message
		return nil
	case grpcNotFound:
		r.Outcome, r.Answer, r.Line = Failed, foreign.CleanN(fmt.Sprintf("knows no service %q", r.Spec.Service), maxLine), message
		return nil
	case grpcDeadline:
		r.Outcome, r.Answer, r.Line = Failed, "the server gave up: deadline exceeded", message
		return nil
	default:
		r.Outcome, r.Answer, r.Line = Failed, foreign.CleanN("gRPC status "+strconv.Itoa(code), maxLine), message
		return nil
	}
	status, err := servingStatus(reply)
	if err != nil {
		return err
	}
	r.Outcome, r.Answer = Failed, foreign.Text(status)
	if status == "SERVING" {
		r.Outcome = Passed
	}
	return nil
}

// grpcStatus is in the trailers, or in the headers of a reply without a body.
func grpcStatus(resp *http.Response) (code int, message foreign.Text) {
	from := resp.Trailer
	if from.Get("Grpc-Status") == "" {
		from = resp.Header
	}
	code, err := strconv.Atoi(from.Get("Grpc-Status"))
	if err != nil {
		code = 2 // UNKNOWN
	}
	text, err := url.PathUnescape(from.Get("Grpc-Message"))
	if err != nil {
		text = from.Get("Grpc-Message")
	}
	return code, foreign.CleanN(text, maxLine)
}

// servingStatus reads HealthCheckResponse{status}, field 1.
func servingStatus(reply []byte) (string, error) {
	const head = 5
	if len(reply) < head || reply[0] != 0 || int(binary.BigEndian.Uint32(reply[1:head])) != len(reply)-head {
		return "", errors.New("the reply is not one uncompressed gRPC message")
	}
	status, rest := uint64(0), reply[head:]
	for len(rest) > 0 {
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return "", fmt.Errorf("the reply is not a health status: %w", protowire.ParseError(n))
		}
		rest = rest[n:]
		if num == 1 && typ == protowire.VarintType {
			status, n = protowire.ConsumeVarint(rest)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, rest)
		}
		if n < 0 {
			return "", fmt.Errorf("the reply is not a health status: %w", protowire.ParseError(n))
		}
		rest = rest[n:]
	}
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status < uint64(len(names)) {
		return names[status], nil
	}
	return fmt.Sprintf("status %d", status), nil
}
