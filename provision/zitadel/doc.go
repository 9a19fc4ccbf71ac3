// Package zitadel makes a Zitadel hold what a [provision.ZitadelConfig] names: a project with
// its roles, applications, machine users with keys, and grants.
//
// # The client
//
// A [Client] speaks the v2 API as JSON, and v1 where v2 has nothing. Every call has a
// deadline and a bounded answer. It is sent again only where that is safe: reads and whatever
// has the same outcome twice after any failure, all others only when the server cannot have
// acted. An answer that is no success is an [*APIError]; decide by errors.Is with
// [ErrConflict], [ErrNotFound], [ErrDenied] and their like, never by an error's id: Zitadel
// uses one id for many things.
//
// Nobody but Zitadel can say which credential opens it, so the client tries what it was given
// in order, proves the first that is there, and says which one it used.
//
// # The convergence
//
// [New] makes the client and [NewConvergence] the steps. Each asks the live system, compares,
// and returns the changes that are missing. Things are found by name: what was there before
// is adopted, its drift repaired, and it is never deleted.
//
// # What survives a kill
//
// Whether a thing is ours has to be known before it exists. So the id of a project, an
// application or a user is chosen here and noted, and then it is created by that id: what is
// found later under its name is ours if it has that id. Roles and grants have no id of ours
// to choose; there the intent is noted first.
//
// Keys are different, because two of them do not exclude each other and Zitadel never tells
// whose public half it has. A key gets an expiration date, unique among those of its owner,
// that is stored together with the private half before the upload. Who is killed in between
// finds the upload again by that date. Searches lag behind, so not finding it proves nothing:
// then it is uploaded once more under a new date, and as soon as the new one is listed, which
// events of one kind are in the order in which they happened, the old one either is listed
// too, and is deleted, or never was.
package zitadel
