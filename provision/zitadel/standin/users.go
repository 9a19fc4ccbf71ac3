package standin

import (
	"errors"
	"maps"
	"net/http"
	"reflect"

	"golang.org/x/crypto/bcrypt"
)

// machine and human are the two kinds of user as answers show them.
type machine struct {
	Name            string `json:"name"`
	Description     string `json:"description,omitempty"`
	HasSecret       bool   `json:"hasSecret,omitempty"`
	AccessTokenType string `json:"accessTokenType,omitempty"`
}

const tokenTypeBearer, tokenTypeJWT = "ACCESS_TOKEN_TYPE_BEARER", "ACCESS_TOKEN_TYPE_JWT"

type human struct {
	Profile profile `json:"profile"`
	Email   email   `json:"email"`
}

type profile struct {
	GivenName         string `json:"givenName"`
	FamilyName        string `json:"familyName"`
	DisplayName       string `json:"displayName,omitempty"`
	PreferredLanguage string `json:"preferredLanguage,omitempty"`
}

type email struct {
	Email      string `json:"email"`
	IsVerified bool   `json:"isVerified,omitempty"`
}

type user struct {
	UserID             string   `json:"userId"`
	Details            details  `json:"details"`
	State              string   `json:"state"`
	Username           string   `json:"username"`
	LoginNames         []string `json:"loginNames"`
	PreferredLoginName string   `json:"preferredLoginName"`
	Human              *human   `json:"human,omitempty"`
	Machine            *machine `json:"machine,omitempty"`
}

func userOf(id string, u *userRow) user {
	out := user{
		UserID: id, Details: detailsOf(u.meta), State: stateName("USER_STATE_", u.State), Username: u.Username,
		LoginNames: []string{u.Username}, PreferredLoginName: u.Username, Human: u.Human,
	}
	if u.Machine != nil {
		m := *u.Machine
		m.HasSecret = u.SecretDigest != ""
		out.Machine = &m
	}
	return out
}

var (
	errUserExists   = fail(alreadyExists, "V3-DKcYh", "User already exists")
	errUserNotFound = fail(notFound, "COMMAND-bd4ir1mblj", "User could not be found")
)

func (s *Server) routeUsers() {
	const service = "UserService"
	rest := func(pattern, method string, n need, do endpoint) {
		s.handle(pattern, route{need: n, do: do})
		if method != "" {
			s.connect(service, method, n, do)
		}
	}
	rest("POST /v2/users/new", "CreateUser", needOrg, createUser)
	rest("POST /v2/users", "ListUsers", needMember, listUsers)
	rest("GET /v2/users/{user}", "GetUserByID", needMember, getUser)
	rest("PATCH /v2/users/{user}", "UpdateUser", needOrg, updateUser)
	rest("DELETE /v2/users/{user}", "DeleteUser", needOrg, deleteUser)
	rest("POST /v2/users/{user}/lock", "LockUser", needOrg, stateChange(locked, "user.locked",
		fail(failedPrecondition, "COMMAND-lgws8wtsqf", "User is already locked")))
	rest("POST /v2/users/{user}/unlock", "UnlockUser", needOrg, stateChange(active, "user.unlocked",
		fail(failedPrecondition, "COMMAND-ik9j2x3c5m", "User is not locked")))
	rest("POST /v2/users/{user}/deactivate", "DeactivateUser", needOrg, stateChange(inactive, "user.deactivated",
		fail(failedPrecondition, "COMMAND-5gp2p62iin", "User is already inactive")))
	rest("POST /v2/users/{user}/reactivate", "ReactivateUser", needOrg, stateChange(active, "user.reactivated",
		fail(failedPrecondition, "COMMAND-s5qqcz97hf", "User is not inactive")))
	rest("POST /v2/users/{user}/secret", "AddSecret", needOrg, createUserSecret)
	rest("POST /v2/users/{user}/metadata", "SetUserMetadata", needOrg, setMetadata)
	rest("POST /v2/users/{user}/metadata/search", "ListUserMetadata", needMember, listMetadata)
	rest("POST /v2/users/{user}/keys", "AddKey", needSelfOr, createUserKey)
	rest("POST /v2/users/keys/search", "ListKeys", needMember, listUserKeys)
	rest("DELETE /v2/users/{user}/keys/{key}", "RemoveKey", needSelfOr, deleteUserKey)
	rest("POST /v2/users/{user}/pats", "AddPersonalAccessToken", needSelfOr, createPAT)
}

