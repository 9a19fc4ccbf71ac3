package standin

import "slices"

// loginPolicy is how people may log in. The stand-in keeps it and does not act on it.
type loginPolicy struct {
	AllowUsernamePassword      bool   `json:"allowUsernamePassword,omitempty"`
	AllowRegister              bool   `json:"allowRegister,omitempty"`
	AllowExternalIDP           bool   `json:"allowExternalIdp,omitempty"`
	ForceMFA                   bool   `json:"forceMfa,omitempty"`
	PasswordlessType           string `json:"passwordlessType,omitempty"`
	HidePasswordReset          bool   `json:"hidePasswordReset,omitempty"`
	IgnoreUnknownUsernames     bool   `json:"ignoreUnknownUsernames,omitempty"`
	DefaultRedirectURI         string `json:"defaultRedirectUri,omitempty"`
	PasswordCheckLifetime      span   `json:"passwordCheckLifetime"`
	ExternalLoginCheckLifetime span   `json:"externalLoginCheckLifetime"`
	MFAInitSkipLifetime        span   `json:"mfaInitSkipLifetime"`
	SecondFactorCheckLifetime  span   `json:"secondFactorCheckLifetime"`
	MultiFactorCheckLifetime   span   `json:"multiFactorCheckLifetime"`
	AllowDomainDiscovery       bool   `json:"allowDomainDiscovery,omitempty"`
	DisableLoginWithEmail      bool   `json:"disableLoginWithEmail,omitempty"`
	DisableLoginWithPhone      bool   `json:"disableLoginWithPhone,omitempty"`
	ForceMFALocalOnly          bool   `json:"forceMfaLocalOnly,omitempty"`
}

var (
	secondFactors = []string{"SECOND_FACTOR_TYPE_OTP", "SECOND_FACTOR_TYPE_U2F"}
	multiFactors  = []string{"MULTI_FACTOR_TYPE_U2F_WITH_VERIFICATION"}
)

func (s *Server) routeSettings() {
	s.handle("GET /admin/v1/settings/oidc", route{need: needMember, do: getOIDCSettings})
	s.handle("PUT /admin/v1/settings/oidc", route{need: needIAM, do: putOIDCSettings})
	s.handle("GET /admin/v1/policies/login", route{need: needMember, do: getLoginPolicy})
	s.handle("PUT /admin/v1/policies/login", route{need: needIAM, do: putLoginPolicy})
	s.handle("POST /admin/v1/policies/login/idps", route{need: needIAM, do: addLoginIDP})
	s.handle("POST /admin/v1/policies/login/idps/_search", route{need: needMember, do: listLoginIDPs})
	s.handle("DELETE /admin/v1/policies/login/idps/{idp}", route{need: needIAM, do: removeLoginIDP})
	s.handle("PUT /v2/features/instance", route{need: needIAM, do: putFeatures})
}

// changeInstance replaces the instance's row after an event; change may refuse.
func (c *call) changeInstance(event string, change func(t *tx, next *instanceRow, m meta) error) (meta, error) {
	var m meta
	err := c.update(func(t *tx) error {
		var err error
		if m, err = t.event(event, "instance", instanceID, instanceID, nil); err != nil {
			return err
		}
		next := *t.theInstance()
		if err := change(t, &next, m); err != nil {
			return err
		}
		return put(t, t.instance, instanceID, &next)
	})
	return m, err
}

func getOIDCSettings(c *call) (any, error) {
	var row *instanceRow
	c.store.view(func() { row = c.store.theInstance() })
	type settings struct {
		Details details `json:"details"`
		oidcSettings
	}
	return map[string]settings{"settings": {detailsOf(row.OIDCMeta), row.OIDC}}, nil
}

