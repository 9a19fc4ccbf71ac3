package callout

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

func newTestSigner(t testing.TB) *signer {
	t.Helper()
	kp, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := kp.Seed()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSigner(NewSecret(string(seed)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newUserNkey(t testing.TB) string {
	t.Helper()
	kp, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func TestAUserJWTIsWhatTheNATSLibraryWouldWrite(t *testing.T) {
	for _, tt := range []struct {
		name          string
		p             Permissions
		user, subject string
		want          jwt.Permissions
	}{
		{
			name: "everything", user: "device-7", subject: "4711",
			p: Permissions{
				PublishAllow: []string{"a.>", "b"}, PublishDeny: []string{"a.no"},
				SubscribeAllow: []string{"c.* workers"}, SubscribeDeny: []string{"c.no"},
				Responses: &ResponsesConfig{Max: 3, TTL: 90 * time.Second},
			},
			want: jwt.Permissions{
				Pub:  jwt.Permission{Allow: []string{"a.>", "b"}, Deny: []string{"a.no"}},
				Sub:  jwt.Permission{Allow: []string{"c.* workers"}, Deny: []string{"c.no"}},
				Resp: &jwt.ResponsePermission{MaxMsgs: 3, Expires: 90 * time.Second},
			},
		},
		{
			name: "nothing allowed", user: "u", subject: "u",
			want: jwt.Permissions{Pub: jwt.Permission{Deny: []string{">"}}, Sub: jwt.Permission{Deny: []string{">"}}},
		},
		{
			name: "nothing allowed, something denied", user: "u", subject: "u",
			p: Permissions{PublishDeny: []string{"a"}, SubscribeDeny: []string{"b"}, Responses: &ResponsesConfig{Max: 1, TTL: time.Second}},
			want: jwt.Permissions{
				Pub: jwt.Permission{Deny: []string{">"}}, Sub: jwt.Permission{Deny: []string{">"}},
				Resp: &jwt.ResponsePermission{MaxMsgs: 1, Expires: time.Second},
			},
		},
		{
			name: "text that JSON must escape", user: `"\` + "\x01\x7f\n<&>é😀\u2028", subject: `4711","type":"account`,
			p: Permissions{PublishAllow: []string{`a"],"deny":[],"x":["`, "é.😀"}, SubscribeAllow: []string{`\`, "<&>"}},
			want: jwt.Permissions{
				Pub: jwt.Permission{Allow: []string{`a"],"deny":[],"x":["`, "é.😀"}}, Sub: jwt.Permission{Allow: []string{`\`, "<&>"}},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, nkey := newTestSigner(t), newUserNkey(t)
			issued, expires := time.Unix(time.Now().Unix(), 0), time.Unix(time.Now().Unix()+600, 0)
			got := decodeUser(t, s, &userJWT{
				userNkey: []byte(nkey), name: tt.user, account: `AP"P`, subject: tt.subject, tokenID: "V2_1-at_1",
				permissions: appendPermissions(nil, &tt.p), issued: issued, expires: expires,
			})

			want := jwt.NewUserClaims(nkey)
			want.Audience, want.Name, want.Expires = `AP"P`, tt.user, expires.Unix()
			want.Permissions = tt.want
			want.Tags = jwt.TagList{"subject:" + tt.subject, "token:V2_1-at_1"}
			account, err := nkeys.FromRawSeed(nkeys.PrefixByteAccount, s.key.Seed())
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := want.Encode(account)
			if err != nil {
				t.Fatal(err)
			}
			if want, err = jwt.DecodeUserClaims(encoded); err != nil {
				t.Fatal(err)
			}
			// jti is a hash that nobody checks; iat is the library's own clock.
			want.ID, got.ID, want.IssuedAt = "", "", got.IssuedAt
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %s\nwant %s", text(t, got), text(t, want))
			}
			if got.IssuedAt != issued.Unix() || got.BearerToken || got.IssuerAccount != "" {
				t.Errorf("iat %d, bearer %v, issuer_account %q", got.IssuedAt, got.BearerToken, got.IssuerAccount)
			}
		})
	}
}

// decodeUser reads a user JWT as nats-server does, which refuses what has any issue.
func decodeUser(t *testing.T, s *signer, u *userJWT) *jwt.UserClaims {
	t.Helper()
	encoded, _ := appendUserJWT(nil, s, u, nil)
	claims, err := jwt.DecodeUserClaims(string(encoded))
	if err != nil {
		t.Fatalf("%v\n%s", err, encoded)
	}
	results := jwt.CreateValidationResults()
	claims.Validate(results)
	if len(results.Issues) > 0 {
		t.Fatalf("%s", text(t, results.Issues))
	}
	return claims
}

func TestAResponseIsBoundToServerAndUser(t *testing.T) {
	s, nkey := newTestSigner(t), newUserNkey(t)
	now := time.Now()
	for _, refused := range []bool{true, false} {
		encoded, _ := appendResponse(nil, s, "NSERVER", []byte(nkey), []byte("text"), refused, now, nil)
		claims, err := jwt.DecodeAuthorizationResponseClaims(string(encoded))
		if err != nil {
			t.Fatal(err)
		}
		if claims.Subject != nkey || claims.Audience != "NSERVER" || claims.Issuer != s.public || claims.IssuedAt != now.Unix() {
			t.Errorf("refused %v: %s", refused, text(t, claims))
		}
		if (claims.Error == "text") != refused || (claims.Jwt == "text") == refused {
			t.Errorf("refused %v: error %q, jwt %q", refused, claims.Error, claims.Jwt)
		}
	}
}

func TestAUserJWTEndsWithTheTokenOrSoonerAndNeverLater(t *testing.T) {
	now := time.Unix(1000, 700_000_000)
	for _, tt := range []struct {
		name     string
		tokenEnd int64
		maxTTL   time.Duration
		want     int64
	}{
		{"with the token", 1060, time.Hour, 1060},
		{"with maxTTL, rounded down", 9999, time.Minute, 1060},
		{"with the earlier of two that are close", 1060, 59*time.Second + 300*time.Millisecond, 1060},
		{"with maxTTL a moment before the token", 1060, 59*time.Second + 299*time.Millisecond, 1059},
	} {
		if got := userJWTEnd(time.Unix(tt.tokenEnd, 0), tt.maxTTL, now); got.Unix() != tt.want || got.Nanosecond() != 0 {
			t.Errorf("%s: %d, want %d", tt.name, got.Unix(), tt.want)
		}
	}
}

func TestJSONTextSurvivesEveryString(t *testing.T) {
	for _, s := range []string{"", "plain", "é", "\x00\x1f\x7f", `"\/`, "😀", "\u2028", "a\xffb", "\xe2\x82", "<script>"} {
		var got string
		if err := json.Unmarshal(appendJSONString(nil, s), &got); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if want := string([]rune(s)); got != want { // what is not UTF-8 is replaced
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	}
}
