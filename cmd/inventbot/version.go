package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Set by -ldflags "-X main.version=..." in releases and images, where the repository isn't at hand; elsewhere Go's own
// stamp of the build says the same.
var version, commit, date string

// printVersion answers `inventbot version`: version, commit, date of the commit, and what it was built with.
func printVersion(w io.Writer) int {
	v, c, d := version, commit, date
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				c = s.Value
			case s.Key == "vcs.time":
				d = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				c += " (changed)"
			}
		}
	}
	_, _ = fmt.Fprintf(w, "inventbot %s, commit %s of %s, %s %s/%s\n",
		known(v), known(c), known(d), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return 0
}

func known(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
