package ui

import (
	"encoding/json"
	"io"

	"harmony-callout/provision"
)

// JSON returns a listener that writes each event as one line of JSON. Events that cannot be
// written, since the reader is gone, are dropped: the run itself goes on.
func JSON(w io.Writer) func(provision.Event) {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return func(e provision.Event) { _ = encoder.Encode(e) }
}
