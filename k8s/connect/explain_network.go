package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// explainLogin covers the credential plugin.
func explainLogin(err error, _ *OpenError) (Problem, bool) {
	login := (*LoginError)(nil)
	switch {
	case errors.As(err, &login):
	case isLoginFailure(err): // from a client that was made elsewhere
		login = &LoginError{Err: err}
	default:
		return Problem{}, false
	}
	p := Problem{Kind: KindLogin, What: "login failed", Why: pluginReason(login), Next: "Run the login by hand, then retry."}
	text := login.Err.Error()
	switch {
	case strings.Contains(text, "standard input is not a terminal"), strings.Contains(text, "standard input is unavailable"):
		p.Kind, p.Why = KindTerminal, fmt.Sprintf("%s has to ask on a terminal", plugin(login))
		p.Next = "Log in outside first, or let midwatch hand the terminal to it."
	case strings.Contains(text, "not found"), strings.Contains(text, "no such file"):
		p.Why = fmt.Sprintf("the credential plugin %s is not installed, or not in PATH", plugin(login))
		p.Next = "Install it, or use a context that does not need it."
		if login.Hint != "" {
			p.Next = "The kubeconfig says: " + login.Hint.String()
		}
	case login.Said == "" && strings.Contains(text, "failed with exit code"):
		p.Next = fmt.Sprintf("It gave no reason. Run %s by hand to see what it wants.", plugin(login))
	}
	return p, true
}

func plugin(e *LoginError) string {
	if e.Command == "" {
		return "the credential plugin"
	}
	return fmt.Sprintf("%q", e.Command)
}

// pluginReason is what the plugin said, or else what became of it.
func pluginReason(e *LoginError) string {
	text := firstLine(e.Err.Error())
	if _, after, found := strings.Cut(text, "getting credentials: "); found {
		text = after
	}
	text = strings.TrimPrefix(text, "exec: ")
	text = strings.Replace(text, "executable "+e.Command+" ", "credential plugin "+plugin(e)+" ", 1)
	if e.Said != "" {
		return text + ": " + e.Said.String()
	}
	return text
}

func explainTLS(err error, where *OpenError) (Problem, bool) {
	p := Problem{Kind: KindTLS, What: "cannot trust " + where.at()}
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		alert   tls.AlertError
	)
	switch {
	case errors.As(err, &unknown):
		p.Why = "its certificate is signed by an authority the kubeconfig does not know"
		p.Next = "Check certificate-authority in the kubeconfig; something may also stand in between and read along." + where.from()
	case errors.As(err, &host):
		p.Why = "its certificate is for another name: " + firstLine(host.Error())
		p.Next = "Check the server's address, or set tls-server-name." + where.from()
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		p.Why = expired(invalid)
		p.Next = "Renew the server's certificate, and check the clock of this machine."
	case errors.As(err, &invalid):
		p.Why = firstLine(invalid.Error())
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		p.Kind, p.What, p.Why = KindNotKubernetes, "cannot talk to "+where.at(), "it speaks plain HTTP where HTTPS was expected"
		p.Next = "Check scheme and port of the server's address." + where.from()
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls: "):
		p.Kind, p.What, p.Why = KindLogin, "login failed", where.at()+" refuses the client certificate: "+tail(err.Error(), "remote error: tls: ")
		p.Next = "It may have expired: renew it, then retry."
	default:
		return Problem{}, false
	}
	return p, true
}

func expired(e x509.CertificateInvalidError) string {
	if e.Cert == nil {
		return "its certificate has expired"
	}
	return fmt.Sprintf("its certificate is valid from %s to %s only", e.Cert.NotBefore.UTC().Format(time.RFC3339), e.Cert.NotAfter.UTC().Format(time.RFC3339))
}

func explainNetwork(err error, where *OpenError) (Problem, bool) {
	p := Problem{Kind: KindUnreachable, What: "cannot reach " + where.at(), Next: "Is the VPN up, the tunnel open, the cluster running?" + where.from()}
	if where.Server == "" {
		if host := hostOf(err); host != "" {
			p.What = "cannot reach " + host
		}
	}
	var (
		timeout *TimeoutError
		dns     *net.DNSError
		op      *net.OpError
		netErr  net.Error
	)
	switch {
	case errors.Is(err, context.Canceled):
		return Problem{What: "interrupted"}, true
	case errors.As(err, &timeout):
		p.Why = timeout.Error()
		if timeout.Connected {
			p.Next = "Something listens there and does not answer: an overloaded API server, or not one at all." + where.from()
		}
	case strings.Contains(err.Error(), "proxyconnect"):
		p.Why = "the proxy could not be used: " + tail(err.Error(), "proxyconnect tcp: ")
		p.Next = "Check HTTPS_PROXY, NO_PROXY and proxy-url."
	case errors.As(err, &dns):
		p.Why = fmt.Sprintf("the host name %q could not be resolved (%s)", dns.Name, dns.Err)
		p.Next = "Check the spelling, the VPN and its name server." + where.from()
	case strings.Contains(err.Error(), "http2: client conn could not be established"):
		// TLS 1.3 lets the client finish before the server looks at its certificate.
		p.Why = "it ended the connection at once"
		p.Next = "It may refuse the client certificate, if there is one: renew that." + where.from()
	case errors.Is(err, syscall.ECONNREFUSED):
		p.Why = "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), isCut(err):
		p.Why = "the connection was cut"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		p.Why = "there is no route to it"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		p.Why = "no answer in time"
	case errors.As(err, &op):
		p.Why = firstLine(op.Err.Error())
	default:
		return Problem{}, false
	}
	return p, true
}

// hostOf finds the server in an error of net/http.
func hostOf(err error) string {
	request := (*url.Error)(nil)
	if !errors.As(err, &request) {
		return ""
	}
	u, err := url.Parse(request.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// tail is what follows the last occurrence of a mark, on one line.
func tail(s, mark string) string {
	if i := strings.LastIndex(s, mark); i >= 0 {
		s = s[i+len(mark):]
	}
	return firstLine(s)
}
