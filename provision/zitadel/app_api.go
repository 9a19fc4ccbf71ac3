package zitadel

import (
	"context"
	"time"

	"harmony-callout/internal/secret"
)

const applicationService = "/zitadel.application.v2.ApplicationService/"

// app is an application; one of API and OIDC is set.
type app struct {
	ID   string     `json:"applicationId"`
	Name string     `json:"name"`
	API  *apiConfig `json:"apiConfiguration"`
	OIDC *oidcApp   `json:"oidcConfiguration"`
}

func (a app) clientID() string {
	switch {
	case a.API != nil:
		return a.API.ClientID
	case a.OIDC != nil:
		return a.OIDC.ClientID
	}
	return ""
}

type apiConfig struct {
	ClientID   string `json:"clientId"`
	AuthMethod string `json:"authMethodType"`
}

type oidcApp struct {
	ClientID string `json:"clientId"`
	oidcConfig
}

// oidcConfig is the part of an OIDC application that we set.
type oidcConfig struct {
	RedirectURIs             []string `json:"redirectUris,omitempty"`
	PostLogoutRedirectURIs   []string `json:"postLogoutRedirectUris,omitempty"`
	ResponseTypes            []string `json:"responseTypes"`
	GrantTypes               []string `json:"grantTypes"`
	ApplicationType          string   `json:"applicationType"`
	AuthMethod               string   `json:"authMethodType"`
	AccessTokenType          string   `json:"accessTokenType"`
	AccessTokenRoleAssertion bool     `json:"accessTokenRoleAssertion"`
	IDTokenRoleAssertion     bool     `json:"idTokenRoleAssertion"`
	IDTokenUserinfoAssertion bool     `json:"idTokenUserinfoAssertion"`
	DevelopmentMode          bool     `json:"developmentMode"`
}

func (c *Client) listApps(ctx context.Context, projectID string) ([]app, error) {
	return pages(ctx, "list applications", func(ctx context.Context, p page) ([]app, total, error) {
		var out struct {
			Pagination   struct{ TotalResult total }
			Applications []app
		}
		err := c.do(ctx, call{
			what: "list applications", path: applicationService + "ListApplications", repeat: true, out: &out,
			in: map[string]any{
				"pagination": p,
				"filters":    []any{map[string]any{"projectIdFilter": map[string]string{"projectId": projectID}}},
			},
		})
		return out.Applications, out.Pagination.TotalResult, err
	})
}

// newApp is what is told of an application once, when it is created.
type newApp struct {
	ClientID     string
	ClientSecret secret.Text // of an API application with basic authentication
}

// createApp creates an application. config is an apiConfig's authMethodType or an oidcConfig.
func (c *Client) createApp(ctx context.Context, projectID, id string, w wantedApp) (newApp, error) {
	in := map[string]any{"projectId": projectID, "applicationId": id, "name": w.name}
	w.configure(in)
	type created struct{ ClientID, ClientSecret string }
	var out struct{ APIConfiguration, OIDCConfiguration created }
	err := c.do(ctx, call{what: "create application " + w.name, path: applicationService + "CreateApplication", in: in, out: &out})
	return newApp{
		ClientID:     out.APIConfiguration.ClientID + out.OIDCConfiguration.ClientID,
		ClientSecret: secret.New(out.APIConfiguration.ClientSecret + out.OIDCConfiguration.ClientSecret),
	}, err
}

func (c *Client) updateApp(ctx context.Context, projectID, id string, w wantedApp) error {
	in := map[string]any{"projectId": projectID, "applicationId": id, "name": w.name}
	w.configure(in)
	err := c.do(ctx, call{what: "update application " + w.name, path: applicationService + "UpdateApplication", repeat: true, in: in})
	return ignoring(err, ErrNoChange)
}

func (c *Client) deleteApp(ctx context.Context, projectID, id string) error {
	err := c.do(ctx, call{
		what: "delete application " + id, path: applicationService + "DeleteApplication", repeat: true,
		in: map[string]string{"projectId": projectID, "applicationId": id},
	})
	return ignoring(err, ErrNotFound)
}

// generateSecret replaces an application's client secret.
func (c *Client) generateSecret(ctx context.Context, projectID, id string) (secret.Text, error) {
	var out struct{ ClientSecret string }
	err := c.do(ctx, call{
		what: "generate client secret", path: applicationService + "GenerateClientSecret", repeat: true, out: &out,
		in: map[string]string{"projectId": projectID, "applicationId": id},
	})
	return secret.New(out.ClientSecret), err
}

// remoteKey is what Zitadel tells of a key: never any material, not even the public half.
type remoteKey struct {
	ID      string    `json:"id"`
	KeyID   string    `json:"keyId"` // instead of id, of an application's
	OwnerID string    `json:"userId"`
	Expires time.Time `json:"expirationDate"`
}

func (c *Client) listAppKeys(ctx context.Context, appID string) ([]remoteKey, error) {
	return pages(ctx, "list application keys", func(ctx context.Context, p page) ([]remoteKey, total, error) {
		var out struct {
			Pagination struct{ TotalResult total }
			Keys       []remoteKey
		}
		err := c.do(ctx, call{
			what: "list application keys", path: applicationService + "ListApplicationKeys", repeat: true, out: &out,
			in: map[string]any{
				"pagination": p,
				"filters":    []any{map[string]any{"applicationIdFilter": map[string]string{"applicationId": appID}}},
			},
		})
		for i := range out.Keys {
			out.Keys[i].ID, out.Keys[i].OwnerID = out.Keys[i].KeyID, appID
		}
		return out.Keys, out.Pagination.TotalResult, err
	})
}

// createAppKey has Zitadel make a key, whose JSON it tells this once.
func (c *Client) createAppKey(ctx context.Context, projectID, appID string, expires time.Time) (madeKey, error) {
	var out struct{ KeyID, KeyDetails string }
	err := c.do(ctx, call{
		what: "create application key", path: applicationService + "CreateApplicationKey", out: &out,
		in: map[string]any{"projectId": projectID, "applicationId": appID, "expirationDate": expires},
	})
	if err != nil {
		return madeKey{}, err
	}
	content, err := decodeContent(out.KeyDetails)
	return madeKey{out.KeyID, content}, err
}

func (c *Client) deleteAppKey(ctx context.Context, projectID, appID, keyID string) error {
	err := c.do(ctx, call{
		what: "delete application key " + keyID, path: applicationService + "DeleteApplicationKey", repeat: true,
		in: map[string]string{"projectId": projectID, "applicationId": appID, "keyId": keyID},
	})
	return ignoring(err, ErrNotFound)
}
