package telegramsim

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/parley-im/parley/simulator"
)

// webPages stands in for the web, from which Telegram fetches what a bot sends by
// URL: nothing is ever fetched. The zero value is an empty web.
type webPages struct {
	mu    sync.Mutex
	pages map[string]webPage
}

// A webPage is what an address answers.
type webPage struct {
	mime string
	data []byte
}

// maxPages bounds how many addresses answer.
const maxPages = 1000

func (ws *webPages) reset() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.pages = nil
}

func (ws *webPages) get(address string) (webPage, bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	p, ok := ws.pages[address]
	return p, ok
}

// Publish lets an address answer with data when a bot sends it instead of a file.
// An empty mime is that of the data. Its errors are of kind parley.KindInvalid.
func (s *Server) Publish(address, mime string, data []byte) error {
	if err := checkURL(address); err != nil {
		return refuse("url must begin with http:// or https:// and have a public host")
	}
	if mime == "" {
		mime = http.DetectContentType(data)
	}
	mime, _, _ = strings.Cut(mime, ";")
	s.web.mu.Lock()
	defer s.web.mu.Unlock()
	if len(s.web.pages) >= maxPages {
		return refuse("there are too many pages; POST reset forgets them")
	}
	if s.web.pages == nil {
		s.web.pages = make(map[string]webPage)
	}
	s.web.pages[address] = webPage{mime, data}
	return nil
}

// publish is Publish as a control verb.
func (s *Server) publish(p simulator.Params) (any, error) {
	f, ok := p.File("file")
	if !ok {
		f = simulator.File{Data: []byte(p.Get("text"))}
	}
	err := s.Publish(p.Get("url"), p.First("mime_type", "mime"), f.Data)
	return map[string]int{"size": len(f.Data)}, err
}

var (
	errURL      = badRequest("wrong HTTP URL specified")
	errFetch    = badRequest("failed to get HTTP URL content")
	errWebType  = badRequest("wrong type of the web page content")
	errFileOrID = badRequest("wrong file identifier/HTTP URL specified")
)

// checkURL refuses addresses that the provider's servers do not visit.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return errURL
	}
	if scheme := strings.ToLower(u.Scheme); scheme != "http" && scheme != "https" {
		return badRequest("invalid file HTTP URL specified: Unsupported URL protocol")
	}
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	if err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsUnspecified() || ip.IsLinkLocalUnicast()) {
		return errURL
	}
	if err != nil && !strings.Contains(host, ".") {
		return errURL
	}
	return nil
}

// Limits of what is fetched, in bytes. Source: Bot API, Sending files, read 2026-11.
const (
	maxWebPhoto = 5 << 20
	maxWebFile  = 20 << 20
	maxWebVoice = 1 << 20 // a longer one arrives as a document. Source: sendVoice
)

// webTypes are the types that a page must have to be sent as a kind; photos may
// be any picture. Source: Bot API, Sending files, read 2026-11.
var webTypes = map[string][]string{
	"document":  {"application/pdf", "application/zip", "image/gif"},
	"audio":     {"audio/mpeg", "audio/mp4", "audio/x-m4a"},
	"voice":     {"audio/ogg", "audio/mpeg", "audio/mp4", "audio/x-m4a"},
	"video":     {"video/mp4"},
	"animation": {"image/gif", "video/mp4"},
	"sticker":   {"image/webp", "application/x-tgsticker", "video/webm"},
}

// fetch is what the server gets for an address that is to be sent as kind.
func (c *call) fetch(kind, address string) (simulator.File, error) {
	if err := checkURL(address); err != nil {
		return simulator.File{}, err
	}
	if kind == "video_note" { // not by URL. Source: Bot API, sendVideoNote, read 2026-11
		return simulator.File{}, errFileOrID
	}
	page, ok := c.web.get(address)
	if !ok || len(page.data) == 0 || len(page.data) > maxWebFile || kind == "photo" && len(page.data) > maxWebPhoto {
		return simulator.File{}, errFetch
	}
	if !page.fits(kind) {
		return simulator.File{}, errWebType
	}
	return simulator.File{Name: pageName(address), Type: page.mime, Data: page.data}, nil
}

func (p webPage) fits(kind string) bool {
	if kind == "photo" {
		return strings.HasPrefix(p.mime, "image/")
	}
	for _, m := range webTypes[kind] {
		if m == p.mime {
			return true
		}
	}
	return false
}

// pageName is the last segment of an address's path.
func pageName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path[strings.LastIndexByte(u.Path, '/')+1:]
}
