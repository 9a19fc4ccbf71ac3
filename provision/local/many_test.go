package local

import (
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"testing"

	"harmony-callout/callout/callouttest"
)

func TestManyUsersAreLookedAtByPage(t *testing.T) {
	// Making so many keys would take minutes: the stand-in gives out the same one to all.
	key := callouttest.LeaseRSA()
	callouttest.ReleaseRSA(slices.Repeat([]*rsa.PrivateKey{key}, manyUsers+10))

	s := newSite(t)
	var users, grants strings.Builder
	for i := range manyUsers {
		fmt.Fprintf(&users, "{username: many-%d, key: zitadel}, ", i)
		fmt.Fprintf(&grants, "{user: many-%d, roles: [sensor]}, ", i)
	}
	s.Text = strings.Replace(s.Text, "machineUsers: [", "machineUsers: ["+users.String(), 1)
	s.Text = strings.Replace(s.Text, "grants: [", "grants: ["+grants.String(), 1)
	_, _, end := mustUp(t, s, nil)
	end()

	p, sum, _ := mustUp(t, s, nil)
	// The callout asks for itself: discovery, and the keys.
	if n := p.standin.TotalRequests() - 2; n > 20 {
		t.Errorf("an up that changes nothing makes %d requests for %d users", n, manyUsers)
	}
	if sum.Changes > 0 || p.points.writes.Load() > 0 {
		t.Errorf("up again made %d changes", sum.Changes)
	}
}
