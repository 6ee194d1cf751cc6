package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestDevice names the devices that people have, and those that are none.
func TestDevice(t *testing.T) {
	t.Parallel()
	const (
		webkit = "AppleWebKit/537.36 (KHTML, like Gecko) "
		apple  = "AppleWebKit/605.1.15 (KHTML, like Gecko) "
	)
	for _, c := range []struct{ userAgent, browser, system, name string }{
		{"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox", "Linux", "Firefox on Linux"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox", "Windows", "Firefox on Windows"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox", "macOS", "Firefox on macOS"},
		{"Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0", "Firefox", "Android", "Firefox on Android"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) " + apple + "FxiOS/145.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iOS", "Firefox on iOS"},
		{"Mozilla/5.0 (X11; Linux x86_64) " + webkit + "Chrome/142.0.0.0 Safari/537.36", "Chrome", "Linux", "Chrome on Linux"},
		{"Mozilla/5.0 (X11; Linux x86_64) " + webkit + "HeadlessChrome/142.0.0.0 Safari/537.36", "Chrome", "Linux", "Chrome on Linux"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/142.0.0.0 Safari/537.36", "Chrome", "Windows", "Chrome on Windows"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) " + webkit + "Chrome/142.0.0.0 Safari/537.36", "Chrome", "macOS", "Chrome on macOS"},
		{"Mozilla/5.0 (Linux; Android 10; K) " + webkit + "Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome", "Android", "Chrome on Android"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) " + apple + "CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1", "Chrome", "iOS", "Chrome on iOS"},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) " + webkit + "Chrome/142.0.0.0 Safari/537.36", "Chrome", "ChromeOS", "Chrome on ChromeOS"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + webkit + "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge", "Windows", "Edge on Windows"},
		{"Mozilla/5.0 (Linux; Android 10; HD1913) " + webkit + "Chrome/142.0.0.0 Mobile Safari/537.36 EdgA/142.0.0.0", "Edge", "Android", "Edge on Android"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) " + apple + "Version/26.0 Safari/605.1.15", "Safari", "macOS", "Safari on macOS"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) " + apple + "Version/26.0 Mobile/15E148 Safari/604.1", "Safari", "iOS", "Safari on iOS"},
		{"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) " + apple + "Version/26.0 Mobile/15E148 Safari/604.1", "Safari", "iOS", "Safari on iOS"},
		{"curl/8.5.0", "curl", "", "curl"},
		{"python-requests/2.32.3", "python-requests", "", "python-requests"},
		{"node", "node", "", "node"},
		{"Go-http-client/1.1", "Go-http-client", "", "Go-http-client"},
		{"日本語/1.0", "日本語", "", "日本語"},
		{"", "", "", ""},
		// No name is as long as that.
		{strings.Repeat("x", maxDevice), strings.Repeat("x", maxDevice), "", strings.Repeat("x", maxDevice)},
		{strings.Repeat("x", maxDevice+1), "", "", ""},
		{strings.Repeat("x", maxDevice+1) + "/1.0 (X11; Linux x86_64)", "", "Linux", "Linux"},
		{strings.Repeat("()", 256), "", "", ""},
	} {
		browser, system := device(c.userAgent)
		if browser != c.browser || system != c.system {
			t.Errorf("%.80q: have %q, %q, want %q, %q", c.userAgent, browser, system, c.browser, c.system)
		}
		want := `"device":"` + c.name + `","browser":"` + c.browser + `","os":"` + c.system + `"`
		if have := string(appendDevice(nil, c.userAgent)); have != want {
			t.Errorf("%.80q:\nhave %s\nwant %s", c.userAgent, have, want)
		}
	}
}

// FuzzDevice holds that whatever a client calls itself is shown as JSON, and
// short. What comes here has been cut to 512 bytes of valid UTF-8.
func FuzzDevice(f *testing.F) {
	for _, s := range []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "curl/8.5.0", "(((((((", "a/b;c d(e)f;/", "Android", "Linux; Android",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Windows NT", "Instagram 1.2", "XiaoMi/MiuiBrowser", "\u2028/\u2029", "Macintosh; Mac OS X",
		"OPR/1 OPiOS/2", "Chrome/1 Safari/2 日本/3", "é;é(é)é/é", "/ / /", "+http://", "BlackBerry; CrOS/", "ЖЖ iPhone OS Ж",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, userAgent string) {
		if len(userAgent) > 512 || !utf8.ValidString(userAgent) {
			return
		}
		browser, system := device(userAgent)
		for _, name := range []string{browser, system} {
			if len(name) > maxDevice || !utf8.ValidString(name) {
				t.Fatalf("%q is called %q", userAgent, name)
			}
		}
		out := append(appendDevice([]byte{'{'}, userAgent), '}')
		var shown struct{ Device, Browser, OS string }
		decoder := json.NewDecoder(bytes.NewReader(out))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&shown); err != nil || !utf8.Valid(out) {
			t.Fatalf("%q: %v: %q", userAgent, err, out)
		}
		if shown.Browser != browser || shown.OS != system || len(shown.Device) > 2*maxDevice+len(" on ") {
			t.Fatalf("%q is shown as %q", userAgent, out)
		}
	})
}
