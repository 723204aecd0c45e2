package attachment

import "github.com/parley-im/parley"

// An UploadRequest says what somebody uploads, and whose it is.
type UploadRequest struct {
	Company      parley.CompanyID
	Channel      parley.ChannelID
	Conversation parley.ConversationID
	Name         string // the last element of a file name, as the client gave it; may be empty or hostile
	Type         string // MIME type as the client gave it; may be empty, wrong or hostile
	AtLeast      int64  // bytes that the file surely has, as far as the client announced it; 0 if it did not

	// Voice reports whether the file is to be sent as a voice message. It is known
	// only when the bytes have been read to io.EOF, since the client may say it
	// after them, so it must be called no earlier; and nothing may be stored if the
	// reader ended with another error. nil is no.
	Voice func() bool
}
