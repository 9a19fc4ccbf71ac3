//go:build integration

package integration

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme types what the README begins with into two shells, and wants them to print what
// it says. The environment chooses other ports and another state directory, nothing else
// differs.
func TestReadme(t *testing.T) {
	root := copyRepository(t)
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{issuerAddress: freeAddress(t), natsAddress: freeAddress(t)}
	port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	environ := []string{
		"XDG_DATA_HOME=" + t.TempDir(),
		"PROVISION_PORT_ISSUER=" + port(addresses[issuerAddress]), "PROVISION_PORT_NATS=" + port(addresses[natsAddress]),
	}
	readme := readdress(string(text), addresses)
	block := func(name string) string {
		t.Helper()
		blocks := blocksMarked(readme, "try: "+name)
		if len(blocks) != 1 {
			t.Fatalf("the README has %d blocks marked %q, want one", len(blocks), name)
		}
		return blocks[0]
	}

	first := startShell(t, root, environ...)
	if _, err := io.WriteString(first.stdin, block("up")); err != nil {
		t.Fatal(err)
	}
	eventually(t, first, "everything is up", func() bool {
		if strings.Contains(first.output(), failed) {
			t.Fatalf("up has failed:\n%s", first.output())
		}
		return strings.Contains(first.output(), "In another shell:")
	})

	second := startShell(t, root, environ...)
	second.run(t, block("verify"), 0)
	second.run(t, block("build"), 0)
	second.run(t, block("wait"), 0)
	eventually(t, second, "the operator's client subscribes", func() bool {
		return strings.Contains(second.output(), "Subscribing on telemetry.>")
	})
	second.run(t, block("publish"), 2)
	eventually(t, second, "telemetry arrives", func() bool {
		return strings.Contains(second.output(), `Received on "telemetry.`)
	})

	prints := blocksMarked(readme, "prints")
	if len(prints) != 3 {
		t.Fatalf("the README shows %d outputs, want 3: of up, of verify and of the clients", len(prints))
	}
	for i, sh := range []*shell{first, second, second} {
		for line := range strings.Lines(ids.ReplaceAllString(prints[i], "…")) {
			sh.wantLine(t, strings.TrimRight(line, "\n"))
		}
	}

	if err := first.interrupt(); err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		eventually(t, first, "nothing listens at "+address, func() bool { return !dials(address) })
	}
}

// ids are those that Zitadel gives, every time others.
var ids = regexp.MustCompile(`[0-9]{18}`)
