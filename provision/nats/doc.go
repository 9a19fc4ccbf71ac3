// Package nats makes the NATS side of a system: the keys that server and callout share,
// and the server's configuration. The configuration holds public keys only; what is secret
// stays in the key store.
package nats