// pathOr is a part of the path, or in Connect, which has none, the body's.
func pathOr(r *http.Request, name, body string) string {
	if v := r.PathValue(name); v != "" {
		return v
	}
	return body
}

// userID is the user that a call is about.
func (c *call) userID() (string, error) {
	req, err := decode[struct{ UserID string }](c)
	return pathOr(c.Request, "user", req.UserID), err
}

func createUser(c *call) (any, error) {
	req, err := decode[struct {
		OrganizationID, UserID, Username string
		Machine                          *machine
		Human                            *struct {
			human
			Password struct{ Password string }
		}
	}](c)
	if err != nil {
		return nil, err
	}
	if err := checkLength("CreateUserRequest", "OrganizationId", req.OrganizationID); err != nil {
		return nil, err
	}
	row := &userRow{Username: req.Username}
	event, payload := "user.machine.added", map[string]any{"userName": req.Username}
	switch {
	case req.Machine != nil:
		if err := checkLength("CreateUserRequest_Machine", "Name", req.Machine.Name); err != nil {
			return nil, err
		}
		row.Machine = req.Machine
		row.Machine.HasSecret = false
		row.Machine.AccessTokenType = zeroEnum(row.Machine.AccessTokenType, tokenTypeBearer)
		payload["name"] = req.Machine.Name
	case req.Human != nil:
		event = "user.human.added"
		row.Human = &req.Human.human
		row.Human.Profile.DisplayName = req.Human.Profile.GivenName + " " + req.Human.Profile.FamilyName
		row.Human.Profile.PreferredLanguage = "und"
		if secret := req.Human.Password.Password; secret != "" {
			if row.PasswordHash, err = bcrypt.GenerateFromPassword([]byte(secret), bcrypt.DefaultCost); err != nil {
				return nil, fail(invalidArgument, "COMMAND-vR9nC", err.Error())
			}
		}
	default:
		return nil, invalid("CreateUserRequest", "UserType", "value is required")
	}
	id := req.UserID
	err = c.update(func(t *tx) error {
		if t.orgs.rows[req.OrganizationID] == nil {
			return fail(failedPrecondition, "COMMAND-1n9fs", "Organisation not found")
		}
		if id == "" {
			id = t.clock.newID()
		}
		if t.users.rows[id] != nil {
			return fail(failedPrecondition, "COMMAND-k2una", "Errors.User.AlreadyExisting")
		}
		if row.Username == "" {
			row.Username = id
		}
		var err error
		if row.meta, err = t.event(event, "user", id, req.OrganizationID, payload); err != nil {
			return err
		}
		return put(t, t.users, id, row)
	})
	if errors.Is(err, errTaken) {
		return nil, errUserExists
	}
	return struct {
		ID           string `json:"id"`
		CreationDate stamp  `json:"creationDate"`
	}{id, row.Created}, err
}

var userFilters = filterKinds[userRow]{
	"userNameQuery":       byText("userName", func(u *found[userRow]) string { return u.row.Username }),
	"loginNameQuery":      byText("loginName", func(u *found[userRow]) string { return u.row.Username }),
	"organizationIdQuery": byText("organizationId", func(u *found[userRow]) string { return u.row.Owner }),
	"stateQuery":          byText("state", func(u *found[userRow]) string { return stateName("USER_STATE_", u.row.State) }),
	"inUserIdsQuery":      byIDs("userIds", func(u *found[userRow]) string { return u.id }),
	"typeQuery": byText("type", func(u *found[userRow]) string {
		if u.row.Machine != nil {
			return "TYPE_MACHINE"
		}
		return "TYPE_HUMAN"
	}),
}

