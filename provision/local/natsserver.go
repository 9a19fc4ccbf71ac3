package local

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"harmony-callout/internal/durable"
)

// natsReady bounds the start of the server, JetStream's recovery included.
const natsReady = 20 * time.Second

// startNATS starts a nats-server in this process from a configuration file, read by the
// server's own parser as a nats-server process would.
func startNATS(file string, logger *slog.Logger) (*server.Server, error) {
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		return nil, fmt.Errorf("nats configuration %s: %w", file, err)
	}
	// The server itself would say so only to its log, and go on waiting.
	l, err := net.Listen("tcp", net.JoinHostPort(opts.Host, strconv.Itoa(opts.Port)))
	if err != nil {
		return nil, listenHint(fmt.Errorf("start nats-server: %w", err), "--port-nats")
	}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("start nats-server: %w", err)
	}
	opts.NoSigs = true // signals are this program's
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start nats-server: %w", err)
	}
	s.SetLoggerV2(&natsLog{logger}, false, false, false)
	s.Start()
	if s.ReadyForConnections(natsReady) {
		return s, nil
	}
	stopNATS(s)
	return nil, fmt.Errorf("start nats-server: it does not listen on %s:%d after %s", opts.Host, opts.Port, natsReady)
}

func stopNATS(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// natsLog gives the server's log to ours. What the server notes of its start interests
// nobody who did not start it.
type natsLog struct{ logger *slog.Logger }

func (l *natsLog) log(level slog.Level, format string, v []any) {
	l.logger.Log(context.Background(), level, "nats-server: "+fmt.Sprintf(format, v...))
}

func (l *natsLog) Noticef(format string, v ...any) { l.log(slog.LevelDebug, format, v) }
func (l *natsLog) Warnf(format string, v ...any)   { l.log(slog.LevelDebug, format, v) }
func (l *natsLog) Fatalf(format string, v ...any)  { l.log(slog.LevelError, format, v) }
func (l *natsLog) Errorf(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l *natsLog) Debugf(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l *natsLog) Tracef(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }

// writeFile writes a configuration durably, and the directory that it lies in.
func writeFile(path string, data []byte) error {
	if err := durable.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return durable.WriteFile(path, data)
}
