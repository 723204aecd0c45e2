package store

import (
	"context"
	"time"

	"github.com/parley-im/parley"
	"github.com/parley-im/parley/connector"
)

// profileAge is how old the last answer about a profile may become before the
// next message of the contact makes us ask again.
const profileAge = 24 * time.Hour

// A ProfileCursor is a place in the order of profiles that are due.
type ProfileCursor struct {
	At time.Time
	ID parley.ConversationID
}

// DueProfiles returns conversations of any company whose name and picture are to
// be asked for, in the order in which they became due, behind the cursor.
func (db *DB) DueProfiles(ctx context.Context, due time.Time, after ProfileCursor, limit int) ([]DueProfile, error) {
	var list []DueProfile
	err := db.read(ctx, `SELECT id, company_id, channel_id, external, is_group, name, profile_tries, profile_at FROM conversation
		WHERE profile_at > 0 AND profile_at <= $1 AND (profile_at > $2 OR (profile_at = $2 AND id > $3)) ORDER BY profile_at, id LIMIT $4`,
		[]any{millis(due), millis(after.At), int64(after.ID), limit}, func(scan scanFunc) error {
			var d DueProfile
			var group, at int64
			err := scan(&d.Conversation, &d.Company, &d.Channel, &d.Chat.ID, &group, &d.Chat.Name, &d.Tries, &at)
			d.Chat.Group, d.DueAt = group != 0, moment(at)
			list = append(list, d)
			return err
		})
	return list, err
}

// FinishProfile stores what became of asking for a profile: the name at once, a
// new picture as a file to be fetched. KindConflict: somebody else has dealt with
// it, or owns the company.
func (db *DB) FinishProfile(ctx context.Context, o *ProfileOutcome) error {
	return db.Tx(ctx, o.Due.Company, func(tx *Tx) error {
		if ok, err := tx.fence(o.Grant); err != nil || !ok {
			return orFenced(err)
		}
		known := tx.convs()
		if err := known.loadByID([]parley.ConversationID{o.Due.Conversation}); err != nil {
			return err
		}
		v := known.byID[o.Due.Conversation]
		if v == nil {
			return errFileMoved
		}
		if err := known.profiled(v, o); err != nil {
			return err
		}
		known.keep()
		return nil
	})
}

// profiled takes over the answer.
func (s *convs) profiled(v *conv, o *ProfileOutcome) error {
	tries, asked := 0, s.tx.now
	if o.Profile == nil {
		tries = o.Due.Tries + 1
	}
	n, err := s.tx.Exec("UPDATE conversation SET profile_at = $2, profiled_at = $3, profile_tries = $4 WHERE id = $1 AND profile_at = $5",
		int64(v.ID), millis(o.Again), millis(asked), int64(tries), millis(o.Due.DueAt))
	if err == nil && n == 0 {
		err = errFileMoved
	}
	if err != nil {
		return err
	}
	v.profiled = asked
	s.touch(v)
	if o.Profile == nil {
		return nil
	}
	if name := o.Profile.Name; name != "" {
		if err := s.setName(v, name); err != nil {
			return err
		}
	}
	return s.newPicture(v, o.Profile.Picture)
}

// newPicture makes a file of a picture that we do not have. One that was taken
// away goes at once.
func (s *convs) newPicture(v *conv, f *connector.File) error {
	if f == nil {
		// One that is still being fetched must not show either.
		if _, err := s.tx.Exec("UPDATE conversation SET avatar_id = 0 WHERE id = $1", int64(v.ID)); err != nil {
			return err
		}
		return s.picture(v, 0, "")
	}
	var current string
	err := s.tx.one(`SELECT a.external FROM conversation v JOIN attachment a ON a.id = v.avatar_id WHERE v.id = $1 AND a.state <> 'failed'`,
		[]any{int64(v.ID)}, &current)
	if err == nil && current == f.ID {
		return nil
	}
	if err != nil && !noRow(err) {
		return err
	}
	picture := *f
	picture.Kind = parley.FileAvatar
	a := s.tx.newAttachment(v, parley.AttachmentID(s.tx.ids.take()), &picture)
	rows := attachmentRows()
	rows.attachment(&a)
	if err := rows.run(s.tx, nil); err != nil {
		return err
	}
	_, err = s.tx.Exec("UPDATE conversation SET avatar_id = $2 WHERE id = $1", int64(v.ID), int64(a.ID))
	return err
}

// picture shows a picture, if it is still the newest, or none.
func (s *convs) picture(v *conv, id parley.AttachmentID, path string) error {
	n, err := s.tx.Exec("UPDATE conversation SET avatar_url = $2, avatar_id = $3 WHERE id = $1 AND avatar_url <> $2 AND (avatar_id = $3 OR $3 = 0)",
		int64(v.ID), path, int64(id))
	if err != nil || n == 0 {
		return err
	}
	v.AvatarURL = s.tx.db.absolute(path)
	s.changed(v)
	return nil
}

// stale reports whether the last answer about the profile is too old.
func (v *conv) stale(now time.Time) bool { return now.Sub(v.profiled) >= profileAge }
