package zitadel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"harmony-callout/provision"
)

const authorizationService = "/zitadel.authorization.v2.AuthorizationService/"

type grant struct {
	ID           string              `json:"id"`
	State        string              `json:"state"`
	User         struct{ ID string } `json:"user"`
	Organization struct{ ID string } `json:"organization"`
	Roles        []role              `json:"roles"`
}

func (g grant) roleKeys() []string {
	keys := make([]string, len(g.Roles))
	for i, r := range g.Roles {
		keys[i] = r.Key
	}
	return keys
}

// listGrants lists the grants of a project, of one user where userID is not empty.
func (c *Client) listGrants(ctx context.Context, projectID, userID string) ([]grant, error) {
	filters := []any{map[string]any{"projectId": map[string]string{"id": projectID}}}
	if userID != "" {
		filters = append(filters, map[string]any{"inUserIds": map[string]any{"ids": []string{userID}}})
	}
	return pages(ctx, "list grants", func(ctx context.Context, p page) ([]grant, total, error) {
		var out struct {
			Pagination     struct{ TotalResult total }
			Authorizations []grant
		}
		err := c.do(ctx, call{
			what: "list grants", path: authorizationService + "ListAuthorizations", repeat: true, out: &out,
			in: map[string]any{"pagination": p, "sortingColumn": "AUTHORIZATION_FIELD_NAME_ID", "filters": filters},
		})
		return out.Authorizations, out.Pagination.TotalResult, err
	})
}

func (c *Client) createGrant(ctx context.Context, orgID, projectID, userID string, roleKeys []string) error {
	return unknownRole(c.do(ctx, call{
		what: "create grant of user " + userID, path: authorizationService + "CreateAuthorization",
		in: map[string]any{"userId": userID, "projectId": projectID, "organizationId": orgID, "roleKeys": roleKeys},
	}))
}

// updateGrant replaces all role keys.
func (c *Client) updateGrant(ctx context.Context, id string, roleKeys []string) error {
	err := c.do(ctx, call{
		what: "update grant " + id, path: authorizationService + "UpdateAuthorization", repeat: true,
		in: map[string]any{"id": id, "roleKeys": roleKeys},
	})
	return unknownRole(ignoring(err, ErrNoChange))
}

func (c *Client) deleteGrant(ctx context.Context, id string) error {
	err := c.do(ctx, call{
		what: "delete grant " + id, path: authorizationService + "DeleteAuthorization", repeat: true,
		in: map[string]string{"id": id},
	})
	return ignoring(err, ErrNotFound)
}

// unknownRole explains the answer to a role key that the project does not have (#98, #99).
func unknownRole(err error) error {
	var api *APIError
	if errors.As(err, &api) && strings.Contains(api.Message, "Role.NotFound") {
		return provision.WithHint(fmt.Errorf("%w: the project does not have all of these roles", err), "name the role under zitadel.roles")
	}
	return err
}
