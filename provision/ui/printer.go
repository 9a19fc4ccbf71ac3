package ui

import (
	"cmp"
	"fmt"
	"io"
	"sync"
	"time"

	"harmony-callout/provision"
)

// listed is how many changes of one step a plan lists.
const listed = 20

// Printer turns the events of one run into lines for people.
type Printer struct {
	screen *Screen
	verb   string // up, down, plan, status …
	now    func() time.Time
	done   chan struct{}
	ticker sync.WaitGroup

	mu   sync.Mutex
	out  io.Writer
	step current
}

// current is the step that runs.
type current struct {
	name      string
	began     time.Time
	announced bool   // its first line is printed
	waiting   string // what it waits for
	done      int
	total     int
	changes   summary
}

// NewPrinter prints to a screen. The verb is the command's: it chooses the closing words.
func NewPrinter(s *Screen, verb string) *Printer {
	p := newPrinter(s, verb, time.Now)
	if s.Terminal() {
		p.ticker.Go(p.tick)
	}
	return p
}

func newPrinter(s *Screen, verb string, now func() time.Time) *Printer {
	return &Printer{screen: s, verb: verb, now: now, out: s.Stdout(), done: make(chan struct{})}
}

// Close takes the live line away. It is called once.
func (p *Printer) Close() {
	close(p.done)
	p.ticker.Wait()
	p.screen.SetLive("")
}

// tick keeps the elapsed time going.
func (p *Printer) tick() {
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-every.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// Event prints what there is to print of an event.
func (p *Printer) Event(e provision.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case provision.EventStep:
		p.onStep(e)
	case provision.EventPlan:
		p.onPlan(e)
	case provision.EventChange:
		p.announce()
		p.step.total, p.step.waiting = e.Total, ""
		if e.Status == provision.Done {
			p.step.done++
			p.step.changes.add(e.Change)
		}
	case provision.EventWait:
		p.announce()
		p.step.waiting = e.Detail
	case provision.EventProgress:
		p.step.done, p.step.total = e.Done, e.Total
	case provision.EventDone:
		p.line("%s", p.closing(e))
	}
	p.draw()
}

func (p *Printer) onStep(e provision.Event) {
	if e.Status == provision.Started {
		p.step = current{name: e.Step, began: p.now()}
		return
	}
	took := ""
	if e.Elapsed() >= 100*time.Millisecond {
		took = " (" + seconds(e.Elapsed()) + ")"
	}
	detail := ""
	if e.Detail != "" {
		detail = ", " + e.Detail
	}
	switch e.Status {
	case provision.Skipped:
		p.line("%s%s: skipped, %s", p.mark("-", dim), e.Step, e.Condition)
	case provision.Unchanged:
		p.line("%s%s: unchanged%s%s", p.mark("✓", green), e.Step, detail, took)
	case provision.Interrupted:
		p.line("%s%s: interrupted%s", p.mark("-", yellow), e.Step, took)
	case provision.Failed:
		// Its error ends the command and is printed there, except by status, which goes on.
		text := ""
		if p.verb == "status" {
			text = ": " + e.Error
		}
		p.line("%s%s: failed%s%s", p.mark("✗", red), e.Step, text, took)
		if p.verb == "status" && e.Hint != "" {
			p.line("  hint: %s", e.Hint)
		}
	default:
		if p.verb == "status" {
			p.line("%s%s: %s%s%s", p.conditionMark(e.Condition), e.Step, e.Condition, detail, took)
			break
		}
		p.line("%s%s: %s%s", p.mark("✓", green), e.Step, p.step.changes.String(), took)
	}
	p.step = current{}
}

func (p *Printer) onPlan(e provision.Event) {
	if e.Change == nil {
		detail := ""
		if e.Detail != "" {
			detail = ", " + e.Detail
		}
		p.line("%s: %s%s", e.Step, e.Condition, detail)
		p.step = current{}
		return
	}
	if e.Done == 1 {
		p.line("%s: %s", e.Step, e.Condition)
	}
	switch {
	case e.Done <= listed || e.Total == listed+1:
		p.line("  %s", p.change(e.Change))
	case e.Done == e.Total:
		p.line("  … and %d more: --json lists them all", e.Total-listed)
	}
	if e.Done == e.Total {
		p.step = current{}
	}
}

// announce prints a step's first line once it does something. A terminal has the live line.
func (p *Printer) announce() {
	if p.screen.Terminal() || p.step.announced || p.step.name == "" {
		return
	}
	p.step.announced = true
	p.line("%s ...", p.step.name)
}

// closing are the last words of a run that went well.
func (p *Printer) closing(e provision.Event) string {
	changes := fmt.Sprintf("%d changes", e.Total)
	if e.Total == 1 {
		changes = "1 change"
	}
	switch {
	case e.Status == provision.Unchanged && p.verb == "down":
		return "unchanged: there is nothing to take away"
	case e.Status == provision.Unchanged:
		return "unchanged: everything is as wanted"
	case e.Status == provision.Planned:
		return changes + " to make"
	default:
		return changes + " made in " + seconds(e.Elapsed())
	}
}

func (p *Printer) line(format string, args ...any) {
	// The command fails on its own output where it must; progress that cannot be shown does not stop it.
	_, _ = fmt.Fprintln(p.out, printable(fmt.Sprintf(format, args...)))
}

// draw shows the live line: the step, how far it is, what it waits for, and for how long.
func (p *Printer) draw() {
	s := &p.step
	if s.name == "" {
		p.screen.SetLive("")
		return
	}
	elapsed := p.now().Sub(s.began)
	text := spinner(elapsed) + " " + s.name + " " + seconds(elapsed)
	if s.total > 1 {
		text += " " + bar(s.done, s.total)
	}
	if s.waiting != "" {
		text += " waiting for " + s.waiting
	}
	p.screen.SetLive(printable(text))
}

func (p *Printer) mark(symbol, style string) string {
	if !p.screen.Terminal() {
		return ""
	}
	return p.paint(symbol, style) + " "
}

func (p *Printer) conditionMark(c provision.Condition) string {
	if c == provision.InSync {
		return p.mark("✓", green)
	}
	return p.mark("!", yellow)
}

// change is one line of a plan.
func (p *Printer) change(c *provision.Change) string {
	style := map[provision.Action]string{provision.Create: green, provision.Adopt: green, provision.Delete: red}[c.Action]
	text := p.paint(fmt.Sprintf("%-7s", c.Action), cmp.Or(style, yellow)) + " " + c.Kind + " " + c.Name
	if c.Detail != "" {
		text += " (" + c.Detail + ")"
	}
	return text
}
