// Package connectortest is the conformance suite of connectors: what the gateway
// relies on, tried on a provider against its simulator over real HTTP. A provider
// runs it in one test:
//
//	connectortest.Suite{Provider: telegram.New(), Simulator: …, Can: …}.Run(t)
//
// The suite knows no provider. It drives the connector through the interfaces of
// package connector alone, and the simulator through the control API that all
// simulators share; what differs between providers is in Suite. Every case has a
// simulator, an account and a log of its own and ends with a search for the
// case's secrets in everything that was logged or said in errors.
//
// Simulators have to answer these verbs beside the common ones of package
// simulator:
//
//	POST accounts    id, and what Suite.Credentials needs
//	POST people      name → id, and chat if it is not the id
//	POST say         account, person, text, reply_to → chat, message_id, date
//	POST edit        account, person, message_id, text
//	POST block, unblock, start   account, person; start also payload
//	POST deactivate  person
//	POST raw         account in the query, any JSON object as the body
//	POST revoke      account
//
// What not every network has is played by verbs that the fields of Suite name, with
// the parameters that are said there; files are uploaded as multipart/form-data.
// What a provider lacks is named in Suite.Lacks: the suite fails on whatever is
// neither given nor lacking, and on an interface that it is not told how to test.
// In a group the verbs of people also take chat. GET sent tells of a file that was
// sent, in its detail, the sha256 of its bytes in hexadecimal and its file_name.
//
// It covers callbacks that prove themselves by a header or the query and have a
// JSON body, and no connector.Deregisterer and no pairing. It does not replace a connector's own tests: what the fields of one
// provider mean is decided there. That the suite notices what it has to is shown
// beside provider/telegram, by a connector that is broken in one way after another.
package connectortest
