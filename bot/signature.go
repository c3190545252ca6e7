package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// maxSkew is how far a request's timestamp may be from now, both ways (docs.slack.dev, "Verifying requests from Slack").
const maxSkew = 300 * time.Second

// errUnverified is the one answer to everything that isn't rightly signed: why is nobody's business.
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

// verify checks the signature over the raw body with each of the secrets, of which one must fit:
// during a rotation the old and the new are both valid.
func verify(secrets []string, h http.Header, body []byte) error {
	got, err := hex.DecodeString(cutVersion(h.Get("X-Slack-Signature")))
	if err != nil || len(got) != sha256.Size {
		return errUnverified
	}
	fits := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("v0:" + h.Get("X-Slack-Request-Timestamp") + ":"))
		mac.Write(body)
		if secret != "" && hmac.Equal(mac.Sum(nil), got) {
			fits = true
		}
	}
	if !fits {
		return errUnverified
	}
	return nil
}

func cutVersion(signature string) string {
	const version = "v0="
	if len(signature) < len(version) || signature[:len(version)] != version {
		return ""
	}
	return signature[len(version):]
}
