package local

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"harmony-callout/callout"
	"harmony-callout/provision"
	"harmony-callout/provision/nats"
)

// loopback is the connection by which a proof is made.
var loopback = callout.Connection{Source: netip.MustParseAddr(host), Type: callout.TypeStandard}

// subjects are those that anybody may use: each user tries them all, its own and those of
// others.
type subjects struct{ publish, subscribe []string }

func (s *subjects) add(p *callout.Permissions) {
	if p == nil {
		return
	}
	for _, pattern := range slices.Concat(p.PublishAllow, p.PublishDeny) {
		if subject := nats.Concrete(pattern); !slices.Contains(s.publish, subject) {
			s.publish = append(s.publish, subject)
		}
	}
	for _, pattern := range slices.Concat(p.SubscribeAllow, p.SubscribeDeny) {
		if !slices.Contains(s.subscribe, pattern) {
			s.subscribe = append(s.subscribe, pattern)
		}
	}
}

// attempts are what each user tries: all of the subjects, and to hear everything.
func (s *subjects) attempts() []nats.Attempt {
	var list []nats.Attempt
	for _, subject := range s.publish {
		list = append(list, nats.Attempt{Action: nats.Publish, Subject: subject})
	}
	subscribe := s.subscribe
	if !slices.Contains(subscribe, ">") {
		subscribe = append(slices.Clone(subscribe), ">")
	}
	for _, permission := range subscribe {
		subject, queue, _ := strings.Cut(permission, " ")
		list = append(list, nats.Attempt{Action: nats.Subscribe, Subject: subject, Queue: nats.Concrete(queue)})
	}
	return list
}

// prove holds what the server allows a user against what the callout's own decision says.
func prove(ctx context.Context, user string, client *nats.Client, grant *callout.Explanation, attempts []nats.Attempt, each func(provision.Proof)) error {
	connect := provision.Proof{User: user, Account: grant.Account, Action: "connect", Want: grant.Allowed, Got: true}
	if !grant.Allowed {
		connect.Detail = string(grant.Reason)
		attempts = nil
	}
	err := client.Try(ctx, attempts)
	if errors.Is(err, natsgo.ErrAuthorization) {
		connect.Got = false
		each(connect)
		return nil
	}
	if err != nil {
		return err
	}
	each(connect)
	for _, a := range attempts {
		each(provision.Proof{
			User: user, Account: grant.Account, Action: string(a.Action), Subject: a.Subject,
			Want: wanted(grant.Permissions, a), Got: a.Allowed,
		})
	}
	return nil
}

func wanted(p *callout.Permissions, a nats.Attempt) bool {
	if a.Action == nats.Publish {
		return nats.MatchesAny(p.PublishAllow, a.Subject, "") && !nats.MatchesAny(p.PublishDeny, a.Subject, "")
	}
	return nats.MatchesAny(p.SubscribeAllow, a.Subject, a.Queue) && !nats.MatchesAny(p.SubscribeDeny, a.Subject, a.Queue)
}
