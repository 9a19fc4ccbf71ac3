package main

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"

	"harmony-callout/callout/callouttest"
)

// userName keeps names fit for a file name and for one token of a NATS subject.
var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// userList is the --user flags in order.
type userList []callouttest.MachineUser

func (l *userList) String() string { return fmt.Sprint(len(*l), " users") }

// Set adds NAME=ROLE,ROLE; NAME alone is a user without roles.
func (l *userList) Set(text string) error {
	name, roles, _ := strings.Cut(text, "=")
	if !userName.MatchString(name) {
		return fmt.Errorf("user name %q: want letters, digits, - and _, at most 64", name)
	}
	if _, known := l.find(name); known {
		return fmt.Errorf("user %q is given twice", name)
	}
	user := callouttest.MachineUser{ID: userID(name), Username: name}
	for role := range strings.SplitSeq(roles, ",") {
		if role = strings.TrimSpace(role); role != "" {
			user.Roles = append(user.Roles, role)
		}
	}
	*l = append(*l, user)
	return nil
}

func (l *userList) find(name string) (callouttest.MachineUser, bool) {
	for _, user := range *l {
		if user.Username == name {
			return user, true
		}
	}
	return callouttest.MachineUser{}, false
}

// userID is an 18-digit number, as Zitadel's, that is the same for a name on every start, so
// that instructions may quote it.
func userID(name string) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name)) // never fails
	return fmt.Sprint(400_000_000_000_000_000 + hash.Sum64()%100_000_000_000_000_000)
}

// tokenDesk answers GET /token?user=NAME[&ttl=15m] with an access token, alone.
type tokenDesk struct {
	users  userList
	issuer atomic.Pointer[callouttest.Issuer] // nil for the moment before it is known
}

func (d *tokenDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	iss := d.issuer.Load()
	if r.URL.Path != "/token" || iss == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	user, known := d.users.find(r.URL.Query().Get("user"))
	if !known {
		http.Error(w, "no such user; start testissuer with --user NAME=ROLE", http.StatusNotFound)
		return
	}
	ttl, err := parseTTL(r.URL.Query().Get("ttl"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = fmt.Fprint(w, iss.Token(callouttest.TokenSpec{
		Subject: user.ID, Username: user.Username, Roles: user.Roles, TTL: ttl,
	}))
}
