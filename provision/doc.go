// Package provision is the domain of the program provision: what is wanted, how it is
// brought about, and what is remembered of it. It knows no technology; the packages below
// it know one each.
//
// # From a configuration to a running system
//
// A [Config] says what is wanted ([ReadConfig], [ParseConfig]; [Example] is the one that is
// built in). A [Target] makes a [System] of it, and that a list of [Step] values: each can be
// observed, which gives its [Condition] and the [Change] values that would bring it about.
// [Runner.Plan] stops there. [Runner.Up] applies the changes in order, notes what the live
// system will never tell again in the [State] after each, and has each step prove itself.
// [Runner.Down] walks the list backwards. All of them report the same [Event] values, which
// the ui prints for people and --json for programs.
//
// # What survives a kill
//
// A step may be stopped at any line and run again. Key material is put into a [KeyStore],
// durably, before it is used anywhere; ids are noted after they are known; and the live
// system is always asked, so that nothing depends on a note that was not written.
//
// # The packages around it
//
//   - cmd/provision: the commands. Each opens a session: configuration, target, lock, state.
//   - provision/local: the target of one machine, and a good first example of a [Target].
//   - provision/zitadel: the client and the convergence of a Zitadel, a real one as well.
//   - provision/zitadel/standin: what stands in for it on one machine and in tests.
//   - provision/nats: keys and configuration of nats-server, and what verify tries.
//   - provision/keystore: the [KeyStore] in files; keystoretest has the tests of any.
//   - provision/ui: events as lines for people and as JSON.
package provision
