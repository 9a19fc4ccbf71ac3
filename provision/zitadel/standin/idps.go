package standin

import (
	"encoding/json"
	"slices"
)

// idpKind is how one type of provider is called in v1, in v2, and inside both.
type idpKind struct{ path, v1, v2, config string }

var idpKinds = []idpKind{
	{"google", "PROVIDER_TYPE_GOOGLE", "IDP_TYPE_GOOGLE", "google"},
	{"github", "PROVIDER_TYPE_GITHUB", "IDP_TYPE_GITHUB", "github"},
	{"azure", "PROVIDER_TYPE_AZURE_AD", "IDP_TYPE_AZURE_AD", "azureAd"},
	{"generic_oidc", "PROVIDER_TYPE_OIDC", "IDP_TYPE_OIDC", "oidc"},
}

func idpKindOf(path string) idpKind {
	return idpKinds[slices.IndexFunc(idpKinds, func(k idpKind) bool { return k.path == path })]
}

var errIDPNotFound = fail(notFound, "INST-Se3tg", "Identity Provider Configuration doesn't exist")

func (s *Server) routeIDPs() {
	for _, kind := range idpKinds {
		s.handle("POST /admin/v1/idps/"+kind.path, route{need: needIAM, do: func(c *call) (any, error) { return createIDP(c, kind) }})
		s.handle("PUT /admin/v1/idps/"+kind.path+"/{idp}", route{need: needIAM, do: updateIDP})
	}
	s.handle("GET /v2/idps/{idp}", route{need: needMember, do: getIDP})
	s.handle("GET /admin/v1/idps/templates/{idp}", route{need: needMember, do: getIDPv1})
	s.handle("POST /admin/v1/idps/templates/_search", route{need: needMember, do: listIDPs})
	s.handle("DELETE /admin/v1/idps/templates/{idp}", route{need: needIAM, do: deleteIDP})
}

// decodeIDP takes apart what the types have in common and what only one has.
func decodeIDP(c *call) (*idpRow, error) {
	fields, err := decode[map[string]json.RawMessage](c)
	if err != nil {
		return nil, err
	}
	common, err := decode[struct{ Name, ClientID, ClientSecret string }](c)
	if err != nil {
		return nil, err
	}
	if err := checkLength("AddProviderRequest", "ClientId", common.ClientID); err != nil {
		return nil, err
	}
	row := &idpRow{
		Name: common.Name, ClientID: common.ClientID, ClientSecret: common.ClientSecret,
		Options: fields["providerOptions"],
	}
	for _, name := range []string{"name", "clientSecret", "providerOptions"} {
		delete(fields, name)
	}
	row.Settings = mustJSON(fields)
	return row, nil
}

// createIDP makes one more provider, also with a name that is taken (#112).
func createIDP(c *call, kind idpKind) (any, error) {
	row, err := decodeIDP(c)
	if err != nil {
		return nil, err
	}
	if row.ClientSecret == "" {
		return nil, invalid("AddProviderRequest", "ClientSecret", ruleLength200)
	}
	row.Type = kind.path
	id := ""
	err = c.update(func(t *tx) error {
		id = t.clock.newID()
		var err error
		row.meta, err = t.event("instance.idp."+kind.path+".added", "instance", instanceID, instanceID,
			map[string]any{"id": id, "name": row.Name})
		if err != nil {
			return err
		}
		return put(t, t.idps, id, row)
	})
	return struct {
		Details details `json:"details"`
		ID      string  `json:"id"`
	}{createdDetails(row.meta), id}, err
}

