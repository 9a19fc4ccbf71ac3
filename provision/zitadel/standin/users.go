package standin

import (
	"errors"
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
