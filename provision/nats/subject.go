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

// MatchesAny tells whether one of several patterns does.
func MatchesAny(patterns []string, subject string) bool {
	for _, pattern := range patterns {
		pattern, _, _ = strings.Cut(pattern, " ") // a queue group
		if Matches(pattern, subject) {
			return true
		}
	}
	return false
}
