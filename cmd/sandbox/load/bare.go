package load

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// bareMark is an environment variable that makes `sandbox load` the bare handler. Only startBot sets it.
const bareMark = "INVENTBOT_LOAD_BARE"

// serveBare is what one would write by hand in an afternoon: verify, answer, ask Redis, PATCH, redraw the card. It is there
// for comparison only, and keeps none of the bot's promises: what it has acknowledged is lost when it dies, nothing is in
// order, nobody is asked before a conversation is taken from somebody, nothing is tried again.
func serveBare(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	o, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return errors.New("REDIS_URL is not set")
	}
	b := &bare{rdb: redis.NewClient(o), api: os.Getenv("INVENT_API_URL"), key: os.Getenv("INVENT_API_KEY"), secret: []byte(os.Getenv("SLACK_SIGNING_SECRET"))}
	defer func() { _ = b.rdb.Close() }()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 128
	b.client = &http.Client{Timeout: 5 * time.Second, Transport: transport}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", os.Getenv("ADDR"))
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	slog.New(slog.NewJSONHandler(os.Stdout, nil)).Info("listening", "addr", l.Addr().String())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /slack/interactions", b.click)
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	closed := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer closed()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

type bare struct {
	rdb    *redis.Client
	client *http.Client
	api    string
	key    string
	secret []byte
}

func (b *bare) click(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	stamp := r.Header.Get("X-Slack-Request-Timestamp")
	mac := hmac.New(sha256.New, b.secret)
	_, _ = mac.Write([]byte("v0:" + stamp + ":"))
	_, _ = mac.Write(body)
	seconds, _ := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute ||
		!hmac.Equal([]byte("v0="+hex.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get("X-Slack-Signature"))) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var p struct {
		ResponseURL string `json:"response_url"`
		User        struct {
			ID string `json:"id"`
		} `json:"user"`
		Actions []struct {
			ActionID string `json:"action_id"`
			Value    string `json:"value"`
		} `json:"actions"`
	}
	if json.Unmarshal([]byte(form.Get("payload")), &p) != nil || len(p.Actions) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var value struct {
		Chat string `json:"chat"`
	}
	if json.Unmarshal([]byte(p.Actions[0].Value), &value) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
	go b.act(p.User.ID, p.Actions[0].ActionID, value.Chat, p.ResponseURL) // nobody waits for it: that is what bare means
}

func (b *bare) act(user, action, chat, hook string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	member, err := b.rdb.Get(ctx, "bare:"+user).Result()
	if err != nil {
		return
	}
	in := map[string]any{"member_id": member}
	if action == "release" {
		in["member_id"] = nil
	}
	answer, err := b.send(ctx, http.MethodPatch, b.api+"/chats/"+url.PathEscape(chat)+"/state/assign", in)
	if err != nil {
		return
	}
	var state struct {
		State        string `json:"state"`
		AssignedUser *struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"assigned_user"`
	}
	if json.Unmarshal(answer, &state) != nil {
		return
	}
	holder, next, seen := "Nobody", "take", ""
	if state.AssignedUser != nil {
		holder, next, seen = "<@"+user+">", "release", state.AssignedUser.ID
	}
	v, _ := json.Marshal(map[string]string{"chat": chat, "seen": seen})
	_, _ = b.send(ctx, http.MethodPost, hook, map[string]any{
		"replace_original": true, "text": "Conversation " + chat + ": " + state.State + ", " + holder,
		"blocks": []any{
			map[string]any{"type": "header", "text": map[string]any{"type": "plain_text", "text": "Conversation " + chat}},
			map[string]any{"type": "section", "fields": []any{
				map[string]any{"type": "mrkdwn", "text": "*State*\n" + strings.ToLower(state.State)},
				map[string]any{"type": "mrkdwn", "text": "*Assignee*\n" + holder},
			}},
			map[string]any{"type": "actions", "elements": []any{
				map[string]any{"type": "button", "action_id": next, "value": string(v), "text": map[string]any{"type": "plain_text", "text": next}},
			}},
		},
	})
}

func (b *bare) send(ctx context.Context, method, to string, in any) ([]byte, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+b.key)
	resp, err := b.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	return answer, nil
}
