package standin

import (
	"crypto/rand"
)

// newSecret is a client secret of 64 characters.
func newSecret() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	random := make([]byte, 64)
	_, _ = rand.Read(random) // never fails, see its documentation
	for n, b := range random {
		random[n] = letters[b%64]
	}
	return string(random)
}

func generateSecret(c *call) (any, error) {
	req, err := decode[struct{ ApplicationID string }](c)
	if err != nil {
		return nil, err
	}
	secret := newSecret()
	var m meta
	err = c.update(func(t *tx) error {
		row := t.apps.rows[req.ApplicationID]
		if row == nil {
			return errAppNotFound
		}
		var err error
		m, err = t.event("project.application.config.oidc.secret.changed", "project", row.ProjectID, row.Owner,
			map[string]any{"appId": req.ApplicationID})
		if err != nil {
			return err
		}
		next := *row
		next.meta, next.SecretDigest = row.changedBy(m), digest(secret)
		return put(t, t.apps, req.ApplicationID, &next)
	})
	return struct {
		ClientSecret string `json:"clientSecret"`
		CreationDate stamp  `json:"creationDate"`
	}{secret, m.Changed}, err
}
