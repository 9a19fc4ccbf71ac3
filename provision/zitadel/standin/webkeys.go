package standin

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"

	"harmony-callout/callout/callouttest"
)

// The states of a web key that is not active.
const (
	webKeyInitial  = "INITIAL"
	webKeyInactive = "INACTIVE"
)

const rsaConfig = `{"rsa":{"bits":"RSA_BITS_2048","hasher":"RSA_HASHER_SHA256"}}`

func (s *Server) routeWebKeys() {
	const service = "WebKeyService"
	s.connect(service, "CreateWebKey", needIAM, createWebKey)
	s.connect(service, "ActivateWebKey", needIAM, activateWebKey)
	s.connect(service, "DeleteWebKey", needIAM, deleteWebKey)
	s.connect(service, "ListWebKeys", needIAM, listWebKeys)
}

// newWebKey makes a key of the kind that is configured.
func (s *Server) newWebKey(kind string) (crypto.Signer, json.RawMessage, error) {
	switch kind {
	case "ecdsa":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return key, json.RawMessage(`{"ecdsa":{"curve":"ECDSA_CURVE_P256"}}`), err
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, json.RawMessage(`{"ed25519":{}}`), err
	default:
		return s.newRSA(), json.RawMessage(rsaConfig), nil
	}
}

// addWebKey stores a key as part of a change.
func (t *tx) addWebKey(key crypto.Signer, config json.RawMessage, state string) (id string, err error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encode web key: %w", err)
	}
	id = t.clock.newID()
	m, err := t.event("web_key.added", "web_key", id, instanceID, nil)
	if err != nil {
		return "", err
	}
	return id, put(t, t.webKeys, id, &webKeyRow{meta: m, State: state, Config: config, PKCS8: pkcs8})
}

func (w *webKeyRow) private() (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(w.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("decode web key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("decode web key: a %T cannot sign", key)
	}
	return signer, nil
}

// createWebKey publishes a key at once, where Zitadel takes some 33 ms.
func createWebKey(c *call) (any, error) {
	c.server.webKeyChange.Lock()
	defer c.server.webKeyChange.Unlock()
	req, err := decode[map[string]json.RawMessage](c)
	if err != nil {
		return nil, err
	}
	kind := "rsa"
	for name := range req {
		kind = name
	}
	key, config, err := c.server.newWebKey(kind)
	if err != nil {
		return nil, fmt.Errorf("make web key: %w", err)
	}
	id, at := "", stamp{}
	err = c.update(func(t *tx) error {
		var err error
		if id, err = t.addWebKey(key, config, webKeyInitial); err != nil {
			return err
		}
		at = t.now
		next := *t.theInstance()
		next.WebKeyOrder = append(slices.Clone(next.WebKeyOrder), id)
		return put(t, t.instance, instanceID, &next)
	})
	if err != nil {
		return nil, err
	}
	c.server.issuer.ImportKey(callouttest.SigningKey{ID: id, Private: key})
	return struct {
		ID           string `json:"id"`
		CreationDate stamp  `json:"creationDate"`
	}{id, at}, nil
}

func activateWebKey(c *call) (any, error) {
	c.server.webKeyChange.Lock()
	defer c.server.webKeyChange.Unlock()
	req, err := decode[struct{ ID string }](c)
	if err != nil {
		return nil, err
	}
	var changed stamp
	err = c.update(func(t *tx) error {
		row, instance := t.webKeys.rows[req.ID], *t.theInstance()
		if row == nil {
			return fail(notFound, "COMMAND-teiG3", "Web key not found")
		}
		if instance.ActiveWebKey == req.ID {
			changed = row.Changed
			return nil
		}
		if err := t.setWebKeyState(instance.ActiveWebKey, webKeyInactive, "web_key.deactivated"); err != nil {
			return err
		}
		if err := t.setWebKeyState(req.ID, "ACTIVE", "web_key.activated"); err != nil {
			return err
		}
		instance.ActiveWebKey, changed = req.ID, t.now
		return put(t, t.instance, instanceID, &instance)
	})
	if err == nil {
		c.server.issuer.Activate(req.ID)
	}
	return changedAnswer{changed}, err
}

func (t *tx) setWebKeyState(id, state, event string) error {
	row := t.webKeys.rows[id]
	m, err := t.event(event, "web_key", id, instanceID, nil)
	if err != nil {
		return err
	}
	next := *row
	next.meta, next.State = row.changedBy(m), state
	return put(t, t.webKeys, id, &next)
}

// deleteWebKey takes a key out of the key set at once; tokens that it signed stay active in
// introspection, which looks them up (#363).
func deleteWebKey(c *call) (any, error) {
	c.server.webKeyChange.Lock()
	defer c.server.webKeyChange.Unlock()
	req, err := decode[struct{ ID string }](c)
	if err != nil {
		return nil, err
	}
	var at stamp
	gone := false
	err = c.update(func(t *tx) error {
		row, instance := t.webKeys.rows[req.ID], *t.theInstance()
		if row == nil {
			at = t.lastOf("web_key", req.ID).Changed // #364
			return nil
		}
		if instance.ActiveWebKey == req.ID {
			return fail(failedPrecondition, "COMMAND-Chai1", "Cannot delete active web key")
		}
		m, err := t.event("web_key.removed", "web_key", req.ID, instanceID, nil)
		if err != nil {
			return err
		}
		at, gone = m.Changed, true
		drop(t, t.webKeys, req.ID)
		instance.WebKeyOrder = slices.DeleteFunc(slices.Clone(instance.WebKeyOrder), func(id string) bool { return id == req.ID })
		return put(t, t.instance, instanceID, &instance)
	})
	if gone && err == nil {
		c.server.issuer.RemoveKey(req.ID)
	}
	return deletedAnswer{at}, err
}

func listWebKeys(c *call) (any, error) {
	answer := struct {
		WebKeys []map[string]any `json:"webKeys,omitempty"`
	}{}
	var err error
	c.store.view(func() {
		for _, id := range c.store.theInstance().WebKeyOrder {
			row := c.store.webKeys.rows[id]
			key := map[string]any{}
			if err = json.Unmarshal(row.Config, &key); err != nil {
				return
			}
			key["id"], key["state"] = id, "STATE_"+row.State
			key["creationDate"], key["changeDate"] = row.Created, row.Changed
			answer.WebKeys = append(answer.WebKeys, key)
		}
	})
	return answer, err
}
