package zitadel

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"

	"harmony-callout/internal/secret"
)

const tokenTypeJWT = "ACCESS_TOKEN_TYPE_JWT"

type user struct {
	ID       string `json:"userId"`
	Username string `json:"username"`
	State    string `json:"state"`
	Details  struct {
		OrgID string `json:"resourceOwner"`
	} `json:"details"`
	// Machine is nil for a person.
	Machine *struct {
		Name            string `json:"name"`
		AccessTokenType string `json:"accessTokenType"` // absent: opaque tokens
	} `json:"machine"`
}

func (c *Client) searchUsers(ctx context.Context, queries ...any) ([]user, error) {
	return pages(ctx, "list users", func(ctx context.Context, p page) ([]user, total, error) {
		var out struct {
			Details struct{ TotalResult total }
			Result  []user
		}
		err := c.do(ctx, call{
			what: "list users", path: "/v2/users", repeat: true, out: &out,
			// Without a column machine users have no order, and pages no meaning.
			in: map[string]any{"query": p, "sortingColumn": "USER_FIELD_NAME_USER_NAME", "queries": queries},
		})
		return out.Result, out.Details.TotalResult, err
	})
}

func (c *Client) listMachineUsers(ctx context.Context, orgID string) ([]user, error) {
	return c.searchUsers(ctx,
		map[string]any{"organizationIdQuery": map[string]string{"organizationId": orgID}},
		map[string]any{"typeQuery": map[string]string{"type": "TYPE_MACHINE"}},
	)
}

// searchUser finds a user by name in all organisations that the credential sees: names are
// unique among all of them by default (#858), without case.
func (c *Client) searchUser(ctx context.Context, username string) (user, bool, error) {
	found, err := c.searchUsers(ctx, map[string]any{"userNameQuery": map[string]string{"userName": username, "method": "TEXT_QUERY_METHOD_EQUALS_IGNORE_CASE"}})
	if err != nil || len(found) == 0 {
		return user{}, false, err
	}
	return found[0], true, nil
}

// getUser never lags behind, unlike a search.
func (c *Client) getUser(ctx context.Context, id string) (user, error) {
	var out struct{ User user }
	err := c.do(ctx, call{what: "get user " + id, method: http.MethodGet, path: "/v2/users/" + url.PathEscape(id), repeat: true, out: &out})
	return out.User, err
}

func (c *Client) createMachineUser(ctx context.Context, orgID, id, username, name string) error {
	return c.do(ctx, call{
		what: "create machine user " + username, path: "/v2/users/new",
		in: map[string]any{
			"organizationId": orgID, "userId": id, "username": username,
			"machine": map[string]string{"name": name, "accessTokenType": tokenTypeJWT},
		},
	})
}

func (c *Client) updateMachineUser(ctx context.Context, id, name string) error {
	err := c.do(ctx, call{
		what: "update machine user " + id, method: http.MethodPatch, path: "/v2/users/" + url.PathEscape(id), repeat: true,
		in: map[string]any{"machine": map[string]string{"name": name, "accessTokenType": tokenTypeJWT}},
	})
	return ignoring(err, ErrNoChange)
}

// deleteUser takes its keys and grants along.
func (c *Client) deleteUser(ctx context.Context, id string) error {
	err := c.do(ctx, call{what: "delete user " + id, method: http.MethodDelete, path: "/v2/users/" + url.PathEscape(id), repeat: true})
	return ignoring(err, ErrNotFound)
}

// listUserKeys lists the keys of one user, or of all in an organisation when userID is empty.
func (c *Client) listUserKeys(ctx context.Context, orgID, userID string) ([]remoteKey, error) {
	filter := map[string]any{"organizationIdFilter": map[string]string{"id": orgID}}
	if userID != "" {
		filter = map[string]any{"userIdFilter": map[string]string{"id": userID}}
	}
	return pages(ctx, "list user keys", func(ctx context.Context, p page) ([]remoteKey, total, error) {
		var out struct {
			Pagination struct{ TotalResult total }
			Result     []remoteKey
		}
		err := c.do(ctx, call{
			what: "list user keys", path: "/v2/users/keys/search", repeat: true, out: &out,
			in: map[string]any{"pagination": p, "filters": []any{filter}},
		})
		return out.Result, out.Pagination.TotalResult, err
	})
}

// madeKey is what is told of a key once, when it is created.
type madeKey struct {
	ID      string
	Content secret.Text // its JSON, where Zitadel made it
}

// addUserKey uploads a public half, in PEM, or without one has Zitadel make a key.
func (c *Client) addUserKey(ctx context.Context, userID string, expires time.Time, public []byte) (madeKey, error) {
	in := map[string]any{"expirationDate": expires}
	if public != nil {
		in["publicKey"] = base64.StdEncoding.EncodeToString(public)
	}
	var out struct{ KeyID, KeyContent string }
	err := c.do(ctx, call{what: "add key to user " + userID, path: "/v2/users/" + url.PathEscape(userID) + "/keys", in: in, out: &out})
	if err != nil || public != nil {
		return madeKey{ID: out.KeyID}, err
	}
	content, err := decodeContent(out.KeyContent)
	return madeKey{out.KeyID, content}, err
}

func (c *Client) deleteUserKey(ctx context.Context, userID, keyID string) error {
	err := c.do(ctx, call{
		what: "delete key " + keyID, method: http.MethodDelete, repeat: true,
		path: "/v2/users/" + url.PathEscape(userID) + "/keys/" + url.PathEscape(keyID),
	})
	return ignoring(err, ErrNotFound)
}
