package callout

// Trace records the checks that a credential passes, for explain. A nil *Trace records
// nothing: serve runs the very same code with one.
type Trace struct {
	Checks []Check
}

// Check is one passed check.
type Check struct {
	Name   string `json:"check"`
	Detail string `json:"detail,omitempty"`
}

func (t *Trace) pass(name, detail string) {
	if t != nil {
		t.Checks = append(t.Checks, Check{Name: name, Detail: detail})
	}
}
