package standin

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"harmony-callout/callout/callouttest"
)

// listen starts callouttest's issuer on the first address that can be had, and serves.
func (s *Server) listen(addrs []string) error {
	keys, err := s.webKeys()
	if err != nil {
		return err
	}
	ready := make(chan struct{}) // closed once the fields are set that requests read
	config := callouttest.IssuerConfig{
		Issuer: s.config.Issuer, Keys: keys,
		Wrap: func(issuer http.Handler) http.Handler {
			next := s.wrap(issuer)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-ready
				next.ServeHTTP(w, r)
			})
		},
	}
	for _, config.Addr = range addrs {
		if s.issuer, err = callouttest.NewIssuer(config); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	defer close(ready)
	s.issuer.Activate(s.store.theInstance().ActiveWebKey)
	if s.base, err = url.Parse(s.issuer.URL()); err != nil || s.config.Dir == "" {
		return err
	}
	return writeFile(filepath.Join(s.config.Dir, addressFile), []byte(s.Addr()+"\n"))
}

const addressFile = "address"

// addresses are where to listen: where it was asked to, before that, if it may be any port,
// where it was the last time.
func (s *Server) addresses() ([]string, error) {
	addr := s.config.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != "0" || s.config.Dir == "" {
		return []string{addr}, err
	}
	data, err := os.ReadFile(filepath.Join(s.config.Dir, addressFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	former := strings.TrimSpace(string(data))
	if formerHost, _, err := net.SplitHostPort(former); err == nil && formerHost == host {
		return []string{former, addr}, nil
	}
	return []string{addr}, nil
}

// webKeys are the keys that sign, in their order.
func (s *Server) webKeys() ([]callouttest.SigningKey, error) {
	var keys []callouttest.SigningKey
	for _, id := range s.store.theInstance().WebKeyOrder {
		private, err := s.store.webKeys.rows[id].private()
		if err != nil {
			return nil, err
		}
		keys = append(keys, callouttest.SigningKey{ID: id, Private: private})
	}
	return keys, nil
}
