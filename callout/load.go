package callout

import (
	"errors"
	"fmt"
	"io"
	"os"

	"harmony-callout/internal/conf"
)

// environmentPrefix begins the names of the variables that override the file.
const environmentPrefix = "CALLOUT_"

// flagVariables are the variables, without the prefix, that stand for flags of the commands
// and not for keys of the file.
var flagVariables = []string{
	"CONFIG", "LOG_FORMAT", "LOG_LEVEL", "ONLINE", "DIR", "JSON", "TOKEN_FILE", "USER", "SOURCE", "TYPE",
}

// Load reads the configuration file at path, lays the CALLOUT_ variables of environ over
// it (entries as of [os.Environ]), and validates the result for running the service.
//
// The error holds every problem, one per line, each with file, line and key. The warnings
// are what is allowed but hardly meant, those of [Config.Warnings] included.
func Load(path string, environ []string) (*Config, []string, error) {
	return loadConfig(path, environ, forService)
}

// LoadPolicy is [Load] for deciding without a service: what concerns only NATS, keys and
// the service's own limits may be missing or wrong.
func LoadPolicy(path string, environ []string) (*Config, []string, error) {
	return loadConfig(path, environ, forPolicy)
}

// Parse is [Load] of data that is already read; file is its name in messages and where
// relative paths start.
func Parse(file string, data []byte, environ []string) (*Config, []string, error) {
	return parseConfig(file, data, environ, forService)
}

func loadConfig(path string, environ []string, p purpose) (*Config, []string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	// One byte over the limit, for the decoder to see that there is too much.
	data, err := io.ReadAll(io.LimitReader(f, conf.MaxSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read configuration: %w", err)
	}
	return parseConfig(path, data, environ, p)
}

func parseConfig(file string, data []byte, environ []string, p purpose) (*Config, []string, error) {
	c := DefaultConfig()
	doc, err := conf.Decode(file, data, &c)
	if doc == nil {
		return nil, nil, err
	}
	unread := problemsOf(err)
	hintAtOpenBao(unread)
	warnings, err := conf.Overlay(environmentPrefix, environ, &c, doc, flagVariables...)
	unread = append(unread, problemsOf(err)...)

	problems := unread
	for _, problem := range c.validate(doc, p) {
		if !unread.Cover(problem.Path) {
			problems = append(problems, problem)
		}
	}
	if err := problems.Err(); err != nil {
		return nil, warnings, err
	}
	return &c, append(warnings, c.warnings(doc)...), nil
}

func problemsOf(err error) conf.Problems {
	var problems conf.Problems
	errors.As(err, &problems)
	return problems
}
