package provision

import (
	"fmt"
	"slices"
	"strings"
)

// Select returns which of the steps --only and --skip leave, by the first word or words of
// their names: "zitadel", "zitadel grants". A name that is no step's is an error that lists
// the known ones.
func Select(steps []Step, only, skip []string) (func(Step) bool, error) {
	for flag, names := range map[string][]string{"--only": only, "--skip": skip} {
		for _, name := range names {
			if !slices.ContainsFunc(steps, func(s Step) bool { return partOf(s, name) }) {
				return nil, fmt.Errorf("%s %s: no step has that name; known are %s", flag, name, strings.Join(parts(steps), ", "))
			}
		}
	}
	return func(s Step) bool {
		named := func(name string) bool { return partOf(s, name) }
		return (len(only) == 0 || slices.ContainsFunc(only, named)) && !slices.ContainsFunc(skip, named)
	}, nil
}

// partOf tells whether a step's name is the name, or begins with its words.
func partOf(s Step, name string) bool {
	return name != "" && strings.HasPrefix(s.Name()+" ", name+" ")
}

// parts are the steps' names, each part before its own steps.
func parts(steps []Step) []string {
	var names []string
	for _, s := range steps {
		part, _, _ := strings.Cut(s.Name(), " ")
		for _, name := range []string{part, s.Name()} {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
