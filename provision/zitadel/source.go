package zitadel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// ErrNoCredential means that a source has none. It is not "the source could not be asked".
var ErrNoCredential = errors.New("no such credential")

// CredentialSource is where a credential may lie.
type CredentialSource interface {
	// Name says what and where it is: "PAT in /run/secrets/pat".
	Name() string
	// Open finds it, or returns an error that is ErrNoCredential.
	Open(ctx context.Context) (Bearer, error)
}

// Bearer makes a token for the API, and says when it ends; never, when zero.
type Bearer func(ctx context.Context, c *Client) (secret.Text, time.Time, error)

// SecretSource reads Secrets of the namespace that Zitadel was installed in.
type SecretSource interface {
	// Secret returns the data of a Secret, or an error that is ErrNoCredential.
	Secret(ctx context.Context, name string) (map[string]secret.Text, error)
}

type source struct {
	name string
	open func(ctx context.Context) (Bearer, error)
}

func (s source) Name() string                             { return s.name }
func (s source) Open(ctx context.Context) (Bearer, error) { return s.open(ctx) }

// SystemUser is a user that Zitadel knows by its configuration (SystemAPIUsers), to which we
// gave the public half of the key, in PEM, that the store has under a name.
func SystemUser(user string, keys provision.KeyStore, name string) CredentialSource {
	return source{fmt.Sprintf("system user %s", user), func(ctx context.Context) (Bearer, error) {
		text, err := keys.Get(ctx, name)
		if errors.Is(err, provision.ErrNoKey) {
			return nil, fmt.Errorf("%w: %s", ErrNoCredential, keys.Location(name))
		}
		if err != nil {
			return nil, err
		}
		return systemUser(user, text)
	}}
}

func systemUser(user string, text secret.Text) (Bearer, error) {
	key, err := parsePrivateKey(text.Reveal())
	if err != nil {
		return nil, fmt.Errorf("system user %s: %w", user, err)
	}
	return func(_ context.Context, c *Client) (secret.Text, time.Time, error) {
		now := time.Now()
		token, err := sign(key, "", user, c.issuer.URL(), now)
		return token, now.Add(assertionLifetime), err
	}, nil
}

// PATFile is a personal access token in a file.
func PATFile(path string) CredentialSource {
	return source{"PAT in " + path, func(context.Context) (Bearer, error) {
		text, err := readSecret(path)
		if err != nil {
			return nil, err
		}
		return personal(text)
	}}
}

// Environment is a personal access token in the file that ZITADEL_PAT_FILE names or in
// ZITADEL_PAT itself. lookup is os.LookupEnv.
func Environment(lookup func(string) (string, bool)) []CredentialSource {
	return []CredentialSource{
		source{"PAT in the file of ZITADEL_PAT_FILE", func(ctx context.Context) (Bearer, error) {
			path, ok := lookup("ZITADEL_PAT_FILE")
			if !ok || path == "" {
				return nil, fmt.Errorf("%w: ZITADEL_PAT_FILE is not set", ErrNoCredential)
			}
			return PATFile(path).Open(ctx)
		}},
		source{"PAT in ZITADEL_PAT", func(context.Context) (Bearer, error) {
			text, ok := lookup("ZITADEL_PAT")
			if !ok || text == "" {
				return nil, fmt.Errorf("%w: ZITADEL_PAT is not set", ErrNoCredential)
			}
			return personal(secret.New(text))
		}},
	}
}

// personal is a personal access token, without the line end that files and Secrets have.
func personal(text secret.Text) (Bearer, error) {
	token := strings.TrimSpace(text.Reveal())
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return nil, errors.New("it is no token: want one word")
	}
	return func(context.Context, *Client) (secret.Text, time.Time, error) {
		return secret.New(token), time.Time{}, nil
	}, nil
}

// MachineKeyFile is the key of a machine user that may administer: iam-admin.json.
func MachineKeyFile(path string) CredentialSource {
	return source{"machine key in " + path, func(context.Context) (Bearer, error) {
		text, err := readSecret(path)
		if err != nil {
			return nil, err
		}
		return machineKey(text)
	}}
}

// apiScope asks for a token that opens the API itself (#395, #396, #398).
const apiScope = "openid urn:zitadel:iam:org:project:id:zitadel:aud"

func machineKey(text secret.Text) (Bearer, error) {
	key, err := ReadKeyFile(text)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, c *Client) (secret.Text, time.Time, error) {
		token, err := c.mint(ctx, key, apiScope)
		return token.Access, token.Expires, err
	}, nil
}

// ChartSecrets are the Secrets that Zitadel's chart leaves: from release 11 on the key of the
// system user admin-client, up to 10 a token or a key of the machine user iam-admin. fullname
// is what the chart calls its objects.
func ChartSecrets(secrets SecretSource, fullname string) []CredentialSource {
	var sources []CredentialSource
	for _, s := range []struct {
		name string
		read func(secret.Text) (Bearer, error)
	}{
		{fullname + "-admin-service-key", func(t secret.Text) (Bearer, error) { return systemUser("admin-client", t) }},
		{"iam-admin-pat", personal},
		{"iam-admin", machineKey},
	} {
		sources = append(sources, source{"Secret " + s.name, func(ctx context.Context) (Bearer, error) {
			data, err := secrets.Secret(ctx, s.name)
			if err != nil {
				return nil, err
			}
			// A Secret of type kubernetes.io/tls has the certificate beside the key.
			err = fmt.Errorf("%w: Secret %s is empty", ErrNoCredential, s.name)
			for _, entry := range slices.Sorted(maps.Keys(data)) {
				var bearer Bearer
				if bearer, err = s.read(data[entry]); err == nil {
					return bearer, nil
				}
			}
			return nil, err
		}})
	}
	return sources
}

func readSecret(path string) (secret.Text, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Text{}, fmt.Errorf("%w: %s", ErrNoCredential, path)
	}
	if err != nil {
		return secret.Text{}, err
	}
	return secret.New(string(data)), nil
}
