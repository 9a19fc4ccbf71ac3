package callout

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"
	natsjwt "github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// BenchmarkPieces shows what each piece that we do our own way is worth, side by side with
// the usual way, and prints a table.
func BenchmarkPieces(b *testing.B) {
	const (
		rounds = 100
		each   = 20
	)
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "piece\tours\tusual\tsaved\t")
	for _, piece := range pieces(b) {
		fastest := [2]time.Duration{math.MaxInt64, math.MaxInt64}
		for range rounds {
			for i, way := range []func(){piece.ours, piece.usual} {
				began := time.Now()
				for range each {
					way()
				}
				fastest[i] = min(fastest[i], time.Since(began)/each)
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t\n", piece.name, micros(fastest[0]), micros(fastest[1]), micros(fastest[1]-fastest[0]))
	}
	_ = table.Flush()
	fmt.Fprintf(os.Stdout, "\n%s\n", out.String())
	for b.Loop() { // the table is the result
	}
}

type piece struct {
	name        string
	ours, usual func()
}

func pieces(b *testing.B) []piece {
	f, seeds := newBenchWith(b, 1, 16, true)
	plain, plainSeeds := newBenchWith(b, 1, 16, false)
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	var w work
	f.handle(b, &w)
	account, err := nkeys.FromSeed(seeds.Account)
	must(err)
	curve, err := nkeys.FromCurveSeed(seeds.XKey)
	must(err)
	req := &f.requests[0]
	signer := f.handler.keys.signers[0]
	other := newTypical(b, plain, plainSeeds)
	policy := plain.handler.decider.policy.Load()
	decoded, err := natsjwt.DecodeAuthorizationRequestClaims(string(plain.requests[0].Data))
	must(err)
	token := []byte(plain.tokens[0])
	var opened, sealed []byte
	var scratch work
	return []piece{
		{"sign, key expanded once / from the seed each time", func() { signer.sign(w.jwt) }, func() {
			_, err := account.Sign(w.jwt)
			must(err)
		}},
		{"open a request, secret computed once / each time", func() {
			opened, err = w.secret.open(opened[:0], req.Data)
			must(err)
		}, func() {
			_, err := curve.Open(req.Data, req.ServerXKey)
			must(err)
		}},
		{"seal an answer, likewise", func() {
			sealed, err = w.secret.seal(sealed[:0], w.response)
			must(err)
		}, func() {
			_, err := curve.Seal(w.response, req.ServerXKey)
			must(err)
		}},
		{"read and verify a request / jwt/v2", func() {
			scratch.reset()
			must(plain.handler.open(&plain.requests[0], &scratch))
		}, func() {
			_, err := natsjwt.DecodeAuthorizationRequestClaims(string(plain.requests[0].Data))
			must(err)
		}},
		{"verify a new token / golang-jwt", func() {
			_, _, _, err := plain.handler.decider.verifier.Verify(token, &policy.read, time.Now(), nil)
			must(err)
		}, func() {
			_, err := gojwt.ParseWithClaims(plain.tokens[0], gojwt.MapClaims{}, func(t *gojwt.Token) (any, error) {
				return other.keys[t.Header["kid"].(string)], nil
			}, gojwt.WithValidMethods([]string{"RS256"}), gojwt.WithIssuer(other.issuer), gojwt.WithAudience(other.projectID))
			must(err)
		}},
		{"find a token seen before / verify it again", func() {
			_, err := plain.handler.decider.identify(policy, token, time.Now(), nil, &Decision{})
			must(err)
		}, func() {
			_, _, _, err := plain.handler.decider.verifier.Verify(token, &policy.read, time.Now(), nil)
			must(err)
		}},
		{"user JWT and answer / jwt/v2", func() {
			scratch.jwt, scratch.claims = appendUserJWT(scratch.jwt[:0], signer, &userJWT{
				userNkey: []byte(decoded.UserNkey), name: "n", account: "APP", subject: "s", tokenID: "t",
				permissions: []byte(`"pub":{"deny":[">"]},"sub":{"deny":[">"]}`), issued: time.Now(), expires: time.Now(),
			}, scratch.claims)
			scratch.response, scratch.claims = appendResponse(scratch.response[:0], signer, decoded.Server.ID, []byte(decoded.UserNkey), scratch.jwt, false, time.Now(), scratch.claims)
		}, func() {
			user := natsjwt.NewUserClaims(decoded.UserNkey)
			user.Audience, user.Name = "APP", "n"
			user.Pub.Deny.Add(">")
			user.Sub.Deny.Add(">")
			text, err := user.Encode(account)
			must(err)
			response := natsjwt.NewAuthorizationResponseClaims(decoded.UserNkey)
			response.Audience, response.Jwt = decoded.Server.ID, text
			_, err = response.Encode(account)
			must(err)
		}},
	}
}
