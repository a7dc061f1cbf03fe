package hpawatch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"midwatch/foreign"
	"midwatch/k8s/connect"
	"midwatch/k8s/hpa"
)

const maxText = 512

// nonsenseError is an answer that cannot be read.
type nonsenseError struct{ text string }

func (e *nonsenseError) Error() string { return e.text }

// refused puts an error of an API into a reading: what it says about the
// controller, which asks the same question with its own rights, and words.
func refused(api, what string, err error) hpa.Reading {
	say := func(state hpa.Availability, format string, args ...any) hpa.Reading {
		return hpa.Reading{State: state, Err: foreign.CleanN(fmt.Sprintf(format, args...), maxText)}
	}
	var nonsense *nonsenseError
	var status apierrors.APIStatus
	var page *connect.NotKubernetesError
	var timeout *connect.TimeoutError
	switch {
	case errors.As(err, &nonsense):
		return say(hpa.Nonsense, "%s answered nonsense: %s", api, nonsense.text)
	case errors.As(err, &page):
		return say(hpa.Nonsense, "%s answered with a web page instead of %s", api, what)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return say(hpa.Forbidden, "you may not read %s from %s", what, api)
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err):
		return say(hpa.Slow, "%s did not answer in time", api)
	case apierrors.IsNotFound(err):
		return say(hpa.NoData, "%s has no %s", api, what)
	case apierrors.IsServiceUnavailable(err):
		return say(hpa.Absent, "%s is registered, but the server behind it does not answer (503)", api)
	case apierrors.IsTooManyRequests(err):
		return say(hpa.Slow, "%s asks for patience (429)", api)
	case errors.As(err, &status):
		return say(hpa.Absent, "%s answered %d for %s: %s", api, status.Status().Code, what, status.Status().Message)
	}
	if netErr := net.Error(nil); errors.As(err, &netErr) {
		return say(hpa.Slow, "no connection to ask %s: %v", api, netErr)
	}
	return say(hpa.Slow, "%s could not be asked: %v", api, connect.Explain(err).Line())
}

// absent is the answer of a server that has no such API at all.
func absent(api string) hpa.Reading {
	return hpa.Reading{State: hpa.Absent, Err: foreign.Text(fmt.Sprintf("the cluster has no %s: nothing serves this kind of metric", api))}
}

func statusCode(err error) int {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return int(status.Status().Code)
	}
	return 0
}

func notFound(err error) bool { return statusCode(err) == http.StatusNotFound }

// plain is an error as one clean line.
func plain(err error) foreign.Text { return foreign.CleanN(connect.Explain(err).Line(), maxText) }
