package postgres

// Statements are those that only this engine has, for the test of the plans.
var Statements = map[string]string{"rotate one": rotateOne, "rotate several": rotateSeveral}

// Settings are made on every connection.
const Settings = settings

// Waiting gives how many rotations wait for a writer.
func (db *DB) Waiting() int {
	db.rotations.mu.Lock()
	defer db.rotations.mu.Unlock()
	return len(db.rotations.waiting)
}

// Told says in the words of auth what went wrong.
func Told(err error) error { return told(err) }

// MaybeDone is an error after which nobody knows whether it was committed.
func MaybeDone(err error) error { return maybeDone{err} }
