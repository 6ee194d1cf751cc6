// Package web holds the built pages of the app and of the API's description,
// which the binary serves. The build (npm run build) puts them into dist; a
// checkout has the empty folder only, so that the program can be compiled
// without Node.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files gives what the build has made; only ".keep" if there was none.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: " + err.Error()) // the name is a constant
	}
	return files
}
