package callout

import (
	"context"
	"crypto/sha256"
	"os"
	"reflect"
	"slices"
	"time"
)

// reloadPoll is how often the configuration file is looked at. Its content is compared and
// not its times, since a mounted ConfigMap changes by swapping a link.
const reloadPoll = time.Second

// Reload puts the reloadable parts of another configuration in force for new connections:
// roles, deny and maxTTL. It returns the names of the sections that differ otherwise and
// need a restart. With an error nothing has changed.
func (s *Service) Reload(cfg *Config) (restart []string, err error) {
	next := s.cfg
	next.Roles, next.Deny, next.MaxTTL = cfg.Roles, cfg.Deny, cfg.MaxTTL
	policy, err := NewPolicy(&next)
	if err != nil {
		return nil, err
	}
	s.handler.decider.setPolicy(policy)
	s.reportOwnAccount()
	return sectionsThatDiffer(&next, cfg), nil
}

// sectionsThatDiffer names the top-level keys in which two configurations differ.
func sectionsThatDiffer(a, b *Config) []string {
	var names []string
	va, vb := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range va.NumField() {
		if !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			names = append(names, va.Type().Field(i).Tag.Get("yaml"))
		}
	}
	slices.Sort(names)
	return names
}

// Watch reloads the configuration when the file's content changes or a value arrives on
// hangup, until ctx ends. A file that is not valid changes nothing.
func (s *Service) Watch(ctx context.Context, file string, environ []string, hangup <-chan os.Signal) {
	last := digest(file)
	// It may have changed between the start, which read it, and now.
	if cfg, _, err := Load(file, environ); err == nil && !reflect.DeepEqual(cfg, &s.cfg) {
		s.reloadFile(file, environ)
	}
	tick := time.NewTicker(reloadPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			last = digest(file)
		case <-tick.C:
			now := digest(file)
			if now == last || now == ([sha256.Size]byte{}) {
				continue
			}
			last = now
		}
		s.reloadFile(file, environ)
	}
}

func (s *Service) reloadFile(file string, environ []string) {
	cfg, warnings, err := Load(file, environ)
	if err != nil {
		s.logger.Error("reload: the configuration stays as it was", "file", file, "error", err)
		return
	}
	restart, err := s.Reload(cfg)
	if err != nil {
		s.logger.Error("reload: the configuration stays as it was", "file", file, "error", err)
		return
	}
	for _, w := range warnings {
		s.logger.Warn(w)
	}
	s.logger.Info("reloaded roles, deny and maxTTL", "file", file, "roles", len(cfg.Roles))
	if len(restart) > 0 {
		s.logger.Warn("restart needed", "changed", restart)
	}
}

// digest is the digest of a file's content; zero where it cannot be read, as in the moment
// in which an editor replaces it.
func digest(file string) [sha256.Size]byte {
	text, err := os.ReadFile(file)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(text)
}
