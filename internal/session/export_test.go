package session

import "context"

// Forget is what the feed does each minute.
func (r *Revoked) Forget(ctx context.Context) { r.forget(ctx) }
