package standin

import (
	"maps"
)

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
