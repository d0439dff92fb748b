package event

import "errors"

// What a channel may say of a batch that it refuses. Sources know them without knowing channels.
var (
	// ErrFull: no room now; the same batch may be sent again.
	ErrFull = errors.New("channel full")
	// ErrTooLarge: the batch can never fit, whatever is drained; the source has to cut it.
	ErrTooLarge = errors.New("batch too large for the channel")
	// ErrClosed: the channel is closed or has failed for good.
	ErrClosed = errors.New("channel closed")
)

// Refused is a channel's refusal in the words that Flume's clients know, such as the text after netcat's FAILED.
type Refused struct {
	Kind error  // ErrFull, ErrTooLarge or ErrClosed
	Text string // Flume's exact sentence
}

func (r *Refused) Error() string { return r.Text }

// Unwrap returns the kind, so that errors.Is(err, ErrFull) holds.
func (r *Refused) Unwrap() error { return r.Kind }
