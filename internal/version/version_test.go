package version

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestResolve(t *testing.T) {
	recorded := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.1.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"},
			{Key: "vcs.modified", Value: "false"},
		},
	}
	changed := &debug.BuildInfo{
		Main: debug.Module{Version: "(devel)"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.modified", Value: "true"},
			{Key: "vcs.revision", Value: "abc"},
		},
	}
	tests := []struct {
		name            string
		version, commit string
		build           *debug.BuildInfo
		want            Info
	}{
		{"what the linker set wins", "v1.2.3", "def", recorded, Info{Version: "v1.2.3", Commit: "def"}},
		{"what the toolchain recorded fills the gaps", "", "", recorded, Info{Version: "v1.1.0", Commit: "abc"}},
		{"a changed tree is marked", "", "", changed, Info{Version: "devel", Commit: "abc-dirty"}},
		{"a build without version control says so", "", "", &debug.BuildInfo{}, Info{Version: "devel", Commit: "unknown"}},
		{"a binary without build information says so", "", "", nil, Info{Version: "devel", Commit: "unknown"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Go = runtime.Version()
			if got := resolve(tt.version, tt.commit, tt.build); got != tt.want {
				t.Errorf("resolve() = %+v, want %+v", got, tt.want)
			}
		})
	}
}
