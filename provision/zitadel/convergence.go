package zitadel

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"harmony-callout/internal/secret"
	"harmony-callout/provision"
)

// Settings say what a Zitadel is to hold, and where what it tells only once is kept.
type Settings struct {
	Want provision.ZitadelConfig
	// Organization that holds the project and the users, by name; the default one when empty.
	Organization string
	Keys         provision.KeyStore // required
	Notes        provision.Notes    // required
	// OwnInstance: we installed it, so its token lifetime is ours to set.
	OwnInstance bool
	// Prune also deletes what we made and Want no longer names.
	Prune bool
	// Installed tells whether there is a Zitadel yet. While it is false the steps ask nothing
	// and plan everything anew. Nil: there is one.
	Installed func(context.Context) (bool, error)

	// KeyLifetime of machine and application keys, five years when 0. One that ends within a
	// twelfth of it is replaced.
	KeyLifetime time.Duration
	// KeyOverlap is how long a replaced machine key stays valid beside the new one, an hour
	// when 0.
	KeyOverlap time.Duration
	// Settle bounds the wait for what was written to show in searches, 30 s when 0.
	Settle time.Duration
}

const (
	defaultKeyLifetime = 5 * 365 * 24 * time.Hour
	defaultKeyOverlap  = time.Hour
	defaultSettle      = 30 * time.Second
	// recent is how young a note must be for its thing to be missing from a search only
	// because searches lag behind.
	recent = 10 * time.Minute
)

// The kinds of notes.
const (
	kindProject    = "zitadel project"
	kindRole       = "zitadel role"
	kindApp        = "zitadel application"
	kindAppKey     = "zitadel application key"
	kindUser       = "zitadel machine user"
	kindMachineKey = "zitadel machine key"
	kindGrant      = "zitadel grant"
)

// Convergence brings a Zitadel to what its settings want, step by step.
type Convergence struct {
	client *Client
	Settings
	generate func() (*rsa.PrivateKey, error)
	poll     backoff

	mu    sync.Mutex
	org   organization
	proj  project         // zero while it is not known to exist
	users map[string]user // by name; nil until the machine users were listed
}

// NewConvergence makes the steps' common ground. It asks nothing yet.
func NewConvergence(client *Client, s Settings) (*Convergence, error) {
	if s.Keys == nil || s.Notes == nil {
		return nil, errors.New("zitadel: the key store or the notes are missing")
	}
	if s.KeyLifetime == 0 {
		s.KeyLifetime = defaultKeyLifetime
	}
	if s.KeyOverlap == 0 {
		s.KeyOverlap = defaultKeyOverlap
	}
	if s.Settle == 0 {
		s.Settle = defaultSettle
	}
	return &Convergence{
		client: client, Settings: s, generate: generateKey,
		poll: backoff{first: 50 * time.Millisecond, most: time.Second},
	}, nil
}

// Steps returns the steps in the order in which they depend on each other. All can be
// removed but the first and the last, which make nothing.
func (c *Convergence) Steps() []provision.Step {
	return []provision.Step{
		&organizationStep{c: c},
		&projectStep{c},
		&listStep{c, &roles{c}},
		&listStep{c, &apps{c}},
		&listStep{c, &appKeys{c}},
		&listStep{c, &machineUsers{c}},
		&listStep{c, &machineKeys{c}},
		&listStep{c, &grants{c}},
		&lifetimeStep{c},
	}
}

// ProjectID returns the id of the project, which must exist.
func (c *Convergence) ProjectID(ctx context.Context) (string, error) {
	p, err := c.needProject(ctx)
	return p.ID, err
}

// OrganizationID returns the id of the organisation.
func (c *Convergence) OrganizationID(ctx context.Context) (string, error) {
	org, err := c.organization(ctx)
	return org.ID, err
}

// ClientID returns the client id of an application of the project.
func (c *Convergence) ClientID(ctx context.Context, application string) (string, error) {
	p, err := c.needProject(ctx)
	if err != nil {
		return "", err
	}
	list, err := c.client.listApps(ctx, p.ID)
	if err != nil {
		return "", err
	}
	for _, a := range list {
		if a.Name == application {
			return a.clientID(), nil
		}
	}
	return "", fmt.Errorf("application %s: %w", application, ErrNotFound)
}

// Key returns the stored key of a machine user.
func (c *Convergence) Key(ctx context.Context, username string) (KeyFile, error) {
	key, err := c.readKey(ctx, userDir(username)+keyName)
	if errors.Is(err, provision.ErrNoKey) {
		err = provision.WithHint(fmt.Errorf("machine user %s: %w", username, err),
			"provision up makes it, if zitadel.machineUsers of the configuration names the user")
	}
	return key, err
}

