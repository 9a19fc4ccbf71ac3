package standin

// apiConfig and oidcConfig are what an application is set to, in Zitadel's words; the zero
// value of an enum is its first word and is left out of answers.
type apiConfig struct {
	AuthMethodType string `json:"authMethodType,omitempty"`
}

type oidcConfig struct {
	RedirectURIs             []string `json:"redirectUris,omitempty"`
	ResponseTypes            []string `json:"responseTypes,omitempty"`
	GrantTypes               []string `json:"grantTypes,omitempty"`
	ApplicationType          string   `json:"applicationType,omitempty"`
	AuthMethodType           string   `json:"authMethodType,omitempty"`
	PostLogoutRedirectURIs   []string `json:"postLogoutRedirectUris,omitempty"`
	DevelopmentMode          bool     `json:"developmentMode,omitempty"`
	AccessTokenType          string   `json:"accessTokenType,omitempty"`
	AccessTokenRoleAssertion bool     `json:"accessTokenRoleAssertion,omitempty"`
	IDTokenRoleAssertion     bool     `json:"idTokenRoleAssertion,omitempty"`
	IDTokenUserinfoAssertion bool     `json:"idTokenUserinfoAssertion,omitempty"`
}

// The first words of the enums.
const (
	apiAuthBasic  = "API_AUTH_METHOD_TYPE_BASIC"
	oidcAppWeb    = "OIDC_APP_TYPE_WEB"
	oidcAuthBasic = "OIDC_AUTH_METHOD_TYPE_BASIC"
	oidcAuthNone  = "OIDC_AUTH_METHOD_TYPE_NONE"
	oidcAuthPost  = "OIDC_AUTH_METHOD_TYPE_POST"
	oidcTokenJWT  = "OIDC_TOKEN_TYPE_JWT"
)

// zeroEnum is a word as answers carry it.
func zeroEnum(word, first string) string {
	if word == first {
		return ""
	}
	return word
}

func (a *apiConfig) normalize() { a.AuthMethodType = zeroEnum(a.AuthMethodType, apiAuthBasic) }

func (o *oidcConfig) normalize() {
	o.ApplicationType = zeroEnum(o.ApplicationType, oidcAppWeb)
	o.AuthMethodType = zeroEnum(o.AuthMethodType, oidcAuthBasic)
	o.AccessTokenType = zeroEnum(o.AccessTokenType, "OIDC_TOKEN_TYPE_BEARER")
	if len(o.RedirectURIs) == 0 {
		o.RedirectURIs = nil
	}
	if len(o.PostLogoutRedirectURIs) == 0 {
		o.PostLogoutRedirectURIs = nil
	}
}
