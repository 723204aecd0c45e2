package api

import (
	_ "embed"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/swaggest/swgui"
	swagger "github.com/swaggest/swgui/v5emb"
)

// The document is written by hand; tests compare it with the table of endpoints
// and with every answer that they get.
//
//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the OpenAPI 3.1 document that describes the API and its
// webhooks, in YAML. The caller owns the returned value.
func OpenAPI() []byte { return slices.Clone(openAPI) }

// Paths of the document and of the page that shows it.
const (
	documentPath = "openapi.yaml"
	pagePath     = "docs"
)

// pageParts are the files of the page. Nothing else is served below it.
var pageParts = []string{"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "favicon-32x32.png", "favicon-16x16.png"}

// pagePolicy lets the page load what is here and nothing from elsewhere, so that
// it works without any other network, and shows the same with one. The page has
// scripts and styles within it.
const pagePolicy = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is the browsable form of the document.
var page = sync.OnceValue(func() http.Handler {
	return swagger.NewHandlerWithConfig(swgui.Config{
		Title: "Parley API", SwaggerJSON: "/" + documentPath, BasePath: "/" + pagePath, ShowTopBar: false,
		SettingsUI: map[string]string{"defaultModelsExpandDepth": "1", "docExpansion": `"list"`, "tryItOutEnabled": "false"},
	})
})

// document returns what a path serves to everybody, without a token: the
// document or a part of its page; nil if it is another path.
func document(path string) func(*call) error {
	first, rest, _ := next(path)
	part, rest, more := next(rest)
	_, _, deeper := next(rest)
	switch {
	case deeper:
		return nil
	case first == documentPath && !more:
		return showDocument
	case first == pagePath && (!more || slices.Contains(pageParts, part)):
		return func(c *call) error { return showPage(c, part) }
	}
	return nil
}

func showDocument(c *call) error {
	if err := onlyGet(c); err != nil {
		return err
	}
	c.status = http.StatusOK
	h := c.w.Header()
	h.Set("Content-Type", "application/yaml; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(openAPI)))
	_, _ = c.w.Write(openAPI) // the client's loss
	return nil
}

// showPage serves a part of the page, the page itself if part is empty.
func showPage(c *call, part string) error {
	if err := onlyGet(c); err != nil {
		return err
	}
	c.status = http.StatusOK
	h := c.w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	r := c.r.Clone(c.ctx)
	r.URL.Path, r.URL.RawPath = "/"+pagePath+"/"+part, ""
	page().ServeHTTP(c.w, r)
	return nil
}

// onlyGet refuses other methods than GET and HEAD.
func onlyGet(c *call) error {
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return nil
	}
	c.w.Header().Set("Allow", "GET, HEAD")
	return errNotAllowed
}
