package ui

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"harmony-callout/provision"
)

// story are the events of a run in which everything happens once.
func story() []provision.Event {
	change := func(action provision.Action, kind, name, detail string) *provision.Change {
		return &provision.Change{Action: action, Kind: kind, Name: name, Detail: detail}
	}
	events := []provision.Event{
		{Kind: provision.EventStep, Step: "zitadel project", Status: provision.Started},
		{Kind: provision.EventStep, Step: "zitadel project", Status: provision.Unchanged, Condition: provision.InSync, Detail: "project 4008"},
		{Kind: provision.EventStep, Step: "nats server", Status: provision.Skipped, Condition: provision.Absent},
		{Kind: provision.EventStep, Step: "zitadel roles", Status: provision.Started},
		{Kind: provision.EventChange, Step: "zitadel roles", Status: provision.Started, Change: change(provision.Create, "role", "sensor", ""), Total: 2},
		{Kind: provision.EventWait, Step: "zitadel roles", Detail: "the search to show it"},
		{Kind: provision.EventChange, Step: "zitadel roles", Status: provision.Done, Change: change(provision.Create, "role", "sensor", ""), Done: 1, Total: 2},
		{Kind: provision.EventChange, Step: "zitadel roles", Status: provision.Started, Change: change(provision.Update, "role", "operator", ""), Total: 2},
		{Kind: provision.EventChange, Step: "zitadel roles", Status: provision.Done, Change: change(provision.Update, "role", "operator", ""), Done: 2, Total: 2},
		{Kind: provision.EventStep, Step: "zitadel roles", Status: provision.Done, Condition: provision.Absent, Done: 2, Total: 2, ElapsedMS: 1234},
		{Kind: provision.EventStep, Step: "zitadel users", Status: provision.Started},
	}
	for i := range 1000 {
		name := fmt.Sprint("device-", i)
		events = append(events,
			provision.Event{Kind: provision.EventChange, Step: "zitadel users", Status: provision.Started, Change: change(provision.Create, "user", name, ""), Total: 1000},
			provision.Event{Kind: provision.EventChange, Step: "zitadel users", Status: provision.Done, Change: change(provision.Create, "user", name, ""), Done: i + 1, Total: 1000})
	}
	return append(events,
		provision.Event{Kind: provision.EventStep, Step: "zitadel users", Status: provision.Done, Done: 1000, Total: 1000, ElapsedMS: 61_000},
		provision.Event{Kind: provision.EventStep, Step: "zitadel grants", Status: provision.Started},
		provision.Event{Kind: provision.EventStep, Step: "zitadel grants", Status: provision.Failed, Error: "observe zitadel grants: boom", Hint: "duck"},
		provision.Event{Kind: provision.EventDone, Status: provision.Done, Total: 1002, ElapsedMS: 63_000},
	)
}

func TestPlainLines(t *testing.T) {
	tests := []struct {
		name, verb string
		events     []provision.Event
		want       string
	}{
		{"a run", "up", story(), `zitadel project: unchanged, project 4008
nats server: skipped, absent
zitadel roles ...
zitadel roles: created role sensor; updated role operator (1.2s)
zitadel users ...
zitadel users: created user device-0, device-1, device-2 and 997 more (1m1s)
zitadel grants: failed
1002 changes made in 1m3s
`},
		{"a run that changed nothing", "up", []provision.Event{{Kind: provision.EventDone, Status: provision.Unchanged}}, "unchanged: everything is as wanted\n"},
		{"nothing to take away", "down", []provision.Event{{Kind: provision.EventDone, Status: provision.Unchanged}}, "unchanged: there is nothing to take away\n"},
		{"status", "status", []provision.Event{
			{Kind: provision.EventStep, Step: "a", Status: provision.Started},
			{Kind: provision.EventStep, Step: "a", Status: provision.Done, Condition: provision.InSync, Detail: "v1 at http://x"},
			{Kind: provision.EventStep, Step: "b", Status: provision.Failed, Error: "probe b: boom", Hint: "duck"},
		}, "a: in sync, v1 at http://x\nb: failed: probe b: boom\n  hint: duck\n"},
		{"a plan", "plan", plan(2), `zitadel users: out of sync
  create  user device-0 (name: Device)
  create  user device-1 (name: Device)
zitadel grants: in sync, 4 grants
1 change to make
`},
		{"a long plan", "plan", plan(50), "zitadel users: out of sync\n" + listedUsers(20) + "  … and 30 more: --json lists them all\nzitadel grants: in sync, 4 grants\n1 change to make\n"},
		{"a plan of one more than is listed", "plan", plan(21), "zitadel users: out of sync\n" + listedUsers(21) + "zitadel grants: in sync, 4 grants\n1 change to make\n"},
		{"what a server says cannot control a terminal", "up", []provision.Event{
			{Kind: provision.EventStep, Step: "a", Status: provision.Unchanged, Detail: "x\x1b[2J\ny"},
		}, "a: unchanged, x\uFFFD[2J\uFFFDy\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, log bytes.Buffer
			s := NewScreen(&out, &log, nil)
			p := NewPrinter(s, tt.verb)
			for _, e := range tt.events {
				p.Event(e)
			}
			p.Close()
			if out.String() != tt.want || log.Len() > 0 {
				t.Errorf("got\n%s\nwant\n%s", out.String(), tt.want)
			}
		})
	}
}

