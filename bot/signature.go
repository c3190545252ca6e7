package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxSkew is how far a request's timestamp may be from now, both ways (docs.slack.dev, "Verifying requests from Slack").
const maxSkew = 300 * time.Second

// errUnverified is the only error for a request that isn't rightly signed: the sender isn't told why.
var errUnverified = errors.New("not signed by Slack")

// timestamp reads when Slack sent the request, and refuses what is too old or from the future.
func timestamp(h http.Header, now time.Time) (time.Time, error) {
	seconds, err := strconv.ParseInt(h.Get("X-Slack-Request-Timestamp"), 10, 64)
	if err != nil {
		return time.Time{}, errUnverified
	}
	sent := time.Unix(seconds, 0)
	if d := now.Sub(sent); d > maxSkew || d < -maxSkew {
		return time.Time{}, errUnverified
	}
	return sent, nil
}

// sign returns the signature of a body and its timestamp: the bytes that X-Slack-Signature carries in hex after the version.
func sign(secret, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(version + ":" + timestamp + ":"))
	mac.Write(body)
	return mac.Sum(nil)
}

const version = "v0"

// Sign returns the headers with which Slack would sign this body, for programs that send requests to a bot of their own.
func Sign(secret string, body []byte, now time.Time) http.Header {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", timestamp)
	h.Set("X-Slack-Signature", version+"="+hex.EncodeToString(sign(secret, timestamp, body)))
	return h
}

// verify checks the signature over the raw body with each of the secrets, of which one must fit:
// during a rotation the old and the new are both valid.
func verify(secrets []string, h http.Header, body []byte) error {
	text, versioned := strings.CutPrefix(h.Get("X-Slack-Signature"), version+"=")
	got, err := hex.DecodeString(text)
	if !versioned || err != nil || len(got) != sha256.Size {
		return errUnverified
	}
	fits := false
	for _, secret := range secrets {
		if secret != "" && hmac.Equal(sign(secret, h.Get("X-Slack-Request-Timestamp"), body), got) {
			fits = true
		}
	}
	if !fits {
		return errUnverified
	}
	return nil
}