// updateIDP replaces everything but a secret that is left out. Writing a secret is a change,
// even of the same one (#114, #115).
func updateIDP(c *call) (any, error) {
	next, err := decodeIDP(c)
	if err != nil {
		return nil, err
	}
	id := c.PathValue("idp")
	var at meta
	err = c.update(func(t *tx) error {
		row := t.idps.rows[id]
		if row == nil {
			return errIDPNotFound
		}
		next.Type, next.meta = row.Type, row.meta
		if next.ClientSecret == "" {
			next.ClientSecret = row.ClientSecret
			if string(mustJSON(next)) == string(mustJSON(row)) {
				at = row.meta
				return nil
			}
		}
		m, err := t.event("instance.idp."+row.Type+".changed", "instance", instanceID, instanceID, map[string]any{"id": id})
		if err != nil {
			return err
		}
		next.meta = row.changedBy(m)
		at = next.meta
		return put(t, t.idps, id, next)
	})
	return detailsAnswer{changedDetails(at)}, err
}

func deleteIDP(c *call) (any, error) {
	id := c.PathValue("idp")
	var m meta
	err := c.update(func(t *tx) error {
		row := t.idps.rows[id]
		if row == nil {
			return errIDPNotFound
		}
		var err error
		if m, err = t.event("instance.idp.removed", "instance", instanceID, instanceID, map[string]any{"id": id}); err != nil {
			return err
		}
		drop(t, t.idps, id)
		next := *t.theInstance()
		next.LoginIDPs = slices.DeleteFunc(slices.Clone(next.LoginIDPs), func(other string) bool { return other == id })
		return put(t, t.instance, instanceID, &next)
	})
	return detailsAnswer{changedDetails(m)}, err
}

type idp struct {
	ID      string         `json:"id"`
	Details details        `json:"details"`
	State   string         `json:"state"`
	Name    string         `json:"name"`
	Owner   string         `json:"owner,omitempty"`
	Type    string         `json:"type"`
	Config  map[string]any `json:"config"`
}

func idpOf(id string, row *idpRow) idp {
	kind := idpKindOf(row.Type)
	config := map[string]any{kind.config: row.Settings}
	if len(row.Options) > 0 {
		config["options"] = row.Options
	}
	return idp{ID: id, Details: detailsOf(row.meta), State: "IDP_STATE_ACTIVE", Name: row.Name, Type: kind.v2, Config: config}
}

func idpOfV1(id string, row *idpRow) idp {
	out := idpOf(id, row)
	out.Type, out.Owner = idpKindOf(row.Type).v1, "IDP_OWNER_TYPE_SYSTEM"
	return out
}

func getIDP(c *call) (any, error) {
	var row *idpRow
	c.store.view(func() { row = c.store.idps.rows[c.PathValue("idp")] })
	if row == nil {
		return nil, fail(notFound, "QUERY-SAFrt", "Identity Provider Configuration doesn't exist")
	}
	return map[string]idp{"idp": idpOf(c.PathValue("idp"), row)}, nil
}

func getIDPv1(c *call) (any, error) {
	var row *idpRow
	c.store.view(func() { row = c.store.idps.rows[c.PathValue("idp")] })
	if row == nil {
		return nil, fail(notFound, "QUERY-SAFrt", "Identity Provider Configuration doesn't exist")
	}
	return map[string]idp{"idp": idpOfV1(c.PathValue("idp"), row)}, nil
}

var idpFilters = filterKinds[idpRow]{
	"idpNameQuery": byText("name", func(i *found[idpRow]) string { return i.row.Name }),
	"idpIdQuery":   byText("id", func(i *found[idpRow]) string { return i.id }),
}

func listIDPs(c *call) (any, error) {
	req, err := decode[struct {
		Query   page
		Queries []filter
	}](c)
	if err != nil {
		return nil, err
	}
	rows, err := listRows(c, c.store.idps, idpFilters, listRequest{req.Query, req.Queries})
	if err != nil {
		return nil, err
	}
	req.Query.Asc = true // v1 has the oldest first (#135)
	answer := struct {
		Details v1ListDetails `json:"details"`
		Result  []idp         `json:"result,omitempty"`
	}{Details: v1ListDetails{total(len(rows)), c.store.latestEvent()}}
	for _, f := range pageOf(req.Query, rows) {
		answer.Result = append(answer.Result, idpOfV1(f.id, f.row))
	}
	return answer, nil
}