func plan(users int) []provision.Event {
	var events []provision.Event
	for i := range users {
		events = append(events, provision.Event{
			Kind: provision.EventPlan, Step: "zitadel users", Status: provision.Planned, Condition: provision.OutOfSync, Done: i + 1, Total: users,
			Change: &provision.Change{Action: provision.Create, Kind: "user", Name: fmt.Sprint("device-", i), Detail: "name: Device"},
		})
	}
	return append(events,
		provision.Event{Kind: provision.EventPlan, Step: "zitadel grants", Status: provision.Unchanged, Condition: provision.InSync, Detail: "4 grants"},
		provision.Event{Kind: provision.EventDone, Status: provision.Planned, Total: 1})
}

func listedUsers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  create  user device-%d (name: Device)\n", i)
	}
	return b.String()
}

func TestJSONLines(t *testing.T) {
	for _, tt := range []struct {
		event provision.Event
		want  string
	}{
		{provision.Event{Kind: provision.EventStep, Step: "a <b>", Status: provision.Done, Condition: provision.InSync, ElapsedMS: 12}, `{"event":"step","step":"a <b>","condition":"in sync","status":"done","elapsed_ms":12}`},
		{provision.Event{Kind: provision.EventChange, Step: "a", Change: &provision.Change{Action: provision.Create, Kind: "role", Name: "x"}, Status: provision.Failed, Error: "boom", Hint: "duck"}, `{"event":"change","step":"a","change":{"action":"create","kind":"role","name":"x"},"status":"failed","error":"boom","hint":"duck"}`},
		{provision.Event{Kind: provision.EventReady, Access: &provision.Access{NATS: "nats://127.0.0.1:4222", Issuer: "http://127.0.0.1:8080", ProjectID: "4", Users: []string{"sensor-1"}}}, `{"event":"ready","nats":"nats://127.0.0.1:4222","issuer":"http://127.0.0.1:8080","projectID":"4","users":["sensor-1"]}`},
		{provision.Event{Kind: provision.EventProof, Status: provision.Done, Proof: &provision.Proof{User: "u", Action: "publish", Subject: "s", Want: true, Got: true}}, `{"event":"proof","status":"done","proof":{"user":"u","action":"publish","subject":"s","want":true,"got":true}}`},
	} {
		var out bytes.Buffer
		JSON(&out)(tt.event)
		if out.String() != tt.want+"\n" {
			t.Errorf("got  %swant %s", out.String(), tt.want)
		}
	}
}

// terminal is a pseudo terminal of the given size, and what has appeared on it.
type terminal struct {
	file *os.File // the program's side
	mu   sync.Mutex
	text bytes.Buffer
	done chan struct{}
}

func openTerminal(t *testing.T, columns uint16) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudo terminals here: ", err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join("/dev/pts", fmt.Sprint(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudo terminals here: ", err)
	}
	term := &terminal{file: file, done: make(chan struct{})}
	go func() {
		defer close(term.done)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			term.mu.Lock()
			term.text.Write(buffer[:n])
			term.mu.Unlock()
			if err != nil { // the program's side is closed
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = file.Close() // again, where the test has not got to it
		<-term.done
		_ = master.Close()
	})
	return term
}

