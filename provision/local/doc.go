// Package local brings a whole system up in this process, on loopback: the stand-in for
// Zitadel, a nats-server, and the callout between them. It needs nothing but this program,
// and takes the same configuration and the same code paths as a cluster does: the same
// convergence against the same API, the same keys, a nats.conf and a callout.yaml that their
// own parsers read.
//
// Everything lies in one directory: zitadel/ the stand-in's data, keys/ the keys, nats/ the
// server's configuration and streams, callout.yaml the callout's. A second start finds it
// all. The servers end with the process; another process can ask them, but only the one
// that serves them can change what they are.
package local
