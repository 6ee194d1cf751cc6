package api

// Endpoint is one method of one path of the table.
type Endpoint struct {
	Method, Path string
	// Bearer says that it needs a credential, Open that it answers everybody
	// alike, Service that a user's credential is none there.
	Bearer, Open, Service bool
	// Fresh says that some or all requests to the path need a fresh proof.
	Fresh bool
}

// Endpoints is the whole surface, for tests that must not miss what is added to
// it.
func Endpoints() []Endpoint {
	var all []Endpoint
	for _, rt := range (&API{}).table() {
		for _, m := range rt.methods {
			all = append(all, Endpoint{m.name, rt.path, rt.who == bearer, rt.who == open, rt.who == service, rt.fresh != nil})
		}
	}
	return all
}
