package blob

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"

	"github.com/parley-im/parley"
)

// A verdict is what a server's error code means here.
type verdict struct {
	kind    parley.Kind
	code    string
	message string
}

const (
	wrongKeys   = "the bucket's server does not accept the access key and secret key: correct them"
	wrongRegion = "the bucket is in another region: correct region and endpoint"
	retryLater  = "the bucket's server did not store or send the file; it may work later"
	full        = "there is no space left in the bucket"
)

// verdicts are the codes that mean something else than their HTTP status says.
// Source: Amazon S3 API Reference, Error responses; those with XMinio: MinIO's
// server; XAdminUserNotFound: versitygw's, with status 404. All read 2026-11.
var verdicts = map[string]verdict{
	"NoSuchKey":                      {parley.KindNotFound, "", "there is no such file"},
	"NoSuchBucket":                   {parley.KindInvalid, "", "the bucket for files does not exist: create it, or correct its name or endpoint"},
	"InvalidBucketName":              {parley.KindInvalid, "", "the name of the bucket is not allowed: correct it"},
	"InvalidAccessKeyId":             {parley.KindInvalid, "", wrongKeys},
	"XAdminUserNotFound":             {parley.KindInvalid, "", wrongKeys},
	"SignatureDoesNotMatch":          {parley.KindInvalid, "", wrongKeys},
	"AccessDenied":                   {parley.KindInvalid, "", "the bucket's server forbids this: allow the key s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload, ListBucket and ListBucketMultipartUploads"},
	"AuthorizationHeaderMalformed":   {parley.KindInvalid, "", wrongRegion},
	"InvalidRegion":                  {parley.KindInvalid, "", wrongRegion},
	"PermanentRedirect":              {parley.KindInvalid, "", wrongRegion},
	"RequestTimeTooSkewed":           {parley.KindInvalid, "", "this machine's clock and that of the bucket's server differ too much: set them right"},
	"RequestTimeout":                 {parley.KindUnavailable, "", retryLater},
	"NoSuchUpload":                   {parley.KindUnavailable, "", retryLater},
	"InvalidPart":                    {parley.KindUnavailable, "", retryLater},
	"BadDigest":                      {parley.KindUnavailable, "", retryLater},
	"IncompleteBody":                 {parley.KindUnavailable, "", retryLater},
	"XAmzContentSHA256Mismatch":      {parley.KindUnavailable, "", retryLater},
	"OperationAborted":               {parley.KindUnavailable, "", retryLater},
	"ConditionalRequestConflict":     {parley.KindUnavailable, "", retryLater},
	"PreconditionFailed":             {parley.KindUnavailable, "", "the file was replaced while it was read"},
	"QuotaExceeded":                  {parley.KindUnavailable, CodeDiskFull, full},
	"XMinioStorageFull":              {parley.KindUnavailable, CodeDiskFull, full},
	"XMinioAdminBucketQuotaExceeded": {parley.KindUnavailable, CodeDiskFull, full},
}

// fail gives an error of the client its kind.
func (b *bucket) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return judge(answer)
	}
	return unreachable(err)
}

func judge(answer minio.ErrorResponse) error {
	v, ok := verdicts[answer.Code]
	switch {
	case answer.Code == minio.NoSuchKey && answer.XMLName.Local == "":
		// The client has made this of a bare 404, which a web server gives too.
		v = verdict{parley.KindUnavailable, "", "what answers at the bucket's endpoint does not speak S3"}
	case ok:
	default:
		v = byStatus(answer.StatusCode)
	}
	return &parley.Error{Kind: v.kind, Code: v.code, Message: v.message, Err: answer}
}

// byStatus judges a code that is not in the table.
func byStatus(status int) verdict {
	switch {
	case status == http.StatusInsufficientStorage:
		return verdict{parley.KindUnavailable, CodeDiskFull, full}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return verdict{parley.KindInvalid, "", "the bucket's server refuses access: check the access key, the secret key and what they are allowed"}
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status < 300, status >= 500:
		return verdict{parley.KindUnavailable, "", retryLater}
	}
	return verdict{parley.KindInvalid, "", "the bucket's server refuses the request: see the cause"}
}

// unreachable is for errors without an answer. Certificates do not get better by
// themselves.
func unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the address of the object
	}
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case cert, authority:
		return &parley.Error{Kind: parley.KindInvalid, Message: "the certificate of the bucket's endpoint is not trusted: name the file of its authority", Err: err}
	case errors.Is(err, http.ErrSchemeMismatch):
		return &parley.Error{Kind: parley.KindInvalid, Message: "the bucket's endpoint speaks http, not https: correct it", Err: err}
	}
	return &parley.Error{Kind: parley.KindUnavailable, Message: "the bucket's server cannot be reached", Err: err}
}

// codeOf returns the server's word for an error of the client, or "".
func codeOf(err error) string {
	answer, _ := errors.AsType[minio.ErrorResponse](err)
	return answer.Code
}
