package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// An endpoint is one line of the API's table.
type endpoint struct {
	method  string
	pattern string            // below /p1 or /api; segments in capitals are ids
	target  func(*call) error // finds what the path names beside the company; nil if nothing
	handle  func(*call) error
	outside bool // a POST whose effect reaches beyond the database
	secret  bool // the answer holds a secret
}

// reaches marks an endpoint whose effect is not in the database alone.
func (e endpoint) reaches() endpoint { e.outside = true; return e }

// tells marks an endpoint whose answer holds a secret.
func (e endpoint) tells() endpoint { e.secret = true; return e }

func route(method, pattern string, target, handle func(*call) error) endpoint {
	return endpoint{method: method, pattern: pattern, target: target, handle: handle}
}

// endpoints is the whole API: what is not here does not exist.
func (s *Server) endpoints() []endpoint {
	const (
		company      = "companies/C"
		channel      = company + "/channels/CH"
		conversation = company + "/conversations/CV"
	)
	return []endpoint{
		route("GET", "companies", nil, s.listCompanies),
		route("POST", "companies", nil, s.createCompany).reaches(),
		route("GET", "billing", nil, s.showBilling),
		route("GET", company, nil, s.showCompany),
		route("PUT", company, nil, s.updateCompany),

		route("GET", company+"/channels", nil, s.listChannels),
		route("POST", company+"/channels", nil, s.createChannel).reaches(),
		route("GET", channel, s.liveChannel, s.showChannel),
		route("PUT", channel, s.liveChannel, s.updateChannel),
		route("DELETE", channel, s.liveChannel, s.deleteChannel),
		route("POST", channel, s.liveChannel, s.postFirst),
		route("POST", channel+"/conversations", s.liveChannel, s.postFirst),
		route("GET", channel+"/user_exists", s.liveChannel, s.showExists),
		route("POST", channel+"/request_code", s.liveChannel, s.requestCode).reaches(),
		route("POST", channel+"/confirm", s.liveChannel, s.confirmCode).reaches(),
		route("GET", channel+"/enable_page_instagram", s.liveChannel, s.enablePage),
		route("POST", channel+"/enable_page_instagram", s.liveChannel, s.enablePage).reaches(),
		route("PUT", channel+"/enable_page_instagram", s.liveChannel, s.enablePage),
		route("GET", channel+"/jobs/ID", s.anyChannel, s.showJob),

		route("GET", company+"/conversations", nil, s.listConversations),
		route("POST", company+"/conversations", nil, s.createConversation),
		route("GET", conversation, s.conversation, s.showConversation),
		route("PUT", conversation+"/note", s.conversation, s.noteConversation),
		route("PUT", conversation+"/assign", s.conversation, s.assignConversation),
		route("PUT", conversation+"/toggle_bitrix_block_openlines", s.conversation, s.toggleConversation),
		route("GET", conversation+"/messages", s.addressee, s.listMessages),
		route("POST", conversation+"/messages", s.addressee, s.postMessage),
		route("POST", conversation+"/message", s.addressee, s.postMessage),
		route("POST", uploadPattern, s.addressee, s.postAttachment),

		route("GET", conversation+"/messages/M/timeline", s.addressee, s.showTimeline),

		route("GET", company+"/waba_templates", nil, s.listTemplates),
		route("GET", "companies/waba_templates", nil, s.listTemplates),
		route("POST", company+"/service_messages", nil, s.postService),

		route("GET", eventsPattern, nil, s.listEvents),
		route("GET", company+"/webhooks", nil, s.listWebhooks),
		route("POST", company+"/webhooks", nil, s.createWebhook).reaches(),
		route("GET", company+"/webhooks/EP", nil, s.showWebhook),
		route("PUT", company+"/webhooks/EP", nil, s.updateWebhook),
		route("DELETE", company+"/webhooks/EP", nil, s.deleteWebhook),
		route("GET", company+"/webhooks/EP/secret", nil, s.showWebhookSecret),
		route("POST", company+"/webhooks/EP/secret", nil, s.rotateWebhookSecret).tells(),
		route("GET", company+"/webhook_secret", nil, s.showSecret),
		route("POST", company+"/webhook_secret", nil, s.rotateSecret).tells(),
		route("GET", company+"/dead_letters", nil, s.listLetters),
		route("POST", company+"/dead_letters/replay", nil, s.replayLetters),
		route("GET", company+"/quarantine", nil, s.listQuarantine),
	}
}

// An idName is an id in a path.
type idName int

const (
	idCompany idName = iota
	idChannel
	idConversation
	idJob
	idEndpoint
	idMessage
	idNames // how many there are
)

var idSegments = map[string]idName{"C": idCompany, "CH": idChannel, "CV": idConversation, "ID": idJob, "EP": idEndpoint, "M": idMessage}

// A node is a place in the tree of paths.
type node struct {
	fixed   map[string]*node
	id      *node // for a segment that is an id
	name    idName
	pattern string
	route   string               // the pattern of the whole path
	methods map[string]*endpoint // nil if nothing is here
	allow   string
}

// plant makes the tree of a table, all of whose paths begin with base.
func plant(base string, table []endpoint) *node {
	root := &node{}
	for i := range table {
		e := &table[i]
		n := root
		for segment := range strings.SplitSeq(e.pattern, "/") {
			n = n.grow(segment)
		}
		n.serve(base, e)
	}
	return root
}

// grow returns the child for a segment of a pattern.
func (n *node) grow(segment string) *node {
	if name, ok := idSegments[segment]; ok {
		if n.id == nil {
			n.id = &node{name: name}
		}
		return n.id
	}
	if n.fixed == nil {
		n.fixed = map[string]*node{}
	}
	child := n.fixed[segment]
	if child == nil {
		child = &node{}
		n.fixed[segment] = child
	}
	return child
}

func (n *node) serve(base string, e *endpoint) {
	if n.methods == nil {
		n.methods = map[string]*endpoint{}
	}
	n.pattern, n.route = e.pattern, base+e.pattern
	n.methods[e.method] = e
	if e.method == http.MethodGet {
		n.methods[http.MethodHead] = e
	}
	var methods []string
	for m := range n.methods {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	n.allow = strings.Join(methods, ", ")
}

// find walks a path down from n and notes its ids. It returns nil if nothing is
// there.
func (n *node) find(path string, ids *[idNames]int64) *node {
	for {
		segment, rest, ok := next(path)
		if !ok {
			break
		}
		child := n.fixed[segment]
		if child == nil && n.id != nil {
			if ids[n.id.name], ok = parseID(segment); ok {
				child = n.id
			}
		}
		if child == nil {
			return nil
		}
		n, path = child, rest
	}
	if n.methods == nil {
		return nil
	}
	return n
}

// next splits the first segment off an escaped path, passing over empty ones. A
// segment that is not validly escaped is returned as it is: it matches nothing.
func next(path string) (segment, rest string, ok bool) {
	path = strings.TrimLeft(path, "/")
	if path == "" {
		return "", "", false
	}
	segment, rest, _ = strings.Cut(path, "/")
	if strings.IndexByte(segment, '%') >= 0 {
		if plain, err := url.PathUnescape(segment); err == nil {
			segment = plain
		}
	}
	return segment, rest, true
}

// pathOf returns the path as it was sent, still escaped, so that an escaped slash
// separates nothing.
func pathOf(r *http.Request) string { return r.URL.EscapedPath() }

// parseID reads a decimal integer of at least 1.
func parseID(s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil && id >= 1
}
