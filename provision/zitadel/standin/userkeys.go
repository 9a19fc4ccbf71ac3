package standin

import (
	"cmp"
	"encoding/base64"
	"maps"
	"slices"

	"harmony-callout/callout/callouttest"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// userKeyFile is the file of a new key of a machine user, as Zitadel's SDKs read it.
type userKeyFile struct {
	Type           string `json:"type"`
	KeyID          string `json:"keyId"`
	Key            string `json:"key"`
	ExpirationDate stamp  `json:"expirationDate"`
	UserID         string `json:"userId"`
}

// createUserKey takes a public key, or makes a key and hands its private half out, once.
func createUserKey(c *call) (any, error) {
	req, err := decode[struct {
		UserID         string
		ExpirationDate stamp
		PublicKey      []byte // PEM
	}](c)
	if err != nil {
		return nil, err
	}
	if req.ExpirationDate.IsZero() {
		return nil, invalid("AddKeyRequest", "ExpirationDate", "value is required")
	}
	file := userKeyFile{Type: "serviceaccount", ExpirationDate: req.ExpirationDate, UserID: pathOr(c.Request, "user", req.UserID)}
	public := req.PublicKey
	if len(public) == 0 {
		private := c.server.newRSA()
		file.Key = privatePEM(private)
		if public, err = publicPEM(private); err != nil {
			return nil, err
		}
	} else if _, err := parsePublicPEM(public); err != nil {
		return nil, fail(invalidArgument, "COMMAND-WDWlG", "Public key is invalid: "+err.Error())
	}
	var m meta
	err = c.update(func(t *tx) error {
		row := t.users.rows[file.UserID]
		if row == nil {
			return fail(notFound, "COMMAND-WnlgFY", "User could not be found")
		}
		if row.Machine == nil {
			return fail(failedPrecondition, "COMMAND-WnlgFY", "User is not a machine")
		}
		file.KeyID = t.clock.newID()
		var err error
		m, err = t.event("user.machine.key.added", "user", file.UserID, row.Owner,
			map[string]any{"keyId": file.KeyID, "type": 1, "expirationDate": req.ExpirationDate})
		if err != nil {
			return err
		}
		return put(t, t.userKeys, file.KeyID, &keyRow{meta: m, UserID: file.UserID, PublicPEM: public, Expires: req.ExpirationDate})
	})
	if err != nil {
		return nil, err
	}
	answer := struct {
		CreationDate stamp  `json:"creationDate"`
		KeyID        string `json:"keyId"`
		KeyContent   string `json:"keyContent,omitempty"`
	}{CreationDate: m.Created, KeyID: file.KeyID}
	if file.Key != "" {
		answer.KeyContent = base64.StdEncoding.EncodeToString(mustJSON(file))
	}
	return answer, nil
}

var userKeyFilters = filterKinds[keyRow]{
	"userIdFilter":         byText("id", func(k *found[keyRow]) string { return k.row.UserID }),
	"keyIdFilter":          byText("id", func(k *found[keyRow]) string { return k.id }),
	"organizationIdFilter": byText("id", func(k *found[keyRow]) string { return k.row.Owner }),
}

// listUserKeys tells ids and dates, never a key.
func listUserKeys(c *call) (any, error) {
	req, err := decode[listRequest](c)
	if err != nil {
		return nil, err
	}
	rows, err := listRows(c, c.store.userKeys, userKeyFilters, req)
	if err != nil {
		return nil, err
	}
	type key struct {
		CreationDate   stamp  `json:"creationDate"`
		ChangeDate     stamp  `json:"changeDate"`
		ID             string `json:"id"`
		UserID         string `json:"userId"`
		OrganizationID string `json:"organizationId"`
		ExpirationDate stamp  `json:"expirationDate"`
	}
	answer := struct {
		Pagination pagination `json:"pagination"`
		Result     []key      `json:"result,omitempty"`
	}{Pagination: req.Pagination.pagination(len(rows))}
	for _, f := range pageOf(req.Pagination, rows) {
		answer.Result = append(answer.Result, key{f.row.Created, f.row.Changed, f.id, f.row.UserID, f.row.Owner, f.row.Expires})
	}
	return answer, nil
}

func deleteUserKey(c *call) (any, error) {
	req, err := decode[struct{ UserID, KeyID string }](c)
	if err != nil {
		return nil, err
	}
	userID, keyID := pathOr(c.Request, "user", req.UserID), pathOr(c.Request, "key", req.KeyID)
	var m meta
	err = c.update(func(t *tx) error {
		row := t.userKeys.rows[keyID]
		if row == nil || row.UserID != userID {
			return fail(notFound, "COMMAND-4m77G", "Machine key not found")
		}
		var err error
		m, err = t.event("user.machine.key.removed", "user", userID, row.Owner, map[string]any{"keyId": keyID})
		drop(t, t.userKeys, keyID)
		return err
	})
	return deletedAnswer{m.Changed}, err
}

func createPAT(c *call) (any, error) {
	req, err := decode[struct {
		UserID         string
		ExpirationDate stamp
	}](c)
	if err != nil {
		return nil, err
	}
	if req.ExpirationDate.IsZero() {
		return nil, invalid("AddPersonalAccessTokenRequest", "ExpirationDate", "value is required")
	}
	token, tokenID := callouttest.OpaqueToken(), ""
	userID := pathOr(c.Request, "user", req.UserID)
	var m meta
	err = c.update(func(t *tx) error {
		row := t.users.rows[userID]
		if row == nil {
			return errUserNotFound
		}
		tokenID = t.clock.newID()
		var err error
		if m, err = t.event("user.pat.added", "user", userID, row.Owner, map[string]any{"tokenId": tokenID}); err != nil {
			return err
		}
		return put(t, t.pats, digest(token), &patRow{meta: m, TokenID: tokenID, UserID: userID, Expires: req.ExpirationDate})
	})
	return struct {
		CreationDate stamp  `json:"creationDate"`
		TokenID      string `json:"tokenId"`
		Token        string `json:"token"`
	}{m.Created, tokenID, token}, err
}