// Token mints an access token for a machine user with its stored key.
func (c *Convergence) Token(ctx context.Context, username string) (Token, error) {
	key, err := c.Key(ctx, username)
	if err != nil {
		return Token{}, err
	}
	p, err := c.needProject(ctx)
	if err != nil {
		return Token{}, err
	}
	return c.client.MintToken(ctx, key, p.ID)
}

// installed tells whether there is a Zitadel to ask.
func (c *Convergence) installed(ctx context.Context) (bool, error) {
	if c.Installed == nil {
		return true, nil
	}
	return c.Installed(ctx)
}

func (c *Convergence) organization(ctx context.Context) (organization, error) {
	c.mu.Lock()
	org := c.org
	c.mu.Unlock()
	if org.ID != "" {
		return org, nil
	}
	org, found, err := c.client.searchOrganization(ctx, c.Organization, secret.Text{})
	if err != nil {
		return organization{}, err
	}
	if !found {
		return organization{}, provision.WithHint(fmt.Errorf("search organisation %q: %w", c.Organization, ErrNotFound),
			"make it in the console, or leave the name out for the instance's default organisation")
	}
	c.mu.Lock()
	c.org = org
	c.mu.Unlock()
	return org, nil
}

// project finds the project; false where it does not exist yet.
func (c *Convergence) project(ctx context.Context) (project, bool, error) {
	c.mu.Lock()
	known := c.proj
	c.mu.Unlock()
	if known.ID != "" {
		return known, true, nil
	}
	return c.lookupProject(ctx)
}

// lookupProject asks anew. What a search finds may be deleted already and what it misses may
// exist, so the project itself is asked for.
func (c *Convergence) lookupProject(ctx context.Context) (project, bool, error) {
	org, err := c.organization(ctx)
	if err != nil {
		return project{}, false, err
	}
	found, ok, err := c.client.searchProject(ctx, org.ID, c.Want.Project)
	if err != nil {
		return project{}, false, err
	}
	id := found.ID
	if note, noted := c.Notes.Note(kindProject, c.Want.Project); !ok && noted {
		id = note.ID
	}
	if id == "" {
		return c.rememberProject(project{}), false, nil
	}
	found, err = c.client.getProject(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return c.rememberProject(project{}), false, nil
	}
	if err != nil {
		return project{}, false, err
	}
	if found.Name != c.Want.Project || found.OrgID != org.ID {
		return c.rememberProject(project{}), false, nil // it was renamed
	}
	return c.rememberProject(found), true, nil
}

func (c *Convergence) rememberProject(p project) project {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proj = p
	return p
}

func (c *Convergence) needProject(ctx context.Context) (project, error) {
	p, found, err := c.project(ctx)
	if err == nil && !found {
		err = provision.WithHint(fmt.Errorf("project %s: %w", c.Want.Project, ErrNotFound), "run provision up")
	}
	return p, err
}

func (c *Convergence) rememberUser(u user) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users != nil {
		c.users[userKey(u.Username)] = u
	}
}

// user returns a user by name: a machine user that a step has seen or made, or whoever else
// goes by that name.
func (c *Convergence) user(ctx context.Context, username string) (user, bool, error) {
	if u, ok := c.knownUser(username); ok {
		return u, true, nil
	}
	u, ok, err := c.client.searchUser(ctx, username)
	if ok {
		c.rememberUser(u)
	}
	return u, ok, err
}

// knowUsers lists the machine users, unless a step before did.
func (c *Convergence) knowUsers(ctx context.Context) error {
	c.mu.Lock()
	known := c.users != nil
	c.mu.Unlock()
	if known {
		return nil
	}
	_, err := (&machineUsers{c}).live(ctx, false)
	return err
}

// knownUser returns a machine user that was listed or made.
func (c *Convergence) knownUser(username string) (user, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, ok := c.users[userKey(username)]
	return u, ok
}

func (c *Convergence) needUser(ctx context.Context, username string) (user, error) {
	u, found, err := c.user(ctx, username)
	if err == nil && !found {
		err = provision.WithHint(fmt.Errorf("user %s: %w", username, ErrNotFound), "name it under zitadel.machineUsers, or make it in the console")
	}
	return u, err
}

// wasRecent tells whether a thing was noted so lately that searches may not show it yet.
func (c *Convergence) wasRecent(kind, name string) bool {
	note, ok := c.Notes.Note(kind, name)
	return ok && time.Since(note.At) < recent
}

// newID makes an id for something that is to be created: like Zitadel's own, 18 digits, and
// above all that it will give out in this generation.
func newID() string {
	return strconv.FormatInt(9e17+rand.N(int64(99e15)), 10)
}
