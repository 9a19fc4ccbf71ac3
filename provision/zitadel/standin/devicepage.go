package standin

import (
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The page at which a person approves a device flow. It asks for no password: whoever reaches
// loopback may be anybody here. But the code must be typed as the terminal shows it, also
// when the address has it already, so that no link and no foreign page approves anything.
var devicePage = template.Must(template.New("device").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Approve a device</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:28em;margin:4em auto;padding:0 1em}
label{display:block;margin:1em 0}input,select{font:inherit;width:100%;padding:.4em;box-sizing:border-box}
button{font:inherit;padding:.4em 1em;margin-right:.5em}.note{color:#666}.problem{color:#a00}</style>
<h1>Approve a device</h1>
{{if .Done}}<p>{{.Done}} You may close this page and return to the terminal.</p>
{{else}}{{with .Problem}}<p class="problem" role="alert">{{.}}</p>{{end}}
<form method="post" action="/device">
<label>Code from the terminal
<input name="user_code" autocomplete="off" autofocus required placeholder="ABCD-EFGH"></label>
<label>Log in as
<select name="user" required>{{range .People}}<option value="{{.ID}}">{{.Name}}</option>{{end}}</select></label>
<button name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button>
</form>{{end}}
<p class="note">This is a stand-in for Zitadel on this machine, for trying things out. It protects nothing.</p>
</html>
`))

type person struct{ ID, Name string }

type devicePageData struct {
	Problem, Done string
	People        []person
}

func (s *Server) routeDevicePage() {
	guard := http.NewCrossOriginProtection()
	s.api.HandleFunc("GET /device", func(w http.ResponseWriter, _ *http.Request) {
		s.writeDevicePage(w, http.StatusOK, devicePageData{})
	})
	s.api.Handle("POST /device", guard.Handler(http.HandlerFunc(s.decideOnPage)))
}

func (s *Server) writeDevicePage(w http.ResponseWriter, status int, data devicePageData) {
	s.store.view(func() {
		for id, u := range s.store.users.rows {
			if u.Human != nil && u.State == active {
				data.People = append(data.People, person{id, u.Username})
			}
		}
	})
	slices.SortFunc(data.People, func(a, b person) int { return strings.Compare(a.Name, b.Name) })
	noStore(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = devicePage.Execute(w, data) // into memory: see recorder
}

// pageProblem is an error that is shown to a person.
type pageProblem string

func (p pageProblem) Error() string { return string(p) }

const (
	problemCode   pageProblem = "No device waits with that code. Type it as the terminal shows it."
	problemPerson pageProblem = "That person may not log in."
)

func (s *Server) decideOnPage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	code, userID, approve := plainCode(r.PostFormValue("user_code")), r.PostFormValue("user"), r.PostFormValue("decision") == "approve"
	err := s.store.update(userID, func(t *tx) error {
		deviceCode, row := t.findDevice(func(d *deviceRow) bool { return plainCode(d.UserCode) == code && d.State == "" })
		if row == nil {
			return problemCode
		}
		if !approve {
			return t.decideDevice(deviceCode, deviceDenied, "", "", stamp{})
		}
		if user := t.users.rows[userID]; user == nil || user.Human == nil || user.State != active {
			return problemPerson
		}
		sessionID := t.clock.newID()
		m, err := t.event("session.added", "session", sessionID, instanceID, nil)
		if err != nil {
			return err
		}
		session := &sessionRow{meta: m, UserID: userID, Expires: stamp{t.now.Add(time.Hour)}}
		if err := put(t, t.sessions, sessionID, session); err != nil {
			return err
		}
		return t.decideDevice(deviceCode, deviceApproved, userID, sessionID, t.now)
	})
	switch {
	case err != nil:
		s.writeDevicePage(w, http.StatusBadRequest, devicePageData{Problem: err.Error()})
	case approve:
		s.writeDevicePage(w, http.StatusOK, devicePageData{Done: "Approved."})
	default:
		s.writeDevicePage(w, http.StatusOK, devicePageData{Done: "Denied."})
	}
}
