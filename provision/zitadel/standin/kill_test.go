package standin_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"harmony-callout/provision/zitadel/standin"
)

// childDir, when set, makes this program a stand-in that adds users until it is killed.
const childDir = "STANDIN_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := addUsersForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// addUsersForever prints the id of each user that the server has answered for.
func addUsersForever(dir string) error {
	server, err := standin.New(standin.Config{Dir: dir})
	if err != nil {
		return err
	}
	s := &site{server, &panics{}}
	org := s.orgID()
	for n := 0; ; n++ {
		name := fmt.Sprintf("u-%d-%d", os.Getpid(), n)
		answer := s.must("POST", "/v2/users/new", object{"organizationId": org, "username": name, "machine": object{"name": name}})
		if _, err := fmt.Println(at(answer, "id")); err != nil {
			return err
		}
	}
}

// panics is a testing.TB for a program without a test.
type panics struct{ testing.TB }

func (panics) Helper()                      {}
func (panics) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (panics) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func TestWhatWasAnsweredSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	var answered []string
	for round := range 6 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			answered = append(answered, lines.Text())
			if n == 0 {
				time.AfterFunc(time.Duration(5+7*round)*time.Millisecond, func() { _ = child.Process.Kill() })
			}
		}
		_ = child.Wait() // "signal: killed"
	}
	s := start(t, standin.Config{Dir: dir})
	for _, id := range answered {
		if status, answer, err := s.send("GET", "/v2/users/"+id, s.AdminPAT().Reveal(), nil); err != nil || status != http.StatusOK {
			t.Fatalf("user %s was answered and is gone: %d %v %v", id, status, answer, err)
		}
	}
	if len(answered) < 6 {
		t.Errorf("only %d users were made", len(answered))
	}
}
