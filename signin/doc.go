// Package signin lets a user sign in by phone: a code goes to the webhook address
// that the operator has set for the user, and whoever shows it gets two tokens, one
// to call the API with and one to get the next two.
//
// # What an outsider can learn
//
// Nothing about which phones are users'. [Service.Verify] only puts the phone into
// a queue, so its answer and its duration are the same for every phone: whether it
// is anybody's is looked up later, by [Service.Run], and so is whether there may be
// another code. A wrong guess costs one transaction of the same size for every
// phone.
//
// # What an outsider can break
//
// Little. The queue is bounded, a phone gets few codes, a code takes few guesses,
// and all guesses together are limited to a rate that the database does not notice:
// they are transactions that anybody may cause.
//
// It is not for the tokens that the operator creates, and it does not judge
// requests to the API: package api asks the store whose a token is. A code is sent
// once, without repeats: it is good for minutes, and a user who does not get it
// asks for another.
package signin
