package params

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-im/parley"
)

// TestClients sends, byte for byte, what the official PHP and Python clients and
// curl users write on the wire.
func TestClients(t *testing.T) {
	t.Parallel()
	const python = "Accept: application/json\r\nContent-Type: application/json\r\n"
	for _, tc := range []struct {
		name, line, header, body string // a Content-Length is added if there is a body
		want                     string
	}{
		{"PHP list", "GET /p1//companies?from=&per=2&sort_direction=asc", "Accept: */*\r\n", "",
			`{"from":"","per":"2","sort_direction":"asc"}`},
		{"PHP list of messages", "GET /p1/companies/1/conversations/2/messages?sort=desc", "", "", `{"sort":"desc"}`},
		{"PHP PUT of nothing: no type, no length", "PUT /p1//companies/1/conversations/7/assign", "Accept: */*\r\n", "", `{}`},
		{"PHP POST of nothing: no type, no length", "POST /p1/companies/1/channels/2/request_code", "", "", `{}`},
		{"PHP empty form", "PUT /p1/companies/1", "Content-Type: " + form + "\r\nContent-Length: 0\r\n", "", `{}`},
		{"PHP send", "POST /p1/companies/1/conversations/2/messages", "Content-Type: " + form + "\r\n",
			"message=hi&attachments_ids%5B%5D=1&attachments_ids%5B%5D=2",
			`{"attachments_ids":["1","2"],"message":"hi"}`},
		{"PHP query builder writes indexes and hashes", "POST /p1/companies/1/channels/3/conversations", "Content-Type: " + form + "\r\n",
			"phone=79250000001&template%5Bid%5D=t&template%5Blanguage_code%5D=ru&template%5Bparameters%5D%5B0%5D=%D0%B8%D0%BC%D1%8F",
			`{"phone":"79250000001","template":{"id":"t","language_code":"ru","parameters":{"0":"имя"}}}`},
		{"PHP file with quoted boundary", "POST /p1/companies/1/conversations/2/messages/attachments",
			"Content-Type: multipart/form-data; boundary=\"5f3e\"\r\n",
			"--5f3e\r\nContent-Disposition: form-data; name=\"file\"; filename=\"/tmp/a.png\"\r\nContent-Length: 3\r\n" +
				"Content-Type: image/png\r\n\r\nPNG\r\n--5f3e--\r\n", `{}`},
		{"Python list: a type and no body", "GET /p1/companies/?from_=TOKEN", python, "", `{"from_":"TOKEN"}`},
		{"Python DELETE: a type and no body", "DELETE /p1/companies/1/channels/2/", python + "Content-Length: 0\r\n", "", `{}`},
		{"Python typed call", "POST /p1/companies/", python, `{"name": "\u0418\u043c\u044f", "hidden": false, "phone": null}`,
			`{"hidden":false,"name":"Имя","phone":null}`},
		{"Python assign: a form labelled JSON", "PUT /p1/companies/1/conversations/7/assign/", python, "assignee_id=42", `{"assignee_id":"42"}`},
		{"Python confirm: a form labelled JSON", "POST /p1/companies/1/channels/2/confirm/", python,
			"confirmation_type=code&code=01234", `{"code":"01234","confirmation_type":"code"}`},
		{"Python template parameters", "POST /p1/companies/1/channels/3/", python,
			`{"phone": "79250000001", "template": {"id": 5, "language_code": "en", "parameters": {"2": "b", "1": "a"}}}`,
			`{"phone":"79250000001","template":{"id":5,"language_code":"en","parameters":{"1":"a","2":"b"}}}`},
		{"Python file without part type", "POST /p1/companies/1/conversations/2/messages/attachments/",
			"Content-Type: multipart/form-data; boundary=8ab3\r\n",
			"--8ab3\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\r\nPNG\r\n--8ab3--\r\n", `{}`},
		{"curl sends JSON as a form", "POST /p1/companies/1/conversations/2/message", "Content-Type: " + form + "\r\n",
			`{"message":"hi"}`, `{"message":"hi"}`},
		{"curl chunked", "POST /p1/companies", "Content-Type: " + form + "\r\nTransfer-Encoding: chunked\r\n", "6\r\nname=x\r\n0\r\n\r\n", `{"name":"x"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := string(read(t, parse(t, tc.line, tc.header, tc.body), Options{}).Canonical())
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// parse makes the server's view of a request as it is on the wire.
func parse(t *testing.T, line, header, body string) *http.Request {
	t.Helper()
	if body != "" && !strings.Contains(header, "chunked") {
		header += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	raw := line + " HTTP/1.1\r\nHost: gateway\r\n" + header + "\r\n" + body
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestUploadWithExpect streams a large file to a real server that first has to
// say 100 Continue.
func TestUploadWithExpect(t *testing.T) {
	t.Parallel()
	const size = 3 << 19
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		var read int64
		s, err := Read(r, Options{OnFile: func(f *File) (err error) {
			read, err = io.Copy(sum, f)
			return err
		}})
		if err != nil {
			t.Errorf("Read: %v", err)
			return
		}
		fmt.Fprintf(w, "%d %x %s", read, sum.Sum(nil), s.Canonical())
	}))
	defer server.Close()

	file := strings.Repeat("0123456789abcdef", size/16)
	body := "--q\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n" + file +
		"\r\n--q\r\nContent-Disposition: form-data; name=\"push_to_talk\"\r\n\r\ntrue\r\n--q--\r\n"
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nExpect: 100-continue\r\n"+
		"Content-Type: multipart/form-data; boundary=\"q\"\r\nContent-Length: %d\r\n\r\n", len(body))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("before the body: %q, %v", line, err)
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(answers)
	want := fmt.Sprintf(`%d %x {"push_to_talk":"true"}`, size, sha256.Sum256([]byte(file)))
	if err != nil || !strings.Contains(string(rest), want) {
		t.Errorf("got %q, %v, want %q in it", rest, err, want)
	}
}

// upload builds a multipart request of one file between two fields.
func upload(disposition, content string) *http.Request {
	return request("/", `multipart/form-data; boundary="b"`,
		"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"+
			"--b\r\nContent-Disposition: form-data; "+disposition+"\r\nContent-Type: image/png\r\n\r\n"+content+"\r\n"+
			"--b\r\nContent-Disposition: form-data; name=z\r\n\r\n2\r\n--b--")
}

func TestFiles(t *testing.T) {
	t.Parallel()
	type seen struct{ Field, Name, Type, Content string }
	for _, tc := range []struct {
		disposition string
		want        seen
	}{
		{`name="file"; filename="a.png"`, seen{"file", "a.png", "image/png", "PNG"}},
		{`name="file"; filename="../../etc/passwd"`, seen{"file", "passwd", "image/png", "PNG"}},
		{`name="file"; filename="C:\\dir\\a.png"`, seen{"file", "a.png", "image/png", "PNG"}},
		{`name="file"; filename="dir/.."`, seen{"file", "file", "image/png", "PNG"}},
		{`name="file"; filename="фото.png"`, seen{"file", "фото.png", "image/png", "PNG"}},
		{`name="file"; filename*=UTF-8''%D1%84.png`, seen{"file", "ф.png", "image/png", "PNG"}},
	} {
		t.Run(tc.disposition, func(t *testing.T) {
			t.Parallel()
			var got []seen
			s := read(t, upload(tc.disposition, "PNG"), Options{OnFile: func(f *File) error {
				content, err := io.ReadAll(f)
				got = append(got, seen{f.Field, f.Name, f.Type, string(content)})
				return err
			}})
			if diff := cmp.Diff([]seen{tc.want}, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(`{"a":"1","z":"2"}`, string(s.Canonical())); diff != "" {
				t.Error(diff)
			}
		})
	}
	s := read(t, upload(`name="file"; filename=""`, ""), Options{})
	if got := string(s.Canonical()); got != `{"a":"1","file":"","z":"2"}` {
		t.Errorf("a file input left empty: got %s", got)
	}
}

func TestFileLimits(t *testing.T) {
	t.Parallel()
	drain := func(f *File) error { _, err := io.Copy(io.Discard, f); return err }
	leave := func(*File) error { return nil }
	large := strings.Repeat("x", 100<<10)
	for _, tc := range []struct {
		name   string
		onFile func(*File) error
		fails  bool
	}{
		{"read by the caller", drain, false},
		{"left by the caller", leave, true},
		{"discarded", nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := Read(upload(`name=file; filename=f`, large), Options{MaxBody: 1 << 10, OnFile: tc.onFile})
			if (err != nil) != tc.fails {
				t.Fatalf("got %v", err)
			}
			if err == nil && string(s.Canonical()) != `{"a":"1","z":"2"}` {
				t.Errorf("got %s", s.Canonical())
			}
			if _, err := Read(upload(`name=file; filename=f`, "small"), Options{MaxBody: 1 << 10, OnFile: tc.onFile}); err != nil {
				t.Errorf("a small file: %v", err)
			}
		})
	}
	if _, err := Read(upload(`name=file; filename="`+"\xff"+`"`, "x"), Options{OnFile: drain}); err == nil {
		t.Error("file name of invalid UTF-8: no error")
	}
}

func TestFileErrors(t *testing.T) {
	t.Parallel()
	full := parley.Errorf(parley.KindUnavailable, "disk is full")
	_, err := Read(upload(`name=file; filename=f`, "x"), Options{OnFile: func(*File) error { return full }})
	if !errors.Is(err, full) || parley.KindOf(err) != parley.KindUnavailable {
		t.Errorf("an error of the caller: got %v", err)
	}
	r := request("/", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\nhalf a fi")
	_, err = Read(r, Options{OnFile: func(f *File) error {
		_, err := io.Copy(io.Discard, f)
		return fmt.Errorf("store file: %w", err)
	}})
	if parley.KindOf(err) != parley.KindInvalid || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body cut in the file: got %v", err)
	}
	many := strings.Repeat("--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n\r\n", MaxParameters+1)
	_, err = Read(request("/", "multipart/form-data; boundary=b", many+"--b--"), Options{})
	if err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("too many files: got %v", err)
	}
}