func listUsers(c *call) (any, error) {
	req, err := decode[struct {
		Query   page
		Queries []filter
	}](c)
	if err != nil {
		return nil, err
	}
	rows, err := listRows(c, c.store.users, userFilters, listRequest{req.Query, req.Queries})
	if err != nil {
		return nil, err
	}
	answer := struct {
		Details listDetails `json:"details"`
		Result  []user      `json:"result,omitempty"`
	}{Details: listDetails{total(len(rows)), c.store.latestEvent()}}
	for _, f := range pageOf(req.Query, rows) {
		answer.Result = append(answer.Result, userOf(f.id, f.row))
	}
	return answer, nil
}

func getUser(c *call) (any, error) {
	id, err := c.userID()
	if err != nil {
		return nil, err
	}
	var row *userRow
	c.store.view(func() { row = c.store.users.rows[id] })
	if row == nil {
		return nil, fail(notFound, "QUERY-Dfbg2", "User could not be found")
	}
	return struct {
		Details details `json:"details"`
		User    user    `json:"user"`
	}{detailsOf(row.meta), userOf(id, row)}, nil
}

func updateUser(c *call) (any, error) {
	req, err := decode[struct {
		UserID   string
		Username *string
		Machine  *struct {
			Name, Description *string
			AccessTokenType   string
		}
	}](c)
	if err != nil {
		return nil, err
	}
	if req.Machine == nil { // #854
		return nil, fail(unimplemented, "", "user type is not implemented ()")
	}
	id := pathOr(c.Request, "user", req.UserID)
	var changed stamp
	err = c.update(func(t *tx) error {
		row := t.users.rows[id]
		if row == nil || row.Machine == nil {
			return errUserNotFound
		}
		next, m := *row, *row.Machine
		set(&next.Username, req.Username)
		set(&m.Name, req.Machine.Name)
		set(&m.Description, req.Machine.Description)
		setWord(&m.AccessTokenType, req.Machine.AccessTokenType)
		m.AccessTokenType = zeroEnum(m.AccessTokenType, tokenTypeBearer)
		next.Machine = &m
		if reflect.DeepEqual(next, *row) {
			changed = row.Changed // #81: no change, no error
			return nil
		}
		event, err := t.event("user.machine.changed", "user", id, row.Owner, map[string]any{"name": m.Name})
		if err != nil {
			return err
		}
		next.meta, changed = row.changedBy(event), event.Changed
		return put(t, t.users, id, &next)
	})
	if errors.Is(err, errTaken) {
		return nil, errUserExists
	}
	return changedAnswer{changed}, err
}

// deleteUser takes grants, keys and tokens with it.
func deleteUser(c *call) (any, error) {
	id, err := c.userID()
	if err != nil {
		return nil, err
	}
	var m meta
	err = c.update(func(t *tx) error {
		row := t.users.rows[id]
		if row == nil {
			return errUserNotFound
		}
		if m, err = t.event("user.removed", "user", id, row.Owner, nil); err != nil {
			return err
		}
		for grantID, grant := range t.grants.rows {
			if grant.UserID == id {
				if err := t.cascadeGrant(grantID, grant); err != nil {
					return err
				}
			}
		}
		for keyID, key := range t.userKeys.rows {
			if key.UserID == id {
				drop(t, t.userKeys, keyID)
			}
		}
		for patID, pat := range t.pats.rows {
			if pat.UserID == id {
				drop(t, t.pats, patID)
			}
		}
		for memberID, member := range t.members.rows {
			if member.UserID == id {
				drop(t, t.members, memberID)
			}
		}
		t.endSessions(id)
		drop(t, t.users, id)
		return nil
	})
	return detailsAnswer{changedDetails(m)}, err
}

