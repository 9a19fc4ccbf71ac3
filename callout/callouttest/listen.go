package callouttest

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// restartPatience is how long a restart waits for its former port. A client that knocks while
// nobody listens may be given that very port for its own end of the connection, for a moment.
const restartPatience = 5 * time.Second

// listen is net.Listen that tries again until the patience is over.
func listen(addr string, patience time.Duration) (net.Listener, error) {
	deadline := time.Now().Add(patience)
	for {
		ln, err := net.Listen("tcp", addr)
		if err == nil || !time.Now().Before(deadline) {
			return ln, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// checkLoopback refuses addresses that others on the network could reach: whoever reaches a
// test issuer may be anybody.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen address %q is not loopback; use 127.0.0.1 or [::1]", addr)
}