func putOIDCSettings(c *call) (any, error) {
	req, err := decode[oidcSettings](c)
	if err != nil {
		return nil, err
	}
	if req.AccessTokenLifetime <= 0 || req.IDTokenLifetime <= 0 || req.RefreshTokenExpiration <= 0 || req.RefreshTokenIdleExpiration <= 0 {
		return nil, fail(invalidArgument, "COMMAND-10s82j", "OIDC settings are invalid")
	}
	m, err := c.changeInstance("instance.oidc.settings.changed", func(_ *tx, next *instanceRow, m meta) error {
		if next.OIDC == req {
			return fail(failedPrecondition, "COMMAND-0pk2nu", "No changes")
		}
		next.OIDC, next.OIDCMeta = req, next.OIDCMeta.changedBy(m)
		return nil
	})
	return detailsAnswer{changedDetails(m)}, err
}

func getLoginPolicy(c *call) (any, error) {
	var row *instanceRow
	c.store.view(func() { row = c.store.theInstance() })
	type policy struct {
		Details details `json:"details"`
		loginPolicy
		IsDefault     bool     `json:"isDefault"`
		SecondFactors []string `json:"secondFactors"`
		MultiFactors  []string `json:"multiFactors"`
	}
	return map[string]policy{"policy": {detailsOf(row.LoginMeta), row.Login, true, secondFactors, multiFactors}}, nil
}

func putLoginPolicy(c *call) (any, error) {
	req, err := decode[loginPolicy](c)
	if err != nil {
		return nil, err
	}
	m, err := c.changeInstance("instance.policy.login.changed", func(_ *tx, next *instanceRow, m meta) error {
		if next.Login == req {
			return fail(failedPrecondition, "INSTANCE-5M9vdd", "Default Login Policy has not been changed")
		}
		next.Login, next.LoginMeta = req, next.LoginMeta.changedBy(m)
		return nil
	})
	return detailsAnswer{changedDetails(m)}, err
}

func addLoginIDP(c *call) (any, error) {
	req, err := decode[struct{ IDPID string }](c)
	if err != nil {
		return nil, err
	}
	m, err := c.changeInstance("instance.policy.login.idpprovider.added", func(t *tx, next *instanceRow, _ meta) error {
		switch {
		case t.idps.rows[req.IDPID] == nil:
			return fail(failedPrecondition, "INSTANCE-m8fsd", "Identity Provider Configuration doesn't exist")
		case slices.Contains(next.LoginIDPs, req.IDPID):
			return fail(alreadyExists, "INSTANCE-2B0ps", "Identity provider already exists")
		}
		next.LoginIDPs = append(slices.Clone(next.LoginIDPs), req.IDPID)
		return nil
	})
	return detailsAnswer{createdDetails(m)}, err
}

func removeLoginIDP(c *call) (any, error) {
	id := c.PathValue("idp")
	m, err := c.changeInstance("instance.policy.login.idpprovider.removed", func(_ *tx, next *instanceRow, _ meta) error {
		if !slices.Contains(next.LoginIDPs, id) {
			return fail(notFound, "INSTANCE-39fjs", "Identity Provider Configuration doesn't exist")
		}
		next.LoginIDPs = slices.DeleteFunc(slices.Clone(next.LoginIDPs), func(other string) bool { return other == id })
		return nil
	})
	return detailsAnswer{changedDetails(m)}, err
}

func listLoginIDPs(c *call) (any, error) {
	type entry struct {
		IDPID   string `json:"idpId"`
		IDPName string `json:"idpName"`
	}
	answer := struct {
		Details v1ListDetails `json:"details"`
		Result  []entry       `json:"result,omitempty"`
	}{}
	c.store.view(func() {
		for _, id := range c.store.theInstance().LoginIDPs {
			answer.Result = append(answer.Result, entry{id, c.store.idps.rows[id].Name})
		}
		answer.Details = v1ListDetails{total(len(answer.Result)), c.store.latest}
	})
	return answer, nil
}

// putFeatures knows one feature: to tell the reason of a refused assertion.
func putFeatures(c *call) (any, error) {
	req, err := decode[struct{ DebugOIDCParentError *bool }](c)
	if err != nil {
		return nil, err
	}
	m, err := c.changeInstance("feature.instance.debug_oidc_parent_error.set", func(_ *tx, next *instanceRow, _ meta) error {
		set(&next.DebugErrors, req.DebugOIDCParentError)
		return nil
	})
	return detailsAnswer{changedDetails(m)}, err
}
