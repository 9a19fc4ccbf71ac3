package nats

import "strings"

// Concrete makes a subject that a pattern matches: something to publish to.
func Concrete(pattern string) string {
	tokens := strings.Split(pattern, ".")
	for i, token := range tokens {
		if token == "*" || token == ">" {
			tokens[i] = "verify"
		}
	}
	return strings.Join(tokens, ".")
}

// Matches tells whether a pattern covers all that a subject, which may itself hold
// wildcards, stands for.
func Matches(pattern, subject string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range want {
		switch {
		case token == ">":
			return len(have) > i
		case i >= len(have), have[i] == ">":
			return false
		case token != "*" && token != have[i]:
			return false
		}
	}
	return len(want) == len(have)
}

// MatchesAny tells whether one of several permissions covers a subject, for members of a
// queue group where one is given. A permission that names a group is for its members alone.
func MatchesAny(permissions []string, subject, queue string) bool {
	for _, permission := range permissions {
		pattern, group, grouped := strings.Cut(permission, " ")
		if Matches(pattern, subject) && (!grouped || queue != "" && Matches(group, queue)) {
			return true
		}
	}
	return false
}
