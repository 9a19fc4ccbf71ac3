package standin

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
