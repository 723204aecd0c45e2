package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/params"
)

type fileStore interface {
	// Files returns those of the ids that are uploads of the company, in any order.
	Files(ctx context.Context, company parley.CompanyID, ids []parley.AttachmentID) ([]parley.Attachment, error)
}

// contractFiles are how many files one message takes on the providers to which
// the original API sends several. A provider's own Spec says it better.
var contractFiles = map[string]int{"vkontakte": 10, "vkontakte_direct": 10}

// maxFiles returns how many files one message may be sent with, at least 1.
func (s *Server) maxFiles(provider string) int {
	if n := s.specs[provider].MaxFiles; n > 0 {
		return n
	}
	return max(1, contractFiles[provider])
}

const filesField = "attachments_ids"

// uploaded finds the files that a message is to be sent with, in the order of
// their ids in the request. What is wrong with them is a failure of b; the error
// is the store's.
func (s *Server) uploaded(c *call, b *params.Binder, numbers []int64, provider string) ([]parley.Attachment, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	if most := s.maxFiles(provider); len(numbers) > most {
		b.Fail(filesField, tooMany(most))
		return nil, nil
	}
	ids := make([]parley.AttachmentID, len(numbers))
	for i, n := range numbers {
		if slices.Contains(numbers[:i], n) {
			b.Fail(filesField, "is invalid: the same attachment is given twice")
			return nil, nil
		}
		ids[i] = parley.AttachmentID(n)
	}
	found, err := s.store.Files(c.ctx, c.company.ID, ids)
	if err != nil {
		return nil, err
	}
	files := inOrder(found, ids)
	if len(files) < len(ids) {
		b.Fail(filesField, "is invalid: no such attachment")
		return nil, nil
	}
	return files, nil
}

func tooMany(most int) string {
	if most == 1 {
		return "is invalid: this provider takes one attachment a message"
	}
	return "is invalid: this provider takes at most " + strconv.Itoa(most) + " attachments a message"
}

// inOrder returns the files of the ids, in their order; those not found are left
// out.
func inOrder(found []parley.Attachment, ids []parley.AttachmentID) []parley.Attachment {
	files := make([]parley.Attachment, 0, len(ids))
	for _, id := range ids {
		if i := slices.IndexFunc(found, func(a parley.Attachment) bool { return a.ID == id }); i >= 0 {
			files = append(files, found[i])
		}
	}
	return files
}
