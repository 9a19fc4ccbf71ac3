// Package version says which build of the programs is running.
//
// A release build sets version and commit through the linker:
//
//	go build -ldflags "-X harmony-callout/internal/version.version=v1.2.3 -X harmony-callout/internal/version.commit=<hash>"
//
// Any other build falls back to what the Go toolchain recorded in the binary.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker, hence variables; nothing in the program writes them.
var (
	version string
	commit  string
)

// unknown stands for what neither the linker nor the toolchain recorded.
const unknown = "unknown"

// Info describes a build.
type Info struct {
	Version string `json:"version"` // a tag such as v1.2.3, or devel
	Commit  string `json:"commit"`  // git commit, with -dirty when the tree was changed; unknown when not recorded
	Go      string `json:"go"`      // the toolchain that built it, such as go1.26.0
}

// Get returns the running build.
func Get() Info {
	build, _ := debug.ReadBuildInfo()
	return resolve(version, commit, build)
}

// String returns the three fields in one line.
func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s, %s)", i.Version, i.Commit, i.Go)
}

// resolve prefers what the linker set; build may be nil.
func resolve(version, commit string, build *debug.BuildInfo) Info {
	info := Info{Version: version, Commit: commit, Go: runtime.Version()}
	if build != nil {
		if info.Version == "" && build.Main.Version != "(devel)" {
			info.Version = build.Main.Version
		}
		if info.Commit == "" {
			info.Commit = revision(build.Settings)
		}
	}
	if info.Version == "" {
		info.Version = "devel"
	}
	if info.Commit == "" {
		info.Commit = unknown
	}
	return info
}

func revision(settings []debug.BuildSetting) string {
	var hash, suffix string
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			hash = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			suffix = "-dirty"
		}
	}
	if hash == "" {
		return ""
	}
	return hash + suffix
}
