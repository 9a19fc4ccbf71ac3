package standin

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

const maxEventTypes = 30

func (s *Server) routeEvents() {
	s.handle("POST /admin/v1/events/_search", route{need: needMember, do: searchEvents})
}

type localized struct {
	Key              string `json:"key"`
	LocalizedMessage string `json:"localizedMessage"`
}

type eventType struct {
	Type      string    `json:"type"`
	Localized localized `json:"localized"`
}

type event struct {
	Editor struct {
		UserID      string `json:"userId,omitempty"`
		DisplayName string `json:"displayName,omitempty"`
		Service     string `json:"service"`
	} `json:"editor"`
	Aggregate struct {
		ID            string    `json:"id"`
		Type          eventType `json:"type"`
		ResourceOwner string    `json:"resourceOwner"`
	} `json:"aggregate"`
	Sequence     string          `json:"sequence"`
	CreationDate stamp           `json:"creationDate"`
	Payload      json.RawMessage `json:"payload,omitempty"`
	Type         eventType       `json:"type"`
}

// searchEvents answers what happened, newest first unless asked otherwise. since and from are
// exclusive, sequence counts within each aggregate (#885, #886, #835).
func searchEvents(c *call) (any, error) {
	req, err := decode[struct {
		Sequence       number
		Limit          number
		Asc            bool
		EditorUserID   string
		EventTypes     []string
		AggregateID    string
		AggregateTypes []string
		ResourceOwner  string
		From           stamp
		Range          struct{ Since, Until stamp }
	}](c)
	if err != nil {
		return nil, err
	}
	if len(req.EventTypes) > maxEventTypes {
		return nil, invalid("ListEventsRequest", "EventTypes", "value must contain no more than 30 item(s)")
	}
	after := req.Range.Since
	if req.From.After(after.Time) {
		after = req.From
	}
	var rows []found[eventRow]
	answer := struct {
		Events []event `json:"events,omitempty"`
	}{}
	c.store.view(func() {
		for id, e := range c.store.events.rows {
			switch {
			case !e.Created.After(after.Time) && !after.IsZero(),
				!req.Range.Until.IsZero() && !e.Created.Before(req.Range.Until.Time),
				req.EditorUserID != "" && e.Editor != req.EditorUserID,
				req.AggregateID != "" && e.AggregateID != req.AggregateID,
				req.ResourceOwner != "" && e.Owner != req.ResourceOwner,
				req.Sequence > 0 && req.Asc && e.Sequence <= int(req.Sequence),
				req.Sequence > 0 && !req.Asc && e.Sequence >= int(req.Sequence),
				len(req.EventTypes) > 0 && !slices.Contains(req.EventTypes, e.Type),
				len(req.AggregateTypes) > 0 && !slices.Contains(req.AggregateTypes, e.AggregateType):
			default:
				rows = append(rows, found[eventRow]{id, e})
			}
		}
		slices.SortFunc(rows, func(a, b found[eventRow]) int { return cmp.Compare(b.id, a.id) })
		for _, f := range pageOf(page{Limit: req.Limit, Asc: req.Asc}, rows) {
			answer.Events = append(answer.Events, c.store.eventOf(f.row))
		}
	})
	return answer, nil
}

func (s *store) eventOf(row *eventRow) event {
	var e event
	e.Editor.UserID, e.Editor.Service = row.Editor, "zitadel"
	if user := s.users.rows[row.Editor]; user != nil && user.Machine != nil {
		e.Editor.DisplayName = user.Machine.Name
	}
	e.Aggregate.ID, e.Aggregate.ResourceOwner = row.AggregateID, row.Owner
	e.Aggregate.Type = eventType{row.AggregateType, localized{"AggregateTypes." + row.AggregateType, words(row.AggregateType)}}
	e.Sequence, e.CreationDate, e.Payload = strconv.Itoa(row.Sequence), row.Created, row.Payload
	e.Type = eventType{row.Type, localized{"EventTypes." + row.Type, words(row.Type)}}
	return e
}

// words makes a readable text of a type; Zitadel has a better one in many languages.
func words(typ string) string {
	text := strings.NewReplacer(".", " ", "_", " ").Replace(typ)
	return strings.ToUpper(text[:1]) + text[1:]
}