// endSessions makes every token of a user inactive, for good: unlocking brings none back.
func (t *tx) endSessions(userID string) {
	for id, token := range t.tokens.rows {
		if token.UserID == userID {
			drop(t, t.tokens, id)
		}
	}
	for id, session := range t.sessions.rows {
		if session.UserID == userID {
			drop(t, t.sessions, id)
		}
	}
}

// stateChange is an endpoint that moves a user into a state, unless they are in it already.
func stateChange(state, event string, already error) endpoint {
	return func(c *call) (any, error) {
		id, err := c.userID()
		if err != nil {
			return nil, err
		}
		var m meta
		err = c.update(func(t *tx) error {
			row := t.users.rows[id]
			switch {
			case row == nil:
				return errUserNotFound
			case row.State == state,
				event == "user.unlocked" && row.State != locked,
				event == "user.reactivated" && row.State != inactive:
				return already
			}
			var err error
			if m, err = t.event(event, "user", id, row.Owner, nil); err != nil {
				return err
			}
			if state != active {
				t.endSessions(id)
			}
			next := *row
			next.meta, next.State = row.changedBy(m), state
			return put(t, t.users, id, &next)
		})
		return detailsAnswer{changedDetails(m)}, err
	}
}

// changeUser replaces a user's row after an event.
func (c *call) changeUser(id, event string, payload any, change func(*userRow, stamp)) (m meta, err error) {
	err = c.update(func(t *tx) error {
		row := t.users.rows[id]
		if row == nil {
			return errUserNotFound
		}
		var err error
		if m, err = t.event(event, "user", id, row.Owner, payload); err != nil {
			return err
		}
		next := *row
		next.meta = row.changedBy(m)
		change(&next, t.now)
		return put(t, t.users, id, &next)
	})
	return m, err
}

func createUserSecret(c *call) (any, error) {
	id, err := c.userID()
	if err != nil {
		return nil, err
	}
	secret := newSecret()
	m, err := c.changeUser(id, "user.machine.secret.set", nil, func(u *userRow, _ stamp) { u.SecretDigest = digest(secret) })
	return struct {
		CreationDate stamp  `json:"creationDate"`
		ClientSecret string `json:"clientSecret"`
	}{m.Created, secret}, err
}

func setMetadata(c *call) (any, error) {
	req, err := decode[struct {
		UserID   string
		Metadata []struct {
			Key   string
			Value []byte
		}
	}](c)
	if err != nil {
		return nil, err
	}
	m, err := c.changeUser(pathOr(c.Request, "user", req.UserID), "user.metadata.set", nil, func(u *userRow, now stamp) {
		u.Metadata, u.MetadataStamps = maps.Clone(u.Metadata), maps.Clone(u.MetadataStamps)
		if u.Metadata == nil {
			u.Metadata, u.MetadataStamps = map[string][]byte{}, map[string]stamp{}
		}
		for _, entry := range req.Metadata {
			u.Metadata[entry.Key], u.MetadataStamps[entry.Key] = entry.Value, now
		}
	})
	return struct {
		SetDate stamp `json:"setDate"`
	}{m.Changed}, err
}

func listMetadata(c *call) (any, error) {
	id, err := c.userID()
	if err != nil {
		return nil, err
	}
	req, err := decode[listRequest](c)
	if err != nil {
		return nil, err
	}
	var row *userRow
	c.store.view(func() { row = c.store.users.rows[id] })
	if row == nil {
		return nil, errUserNotFound
	}
	type entry struct {
		CreationDate stamp  `json:"creationDate"`
		ChangeDate   stamp  `json:"changeDate"`
		Key          string `json:"key"`
		Value        []byte `json:"value"`
	}
	answer := struct {
		Pagination pagination `json:"pagination"`
		Metadata   []entry    `json:"metadata,omitempty"`
	}{Pagination: req.Pagination.pagination(len(row.Metadata))}
	for _, key := range sortedKeys(row.Metadata) {
		at := row.MetadataStamps[key]
		answer.Metadata = append(answer.Metadata, entry{at, at, key, row.Metadata[key]})
	}
	return answer, nil
}
