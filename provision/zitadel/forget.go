package zitadel

import "harmony-callout/provision"

// noteKinds are all kinds of notes that the convergence makes.
func noteKinds() []string {
	kinds := []string{kindProject, kindRole, kindApp, kindUser, kindGrant}
	for _, kind := range []string{kindAppKey, kindMachineKey} {
		o := keyOwner{kind: kind}
		kinds = append(kinds, kind, o.retiredKind(), o.attemptKind())
	}
	return kinds
}

// CountNotes returns how many things of a Zitadel are noted.
func CountNotes(notes provision.Notes) int {
	n := 0
	for _, kind := range noteKinds() {
		n += len(notes.Noted(kind))
	}
	return n
}

// DropNotes forgets all that is noted of a Zitadel: for when it is gone as a whole.
func DropNotes(notes provision.Notes) error {
	for _, kind := range noteKinds() {
		for _, name := range notes.Noted(kind) {
			if err := notes.DropNote(kind, name); err != nil {
				return err
			}
		}
	}
	return nil
}
