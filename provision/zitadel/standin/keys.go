package standin

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"harmony-callout/callout/callouttest"
)

// newRSA makes an RSA key. What nothing on a disk trusts goes back into the pool in the end.
func (s *Server) newRSA() *rsa.PrivateKey {
	key := callouttest.LeaseRSA()
	if s.config.Dir == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.leased = append(s.leased, key)
	}
	return key
}

// privatePEM is a private key as Zitadel hands it out: PEM of PKCS #1.
func privatePEM(key *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func publicPEM(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// parsePublicPEM reads a public key of either of the forms that Zitadel takes.
func parsePublicPEM(data []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	if key, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return key, nil
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

// keyDetails is the file of a new application's key.
type keyDetails struct {
	Type     string `json:"type"`
	KeyID    string `json:"keyId"`
	Key      string `json:"key"`
	AppID    string `json:"appId"`
	ClientID string `json:"clientId"`
}

func createAppKey(c *call) (any, error) {
	req, err := decode[struct {
		ApplicationID, ProjectID string
		ExpirationDate           stamp
	}](c)
	if err != nil {
		return nil, err
	}
	private := c.server.newRSA()
	public, err := publicPEM(private)
	if err != nil {
		return nil, err
	}
	file := keyDetails{Type: "application", Key: privatePEM(private), AppID: req.ApplicationID}
	var m meta
	err = c.update(func(t *tx) error {
		app := t.apps.rows[req.ApplicationID]
		if app == nil {
			return fail(notFound, "COMMAND-Dff54", "Application doesn't exist")
		}
		file.KeyID, file.ClientID = t.clock.newID(), app.ClientID
		var err error
		m, err = t.event("project.application.oidc.key.added", "project", app.ProjectID, app.Owner,
			map[string]any{"applicationId": req.ApplicationID, "keyId": file.KeyID})
		if err != nil {
			return err
		}
		return put(t, t.appKeys, file.KeyID, &keyRow{
			meta: m, AppID: req.ApplicationID, ProjectID: app.ProjectID, PublicPEM: public, Expires: req.ExpirationDate,
		})
	})
	if err != nil {
		return nil, err
	}
	return struct {
		KeyID        string `json:"keyId"`
		CreationDate stamp  `json:"creationDate"`
		KeyDetails   string `json:"keyDetails"`
	}{file.KeyID, m.Created, base64.StdEncoding.EncodeToString(mustJSON(file))}, nil
}

var appKeyFilters = filterKinds[keyRow]{
	"applicationIdFilter":  byText("applicationId", func(k *found[keyRow]) string { return k.row.AppID }),
	"projectIdFilter":      byText("projectId", func(k *found[keyRow]) string { return k.row.ProjectID }),
	"organizationIdFilter": byText("organizationId", func(k *found[keyRow]) string { return k.row.Owner }),
}

// listAppKeys tells ids and dates, never a key.
func listAppKeys(c *call) (any, error) {
	req, err := decode[listRequest](c)
	if err != nil {
		return nil, err
	}
	rows, err := listRows(c, c.store.appKeys, appKeyFilters, req)
	if err != nil {
		return nil, err
	}
	type key struct {
		KeyID          string `json:"keyId"`
		ApplicationID  string `json:"applicationId"`
		ProjectID      string `json:"projectId"`
		CreationDate   stamp  `json:"creationDate"`
		OrganizationID string `json:"organizationId"`
		ExpirationDate stamp  `json:"expirationDate"`
	}
	answer := struct {
		Keys       []key      `json:"keys,omitempty"`
		Pagination pagination `json:"pagination"`
	}{Pagination: req.Pagination.pagination(len(rows))}
	for _, f := range pageOf(req.Pagination, rows) {
		answer.Keys = append(answer.Keys, key{f.id, f.row.AppID, f.row.ProjectID, f.row.Created, f.row.Owner, f.row.Expires})
	}
	return answer, nil
}

func deleteAppKey(c *call) (any, error) {
	req, err := decode[struct{ KeyID string }](c)
	if err != nil {
		return nil, err
	}
	var m meta
	err = c.update(func(t *tx) error {
		row := t.appKeys.rows[req.KeyID]
		if row == nil {
			return fail(notFound, "COMMAND-4m77G", "Application key not found")
		}
		var err error
		m, err = t.event("project.application.oidc.key.removed", "project", row.ProjectID, row.Owner, map[string]any{"keyId": req.KeyID})
		drop(t, t.appKeys, req.KeyID)
		return err
	})
	return deletedAnswer{m.Changed}, err
}
