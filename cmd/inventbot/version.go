package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Set by -ldflags "-X main.version=..." in releases and images, which are built without the repository. In other builds
// they are empty, and Go's own build info says the same.
var version, commit, date string

// build is what a program was built from; "" is unknown.
type build struct{ version, commit, date string }

// built returns what this program was built from, for `inventbot version` and the metrics.
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

// printVersion is `inventbot version`: it prints version, commit, the commit's date, and what it was built with and for.
func printVersion(w io.Writer) int {
	b := built()
	_, _ = fmt.Fprintf(w, "inventbot %s, commit %s of %s, %s %s/%s\n",
		known(b.version), known(b.commit), known(b.date), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return 0
}

func known(s string) string { return cmp.Or(s, "unknown") }
