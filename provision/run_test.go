package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// shelf is a live system: names that are there. What is put there shows after lag looks.
type shelf struct {
	mu    sync.Mutex
	there map[string]bool
	lag   int
}

// part is a step that wants names on the shelf.
type part struct {
	name  string
	want  []string
	shelf *shelf
	batch string

	observeErr, probeErr error
	condition            Condition // instead of what is found
	apply                func(ctx context.Context, name string) error
	probed               int
}

func (p *part) Name() string { return p.name }

func (p *part) observe(ctx context.Context, wanted bool, action Action) (Observation, error) {
	if p.observeErr != nil {
		return Observation{}, p.observeErr
	}
	p.shelf.mu.Lock()
	defer p.shelf.mu.Unlock()
	o := Observation{Condition: InSync}
	stale := p.shelf.lag > 0
	if stale {
		p.shelf.lag--
	}
	for _, name := range p.want {
		if p.shelf.there[name] == wanted && !stale {
			continue
		}
		o.Condition = OutOfSync
		o.Changes = append(o.Changes, Change{Action: action, Kind: "book", Name: name, Batch: p.batch, Apply: func(ctx context.Context) error {
			if p.apply != nil {
				if err := p.apply(ctx, name); err != nil {
					return err
				}
			}
			p.shelf.mu.Lock()
			defer p.shelf.mu.Unlock()
			p.shelf.there[name] = wanted
			return nil
		}})
	}
	if p.condition != "" {
		o.Condition, o.Detail = p.condition, "a detail"
	}
	return o, nil
}

func (p *part) Observe(ctx context.Context) (Observation, error) { return p.observe(ctx, true, Create) }

func (p *part) ObserveRemoval(ctx context.Context) (Observation, error) {
	return p.observe(ctx, false, Delete)
}

func (p *part) Probe(context.Context) error {
	p.probed++
	return p.probeErr
}

// recorder keeps events, without what changes from run to run.
type recorder struct{ lines []string }

func (r *recorder) event(e Event) {
	line := string(e.Kind)
	for _, word := range []string{e.Step, string(e.Status), string(e.Condition)} {
		if word != "" {
			line += "|" + word
		}
	}
	if e.Change != nil {
		line += "|" + e.Change.Name
	}
	if e.Total > 0 {
		line += fmt.Sprintf("|%d/%d", e.Done, e.Total)
	}
	r.lines = append(r.lines, line)
}

func two() (*shelf, *part, *part, *recorder, *Runner) {
	s := &shelf{there: map[string]bool{}}
	a := &part{name: "novels long", want: []string{"a", "b"}, shelf: s}
	b := &part{name: "atlas", want: []string{"c"}, shelf: s}
	rec := &recorder{}
	return s, a, b, rec, &Runner{Steps: []Step{a, b}, Events: rec.event, Settle: 2 * time.Second}
}

func wantEvents(t *testing.T, rec *recorder, want ...string) {
	t.Helper()
	if !slices.Equal(rec.lines, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(rec.lines, "\n"), strings.Join(want, "\n"))
	}
	rec.lines = nil
}

