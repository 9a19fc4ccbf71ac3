package callout

import (
	"fmt"
	"net/netip"
)

// Connection is what a decision needs to know of the very connection that asks.
type Connection struct {
	// User is CONNECT's user: it may name the account that the client wants.
	User string
	// Source is the client's address; invalid where the server's text was none.
	Source netip.Addr
	// Type is the kind of connection; 0 where the server names one that we do not know,
	// which fits no role.
	Type ConnectionType
	// OwnAccount is the account in which the callout itself is a user; never granted.
	OwnAccount string
}

// ConnectionType is a kind of client connection, named as NATS user JWTs name it.
type ConnectionType uint8

// The kinds of connection that a role can name.
const (
	TypeStandard ConnectionType = 1 << iota
	TypeWebSocket
	TypeMQTT
	TypeLeafnode
)

// connectionTypes is a set of them.
type connectionTypes = ConnectionType

var connectionTypeNames = map[string]ConnectionType{
	"STANDARD": TypeStandard, "WEBSOCKET": TypeWebSocket, "MQTT": TypeMQTT, "LEAFNODE": TypeLeafnode,
}

// defaultConnectionTypes: leafnodes bring a whole account's traffic, so that they have to
// be named.
const defaultConnectionTypes = TypeStandard | TypeWebSocket | TypeMQTT

func (t ConnectionType) String() string {
	for name, have := range connectionTypeNames {
		if t == have {
			return name
		}
	}
	return "UNKNOWN"
}

// ParseConnectionType reads a name as it stands in the configuration.
func ParseConnectionType(name string) (ConnectionType, error) {
	t, ok := connectionTypeNames[name]
	if !ok {
		return 0, fmt.Errorf("connection type %q: want STANDARD, WEBSOCKET, MQTT or LEAFNODE", name)
	}
	return t, nil
}

func parseConnectionTypes(names []string) (connectionTypes, error) {
	if len(names) == 0 {
		return defaultConnectionTypes, nil
	}
	var all connectionTypes
	for _, name := range names {
		t, err := ParseConnectionType(name)
		if err != nil {
			return 0, err
		}
		all |= t
	}
	return all, nil
}

// connectionType maps the server's kind and type of a client to one of ours. The server
// sends type "nats" also for in-process clients; a leafnode has no type.
func connectionType(kind, typ []byte) ConnectionType {
	switch string(kind) {
	case "Leafnode":
		return TypeLeafnode
	case "Client":
		switch string(typ) {
		case "nats":
			return TypeStandard
		case "websocket":
			return TypeWebSocket
		case "mqtt":
			return TypeMQTT
		}
	}
	return 0
}
