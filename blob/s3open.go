package blob

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/parley-im/parley"
)

// attempts is how often a request is made in all before its error comes back. The
// caller decides what happens after that: it has a queue, and the client has not.
const attempts = 3

// defaultRegion is the name that servers expect whose operator has not set one.
const defaultRegion = "us-east-1"

// An address is a location that names a bucket.
type address struct {
	bucket, prefix string // the prefix is empty or ends in a slash
	host           string // of the endpoint, with its port if it has one
	secure         bool
	region         string
	lookup         minio.BucketLookupType
}

func openBucket(location string, o Options) (Store, error) {
	a, err := parseAddress(location)
	if err != nil {
		return nil, wrongAddress(err)
	}
	if o.AccessKey == "" || o.SecretKey == "" {
		return nil, parley.Errorf(parley.KindInvalid, "files go to a bucket, and its access key or secret key is missing")
	}
	transport, err := newTransport(o.CAFile)
	if err != nil {
		return nil, &parley.Error{Kind: parley.KindInvalid, Message: "the certificates for the bucket's endpoint cannot be used", Err: err}
	}
	core, err := minio.NewCore(a.host, &minio.Options{
		Creds:        credentials.NewStaticV4(o.AccessKey.Reveal(), o.SecretKey.Reveal(), ""),
		Secure:       a.secure,
		Transport:    transport,
		Region:       a.region, // without one the client would ask the server, or Amazon
		BucketLookup: a.lookup,
		MaxRetries:   attempts,
	})
	if err != nil {
		return nil, wrongAddress(err)
	}
	return &bucket{address: a, core: core}, nil
}

func wrongAddress(err error) error {
	return &parley.Error{
		Kind:    parley.KindInvalid,
		Message: "the bucket for files must read s3://bucket/prefix?endpoint=https://host:port&region=name",
		Err:     err,
	}
}

// parseAddress reads a location. Its errors do not quote it: people put secrets
// into addresses, where they do not belong.
func parseAddress(location string) (address, error) {
	u, err := url.Parse(location)
	if err != nil {
		return address{}, errors.New("this is no address")
	}
	if u.User != nil || u.Fragment != "" {
		return address{}, errors.New("keys do not belong into the address, nor does a #")
	}
	a := address{bucket: u.Host}
	if s3utils.CheckValidBucketNameStrict(a.bucket) != nil {
		return address{}, errors.New("the name of the bucket is missing or not allowed")
	}
	if a.prefix, err = parsePrefix(u.Path); err != nil {
		return address{}, err
	}
	return a, a.parseQuery(u.RawQuery)
}

// parsePrefix allows what every server takes literally.
func parsePrefix(path string) (string, error) {
	path = strings.Trim(path, "/")
	if path == "" {
		return "", nil
	}
	for segment := range strings.SplitSeq(path, "/") {
		if validKey(segment) != nil {
			return "", errors.New("the prefix may have letters, digits, dots, underscores, hyphens and single slashes")
		}
	}
	return path + "/", nil
}

func (a *address) parseQuery(raw string) error {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return errors.New("what follows the question mark cannot be read")
	}
	for name, values := range q {
		if len(values) != 1 || !strings.Contains(" endpoint region style ", " "+name+" ") {
			return errors.New("after the question mark there may be endpoint, region and style, each once")
		}
	}
	if a.region = q.Get("region"); a.region == "" {
		a.region = defaultRegion
	}
	switch q.Get("style") {
	case "":
	case "path":
		a.lookup = minio.BucketLookupPath
	case "host":
		a.lookup = minio.BucketLookupDNS
	default:
		return errors.New("style is path or host")
	}
	return a.parseEndpoint(q.Get("endpoint"))
}

func (a *address) parseEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return errors.New("the endpoint is missing or not like https://host:port; Amazon's is https://s3.REGION.amazonaws.com")
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the endpoint has only a scheme, a host and a port")
	}
	a.host, a.secure = u.Host, u.Scheme == "https"
	return nil
}

func (a address) String() string {
	scheme := "http"
	if a.secure {
		scheme = "https"
	}
	return fmt.Sprintf("s3://%s/%s at %s://%s", a.bucket, a.prefix, scheme, a.host)
}

// newTransport makes a transport of HTTP/1.1 that honours the usual proxy
// variables and gives up on a server that has gone silent.
func newTransport(caFile string) (*http.Transport, error) {
	roots, err := readRoots(caFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         guard(dialer.DialContext, silence),
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     silence / 2, // so that no request starts on a connection about to be given up
		DisableCompression:  true,        // the bytes are the blob's own
	}, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", file)
	}
	return roots, nil
}