func TestPlanUpUpAndDown(t *testing.T) {
	s, a, _, rec, r := two()

	plans, err := r.Plan(t.Context())
	must(t, err)
	if len(plans) != 2 || len(plans[0].Changes) != 2 || len(s.there) != 0 || a.probed != 0 {
		t.Errorf("plan gives %+v and leaves %v", plans, s.there)
	}
	wantEvents(t, rec,
		"step|novels long|started", "plan|novels long|planned|out of sync|a|1/2", "plan|novels long|planned|out of sync|b|2/2",
		"step|atlas|started", "plan|atlas|planned|out of sync|c|1/1", "done|planned|0/3")

	sum, err := r.Up(t.Context())
	must(t, err)
	if sum != (Summary{Steps: 2, Changes: 3}) || a.probed != 1 {
		t.Errorf("up did %+v, probed %d times", sum, a.probed)
	}
	wantEvents(t, rec,
		"step|novels long|started", "change|novels long|started|a|0/2", "change|novels long|done|a|1/2",
		"change|novels long|started|b|0/2", "change|novels long|done|b|2/2", "step|novels long|done|out of sync|2/2",
		"step|atlas|started", "change|atlas|started|c|0/1", "change|atlas|done|c|1/1", "step|atlas|done|out of sync|1/1", "done|done|0/3")

	sum, err = r.Up(t.Context())
	must(t, err)
	if sum.Changes != 0 || a.probed != 2 {
		t.Errorf("the second up did %+v, probed %d times", sum, a.probed)
	}
	wantEvents(t, rec,
		"step|novels long|started", "step|novels long|unchanged|in sync", "step|atlas|started", "step|atlas|unchanged|in sync", "done|unchanged")

	states, err := r.Status(t.Context())
	must(t, err)
	if len(states) != 2 || states[0].Condition != InSync || states[0].Err != nil {
		t.Errorf("status is %+v", states)
	}
	rec.lines = nil

	if plans, err = r.PlanDown(t.Context()); err != nil || len(plans) != 2 || plans[0].Step != "atlas" {
		t.Errorf("the plan of down is %+v, %v", plans, err)
	}
	sum, err = r.Down(t.Context())
	must(t, err)
	if sum.Changes != 3 || s.there["a"] || s.there["c"] {
		t.Errorf("down did %+v, left is %v", sum, s.there)
	}
	if sum, err = r.Down(t.Context()); err != nil || sum.Changes != 0 {
		t.Errorf("the second down did %+v, %v", sum, err)
	}
}

