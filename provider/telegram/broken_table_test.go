package telegram_test

import (
	"maps"
	"strings"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// breaks are the ways to break a provider, with the case of the suite that has to
// notice.
var breaks = merged(breaksOfTexts, breaksOfContent, breaksOfGroups, breaksOfFetching, breaksOfSending)

func merged(tables ...map[string]breakage) map[string]breakage {
	all := map[string]breakage{}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

var breaksOfTexts = map[string]breakage{
	"nothing":          {noticed: "send/reply"},
	"spec":             {noticed: "spec/facts", spec: func(s *connector.Spec) { s.MaxBody = 0 }},
	"verifies all":     {noticed: "verify/revoked", verify: anyone},
	"other account":    {noticed: "verify/right", verify: anyone},
	"believes faults":  {noticed: "verify/not known yet", verify: suspicious},
	"changes text":     {noticed: "send/texts", plan: func(p *connector.Part) { p.Text = strings.ToUpper(p.Text) }},
	"cuts text":        {noticed: "send/long text", plan: func(p *connector.Part) { p.Text = p.Text[:len(p.Text)/2] }},
	"one key":          {noticed: "send/plan", plan: func(p *connector.Part) { p.Key = "k" }},
	"no reply":         {noticed: "send/reply", plan: func(p *connector.Part) { p.Index++ }},
	"sends twice":      {noticed: "send/many at once", send: twoTimes},
	"resends":          {noticed: "fault/cut after", send: resend},
	"resends late":     {noticed: "fault/cut before", send: resend},
	"too sure":         {noticed: "fault/cut after", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"too sure if late": {noticed: "fault/deadline while late", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"too sure if slow": {noticed: "fault/cancelled while slow", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"unsure":           {noticed: "fault/nobody listens", send: sends(renames(parley.KindUnavailable, parley.KindUncertain))},
	"unsure at 500":    {noticed: "fault/status 500", send: sends(renames(parley.KindUnavailable, parley.KindUncertain))},
	"never began": {noticed: "fault/cancelled before",
		send: sends(func(err error) error { return parley.Errorf(parley.KindOf(err), "cause dropped") })},
	"forgets the wait": {noticed: "fault/throttled",
		send: sends(func(err error) error { return parley.Errorf(parley.KindOf(err), "wait") })},
	"no strangers":  {noticed: "send/stranger", send: sends(renames(parley.KindUnreachable, parley.KindUnavailable))},
	"knows all":     {noticed: "send/unknown chat", send: sends(renames(parley.KindUnreachable, parley.KindUnavailable))},
	"tries on":      {noticed: "send/refused text", send: sends(renames(parley.KindRejected, parley.KindUnavailable))},
	"hears garbage": {noticed: "fault/garbage", send: sends(renames(parley.KindUncertain, parley.KindUnavailable))},
	"late login":    {noticed: "poll/revoked before", run: interrupted},
	"gives up":      {noticed: "send/blocked", send: sends(renames(parley.KindUnreachable, parley.KindRejected))},
	"tells secrets": {noticed: "secrets/traces", send: tell},
	"logs secrets":  {noticed: "secrets/traces", send: shout},
	"any secret":    {noticed: "callback/wrong secret", receive: believe},
	"no secret":     {noticed: "callback/without secret", receive: believe},
	"no garbage":    {noticed: "callback/garbage", receive: despair},
	"fresh ids":     {noticed: "callback/twice", receive: events(fresh)},
	"one edit":      {noticed: "callback/edits", receive: events(unversion)},
	"other chat":    {noticed: "callback/texts", receive: events(unplaced)},
	"one block":     {noticed: "callback/blocks", receive: events(alike)},
	"strict":        {noticed: "callback/unknown fields", receive: strict},
	"drops news":    {noticed: "callback/unknown kind", receive: strict},
	"never asks":    {noticed: "callback/subscribe again", join: func() error { return nil }},
	"always sure":   {noticed: "callback/subscribe fails", join: func() error { return nil }},
	"deaf":          {noticed: "poll/texts", emit: drop},
	"no payload":    {noticed: "callback/start", receive: events(quiet)},
	"no parent":     {noticed: "callback/reply", receive: events(quiet)},
	"two versions":  {noticed: "both/same identities", receive: events(unversion)},
	"stays":         {noticed: "callback/unsubscribe", leave: func() error { return nil }},
	"loses":         {noticed: "poll/store down", emit: lose},
	"loses at stop": {noticed: "poll/stopped before storing", emit: lose},
	"skips":         {noticed: "poll/store down", emit: skip},
	"fails at stop": {noticed: "poll/stop", run: interrupted},
	"never ends":    {noticed: "poll/revoked", run: interrupted},
	"trusts":        {noticed: "callback/without secret", trusts: true},
}
