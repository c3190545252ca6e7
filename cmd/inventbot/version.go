package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Set by -ldflags "-X main.version=..." in releases and images, where the repository isn't at hand; elsewhere Go's own
// stamp of the build says the same.
var version, commit, date string

// build is what a program was built from; "" is what nobody said.
type build struct{ version, commit, date string }

// built says it of this program, for `inventbot version` and the metrics alike.
func built() build {
	b := build{version, commit, date}
	if info, ok := debug.ReadBuildInfo(); ok && b.version == "" {
		b.version = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				b.commit = s.Value
			case s.Key == "vcs.time":
				b.date = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				b.commit += " (changed)"
			}
		}
	}
	return b
}

// printVersion answers `inventbot version`: version, commit, date of the commit, and what it was built with.
func printVersion(w io.Writer) int {
	b := built()
	_, _ = fmt.Fprintf(w, "inventbot %s, commit %s of %s, %s %s/%s\n",
		known(b.version), known(b.commit), known(b.date), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return 0
}

func known(s string) string { return cmp.Or(s, "unknown") }
