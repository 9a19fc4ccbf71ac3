package callout

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"
	natsjwt "github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"harmony-callout/callout/callouttest"
)

// typical is a callout as it is written today, a plain handler on jwt/v2, nkeys and
// golang-jwt: what ours is measured against. It checks less than ours does.
type typical struct {
	account, xkey     nkeys.KeyPair // xkey nil: in clear
	issuer, projectID string
	keys              map[string]crypto.PublicKey
}

func newTypical(b testing.TB, f *bench, seeds callouttest.Seeds) *typical {
	b.Helper()
	t := &typical{issuer: f.issuer.URL(), projectID: f.issuer.ProjectID(), keys: map[string]crypto.PublicKey{}}
	var err error
	if t.account, err = nkeys.FromSeed(seeds.Account); err != nil {
		b.Fatal(err)
	}
	if len(seeds.XKey) > 0 {
		if t.xkey, err = nkeys.FromCurveSeed(seeds.XKey); err != nil {
			b.Fatal(err)
		}
	}
	kid := f.issuer.ActiveKey()
	t.keys[kid] = f.issuer.PublicKey(kid)
	return t
}

func (t *typical) handle(req *Request) ([]byte, error) {
	data := req.Data
	if t.xkey != nil {
		opened, err := t.xkey.Open(data, req.ServerXKey)
		if err != nil {
			return nil, err
		}
		data = opened
	}
	rc, err := natsjwt.DecodeAuthorizationRequestClaims(string(data))
	if err != nil {
		return nil, err
	}
	claims := gojwt.MapClaims{}
	if _, err := gojwt.ParseWithClaims(rc.ConnectOptions.Token, claims, func(token *gojwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		if key := t.keys[kid]; key != nil {
			return key, nil
		}
		return nil, errors.New("unknown key")
	}, gojwt.WithValidMethods([]string{"RS256"}), gojwt.WithIssuer(t.issuer), gojwt.WithAudience(t.projectID), gojwt.WithExpirationRequired()); err != nil {
		return nil, err
	}
	return t.answer(rc, claims, req.ServerXKey)
}

func (t *typical) answer(rc *natsjwt.AuthorizationRequestClaims, claims gojwt.MapClaims, serverXKey string) ([]byte, error) {
	subject, err := claims.GetSubject()
	if err != nil {
		return nil, err
	}
	user := natsjwt.NewUserClaims(rc.UserNkey)
	user.Audience, user.Name = "APP", subject
	user.Expires = time.Now().Add(time.Hour).Unix()
	granted, _ := claims[callouttest.RolesClaim(t.projectID)].(map[string]any)
	for _, role := range benchRoles {
		if _, ok := granted[role]; ok {
			user.Pub.Allow.Add(fmt.Sprintf("%s.%s.>", role, subject))
			user.Sub.Allow.Add(fmt.Sprintf("commands.%s.%s.>", role, subject), fmt.Sprintf("_INBOX_%s.>", subject))
		}
	}
	if len(user.Pub.Allow) == 0 {
		return nil, errors.New("no role")
	}
	token, err := user.Encode(t.account)
	if err != nil {
		return nil, err
	}
	response := natsjwt.NewAuthorizationResponseClaims(rc.UserNkey)
	response.Audience, response.Jwt = rc.Server.ID, token
	text, err := response.Encode(t.account)
	if err != nil || t.xkey == nil {
		return []byte(text), err
	}
	return t.xkey.Seal([]byte(text), serverXKey)
}

// TestTypicalHandlerGrantsWhatOursGrants keeps the comparison honest: both do the work.
func TestTypicalHandlerGrantsWhatOursGrants(t *testing.T) {
	f, seeds := newBenchWith(t, 1, 16, false)
	answer, err := newTypical(t, f, seeds).handle(&f.requests[0])
	if err != nil {
		t.Fatal(err)
	}
	var w work
	f.handle(t, &w)
	theirs, ours := grantedBy(t, answer), grantedBy(t, w.response)
	if !slices.Equal(theirs, ours) {
		t.Errorf("typical grants %v, ours %v", theirs, ours)
	}
}

func grantedBy(t *testing.T, answer []byte) []string {
	t.Helper()
	response, err := natsjwt.DecodeAuthorizationResponseClaims(string(answer))
	if err != nil {
		t.Fatal(err)
	}
	user, err := natsjwt.DecodeUserClaims(response.Jwt)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(slices.Values(slices.Concat(user.Sub.Allow, user.Pub.Allow)))
}