func TestErrorsNameStepAndChange(t *testing.T) {
	boom := WithHint(errors.New("boom"), "duck")
	tests := []struct {
		name, want, hint string
		set              func(*shelf, *part)
	}{
		{"a step that cannot be asked", "observe novels long: boom", "duck", func(_ *shelf, p *part) { p.observeErr = boom }},
		{"a change that fails", "novels long: create book b: boom", "duck", func(_ *shelf, p *part) {
			p.apply = func(_ context.Context, name string) error {
				if name == "b" {
					return boom
				}
				return nil
			}
		}},
		{"a probe that fails", "probe novels long: boom", "duck", func(_ *shelf, p *part) { p.probeErr = boom }},
		{"what is somebody else's", "novels long: something else has the name and is not touched: a detail", "choose another name", func(_ *shelf, p *part) { p.condition = Foreign }},
		{"what could not be told", "novels long: its state could not be told: a detail", "", func(_ *shelf, p *part) { p.condition = Unknown }},
		{"what somebody is in the middle of", "novels long: somebody is in the middle of it: a detail", "wait", func(s *shelf, p *part) {
			p.condition = Locked
			s.there = map[string]bool{"a": true, "b": true}
		}},
		{"what does not come to be as wanted", "novels long: after 2 changes it still differs (out of sync): create book a, create book b", "somebody else", func(s *shelf, _ *part) { s.lag = 1 << 30 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, a, b, rec, r := two()
			r.Settle = 50 * time.Millisecond
			tt.set(s, a)
			_, err := r.Up(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !strings.HasPrefix(HintOf(err), tt.hint) {
				t.Errorf("error %v, hint %q", err, HintOf(err))
			}
			if b.probed > 0 || s.there["c"] {
				t.Error("the next step was begun")
			}
			if last := rec.lines[len(rec.lines)-1]; !strings.HasPrefix(last, "step|novels long|failed") {
				t.Errorf("the last event is %s", last)
			}
		})
	}
}

func TestWhatWasWrittenMayShowLate(t *testing.T) {
	s, _, _, rec, r := two()
	s.lag = 4
	sum, err := r.Up(t.Context())
	must(t, err)
	if sum.Changes != 3 {
		t.Errorf("did %+v", sum)
	}
	if !slices.Contains(rec.lines, "wait|novels long") {
		t.Errorf("nothing tells that it waits: %q", rec.lines)
	}
}

func TestStatusGoesOnAfterFailures(t *testing.T) {
	s, a, b, _, r := two()
	s.there = map[string]bool{"c": true}
	a.observeErr, b.probeErr = errors.New("boom"), errors.New("bang")
	plans, err := r.Status(t.Context())
	must(t, err)
	if len(plans) != 2 || plans[0].Condition != Unknown || plans[0].Err == nil || plans[1].Condition != InSync || plans[1].Err == nil {
		t.Errorf("got %+v", plans)
	}
}

func TestSelectionByFirstWords(t *testing.T) {
	s := &shelf{there: map[string]bool{}}
	var steps []Step
	for _, name := range []string{"nats server", "zitadel project", "zitadel grants", "zitadel grants extra"} {
		steps = append(steps, &part{name: name, shelf: s, want: []string{name}})
	}
	tests := []struct {
		name       string
		only, skip []string
		want       []string
		err        string
	}{
		{"all", nil, nil, []string{"nats server", "zitadel project", "zitadel grants", "zitadel grants extra"}, ""},
		{"one part", []string{"nats"}, nil, []string{"nats server"}, ""},
		{"several words", []string{"zitadel grants"}, nil, []string{"zitadel grants", "zitadel grants extra"}, ""},
		{"two", []string{"nats", "zitadel project"}, nil, []string{"nats server", "zitadel project"}, ""},
		{"skipped", nil, []string{"zitadel"}, []string{"nats server"}, ""},
		{"both", []string{"zitadel"}, []string{"zitadel grants"}, []string{"zitadel project"}, ""},
		{"half a word", []string{"zita"}, nil, nil, "--only zita: no step has that name; known are nats, nats server, zitadel, zitadel project, zitadel grants, zitadel grants extra"},
		{"nothing", nil, []string{""}, nil, "--skip : no step has that name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			selected, err := Select(steps, tt.only, tt.skip)
			if tt.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			must(t, err)
			var got []string
			for _, step := range steps {
				if selected(step) {
					got = append(got, step.Name())
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatIsNotSelectedIsLookedAtAndNotTouched(t *testing.T) {
	s, a, b, rec, r := two()
	r.Selected = func(step Step) bool { return step == Step(b) }
	sum, err := r.Up(t.Context())
	must(t, err)
	if sum.Changes != 1 || s.there["a"] || !s.there["c"] {
		t.Errorf("did %+v: %v", sum, s.there)
	}
	if rec.lines[0] != "step|novels long|skipped|out of sync" {
		t.Errorf("the first event is %s", rec.lines[0])
	}
	a.observeErr = errors.New("boom")
	if _, err := r.Up(t.Context()); err != nil {
		t.Errorf("a skipped step that cannot be asked: %v", err)
	}
	rec.lines, r.Selected = nil, func(step Step) bool { return step == Step(a) }
	a.observeErr = nil
	_, err = r.Up(t.Context())
	must(t, err)
	for _, line := range rec.lines {
		if strings.Contains(line, "atlas") {
			t.Errorf("a step behind the last selected one was looked at: %s", line)
		}
	}
}

func TestStepsSayWhatTheyWaitFor(t *testing.T) {
	s, a, _, rec, r := two()
	r.Steps = r.Steps[:1]
	s.there["b"] = true
	a.apply = func(ctx context.Context, _ string) error {
		Waiting(ctx, "the printer")
		Progress(ctx, 2, 5)
		return nil
	}
	_, err := r.Up(t.Context())
	must(t, err)
	wantEvents(t, rec, "step|novels long|started", "change|novels long|started|a|0/1", "wait|novels long", "progress|novels long|2/5",
		"change|novels long|done|a|1/1", "step|novels long|done|out of sync|1/1", "done|done|0/1")
	Waiting(t.Context(), "nobody") // outside a run, it goes nowhere
	Progress(t.Context(), 1, 2)
}
