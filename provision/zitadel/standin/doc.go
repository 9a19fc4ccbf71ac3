// Package standin is a stand-in for Zitadel: an HTTP server in this process, on loopback, that
// answers as a real Zitadel of the v4 line was recorded to. It serves the local target, and
// tests of whatever speaks to Zitadel. It is no identity provider for production, and says so
// at every start: whoever reaches it may be anybody.
//
//	server, err := standin.New(standin.Config{Dir: dir})
//	if err != nil { … }
//	defer server.Close()
//	client := … server.URL(), server.AdminPAT()
//
// # What is there
//
// The OpenID side: discovery, keys with rotation, and the grants jwt-bearer, client
// credentials, device code and refresh token; introspection by secret and by key, revocation,
// user info. Requests are read and errors written by zitadel/oidc's op, as in Zitadel itself;
// listener, keys and signatures are those of package callouttest. Who wants to approve a
// device flow does so at /device, by the code from the terminal, or through the login API.
//
// The API, in Connect and REST: organisations (search, add), projects, roles, applications
// with keys and secrets, users with keys, secrets, tokens, metadata and states,
// authorizations, administrators, web keys, sessions and device authorizations; of v1 the
// settings of OIDC, the login policy, identity providers (google, github, azure, generic_oidc)
// and the search of events.
//
// A first start makes the organisation HARMONY, Zitadel's own project, the machine users
// iam-admin and login-client with a token each ([Server.AdminPAT], [Server.LoginClientPAT]),
// and a person, admin, for device flows.
//
// # What survives
//
// With a directory everything is kept in a journal there: one line for each change, checked by
// a CRC, appended and synced before the answer goes out. Requests that come together share one
// sync. A kill at any instant, or a power cut, leaves a change whole or not at all. Web keys,
// tokens and the port are kept too, so that a second start is the same issuer. Secrets of
// clients and tokens are kept as digests, but for those of identity providers and the web
// keys; files have mode 0600.
//
// # Faults
//
// [Server.SetLag] makes searches lag behind, as Zitadel's do; [Server.SetLatency],
// [Server.FailNext], [Server.DropNext] and [Server.Intercept] make everything else that goes
// wrong. [Server.Requests] and [Server.Writes] tell what was asked.
//
// # Known differences
//
// Of the recorded exchanges, those that concern the above are replayed by a test, in order,
// and compared: status, content type, caching, and every field of the answers and of the
// tokens in them. These differ:
//
//   - x-zitadel-public-host is not looked at (#203).
//   - A new web key is in the key set at once, where Zitadel takes some 33 ms (#343), and a
//     deleted one leaves it at once (#362, #367); the list of web keys is by age (#348).
//   - What is not there: most of /management/v1 and all of /system/v1 (use v2, which the
//     provisioner does), the authorization code flow and token exchange, organisations'
//     identity providers, logins through a provider, project grants, organisation metadata,
//     features but debugOidcParentError, actions (targets and executions), and the settings
//     of the login in v2.
//   - Events: those of the aggregates above, with English names that are made of their types;
//     none of tokens and logins. Payloads have the fields that matter.
//   - A refused PATCH of a user without a type has no details (#854).
//   - Memberships: IAM_OWNER, IAM_OWNER_VIEWER, IAM_LOGIN_CLIENT and ORG_OWNER, the last in
//     every organisation. System users may do everything.
//   - An opaque token says nothing: it is found by its digest. Tokens end with their life, not
//     with a web key that was deleted, also after a restart.
//   - Texts of refusals that nobody recorded may read otherwise; their status is right.
package standin