func (term *terminal) String() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.String()
}

// screenful plays what was written to a terminal and returns the lines that remain on it.
func screenful(text string) []string {
	lines := []string{""}
	for text != "" {
		last := len(lines) - 1
		switch {
		case strings.HasPrefix(text, "\r\n"):
			lines, text = append(lines, ""), text[2:]
		case strings.HasPrefix(text, clearLine):
			lines[last], text = "", text[len(clearLine):]
		default:
			if style := leadingStyle(text); style != "" {
				text = text[len(style):]
				continue
			}
			lines[last], text = lines[last]+text[:1], text[1:]
		}
	}
	return lines
}

func TestATerminalHasALiveLineThatNothingMixesWith(t *testing.T) {
	term := openTerminal(t, 60)
	s := NewScreen(term.file, term.file, []string{"TERM=xterm"})
	clock := time.Unix(0, 0)
	p := newPrinter(s, "up", func() time.Time { clock = clock.Add(time.Second); return clock })
	for i, e := range story() {
		p.Event(e)
		if i == 5 { // in the middle of a step
			fmt.Fprintln(s.Stderr(), "level=INFO msg=logged")
			fmt.Fprint(s.Stderr(), "half a line, ")
			fmt.Fprintln(s.Stderr(), "and its end")
		}
	}
	p.Close()
	if err := term.file.Close(); err != nil {
		t.Fatal(err)
	}
	<-term.done
	got := strings.Join(screenful(term.String()), "\n")
	want := `✓ zitadel project: unchanged, project 4008
- nats server: skipped, absent
level=INFO msg=logged
half a line, and its end
✓ zitadel roles: created role sensor; updated role operator (1.2s)
✓ zitadel users: created user device-0, device-1, device-2 and 997 more (1m1s)
✗ zitadel grants: failed
1002 changes made in 1m3s
`
	if got != want {
		t.Errorf("the screen is\n%s\nwant\n%s", got, want)
	}
	for _, shown := range []string{
		"zitadel roles 3.0s [░░░░░░░░░░░░░░░░] 0/2 waiting for th…", // cut to 59 columns
		"zitadel users", "500/1000", green + "✓" + plain, red + "✗" + plain,
	} {
		if !strings.Contains(term.String(), shown) {
			t.Errorf("%q was never shown", shown)
		}
	}
}

func TestTheElapsedTimeGoesOnByItself(t *testing.T) {
	term := openTerminal(t, 80)
	s := NewScreen(term.file, term.file, []string{"TERM=xterm", "NO_COLOR=1"})
	p := NewPrinter(s, "up")
	p.Event(provision.Event{Kind: provision.EventStep, Step: "zitadel project", Status: provision.Started})
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(term.String(), "zitadel project 0.3s") && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	p.Event(provision.Event{Kind: provision.EventStep, Step: "zitadel project", Status: provision.Unchanged})
	p.Close()
	if err := term.file.Close(); err != nil {
		t.Fatal(err)
	}
	<-term.done
	if text := term.String(); !strings.Contains(text, "zitadel project 0.") || strings.Contains(text, green) {
		t.Errorf("got %q", text)
	}
	if lines := screenful(term.String()); lines[0] != "✓ zitadel project: unchanged" && !strings.HasPrefix(lines[0], "✓ zitadel project: unchanged (") {
		t.Errorf("the screen is %q", lines)
	}
}

func TestWhatIsATerminal(t *testing.T) {
	term := openTerminal(t, 80)
	if s := NewScreen(term.file, term.file, []string{"TERM=dumb"}); s.Terminal() || s.color {
		t.Error("a dumb terminal gets a live line")
	}
	if s := NewScreen(term.file, term.file, []string{"NO_COLOR=1"}); !s.Terminal() || s.color {
		t.Error("NO_COLOR does not take the colours alone")
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if NewScreen(file, term.file, nil).Terminal() {
		t.Error("a file is a terminal")
	}
}

func TestCutFitsTheColumns(t *testing.T) {
	for columns, want := range map[int]string{0: "", 1: "…", 3: "äb…", 4: "äbcd", 9: "äbcd"} {
		if got := cut("äbcd", columns); got != want {
			t.Errorf("%d columns: got %q, want %q", columns, got, want)
		}
	}
}
