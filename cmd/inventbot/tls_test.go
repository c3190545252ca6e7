package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// issuer is a certificate authority, whose own certificate stands in a file.
type issuer struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := issuer{file: filepath.Join(t.TempDir(), "ca.pem"), cert: template, key: newKey(t)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue makes a certificate for a host, by name or address, and its key.
func (a issuer) issue(t *testing.T, host string) (certFile, keyFile string) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", private)
	return certFile, keyFile
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tlsRedis starts a redis-server on 127.0.0.1 that speaks nothing but TLS, with a certificate for a host, and answers its URL.
func tlsRedis(t *testing.T, a issuer, host string) string {
	t.Helper()
	port := redisPort(t)
	certFile, keyFile := a.issue(t, host)
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", "0", "--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", certFile, "--tls-key-file", keyFile, "--dir", t.TempDir(), "--save", "", "--appendonly", "yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait()
	})
	lines, said, ready := bufio.NewScanner(out), "", false
	for !ready && lines.Scan() {
		said += lines.Text() + "\n"
		ready = strings.Contains(lines.Text(), "Ready to accept connections")
	}
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, out)
	}()
	switch {
	case ready:
	case strings.Contains(said, "Bad directive"):
		t.Skip("this redis-server was built without TLS")
	default:
		t.Fatalf("redis-server isn't ready: %s", said)
	}
	return "rediss://127.0.0.1:" + port
}

// TestRedisOverTLS: a certificate whose issuer the machine trusts is accepted, and the work goes through that Redis.
func TestRedisOverTLS(t *testing.T) {
	w, a := newTLSWorld(t)
	w.settings["REDIS_URL"], w.settings["SSL_CERT_FILE"] = tlsRedis(t, a, "127.0.0.1"), a.file
	eventually(t, "the doctor finds it well", func() bool { return w.doctorOnRedis(t, good, "round trip") })
	p := start(t, w.settings)
	w.slack.SetBot(p.address)
	eventually(t, "/readyz says that it answers", func() bool { return p.readyz(t) == "ok" })
	w.takeOnce(t)
	if p.gauge(t, "in_process_requests_total") != 0 {
		t.Error("it was carried out past Redis")
	}
}

// TestFaultRedisCertificate: nothing is sent to a Redis that can't prove who it is; the bot goes on without, and it is said why.
func TestFaultRedisCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		host    string
		trusted bool
		why     string
	}{
		"of an issuer that nobody knows": {host: "127.0.0.1", why: "unknown authority"},
		"for another name":               {host: "redis.example", trusted: true, why: "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			w, a := newTLSWorld(t)
			w.settings["REDIS_URL"] = tlsRedis(t, a, c.host)
			w.settings["SSL_CERT_FILE"] = newIssuer(t).file
			if c.trusted {
				w.settings["SSL_CERT_FILE"] = a.file
			}
			eventually(t, "the doctor says why, and what to do", func() bool { return w.doctorOnRedis(t, off, "x509: ", c.why, "SSL_CERT_FILE") })
			p := start(t, w.settings)
			w.slack.SetBot(p.address)
			w.takeOnce(t)
			if got := p.readyz(t); got != "doesn't answer" {
				t.Errorf("/readyz says of Redis %q", got)
			}
			if p.gauge(t, "in_process_requests_total") != 1 {
				t.Error("it isn't counted that it was carried out in the process alone")
			}
			eventually(t, "the log says why", func() bool {
				if log := p.output.String(); strings.Contains(log, "x509: ") && strings.Contains(log, c.why) {
					return true
				}
				w.ada.Types(w.support, "/invent show chat_1") // it took too long to be refused
				w.slack.IgnoreLeftovers()
				return false
			})
		})
	}
}

// newTLSWorld is a world whose program can be told whom to trust, and an authority.
func newTLSWorld(t *testing.T) (*world, issuer) {
	t.Helper()
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("here the system alone says whom to trust, not SSL_CERT_FILE")
	}
	return newWorld(t), newIssuer(t)
}

// takeOnce lets Ada take chat_1, and wants one change and one card.
func (w *world) takeOnce(t *testing.T) {
	t.Helper()
	if a := w.ada.Types(w.support, "/invent take chat_1"); a.Status != http.StatusOK {
		t.Fatalf("answered %d", a.Status)
	}
	w.support.ExpectMessage("Jane Doe", "@ada")
	if n := len(w.invent.Writes()); n != 1 {
		t.Errorf("Invent was written %d times, want once", n)
	}
}

// doctorOnRedis says whether the doctor has a finding on Redis of that state with all of these words.
func (w *world) doctorOnRedis(t *testing.T, s state, words ...string) bool {
	t.Helper()
	text, _ := w.run(t, "doctor", "--json")
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(r.Findings, func(f finding) bool {
		return f.Part == "redis" && f.State == s &&
			!slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(f.Result+f.Mend, word) })
	})
}

// readyz is what the program says of Redis.
func (p *program) readyz(t *testing.T) string {
	t.Helper()
	var state struct{ Redis string }
	if err := json.Unmarshal([]byte(p.get(t, "/readyz")), &state); err != nil {
		t.Fatal(err)
	}
	return state.Redis
}

func (p *program) get(t *testing.T, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// gauge is one of the program's metrics without labels. One of Redis's is missing while Redis answers late.
func (p *program) gauge(t *testing.T, name string) (v float64) {
	t.Helper()
	eventually(t, name+" is told", func() bool {
		_, rest, found := strings.Cut(p.get(t, "/metrics"), "\ninventbot_"+name+" ")
		text, _, _ := strings.Cut(rest, "\n")
		var err error
		v, err = strconv.ParseFloat(text, 64)
		return found && err == nil
	})
	return v
}

// eventually asks again and again until it holds, at most for 30 s.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it never came that %s", what)
		}
	}
}
