package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// printHealth is `inventbot health`: it returns 0 if the bot that serves with the same ADDR or PORT on this machine lives,
// else 1. It is the health check for images that hold nothing but the binary.
func printHealth(ctx context.Context, addr string, stdout io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if err := alive(ctx, addr); err != nil {
		_, _ = fmt.Fprintln(stdout, "not healthy:", err)
		return 1
	}
	_, _ = fmt.Fprintln(stdout, "healthy")
	return 0
}

func alive(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	hosts := []string{host}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		hosts = []string{"127.0.0.1", "::1"} // an image without files doesn't know what localhost is
	}
	for _, host := range hosts {
		if err = ask(ctx, "http://"+net.JoinHostPort(host, port)+"/healthz"); err == nil {
			return nil
		}
	}
	return err
}

func ask(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(r) // without any proxy
	if err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
