package provision

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"harmony-callout/internal/conf"
)

// Example is the built-in provision.yaml, commented: what is brought up where there is no file.
//
//go:embed example.yaml
var Example []byte

const (
	// DefaultFile is the configuration that is read where none is named.
	DefaultFile = "provision.yaml"
	// ExampleName stands for the built-in example in messages.
	ExampleName = "built-in example"

	environmentPrefix = "PROVISION_"
)

// flagVariables are the variables, without the prefix, that stand for flags of the commands
// and not for keys of the file.
var flagVariables = []string{
	"FILE", "TARGET", "STATE_DIR", "JSON", "YES", "DRY_RUN", "PRUNE", "ONLY", "SKIP",
	"PORT_NATS", "PORT_ISSUER", "LOG_FORMAT", "LOG_LEVEL",
}

// DefaultConfig returns what a file may leave out. It is not valid by itself.
func DefaultConfig() Config {
	return Config{
		OpenBao: OpenBaoConfig{Port: 8200, Seal: "static", Storage: "raft"},
		NATS:    NATSConfig{Port: 4222, Replicas: 1},
		Zitadel: ZitadelConfig{TokenLifetime: 15 * time.Minute},
		Callout: CalloutConfig{Replicas: 2},
	}
}

// ReadConfig returns the name and content of a configuration file: of the one that is
// named, else of [DefaultFile] in the working directory, else the built-in example.
func ReadConfig(file string) (name string, data []byte, err error) {
	name = file
	if file == "" {
		name = DefaultFile
	}
	// One byte over the limit is the decoder's to complain of.
	data, err = readBounded(name, conf.MaxSize+1)
	if errors.Is(err, fs.ErrNotExist) && file == "" {
		return ExampleName, Example, nil
	}
	if err != nil {
		return "", nil, WithHint(fmt.Errorf("read configuration: %w", err), "provision config example > "+DefaultFile)
	}
	return name, data, nil
}

// ParseConfig reads a configuration, lays the PROVISION_ variables of environ over it
// (entries as of [os.Environ]), and validates the result. The file's name is for messages
// and for relative paths.
//
// The error holds every problem, one per line, each with file, line and key. The warnings
// are what is allowed but hardly meant.
func ParseConfig(file string, data []byte, environ []string) (*Config, []string, error) {
	c := DefaultConfig()
	doc, err := conf.Decode(file, data, &c)
	if doc == nil {
		return nil, nil, err
	}
	problems := problemsOf(err)
	warnings, err := conf.Overlay(environmentPrefix, environ, &c, doc, flagVariables...)
	problems = append(problems, problemsOf(err)...)
	c.complete()

	unread := len(problems)
	more, roleWarnings := c.validate(doc)
	for _, p := range more {
		if !problems[:unread].Cover(p.Path) {
			problems = append(problems, p)
		}
	}
	if err := problems.Err(); err != nil {
		return nil, warnings, err
	}
	return &c, append(warnings, roleWarnings...), nil
}

// Validate checks a configuration that was built in code as [ParseConfig] checks one that
// was read, and fills in the same names.
func (c *Config) Validate() error {
	c.complete()
	problems, _ := c.validate(nil)
	return problems.Err()
}

// complete fills in what follows from something else.
func (c *Config) complete() {
	if t := &c.Issuer.TLS; t.SecretName != "" || t.IssuerRef != "" { // set by the environment
		t.Enabled = true
	}
	z := &c.Zitadel
	for i := range z.Roles {
		orElse(&z.Roles[i].DisplayName, z.Roles[i].Key)
	}
	for i := range z.APIApps {
		orElse(&z.APIApps[i].Auth, "private_key_jwt")
	}
	for i := range z.MachineUsers {
		orElse(&z.MachineUsers[i].Name, z.MachineUsers[i].Username)
		orElse(&z.MachineUsers[i].Key, "local")
	}
}

func orElse(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

func problemsOf(err error) conf.Problems {
	var problems conf.Problems
	errors.As(err, &problems)
	return problems
}
