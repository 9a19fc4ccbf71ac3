package callout

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestOnlyTheProjectsOwnRolesClaimGrants(t *testing.T) {
	grant := `{"sensor":{"` + testOrg + `":"example.test"}}`
	m := newMint(t)
	for _, tt := range []struct {
		name  string
		edits []string
		want  Reason
	}{
		{"the claim of the project", nil, ""},
		{"the claim without a project", []string{"-" + testRoles, `"urn:zitadel:iam:org:project:roles":` + grant}, ReasonNoRole},
		{"the claim of another project", []string{"-" + testRoles, `"urn:zitadel:iam:org:project:1:roles":` + grant}, ReasonNoRole},
		{"the claim of a project whose id begins with ours", []string{"-" + testRoles, `"urn:zitadel:iam:org:project:` + testProjectID + `0:roles":` + grant}, ReasonNoRole},
		{"the claim in capitals", []string{"-" + testRoles, `"URN:zitadel:iam:org:project:` + testProjectID + `:roles":` + grant}, ReasonNoRole},
		{"the claim with a space", []string{"-" + testRoles, `"` + testRoles + ` ":` + grant}, ReasonNoRole},
		{"the claim of the project, escaped", []string{"-" + testRoles, `"urn:zitadel:iam:org:project:` + testProjectID + `:role\u0073":` + grant}, ""},
		{"roles, groups and scope of other products", []string{"-" + testRoles, `"roles":["sensor"]`, `"groups":["sensor"]`, `"scope":"sensor"`, `"permissions":["sensor"]`}, ReasonNoRole},
		{"no claim", []string{"-" + testRoles}, ReasonNoRole},
		{"the role without an organisation", []string{`"` + testRoles + `":{"sensor":{}}`}, ReasonNoRole},
		{"another role", []string{`"` + testRoles + `":{"Sensor":{"` + testOrg + `":"x"}}`}, ReasonNoRole},
		{"no role", []string{`"` + testRoles + `":{}`}, ReasonNoRole},
		{"a list of roles", []string{`"` + testRoles + `":["sensor"]`}, ReasonMalformedToken},
		{"a role that is text", []string{`"` + testRoles + `":"sensor"`}, ReasonMalformedToken},
		{"a role that is true", []string{`"` + testRoles + `":{"sensor":true}`}, ReasonMalformedToken},
		{"organisations in a list", []string{`"` + testRoles + `":{"sensor":["` + testOrg + `"]}`}, ReasonMalformedToken},
		{"an organisation without a domain's text", []string{`"` + testRoles + `":{"sensor":{"` + testOrg + `":null}}`}, ReasonMalformedToken},
		{"null", []string{`"` + testRoles + `":null`}, ReasonMalformedToken},
		{"a role twice", []string{`"` + testRoles + `":{"sensor":{"1":"x"},"sensor":{"` + testOrg + `":"x"}}`}, ReasonMalformedToken},
		{"an organisation twice", []string{`"` + testRoles + `":{"sensor":{"1":"x","1":"y"}}`}, ReasonMalformedToken},
		{"the claim twice", []string{`+,"` + testRoles + `":` + grant}, ReasonMalformedToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, out, reason := decideAt(t, m.decider(policyOf(t, nil)), m.token(payload(tt.edits...)), testNow)
			if reason != tt.want {
				t.Errorf("reason %q, want %q", reason, tt.want)
			}
			if reason == ReasonNoRole && out.Principal == nil {
				t.Error("the token is verified, but the log does not say whose it is")
			}
		})
	}
}

func TestGrantsAreReadByRoleAndOrganisation(t *testing.T) {
	read := newClaimReader(testProjectID, nil)
	c, err := read.parse(payload(`"` + testRoles + `":{"b":{"2":"x","1":"y"},"a":{"1":""},"none":{},"":{"1":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for key := range c.grants {
		slices.Sort(c.grants[key])
	}
	want := map[string][]string{"b": {"1", "2"}, "a": {"1"}}
	if !maps.EqualFunc(c.grants, want, slices.Equal) {
		t.Errorf("grants %v, want %v", c.grants, want)
	}
}

func TestClaimsForTemplatesAreThoseThatAreNamedAndStrings(t *testing.T) {
	names := set([]string{"team", "urn:example:site", "sub", "number", "absent", "aud"})
	read := newClaimReader(testProjectID, names)
	c, err := read.parse(payload(`"team":"blue"`, `"urn:example:site":"north"`, `"other":"x"`, `"number":7`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"team": "blue", "urn:example:site": "north", "sub": "4711"}
	if !maps.Equal(c.custom, want) {
		t.Errorf("claims %v, want %v", c.custom, want)
	}
}

func TestWhatParsesDoesNotDependOnWhatTemplatesName(t *testing.T) {
	bare := newClaimReader(testProjectID, nil)
	for _, edit := range []string{
		`"x":"\ud800"`, "\"x\":\"\xff\"", `"x":1`, `"x":"fine"`, `+,"x":1,"x":2`, `"x":nul`, `"sub":7`, `"x":{"y":1,"y":1}`,
	} {
		naming := newClaimReader(testProjectID, set([]string{"x", "sub"}))
		_, err := bare.parse(payload(edit))
		_, named := naming.parse(payload(edit))
		if (err == nil) != (named == nil) {
			t.Errorf("%s: without templates %v, with them %v", edit, err, named)
		}
	}
}

func TestErrorsAboutATokenNeverQuoteIt(t *testing.T) {
	read := newClaimReader(testProjectID, nil)
	const secret = "TOPSECRET"
	for _, text := range []string{secret, `{"` + secret + `":`, `{"iss":` + secret + `}`, `{"x":"` + secret + `}`, `{"` + secret + `":1,"` + secret + `":1}`} {
		if _, err := read.parse([]byte(text)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
